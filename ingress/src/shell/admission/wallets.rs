//! Wallets as this process last knew them, and reading one from the log's leader.
//!
//! What is remembered only saves reads: a draw is guarded by the head that it was decided on, and nobody is refused on a
//! state that is older than the order.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use angelia_shared::event::{BadLine, Event};
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::{EventLog, HeadError};
use angelia_shared::subject::Subject;
use angelia_shared::telemetry::chain;
use tracing::{error, warn};

use crate::domain::wallet::{Contradiction, Wallet};
use crate::metrics as names;

/// Broken wallets that are told of once; beyond that many the log is in a state where repeating does no harm.
const TOLD_MAX: usize = 1_000;

/// How long this lane may draw from one wallet, batch after batch. Whoever else writes to it (a grant, a refund, another
/// process) needs a moment between reading the head and writing on it, and a lane without a pause never leaves one.
const STREAK_MAX: Duration = Duration::from_millis(200);
/// How long the lane then leaves the wallet alone: a few round trips. It costs the busiest wallet a fifteenth.
pub(super) const REST: Duration = Duration::from_millis(15);

/// A wallet, and up to which arrival its state is known to be true: it was read, or a draw on it was stored, after that
/// order had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) wallet: Wallet,
    pub(super) covers: u64,
    /// This lane's draws on it without a pause between them, if the last thing that happened was one.
    pub(super) streak: Option<Streak>,
}

/// Draws on one wallet without a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Streak {
    since: Instant,
    until: Instant,
}

impl Streak {
    /// The streak after a draw that was planned and stored then, on a wallet with that streak.
    pub(super) fn after(before: Option<Self>, planned_at: Instant, stored_at: Instant) -> Self {
        let since = match before {
            Some(streak) if planned_at.duration_since(streak.until) < REST => streak.since,
            Some(_) | None => planned_at,
        };
        Self { since, until: stored_at }
    }

    /// Whether others must be let in before the next draw.
    pub(super) fn is_due_a_rest(self, now: Instant) -> bool {
        now.duration_since(self.until) < REST && now.duration_since(self.since) >= STREAK_MAX
    }
}

/// The remembered wallets, in two generations: what was not used during a whole generation is forgotten.
pub(super) struct Wallets {
    young: HashMap<WorkspaceId, Known>,
    old: HashMap<WorkspaceId, Known>,
    generation_max: usize,
    told: HashSet<WorkspaceId>,
}

/// A wallet cannot be known now.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadWalletError {
    #[error("cannot read a wallet")]
    Unanswered(#[source] HeadError),
    #[error("cannot read the wallet's event at {seq}")]
    BadEvent { seq: u64, source: BadLine },
    #[error("the wallet's event at {seq} cannot be true: {contradiction}")]
    Contradicted { seq: u64, contradiction: Contradiction },
}

impl Wallets {
    /// Remembers up to `wallets_max` wallets.
    pub(super) fn new(wallets_max: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            generation_max: (wallets_max / 2).max(1),
            told: HashSet::new(),
        }
    }

    /// A remembered wallet.
    pub(super) fn get(&mut self, workspace: WorkspaceId) -> Option<Known> {
        if let Some(known) = self.young.get(&workspace) {
            return Some(*known);
        }
        let known = self.old.remove(&workspace)?;
        self.insert(workspace, known);
        Some(known)
    }

    /// Remembers a wallet, in place of an older state of it.
    pub(super) fn put(&mut self, workspace: WorkspaceId, known: Known) {
        let is_older = |other: Known| other.wallet.head() > known.wallet.head();
        if !self.get(workspace).is_some_and(is_older) {
            self.insert(workspace, known);
        }
    }

    fn insert(&mut self, workspace: WorkspaceId, known: Known) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(&workspace) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(workspace, known);
    }

    /// Forgets a wallet whose head was lost.
    pub(super) fn forget(&mut self, workspace: WorkspaceId) {
        self.young.remove(&workspace);
        self.old.remove(&workspace);
    }

    /// Says in the process's log why a wallet cannot be known; a broken one is told of once.
    pub(super) fn complain(&mut self, workspace: WorkspaceId, error: &ReadWalletError) {
        match error {
            ReadWalletError::Unanswered(_) => warn!(error = %chain(error), "orders are refused"),
            ReadWalletError::BadEvent { .. } | ReadWalletError::Contradicted { .. } => {
                metrics::counter!(names::WALLETS_CONTRADICTED).increment(1);
                if self.told.len() >= TOLD_MAX {
                    self.told.clear();
                }
                if self.told.insert(workspace) {
                    error!(workspace.id = %workspace, error = %chain(error), "a wallet is broken; its orders are refused");
                }
            }
        }
    }
}

/// Reads a wallet from the log's leader.
///
/// # Errors
/// [`ReadWalletError`]; nothing is known then.
pub(super) async fn read(log: &EventLog, workspace: WorkspaceId) -> Result<Wallet, ReadWalletError> {
    metrics::counter!(names::WALLETS_READ).increment(1);
    let Some(head) = log.head(Subject::Wallet(workspace)).await.map_err(ReadWalletError::Unanswered)? else {
        return Ok(Wallet::NEW);
    };
    let seq = head.seq;
    let newest = Event::from_line(&head.payload).map_err(|source| ReadWalletError::BadEvent { seq, source })?;
    Wallet::of(seq, &newest).map_err(|contradiction| ReadWalletError::Contradicted { seq, contradiction })
}

#[cfg(test)]
mod tests {
    use angelia_shared::clock;
    use angelia_shared::event::Totals;

    use super::*;

    fn known(head: u64) -> Known {
        Known { wallet: Wallet::at(head, Totals::default()).unwrap(), covers: head, streak: None }
    }

    #[test]
    fn a_wallet_in_use_is_kept_and_an_unused_one_is_forgotten_in_time() {
        let mut wallets = Wallets::new(8);
        wallets.put(WorkspaceId(0), known(1));
        wallets.put(WorkspaceId(1), known(1));
        for other in 2..40 {
            wallets.put(WorkspaceId(other), known(1));
            assert!(wallets.get(WorkspaceId(0)).is_some(), "after {other}");
            assert!(wallets.young.len() + wallets.old.len() <= 8);
        }
        assert_eq!(wallets.get(WorkspaceId(1)), None);
    }

    #[test]
    fn an_older_state_never_replaces_a_newer_one() {
        let mut wallets = Wallets::new(8);
        wallets.put(WorkspaceId(1), known(7));
        wallets.put(WorkspaceId(1), known(5));
        assert_eq!(wallets.get(WorkspaceId(1)), Some(known(7)));
        wallets.forget(WorkspaceId(1));
        assert_eq!(wallets.get(WorkspaceId(1)), None);
    }

    #[test]
    fn a_streak_of_draws_ends_in_a_rest_and_a_pause_begins_a_new_one() {
        let start = clock::monotonic();
        let at = |ms| start + Duration::from_millis(ms);
        let mut streak = None;
        for ms in (0..200).step_by(10) {
            assert!(!streak.is_some_and(|streak: Streak| streak.is_due_a_rest(at(ms))), "after {ms} ms");
            streak = Some(Streak::after(streak, at(ms), at(ms + 9)));
        }
        assert!(streak.unwrap().is_due_a_rest(at(200)));
        assert!(!streak.unwrap().is_due_a_rest(at(199 + 15)), "nobody drew for a while by itself");
        let after_pause = Streak::after(streak, at(220), at(230));
        assert!(!after_pause.is_due_a_rest(at(231)));
        assert!(Streak::after(None, at(0), at(250)).is_due_a_rest(at(251)), "one long batch is a streak, too");
    }
}
