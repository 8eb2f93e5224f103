//! The live projection: one that folds, many that ask.
//!
//! Shape: a lock over [`Projection`]. Folding and asking run off the async threads; everyone can wait for a position.
//!
//! Invariants:
//! - LG-1: a projection that was taken up from its folder and then meets a contradiction is in doubt: it may be the folder's
//!   fault. It goes on (the contradiction stops its workspace, and nobody else), while it is checked (see
//!   `shell/rebuild.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use angelia_shared::event::Digest;
use angelia_shared::log::BatchOfRecords;
use tokio::sync::watch;
use tracing::{error, warn};

use super::store::{Overlay, Store, StoreError};
use crate::domain::contradiction::Contradiction;
use crate::domain::digest::state_digest;
use crate::domain::head::Head;
use crate::domain::projection::{Projection, Report};
use crate::metrics as names;

/// The projection, shared.
pub(crate) struct Live {
    projection: RwLock<Projection<Overlay>>,
    /// Whether it tells what it finds. One that is made in the background would tell it a second time.
    tells: bool,
    /// Whether it began at nothing, or equals one that did: then it is believed.
    believed: AtomicBool,
    doubt: watch::Sender<Doubt>,
    superseded: AtomicBool,
    /// Held by whoever folds, or wants the projection to stand still.
    turn: tokio::sync::Mutex<()>,
    position: watch::Sender<u64>,
}

/// Whether what a projection holds may be its folder's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubt {
    /// No: it began at nothing, or nothing is wrong.
    None,
    /// Something is wrong in a workspace. Nothing is done there; of the whole, nothing is sworn.
    Workspace,
    /// Something is wrong that no workspace bounds: nothing is done.
    All,
}

/// What two projections at one position must have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Where they are.
    pub(crate) seq: u64,
    log: Digest,
    state: Digest,
}

impl Live {
    /// Takes up what the store holds.
    pub(crate) fn resume(store: Store) -> Result<Self, StoreError> {
        Self::new(store, true)
    }

    /// One that tells nothing, to check another.
    pub(crate) fn in_the_background(store: Store) -> Result<Self, StoreError> {
        Self::new(store, false)
    }

    fn new(store: Store, tells: bool) -> Result<Self, StoreError> {
        let projection = Projection::resume(Overlay::open(Arc::new(store))?)?;
        let Head { seq, batch_end, .. } = projection.head;
        let position = watch::Sender::new(batch_end);
        if tells {
            metrics::gauge!(names::CONTRADICTIONS).set(projection.head.counts.contradictions as f64);
        }
        Ok(Self {
            projection: RwLock::new(projection),
            tells,
            believed: AtomicBool::new(seq == 0),
            doubt: watch::Sender::new(Doubt::None),
            superseded: AtomicBool::new(false),
            turn: tokio::sync::Mutex::new(()),
            position,
        })
    }

    /// Waits until something was found that may be the folder's fault.
    pub(crate) async fn doubted(&self) {
        // The sender lives as long as this.
        let mut doubt = self.doubt.subscribe();
        let _known = doubt.wait_for(|doubt| *doubt > Doubt::None).await;
    }

    /// Whether something was found that may be the folder's fault, and how far that goes.
    pub(crate) fn doubt(&self) -> Doubt {
        *self.doubt.borrow()
    }

    /// Believes what it finds from now on.
    pub(crate) fn believe(&self) {
        self.believed.store(true, Ordering::Relaxed);
        self.doubt.send_replace(Doubt::None);
    }

    /// Notes that another one takes its place.
    pub(crate) fn supersede(&self) {
        self.superseded.store(true, Ordering::Relaxed);
    }

    /// Whether another one takes its place.
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Relaxed)
    }

    /// Lets the projection stand still, whole, as long as what is returned is kept.
    pub(crate) async fn stand_still(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What another one at the same position must have, too.
    pub(crate) async fn proof(self: &Arc<Self>) -> Result<Proof, StoreError> {
        let proof = |projection: &Projection<Overlay>| {
            let head = &projection.head;
            Ok(Proof { seq: head.seq, log: head.log_digest, state: state_digest(&projection.tables, head)? })
        };
        self.ask(proof).await
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
        let _turn = self.turn.lock().await;
        let live = Arc::clone(self);
        off_the_async_threads(move || live.fold_now(&batches)).await
    }

    fn fold_now(&self, batches: &[BatchOfRecords]) -> Result<(), StoreError> {
        let mut projection = self.projection.write().map_err(poisoned)?;
        for batch in batches {
            let report = projection.fold(&batch.records)?;
            if !self.believed.load(Ordering::Relaxed) {
                self.take_in_doubt(&report.contradictions);
            }
            if self.tells {
                tell(&report);
            }
        }
        let (seq, contradictions) = (projection.head.seq, projection.head.counts.contradictions);
        drop(projection);
        self.position.send_replace(seq);
        if self.tells {
            metrics::gauge!(names::POSITION).set(seq as f64);
            metrics::gauge!(names::CONTRADICTIONS).set(contradictions as f64);
        }
        Ok(())
    }

    fn take_in_doubt(&self, contradictions: &[Contradiction]) {
        let doubt = contradictions.iter().map(|found| match found.workspace {
            Some(_) => Doubt::Workspace,
            None => Doubt::All,
        });
        let doubt = doubt.max().unwrap_or(Doubt::None);
        self.doubt.send_if_modified(|before| {
            let grows = doubt > *before;
            *before = doubt.max(*before);
            grows
        });
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
    for (compared, count) in [("yes", report.checkpoints.compared), ("no", report.checkpoints.passed)] {
        if count > 0 {
            metrics::counter!(names::CHECKPOINTS_FOLDED, "compared" => compared).increment(count);
        }
    }
    for found in &report.contradictions {
        let invariant = found.broken.invariant().id();
        metrics::counter!(names::CONTRADICTIONS_FOUND, "invariant" => invariant).increment(1);
        let workspace = found.workspace.map(|id| id.to_string());
        error!(
            stream.position = %found.position, invariant, workspace.id = workspace, what = %found.broken,
            "the log holds a fact that cannot be true; nothing is refunded or returned there until a person has looked"
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
