//! The dispatcher's process: its place among the members, its writer, its directory, the keeper of its partitions.
//!
//! Invariants:
//! - A part that dies ends the whole: an account whose task is gone, or a directory that is not followed any more, would
//!   look as if all were well.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock::SteadyClock;
use angelia_shared::directory::DirectoryView;
use angelia_shared::ids::MemberId;
use angelia_shared::log::{Appender, AppenderOptions, EventLog, OpenWriterError, Writer, WriterOptions};
use angelia_shared::members::{self, Joined, MembersError, MembersView, Membership, Service};
use angelia_shared::vault::Vault;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Context;
use super::changes::{self, Changes};
use super::health::{self, Health};
use super::keeper;
use super::link_checks;
use super::partition::GROUPS_OF_ENDS;
use super::room::Room;
use super::tasks::Tasks;
use crate::attachments::{AddressRule, Fetcher, WaitingFiles};
use crate::config::Config;
use crate::transport::{BuildClientError, Ways};

/// Acceptances that are read again at once. A read takes about a millisecond, and a record has 16 KiB.
const READS_AT_ONCE: usize = 32;
/// Accounts whose unknown outcomes are looked up at once. When a provider loses the answers of many, a few are asked about at a
/// time: nobody waits for it.
const LOOK_UPS_AT_ONCE: usize = 8;
/// How long results of calls whose partition was lost may take to be written after the last partition has ended.
const RECEIPTS_WITHIN: Duration = Duration::from_secs(2);

/// The dispatcher cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunDispatcherError {
    /// It cannot be a member.
    #[error("cannot join the members")]
    Join(#[from] MembersError),
    /// Its key is not renewed any more, or the others are not followed.
    #[error("the dispatcher's place among the members is lost")]
    MembersStopped,
    /// Its writer could not be opened.
    #[error("cannot open the dispatcher's writer")]
    Writer(#[from] OpenWriterError),
    /// HTTPS cannot be set up.
    #[error("cannot set up HTTPS")]
    Client(#[from] BuildClientError),
    /// A task has died.
    #[error("a task of the dispatcher has died")]
    TaskDied(#[source] tokio::task::JoinError),
    /// A task has panicked; its message is on standard error.
    #[error("a task of the dispatcher has panicked: {0}")]
    TaskPanicked(&'static str),
    /// A task has ended that never should.
    #[error("a task of the dispatcher has ended by itself")]
    TaskEnded,
    /// The directory is not followed any more.
    #[error("the directory cannot be followed")]
    DirectoryStopped,
    /// The log's writer has stopped by itself.
    #[error("the dispatcher's writer has stopped")]
    WriterStopped,
}

/// Runs a dispatcher until `shutdown`: claims its share of the partitions and sends what is due.
///
/// After `shutdown` it returns within half a minute, whatever the broker does.
///
/// # Errors
/// [`RunDispatcherError`] when it cannot start, or when a part of it has died.
pub async fn run(
    config: Config,
    log: EventLog,
    vault: Arc<Vault>,
    member: MemberId,
    shutdown: CancellationToken,
) -> Result<(), RunDispatcherError> {
    let leave = CancellationToken::new();
    // However this function ends, its key goes.
    let _leaves = leave.clone().drop_guard();
    let joining = members::join(&log, Service::Dispatcher, member, &leave);
    let Some(joined) = shutdown.run_until_cancelled(joining).await.transpose()?.flatten() else { return Ok(()) };
    let Joined { own, view, mut renewing, mut watching } = joined;
    let options = WriterOptions { role: "dispatcher".to_owned(), member, fails_fast: false };
    let writer = Writer::open(log.clone(), options).await?;
    let stop_writer = CancellationToken::new();
    // However this function ends, writer and directory end with it.
    let _ends = stop_writer.clone().drop_guard();
    let (appender, mut writing) = Appender::start(writer, AppenderOptions::default(), stop_writer.clone());
    let outcome = tokio::select! {
        outcome = serve(config, log, appender, vault, (own, view), shutdown, &stop_writer) => outcome,
        _ = &mut writing => return Err(RunDispatcherError::WriterStopped),
        _ = &mut renewing => return Err(RunDispatcherError::MembersStopped),
        _ = &mut watching => return Err(RunDispatcherError::MembersStopped),
    };
    stop_writer.cancel();
    // The last batch and `WriterClosed`; bounded by the appender's own patience.
    let _closed = writing.await;
    leave.cancel();
    // Until then the key keeps others from taking this process for dead. Bounded by the time for which it would live.
    let _gone = renewing.await;
    outcome
}

async fn serve(
    config: Config,
    log: EventLog,
    appender: Appender,
    vault: Arc<Vault>,
    (own, members): (Membership, MembersView),
    shutdown: CancellationToken,
    stop: &CancellationToken,
) -> Result<(), RunDispatcherError> {
    let (mut directory, mut following) = DirectoryView::start(log.clone(), "dispatcher", stop.clone());
    let feed = directory.account_changes();
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        _ = &mut following => return Err(RunDispatcherError::DirectoryStopped),
        () = directory.complete() => {}
    }
    let rule = AddressRule { allow_loopback: config.attachments_allow_loopback };
    let partitions = log.partitions();
    let context = Arc::new(Context {
        changes: Arc::new(Changes::new(log.partitions())),
        log,
        appender,
        directory,
        vault,
        ways: Ways::new(config.base_urls_allowed)?,
        fetcher: Fetcher::new(rule)?,
        files: WaitingFiles::default(),
        downloads: Arc::new(Semaphore::new(config.attachments_at_once)),
        downloads_ahead: Arc::new(Semaphore::new(config.attachments_at_once / 2)),
        reads: Semaphore::new(READS_AT_ONCE),
        look_ups: Arc::new(Semaphore::new(LOOK_UPS_AT_ONCE)),
        look_up_after: (config.look_up_after_s > 0).then(|| Duration::from_secs(config.look_up_after_s)),
        ends_together: Arc::new(Semaphore::new(GROUPS_OF_ENDS)),
        room: Room::new(config.queued_in_memory_max, partitions),
        tasks: Arc::default(),
        member: own.member().member,
        own,
        clock: SteadyClock::start(),
    });
    let health = Arc::new(Health::default());
    let mut parts = JoinSet::new();
    let (changes, view) = (Arc::clone(&context.changes), context.directory.clone());
    parts.spawn(changes::follow(changes, view, feed, shutdown.clone()));
    parts.spawn(health::answer(Arc::clone(&context), Arc::clone(&health), rule.allow_loopback, shutdown.clone()));
    parts.spawn(link_checks::answer(Arc::clone(&context), shutdown.clone()));
    parts.spawn(keeper::keep(Arc::clone(&context), health, members, shutdown.clone()));
    supervise(parts, &context.tasks, following, &shutdown).await?;
    if !context.tasks.finish(RECEIPTS_WITHIN).await {
        warn!("stopped while results of calls were still to be written");
    }
    Ok(())
}

/// Waits until every part has ended, which they do after shutdown and never before.
async fn supervise(
    mut parts: JoinSet<()>,
    tasks: &Tasks,
    mut following: JoinHandle<()>,
    shutdown: &CancellationToken,
) -> Result<(), RunDispatcherError> {
    loop {
        tokio::select! {
            ended = parts.join_next() => match ended {
                Some(Ok(())) if shutdown.is_cancelled() => {}
                Some(Ok(())) => return Err(RunDispatcherError::TaskEnded),
                Some(Err(died)) => return Err(RunDispatcherError::TaskDied(died)),
                None => return Ok(()),
            },
            name = tasks.died() => return Err(RunDispatcherError::TaskPanicked(name)),
            _ = &mut following => return Err(RunDispatcherError::DirectoryStopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn supervised(parts: JoinSet<()>, tasks: &Tasks, shutdown: &CancellationToken) -> RunDispatcherError {
        let following = tokio::spawn(std::future::pending());
        supervise(parts, tasks, following, shutdown).await.expect_err("a part has died")
    }

    fn endless() -> JoinSet<()> {
        JoinSet::from_iter([std::future::pending()])
    }

    #[tokio::test]
    async fn a_part_that_ends_or_dies_ends_the_dispatcher() {
        let (tasks, shutdown) = (Arc::new(Tasks::default()), CancellationToken::new());
        let mut parts = endless();
        parts.spawn(async {});
        assert!(matches!(supervised(parts, &tasks, &shutdown).await, RunDispatcherError::TaskEnded));
        let mut parts = endless();
        parts.spawn(async { panic!("on purpose") });
        assert!(matches!(supervised(parts, &tasks, &shutdown).await, RunDispatcherError::TaskDied(_)));
    }

    #[tokio::test]
    async fn a_task_of_a_partition_that_panics_ends_the_dispatcher() {
        let (tasks, shutdown) = (Arc::new(Tasks::default()), CancellationToken::new());
        tasks.start("calling", async { panic!("on purpose") });
        let ended = supervised(endless(), &tasks, &shutdown).await;
        assert!(matches!(ended, RunDispatcherError::TaskPanicked("calling")));
    }

    #[tokio::test]
    async fn a_directory_that_is_followed_no_more_ends_the_dispatcher() {
        let ended = supervise(endless(), &Tasks::default(), tokio::spawn(async {}), &CancellationToken::new()).await;
        assert!(matches!(ended, Err(RunDispatcherError::DirectoryStopped)));
    }

    #[tokio::test]
    async fn after_the_shutdown_signal_parts_may_end() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let parts = JoinSet::from_iter([std::future::ready(()), std::future::ready(())]);
        let following = tokio::spawn(std::future::pending());
        assert!(supervise(parts, &Tasks::default(), following, &shutdown).await.is_ok());
    }
}
