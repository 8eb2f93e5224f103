//! Idempotency keys: a call's first step, and what admission asks before it uses a key.
//!
//! Shape: (workspace, key, fingerprint) -> [`KeyStep`]. A fresh key comes as a [`KeyTicket`], which holds it in flight until
//! it is dropped; it is settled (surely not used) before admission spends it. Behind it a task reads `ev.key.>` into a [`KeyMap`] and forgets what a ledger
//! can answer.
//!
//! Invariants: IN-2 (see [`crate::domain::key_map`] for the rules).
//!
//! Not here: writing `KeyUsed` (see [`super::admission`]), which process looks after a key (see [`super::hand_over`]).

mod follow;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angelia_shared::event::{Digest, KeyUsed};
use angelia_shared::ids::{MessageId, WorkspaceId};
use angelia_shared::log::EventLog;
use angelia_shared::query::{self, AskError, AskKey};
use angelia_shared::subject::Subject;
use angelia_shared::telemetry::chain;
use tokio::sync::watch;
use tracing::{debug, error};

pub(super) use follow::follow;

use super::admission::UNAVAILABLE;
use crate::domain::key_map::{KeyHash, KeyMap, Standing, Used};
use crate::domain::refusal::Refusal;
use crate::metrics as names;

/// How long a call waits until it is known how its key stands. An answer takes a millisecond; a ledger that is behind says
/// so after 2 s; what takes longer than this is an outage.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(3);

/// What a call's key means for it.
#[derive(Debug)]
pub enum KeyStep {
    /// The same call was accepted before: answer with this message.
    Replay(MessageId),
    /// Nothing in memory says that the key was used. The ticket goes into the order.
    Fresh(KeyTicket),
}

/// The keys of this process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Shared>);

struct Shared {
    log: EventLog,
    keys_max: usize,
    /// None until a ledger has told its position.
    map: Mutex<Option<KeyMap>>,
    /// Counts changes of the map, for those who wait for one.
    moved: watch::Sender<u64>,
}

/// A key that is in flight. Dropping the ticket ends that, without using the key up.
pub struct KeyTicket {
    key: KeyHash,
    fingerprint: Digest,
    workspace: WorkspaceId,
    /// Where a ledger was when it did not know the key.
    missed_at: Option<u64>,
    keys: Keys,
}

impl fmt::Debug for KeyTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyTicket").field("key", &self.key).field("missed_at", &self.missed_at).finish_non_exhaustive()
    }
}

impl Drop for KeyTicket {
    fn drop(&mut self) {
        self.keys.change(|map| map.end(self.key));
    }
}

impl KeyTicket {
    /// The key.
    pub(super) fn key(&self) -> KeyHash {
        self.key
    }

    /// The digest of the body that it came with.
    pub(super) fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Whose key it is.
    pub(super) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The bucket of the key.
    pub(super) fn bucket(&self) -> u8 {
        self.key.bucket()
    }

    /// Whether the key is one of `workspace`.
    pub(super) fn is_of(&self, workspace: WorkspaceId) -> bool {
        self.workspace == workspace
    }

    /// The fact that this key was used for `message`.
    pub(super) fn used_for(&self, message: MessageId) -> KeyUsed {
        KeyUsed {
            v: 1,
            key: self.key.to_string(),
            fingerprint: self.fingerprint.to_string(),
            workspace: self.workspace,
            message,
        }
    }

    /// What a call with this ticket is answered when its key was used for `used`.
    pub(super) fn answer(&self, used: Used) -> Result<MessageId, Refusal> {
        answer(used, self.fingerprint)
    }
}

/// The answer of a call whose key was used: the same message for the same body, a refusal for another one.
fn answer(used: Used, fingerprint: Digest) -> Result<MessageId, Refusal> {
    if used.fingerprint != fingerprint {
        return Err(Refusal::KeyReused);
    }
    metrics::counter!(names::KEYS_REPLAYED).increment(1);
    Ok(used.message)
}

impl Keys {
    /// Keys in `log`, of which at most `keys_max` are held in memory. [`follow`] fills them.
    pub(super) fn new(log: EventLog, keys_max: usize) -> Self {
        Self(Arc::new(Shared { log, keys_max, map: Mutex::new(None), moved: watch::Sender::new(0) }))
    }

    /// Whether a fresh key can be told from a used one.
    pub(super) fn are_known(&self) -> bool {
        self.map().is_some()
    }

    /// Keys above `floor` that nobody follows: a process whose reader is stuck.
    #[cfg(test)]
    pub(super) fn unfollowed(log: EventLog, floor: u64) -> Self {
        let keys = Self::new(log, 1_000);
        *keys.map() = Some(KeyMap::new(floor, 1_000));
        keys
    }

    /// How many keys are in memory.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.map().as_ref().map_or(0, KeyMap::len)
    }

    /// Takes a call's first step: answers it from memory, or marks its key as in flight.
    ///
    /// # Errors
    /// [`Refusal::KeyReused`] for another body, [`Refusal::KeyInFlight`], and 503 before a ledger has answered.
    pub(super) fn begin(&self, workspace: WorkspaceId, key: KeyHash, fingerprint: Digest) -> Result<KeyStep, Refusal> {
        let used = {
            let mut map = self.map();
            let map = map.as_mut().ok_or(UNAVAILABLE)?;
            let used = map.find(key);
            if used.is_none() && !map.begin(key) {
                return Err(Refusal::KeyInFlight);
            }
            used
        };
        match used {
            Some(used) => answer(used, fingerprint).map(KeyStep::Replay),
            None => Ok(KeyStep::Fresh(KeyTicket { key, fingerprint, workspace, missed_at: None, keys: self.clone() })),
        }
    }

    /// How a ticket's key stands now.
    pub(super) fn standing(&self, ticket: &KeyTicket) -> Standing {
        let map = self.map();
        let map = map.as_ref().expect("a ticket is given only when there is a map, and the map stays");
        map.standing(ticket.key, ticket.missed_at)
    }

    /// Does what is missing until the key is known to be clear (`None`) or used.
    ///
    /// # Errors
    /// A 503 when that cannot be known now.
    pub(super) async fn settle(&self, ticket: &mut KeyTicket) -> Result<Option<Used>, Refusal> {
        let settled = tokio::time::timeout(SETTLE_TIMEOUT, self.settle_patiently(ticket)).await;
        match settled.unwrap_or(Err(UNAVAILABLE)) {
            Ok(settled) => Ok(settled),
            // The reader may have brought it in the meantime.
            Err(refusal) => match self.standing(ticket) {
                Standing::Used(used) => Ok(Some(used)),
                Standing::NeedsLookUp { .. }
                | Standing::NeedsHead
                | Standing::NeedsReading
                | Standing::Clear { .. } => Err(refusal),
            },
        }
    }

    async fn settle_patiently(&self, ticket: &mut KeyTicket) -> Result<Option<Used>, Refusal> {
        loop {
            // Taken before the look, so that no change between the two is missed.
            let mut moved = self.0.moved.subscribe();
            match self.standing(ticket) {
                Standing::Used(used) => return Ok(Some(used)),
                Standing::Clear { .. } => return Ok(None),
                Standing::NeedsLookUp { floor } => match self.look_up(ticket.key, floor).await? {
                    Looked::Found(used) => return Ok(Some(used)),
                    Looked::Missed(position) => ticket.missed_at = Some(position),
                },
                Standing::NeedsHead => self.read_head(ticket.bucket()).await?,
                Standing::NeedsReading => moved.changed().await.map_err(|_| UNAVAILABLE)?,
            }
        }
    }

    async fn look_up(&self, key: KeyHash, floor: u64) -> Result<Looked, Refusal> {
        metrics::counter!(names::KEYS_LOOKED_UP).increment(1);
        let question = AskKey { bucket: key.bucket(), key: key.to_string() };
        match query::ask(self.0.log.client(), question, floor).await {
            Ok((Some(found), _)) => {
                let fingerprint = found.fingerprint.parse().map_err(|_| {
                    error!("a ledger's answer has a fingerprint that is no digest");
                    UNAVAILABLE
                })?;
                Ok(Looked::Found(Used { fingerprint, message: found.message }))
            }
            // From a ledger that is behind the floor, "not there" means nothing.
            Ok((None, position)) if position < floor => Err(UNAVAILABLE),
            Ok((None, position)) => Ok(Looked::Missed(position)),
            Err(AskError::Behind { as_of_seq }) => {
                debug!(ledger.position = as_of_seq, floor, "the ledger is too far behind to answer for a key");
                Err(UNAVAILABLE)
            }
            Err(error) => {
                debug!(error = %chain(&error), "a key cannot be looked up");
                Err(UNAVAILABLE)
            }
        }
    }

    async fn read_head(&self, bucket: u8) -> Result<(), Refusal> {
        match self.0.log.head(Subject::Key(bucket)).await {
            Ok(head) => {
                self.told(bucket, head.map_or(0, |head| head.seq));
                Ok(())
            }
            Err(error) => {
                debug!(error = %chain(&error), "a bucket's head cannot be read");
                Err(UNAVAILABLE)
            }
        }
    }

    /// Takes a head of a bucket that the leader told.
    pub(super) fn told(&self, bucket: u8, head: u64) {
        self.change(|map| map.told(bucket, head));
    }

    /// Takes note that a ticket's key was stored for `message`.
    pub(super) fn stored(&self, ticket: &KeyTicket, guard: u64, seq: u64, message: MessageId) {
        let used = Used { fingerprint: ticket.fingerprint, message };
        self.change(|map| map.stored(guard, seq, ticket.key, used));
    }

    fn change(&self, change: impl FnOnce(&mut KeyMap)) {
        if let Some(map) = self.map().as_mut() {
            change(map);
        }
        self.0.moved.send_modify(|count| *count += 1);
    }

    fn map(&self) -> MutexGuard<'_, Option<KeyMap>> {
        // Only insertions happen under it; a panic in one leaves the map whole.
        self.0.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Looked {
    Found(Used),
    Missed(u64),
}
