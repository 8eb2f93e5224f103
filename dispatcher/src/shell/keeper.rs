//! Keeps this process's share of the partitions: claims what belongs to it and gives away what does not.
//!
//! Shape: members, claims and ends of its tasks go into [`Ownership`]; what that says is done here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::members::{MembersView, Roster, Service};
use angelia_shared::subject::Partition as Part;
use angelia_shared::telemetry::chain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::Context;
use super::claims::{self, News};
use super::health::Health;
use super::partition::{Leave, Owned, count_owned};
use super::takeover::{self, ClaimError};
use crate::domain::ownership::{Claim, Ended, Ownership, Source, Step};
use crate::metrics as names;

/// How often is looked without any news: patience ends by itself.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Partitions that are claimed and brought up to date at once: each makes two consumers, and each holds what it has read
/// ahead in memory.
const CLAIMS_AT_ONCE: usize = 8;
/// How long partitions are given away one after the other when this process ends; then all at once.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

struct Keeper {
    context: Arc<Context>,
    health: Arc<Health>,
    rules: Ownership,
    holds: JoinSet<(Part, Ended)>,
    leave: HashMap<Part, watch::Sender<Leave>>,
    turns: Arc<Semaphore>,
}

/// Keeps the share until shutdown, and gives it away then. It ends early only when the log cannot be read on.
pub(super) async fn keep(
    context: Arc<Context>,
    health: Arc<Health>,
    members: MembersView,
    shutdown: CancellationToken,
) {
    let (news, following) = claims::follow(context.log.clone());
    context.tasks.start("following the claims", following);
    let mut keeper = Keeper {
        rules: Ownership::new(context.member, context.log.partitions()),
        context,
        health,
        holds: JoinSet::new(),
        leave: HashMap::new(),
        turns: Arc::new(Semaphore::new(CLAIMS_AT_ONCE)),
    };
    keeper.run(news, members, shutdown).await;
}

impl Keeper {
    async fn run(&mut self, mut news: mpsc::Receiver<News>, members: MembersView, shutdown: CancellationToken) {
        let mut roster = members.subscribe();
        roster.mark_changed();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut hurries_at = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled(), if hurries_at.is_none() => {
                    self.context.own.announce_leaving();
                    self.rules.leave();
                    hurries_at = Some(clock::monotonic() + LEAVE_WITHIN);
                }
                // Its sender ends with the process.
                Ok(()) = roster.changed() => self.see(&roster.borrow_and_update()),
                Some(news) = news.recv() => {
                    if !self.hear(news) {
                        return;
                    }
                }
                Some(ended) = self.holds.join_next() => self.ended(ended),
                _ = look.tick() => {}
            }
            self.act();
            if let Some(at) = hurries_at {
                if clock::monotonic() >= at {
                    self.hurry();
                }
                if self.holds.is_empty() {
                    return;
                }
            }
        }
    }

    fn see(&mut self, roster: &Roster) {
        if roster.is_complete() {
            let dispatchers = roster.of(Service::Dispatcher).map(|member| (member.member, member.leaving));
            self.rules.members(dispatchers, clock::uptime());
        }
    }

    /// Takes news of the claims. False when there will be none any more.
    fn hear(&mut self, news: News) -> bool {
        match news {
            News::Record(part, seq, newest) => self.rules.told(part, seq, newest),
            News::All => self.rules.told_all(),
            News::Broken(gap) => {
                error!(error = %gap, "the claims cannot be read on");
                return false;
            }
        }
        true
    }

    fn ended(&mut self, ended: Result<(Part, Ended), JoinError>) {
        let (part, how) = match ended {
            Ok(ended) => ended,
            // This task dies, too, and with it the dispatcher.
            Err(died) => std::panic::resume_unwind(died.into_panic()),
        };
        if how == Ended::Lost {
            metrics::counter!(names::CLAIMS_LOST).increment(1);
            info!(partition = part.0, "another process took a partition");
        }
        self.leave.remove(&part);
        self.rules.ended(part, how, clock::uptime());
    }

    fn act(&mut self) {
        for step in self.rules.steps(clock::uptime(), self.context.own.is_fresh()) {
            match step {
                Step::Claim(claim) => {
                    let (leave, asked) = watch::channel(Leave::Stay);
                    self.leave.insert(claim.part, leave);
                    let (context, health) = (Arc::clone(&self.context), Arc::clone(&self.health));
                    let (part, turns) = (claim.part, Arc::clone(&self.turns));
                    self.holds.spawn(async move { (part, hold(context, health, claim, turns, asked).await) });
                }
                Step::Release(part) => {
                    if let Some(leave) = self.leave.get(&part) {
                        leave.send_replace(Leave::Politely);
                    }
                }
            }
        }
        self.health.wants(self.rules.wanted());
    }

    fn hurry(&self) {
        for leave in self.leave.values() {
            leave.send_if_modified(|leave| std::mem::replace(leave, Leave::InAHurry) != Leave::InAHurry);
        }
    }
}

/// Claims a partition and owns it until that ends.
async fn hold(
    context: Arc<Context>,
    health: Arc<Health>,
    claim: Claim,
    turns: Arc<Semaphore>,
    mut asked: watch::Receiver<Leave>,
) -> Ended {
    let part = claim.part;
    let turn = tokio::select! {
        turn = turns.acquire_owned() => turn,
        _ = asked.wait_for(|leave| *leave != Leave::Stay) => return Ended::Failed,
    };
    let Ok(turn) = turn else { return Ended::Failed };
    let claimed = tokio::select! {
        // A claim that is stored should be released again, so it is broken off only in a hurry.
        claimed = takeover::claim(&context, claim) => claimed,
        _ = asked.wait_for(|leave| *leave == Leave::InAHurry) => return Ended::GivenUp,
    };
    match claimed {
        Ok(claimed) => {
            let from = match claim.from {
                Source::Nobody => "nobody",
                Source::Dead => "dead",
                Source::Silent => "silent",
            };
            metrics::counter!(names::PARTITIONS_CLAIMED, "from" => from).increment(1);
            own(Owned::new(context, part, claimed), turn, &health, asked).await
        }
        Err(ClaimError::Refused) => Ended::Refused,
        Err(ClaimError::Taken) => Ended::Lost,
        Err(failure) => {
            warn!(partition = part.0, error = %chain(&failure), "cannot claim a partition yet");
            Ended::Failed
        }
    }
}

/// Owns a claimed partition until that ends. Its `turn` is over when it has caught up.
async fn own(owned: Owned, turn: OwnedSemaphorePermit, health: &Health, asked: watch::Receiver<Leave>) -> Ended {
    let mut was_caught_up = false;
    let caught_up = || {
        drop(turn);
        was_caught_up = true;
        count_owned(health.caught_up.fetch_add(1, Ordering::Relaxed) + 1);
    };
    let ended = owned.run(asked, caught_up).await;
    if was_caught_up {
        count_owned(health.caught_up.fetch_sub(1, Ordering::Relaxed) - 1);
    }
    ended
}
