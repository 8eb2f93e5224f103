//! Rebuilds the projection from the log alone, in memory: what a live one must equal (LG-1).

use angelia_shared::event::Digest;
use angelia_shared::log::{BatchOfRecords, EventLog, ReadError, Reader, ReaderOptions};

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
    /// Facts that cannot be true.
    pub contradictions: Vec<Contradiction>,
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
    while projection.head.seq < until {
        let BatchOfRecords { records } = reader.next_batch().await?;
        if records.last().is_some_and(|last| last.seq > until) {
            break;
        }
        contradictions.extend(projection.fold(&records)?.contradictions);
    }
    let state_digest = state_digest(&projection.tables, &projection.head)?;
    let (seq, log_digest) = (projection.head.seq, projection.head.log_digest);
    Ok(Replayed { seq, log_digest, state_digest, contradictions })
}
