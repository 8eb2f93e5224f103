//! Acts on what the projection shows: refunds, dead lanes, settlements, checkpoints. One ledger acts, by claim; all project.
//!
//! Shape: decide from the projection, append under guards, wait until the projection has folded it, decide again. The
//! order is the contract:
//! - A refund is guarded by the wallet's head *in the projection*. Whatever moved the wallet since, a refund by another
//!   ledger or an unanswered one of ours, loses the guard; so nothing is paid twice, claim or no claim.
//! - A refund is appended only for what is projected: a settlement of ours is paid after it came back from the log. So is
//!   the return of a dead lane's rest: after its fence came back.
//!
//! Not here: what is due (see `domain/due.rs` and `domain/dead_lanes.rs`).

mod dead;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::directory::DirectoryView;
use angelia_shared::event::{Event, LedgerCheckpointed, PartitionClaimed, PartitionReleased};
use angelia_shared::ids::MemberId;
use angelia_shared::log::{
    AppendError, Appender, AppenderOptions, Entry, EventLog, Group, Guard, Stored, Writer, WriterOptions,
};
use angelia_shared::members::MembersView;
use angelia_shared::subject::Subject;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::live::{Doubt, Live};
use super::store::{Overlay, StoreError};
use crate::config::Config;
use crate::domain::dead_lanes::Watch;
use crate::domain::due::{self, Standing};
use crate::domain::overtake::Overtake;
use crate::domain::projection::Projection;
use crate::metrics as names;
use plan::{Plan, Turn};

/// Pause after a change before deciding: failures that come together are paid back together.
const GATHER: Duration = Duration::from_millis(50);
/// How often deadlines are looked at when nothing changes.
const IDLE: Duration = Duration::from_secs(1);
/// Pause after the log could not be written.
const RETRY: Duration = Duration::from_millis(250);
/// How long an own append is waited for in the projection before deciding again. Deciding early costs a lost guard.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(5);
/// How long giving the claim up may take at the end.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);
/// Groups that may wait for the writer: those of one turn.
const GROUPS_MAX: usize = 4_096;

/// The ledger cannot act any more.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The projection cannot be read.
    #[error("cannot decide from the projection")]
    Store(#[source] StoreError),
    /// The writer's task has ended.
    #[error("the ledger's writer has stopped")]
    WriterStopped,
}

/// Who acts, and on what.
pub(crate) struct Actor {
    pub(crate) live: Arc<Live>,
    pub(crate) log: EventLog,
    pub(crate) directory: DirectoryView,
    pub(crate) members: MembersView,
    pub(crate) member: MemberId,
    pub(crate) config: Config,
}

/// What came of the appends of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Appended {
    /// Up to where the projection must come before the next turn.
    wait_for: u64,
    /// How many were stored.
    stored: u64,
    /// Whether the log could not be written.
    retry: bool,
}

impl Actor {
    /// Acts until `shutdown`, then gives the claim up. Begin only when the projection has caught up.
    ///
    /// # Errors
    /// [`ActError`]; nothing is lost: what is due stays due.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), ActError> {
        let Some(writer) = self.open_writer(&shutdown).await else { return Ok(()) };
        let closing = CancellationToken::new();
        let options = AppenderOptions { groups_max: GROUPS_MAX, ..AppenderOptions::default() };
        let (appender, writing) = Appender::start(writer, options, closing.clone());
        let acted = tokio::select! {
            acted = self.turns(&appender) => acted.map(|never| match never {}),
            () = shutdown.cancelled() => Ok(()),
        };
        metrics::gauge!(names::ACTING).set(0.0);
        if acted.is_ok() && tokio::time::timeout(RELEASE_WITHIN, self.release(&appender)).await.is_err() {
            debug!("stopped before the last checkpoint was written and the ledger's claim was given up");
        }
        closing.cancel();
        // The appender bounds its own end.
        let _ended = writing.await;
        acted
    }

    async fn open_writer(&self, shutdown: &CancellationToken) -> Option<Writer> {
        let options = WriterOptions { role: "ledger".to_owned(), member: self.member, fails_fast: true };
        loop {
            tokio::select! {
                opened = Writer::open(self.log.clone(), options.clone()) => match opened {
                    Ok(writer) => return Some(writer),
                    Err(error) => debug!(%error, "trying again"),
                },
                () = shutdown.cancelled() => return None,
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.cancelled() => return None,
            }
        }
    }

    async fn turns(&self, appender: &Appender) -> Result<std::convert::Infallible, ActError> {
        let mut position = self.live.watch();
        let mut has_claimed = false;
        let mut checkpointed_at = clock::monotonic();
        let mut watch = Watch::default();
        let mut overtake = Overtake::default();
        loop {
            position.mark_unchanged();
            let doubt = self.live.doubt();
            if doubt == Doubt::All {
                // Until the folder is checked, another ledger may act.
                self.release(appender).await;
                watch = Watch::default();
                tokio::time::sleep(IDLE).await;
                continue;
            }
            let patience = Duration::from_secs(self.config.ledger_checkpoint_s);
            let turn = Turn {
                member: self.member,
                has_claimed,
                now: clock::now(),
                unknown_deadline_ms: self.config.unknown_deadline_s * 1_000,
                checkpoint_records: self.config.ledger_checkpoint_records,
                checkpoint_waited: checkpointed_at.elapsed() >= patience,
                directory_known: self.directory.is_complete(),
                alive: self.members.read().alive().collect(),
                is_sound: doubt == Doubt::None,
                sees_all: self.members.unbroken_for().is_some_and(|unbroken| unbroken >= self.members.ttl()),
            };
            let mut plan = self.live.ask(move |projection| turn.plan(projection)).await.map_err(ActError::Store)?;
            metrics::gauge!(names::ACTING).set(f64::from(u8::from(matches!(plan.standing, Standing::Mine(_)))));
            let appended = match plan.standing {
                Standing::Claim(head) => {
                    watch = Watch::default();
                    overtake.forget();
                    let claimed = self.claim(appender, head).await?;
                    has_claimed |= claimed.stored > 0;
                    claimed
                }
                Standing::Mine(claim) => {
                    overtake.forget();
                    if plan.checkpoint.is_some() {
                        checkpointed_at = clock::monotonic();
                    }
                    let lost = std::mem::take(&mut plan.lost);
                    let dead = watch.look(lost, self.members.unbroken_for(), self.members.ttl(), clock::uptime());
                    let mut all = self.fence(dead).await;
                    all.join(self.act(appender, plan, claim).await?);
                    all
                }
                Standing::Stand => {
                    watch = Watch::default();
                    if overtake.look(plan.seen.is_due, plan.seen.paid, clock::uptime()) {
                        warn!("refunds are due and the ledger that holds the claim pays none: taking the claim");
                        metrics::counter!(names::CLAIMS_OVERTAKEN).increment(1);
                        self.claim(appender, plan.seen.claim).await?
                    } else {
                        Appended::default()
                    }
                }
            };
            if appended.retry {
                tokio::time::sleep(RETRY).await;
            } else if appended.wait_for > 0 {
                // What is not back in time is decided again: the guards hold.
                let _came_back = self.live.reached(appended.wait_for, COMES_BACK_WITHIN).await;
            } else {
                // The projection's sender lives as long as this task's own handle to it.
                let _changed = tokio::time::timeout(IDLE, position.changed()).await;
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn act(&self, appender: &Appender, plan: Plan, claim: u64) -> Result<Appended, ActError> {
        let mut all = self.give_back(appender, plan.returns).await?;
        let credits: Vec<u64> = plan.refunds.iter().map(|refund| refund.event.credits.0).collect();
        let refunds = plan.refunds.into_iter().map(|refund| {
            let event = Event::CreditsRefunded(refund.event);
            Group::one(Entry::new(Subject::Wallet(refund.workspace), &event).guarded(Guard::Own(refund.head)))
        });
        let answers = join_all(refunds.map(|group| appender.append(group))).await;
        for (answer, credits) in answers.iter().zip(credits) {
            if answer.is_ok() {
                metrics::counter!(names::REFUNDS_APPENDED).increment(1);
                metrics::counter!(names::CREDITS_REFUNDED).increment(credits);
            }
        }
        all.add(answers)?;
        // A batch of their own, after the refunds: none of these is paid before it came back from the log.
        let settlements = plan.overdue.into_iter().map(|overdue| self.settlement(overdue, claim));
        let answers = join_all(settlements.map(|group| appender.append(group))).await;
        let settled = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        metrics::counter!(names::SETTLEMENTS_APPENDED).increment(settled);
        all.add(answers)?;
        if let Some(checkpoint) = plan.checkpoint {
            all.add(vec![self.append_checkpoint(appender, checkpoint).await])?;
        }
        Ok(all)
    }

    /// Alone in its batch: a projection then compares it with the state before that batch.
    async fn append_checkpoint(
        &self,
        appender: &Appender,
        checkpoint: LedgerCheckpointed,
    ) -> Result<Stored, AppendError> {
        let guard = Guard::Own(checkpoint.previous);
        let entry = Entry::new(Subject::Checkpoint, &Event::LedgerCheckpointed(checkpoint)).guarded(guard);
        let answer = appender.append(Group::one(entry)).await;
        metrics::counter!(names::CHECKPOINTS_APPENDED).increment(u64::from(answer.is_ok()));
        answer
    }

    async fn claim(&self, appender: &Appender, head: u64) -> Result<Appended, ActError> {
        let event =
            Event::PartitionClaimed(PartitionClaimed { v: 1, part: None, member: self.member, at: clock::now() });
        let entry = Entry::new(Subject::LedgerClaim, &event).guarded(Guard::Own(head));
        let mut claimed = Appended::default();
        claimed.add(vec![appender.append(Group::one(entry)).await])?;
        if claimed.stored > 0 {
            info!("this ledger acts now: refunds, dead lanes, settlements, checkpoints");
        }
        Ok(claimed)
    }

    /// Writes a checkpoint of what came since the last one, and gives the claim up, so that another ledger acts at once.
    async fn release(&self, appender: &Appender) {
        let (member, is_sound) = (self.member, self.live.doubt() == Doubt::None);
        let last = move |projection: &Projection<Overlay>| {
            let head = &projection.head;
            let Some(claim) = head.claim.filter(|claim| claim.member == member && !claim.released) else {
                return Ok(None);
            };
            let has_news = is_sound && due::is_checkpoint_due(head, u64::MAX, true);
            let checkpoint = has_news.then(|| due::last_checkpoint(&projection.tables, head)).transpose()?;
            Ok(Some((claim, checkpoint)))
        };
        let Ok(Some((claim, checkpoint))) = self.live.ask(last).await else { return };
        if let Some(checkpoint) = checkpoint
            && let Err(error) = self.append_checkpoint(appender, checkpoint).await
        {
            debug!(%error, "the last checkpoint was not written");
        }
        let event =
            Event::PartitionReleased(PartitionReleased { v: 1, part: None, member: self.member, at: clock::now() });
        let entry = Entry::new(Subject::LedgerClaim, &event).guarded(Guard::Own(claim.seq));
        if let Err(error) = appender.append(Group::one(entry)).await {
            warn!(%error, "the ledger's claim was not given up; the next ledger takes it all the same");
        }
    }
}

impl Appended {
    fn join(&mut self, other: Self) {
        self.wait_for = self.wait_for.max(other.wait_for);
        self.stored += other.stored;
        self.retry |= other.retry;
    }

    fn add(&mut self, answers: Vec<Result<Stored, AppendError>>) -> Result<(), ActError> {
        for answer in answers {
            match answer {
                Ok(stored) => {
                    self.stored += 1;
                    self.wait_for = self.wait_for.max(stored.sealed_at);
                }
                Err(AppendError::GuardLost(heads)) => {
                    metrics::counter!(names::GUARDS_LOST).increment(1);
                    self.wait_for = heads.iter().map(|(_, head)| *head).fold(self.wait_for, u64::max);
                }
                Err(AppendError::Closed) => return Err(ActError::WriterStopped),
                Err(AppendError::NeverStored | AppendError::Unavailable | AppendError::Full) => self.retry = true,
                Err(AppendError::TooLarge) => {
                    debug_assert!(false, "every group here is one small event");
                    self.retry = true;
                }
            }
        }
        Ok(())
    }
}
