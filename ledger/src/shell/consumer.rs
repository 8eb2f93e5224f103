//! Reads the whole log in order and has it folded, batch by batch.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::log::{BatchOfRecords, EventLog, ReadError, Reader, ReaderOptions};
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::live::Live;
use super::store::StoreError;
use crate::metrics as names;

/// Records that are folded in one go, and their bytes: of small ones what two pulls bring, of full ones a quarter of one.
pub(crate) const RECORDS_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 2 * 1024 * 1024;
/// The projection has caught up when it has folded all that was there at the start, and fewer records than two
/// pulls bring have come since: under load there is always something new.
const CAUGHT_UP_WITHIN: u64 = 1_000;

/// The log cannot be folded on.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The log cannot be read.
    #[error("cannot read the log on")]
    Read(#[source] ReadError),
    /// The projection cannot be stored.
    #[error("cannot project the log")]
    Store(#[source] StoreError),
}

/// How far the consumer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Records that wait.
    pub(crate) behind: u64,
    /// Whether it has caught up with the log once.
    pub(crate) caught_up: bool,
}

/// Folds the log until `shutdown`; writes what is unwritten every `flush_every`. `end` is the log's last sequence now.
///
/// # Errors
/// [`ConsumeError`]; nothing is lost, the log is folded again from the last flush.
pub(crate) async fn run(
    live: Arc<Live>,
    log: EventLog,
    end: u64,
    flush_every: Duration,
    progress: watch::Sender<Progress>,
    shutdown: CancellationToken,
) -> Result<(), ConsumeError> {
    let mut reader = Reader::new(log, ReaderOptions::whole("ledger", live.position()));
    tokio::select! {
        waiting = reader.open() => tell(&progress, waiting, live.position() >= end),
        () = shutdown.cancelled() => return Ok(()),
    }
    let mut flush_at = None;
    loop {
        let batches = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = wait_until(flush_at) => {
                live.flush().await.map_err(ConsumeError::Store)?;
                flush_at = None;
                continue;
            }
            batches = next_batches(&mut reader) => batches.map_err(ConsumeError::Read)?,
        };
        let behind = batches.last().and_then(|batch| batch.records.last()).map_or(0, |record| record.pending);
        live.fold(batches).await.map_err(ConsumeError::Store)?;
        flush_at.get_or_insert_with(|| Instant::now() + flush_every);
        tell(&progress, behind, live.position() >= end);
    }
    live.sync().await.map_err(ConsumeError::Store)
}

/// The next batch, and those after it that are here already: they are folded in one go. Cut off, it has lost nothing: only
/// the first batch is waited for.
///
/// # Errors
/// As the reader's.
pub(crate) async fn next_batches(reader: &mut Reader) -> Result<Vec<BatchOfRecords>, ReadError> {
    let first = reader.next_batch().await?;
    let (mut records, mut bytes) = (first.records.len(), bytes_of(&first));
    let mut batches = vec![first];
    while records < RECORDS_AT_ONCE
        && bytes < BYTES_AT_ONCE
        && let Some(more) = reader.next_batch().now_or_never()
    {
        let more = more?;
        records += more.records.len();
        bytes += bytes_of(&more);
        batches.push(more);
    }
    Ok(batches)
}

fn bytes_of(batch: &BatchOfRecords) -> usize {
    batch.records.iter().map(|record| record.payload.len()).sum()
}

fn tell(progress: &watch::Sender<Progress>, behind: u64, at_end: bool) {
    metrics::gauge!(names::RECORDS_BEHIND).set(behind as f64);
    let before = *progress.borrow();
    let caught_up = before.caught_up || at_end && behind < CAUGHT_UP_WITHIN;
    progress.send_replace(Progress { behind, caught_up });
    if caught_up && !before.caught_up {
        info!("the ledger has caught up with the log");
    }
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
