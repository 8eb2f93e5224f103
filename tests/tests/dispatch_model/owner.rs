//! A process that may own the partition: the real `Partition` decides, the real `Ownership` says what it claims, the real
//! `Departure` how it leaves, the real `Fenced` what it says of a call whose claim is lost. What is here is what carries that
//! out, as `dispatcher/src/shell/` does.

use std::time::Duration;

use angelia_dispatcher::domain::account::{CALL_STARTS_WITHIN_MS, Write};
use angelia_dispatcher::domain::fenced::Fenced;
use angelia_dispatcher::domain::ownership::departure::{Departure, Then};
use angelia_dispatcher::domain::ownership::{self, Newest, Ownership, Source, Step};
use angelia_shared::event::Event;
use angelia_shared::event::attempt::{AttemptOutcome, OpenStage};
use angelia_shared::ids::MemberId;
use angelia_shared::subject::Subject;

use super::entries::{self, EntryId, Now};
use super::log::{CANCEL, LogId};
use super::machine::{
    CANCELLED, FENCED, GIVEN_AWAY, LATE, LOST_CLAIM, Machine, REPORTED, RESENT, State, TAKEN_OVER, UNKNOWN,
    WAITED_FOR_THE_REST,
};
use super::minds::{Answer, Input, MindId, Origin, TIMEOUT_MS, Written};
use super::provider::Request;

/// A process: its place, and how often it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) owner: u8,
    pub(crate) life: u8,
}

impl Who {
    pub(crate) fn member(self) -> MemberId {
        MemberId(u128::from(self.owner) * 100 + u128::from(self.life) + 1)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) who: Who,
    pub(crate) hold: Hold,
    /// Calls between their durable start and the report of their end, under whatever claim.
    pub(crate) calls: Vec<Call>,
    /// What it knew when it lost its claim, and where it had read to; only without the rule.
    memory: Option<(MindId, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hold {
    Nothing,
    /// Its claim is on its way.
    Claims,
    Owns(Own),
    /// Its release is on its way.
    Releases,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Own {
    pub(crate) claim: u64,
    pub(crate) mind: MindId,
    pub(crate) read_from: u64,
    pub(crate) leaving: Option<Departure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) claim: u64,
    pub(crate) account: u8,
    pub(crate) message: u8,
    pub(crate) part: u8,
    pub(crate) attempt: u32,
    pub(crate) handed_in: Now,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Its start is stored.
    Ready,
    Begun,
    Answered(Answer),
}

/// A record on its way to the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OnTheWire {
    pub(crate) by: Who,
    pub(crate) entry: EntryId,
    /// What the newest record of the claims must be, if anything.
    pub(crate) guard: Option<u64>,
    pub(crate) then: After,
}

/// What its writer does when it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum After {
    Owns { released: bool },
    Leaves,
    Nothing,
    Event { account: u8, call: Option<Call>, answers_cancel: Option<u64>, handed_in: Now },
}

impl Owner {
    pub(crate) fn new(owner: u8) -> Self {
        let who = Who { owner, life: 0 };
        Self { who, hold: Hold::Nothing, calls: Vec::new(), memory: None }
    }

    pub(crate) fn own(&self) -> Option<&Own> {
        match &self.hold {
            Hold::Owns(own) => Some(own),
            Hold::Nothing | Hold::Claims | Hold::Releases => None,
        }
    }

    fn own_mut(&mut self) -> &mut Own {
        match &mut self.hold {
            Hold::Owns(own) => own,
            Hold::Nothing | Hold::Claims | Hold::Releases => unreachable!("only who owns is told"),
        }
    }

    /// Nothing tells it from one that was just started.
    pub(crate) fn is_blank(&self) -> bool {
        self.hold == Hold::Nothing && self.calls.is_empty() && self.memory.is_none()
    }
}

pub(crate) fn may_begin(call: &Call, now: Now) -> bool {
    u64::from(now - call.handed_in) < CALL_STARTS_WITHIN_MS
}

impl Machine {
    /// Tells an owner something; what it hands in goes onto the wire.
    fn tell(&mut self, state: &mut State, at: usize, input: Input) {
        let mind = state.owners[at].own_mut().mind;
        let (mind, written) = self.minds.tell(mind, input, &self.entries);
        state.owners[at].own_mut().mind = mind;
        for write in written.iter() {
            self.hand_in(state, at, write);
        }
    }

    /// What follows each input: an owner does what is due, or gets on with leaving.
    pub(crate) fn acts(&mut self, state: &mut State, at: usize) {
        let Some(own) = state.owners[at].own() else { return };
        let (claim, now) = (own.claim, state.now);
        let Some(mut departure) = own.leaving else { return self.tell(state, at, Input::Act { now }) };
        self.tell(state, at, Input::Finish { now });
        let who = state.owners[at].who;
        let under_it = state.wire.iter().filter(|copy| copy.by == who && copy.guard == Some(claim));
        let on_the_wire = under_it.filter_map(|copy| match copy.then {
            After::Event { handed_in, .. } => Some(handed_in),
            After::Owns { .. } | After::Leaves | After::Nothing => None,
        });
        let calls = state.owners[at].calls.iter().filter(|call| call.claim == claim).map(|call| call.handed_in);
        let oldest = on_the_wire.chain(calls).min().filter(|_| self.rules.release_comes_last);
        let then = departure.step(uptime(now), oldest.map(uptime));
        state.owners[at].own_mut().leaving = Some(departure);
        match then {
            Then::Drain => {}
            Then::GoOn => self.tell(state, at, Input::Act { now }),
            Then::Release => {
                state.owners[at].hold = Hold::Releases;
                let (subject, event) = entries::released(who.member());
                let entry = self.entries.keep(subject, &event);
                state.wire.push(OnTheWire { by: who, entry, guard: Some(claim), then: After::Leaves });
            }
            Then::GiveUp => self.loses_claim(state, at),
        }
    }

    fn hand_in(&mut self, state: &mut State, at: usize, written: &Written) {
        let own = state.owners[at].own_mut().clone();
        let Written { account, write } = written;
        let Write { event, call, answers_cancel } = write;
        let mut event = event.clone();
        self.spoil(&mut event, &own);
        let facts = self.logs.facts(state.log);
        if let Event::AttemptStarted(started) = &event {
            let story = &facts.stories[usize::from(entries::message_index(started.message))];
            if !story.has_begun() && story.cancels.iter().any(|cancel| *cancel < own.read_from) {
                state.broken = state.broken.or(Some(CANCEL));
            }
        }
        let (handed_in, account) = (state.now, *account as u8);
        let call = call.map(|(message, part)| {
            let Event::AttemptStarted(started) = &event else { unreachable!("only a start is followed by a call") };
            let (claim, message, attempt) = (own.claim, entries::message_index(message), started.attempt);
            Call { claim, account, message, part, attempt, handed_in, stage: Stage::Ready }
        });
        if let (Some(call), false) = (call, self.rules.start_is_durable) {
            state.owners[at].calls.push(call);
        }
        let subject = Subject::Attempt(entries::PART, entries::WORKSPACE, entries::account_id(account.into()));
        let entry = self.entries.keep(subject, &event);
        let then = After::Event { account, call, answers_cancel: *answers_cancel, handed_in };
        state.wire.push(OnTheWire { by: state.owners[at].who, entry, guard: Some(own.claim), then });
    }

    /// Writes what an owner would write that did not keep a rule.
    fn spoil(&self, event: &mut Event, own: &Own) {
        let (claim, carry) = entries::memory_of(event);
        *claim = own.claim;
        let waits =
            |mark| self.minds.get(own.mind).accounts().filter_map(|account| account.front_seq()).fold(mark, u64::min);
        if !self.rules.mark_waits {
            carry.mark = own.read_from;
        } else if !self.rules.mark_waits_for_the_log {
            carry.mark = waits(own.read_from);
        }
        if !self.rules.ended_beyond_is_carried {
            carry.ended_beyond.clear();
        }
        if !self.rules.open_is_carried {
            carry.open.clear();
        }
        if !self.rules.unknown_is_final && self.world.idempotent {
            // From the first record on: it must be read again to be sent again.
            carry.mark = 1;
            let unknown = carry.open.iter_mut().filter(|open| open.stage == OpenStage::Unknown);
            unknown.for_each(|open| open.stage = OpenStage::Open);
        }
    }

    /// A process that has nothing claims the partition, after the newest record of its claims.
    pub(crate) fn claims(&mut self, state: &mut State, at: usize) {
        let who = state.owners[at].who;
        let (seq, newest) = self.logs.facts(state.log).claims;
        let (after, released) = claim_of(who.member(), seq, newest);
        let (subject, event) = entries::claimed(who.member());
        let entry = self.entries.keep(subject, &event);
        state.owners[at].hold = Hold::Claims;
        state.wire.push(OnTheWire { by: who, entry, guard: Some(after), then: After::Owns { released } });
    }

    /// Takes the partition over under the claim at `claim`, from what a replica with the log `seen` gives.
    pub(crate) fn takes_over(&mut self, state: &mut State, at: usize, claim: u64, released: bool, seen: LogId) {
        self.happened.insert(TAKEN_OVER);
        if let Some((mind, read_from)) = state.owners[at].memory.take() {
            state.owners[at].hold = Hold::Owns(Own { claim, mind, read_from, leaving: None });
            self.tell(state, at, Input::Forget);
            return self.acts(state, at);
        }
        let costs = self.rules.crash_costs_the_timeout;
        let timeout_ms = if costs { TIMEOUT_MS } else { 0 };
        let snapshot = self.logs.facts(seen).newest;
        let origin = Origin { claim, snapshot, released: released || !costs, timeout_ms, now: state.now };
        let earlier = |entry: EntryId| {
            matches!(&self.entries.get(entry).event,
            Event::AttemptStarted(started) if started.at < entries::at(state.now))
        };
        if costs && snapshot.into_iter().flatten().any(earlier) {
            self.happened.insert(WAITED_FOR_THE_REST);
        }
        let mind = self.minds.recovered(origin, &self.entries);
        let read_from = self.minds.get(mind).read_from();
        state.owners[at].hold = Hold::Owns(Own { claim, mind, read_from, leaving: None });
        let now = state.now;
        if self.rules.catch_up_comes_first {
            // In one step: it is to do nothing meanwhile, though it is asked after every record.
            while state.owners[at].own().is_some_and(|own| own.read_from <= claim) {
                self.reads(state, at);
            }
        } else {
            self.tell(state, at, Input::CaughtUp { now });
        }
        self.acts(state, at);
    }

    /// Reads the next record, and does not act on it yet.
    fn reads_one(&mut self, state: &mut State, at: usize) {
        let own = state.owners[at].own_mut();
        let (seq, entry) = self.logs.facts(state.log).next_record(own.read_from, &self.entries).expect("it is there");
        own.read_from = seq + 1;
        if let Subject::PartitionClaim(_) = self.entries.get(entry).subject {
            return match seq.cmp(&own.claim) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => self.tell(state, at, Input::CaughtUp { now: state.now }),
                std::cmp::Ordering::Greater => self.loses_claim(state, at),
            };
        }
        if let Event::MessageSent(_) | Event::OutcomeSettled(_) = self.entries.get(entry).event {
            self.happened.insert(REPORTED);
        }
        self.tell(state, at, Input::Read { seq, entry });
    }

    pub(crate) fn reads(&mut self, state: &mut State, at: usize) {
        self.reads_one(state, at);
        self.acts(state, at);
    }

    pub(crate) fn loses_claim(&mut self, state: &mut State, at: usize) {
        self.happened.insert(LOST_CLAIM);
        let owner = &mut state.owners[at];
        if let (Hold::Owns(own), false) = (&owner.hold, self.rules.memory_is_empty) {
            owner.memory = Some((own.mind, own.read_from));
        }
        owner.hold = Hold::Nothing;
    }

    /// An owner hears that its record is in the log, at `seq`.
    pub(crate) fn stored(&mut self, state: &mut State, copy: &OnTheWire, seq: u64, seen: LogId) {
        let at = usize::from(copy.by.owner);
        match copy.then {
            After::Owns { released } => self.takes_over(state, at, seq, released, seen),
            After::Leaves => {
                self.happened.insert(GIVEN_AWAY);
                state.owners[at].hold = Hold::Nothing;
            }
            After::Nothing => {}
            After::Event { account, call, answers_cancel, .. } => {
                if let Some(call) = call.filter(|_| self.rules.start_is_durable) {
                    state.owners[at].calls.push(call);
                }
                self.note(copy.entry);
                let is_mine = state.owners[at].own().is_some_and(|own| Some(own.claim) == copy.guard);
                if is_mine {
                    self.tell(state, at, Input::Stored { account: account.into(), answers_cancel });
                    self.acts(state, at);
                }
            }
        }
    }

    fn note(&mut self, entry: EntryId) {
        match &self.entries.get(entry).event {
            Event::AttemptStarted(started) if started.carry.open.iter().any(|open| open.attempt > 1) => {
                self.happened.insert(RESENT);
            }
            Event::AttemptEnded(ended) if matches!(ended.outcome, AttemptOutcome::Unknown { .. }) => {
                self.happened.insert(UNKNOWN);
            }
            Event::MessageCancelled(_) => drop(self.happened.insert(CANCELLED)),
            _ => {}
        }
    }

    /// An owner hears that its record was refused: its claim is not the newest.
    pub(crate) fn refused(&mut self, state: &mut State, copy: &OnTheWire) {
        let at = usize::from(copy.by.owner);
        if let Event::AttemptEnded(ended) = &self.entries.get(copy.entry).event {
            let (account, message) = (account_of(copy), entries::message_index(ended.message));
            let fenced = self.fenced(account, message, ended.part);
            let told = fenced.outcome(&ended.outcome, ended.at);
            self.reports(state, at, told);
        }
        let owner = &state.owners[at];
        match &owner.hold {
            Hold::Owns(own) if Some(own.claim) == copy.guard => self.loses_claim(state, at),
            Hold::Claims | Hold::Releases if !matches!(copy.then, After::Event { .. }) => {
                state.owners[at].hold = Hold::Nothing;
            }
            Hold::Nothing | Hold::Claims | Hold::Owns(_) | Hold::Releases => {}
        }
    }

    fn fenced(&self, account: usize, message: u8, part: u8) -> Fenced {
        let (workspace, account, message) =
            (entries::WORKSPACE, entries::account_id(account), entries::message_id(message));
        let idempotent = self.world.idempotent && self.rules.fenced_tells_only_sent;
        Fenced { workspace, account, idempotent, message, part }
    }

    /// A fenced owner's receipt goes onto the wire.
    fn reports(&mut self, state: &mut State, at: usize, told: Option<Event>) {
        let Some(event) = told else { return };
        self.happened.insert(FENCED);
        let entry = self.entries.keep(Subject::Receipt(entries::PART), &event);
        let by = state.owners[at].who;
        state.wire.push(OnTheWire { by, entry, guard: None, then: After::Nothing });
    }

    /// A call begins.
    pub(crate) fn begins(&mut self, state: &mut State, at: usize, call: usize) {
        let begun = &mut state.owners[at].calls[call];
        begun.stage = Stage::Begun;
        let Call { claim, account, message, part, attempt, handed_in, .. } = *begun;
        // It may have begun later than this model's clock shows, and then takes as much longer.
        let latest = handed_in + CALL_STARTS_WITHIN_MS as Now - 1;
        let ends_by = state.now.max(latest) + TIMEOUT_MS;
        let by = state.owners[at].who;
        let request = Request { by, claim, account, message, part, attempt, ends_by };
        let judged = state.provider.begins(request, state.now);
        state.broken = state.broken.or(judged.err());
    }

    /// A call does not begin.
    pub(crate) fn does_not_begin(&mut self, state: &mut State, at: usize, call: usize) {
        if !may_begin(&state.owners[at].calls[call], state.now) {
            self.happened.insert(LATE);
        }
        state.owners[at].calls[call].stage = Stage::Answered(Answer::NotStarted);
    }

    /// A call's result comes to whoever holds the claim under which it started, or is told by the process itself.
    pub(crate) fn hears(&mut self, state: &mut State, at: usize, call: usize) {
        let call = state.owners[at].calls.remove(call);
        let Stage::Answered(answer) = call.stage else { unreachable!("it has come") };
        let (account, message, now) = (usize::from(call.account), call.message, state.now);
        let is_mine = |own: &Own| own.claim == call.claim || !self.rules.result_belongs_to_its_claim;
        if state.owners[at].own().is_some_and(is_mine) {
            self.tell(state, at, Input::Called { account, message, answer, now });
            self.acts(state, at);
        } else {
            let told = self.fenced(account, message, call.part).result(answer.result(), entries::at(now));
            self.reports(state, at, told);
        }
    }

    /// A process dies, and is started again.
    pub(crate) fn crashes(&mut self, state: &mut State, at: usize) {
        let Owner { who, hold, .. } = state.owners[at].clone();
        let (newest, _) = self.logs.facts(state.log).claims;
        // What it had to say without a claim is said no more.
        state.wire.retain(|copy| copy.by != who || copy.then != After::Nothing);
        let who = Who { life: who.life + 1, ..who };
        state.owners[at] = Owner { who, ..Owner::new(who.owner) };
        if let Hold::Owns(own) = hold
            && own.claim == newest
            && !self.rules.restart_claims_anew
        {
            self.takes_over(state, at, own.claim, false, state.log);
        }
    }

    pub(crate) fn is_to_leave(&mut self, state: &mut State, at: usize) {
        state.owners[at].own_mut().leaving = Some(Departure::begin(uptime(state.now)));
        self.acts(state, at);
    }
}

/// What the real rules of ownership claim for a process that takes everybody else for dead: after which record, and whether
/// the owner before has released it.
fn claim_of(me: MemberId, seq: u64, newest: Newest) -> (u64, bool) {
    let mut rules = Ownership::new(me, 1);
    if seq > 0 {
        rules.told(entries::PART, seq, newest);
    }
    rules.told_all();
    rules.members([], Duration::ZERO);
    match rules.steps(ownership::COOL_DOWN, true).as_slice() {
        [Step::Claim(claim)] => (claim.after, claim.from == Source::Nobody),
        other => unreachable!("nobody else is there, and it does {other:?}"),
    }
}

fn account_of(copy: &OnTheWire) -> usize {
    match copy.then {
        After::Event { account, .. } => account.into(),
        After::Owns { .. } | After::Leaves | After::Nothing => unreachable!("an end is an event"),
    }
}

fn uptime(now: Now) -> Duration {
    Duration::from_millis(now.into())
}
