//! Drives one account. Time moves only when a test, or a wait that was asked for, moves it.

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{
    AttemptEnded, AttemptStarted, Carry, Event, MessageCancelled, MessageExpired, PartRefused,
};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::units::{Credits, UnixMillis};
use smallvec::smallvec;

use crate::domain::account::{Account, CLOCKS_DIFFER_MS, CallResult, Decision, Hold, Settings, Takeover, Waiting};
use crate::domain::limits::Limits;
use crate::domain::plan::{Plan, PlannedPart, Refused};
use crate::transport::{FailReason, PutOffScope};

pub(super) const CLAIM: u64 = 900;
pub(super) const MARK: u64 = 1;
pub(super) const GAP_MS: (u64, u64) = (1_500, 2_500);
pub(super) const CALL_TIMEOUT_MS: u64 = 10_000;
pub(super) const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);
pub(super) const DAY_S: u32 = 86_400;
pub(super) const DAY_MS: u64 = 86_400_000;

pub(super) fn settings() -> Settings {
    Settings { gap_ms: GAP_MS, limits: Limits::default(), hold: None, idempotent: false }
}

pub(super) fn linked() -> Settings {
    Settings { idempotent: true, ..settings() }
}

pub(super) fn disconnected(since: UnixMillis) -> Settings {
    Settings { hold: Some(Hold { reason: "disconnected", since, until: None }), ..settings() }
}

pub(super) fn id(n: u64) -> MessageId {
    MessageId(n)
}

/// Message `n`, accepted in record `n` at the beginning.
pub(super) fn waiting(n: u64) -> Waiting {
    Waiting { at: Position::new(n, 0), message: id(n), accepted_at: BEGIN, expires_after_s: DAY_S, credits: 1 }
}

pub(super) fn one_part(price: u64) -> Plan {
    smallvec![PlannedPart { credits: Credits(price), refused: None }]
}

pub(super) fn text_then_file() -> Plan {
    smallvec![PlannedPart { credits: Credits(1), refused: None }, PlannedPart { credits: Credits(1), refused: None }]
}

pub(super) fn why(reason: FailReason) -> Refused {
    Refused { reason, detail: "as the test says".to_owned() }
}

pub(super) fn sent() -> CallResult {
    CallResult::Sent { provider_id: "wamid.1".to_owned() }
}

pub(super) fn failed(reason: FailReason) -> CallResult {
    CallResult::Failed { reason, detail: String::new() }
}

pub(super) fn put_off(scope: PutOffScope) -> CallResult {
    CallResult::PutOff { scope, asked_ms: None, detail: String::new() }
}

pub(super) fn unknown() -> CallResult {
    CallResult::Unknown { detail: "closed".to_owned() }
}

/// One account, its clock, and what it had written.
pub(super) struct Bench {
    pub(super) account: Account,
    pub(super) now: UnixMillis,
    pub(super) dropped: Vec<u64>,
    pub(super) answered: Vec<u64>,
    /// The plan that a preparation answers with, one part of the whole price when there is none.
    pub(super) plan: Option<Plan>,
    /// Whom each message goes to, where that matters.
    pub(super) recipient_of: Option<fn(MessageId) -> u32>,
    pub(super) last: Option<Event>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let account = Account::new(WorkspaceId(1), AccountId(2), settings);
        Self { account, now: BEGIN, dropped: vec![], answered: vec![], plan: None, recipient_of: None, last: None }
    }

    /// An account with messages 1 to `count` in its queue.
    pub(super) fn queue(count: u64) -> Self {
        let mut bench = Self::new();
        for n in 1..=count {
            bench.account.accept(waiting(n));
        }
        bench
    }

    /// The same account under a new owner that knows only what the log says; messages 1 to `count` are read again.
    pub(super) fn taken_over(&self, settings: Settings, takeover: Takeover, count: u64) -> Self {
        let line = self.last.as_ref().expect("something was written").to_line();
        let event = Event::from_line(&line).expect("its own form");
        let mut bench = Self::with(settings);
        bench.now = takeover.now;
        let _mark = bench.account.recover(&event, takeover);
        for n in 1..=count {
            bench.account.accept(waiting(n));
        }
        bench
    }

    pub(super) fn crash(&self) -> Takeover {
        let doubt_ms = CLOCKS_DIFFER_MS;
        Takeover { released: false, now: self.now, call_timeout_ms: CALL_TIMEOUT_MS, shift_ms: 0, doubt_ms }
    }

    pub(super) fn release(&self) -> Takeover {
        Takeover { released: true, ..self.crash() }
    }

    pub(super) fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    pub(super) fn cancel(&mut self, seq: u64, n: u64) {
        self.account.cancel(seq, id(n));
    }

    pub(super) fn next(&mut self) -> Decision {
        self.account.next(self.now, CLAIM, MARK, &mut self.dropped)
    }

    /// What the account waits for now; it must wait.
    pub(super) fn wait(&mut self) -> Option<UnixMillis> {
        match self.next() {
            Decision::Wait(until) => until,
            other => panic!("expected a wait, not {other:?}"),
        }
    }

    /// The event that is due now, after preparing what must be prepared. It counts as stored.
    pub(super) fn write(&mut self) -> Event {
        loop {
            match self.next() {
                Decision::Prepare(preparation) => {
                    let price = 1 + u64::from(preparation.parts > 1);
                    let plan = self.plan.clone().unwrap_or_else(|| one_part(price));
                    self.prepared(preparation.message, plan);
                }
                Decision::Write(write) => {
                    self.account.stored();
                    self.answered.extend(write.answers_cancel);
                    self.last = Some(write.event.clone());
                    return write.event;
                }
                Decision::Wait(until) => panic!("expected an event at {:?}, not a wait until {until:?}", self.now),
            }
        }
    }

    fn prepared(&mut self, message: MessageId, plan: Plan) {
        if let Some(recipient_of) = self.recipient_of {
            self.account.addressed(message, recipient_of(message));
        }
        self.account.prepared(message, plan);
    }

    /// Lets time pass until the next event, which must come by itself.
    pub(super) fn write_when_due(&mut self) -> Event {
        for _ in 0..4 {
            match self.next() {
                Decision::Wait(Some(until)) => {
                    assert!(until > self.now, "a wait must end later than now");
                    self.now = until;
                }
                Decision::Wait(None) => panic!("nothing is due"),
                Decision::Prepare(preparation) => {
                    let plan = self.plan.clone().unwrap_or_else(|| one_part(1));
                    self.prepared(preparation.message, plan);
                }
                Decision::Write(write) => {
                    self.account.stored();
                    self.answered.extend(write.answers_cancel);
                    self.last = Some(write.event.clone());
                    return write.event;
                }
            }
        }
        panic!("nothing is written after four waits")
    }

    /// Waits for the next attempt and starts it.
    pub(super) fn start(&mut self) -> AttemptStarted {
        match self.write_when_due() {
            Event::AttemptStarted(started) => *started,
            other => panic!("expected a start, not {other:?}"),
        }
    }

    /// The running call ends now.
    pub(super) fn end(&mut self, result: CallResult) -> AttemptEnded {
        let message = self.front();
        self.account.call_ended(message, result, self.now);
        match self.write() {
            Event::AttemptEnded(ended) => *ended,
            other => panic!("expected an end, not {other:?}"),
        }
    }

    /// One whole attempt whose call takes 200 ms.
    pub(super) fn attempt(&mut self, result: CallResult) -> AttemptEnded {
        self.start();
        self.pass_ms(200);
        self.end(result)
    }

    pub(super) fn expired(&mut self) -> MessageExpired {
        match self.write() {
            Event::MessageExpired(expired) => *expired,
            other => panic!("expected an expiry, not {other:?}"),
        }
    }

    pub(super) fn cancelled(&mut self) -> MessageCancelled {
        match self.write() {
            Event::MessageCancelled(cancelled) => *cancelled,
            other => panic!("expected a cancel, not {other:?}"),
        }
    }

    pub(super) fn refused(&mut self) -> PartRefused {
        match self.write() {
            Event::PartRefused(refused) => *refused,
            other => panic!("expected a refusal, not {other:?}"),
        }
    }

    pub(super) fn front(&self) -> MessageId {
        self.account.queue.front().expect("a message waits").message
    }

    /// What the last event carries.
    pub(super) fn carry(&self) -> &Carry {
        match self.last.as_ref().expect("something was written") {
            Event::AttemptStarted(event) => &event.carry,
            Event::AttemptEnded(event) => &event.carry,
            Event::PartRefused(event) => &event.carry,
            Event::MessageExpired(event) => &event.carry,
            Event::MessageCancelled(event) => &event.carry,
            other => panic!("{} carries nothing", other.name()),
        }
    }
}

/// The reason of an end that failed.
pub(super) fn reason(ended: &AttemptEnded) -> &str {
    match &ended.outcome {
        AttemptOutcome::Failed { reason, .. } => reason,
        other => panic!("expected a failure, not {other:?}"),
    }
}
