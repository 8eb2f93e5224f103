//! Admission: accepts an order durably, paid from its workspace's wallet, or refuses it.
//!
//! Shape: [`Order`] -> message id or refusal, after the log has it. One lane (a task with a writer of its own) decides all
//! orders of this process: while a batch is in flight orders gather, then those of each workspace that fit become one group
//! of acceptances and used keys, paid from what the lane holds; with a draw, if that is not enough.
//!
//! Invariants: IN-1, IN-2, WA-1, WA-2, WA-4, with any number of processes: every draw is guarded by the wallet's head and
//! every key by its bucket's. What is remembered only saves reads. What is held goes back when it is idle, when another lane
//! needs it, and at the end.
//!
//! Read in this order: `order` (what waits), `room` (who is next), [`crate::domain::purse`] (what is held and known),
//! `purses`, `errands` and `recall` (what is read and asked), `plan` (a round's groups), `outcome` (what became of them),
//! `lane` (the loop).
//!
//! Not here: parsing, choosing account and price (see the webhook), refunds.

mod errands;
mod lane;
mod order;
mod outcome;
mod plan;
mod purses;
mod recall;
mod room;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use angelia_shared::event::{Digest, MessageAccepted};
use angelia_shared::ids::{MemberId, MessageId, WorkspaceId, WriterId};
use angelia_shared::log::{EventLog, ReadError};
use angelia_shared::subject::Partition;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

pub use super::keys::{KeyStep, KeyTicket};
use super::keys::{Keys, follow};
use crate::domain::key_map::KeyHash;
use crate::domain::refusal::Refusal;
use order::Waiting;

/// The answer when the log cannot take an order now, or when it cannot be known whether it may. What is behind it passes
/// within a second or so (a full queue, a restart), so callers may be back soon.
pub(super) const UNAVAILABLE: Refusal = Refusal::LogUnavailable { retry_after_s: 1 };

/// An order takes no more than this: a body of 64 KiB, sealed and written as text, twice.
const ORDER_BYTES_MAX: usize = 256 * 1024;

/// Bounds of admission.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionOptions {
    /// Orders that may wait for the lane.
    pub orders_max: usize,
    /// Bytes of orders that may be anywhere in admission.
    pub bytes_max: usize,
    /// Wallets that are remembered, beside those of which the lane holds credits.
    pub wallets_max: usize,
    /// Idempotency keys that are remembered.
    pub keys_max: usize,
    /// How often keys that ledgers can answer are forgotten.
    pub trim_every: Duration,
    /// How long a caller waits for an answer. What became of a batch can stay open for as long as the broker cannot say
    /// (its disk is full, say), and no caller waits that long; what it was told then, 503, holds either way.
    pub answer_within: Duration,
    /// How long the last orders, and then the writer's end, may each take after the shutdown signal.
    pub close_timeout: Duration,
}

impl Default for AdmissionOptions {
    /// 16,384 orders are half a second of a fast disk, 64 MiB the same with large messages; 50,000 wallets take 13 MB,
    /// 131,072 keys 25 MB. Two intervals of keys are held at least: 10 s cover a ledger's restart.
    /// An election on a cluster, or a broker's restart, takes a few seconds, and a caller's own patience often ends at 30.
    fn default() -> Self {
        Self {
            orders_max: 16_384,
            bytes_max: 64 * 1024 * 1024,
            wallets_max: 50_000,
            keys_max: 131_072,
            trim_every: Duration::from_secs(5),
            answer_within: Duration::from_secs(12),
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// A message that wants to be accepted.
#[derive(Debug)]
pub struct Order {
    /// The acceptance to be. Its `writer` is filled in here.
    pub event: MessageAccepted,
    /// The partition of its account.
    pub part: Partition,
    /// The idempotency key, if the call has one.
    pub key: Option<KeyTicket>,
}

/// Admission cannot go on; the process must end.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// Idempotency keys cannot be followed any more.
    #[error("cannot follow the idempotency keys")]
    Keys(#[source] ReadError),
    /// A task of admission has stopped by itself.
    #[error("a task of admission has stopped")]
    Task(#[source] JoinError),
}

/// A handle to this process's admission. Cheap to clone.
#[derive(Clone)]
pub struct Admission {
    orders: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
    answer_within: Duration,
    keys: Keys,
    log: EventLog,
    face: Arc<Face>,
}

/// What the lane shows to its callers.
struct Face {
    phase: AtomicU8,
    /// Under which id the lane most likely writes an order that is handed in now.
    writer: RwLock<WriterId>,
}

/// How the lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    Opening,
    Open,
    Undecided,
    Closed,
}

impl Face {
    fn show(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn writer(&self) -> WriterId {
        *self.writer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_writer(&self, id: WriterId) {
        *self.writer.write().unwrap_or_else(PoisonError::into_inner) = id;
    }
}

impl Admission {
    /// Starts the lane and the task that follows idempotency keys. Both end after `shutdown`, when everything that waits
    /// was answered; signal it only when no more calls come, which are refused from then on.
    ///
    /// The task's result is an error when admission cannot go on.
    pub fn start(
        log: EventLog,
        member: MemberId,
        options: AdmissionOptions,
        shutdown: CancellationToken,
    ) -> (Self, JoinHandle<Result<(), AdmissionError>>) {
        let keys = Keys::new(log.clone(), options.keys_max);
        let (orders, inbox) = mpsc::channel(options.orders_max);
        let face = Arc::new(Face { phase: AtomicU8::new(Phase::Opening as u8), writer: RwLock::new(WriterId(0)) });
        let lane = lane::run(log.clone(), member, options, keys.clone(), Arc::clone(&face), inbox, shutdown);
        let task = tokio::spawn(supervise(lane, keys.clone(), options.trim_every, Arc::clone(&face)));
        let bytes = Arc::new(Semaphore::new(options.bytes_max));
        (Self { orders, bytes, answer_within: options.answer_within, keys, log, face }, task)
    }

    /// Accepts an order durably, or refuses it. Returns after the log has it, or when the caller has waited long enough:
    /// whether an order that is in the log's hands by then gets stored is open.
    ///
    /// An order whose caller drops this future before it was handed to the log is neither stored nor charged.
    ///
    /// # Errors
    /// [`Refusal::NotEnoughCredits`]; [`Refusal::KeyReused`] when the key was used elsewhere in the meantime; 503 when the
    /// log cannot take it now.
    pub async fn admit(&self, order: Order) -> Result<MessageId, Refusal> {
        debug_assert!(order.key.as_ref().is_none_or(|ticket| ticket.is_of(order.event.workspace)), "another's key");
        // Written here and not in the lane, so that callers share that work among the cores.
        let (waiting, bytes, answer) = Waiting::new(order, self.face.writer());
        let permit = u32::try_from(bytes).ok().and_then(|n| Arc::clone(&self.bytes).try_acquire_many_owned(n).ok());
        let permit = permit.ok_or(UNAVAILABLE)?;
        self.orders.try_send(waiting.holding(permit)).map_err(|_| UNAVAILABLE)?;
        // The lane drops a caller without an answer only when the process ends.
        match tokio::time::timeout(self.answer_within, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(UNAVAILABLE),
        }
    }

    /// Whether an order that is handed in now can be taken, as far as that is known without looking at it.
    pub fn has_room(&self) -> bool {
        self.orders.capacity() > 0 && self.bytes.available_permits() >= ORDER_BYTES_MAX
    }

    /// Takes the first step of a call with an idempotency key, before chat and account are looked at.
    ///
    /// # Errors
    /// [`Refusal::KeyReused`] for another body, [`Refusal::KeyInFlight`], and 503 before a ledger has answered.
    pub fn begin_key(&self, workspace: WorkspaceId, key: KeyHash, fingerprint: Digest) -> Result<KeyStep, Refusal> {
        self.keys.begin(workspace, key, fingerprint)
    }

    /// Accepts a keyed order, once it is sure that its key was not used; gives the earlier message if it was. `None`, with
    /// nothing done, when the key is unused and there is no order.
    ///
    /// # Errors
    /// As [`admit`](Self::admit), and 503 when it cannot be known whether the key was used.
    pub async fn admit_keyed(&self, mut ticket: KeyTicket, order: Option<Order>) -> Result<Option<MessageId>, Refusal> {
        if let Some(used) = self.keys.settle(&mut ticket).await? {
            return ticket.answer(used).map(Some);
        }
        let Some(order) = order else { return Ok(None) };
        self.admit(Order { key: Some(ticket), ..order }).await.map(Some)
    }

    /// Whether a call would be accepted now; if not, why, in words.
    ///
    /// # Errors
    /// The reason.
    pub fn is_ready(&self) -> Result<(), String> {
        let phase = self.face.phase.load(Ordering::Relaxed);
        let reason = if phase == Phase::Opening as u8 {
            "the log's writer is not open yet"
        } else if phase == Phase::Closed as u8 {
            "admission has stopped"
        } else if !self.log.is_connected() {
            "the broker is not connected"
        } else if phase == Phase::Undecided as u8 {
            "the broker has not answered a batch for a while"
        } else if !self.keys.are_known() {
            "no ledger has answered yet, which idempotency keys need"
        } else {
            return Ok(());
        };
        Err(reason.to_owned())
    }
}

/// Runs both tasks: keys are followed until the lane has ended, and the lane cannot go on without them.
async fn supervise(
    lane: impl Future<Output = ()>,
    keys: Keys,
    trim_every: Duration,
    face: Arc<Face>,
) -> Result<(), AdmissionError> {
    let stop = CancellationToken::new();
    // A dropped lane must not leave the reader running.
    let _stop_at_the_end = stop.clone().drop_guard();
    let mut following = tokio::spawn(follow(keys, trim_every, stop.clone()));
    let ended = tokio::select! {
        () = lane => {
            stop.cancel();
            (&mut following).await
        }
        ended = &mut following => ended,
    };
    face.show(Phase::Closed);
    ended.map_err(AdmissionError::Task)?.map_err(AdmissionError::Keys)
}

#[cfg(test)]
mod tests;
