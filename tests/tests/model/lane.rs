//! A lane: the real purse decides, the real settlement says what became of a batch. What is here is what carries that
//! out, as `ingress/src/shell/admission/` and `shared/src/log/writer.rs` do.

use angelia_ingress::domain::admission::{Asked, Verdict as Decided};
use angelia_ingress::domain::purse::{GiveBack, Moment, Purse, Question, Return, Spend};
use angelia_ingress::domain::refusal::Refusal;
use angelia_shared::ids::WriterId;
use angelia_shared::log::Group;
use angelia_shared::log::pack::Tip;
use angelia_shared::log::settle::{FirstRecord, Seen, Settlement, Step, Verdict};
use angelia_shared::subject::Subject;
use angelia_shared::units::Credits;

use super::forms::{self, FormId, Forms, WALLET};
use super::log::LogId;
use super::machine::{
    FENCED, FENCES_ITSELF, GUARD_LOST, LANE_RETURNED, Machine, NO_REASON, OnTheWire, PAID_AHEAD, RECALLED,
    STORED_BY_READING, State, TOO_DEAR,
};

/// Writers that a lane may open, one after the other.
const WRITERS_A_LANE: u128 = 10;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) alive: bool,
    pub(crate) writer: WriterId,
    /// The writer's newest record: its number, its sequence and its batch.
    n: u64,
    head: u64,
    previous: FormId,
    pub(crate) purse: Purse,
    /// How many of its orders have come.
    pub(crate) came: u8,
    /// Orders that wait.
    pub(crate) waiting: Vec<Order>,
    /// A reading of the wallet under way: what it covers.
    pub(crate) reading: Option<u64>,
    pub(crate) question: Option<Asking>,
    pub(crate) flight: Option<Flight>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) request: u8,
    price: u64,
    arrival: u64,
    /// The least that the workspace had in all since it came.
    least: Credits,
}

/// A question under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asking {
    pub(crate) question: Question,
    covers: u64,
    /// The log when it was asked.
    pub(crate) since: LogId,
}

/// The batch in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) form: FormId,
    cargo: Cargo,
    rules: Settlement,
    pub(crate) doing: Doing,
    transmission: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Cargo {
    Orders(Vec<Order>, Spend),
    Return(Return),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Doing {
    Awaits,
    ReadsFirst,
    ReadsGuards,
}

/// The first writer of a lane.
pub(crate) fn first_writer(lane: usize) -> WriterId {
    WriterId((lane as u128 + 1) * WRITERS_A_LANE)
}

impl Lane {
    /// A lane whose writer was just opened by the newest record.
    pub(crate) fn open(writer: WriterId, head: u64, opened: FormId) -> Self {
        Self {
            alive: true,
            writer,
            n: 0,
            head,
            previous: opened,
            purse: Purse::default(),
            came: 0,
            waiting: Vec::new(),
            reading: None,
            question: None,
            flight: None,
        }
    }

    /// Nothing of it is left but what it wrote.
    pub(crate) fn die(&mut self) {
        *self = Self { alive: false, ..Self::open(self.writer, 0, 0) };
    }

    fn tip(&self, forms: &Forms) -> Tip {
        Tip { writer: self.writer, n: self.n, head: self.head, digest: forms.get(self.previous).batch.digest }
    }

    pub(crate) fn awaits(&self, copy: OnTheWire) -> bool {
        self.flight.as_ref().is_some_and(|flight| {
            flight.doing == Doing::Awaits && (flight.form, flight.transmission) == (copy.form, copy.transmission)
        })
    }

    /// Whether it has something to do and waits for nothing: its next round must get on with it.
    pub(crate) fn should_act(&self, now: Moment) -> bool {
        let is_idle = self.flight.is_none() && self.reading.is_none() && self.question.is_none();
        let holds_idle_credits = self.purse.rest() > Credits::ZERO && self.purse.idle_at() <= now;
        self.alive && is_idle && (!self.waiting.is_empty() || holds_idle_credits)
    }

    pub(crate) fn arrive(&mut self, request: u8, price: u64) {
        self.came += 1;
        self.waiting.push(Order { request, price, arrival: self.came.into(), least: Credits(u64::MAX) });
    }

    fn put_back(&mut self, orders: Vec<Order>) {
        self.waiting.extend(orders);
        self.waiting.sort_by_key(|order| order.arrival);
    }

    /// Takes in what the workspace has in all by now.
    pub(crate) fn note(&mut self, balance: Credits) {
        let in_flight = match &mut self.flight {
            Some(Flight { cargo: Cargo::Orders(orders, _), .. }) => orders.as_mut_slice(),
            Some(Flight { cargo: Cargo::Return(_), .. }) | None => &mut [],
        };
        let orders = self.waiting.iter_mut().chain(in_flight);
        orders.for_each(|order| order.least = order.least.min(balance));
    }

    fn arrived(&self) -> u64 {
        self.came.into()
    }
}

impl Machine {
    /// One round: what goes back, or what is paid.
    pub(crate) fn rounds(&mut self, state: &mut State, at: usize) {
        let lane = &mut state.lanes[at];
        match lane.purse.give_back() {
            GiveBack::Return(back) => {
                let group = forms::give_back(lane.writer, &back);
                return self.hand_in(state, at, &group, Cargo::Return(back));
            }
            GiveBack::Read => lane.reading = Some(lane.arrived()),
            GiveBack::Done | GiveBack::Later => {}
        }
        let asked: Vec<Asked> =
            lane.waiting.iter().map(|order| Asked { price: Credits(order.price), arrival: order.arrival }).collect();
        let plan = lane.purse.plan(&asked, lane.arrived(), state.now);
        if plan.reads {
            lane.reading = Some(lane.arrived());
        }
        if let Some(question) = plan.question {
            lane.question = Some(Asking { question, covers: lane.arrived(), since: state.log });
        }
        let (mut paid, mut left) = (Vec::new(), Vec::new());
        for (order, verdict) in std::mem::take(&mut lane.waiting).into_iter().zip(plan.verdicts) {
            match verdict {
                Decided::Pay => paid.push(order),
                Decided::Refuse(refusal) => {
                    state.refused |= 1 << order.request;
                    if matches!(refusal, Refusal::NotEnoughCredits { .. }) {
                        self.happened.insert(TOO_DEAR);
                        state.is_refused_falsely |= order.least.0 >= order.price;
                    }
                }
                Decided::Wait | Decided::Read | Decided::Ask | Decided::Recall => left.push(order),
            }
        }
        lane.waiting = left;
        if let Some(spend) = plan.spend {
            self.hand_in_orders(state, at, paid, spend);
        }
    }

    fn hand_in_orders(&mut self, state: &mut State, at: usize, orders: Vec<Order>, spend: Spend) {
        let paid: Vec<(u8, u64)> = orders.iter().map(|order| (order.request, order.price)).collect();
        let group = forms::acceptances(state.lanes[at].writer, spend.draw, &paid);
        self.hand_in(state, at, &group, Cargo::Orders(orders, spend));
    }

    fn hand_in(&mut self, state: &mut State, at: usize, group: &Group, cargo: Cargo) {
        let tip = state.lanes[at].tip(&self.forms);
        let form = self.forms.sealed(group, tip);
        let (rules, step) = Settlement::begin();
        state.lanes[at].flight = Some(Flight { form, cargo, rules, doing: Doing::Awaits, transmission: 0 });
        self.does(state, at, step, 0);
    }

    /// The lane sees something of its batch; `sealed_at` is where its seal was seen, if it was.
    pub(crate) fn sees(&mut self, state: &mut State, at: usize, seen: Seen, sealed_at: u64) {
        let flight = state.lanes[at].flight.as_mut().expect("only a lane with a batch in flight sees anything");
        let step = flight.rules.step(seen);
        self.does(state, at, step, sealed_at);
    }

    /// Does at once what needs no waiting.
    fn does(&mut self, state: &mut State, at: usize, step: Step, sealed_at: u64) {
        let lane = &mut state.lanes[at];
        let flight = lane.flight.as_mut().expect("a batch is in flight");
        match step {
            Step::Transmit => {
                flight.transmission += 1;
                flight.doing = Doing::Awaits;
                if !self.rules.late_errors_are_ambiguous {
                    // It takes every transmission for the first one.
                    flight.rules = Settlement::begin().0;
                }
                state.wire.push(OnTheWire { form: flight.form, transmission: flight.transmission });
            }
            Step::ReadFirst => flight.doing = Doing::ReadsFirst,
            Step::Fence => {
                self.happened.insert(FENCES_ITSELF);
                let form = self.forms.fence(lane.writer, None);
                state.wire.push(OnTheWire { form, transmission: 0 });
                self.sees(state, at, Seen::FenceSent, 0);
            }
            Step::Done(Verdict::Stored) => self.stored(state, at, sealed_at),
            Step::Done(Verdict::Refused) => flight.doing = Doing::ReadsGuards,
            Step::Done(Verdict::Fenced) => self.fenced(state, at),
        }
    }

    /// Reads from the leader what decides.
    pub(crate) fn reads_first(&mut self, state: &mut State, at: usize) {
        let lane = &state.lanes[at];
        let facts = self.logs.facts(state.log);
        let found = if self.rules.first_record {
            facts.first_own_after(lane.writer, lane.head)
        } else {
            facts.last_own(lane.writer).filter(|(seq, _)| *seq != lane.head)
        };
        let mine = self.forms.get(lane.flight.as_ref().expect("it is in flight").form).batch.digest;
        let payload = found.map(|(_, form)| &self.forms.get(form).batch.seal.payload[..]);
        let first = FirstRecord::of(payload, mine);
        if first == FirstRecord::MySeal {
            self.happened.insert(STORED_BY_READING);
        }
        self.sees(state, at, Seen::First(first), found.map_or(0, |(seq, _)| seq));
    }

    fn stored(&mut self, state: &mut State, at: usize, sealed_at: u64) {
        let (lane, now) = (&mut state.lanes[at], state.now);
        let Flight { form, cargo, .. } = lane.flight.take().expect("it was in flight");
        let records = self.forms.get(form).batch.records.len() as u64;
        (lane.n, lane.head, lane.previous) = (lane.n + 1, sealed_at, form);
        // The wallet's entry stands first.
        let head = sealed_at - records;
        match cargo {
            Cargo::Orders(orders, spend) => {
                if spend.draw.is_none() {
                    self.happened.insert(PAID_AHEAD);
                }
                lane.purse.stored(&spend, head, now);
                state.answered |= orders.iter().fold(0, |all, order| all | 1 << order.request);
            }
            Cargo::Return(back) => {
                self.happened.insert(LANE_RETURNED);
                lane.purse.returned(&back, head);
            }
        }
    }

    /// Nothing was stored: finds the lost guard.
    pub(crate) fn reads_guards(&mut self, state: &mut State, at: usize) {
        let facts = self.logs.facts(state.log);
        let flight = state.lanes[at].flight.as_ref().expect("it was in flight");
        let guards = self.forms.get(flight.form).guards.iter();
        let lost: Vec<Subject> = guards.filter(|(on, seq)| facts.head(*on) != *seq).map(|(on, _)| *on).collect();
        if lost.iter().any(|subject| *subject != WALLET) {
            return self.fenced(state, at);
        }
        self.happened.insert(if lost.is_empty() { NO_REASON } else { GUARD_LOST });
        let lane = &mut state.lanes[at];
        let Flight { cargo, .. } = lane.flight.take().expect("it was in flight");
        match cargo {
            Cargo::Orders(orders, mut spend) if !lost.is_empty() && !self.rules.one_group => {
                lane.purse.guard_lost();
                spend.draw = None;
                self.hand_in_orders(state, at, orders, spend);
            }
            Cargo::Orders(orders, _) => {
                if !lost.is_empty() {
                    lane.purse.guard_lost();
                }
                lane.put_back(orders);
            }
            Cargo::Return(_) if lost.is_empty() => lane.purse.put_back(),
            Cargo::Return(_) => lane.purse.guard_lost(),
        }
    }

    /// The batch is not in the log and never will be. Its orders go on under a new writer; what the old one held is lost
    /// to the lane.
    fn fenced(&mut self, state: &mut State, at: usize) {
        let lane = &mut state.lanes[at];
        let Flight { cargo, .. } = lane.flight.take().expect("it was in flight");
        lane.purse.fenced();
        if let Cargo::Orders(orders, _) = cargo {
            lane.put_back(orders);
        }
        if state.budget.reopenings == 0 {
            return lane.die();
        }
        self.happened.insert(FENCED);
        state.budget.reopenings -= 1;
        lane.writer.0 += 1;
        let opened = self.forms.open(lane.writer, "ingress");
        state.log = self.logs.append(state.log, opened, &self.forms);
        (lane.n, lane.head, lane.previous) = (0, self.logs.facts(state.log).last, opened);
    }

    /// A reading of the wallet ends.
    pub(crate) fn reads_wallet(&mut self, state: &mut State, at: usize) {
        let wallet = self.logs.facts(state.log).wallet;
        let lane = &mut state.lanes[at];
        if let Some(covers) = lane.reading.take() {
            lane.purse.read(wallet, covers);
        }
    }

    /// A ledger that has read `log` tells what the workspace has in all.
    pub(crate) fn told(&mut self, state: &mut State, at: usize, log: LogId) {
        let balance = self.logs.facts(log).due.balance;
        let lane = &mut state.lanes[at];
        if let Some(asking) = lane.question.take() {
            lane.purse.told(balance, asking.covers);
        }
    }

    /// A recall ends, whoever answered, and the wallet was read.
    pub(crate) fn recalled(&mut self, state: &mut State, at: usize) {
        let wallet = self.logs.facts(state.log).wallet;
        let lane = &mut state.lanes[at];
        if let Some(asking) = lane.question.take() {
            if wallet.available() > self.logs.facts(asking.since).wallet.available() {
                self.happened.insert(RECALLED);
            }
            lane.purse.recalled(wallet, asking.covers);
        }
    }
}

/// Every lane notices that time has passed.
pub(crate) fn tick(lanes: &mut [Lane], now: Moment) {
    lanes.iter_mut().filter(|lane| lane.alive).for_each(|lane| lane.purse.tick(now));
}
