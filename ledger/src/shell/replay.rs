//! Rebuilds the projection from the log alone, in memory: what a live one must equal (LG-1).
//!
//! The checkpoints are read first, so that both digests can be compared at what each of them covers, wherever that is.

mod checkpoints;

use angelia_shared::event::Digest;
use angelia_shared::log::{BatchOfRecords, EventLog, ReadError, Reader, ReaderOptions};

use self::checkpoints::Checkpoints;
use crate::domain::contradiction::Contradiction;
use crate::domain::digest::state_digest;
use crate::domain::projection::Projection;
use crate::domain::table::{MemoryTables, Unreadable};

/// What a replay gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The last sequence folded: the end of the last whole batch at or before the one asked for.
    pub seq: u64,
    /// Chain over every record up to `seq`.
    pub log_digest: Digest,
    /// Digest over wallets, lanes and counts.
    pub state_digest: Digest,
    /// Facts that cannot be true, in the log's order.
    pub contradictions: Vec<Contradiction>,
    /// Checkpoints whose digests were compared with those of this replay.
    pub checkpoints: u64,
}

/// The log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log's end is not known.
    #[error("cannot ask the log for its end")]
    End(#[source] angelia_shared::log::OpenLogError),
    /// The log cannot be read.
    #[error("cannot read the log on")]
    Read(#[from] ReadError),
    /// A row in memory cannot be read back: a bug.
    #[error("cannot read a row back")]
    Row(#[from] Unreadable),
}

/// Replays whole batches up to `until`, or to the log's end. Appends nothing.
///
/// The projection is held in memory: about a kilobyte a message.
///
/// # Errors
/// [`ReplayError`].
pub async fn replay(log: &EventLog, until: Option<u64>) -> Result<Replayed, ReplayError> {
    let end = log.last_sequence().await.map_err(ReplayError::End)?;
    let until = until.map_or(end, |until| until.min(end));
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("replay", 0));
    let mut projection = Projection::<MemoryTables>::default();
    let mut contradictions = Vec::new();
    let mut checkpoints = Checkpoints::read(log, until).await?;
    while projection.head.seq < until {
        let BatchOfRecords { records } = reader.next_batch().await?;
        if records.last().is_some_and(|last| last.seq > until) {
            break;
        }
        contradictions.extend(projection.fold(&records)?.contradictions);
        checkpoints.compare(&projection)?;
    }
    contradictions.append(&mut checkpoints.differences);
    // Where the fold could compare, too, it has named the same.
    contradictions.sort_by_key(|found| found.position);
    contradictions.dedup();
    let state_digest = state_digest(&projection.tables, &projection.head)?;
    let (seq, log_digest) = (projection.head.seq, projection.head.log_digest);
    Ok(Replayed { seq, log_digest, state_digest, contradictions, checkpoints: checkpoints.compared })
}
