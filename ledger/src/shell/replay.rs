//! Rebuilds the projection from the log alone, in memory: what a live one must equal (LG-1).
//!
//! The checkpoints are read first, so that both digests can be compared at what each of them covers, wherever that is.

mod checkpoints;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use angelia_shared::event::Digest;
use angelia_shared::log::{EventLog, Record};

use self::checkpoints::Checkpoints;
use crate::audit::point::Point;
use crate::audit::read::{Progress, ReadLogError, Reading, missing};
use crate::domain::chain::Digests;
use crate::domain::contradiction::Contradiction;
use crate::domain::digest::state_digest;
use crate::domain::lean_tables::LeanTables;
use crate::domain::projection::Projection;
use crate::domain::table::Unreadable;

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
    /// The log cannot be read.
    #[error("cannot read the log")]
    Read(#[from] ReadLogError),
    /// A row in memory cannot be read back: a bug.
    #[error("cannot read a row back")]
    Row(#[from] Unreadable),
    /// A thread cannot be started.
    #[error("cannot start a thread for the digests")]
    Thread(#[source] std::io::Error),
    /// The work was cut off: a bug, or the end of the program.
    #[error("the replay was cut off")]
    CutOff,
}

/// A projection made anew.
#[derive(Debug)]
pub struct Rebuilt {
    /// The projection.
    pub projection: Projection<LeanTables>,
    /// Facts that cannot be true.
    pub contradictions: Vec<Contradiction>,
    /// The log's checkpoints, as far as they were compared.
    checkpoints: Checkpoints,
    /// What it digested to on the way, where that was asked for.
    pub passed: Option<Replayed>,
}

/// How far to rebuild, and where to look on the way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// Up to this sequence.
    pub end: u64,
    /// And not beyond this point.
    pub point: Option<Point>,
    /// Where to compute the digest on the way: the end of a batch.
    pub passing: Option<u64>,
}

impl Rebuilt {
    /// What it digests to.
    ///
    /// # Errors
    /// [`ReplayError::Row`].
    pub fn digest(&self) -> Result<Replayed, ReplayError> {
        let Projection { tables, head } = &self.projection;
        let mut contradictions = [self.contradictions.as_slice(), &self.checkpoints.differences].concat();
        // Where the fold could compare, too, it has named the same.
        contradictions.sort_by_key(|found| found.position);
        contradictions.dedup();
        Ok(Replayed {
            seq: head.seq,
            log_digest: head.log_digest,
            state_digest: state_digest(tables, head)?,
            contradictions,
            checkpoints: self.checkpoints.compared,
        })
    }
}

/// Replays whole batches up to `until`, or to the log's end. Appends nothing.
///
/// What rules look at is held in memory: see [`LeanTables`].
///
/// # Errors
/// [`ReplayError`].
pub async fn replay(log: &EventLog, until: Option<u64>) -> Result<Replayed, ReplayError> {
    let end = log.last_sequence().await.map_err(ReadLogError::End)?;
    let end = until.map_or(end, |until| until.min(end));
    rebuild(log, Until { end, ..Until::default() }, |_| ()).await?.digest()
}

/// Rebuilds the projection from whole batches. `tell` is told how far it is.
///
/// # Errors
/// [`ReplayError`].
pub async fn rebuild(
    log: &EventLog,
    until: Until,
    tell: impl FnMut(Progress) + Send + 'static,
) -> Result<Rebuilt, ReplayError> {
    let checkpoints = Checkpoints::read(log, until.end).await.map_err(missing)?;
    let reading = Reading::until(log, "replay", until.end);
    let folded = tokio::task::spawn_blocking(move || fold(reading, checkpoints, until, tell)).await;
    let (rebuilt, reading) = folded.map_err(|_| ReplayError::CutOff)??;
    if let Some(reading) = reading {
        reading.finish().await?;
    }
    Ok(rebuilt)
}

/// Pieces of digested batches that may wait for the fold.
const PIECES_WAITING: usize = 8;

/// Batches with what the chains make of them, and the last sequence read with them.
struct Digested {
    batches: Vec<(Vec<Record>, Digests)>,
    last: u64,
}

/// Folds until the end, or until the point; gives the reading back when its end was reached. The chains, which are half of
/// the fold's work, are made ahead on a thread of their own.
fn fold(
    mut reading: Reading,
    checkpoints: Checkpoints,
    until: Until,
    mut tell: impl FnMut(Progress),
) -> Result<(Rebuilt, Option<Reading>), ReplayError> {
    let mut rebuilt =
        Rebuilt { projection: Projection::default(), contradictions: Vec::new(), checkpoints, passed: None };
    let (give, pieces) = sync_channel(PIECES_WAITING);
    let source = &mut reading;
    let ended: Result<Flow, ReplayError> = thread::scope(|scope| {
        let digesting = thread::Builder::new().name("replay-digests".to_owned());
        let digesting = digesting.spawn_scoped(scope, move || digest(source, &give)).map_err(ReplayError::Thread)?;
        for Digested { batches, last } in pieces {
            for (batch, digests) in batches {
                if rebuilt.take(&batch, &digests, until)? == Flow::Beyond {
                    return Ok(Flow::Beyond);
                }
            }
            tell(Progress { done: last, of: until.end });
        }
        digesting.join().map_err(|_| ReplayError::CutOff)?;
        Ok(Flow::Within)
    });
    Ok((rebuilt, (ended? == Flow::Within).then_some(reading)))
}

/// Whether a fold has gone as far as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Within,
    Beyond,
}

impl Rebuilt {
    /// Folds a batch, unless it is beyond the end.
    fn take(&mut self, batch: &[Record], digests: &Digests, until: Until) -> Result<Flow, ReplayError> {
        let Some(&Record { seq, at, .. }) = batch.last() else { return Ok(Flow::Within) };
        if seq > until.end || until.point.is_some_and(|point| point.is_before(seq, at)) {
            return Ok(Flow::Beyond);
        }
        self.contradictions.extend(self.projection.fold_digested(batch, digests)?.contradictions);
        self.checkpoints.compare(&self.projection)?;
        if until.passing == Some(seq) {
            self.passed = Some(self.digest()?);
        }
        Ok(Flow::Within)
    }
}

/// Makes the chains of whole batches until the end, or until nobody wants more.
fn digest(reading: &mut Reading, give: &SyncSender<Digested>) {
    let (mut batch, mut newest) = (Vec::new(), Digest::default());
    while let Some(piece) = reading.blocking_next() {
        let mut digested = Digested { batches: Vec::new(), last: piece.last().map_or(0, |record| record.seq) };
        for record in piece {
            let ends = record.ends_batch();
            batch.push(record);
            if ends {
                let digests = Digests::of(newest, 0, &batch);
                newest = digests.after();
                digested.batches.push((std::mem::take(&mut batch), digests));
            }
        }
        if give.send(digested).is_err() {
            return;
        }
    }
}
