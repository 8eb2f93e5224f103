//! The live projection: one that folds, many that ask.
//!
//! Shape: a lock over [`Projection`]. Folding and asking run off the async threads; everyone can wait for a position.
//!
//! Invariants:
//! - LG-1: a projection that was taken up from its folder and then meets a contradiction is not believed: it may be the
//!   folder's fault. It is rebuilt from the log, and what is found then is believed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use angelia_shared::log::BatchOfRecords;
use tokio::sync::watch;
use tracing::{error, warn};

use super::store::{Overlay, Store, StoreError};
use crate::domain::head::Head;
use crate::domain::projection::{Projection, Report};
use crate::metrics as names;

/// The projection, shared.
pub(crate) struct Live {
    projection: RwLock<Projection<Overlay>>,
    /// Whether it began at nothing: then it is believed.
    from_nothing: bool,
    position: watch::Sender<u64>,
}

impl Live {
    /// Takes up what the store holds.
    pub(crate) fn resume(store: Store) -> Result<Self, StoreError> {
        let projection = Projection::resume(Overlay::open(Arc::new(store))?)?;
        let Head { seq, batch_end, .. } = projection.head;
        let position = watch::Sender::new(batch_end);
        Ok(Self { projection: RwLock::new(projection), from_nothing: seq == 0, position })
    }

    /// The end of the last batch folded whole.
    pub(crate) fn position(&self) -> u64 {
        *self.position.borrow()
    }

    /// A receiver that sees the position move.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// Waits until `seq` is folded; says whether it was within `patience`.
    pub(crate) async fn reached(&self, seq: u64, patience: Duration) -> bool {
        let mut position = self.position.subscribe();
        let reached = position.wait_for(|position| *position >= seq);
        matches!(tokio::time::timeout(patience, reached).await, Ok(Ok(_)))
    }

    /// Reads the projection between two batches, off the async threads.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Projection<Overlay>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let live = Arc::clone(self);
        off_the_async_threads(move || question(&*live.projection.read().map_err(poisoned)?)).await
    }

    /// Folds batches in order, off the async threads.
    pub(crate) async fn fold(self: &Arc<Self>, batches: Vec<BatchOfRecords>) -> Result<(), StoreError> {
        let live = Arc::clone(self);
        off_the_async_threads(move || live.fold_now(&batches)).await
    }

    fn fold_now(&self, batches: &[BatchOfRecords]) -> Result<(), StoreError> {
        let mut projection = self.projection.write().map_err(poisoned)?;
        for batch in batches {
            let report = projection.fold(&batch.records)?;
            if let Some(found) = report.contradictions.first().filter(|_| !self.from_nothing) {
                return Err(StoreError::damaged(format!("it does not fit the log ({found})")));
            }
            tell(&report);
        }
        let seq = projection.head.seq;
        drop(projection);
        self.position.send_replace(seq);
        metrics::gauge!(names::POSITION).set(seq as f64);
        Ok(())
    }

    /// Writes what is unwritten.
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<(), StoreError> {
        let live = Arc::clone(self);
        off_the_async_threads(move || live.projection.write().map_err(poisoned)?.tables.flush()).await
    }

    /// Writes what is unwritten and brings it to the disk: at the end.
    pub(crate) async fn sync(self: &Arc<Self>) -> Result<(), StoreError> {
        let live = Arc::clone(self);
        off_the_async_threads(move || live.projection.write().map_err(poisoned)?.tables.sync()).await
    }
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime ends, or the store or the fold panicked: what is in memory cannot be trusted.
        Err(ended) => Err(StoreError::damaged(format!("its work was cut off ({ended})"))),
    }
}

fn poisoned<T>(_: PoisonError<T>) -> StoreError {
    StoreError::damaged("a fold was cut off")
}

/// Says what someone should know of a batch.
fn tell(report: &Report) {
    metrics::counter!(names::RECORDS_FOLDED).increment(report.records);
    metrics::counter!(names::EVENTS_FOLDED).increment(report.events);
    for found in &report.contradictions {
        let invariant = found.broken.invariant().id();
        metrics::counter!(names::CONTRADICTIONS_FOUND, "invariant" => invariant).increment(1);
        let workspace = found.workspace.map(|id| id.to_string());
        error!(
            stream.position = %found.position, invariant, workspace.id = workspace, what = %found.broken,
            "the log holds a fact that cannot be true; nothing is refunded there until a person has looked"
        );
    }
    for (position, name) in &report.unknown {
        metrics::counter!(names::EVENTS_UNKNOWN).increment(1);
        warn!(stream.position = %position, event = %name, "an event is not understood by this version; it is kept");
    }
    for position in &report.stray_receipts {
        metrics::counter!(names::RECEIPTS_STRAY).increment(1);
        warn!(stream.position = %position, "a receipt is about a part that was never attempted; it is kept");
    }
}
