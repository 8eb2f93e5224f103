//! The refused calls of each webhook: the last hundred, for whoever has to find out why an integration does not work.
//!
//! Shape: a call is handed over and forgotten ([`RefusalLog::record`]); a task seals and stores it in the stream
//! `ANGELIA_REFUSALS`. The stream is no part of the log: it loses what is old, and under a flood of bad calls it loses some
//! of them, so that they never slow down the good ones.
//!
//! A call that is refused for its rate or for an overload says nothing about itself, and comes in thousands: a few of each
//! kind are kept, so that they show but do not push out what somebody looks for.
//!
//! Not here: accepted calls (the ledger lists them), calls with an unknown token (nobody's).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::Sealed;
use angelia_shared::ids::{WebhookId, WorkspaceId};
use angelia_shared::log::{EventLog, OpenLogError};
use angelia_shared::units::UnixMillis;
use angelia_shared::vault::{Vault, VaultError, secret_owner};
use async_nats::jetstream::stream;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::rate_limits::Counts;
use super::stream_page::{self, ReadPageError};
use crate::domain::rate::Quota;
use crate::metrics as names;

/// Name of the stream.
pub(crate) const STREAM: &str = "ANGELIA_REFUSALS";
/// Refused calls kept of one webhook.
pub(crate) const KEPT_PER_WEBHOOK: usize = 100;
/// Bytes kept of a refused body.
pub(crate) const BODY_BYTES_KEPT: usize = 4_096;
/// Calls that may wait to be stored; beyond that the oldest is dropped. At most 5 MiB.
const WAITING_MAX: usize = 1_024;
/// Calls stored at once, and the pause after it: 320 a second leave the disk to the log, which shares it.
const STORED_AT_ONCE: usize = 64;
const PAUSE: Duration = Duration::from_millis(200);
/// How long somebody who reads the list waits for the calls before it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Of the calls of one webhook that were refused with 429, or with 503, so many are kept at once, then one in six seconds.
const THINNED: (u32, u32) = (10, 60);
/// Groups of eight webhooks and kinds that are counted for that at once, in 50 KiB.
const THINNED_GROUPS: usize = 256;

/// A refused call.
#[derive(Clone, Debug)]
pub(crate) struct RefusedCall {
    /// Whose webhook.
    pub(crate) workspace: WorkspaceId,
    /// The webhook.
    pub(crate) webhook: WebhookId,
    /// When it was refused.
    pub(crate) at: UnixMillis,
    /// The answer's status.
    pub(crate) status: u16,
    /// Who called.
    pub(crate) caller: IpAddr,
    /// The answer's message.
    pub(crate) error: String,
    /// What was ignored, if it came so far.
    pub(crate) warnings: Vec<String>,
    /// The body's first 4 KiB.
    pub(crate) body: Bytes,
}

/// A refused call as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownRefusal {
    /// Its place in the stream.
    pub(crate) seq: u64,
    /// When it was refused.
    pub(crate) at: UnixMillis,
    /// The answer's status.
    pub(crate) status: u16,
    /// What was sealed; none when the data key is gone.
    pub(crate) details: Option<Details>,
}

/// What is sealed of a refused call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    /// Who called.
    pub(crate) caller: String,
    /// The answer's message.
    pub(crate) error: String,
    /// What was ignored.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// The body's first 4 KiB; what is not UTF-8 in it is replaced.
    pub(crate) body: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    v: u8,
    at: UnixMillis,
    status: u16,
    sealed: Sealed,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<RefusedCall>,
    /// Whether the task has taken calls that are not stored yet.
    is_storing: bool,
    /// Who wants to know when the calls before have been stored.
    flushes: Vec<oneshot::Sender<()>>,
}

struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

/// A handle to the task that stores refused calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RefusalLog {
    log: EventLog,
    vault: Arc<Vault>,
    queue: Arc<Queue>,
    thinned: Arc<Counts>,
}

impl RefusalLog {
    /// Opens the stream, making it with `replicas` copies when it is not there, and starts the task.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub(crate) async fn start(
        log: EventLog,
        vault: Arc<Vault>,
        replicas: usize,
        shutdown: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>), OpenLogError> {
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["refused.*".to_owned()],
            storage: stream::StorageType::File,
            num_replicas: replicas,
            max_messages_per_subject: KEPT_PER_WEBHOOK as i64,
            discard: stream::DiscardPolicy::Old,
            allow_direct: true,
            ..Default::default()
        };
        let made = log.jetstream().get_or_create_stream(config).await;
        made.map_err(|error| OpenLogError::Stream(Box::new(error)))?;
        let queue = Arc::new(Queue { waiting: Mutex::default(), arrived: Notify::new() });
        let quota = Quota::new(THINNED.0, THINNED.1).expect("the constants are in bounds");
        let thinned = Arc::new(Counts::new(quota, THINNED_GROUPS));
        let refusals = Self { log, vault, queue, thinned };
        let task = tokio::spawn(run(refusals.clone(), shutdown));
        Ok((refusals, task))
    }

    /// Whether a call that was refused with `status` is worth handing over. To be asked once for each, before anything is
    /// copied of it.
    pub(crate) fn wants(&self, webhook: WebhookId, status: u16) -> bool {
        if ![429, 503].contains(&status) {
            return true;
        }
        // The ids' first bits are times, so that no two webhooks' kinds meet.
        let is_wanted = self.thinned.take(webhook.0 ^ u128::from(status) << 112, clock::monotonic()).is_ok();
        if !is_wanted {
            metrics::counter!(names::REFUSALS_THINNED).increment(1);
        }
        is_wanted
    }

    /// Hands a call over. Never waits.
    pub(crate) fn record(&self, call: RefusedCall) {
        let dropped = {
            let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.calls.push_back(call);
            if waiting.calls.len() > WAITING_MAX { waiting.calls.pop_front() } else { None }
        };
        if dropped.is_some() {
            metrics::counter!(names::REFUSALS_DROPPED).increment(1);
        }
        self.queue.arrived.notify_one();
    }

    /// The refused calls of a webhook, newest first, with those that were handed over here before.
    ///
    /// # Errors
    /// When the stream or a data key cannot be read.
    pub(crate) async fn of(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
    ) -> Result<Vec<ShownRefusal>, ReadRefusalsError> {
        self.flush().await;
        let subject = format!("refused.{webhook}");
        let records = stream_page::read(&self.log, STREAM, &subject, 0, KEPT_PER_WEBHOOK).await?;
        let mut shown = Vec::with_capacity(records.len());
        for record in records.iter().rev() {
            let Ok(stored) = serde_json::from_slice::<Stored>(&record.payload) else {
                warn!(stream.seq = record.sequence, workspace.id = %workspace, "a refused call cannot be read");
                continue;
            };
            let details = match self.vault.key(stored.sealed.key_id).await {
                Ok(key) => key.open_bytes(&owner(webhook), &stored.sealed).ok(),
                Err(VaultError::Gone(_)) => None,
                Err(error) => return Err(error.into()),
            };
            let details = details.and_then(|plain| serde_json::from_slice(&plain).ok());
            shown.push(ShownRefusal { seq: record.sequence, at: stored.at, status: stored.status, details });
        }
        Ok(shown)
    }

    async fn flush(&self) {
        let (done, stored) = oneshot::channel();
        {
            let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.calls.is_empty() && !waiting.is_storing {
                return;
            }
            waiting.flushes.push(done);
        }
        self.queue.arrived.notify_one();
        // The list is shown without the newest calls rather than not at all.
        let _in_time = tokio::time::timeout(FLUSH_PATIENCE, stored).await;
    }

    async fn store_all(&self, calls: Vec<RefusedCall>) {
        let stored = futures_util::future::join_all(calls.into_iter().map(|call| self.store(call))).await;
        for error in stored.into_iter().filter_map(Result::err) {
            metrics::counter!(names::REFUSALS_DROPPED).increment(1);
            tracing::debug!(error = %angelia_shared::telemetry::chain(&*error), "a refused call was not stored");
        }
    }

    async fn store(&self, call: RefusedCall) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let details = Details {
            caller: call.caller.to_string(),
            error: call.error,
            warnings: call.warnings,
            body: String::from_utf8_lossy(&call.body[..call.body.len().min(BODY_BYTES_KEPT)]).into_owned(),
        };
        let key = self.vault.current_key(call.workspace).await?;
        let sealed = key.seal_bytes(&owner(call.webhook), &serde_json::to_vec(&details)?);
        let stored = Stored { v: 1, at: call.at, status: call.status, sealed };
        let subject = format!("refused.{}", call.webhook);
        self.log.jetstream().publish(subject, serde_json::to_vec(&stored)?.into()).await?.await?;
        Ok(())
    }
}

/// The list of refused calls could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadRefusalsError {
    /// The stream could not be read.
    #[error(transparent)]
    Stream(#[from] ReadPageError),
    /// A data key could not be had.
    #[error(transparent)]
    Key(#[from] VaultError),
}

/// What a sealed call is bound to.
fn owner(webhook: WebhookId) -> Vec<u8> {
    secret_owner(webhook.0, "refused")
}

async fn run(refusals: RefusalLog, shutdown: CancellationToken) {
    loop {
        let (calls, flushes) = take(&refusals.queue);
        let is_idle = calls.is_empty();
        refusals.store_all(calls).await;
        for flush in flushes {
            // Whoever asked may have gone.
            let _gone = flush.send(());
        }
        tokio::select! {
            () = refusals.queue.arrived.notified(), if is_idle => {}
            () = tokio::time::sleep(PAUSE), if !is_idle => {}
            () = shutdown.cancelled() => break,
        }
    }
    let (calls, _) = take(&refusals.queue);
    if tokio::time::timeout(FLUSH_PATIENCE, refusals.store_all(calls)).await.is_err() {
        warn!("stopped before the last refused calls were stored");
    }
}

/// The next calls to store. Who waits for a flush is told once nothing is left before it.
fn take(queue: &Queue) -> (Vec<RefusedCall>, Vec<oneshot::Sender<()>>) {
    let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let count = waiting.calls.len().min(STORED_AT_ONCE);
    let calls: Vec<_> = waiting.calls.drain(..count).collect();
    waiting.is_storing = !calls.is_empty();
    let flushes = if waiting.calls.is_empty() { std::mem::take(&mut waiting.flushes) } else { Vec::new() };
    (calls, flushes)
}
