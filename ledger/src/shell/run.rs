//! Starts the ledger's tasks, and ends them together.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::directory::DirectoryView;
use angelia_shared::ids::MemberId;
use angelia_shared::log::EventLog;
use angelia_shared::log::digest::sha256;
use angelia_shared::members::{self, Joined, MembersError, Service};
use angelia_shared::telemetry::chain;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::actor::{ActError, Actor};
use super::consumer::{self, ConsumeError, Progress};
use super::live::Live;
use super::service::{self, ServeError};
use super::store::{LogIdentity, Store, StoreError};
use crate::config::Config;

/// Rebuilds of one process. A store that does not survive its own rebuild is a broken disk, and a person's matter.
const REBUILDS_MAX: u32 = 3;
/// Pause before a store whose disk was full is opened again. Somebody frees space by hand: a few seconds do not matter.
const FULL_RETRY: Duration = Duration::from_secs(5);
/// Pause before the log is asked again.
const RETRY: Duration = Duration::from_millis(250);
/// How long tasks may take to end. The writer's own bound is 5 s.
const END_WITHIN: Duration = Duration::from_secs(8);

/// The ledger had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunLedgerError {
    /// Its folder or store cannot be used.
    #[error("cannot open the ledger's store")]
    Store(#[source] StoreError),
    /// It cannot fold the log on.
    #[error("the ledger cannot go on")]
    Consume(#[source] ConsumeError),
    /// It cannot tell who is alive.
    #[error("the ledger cannot join the members")]
    Join(#[source] MembersError),
    /// It cannot answer questions.
    #[error("the ledger cannot answer")]
    Serve(#[source] ServeError),
    /// It cannot act.
    #[error("the ledger cannot act")]
    Act(#[source] ActError),
    /// A task has ended that must not: a bug.
    #[error("the ledger's {0} has ended by itself")]
    TaskEnded(&'static str),
}

impl RunLedgerError {
    /// What is wrong with the store, when that is the cause.
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Consume(ConsumeError::Store(store)) | Self::Act(ActError::Store(store)) | Self::Store(store) => {
                Some(store)
            }
            Self::Consume(ConsumeError::Read(_))
            | Self::Act(ActError::WriterStopped)
            | Self::Serve(_)
            | Self::Join(_)
            | Self::TaskEnded(_) => None,
        }
    }
}

/// How the ledger is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether it has caught up with the log once and answers.
    pub ready: bool,
    /// Records of the log that it has not folded.
    pub behind: u64,
}

/// A look at a running ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LedgerHandle {
    status: watch::Receiver<Status>,
}

impl LedgerHandle {
    /// How it is doing now.
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Waits until it has caught up with the log and answers; `false` when it has ended instead.
    pub async fn ready(&mut self) -> bool {
        self.status.wait_for(|status| status.ready).await.is_ok()
    }
}

/// Starts a ledger on a task of its own.
pub fn start(
    config: Config,
    log: EventLog,
    member: MemberId,
    shutdown: CancellationToken,
) -> (LedgerHandle, JoinHandle<Result<(), RunLedgerError>>) {
    let (tell, status) = watch::channel(Status::default());
    let task = tokio::spawn(run_told(config, log, member, shutdown, tell));
    (LedgerHandle { status }, task)
}

/// Runs a ledger until `shutdown`: projects the log, answers questions, and acts when it holds the claim. While the disk
/// of its folder is full, it waits.
///
/// # Errors
/// [`RunLedgerError`] when it cannot go on. What it stored can be taken up again, or rebuilt.
pub async fn run(
    config: Config,
    log: EventLog,
    member: MemberId,
    shutdown: CancellationToken,
) -> Result<(), RunLedgerError> {
    run_told(config, log, member, shutdown, watch::Sender::new(Status::default())).await
}

async fn run_told(
    config: Config,
    log: EventLog,
    member: MemberId,
    shutdown: CancellationToken,
    status: watch::Sender<Status>,
) -> Result<(), RunLedgerError> {
    let mut rebuilds = 0;
    loop {
        let ended = run_once(&config, &log, member, &shutdown, &status).await;
        status.send_replace(Status::default());
        let Err(error) = ended else { return Ok(()) };
        let store = error.store().filter(|_| !shutdown.is_cancelled());
        if store.is_some_and(StoreError::is_disk_full) {
            error!(
                folder = %config.ledger_dir.display(),
                "the disk of the ledger's folder is full: free some space, and the ledger goes on by itself"
            );
            tokio::select! {
                () = tokio::time::sleep(FULL_RETRY) => continue,
                () = shutdown.cancelled() => return Ok(()),
            }
        }
        let Some(damage) = store.filter(|store| store.is_damage() && rebuilds < REBUILDS_MAX) else {
            return Err(error);
        };
        rebuilds += 1;
        let (path, why) = (config.ledger_dir.clone(), damage.to_string());
        let aside = tokio::task::spawn_blocking(move || Store::set_aside(&path, &why)).await;
        aside.map_err(|_| RunLedgerError::TaskEnded("store"))?.map_err(RunLedgerError::Store)?;
    }
}

/// What a task ended with.
type Ended = (&'static str, Result<(), RunLedgerError>);

async fn run_once(
    config: &Config,
    log: &EventLog,
    member: MemberId,
    shutdown: &CancellationToken,
    status: &watch::Sender<Status>,
) -> Result<(), RunLedgerError> {
    let Some(identity) = identity(log, shutdown).await else { return Ok(()) };
    let live = Arc::new(open(config, identity).await?);
    let stop = shutdown.child_token();
    let _stop_on_error = stop.clone().drop_guard();
    let joined = members::join(log, Service::Ledger, member, &stop).await.map_err(RunLedgerError::Join)?;
    let Some(Joined { own: _, view: members, renewing, watching }) = joined else { return Ok(()) };
    let (progress, progressed) = watch::channel(Progress::default());
    let mut tasks: JoinSet<Ended> = JoinSet::new();
    let flush_every = Duration::from_millis(config.ledger_flush_ms);
    let consuming = consumer::run(Arc::clone(&live), log.clone(), identity.last, flush_every, progress, stop.clone());
    tasks.spawn(async move { ("consumer", consuming.await.map_err(RunLedgerError::Consume)) });
    let (directory, following) = DirectoryView::start(log.clone(), "ledger", stop.clone());
    for (name, task) in [("directory", following), ("member key", renewing), ("view of the members", watching)] {
        tasks.spawn(async move {
            // One that panicked has ended, too.
            let _ended = task.await;
            (name, Ok(()))
        });
    }
    let first = tokio::select! {
        ended = tasks.join_next() => ended,
        // A consumer that ended tells nothing more; its end is seen by the other branch.
        Ok(()) = caught_up_once(progressed.clone()) => {
            // Only now: an answer from the middle of a replay would be true, but of another time.
            let (up, heard) = oneshot::channel();
            let serving = service::run(Arc::clone(&live), log.clone(), members.clone(), up, stop.clone());
            tasks.spawn(async move { ("service", serving.await.map_err(RunLedgerError::Serve)) });
            let actor = Actor { live, log: log.clone(), directory, members, member, config: config.clone() };
            let acting = actor.run(stop.clone());
            tasks.spawn(async move { ("actor", acting.await.map_err(RunLedgerError::Act)) });
            tokio::select! {
                ended = tasks.join_next() => ended,
                Ok(()) = heard => tell_until_one_ends(&mut tasks, progressed, status).await,
            }
        }
    };
    let asked_to_end = shutdown.is_cancelled();
    stop.cancel();
    let first = first.map(|ended| ended.unwrap_or(("task", Err(RunLedgerError::TaskEnded("task")))));
    let rest = end_all(tasks).await;
    match first {
        Some((_, Err(error))) => Err(error),
        // While the others were told to end, one may have found out why the first one did.
        Some((name, Ok(()))) if !asked_to_end => Err(rest.unwrap_or(RunLedgerError::TaskEnded(name))),
        Some((_, Ok(()))) | None => rest.map_or(Ok(()), Err),
    }
}

async fn caught_up_once(mut progress: watch::Receiver<Progress>) -> Result<(), watch::error::RecvError> {
    progress.wait_for(|progress| progress.caught_up).await.map(drop)
}

/// Keeps `status` up to date until a task ends.
async fn tell_until_one_ends(
    tasks: &mut JoinSet<Ended>,
    mut progress: watch::Receiver<Progress>,
    status: &watch::Sender<Status>,
) -> Option<Result<Ended, tokio::task::JoinError>> {
    loop {
        let Progress { behind, caught_up } = *progress.borrow_and_update();
        status.send_replace(Status { ready: caught_up, behind });
        tokio::select! {
            ended = tasks.join_next() => return ended,
            changed = progress.changed() => if changed.is_err() {
                // The consumer is gone: its end is the next to be seen.
                return tasks.join_next().await;
            },
        }
    }
}

/// Awaits the ends of all tasks, within a bound; returns the first error among them.
async fn end_all(mut tasks: JoinSet<Ended>) -> Option<RunLedgerError> {
    let mut error = None;
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            if let Ok((_, Err(found))) = ended {
                error.get_or_insert(found);
            }
        }
    };
    if tokio::time::timeout(END_WITHIN, all).await.is_err() {
        warn!("a part of the ledger did not end in time and was cut off");
    }
    tasks.shutdown().await;
    error
}

async fn open(config: &Config, identity: LogIdentity) -> Result<Live, RunLedgerError> {
    let (path, cache_bytes) = (config.ledger_dir.clone(), config.ledger_cache_mib * 1024 * 1024);
    let opened = tokio::task::spawn_blocking(move || Live::resume(Store::open(&path, cache_bytes, identity)?)).await;
    let live = opened.map_err(|_| RunLedgerError::TaskEnded("store"))?.map_err(RunLedgerError::Store)?;
    info!(stream.seq = live.position(), folder = %config.ledger_dir.display(), "opened the ledger");
    Ok(live)
}

/// Which log this is. Waits while the broker is away.
async fn identity(log: &EventLog, shutdown: &CancellationToken) -> Option<LogIdentity> {
    loop {
        tokio::select! {
            asked = ask_identity(log) => match asked {
                Ok(identity) => return Some(identity),
                Err(error) => warn!(error = %chain(&*error), "the log does not say which it is yet"),
            },
            () = shutdown.cancelled() => return None,
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = shutdown.cancelled() => return None,
        }
    }
}

async fn ask_identity(log: &EventLog) -> Result<LogIdentity, Box<dyn std::error::Error + Send + Sync>> {
    let first = log.record_at(1).await?.map(|record| sha256(&record.payload));
    let last = log.last_sequence().await?;
    Ok(LogIdentity { first, last })
}
