//! Fetches files of messages that come next on their accounts, before their turn.
//!
//! Shape: after each step of an account, [`Ahead::look`] is told which messages with files are next; it says which file to
//! fetch now, and lets go of what belongs to no message any more. What was fetched waits among the waiting files until its
//! message is at the front and takes it.
//!
//! Invariants:
//! - The front comes first: at most half of the downloads at once are ahead of their turn, and none waits for another.
//! - One download at a time an account, [`AHEAD_PER_ACCOUNT`] messages far, and only while there is room among the waiting
//!   files: one account with many files keeps no other from fetching.
//! - Nothing is judged here. Whatever gives no file is asked again in its turn, and judged then.
//! - A message that has left the queue (cancelled, expired, sent), or whose account is held, leaves no download and no
//!   file behind.

use std::collections::HashMap;
use std::sync::Arc;

use angelia_shared::event::MessageAccepted;
use angelia_shared::ids::{AccountId, MessageId};
use smallvec::SmallVec;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::call::Done;
use super::{Context, prepare};
use crate::attachments::{Attachment, Fetch, Place};
use crate::domain::account::Waiting;
use crate::metrics as names;

/// How many messages behind the front are looked at.
pub(super) const AHEAD_PER_ACCOUNT: usize = 3;
/// How far before its turn a file is fetched, at most: as long as a link may take to answer. Whoever waits longer at the
/// front of its queue has that time then.
pub(super) const AHEAD_WITHIN_MS: u64 = 30_000;
/// Files that are hashed beside the other work, not in its way.
const LARGE: usize = 64 * 1024;

/// Files of one partition that are fetched ahead of their turn.
pub(super) struct Ahead {
    context: Arc<Context>,
    accounts: HashMap<AccountId, OfAccount>,
}

#[derive(Default)]
struct OfAccount {
    /// Messages whose file was fetched or tried, as long as they wait.
    tried: SmallVec<[MessageId; AHEAD_PER_ACCOUNT + 1]>,
    running: Option<Running>,
}

/// A download. It stops when this is dropped.
struct Running {
    message: MessageId,
    ended: CancellationToken,
    _stops: DropGuard,
}

impl Ahead {
    /// Nothing is fetched yet.
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, accounts: HashMap::new() }
    }

    /// Takes what is next on an account; returns the message whose file should be fetched now.
    pub(super) fn look(&mut self, account: AccountId, front: Option<MessageId>, next: &[Waiting]) -> Option<Waiting> {
        let Self { context, accounts } = self;
        if next.is_empty() && !accounts.contains_key(&account) {
            return None;
        }
        let of = accounts.entry(account).or_default();
        let (begin, left) = of.look(front, next);
        left.into_iter().for_each(|message| context.files.forget(message));
        if of.tried.is_empty() && of.running.is_none() && begin.is_none() {
            accounts.remove(&account);
        }
        begin
    }

    /// Begins a download, if there is room for it now. `kept` is the message's acceptance, where it is in memory.
    pub(super) fn begin(
        &mut self,
        account: AccountId,
        waiting: Waiting,
        kept: Option<MessageAccepted>,
        over: &CancellationToken,
        report: mpsc::Sender<Done>,
    ) {
        // None now means: when the account has gone on, or in its turn.
        let Some(room) = Room::take(&self.context) else { return };
        let (stop, ended) = (over.child_token(), CancellationToken::new());
        let of = self.accounts.entry(account).or_default();
        let message = waiting.message;
        of.tried.push(message);
        of.running = Some(Running { message, ended: ended.clone(), _stops: stop.clone().drop_guard() });
        let context = Arc::clone(&self.context);
        self.context.tasks.start("fetching a file ahead of its turn", async move {
            let ends = ended.drop_guard();
            let fetching = fetch(&context, waiting, kept, room, &stop);
            let Some(accepted) = stop.run_until_cancelled(fetching).await else { return };
            drop(ends);
            let accepted = accepted.map(Box::new);
            // Nobody listens when the partition is lost.
            let _gone = report.send(Done::FetchedAhead { account, message, accepted }).await;
        });
    }

    /// A download has ended.
    pub(super) fn ended(&mut self, account: AccountId, message: MessageId) {
        if let Some(of) = self.accounts.get_mut(&account) {
            of.running.take_if(|running| running.message == message);
        }
    }

    /// Signalled when the download of this message's file has ended; none when none runs.
    pub(super) fn running(&self, account: AccountId, message: MessageId) -> Option<CancellationToken> {
        let running = self.accounts.get(&account)?.running.as_ref()?;
        (running.message == message).then(|| running.ended.clone())
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        let tried = self.accounts.values().flat_map(|of| &of.tried);
        tried.for_each(|message| self.context.files.forget(*message));
    }
}

impl OfAccount {
    /// The message whose file should be fetched now, and those whose file nobody needs any more.
    fn look(&mut self, front: Option<MessageId>, next: &[Waiting]) -> (Option<Waiting>, SmallVec<[MessageId; 1]>) {
        let waits = |message: MessageId| front == Some(message) || next.iter().any(|next| next.message == message);
        self.running.take_if(|running| !waits(running.message));
        let left = self.tried.iter().copied().filter(|message| !waits(*message)).collect();
        self.tried.retain(|message| waits(*message));
        let begin = if self.running.is_some() {
            None
        } else {
            next.iter().find(|next| !self.tried.contains(&next.message)).copied()
        };
        (begin, left)
    }
}

/// What a download ahead of its turn takes from the others.
struct Room {
    _one: OwnedSemaphorePermit,
    _one_of_those_ahead: OwnedSemaphorePermit,
    place: Place,
}

impl Room {
    fn take(context: &Context) -> Option<Self> {
        Some(Self {
            _one_of_those_ahead: Arc::clone(&context.downloads_ahead).try_acquire_owned().ok()?,
            _one: Arc::clone(&context.downloads).try_acquire_owned().ok()?,
            place: context.files.place()?,
        })
    }
}

/// Makes one try to fetch a message's file. Returns its acceptance, if that had to be read.
async fn fetch(
    context: &Arc<Context>,
    waiting: Waiting,
    kept: Option<MessageAccepted>,
    room: Room,
    stop: &CancellationToken,
) -> Option<MessageAccepted> {
    let was_kept = kept.is_some();
    let accepted = match kept {
        Some(accepted) => accepted,
        None => prepare::read(context, waiting.at).await?,
    };
    if let Some(file) = file_of(context, &accepted).await {
        metrics::counter!(names::FILES_FETCHED_AHEAD).increment(1);
        keep(context, accepted.message, file, room, stop).await;
    }
    (!was_kept).then_some(accepted)
}

async fn file_of(context: &Context, accepted: &MessageAccepted) -> Option<Attachment> {
    let key = context.vault.key(accepted.sealed.key_id).await.ok()?;
    let content = key.open(accepted.message, &accepted.sealed).ok()?;
    let file_name = content.file_name.as_deref().unwrap_or_default();
    match context.fetcher.fetch(content.file_url.as_deref()?, file_name).await {
        Fetch::Fetched(file) => Some(file),
        Fetch::Refused { .. } | Fetch::Again { .. } => None,
    }
}

async fn keep(context: &Arc<Context>, message: MessageId, file: Attachment, room: Room, stop: &CancellationToken) {
    let (context, stop, is_large) = (Arc::clone(context), stop.clone(), file.bytes.len() > LARGE);
    let keep = move || {
        room.place.keep(message, &file);
        // Whoever stops this lets go of the file, too, and may have done so a moment ago.
        if stop.is_cancelled() {
            context.files.forget(message);
        }
    };
    if is_large {
        // Without it the file is fetched again in its turn.
        let _kept = tokio::task::spawn_blocking(keep).await;
    } else {
        keep();
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::ids::Position;
    use angelia_shared::units::UnixMillis;

    use super::*;

    fn waiting(n: u64) -> Waiting {
        let (at, message) = (Position::new(n, 0), MessageId(n));
        Waiting { at, message, accepted_at: UnixMillis(0), expires_after_s: 60, credits: 1 }
    }

    fn look(of: &mut OfAccount, front: u64, next: &[u64]) -> (Option<u64>, Vec<u64>) {
        let next: Vec<_> = next.iter().copied().map(waiting).collect();
        let (begin, left) = of.look(Some(MessageId(front)), &next);
        (begin.map(|waiting| waiting.message.0), left.into_iter().map(|message| message.0).collect())
    }

    fn begun(of: &mut OfAccount, message: u64) -> CancellationToken {
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        of.tried.push(MessageId(message));
        of.running = Some(Running { message: MessageId(message), ended, _stops: stop.clone().drop_guard() });
        stop
    }

    #[test]
    fn one_file_after_the_other_is_fetched_and_none_twice() {
        let mut of = OfAccount::default();
        assert_eq!(look(&mut of, 1, &[2, 3]), (Some(2), vec![]));
        let _two = begun(&mut of, 2);
        assert_eq!(look(&mut of, 1, &[2, 3]), (None, vec![]));
        of.running = None;
        assert_eq!(look(&mut of, 1, &[2, 3]), (Some(3), vec![]));
        let _three = begun(&mut of, 3);
        of.running = None;
        assert_eq!(look(&mut of, 1, &[2, 3]), (None, vec![]));
    }

    #[test]
    fn a_file_stays_while_its_message_is_at_the_front_and_goes_with_it() {
        let mut of = OfAccount::default();
        let stop = begun(&mut of, 2);
        assert_eq!(look(&mut of, 2, &[]), (None, vec![]));
        assert!(!stop.is_cancelled(), "who is at the front waits for its own download");
        of.running = None;
        assert_eq!(look(&mut of, 3, &[]), (None, vec![2]));
        assert!(of.tried.is_empty());
    }

    #[test]
    fn a_message_that_leaves_the_queue_stops_its_download_and_makes_place_for_the_next() {
        let mut of = OfAccount::default();
        let stop = begun(&mut of, 2);
        assert_eq!(look(&mut of, 1, &[4]), (Some(4), vec![2]));
        assert!(stop.is_cancelled() && of.running.is_none());
    }
}
