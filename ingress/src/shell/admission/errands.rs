//! What the lane has done beside its rounds: wallets read, balances asked for, credits recalled, recalls answered.
//!
//! Shape: an errand -> [`Done`], in any order. A round never waits for one; an order waits aside for those of its
//! workspace. Each kind has a bound of its own, so that what takes long for one workspace does not hold up another's.
//!
//! Not here: what follows from it (see [`crate::domain::purse`]).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::event::{BadLine, Event};
use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::log::{EventLog, HeadError, OpenLogError};
use angelia_shared::query::{self, AskCredits, AskError};
use angelia_shared::subject::Subject;
use angelia_shared::telemetry::chain;
use angelia_shared::units::Credits;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, error, warn};

use super::recall::{self, Heard};
use crate::domain::wallet::{Contradiction, Wallet};
use crate::metrics as names;

/// Wallets that are read at once. A read takes a round trip; this many a millisecond are more than a batch brings.
const READS_MAX: usize = 64;
/// Balances that are asked for at once: an answer takes about a millisecond.
const BALANCES_MAX: usize = 64;
/// Recalls at once. Each takes up to a second when a lane does not answer, so there is room for many.
const RECALLS_MAX: usize = 512;
/// How long an order waits for a balance. A ledger that is behind says so after 2 s.
const BALANCE_TIMEOUT: Duration = Duration::from_secs(3);
/// Broken wallets that are told of once; beyond that many the log is in a state where repeating does no harm.
const TOLD_MAX: usize = 1_000;

/// An errand's end. `covers` is the newest arrival before it began.
pub(super) enum Done {
    /// A wallet was read from the log's leader.
    Read { workspace: WorkspaceId, covers: u64, wallet: Result<Wallet, ReadWalletError> },
    /// The ledger told what a workspace has in all.
    Told { workspace: WorkspaceId, covers: u64, balance: Result<Credits, AskBalanceError> },
    /// The other lanes gave back what they held, or did not answer in time; then the wallet was read.
    Recalled { workspace: WorkspaceId, covers: u64, wallet: Result<Wallet, ReadWalletError> },
    /// Other lanes' recalls were answered.
    Answered,
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

/// What a workspace has in all cannot be known now.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskBalanceError {
    #[error("cannot find the log's end")]
    NoEnd(#[source] OpenLogError),
    #[error("cannot ask a ledger for a balance")]
    Ledger(#[from] AskError),
    #[error("the ledger took too long to tell a balance")]
    TooSlow,
}

/// The errands under way.
pub(super) struct Errands {
    log: EventLog,
    under_way: JoinSet<Done>,
    reads: Arc<Semaphore>,
    balances: Arc<Semaphore>,
    recalls: Arc<Semaphore>,
    told: HashSet<WorkspaceId>,
}

impl Errands {
    pub(super) fn new(log: EventLog) -> Self {
        Self {
            log,
            under_way: JoinSet::new(),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            balances: Arc::new(Semaphore::new(BALANCES_MAX)),
            recalls: Arc::new(Semaphore::new(RECALLS_MAX)),
            told: HashSet::new(),
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The next errand that has ended; none when nothing is under way.
    pub(super) async fn next(&mut self) -> Option<Done> {
        self.under_way.join_next().await.map(|done| done.expect("an errand does not panic"))
    }

    /// An errand that has ended.
    pub(super) fn try_next(&mut self) -> Option<Done> {
        self.under_way.try_join_next().map(|done| done.expect("an errand does not panic"))
    }

    /// Reads a wallet, after a pause.
    pub(super) fn read(&mut self, workspace: WorkspaceId, covers: u64, pause: Duration) {
        let (log, reads) = (self.log.clone(), Arc::clone(&self.reads));
        self.under_way.spawn(async move {
            wait(pause).await;
            let _permit = reads.acquire().await.expect("the semaphore is never closed");
            Done::Read { workspace, covers, wallet: read(&log, workspace).await }
        });
    }

    /// Asks what a workspace has in all, after a pause.
    pub(super) fn ask_balance(&mut self, workspace: WorkspaceId, covers: u64, pause: Duration) {
        let (log, balances) = (self.log.clone(), Arc::clone(&self.balances));
        self.under_way.spawn(async move {
            wait(pause).await;
            let _permit = balances.acquire().await.expect("the semaphore is never closed");
            let balance = tokio::time::timeout(BALANCE_TIMEOUT, ask_balance(&log, workspace)).await;
            Done::Told { workspace, covers, balance: balance.unwrap_or(Err(AskBalanceError::TooSlow)) }
        });
    }

    /// Has the other lanes give back what they hold, after a pause, until `missing` came back; then reads the wallet.
    pub(super) fn recall(
        &mut self,
        own: WriterId,
        workspace: WorkspaceId,
        covers: u64,
        pause: Duration,
        missing: Credits,
    ) {
        let (log, recalls) = (self.log.clone(), Arc::clone(&self.recalls));
        self.under_way.spawn(async move {
            wait(pause).await;
            let _permit = recalls.acquire().await.expect("the semaphore is never closed");
            recall::ask(&log, own, workspace, missing).await;
            Done::Recalled { workspace, covers, wallet: read(&log, workspace).await }
        });
    }

    /// Answers other lanes' recalls of what this one held.
    pub(super) fn answer(&mut self, own: WriterId, recalls: Vec<Heard>, credits: Credits) {
        let log = self.log.clone();
        self.under_way.spawn(async move {
            for heard in recalls {
                recall::answer(log.client(), own, heard, credits).await;
            }
            Done::Answered
        });
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

async fn wait(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

/// Reads a wallet from the log's leader.
async fn read(log: &EventLog, workspace: WorkspaceId) -> Result<Wallet, ReadWalletError> {
    metrics::counter!(names::WALLETS_READ).increment(1);
    let Some(head) = log.head(Subject::Wallet(workspace)).await.map_err(ReadWalletError::Unanswered)? else {
        return Ok(Wallet::NEW);
    };
    let seq = head.seq;
    let newest = Event::from_line(&head.payload).map_err(|source| ReadWalletError::BadEvent { seq, source })?;
    Wallet::of(seq, &newest).map_err(|contradiction| ReadWalletError::Contradicted { seq, contradiction })
}

/// Asks a ledger that has folded everything that is in the log now: what it says was true after that.
async fn ask_balance(log: &EventLog, workspace: WorkspaceId) -> Result<Credits, AskBalanceError> {
    metrics::counter!(names::BALANCES_ASKED).increment(1);
    let told = async {
        let end = log.last_sequence().await.map_err(AskBalanceError::NoEnd)?;
        let (wallet, _) = query::ask(log.client(), AskCredits { workspace }, end).await?;
        Ok(wallet.available)
    };
    let told = told.await;
    if let Err(error) = &told {
        // Callers see it as a 503; while a ledger is away there would be a line for each of them.
        debug!(error = %chain(error), "orders that are short are put off");
    }
    told
}
