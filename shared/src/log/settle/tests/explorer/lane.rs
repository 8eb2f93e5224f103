//! A lane: a writer with requests that wait, credits that it holds, and one batch in flight.

use smallvec::SmallVec;

use super::forms::{FormId, LANES, Plan, WALLET, WalletMove, bits};
use super::log::{Facts, LogId, WRITERS};
use super::{Action, Explorer, OnTheWire, State};
use crate::log::settle::{FirstRecord, Seen, Settlement, Step, Verdict};
use crate::subject::Subject;

#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) alive: bool,
    pub(super) writer: u8,
    /// The writer's newest batch: its number, the sequence of its seal, and itself.
    n: u8,
    previous: u8,
    previous_form: FormId,
    /// Credits drawn and not spent.
    held: u8,
    /// The wallet as last read: its head, what was drawn and returned in all.
    wallet: (u8, u8, u8),
    /// Requests that wait; those in flight do not.
    pub(super) pending: u8,
    flight: Option<Flight>,
}

#[derive(Clone, Debug)]
struct Flight {
    /// What was sent, newest last. With frozen bytes all transmissions send the same.
    forms: SmallVec<[FormId; 2]>,
    rules: Settlement,
    doing: Doing,
    transmission: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doing {
    Awaits,
    ReadsFirstRecord,
    ReadsLostGuards,
}

impl Lane {
    pub(super) fn open(writer: u8, at: u8, opened: FormId, pending: u8, facts: &Facts) -> Self {
        let wallet = wallet_of(facts);
        Self { alive: true, writer, n: 0, previous: at, previous_form: opened, held: 0, wallet, pending, flight: None }
    }

    pub(super) fn dead(writer: u8) -> Self {
        let (n, previous, previous_form, held, wallet, pending) = (0, 0, 0, 0, (0, 0, 0), 0);
        Self { alive: false, writer, n, previous, previous_form, held, wallet, pending, flight: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.alive && self.flight.is_none()
    }

    pub(super) fn awaits(&self, form: FormId, transmission: u8) -> bool {
        self.flight.as_ref().is_some_and(|flight| {
            flight.doing == Doing::Awaits && flight.transmission == transmission && flight.forms.last() == Some(&form)
        })
    }

    /// Adds everything that tells two lanes apart.
    pub(super) fn add_to(&self, key: &mut Vec<u8>) {
        let Self { alive, writer, n, previous, previous_form, held, wallet, pending, flight } = self;
        key.extend(previous_form.to_le_bytes());
        key.extend([u8::from(*alive), *writer, *n, *previous, *held, wallet.0, wallet.1, wallet.2, *pending]);
        let Some(Flight { forms, rules, doing, transmission }) = flight else { return key.push(0) };
        let Settlement { transmissions, doubt_after_resend } = rules;
        let number = forms.len() as u8 + 1;
        key.extend([number, *transmissions, u8::from(*doubt_after_resend), *doing as u8, *transmission]);
        key.extend(forms.iter().flat_map(|form| form.to_le_bytes()));
    }

    fn available(&self, grant: u8) -> u8 {
        grant + self.wallet.2 - self.wallet.1
    }
}

fn wallet_of(facts: &Facts) -> (u8, u8, u8) {
    (facts.wallet_head as u8, facts.totals.drawn.0 as u8, facts.totals.returned.0 as u8)
}

impl Explorer {
    pub(super) fn lane_acts(&mut self, state: &State, lane: usize) {
        if !state.lanes[lane].alive {
            return;
        }
        if state.budget.crashes > 0 {
            let mut crashed = state.clone();
            crashed.budget.crashes -= 1;
            crashed.lanes[lane].alive = false;
            crashed.lanes[lane].flight = None;
            self.next.push((Action::Crashes { lane }, crashed));
        }
        let Some(flight) = &state.lanes[lane].flight else {
            self.begins(state, lane);
            return;
        };
        let (doing, transmission, forms) = (flight.doing, flight.transmission, flight.forms.clone());
        let mut after = state.clone();
        match doing {
            Doing::Awaits => {
                self.refusal_without_reason(state, lane, transmission);
                self.advance(&mut after, lane, Seen::Silence, None);
                self.next.push((Action::TimesOut { lane }, after));
            }
            Doing::ReadsFirstRecord => {
                let (first, place) = self.first_record(state, lane, &forms);
                self.advance(&mut after, lane, Seen::First(first), place);
                self.next.push((Action::ReadsFirstRecord { lane }, after));
            }
            Doing::ReadsLostGuards => {
                self.find_lost_guards(&mut after, lane);
                self.next.push((Action::ReadsLostGuards { lane }, after));
            }
        }
    }

    /// A broker that is busy with another write on the subject says "wrong sequence", too (10164).
    fn refusal_without_reason(&mut self, state: &State, lane: usize, transmission: u8) {
        let at = state.wire.iter().position(|copy| {
            copy.transmission == transmission && state.lanes[lane].awaits(copy.form, copy.transmission)
        });
        if let Some(at) = at.filter(|_| state.budget.refusals > 0) {
            let mut told = state.clone();
            told.budget.refusals -= 1;
            let form = told.wire.remove(at).form;
            self.refused(&mut told, lane);
            self.next.push((Action::RefusesWithoutReason { form }, told));
        }
    }

    /// An idle lane hands in a batch: some of what waits, paid from what it holds and from a draw; or a return.
    fn begins(&mut self, state: &State, lane: usize) {
        let me = &state.lanes[lane];
        let waiting = me.pending.count_ones() as u8;
        let available = me.available(self.world.grant);
        if waiting == 0 && me.held > 0 {
            self.sends(state, lane, 0, 0);
        }
        let mut lacks = false;
        for take in 1..=waiting {
            let need = take.saturating_sub(me.held);
            if need == 0 {
                self.sends(state, lane, take, 0);
                continue;
            }
            lacks |= available < need + self.world.over;
            for draw in (need..=need + self.world.over).filter(|draw| *draw <= available) {
                self.sends(state, lane, take, draw);
            }
        }
        let facts = self.logs.facts(state.log);
        if lacks && me.wallet != wallet_of(facts) {
            let mut read = state.clone();
            read.lanes[lane].wallet = wallet_of(facts);
            self.next.push((Action::ReadsWallet { lane }, read));
        }
    }

    fn sends(&mut self, state: &State, lane: usize, take: u8, draw: u8) {
        let form = self.build(&state.lanes[lane], take, draw);
        let mut sent = state.clone();
        self.hand_in(&mut sent, lane, form);
        self.next.push((Action::Sends { lane, form }, sent));
    }

    /// Builds a batch of the first `take` requests; none means a return of what is held.
    fn build(&mut self, me: &Lane, take: u8, draw: u8) -> FormId {
        let requests: Vec<u8> = bits(me.pending).take(take.into()).collect();
        let (held, paid) = requests.split_at(requests.len().min(me.held.into()));
        let set = |requests: &[u8]| requests.iter().fold(0, |set, request| set | 1 << request);
        let (head, drawn, returned) = me.wallet;
        let draws = WalletMove { credits: draw, head, drawn: drawn + draw, returned };
        let back = WalletMove { credits: me.held, head, drawn, returned: returned + me.held };
        self.forms.build(Plan::Lane {
            writer: me.writer,
            n: me.n + 1,
            previous: me.previous,
            previous_form: me.previous_form,
            held: set(held),
            paid: set(paid),
            draw: (draw > 0).then_some(draws),
            back: (take == 0).then_some(back),
        })
    }

    fn hand_in(&mut self, state: &mut State, lane: usize, form: FormId) {
        let (rules, step) = if self.rules.late_errors_decide_nothing {
            Settlement::begin()
        } else {
            Settlement::begin_trusting_late_errors()
        };
        state.lanes[lane].pending &= !requests(self.forms.plan(form));
        let flight = Flight { forms: SmallVec::from_iter([form]), rules, doing: Doing::Awaits, transmission: 0 };
        state.lanes[lane].flight = Some(flight);
        self.does(state, lane, step, None);
    }

    pub(super) fn acknowledged(&mut self, state: &mut State, lane: usize, form: FormId) {
        let place = Some((form, self.logs.facts(state.log).last));
        self.seen.stored_by_answer += 1;
        self.advance(state, lane, Seen::Acked, place);
    }

    pub(super) fn refused(&mut self, state: &mut State, lane: usize) {
        self.advance(state, lane, Seen::Refused, None);
    }

    fn advance(&mut self, state: &mut State, lane: usize, seen: Seen, place: Option<(FormId, u64)>) {
        let flight = state.lanes[lane].flight.as_mut().expect("only a lane with a batch in flight sees anything");
        let step = flight.rules.step(seen);
        self.does(state, lane, step, place);
    }

    /// Does at once what needs no waiting.
    fn does(&mut self, state: &mut State, lane: usize, step: Step, place: Option<(FormId, u64)>) {
        match step {
            Step::Transmit => self.transmits(state, lane),
            Step::ReadFirst => self.flight(state, lane).doing = Doing::ReadsFirstRecord,
            Step::Fence => {
                self.seen.fenced_by_itself += 1;
                let form = self.forms.build(Plan::Fence(state.lanes[lane].writer));
                state.wire.push(OnTheWire { form, transmission: 0, disowned: false });
                self.advance(state, lane, Seen::FenceSent, None);
            }
            Step::Done(Verdict::Stored) => self.stored(state, lane, place.expect("what is stored has a place")),
            Step::Done(Verdict::Refused) => self.flight(state, lane).doing = Doing::ReadsLostGuards,
            Step::Done(Verdict::Fenced) => {
                self.seen.fenced_by_ledger += 1;
                self.fenced(state, lane);
            }
        }
    }

    fn flight<'a>(&self, state: &'a mut State, lane: usize) -> &'a mut Flight {
        state.lanes[lane].flight.as_mut().expect("a batch is in flight")
    }

    fn transmits(&mut self, state: &mut State, lane: usize) {
        let again = self.flight(state, lane).transmission > 0;
        if again && !self.rules.frozen_bytes {
            // Builds anew, with all that waits by now and the wallet as it is.
            let mut me = state.lanes[lane].clone();
            me.wallet = wallet_of(self.logs.facts(state.log));
            let newest = *self.flight(state, lane).forms.last().expect("it was sent once");
            me.pending |= requests(self.forms.plan(newest));
            let all = me.pending.count_ones() as u8;
            let draw = all.saturating_sub(me.held).min(me.available(self.world.grant));
            let rebuilt = self.build(&me, all.min(me.held + draw), draw);
            state.lanes[lane].wallet = me.wallet;
            state.lanes[lane].pending = me.pending & !requests(self.forms.plan(rebuilt));
            self.flight(state, lane).forms.push(rebuilt);
        }
        let flight = self.flight(state, lane);
        flight.transmission += 1;
        flight.doing = Doing::Awaits;
        let form = *flight.forms.last().expect("there is one");
        let transmission = flight.transmission;
        state.wire.push(OnTheWire { form, transmission, disowned: false });
    }

    /// Reads what decides, as the rules have it.
    fn first_record(&mut self, state: &State, lane: usize, sent: &[FormId]) -> (FirstRecord, Option<(FormId, u64)>) {
        let me = &state.lanes[lane];
        let facts = self.logs.facts(state.log);
        let found = if self.rules.first_record {
            facts.first_own_after(me.writer, me.previous.into())
        } else {
            facts.last_own(me.writer).filter(|(seq, _)| *seq != u64::from(me.previous))
        };
        let Some((seq, found)) = found else { return (FirstRecord::Nothing, None) };
        let payload = &self.forms.batch(found).seal.payload;
        let mine = if self.rules.digest_check {
            let is =
                |form: &&FormId| FirstRecord::of(Some(payload), self.forms.batch(**form).digest) == FirstRecord::MySeal;
            sent.iter().find(is).copied()
        } else {
            let of_my_number = matches!(self.forms.plan(found), Plan::Lane { n, .. } if n == me.n + 1);
            sent.last().copied().filter(|_| of_my_number)
        };
        match mine {
            Some(form) => {
                self.seen.stored_by_reading += 1;
                (FirstRecord::MySeal, Some((form, seq)))
            }
            None => (FirstRecord::Other, None),
        }
    }

    fn stored(&mut self, state: &mut State, lane: usize, (form, sealed_at): (FormId, u64)) {
        let plan = self.forms.plan(form);
        let Plan::Lane { n, draw, back, .. } = plan else { unreachable!("lanes send lanes' batches") };
        let me = &mut state.lanes[lane];
        let flight = me.flight.take().expect("it was in flight");
        state.answered |= requests(plan);
        // What only another form of the batch held is still to be handed in.
        me.pending |= flight.forms.iter().fold(0, |all, form| all | requests(self.forms.plan(*form))) & !requests(plan);
        let spent = requests(plan).count_ones() as u8;
        (me.n, me.previous, me.previous_form) = (n, sealed_at as u8, form);
        me.held =
            (me.held + draw.map_or(0, |draw| draw.credits)).saturating_sub(spent + back.map_or(0, |back| back.credits));
        if let (Some(moved), Some(seq)) = (draw.or(back), self.forms.wallet_seq(form, sealed_at)) {
            me.wallet = (seq as u8, moved.drawn, moved.returned);
        }
    }

    /// Nothing was stored. Groups that hold a lost guard are told so and decide again; the others are put back.
    fn find_lost_guards(&mut self, state: &mut State, lane: usize) {
        let facts = self.logs.facts(state.log);
        let flight = state.lanes[lane].flight.as_ref().expect("it was in flight");
        let form = *flight.forms.last().expect("it was sent");
        let guards = self.forms.guards(form).iter();
        let lost: Vec<Subject> = guards.filter(|(on, seq)| facts.head(*on) != *seq).map(|(on, _)| *on).collect();
        if lost.iter().any(|subject| *subject != WALLET) {
            return self.fenced(state, lane);
        }
        if lost.is_empty() {
            self.seen.refused_without_reason += 1;
        }
        let hit = self.forms.handed_in(form).iter().any(|group| lost.iter().any(|on| group.is_guarded_by(*on)));
        let plan = self.forms.plan(form);
        let me = &mut state.lanes[lane];
        me.flight = None;
        if hit {
            me.wallet = wallet_of(facts);
            self.seen.guard_lost += 1;
        }
        let Plan::Lane { writer, n, previous, previous_form, held, paid, .. } = plan else { unreachable!("a lane's") };
        if hit && !self.rules.groups_stand_together && paid != 0 {
            let (held, paid) = (held | paid, 0);
            let rest = Plan::Lane { writer, n, previous, previous_form, held, paid, draw: None, back: None };
            let form = self.forms.build(rest);
            return self.hand_in(state, lane, form);
        }
        me.pending |= requests(plan);
        if hit {
            self.disown(state, form);
        }
    }

    /// All groups are answered "never stored", and go on under a new writer.
    fn fenced(&mut self, state: &mut State, lane: usize) {
        let flight = state.lanes[lane].flight.take().expect("it was in flight");
        for form in &flight.forms {
            state.lanes[lane].pending |= requests(self.forms.plan(*form));
            self.disown(state, *form);
        }
        let next = state.lanes[lane].writer + 1;
        if state.budget.reopenings == 0 || usize::from(next) % (WRITERS / LANES) == 0 {
            state.lanes[lane].alive = false;
            return;
        }
        state.budget.reopenings -= 1;
        let opened = self.forms.build(Plan::Open(next));
        state.log = self.logs.append(state.log, opened, &self.forms);
        let facts = self.logs.facts(state.log);
        state.lanes[lane] = Lane::open(next, facts.last as u8, opened, state.lanes[lane].pending, facts);
    }

    /// A group in the batch is answered as not stored: no copy of it may be stored, now or later.
    fn disown(&self, state: &mut State, form: FormId) {
        if self.is_in(state.log, form) {
            state.broken = Some("IN-1 a group was answered as not stored that is");
        }
        for copy in state.wire.iter_mut().filter(|copy| copy.form == form) {
            copy.disowned = true;
        }
    }

    fn is_in(&self, log: LogId, form: FormId) -> bool {
        self.logs.facts(log).forms.contains(&form)
    }
}

/// The requests in a batch, as bits.
fn requests(plan: Plan) -> u8 {
    match plan {
        Plan::Lane { held, paid, .. } => held | paid,
        Plan::Grant(_) | Plan::Open(_) | Plan::Fence(_) | Plan::LedgerReturns { .. } => 0,
    }
}
