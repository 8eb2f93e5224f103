//! The task that owns one partition under one claim.
//!
//! It alone holds the partition's rules. What takes time (storing, calling, fetching) runs in tasks of its own that report
//! back through a queue, so one slow provider or file holds up nobody else.
//!
//! Bounds: 32 bytes for each message that waits (`domain/account/queue.rs`); contents of the first few of a queue
//! (`kept.rs`); [`READ_AHEAD`] records; and when the process holds too many messages, the partitions that hold most of them
//! read no further (`room.rs`).
//!
//! Not here: what is begun when something is due (see [`acting`]), how it ends (see [`ending`]).

mod acting;
mod ending;

pub(super) use acting::GROUPS_OF_ENDS;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::log::{ReadError, Reader, Record};
use angelia_shared::subject::{Partition as Part, Subject};
use angelia_shared::units::UnixMillis;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, warn};

use super::accounts::{self, Held};
use super::ahead::Ahead;
use super::call::{Called, Done};
use super::kept::Kept;
use super::prepare::{Outgoing, Prepared, Tries};
use super::room::Share;
use super::takeover::Claimed;
use super::turns::{self, Questions};
use super::{Context, records};
use crate::domain::account::CallResult;
use crate::domain::look_up::schedule::Schedule;
use crate::domain::ownership::Ended;
use crate::domain::ownership::departure::{Departure, Then};
use crate::domain::partition::Partition;
use crate::metrics as names;
use crate::transport::{LeasedSessions, PutOffScope};

/// Records that may wait between the reader and the rules; then reading pauses. At most 256 KiB a partition.
const READ_AHEAD: usize = 16;
/// How often a partition that reads no further looks whether others have made room.
const FULL_AGAIN: Duration = Duration::from_secs(1);
/// Reports of tasks that may wait. Each account has at most four tasks.
const REPORTS: usize = 1_024;
/// Only the first few of a queue are kept in memory.
const KEPT_PER_ACCOUNT: usize = 2;
/// Pause before a message is prepared again whose account is held, or not known yet.
const PREPARE_AGAIN_MS: u64 = 1_000;
/// How often is looked whether a partition can be released, or the lease is fresh again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often is looked whether something of unknown outcome is to be looked up with the provider.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);
/// Unknown messages are forgotten after this; their deadline settled them long before.
const FORGET_UNKNOWN_MS: u64 = 7 * 24 * 3_600_000;
/// How often that is looked at.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// What the owner of a partition is asked to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Keep it.
    Stay,
    /// Give it to somebody else, without letting its accounts wait for a slow call.
    Politely,
    /// Release it as soon as its calls have ended.
    InAHurry,
}

/// One owned partition.
pub(super) struct Owned {
    context: Arc<Context>,
    part: Part,
    rules: Partition,
    records: mpsc::Receiver<Result<Record, ReadError>>,
    reading: JoinHandle<()>,
    reports: mpsc::Receiver<Done>,
    report: mpsc::Sender<Done>,
    questions: Questions,
    kept: Kept,
    /// Files that are fetched before their turn.
    ahead: Ahead,
    /// When unknown outcomes are looked up.
    look_ups: Schedule,
    /// How far the stream's clock is ahead of this process's, at most.
    stream_ahead_ms: i64,
    /// What it holds of the messages that the process may hold.
    share: Share,
    /// Sessions of its accounts, open while it may send.
    sessions: LeasedSessions,
    /// What was asked for or is at hand, for each account with messages.
    next: HashMap<AccountId, Next>,
    /// Accounts with writes and calls under way: how many, and since when.
    under_way: HashMap<AccountId, (usize, Duration)>,
    /// Accounts that have reported since the rules were last asked about all.
    reported: Vec<AccountId>,
    /// Signalled when nobody waits for preparations any more.
    over: CancellationToken,
    _ends: DropGuard,
}

/// The message that is next on its account, as far as it is prepared.
struct Next {
    message: MessageId,
    tries: Tries,
    outgoing: Option<Arc<Outgoing>>,
}

impl Owned {
    pub(super) fn new(context: Arc<Context>, part: Part, claimed: Claimed) -> Self {
        let (send, records) = mpsc::channel(READ_AHEAD);
        let reading = context.tasks.start("reading a partition", read_ahead(claimed.reader, send));
        let (report, reports) = mpsc::channel(REPORTS);
        let over = CancellationToken::new();
        let share = context.room.share();
        Self {
            share,
            sessions: LeasedSessions::new(&context.ways.sessions, part),
            ahead: Ahead::new(Arc::clone(&context)),
            context,
            part,
            rules: claimed.partition,
            records,
            reading,
            reports,
            report,
            questions: Questions::default(),
            look_ups: Schedule::default(),
            stream_ahead_ms: claimed.stream_ahead_ms,
            kept: Kept::default(),
            next: HashMap::new(),
            under_way: HashMap::new(),
            reported: Vec::new(),
            _ends: over.clone().drop_guard(),
            over,
        }
    }

    /// Runs until it was asked to leave and has, or until the claim is lost. `caught_up` is called once, when sending may
    /// begin.
    pub(super) async fn run(mut self, mut leave: watch::Receiver<Leave>, caught_up: impl FnOnce()) -> Ended {
        let mut caught_up = Some(caught_up);
        let context = Arc::clone(&self.context);
        let mut forget = tokio::time::interval(FORGET_EVERY);
        let mut look_up = tokio::time::interval(LOOK_UP_EVERY);
        look_up.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut departure = None;
        // It may have been asked before this began.
        leave.mark_changed();
        let ended = loop {
            let due = self.sleep_until_due(departure.is_some());
            // Not in a fixed order: while a long backlog is read there is always one more record, and reports, holds and
            // the shutdown signal must get their turn.
            tokio::select! {
                // The sender is dropped only with this task.
                Ok(()) = leave.changed() => self.asked(*leave.borrow_and_update(), &mut departure),
                Some(done) = self.reports.recv() => {
                    if self.take(done) {
                        break Ended::Lost;
                    }
                }
                record = self.records.recv(), if !self.share.is_full() => match record {
                    Some(Ok(record)) => match self.read(&record) {
                        Read::Record => {}
                        Read::OwnClaim => {
                            self.rules.caught_up(self.context.clock.now());
                            self.questions = Questions::listen(&self.context, self.part, &self.over);
                            if let Some(tell) = caught_up.take() {
                                tell();
                            }
                        }
                        Read::OtherClaim => break Ended::Lost,
                    },
                    Some(Err(gap)) => {
                        error!(partition = self.part.0, error = %gap, "a partition cannot be read on");
                        break Ended::GivenUp;
                    }
                    None => break Ended::GivenUp,
                },
                question = self.questions.next() => turns::answer(&self.context, &self.rules, question),
                () = context.changes.some(self.part) => self.follow_directory(),
                _ = forget.tick() => {
                    let before = UnixMillis(self.context.clock.now().0.saturating_sub(FORGET_UNKNOWN_MS as i64));
                    self.rules.forget_unknown(before);
                }
                _ = look_up.tick() => {
                    if self.rules.is_caught_up() && departure.is_none() && context.own.is_fresh() {
                        self.look_unknown_up();
                    }
                }
                () = tokio::time::sleep(FULL_AGAIN), if self.share.is_full() => {}
                () = context.own.until_stale(), if self.sessions.are_open() => {}
                () = due => {}
            }
            self.sessions.follow(self.rules.is_caught_up() && context.own.is_fresh());
            if departure.is_some() {
                // First, so that an end which is still to be written counts as under way.
                self.write_what_has_ended();
            }
            let then = departure.as_mut().map_or(Then::GoOn, |going: &mut Departure| {
                going.step(clock::uptime(), self.under_way.values().map(|(_, since)| *since).min())
            });
            match then {
                Then::GoOn if self.context.own.is_fresh() => self.act(),
                Then::GoOn | Then::Drain => self.write_what_has_ended(),
                Then::Release => {
                    self.over.cancel();
                    break self.release().await;
                }
                Then::GiveUp => {
                    warn!(partition = self.part.0, "gave a partition up with calls under way");
                    break Ended::GivenUp;
                }
            }
            self.share.holds(self.rules.queued(), self.rules.is_caught_up());
        };
        self.reading.abort();
        self.over.cancel();
        self.give_up().await;
        ended
    }

    fn asked(&self, leave: Leave, departure: &mut Option<Departure>) {
        let now = clock::uptime();
        match leave {
            Leave::Stay => {}
            Leave::Politely => {
                departure.get_or_insert_with(|| Departure::begin(now));
            }
            Leave::InAHurry => departure.get_or_insert_with(|| Departure::begin(now)).hurry(now),
        }
    }

    fn sleep_until_due(&self, is_leaving: bool) -> impl Future<Output = ()> + use<> {
        let now = self.context.clock.now();
        let due = self.rules.next_due().map(|at| Duration::from_millis(at.ms_since(now)));
        let wait = match due {
            // What is due, and sessions, must wait for the lease.
            _ if is_leaving || !self.context.own.is_fresh() => Some(LOOK_AGAIN),
            other => other,
        };
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Hands one record to the rules.
    fn read(&mut self, record: &Record) -> Read {
        if let Ok(Subject::PartitionClaim(_)) = record.subject {
            return match record.seq.cmp(&self.rules.claim()) {
                std::cmp::Ordering::Less => Read::Record,
                std::cmp::Ordering::Equal => Read::OwnClaim,
                std::cmp::Ordering::Greater => Read::OtherClaim,
            };
        }
        let Self { context, rules, kept, .. } = self;
        records::apply(context, rules, record, |queued, accepted| {
            if (1..=KEPT_PER_ACCOUNT).contains(&queued) {
                kept.put(accepted);
            }
        });
        Read::Record
    }

    /// Takes a task's report. True when the claim is lost.
    fn take(&mut self, done: Done) -> bool {
        match done {
            Done::ClaimLost => return true,
            Done::Stored { account, answers_cancels } => {
                self.one_less(account);
                self.rules.stored(account, None);
                answers_cancels.into_iter().for_each(|seq| self.rules.stored(account, Some(seq)));
                if self.rules.account(account).is_none_or(|account| account.queued() == 0) {
                    self.next.remove(&account);
                }
            }
            Done::Called(called) => {
                self.one_less(called.under.account);
                let Called { under, message, at, .. } = called;
                let result = self.heeded(called);
                self.rules.call_ended(under.account, message, result, at);
            }
            Done::Prepared { account, message, prepared } => self.prepared(account, message, prepared),
            Done::LookedUp { account, ended } => self.look_ups.ended(account, ended, self.context.clock.now()),
            Done::FetchedAhead { account, message, accepted } => {
                self.ahead.ended(account, message);
                if let Some(accepted) = accepted {
                    self.kept.put(*accepted);
                }
                if self.context.own.is_fresh() {
                    self.look_ahead(account, self.context.clock.now());
                }
            }
        }
        false
    }

    /// What a call's result means now. A word on the account under settings that its owner has changed since says nothing
    /// of the account: the message is only put off.
    fn heeded(&mut self, called: Called) -> CallResult {
        let (account, settings_seq) = (called.under.account, called.settings_seq);
        match called.result {
            CallResult::Held { detail, .. } if !accounts::is_current(&self.context, account, settings_seq) => {
                CallResult::PutOff { scope: PutOffScope::Connection, asked_ms: None, detail }
            }
            CallResult::Held { state, detail } => {
                self.hold(account, Held { state, detail: detail.clone(), settings_seq }, called.at);
                CallResult::Held { state, detail }
            }
            other @ (CallResult::Sent { .. }
            | CallResult::Failed { .. }
            | CallResult::PutOff { .. }
            | CallResult::Unknown { .. }
            | CallResult::NotStarted) => other,
        }
    }

    /// Takes what came of a preparation, unless another message is next by now: what was cancelled meanwhile must not go
    /// out in its place.
    fn prepared(&mut self, account: AccountId, message: MessageId, prepared: Prepared) {
        let now = self.context.clock.now();
        let Some(next) = self.next.get_mut(&account).filter(|next| next.message == message) else { return };
        match prepared {
            Prepared::Ready(plan, outgoing) => {
                next.outgoing = outgoing;
                next.tries = Tries::default();
                if let Some(outgoing) = &next.outgoing {
                    self.rules.addressed(account, message, outgoing.mark);
                    if let Some(media) = outgoing.media() {
                        self.rules.uploaded(account, message, media);
                    }
                }
                self.rules.prepared(account, message, plan);
            }
            Prepared::Again(wait_ms, tries) => {
                next.tries = tries;
                self.rules.not_prepared(account, message, now, wait_ms);
            }
            Prepared::Held(held) => {
                if accounts::is_current(&self.context, account, held.settings_seq) {
                    self.hold(account, held, now);
                }
                self.rules.not_prepared(account, message, now, PREPARE_AGAIN_MS);
            }
        }
    }

    fn hold(&mut self, account: AccountId, held: Held, at: UnixMillis) {
        let (context, since) = (Arc::clone(&self.context), self.rules.provider_holds(account, at));
        let task = async move { accounts::hold(&context, account, held, since).await };
        self.context.tasks.start("holding an account", task);
    }

    fn follow_directory(&mut self) {
        let now = self.context.clock.now();
        for id in self.context.changes.take(self.part) {
            // Also when all looks the same: what the provider said of the account before may not hold any more.
            self.rules.set(id, records::settings_of(&self.context, id, now));
            self.look_ups.changed(id);
        }
    }

    /// Something of an account that was under way is over.
    fn one_less(&mut self, account: AccountId) {
        self.reported.push(account);
        if let Some((count, _)) = self.under_way.get_mut(&account) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&account);
            }
        }
    }
}

enum Read {
    Record,
    OwnClaim,
    OtherClaim,
}

/// Reads in a task of its own: making a consumer again must not be broken off by every wake-up of the rules.
async fn read_ahead(mut reader: Reader, records: mpsc::Sender<Result<Record, ReadError>>) {
    loop {
        let record = reader.next().await;
        let last = record.is_err();
        if records.send(record).await.is_err() || last {
            return;
        }
    }
}

/// Counts the partitions of this process that may send.
pub(super) fn count_owned(owned: usize) {
    metrics::gauge!(names::PARTITIONS_OWNED).set(owned as f64);
}
