//! Long schedules of a whole partition: several accounts under every limit, with holds, errors and new owners whose clocks
//! differ, in simulated time.
//!
//! Two things are asked of each account: that it breaks none of its rules (floor, order, caps, quiet hours, recipients'
//! gaps, warm-up, holds), and that it goes to the millisecond as if it were alone: whatever the others have queued, or are
//! held by, delays it by nothing.

use std::collections::BTreeMap;

use angelia_shared::event::Event;
use angelia_shared::event::directory::{QuietHours, WarmUp};
use angelia_shared::ids::{MessageId, Position};
use angelia_shared::units::{Credits, UnixMillis};
use proptest::prelude::*;

use super::super::Partition;
use super::book::{WORKSPACE, account_id, account_index};
use super::scenario::Dice;
use crate::domain::account::{
    CALL_STARTS_WITHIN_MS, CallResult, Decision, Hold, PAUSE_MS, Settings, Takeover, Waiting, shift_ms, time_of,
};
use crate::domain::limits::Limits;
use crate::domain::limits::quiet::Quiet;
use crate::domain::limits::tests::judge::{Judge, any_limits, quiet_hours, recipient_of};
use crate::domain::plan::{self, File};
use crate::transport::{FailReason, ProviderHold, PutOffScope};

const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const CALL_TIMEOUT_MS: u64 = 10_000;
/// Messages of one account at most: their numbers are apart, and the gaps drawn from them do not depend on company.
const MESSAGES_MAX: u64 = 100_000;

/// An account and what comes to it.
#[derive(Clone, Debug)]
struct Client {
    settings: Settings,
    quiet: Option<QuietHours>,
    /// When its messages are accepted, in milliseconds since the beginning, in order.
    arrivals: Vec<u64>,
}

impl Client {
    fn new(gap_ms: (u64, u64), limits: Limits, quiet: Option<QuietHours>, arrivals: Vec<u64>) -> Self {
        let limits = Limits { quiet: quiet.as_ref().and_then(Quiet::read), ..limits };
        Self { settings: Settings { gap_ms, limits, hold: None, idempotent: false }, quiet, arrivals }
    }
}

/// A change of owner.
#[derive(Clone, Copy, Debug)]
struct Handover {
    /// Milliseconds since the beginning, in the stream's time.
    at_ms: u64,
    /// For how long nobody has the partition then: what it takes to notice a crash.
    noticed_after_ms: u64,
    /// Whether the owner before let its calls end; otherwise it crashed, in the middle of whatever it did.
    released: bool,
    /// How far the new owner's clock is ahead of the stream's.
    ahead_ms: i64,
}

/// A call under way.
struct Call {
    account: usize,
    message: MessageId,
    /// By its owner's clock.
    shown: UnixMillis,
    start: UnixMillis,
    ends: UnixMillis,
    result: CallResult,
}

/// What was sent, when its call began and when it had ended, in the stream's time.
type Sending = (MessageId, UnixMillis, UnixMillis);

/// A partition with some of the clients, from owner to owner.
struct Office<'a> {
    partition: Partition,
    /// The stream's time.
    now: UnixMillis,
    /// How far the owner's clock is ahead of it.
    ahead_ms: i64,
    /// Acceptances to come.
    arrivals: std::iter::Peekable<std::vec::IntoIter<(UnixMillis, usize, MessageId)>>,
    handovers: std::iter::Peekable<std::slice::Iter<'a, Handover>>,
    /// The change of owner that is under way, and when there is a new one.
    orphaned: Option<(UnixMillis, Handover)>,
    accepted: Vec<(usize, Waiting)>,
    newest: BTreeMap<usize, (Event, UnixMillis)>,
    settings: Vec<Settings>,
    calls: Vec<Call>,
    /// When owners have mended what blocked their accounts.
    mended: Vec<(UnixMillis, usize)>,
    judges: Vec<Judge>,
    /// When each account may send again, by the clock of the owner that was told to hold it.
    held_until: Vec<Option<UnixMillis>>,
    sent: Vec<Vec<Sending>>,
}

/// What happens next, those of one moment in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Mended,
    Arrives,
    CallEnds,
    Ends,
    Handover,
    Due,
}

impl<'a> Office<'a> {
    fn new(clients: &'a [Client], who: &[usize], handovers: &'a [Handover]) -> Self {
        let number = |client: usize, n: usize| MessageId(client as u64 * MESSAGES_MAX + n as u64 + 1);
        let mut arrivals: Vec<_> = who
            .iter()
            .flat_map(|client| {
                let times = clients[*client].arrivals.iter().enumerate();
                times.map(|(n, ms)| (BEGIN.plus_ms(*ms), *client, number(*client, n)))
            })
            .collect();
        arrivals.sort();
        let mut partition = Partition::new(1);
        partition.caught_up(BEGIN);
        Self {
            partition,
            now: BEGIN,
            ahead_ms: 0,
            arrivals: arrivals.into_iter().peekable(),
            handovers: handovers.iter().peekable(),
            orphaned: None,
            accepted: vec![],
            newest: BTreeMap::new(),
            settings: clients.iter().map(|client| client.settings.clone()).collect(),
            calls: vec![],
            mended: vec![],
            judges: clients.iter().map(|client| Judge::new(&client.settings, client.quiet.clone())).collect(),
            held_until: vec![None; clients.len()],
            sent: vec![vec![]; clients.len()],
        }
    }

    /// The owner's clock.
    fn shown(&self) -> UnixMillis {
        UnixMillis(self.now.0 + self.ahead_ms)
    }

    /// Goes on until everything was sent. Returns what was sent, for each account.
    fn run(mut self) -> Vec<Vec<Sending>> {
        while self.arrivals.peek().is_some() || !self.calls.is_empty() || self.partition.queued() > 0 {
            self.step();
        }
        self.sent
    }

    fn step(&mut self) {
        let is_owned = self.orphaned.is_none();
        let due = self.partition.next_due().map(|at| UnixMillis(at.0 - self.ahead_ms).max(self.now));
        let times = [
            (self.mended.iter().map(|(at, _)| *at).min(), Next::Mended),
            (self.arrivals.peek().map(|(at, ..)| *at), Next::Arrives),
            (self.calls.iter().map(|call| call.ends).min(), Next::CallEnds),
            (self.handovers.peek().map(|next| BEGIN.plus_ms(next.at_ms)).filter(|_| is_owned), Next::Ends),
            (self.orphaned.map(|(at, _)| at), Next::Handover),
            (due.filter(|_| is_owned), Next::Due),
        ];
        let next = times.into_iter().filter_map(|(at, next)| Some((at?, next))).min();
        let (at, next) = next.expect("what waits, waits for something");
        // An owner ends after the one before it has begun.
        self.now = self.now.max(at);
        match next {
            Next::Mended => {
                let mended = self.mended.iter().position(|(time, _)| *time == at).expect("one of them");
                let (_, account) = self.mended.swap_remove(mended);
                self.set_hold(account, None);
            }
            Next::Arrives => {
                let (_, account, message) = self.arrivals.next().expect("one arrives");
                let at = Position::new(self.accepted.len() as u64 + 1, 0);
                let waiting = Waiting { at, message, accepted_at: self.now, expires_after_s: u32::MAX, credits: 1 };
                self.accepted.push((account, waiting));
                self.read(self.accepted.len() as u64);
            }
            Next::CallEnds => {
                let ended = self.calls.iter().position(|call| call.ends == at).expect("one of them");
                let call = self.calls.swap_remove(ended);
                self.call_ends(call);
            }
            Next::Ends => self.ends(),
            Next::Handover => self.hand_over(),
            Next::Due => self.act(),
        }
    }

    /// Hands the acceptances from record `from` on to the owner.
    fn read(&mut self, from: u64) {
        for (account, waiting) in &self.accepted[from as usize - 1..] {
            let settings = &self.settings[*account];
            self.partition.accepted(WORKSPACE, account_id(*account), *waiting, || settings.clone());
            self.partition.consumed(waiting.at.seq);
        }
    }

    fn act(&mut self) {
        let now = self.shown();
        while let Some(id) = self.partition.due(now) {
            match self.partition.next(id, now) {
                Decision::Wait(_) => {}
                Decision::Prepare(preparation) => {
                    self.partition.addressed(id, preparation.message, recipient_of(preparation.message));
                    self.partition.prepared(id, preparation.message, plan::plan(Credits(1), true, File::None));
                }
                Decision::Write(write) => {
                    self.partition.stored(id, write.answers_cancel);
                    self.stored(account_index(id), write.event);
                }
            }
        }
    }

    fn stored(&mut self, account: usize, event: Event) {
        match &event {
            Event::AttemptStarted(started) => {
                let held_until = self.held_until[account];
                assert!(held_until.is_none_or(|until| started.at >= until), "{account} is held until {held_until:?}");
                let mut dice = Dice(started.message.0 ^ u64::from(started.attempt) << 40);
                // A slow one begins as late as it may, and takes as long.
                let longest_ms = if dice.chance(20) { CALL_STARTS_WITHIN_MS + CALL_TIMEOUT_MS } else { 3_100 };
                let ends = self.now.plus_ms(dice.between(100, longest_ms));
                let (message, shown, start) = (started.message, started.at, self.now);
                self.calls.push(Call { account, message, shown, start, ends, result: result(&mut dice) });
            }
            Event::AttemptEnded(_) => {}
            other => panic!("{} has no place here", other.name()),
        }
        self.newest.insert(account, (event, self.now));
    }

    /// A call is over at `call.ends`: what the provider saw is judged.
    fn judge(&mut self, call: &Call) {
        self.judges[call.account].attempt(call.message, call.start, call.ends, call.shown);
        self.sent[call.account].push((call.message, call.start, call.ends));
    }

    fn call_ends(&mut self, call: Call) {
        self.judge(&call);
        let (account, shown) = (call.account, self.shown());
        let state = match call.result {
            CallResult::Held { state, .. } => Some(state),
            _ => None,
        };
        self.partition.call_ended(account_id(account), call.message, call.result, shown);
        // What the directory says of it then.
        match state {
            Some(ProviderHold::ForNow) => {
                let until = shown.plus_ms(PAUSE_MS);
                self.set_hold(account, Some(Hold { reason: "paused", since: shown, until: Some(until) }));
                self.held_until[account] = Some(until);
            }
            Some(ProviderHold::UntilMended) => {
                self.set_hold(account, Some(Hold { reason: "blocked", since: shown, until: None }));
                let mended_at = self.now.plus_ms(PAUSE_MS + call.message.0 % 7 * HOUR_MS);
                self.held_until[account] = Some(UnixMillis(i64::MAX));
                self.mended.push((mended_at, account));
            }
            None => {}
        }
    }

    fn set_hold(&mut self, account: usize, hold: Option<Hold>) {
        self.held_until[account] = None;
        self.settings[account].hold = hold;
        self.partition.set(account_id(account), self.settings[account].clone());
    }

    /// The owner ends.
    fn ends(&mut self) {
        let handover = *self.handovers.next().expect("there is one");
        for call in std::mem::take(&mut self.calls) {
            if handover.released {
                // It lets them end first; this one ends just now.
                let account = call.account;
                self.call_ends(Call { ends: self.now, ..call });
                let write = self.partition.finish(account_id(account), self.shown()).expect("it has ended");
                self.stored(account, write.event);
            } else {
                self.judge(&call);
            }
        }
        let lasts_ms = if handover.released { 0 } else { handover.noticed_after_ms };
        self.orphaned = Some((self.now.plus_ms(lasts_ms), handover));
    }

    fn hand_over(&mut self) {
        let (_, handover) = self.orphaned.take().expect("there is one");
        self.ahead_ms = handover.ahead_ms;
        let now = self.shown();
        self.partition = Partition::new(self.accepted.len() as u64 + 1);
        for (account, (event, stored_at)) in &self.newest {
            let event = Event::from_line(&event.to_line()).expect("its own form");
            let shift_ms = shift_ms(time_of(&event).expect("an attempt's event"), *stored_at, handover.ahead_ms);
            let Handover { released, .. } = handover;
            let takeover = Takeover { released, now, call_timeout_ms: CALL_TIMEOUT_MS, shift_ms, doubt_ms: 0 };
            let settings = self.settings[*account].clone();
            self.partition.recover(WORKSPACE, account_id(*account), settings, &event, takeover);
        }
        self.read(self.partition.read_from());
        self.partition.caught_up(now);
    }
}

fn result(dice: &mut Dice) -> CallResult {
    let detail = String::new();
    match dice.below(200) {
        0..176 => CallResult::Sent { provider_id: "wamid.1".to_owned() },
        176..182 => CallResult::Unknown { detail },
        182..188 => CallResult::PutOff { scope: PutOffScope::Throughput, asked_ms: None, detail },
        188..193 => CallResult::PutOff { scope: PutOffScope::Provider, asked_ms: None, detail },
        193..197 => CallResult::Failed { reason: FailReason::MessageRejected, detail },
        197..199 => CallResult::Held { state: ProviderHold::ForNow, detail },
        _ => CallResult::Held { state: ProviderHold::UntilMended, detail },
    }
}

/// Runs all clients together and each alone. Returns what was sent, for each account.
fn all_go_as_if_they_were_alone(clients: &[Client], handovers: &[Handover]) -> Vec<Vec<Sending>> {
    let everybody: Vec<_> = (0..clients.len()).collect();
    let together = Office::new(clients, &everybody, handovers).run();
    for client in everybody {
        let mut alone = Office::new(clients, &[client], handovers).run();
        let (alone, together) = (alone.swap_remove(client), &together[client]);
        let differs = alone.iter().zip(together).find(|(alone, together)| alone != together);
        assert_eq!(differs, None, "account {client}: alone, and in company");
        assert_eq!(alone.len(), together.len());
    }
    together
}

fn any_client() -> impl Strategy<Value = Client> {
    // Some have all at once, some a message now and then.
    let pauses = prop_oneof![Just(0..1_u64), Just(0..60_000), Just(0..20_000_000)];
    let arrivals = pauses.prop_flat_map(|pause| prop::collection::vec(pause, 1..80));
    // With a wide gap the floor is hardly ever what decides.
    let narrow = prop::option::of((500..4_000_u64, 0..50_u64));
    (any_limits(BEGIN), narrow, arrivals).prop_map(|((limits, quiet, gap_ms), narrow, pauses)| {
        let gap_ms = narrow.map_or(gap_ms, |(low, more)| (low, low + more));
        let mut at = 0;
        let arrivals = pauses.into_iter().map(|pause| {
            at += pause;
            at
        });
        Client::new(gap_ms, limits, quiet, arrivals.collect())
    })
}

fn any_handovers() -> impl Strategy<Value = Vec<Handover>> {
    // Some in the first minutes, when those that have all at once are busy.
    let at_ms = prop_oneof![0..10 * DAY_MS, 0..300_000_u64];
    let handover = (at_ms, any::<bool>(), 0..9_000_u64, -4_000_i64..4_000);
    prop::collection::vec(handover, 0..12).prop_map(|mut handovers| {
        handovers.sort();
        let of =
            |(at_ms, released, noticed_after_ms, ahead_ms)| Handover { at_ms, noticed_after_ms, released, ahead_ms };
        handovers.into_iter().map(of).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_account_breaks_a_rule_and_none_delays_another(
        clients in prop::collection::vec(any_client(), 1..5),
        handovers in any_handovers(),
    ) {
        all_go_as_if_they_were_alone(&clients, &handovers);
    }
}

#[test]
fn two_hundred_owners_in_half_an_hour_with_clocks_seconds_apart_break_no_floor() {
    // Each gap is hardly more than its floor, so that whoever waits a moment too little shows.
    let client = |low: u64| Client::new((low, low + 10), Limits::default(), None, vec![0; 300]);
    let clients = [client(1_500), client(500), client(4_000)];
    let handover = |n: u64| Handover {
        at_ms: n * 9_000 + n * n % 5_000,
        noticed_after_ms: n * 1_733 % 6_000,
        released: n.is_multiple_of(3),
        ahead_ms: (n * 1_997 % 8_000) as i64 - 4_000,
    };
    let handovers: Vec<_> = (1..200).map(handover).collect();
    let sent = all_go_as_if_they_were_alone(&clients, &handovers);
    let (_, _, last) = sent[1].last().expect("it sent something");
    assert!(last.ms_since(BEGIN) > 600_000, "most of the owners met an account at work, the last at {last:?}");
}

/// So many messages a day, at odd times, for so many days.
fn daily(messages: u64, days: u64, seed: u64) -> Vec<u64> {
    let mut dice = Dice(seed);
    let mut arrivals: Vec<_> = (0..messages * days).map(|_| dice.below(days * DAY_MS)).collect();
    arrivals.sort_unstable();
    arrivals
}

#[test]
fn two_years_of_four_accounts_break_no_rule_and_a_backlog_delays_nobody() {
    const DAYS: u64 = 730;
    let place = |from, to, zone| Some(quiet_hours(from, to, zone));
    let warm_up = WarmUp { since: BEGIN, first_day: 2, more_each_day: 1, days: 14 };
    let caps = |hourly, daily| Limits { hourly_cap: hourly, daily_cap: daily, ..Limits::default() };
    let all = Limits { recipient_gap_ms: Some(20 * 60_000), warm_up: Some(warm_up), ..caps(Some(5), Some(20)) };
    let at_once = vec![0; 22 * DAYS as usize];
    let clients = [
        Client::new((20_000, 60_000), caps(Some(8), Some(24)), place("20:30", "08:15", "Europe/Berlin"), at_once),
        Client::new((30_000, 90_000), all, place("22:00", "07:00", "America/New_York"), daily(10, DAYS, 1)),
        Client::new(
            (1_500, 2_500),
            caps(None, Some(30)),
            place("01:45", "02:15", "Australia/Lord_Howe"),
            daily(8, DAYS, 2),
        ),
        Client::new((1_500, 2_500), Limits::default(), None, daily(8, DAYS, 3)),
    ];
    let handover = |n: u64| Handover {
        at_ms: n * 17 * DAY_MS + n * 3_333_333,
        noticed_after_ms: n * 1_733 % 9_000,
        released: n.is_multiple_of(3),
        ahead_ms: n as i64 * 997 % 4_000 - 2_000,
    };
    let handovers: Vec<_> = (1..40).map(handover).collect();
    let sent = all_go_as_if_they_were_alone(&clients, &handovers);
    let days = |account: usize| {
        let (_, _, end) = sent[account].last().expect("it sent something");
        end.ms_since(BEGIN) / DAY_MS
    };
    // The backlog uses its cap up: 24 attempts a day, of which some are repetitions.
    let (attempts, days_of_it) = (sent[0].len() as u64, days(0));
    assert!(attempts > 22 * DAYS && (attempts / 24..attempts / 22).contains(&days_of_it), "{attempts} in {days_of_it}");
    for account in 1..clients.len() {
        assert!((DAYS - 1..DAYS + 3).contains(&days(account)), "account {account} took {} days", days(account));
    }
}
