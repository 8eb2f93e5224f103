//! Chats at rest: the bucket `CHATS`, with a small cache before it.
//!
//! Shape: see [`crate::domain::chat`] for the keys. There may be millions, so nothing here lists or holds them all.
//!
//! Invariants:
//! - A chat is found by its name: the name entry is written before the chat, and the former one goes after it, only if
//!   nobody has written it again since. What a crash leaves over is a hit that the chat itself denies.
//! - A change made here is seen here at once, and by other replicas within [`FRESH_FOR`].

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::ids::{AccountId, WorkspaceId};
use angelia_shared::log::{EventLog, OpenLogError};
use async_nats::jetstream::kv;
use async_nats::jetstream::message::StreamMessage;
use bytes::Bytes;

use super::cache::Cache;
use super::stream_page::{self, ReadPageError};
use crate::domain::chat::{self, Chat, ChatId};

/// Name of the bucket.
pub const BUCKET: &str = "CHATS";
/// The bucket's stream, as the broker names it.
const STREAM: &str = "KV_CHATS";
const SUBJECT_PREFIX: &str = "$KV.CHATS.";
/// For how long a chat that was read is used without asking again.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Chats kept in memory: what a busy second may touch, some 10 MiB.
const CACHED_MAX: usize = 16_384;
/// Writers that may come between before a change is given up.
const TRIES_MAX: usize = 8;
/// Chats that one search looks at before it answers with a cursor to go on from.
const SEARCHED_MAX: usize = 20_000;
/// Records that one question to the broker may bring.
const READ_AT_ONCE: usize = 500;

/// Chats could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ChatsError {
    /// The broker does not answer, or not in an expected way.
    #[error("cannot reach the bucket of chats")]
    Bucket(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Others kept changing the same chat.
    #[error("the chat is being changed by others")]
    Contended,
}

impl From<ReadPageError> for ChatsError {
    fn from(error: ReadPageError) -> Self {
        Self::Bucket(Box::new(error))
    }
}

/// A chat with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: ChatId,
    /// The chat.
    pub chat: Chat,
}

/// Some chats, and the place to go on from when there may be more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// In the order of their last change, oldest first.
    pub chats: Vec<Named>,
    /// The place of the last one looked at.
    pub next: Option<u64>,
}

#[derive(Clone)]
struct Known {
    revision: u64,
    chat: Option<Arc<Chat>>,
}

/// The chats of all workspaces.
pub struct Chats {
    log: EventLog,
    bucket: kv::Store,
    cache: Cache<(WorkspaceId, ChatId), Known>,
}

impl Chats {
    /// Opens the bucket, making it with `replicas` copies when it is not there.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn open(log: EventLog, replicas: usize) -> Result<Self, OpenLogError> {
        let bucket = log.bucket(BUCKET, replicas, None).await?;
        Ok(Self { log, bucket, cache: Cache::new(CACHED_MAX, FRESH_FOR) })
    }

    /// A chat of a workspace.
    ///
    /// # Errors
    /// [`ChatsError::Bucket`].
    pub async fn get(&self, workspace: WorkspaceId, id: &ChatId) -> Result<Option<Arc<Chat>>, ChatsError> {
        let key = (workspace, id.clone());
        let now = clock::monotonic();
        if let Some(known) = self.cache.get(&key, now) {
            return Ok(known.chat);
        }
        let (revision, chat) = self.read(workspace, id).await?;
        let chat = chat.map(Arc::new);
        // What is not there may be there a moment later, and then it must be found: only a removal is remembered.
        if chat.is_some() {
            self.remember(key, Known { revision, chat: chat.clone() });
        }
        Ok(chat)
    }

    /// Chats of an account with exactly this name, at most two: more are as ambiguous as two.
    ///
    /// # Errors
    /// [`ChatsError::Bucket`].
    pub async fn named(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<Named>, ChatsError> {
        let filter = format!("{SUBJECT_PREFIX}{}", chat::name_filter(account, name));
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let entries = stream_page::read(&self.log, STREAM, &filter, after, READ_AT_ONCE).await?;
            let Some(last) = entries.last() else { return Ok(found) };
            after = last.sequence;
            for id in entries.iter().filter(|entry| is_put(entry)).filter_map(|entry| chat::id_in(&entry.subject)) {
                let chat = self.get(workspace, &id).await?;
                if let Some(chat) = chat.filter(|chat| chat.account_id == account && chat.name == name) {
                    found.push(Named { id, chat: Chat::clone(&chat) });
                }
                if found.len() == 2 {
                    return Ok(found);
                }
            }
        }
    }

    /// Stores a chat. Says whether it is new.
    ///
    /// # Errors
    /// [`ChatsError`].
    pub async fn put(&self, workspace: WorkspaceId, id: &ChatId, new: Chat) -> Result<bool, ChatsError> {
        let key = chat::key(workspace, id);
        let name_key = chat::name_key(new.account_id, &new.name, id);
        let value = Bytes::from(serde_json::to_vec(&new).expect("a chat has only plain values"));
        for _ in 0..TRIES_MAX {
            let (revision, old) = self.read(workspace, id).await?;
            let former = self.former_name(&old, id, Some(&name_key)).await?;
            self.bucket.put(&name_key, Bytes::new()).await.map_err(bucket_error)?;
            match self.bucket.update(&key, value.clone(), revision).await {
                Ok(revision) => {
                    self.forget_name(former).await;
                    let known = Known { revision, chat: Some(Arc::new(new)) };
                    self.remember((workspace, id.clone()), known);
                    return Ok(old.is_none());
                }
                Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => yield_to_others().await,
                Err(error) => return Err(bucket_error(error)),
            }
        }
        Err(ChatsError::Contended)
    }

    /// Removes a chat. Says whether there was one.
    ///
    /// # Errors
    /// [`ChatsError`].
    pub async fn remove(&self, workspace: WorkspaceId, id: &ChatId) -> Result<bool, ChatsError> {
        for _ in 0..TRIES_MAX {
            let (revision, old) = self.read(workspace, id).await?;
            if old.is_none() {
                return Ok(false);
            }
            let former = self.former_name(&old, id, None).await?;
            match self.bucket.delete_expect_revision(chat::key(workspace, id), Some(revision)).await {
                Ok(()) => {
                    self.forget_name(former).await;
                    // The marker's revision is not told; whatever it is, it is later than the chat's.
                    self.remember((workspace, id.clone()), Known { revision: revision + 1, chat: None });
                    return Ok(true);
                }
                Err(error) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => yield_to_others().await,
                Err(error) => return Err(bucket_error(error)),
            }
        }
        Err(ChatsError::Contended)
    }

    /// Lists chats of a workspace after a place, at most `limit`. With `query`, only those whose id, name or JID contains
    /// it, in any case.
    ///
    /// # Errors
    /// [`ChatsError::Bucket`].
    pub async fn list(
        &self,
        workspace: WorkspaceId,
        after: u64,
        limit: usize,
        query: Option<&str>,
    ) -> Result<Listed, ChatsError> {
        let filter = format!("{SUBJECT_PREFIX}{}", chat::filter(workspace));
        let query = query.map(str::to_lowercase);
        let (mut listed, mut after, mut searched) = (Listed::default(), after, 0);
        loop {
            let records = stream_page::read(&self.log, STREAM, &filter, after, READ_AT_ONCE).await?;
            let is_last = records.len() < READ_AT_ONCE;
            for record in &records {
                if listed.chats.len() == limit {
                    listed.next = Some(after);
                    return Ok(listed);
                }
                after = record.sequence;
                listed.chats.extend(named_in(record).filter(|named| matches(named, query.as_deref())));
            }
            searched += records.len();
            if is_last {
                return Ok(listed);
            }
            if searched >= SEARCHED_MAX {
                listed.next = Some(after);
                return Ok(listed);
            }
        }
    }

    /// The chat as the bucket has it, with the revision that guards its next change.
    async fn read(&self, workspace: WorkspaceId, id: &ChatId) -> Result<(u64, Option<Chat>), ChatsError> {
        let entry = self.bucket.entry(chat::key(workspace, id)).await.map_err(bucket_error)?;
        let Some(entry) = entry else { return Ok((0, None)) };
        if entry.operation != kv::Operation::Put {
            return Ok((entry.revision, None));
        }
        let chat = serde_json::from_slice(&entry.value).map_err(|error| ChatsError::Bucket(Box::new(error)))?;
        Ok((entry.revision, Some(chat)))
    }

    /// The name entry that a chat is about to lose, with its revision. Read before the chat changes: whoever gives the
    /// chat this name again writes the entry anew, and then it stays.
    async fn former_name(
        &self,
        old: &Option<Chat>,
        id: &ChatId,
        kept: Option<&str>,
    ) -> Result<Option<(String, u64)>, ChatsError> {
        let Some(old) = old else { return Ok(None) };
        let key = chat::name_key(old.account_id, &old.name, id);
        if kept == Some(&key) {
            return Ok(None);
        }
        let entry = self.bucket.entry(key.as_str()).await.map_err(bucket_error)?;
        Ok(entry.map(|entry| (key, entry.revision)))
    }

    async fn forget_name(&self, former: Option<(String, u64)>) {
        if let Some((key, revision)) = former {
            // Written again by somebody else, or the broker is away: a hit that the chat denies stays behind.
            let _left_over = self.bucket.delete_expect_revision(key, Some(revision)).await;
        }
    }

    fn remember(&self, key: (WorkspaceId, ChatId), known: Known) {
        let revision = known.revision;
        self.cache.put_if(key, known, clock::monotonic(), |old| old.revision <= revision);
    }
}

/// A replica that lags has not seen yet what refused us.
async fn yield_to_others() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn is_put(record: &StreamMessage) -> bool {
    record.headers.get("KV-Operation").is_none()
}

fn named_in(record: &StreamMessage) -> Option<Named> {
    let id = chat::id_in(&record.subject)?;
    let chat = serde_json::from_slice(&record.payload).ok()?;
    is_put(record).then_some(Named { id, chat })
}

fn matches(named: &Named, query: Option<&str>) -> bool {
    let Some(query) = query else { return true };
    let Named { id, chat } = named;
    [id.as_str(), &chat.name, &chat.jid].iter().any(|text| text.to_lowercase().contains(query))
}

fn bucket_error(error: impl std::error::Error + Send + Sync + 'static) -> ChatsError {
    ChatsError::Bucket(Box::new(error))
}

#[cfg(test)]
mod tests {
    use angelia_shared::testing::TestBroker;

    use super::*;

    const W: WorkspaceId = WorkspaceId(1);
    const A: AccountId = AccountId(2);

    fn chat(name: &str) -> Chat {
        Chat { account_id: A, jid: "14151231234@s.whatsapp.net".to_owned(), name: name.to_owned() }
    }

    async fn find(chats: &Chats, name: &str) -> usize {
        chats.named(W, A, name).await.expect("the broker answers").len()
    }

    /// One writer takes a name away and is held up before its last step; another gives the name back.
    #[tokio::test]
    async fn a_name_that_was_given_back_in_between_stays_findable() {
        let broker = TestBroker::start().await;
        let (one, other) = (Chats::open(broker.log().await, 1).await, Chats::open(broker.log().await, 1).await);
        let (one, other) = (one.expect("the broker answers"), other.expect("the broker answers"));
        let id = ChatId::parse("1").expect("an id");
        one.put(W, &id, chat("Anna")).await.expect("stored");

        // The steps of `put(…, "Berta")`, but for the last.
        let (revision, old) = one.read(W, &id).await.expect("read");
        let name_key = chat::name_key(A, "Berta", &id);
        let former = one.former_name(&old, &id, Some(&name_key)).await.expect("read");
        assert!(former.is_some());
        one.bucket.put(&name_key, Bytes::new()).await.expect("stored");
        let value = serde_json::to_vec(&chat("Berta")).expect("plain values").into();
        one.bucket.update(chat::key(W, &id), value, revision).await.expect("stored");

        other.put(W, &id, chat("Anna")).await.expect("stored");
        one.forget_name(former).await;
        assert_eq!((find(&other, "Anna").await, find(&other, "Berta").await), (1, 0));
    }

    /// The same steps in the order of a crash before the chat itself was written, and after it.
    #[tokio::test]
    async fn a_crash_between_any_two_steps_leaves_the_chat_findable_by_its_name() {
        let broker = TestBroker::start().await;
        let chats = Chats::open(broker.log().await, 1).await.expect("the broker answers");
        let id = ChatId::parse("1").expect("an id");
        chats.put(W, &id, chat("Anna")).await.expect("stored");
        chats.bucket.put(chat::name_key(A, "Berta", &id), Bytes::new()).await.expect("stored");
        assert_eq!((find(&chats, "Anna").await, find(&chats, "Berta").await), (1, 0));
        let (revision, _) = chats.read(W, &id).await.expect("read");
        let value = serde_json::to_vec(&chat("Berta")).expect("plain values").into();
        chats.bucket.update(chat::key(W, &id), value, revision).await.expect("stored");
        let fresh = Chats::open(broker.log().await, 1).await.expect("the broker answers");
        assert_eq!((find(&fresh, "Anna").await, find(&fresh, "Berta").await), (0, 1));
    }
}
