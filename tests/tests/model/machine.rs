//! The installation as a state machine for the model checker: what may happen in a state, and what comes of it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use angelia_ingress::domain::purse::{IDLE_MS, Moment, Question};
use angelia_shared::ids::{MessageId, WriterId};
use angelia_shared::log::settle::Seen;
use stateright::{Model, Property};

use super::forms::{self, FormId, Forms};
use super::lane::{Doing, Lane, first_writer, tick};
use super::log::{Broken, Facts, IN_1, LG_2, LogId, Logs, WA_1, WA_2, WA_3, WA_4};
use super::rules::{Budget, Rules, World};
use super::services::SERVICES;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) log: LogId,
    pub(crate) lanes: [Lane; 2],
    /// Copies of batches that the broker may take up at any time, or never.
    pub(crate) wire: Vec<OnTheWire>,
    /// Requests that were answered with 200, and those that were refused, as bits.
    pub(crate) answered: u8,
    pub(crate) refused: u8,
    /// Whether an order was refused as too dear that was not.
    pub(crate) is_refused_falsely: bool,
    pub(crate) now: Moment,
    pub(crate) budget: Budget,
}

/// A batch on its way to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OnTheWire {
    pub(crate) form: FormId,
    /// The transmission whose answer is awaited; 0 when nobody waits.
    pub(crate) transmission: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Arrives { lane: usize },
    Rounds { lane: usize },
    ReadsWallet { lane: usize },
    Told { lane: usize, ledger_at: LogId },
    Hears { lane: usize },
    Recalled { lane: usize },
    TimesOut { lane: usize },
    ReadsFirst { lane: usize },
    ReadsGuards { lane: usize },
    Crashes { lane: usize },
    Stores { copy: OnTheWire },
    Refuses { copy: OnTheWire },
    RefusesForNoReason { copy: OnTheWire },
    EverythingIsIdle,
    Fences { writer: WriterId },
    Returns { seen: LogId },
    Refunds { seen: LogId },
    Settles { message: MessageId },
    Attempts { message: MessageId, fails: bool },
    Reports { message: MessageId },
}

/// What is shared by all states: the batches and logs that were seen, each once.
pub(crate) struct Machine {
    pub(crate) rules: Rules,
    pub(crate) forms: Forms,
    pub(crate) logs: Logs,
    /// What happened at least once: an exploration in which it did not would prove little.
    pub(crate) happened: BTreeSet<&'static str>,
}

/// The model.
pub(crate) struct Admission {
    world: World,
    machine: Mutex<Machine>,
    /// The first state that breaks something. The checker goes on for a while; what it finds then is a longer story.
    first: Mutex<Option<State>>,
}

impl Admission {
    pub(crate) fn new(rules: Rules, world: World) -> Self {
        let machine = Machine { rules, forms: Forms::default(), logs: Logs::new(), happened: BTreeSet::new() };
        Self { world, machine: Mutex::new(machine), first: Mutex::new(None) }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        look(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An action in words, with the batch that it is about.
    pub(crate) fn tell(&self, action: Action) -> String {
        match action {
            Action::Stores { copy } | Action::Refuses { copy } | Action::RefusesForNoReason { copy } => {
                format!("{action:?}: {}", self.with(|machine| machine.forms.tell(copy.form)))
            }
            _ => format!("{action:?}"),
        }
    }

    /// A request's number: lanes do not share any.
    fn request(&self, lane: usize, came: u8) -> u8 {
        came + if lane == 0 { 0 } else { self.world.orders[0].len() as u8 }
    }

    fn lane_actions(&self, machine: &Machine, state: &State, at: usize, actions: &mut Vec<Action>) {
        let lane = &state.lanes[at];
        if !lane.alive {
            return;
        }
        if usize::from(lane.came) < self.world.orders[at].len() {
            actions.push(Action::Arrives { lane: at });
        }
        if state.budget.crashes > 0 {
            actions.push(Action::Crashes { lane: at });
        }
        let Some(flight) = &lane.flight else {
            return self.idle_lane_actions(machine, state, at, actions);
        };
        match flight.doing {
            Doing::Awaits if state.budget.silences > 0 => actions.push(Action::TimesOut { lane: at }),
            Doing::Awaits => {}
            Doing::ReadsFirst => actions.push(Action::ReadsFirst { lane: at }),
            Doing::ReadsGuards => actions.push(Action::ReadsGuards { lane: at }),
        }
    }

    fn idle_lane_actions(&self, machine: &Machine, state: &State, at: usize, actions: &mut Vec<Action>) {
        let lane = &state.lanes[at];
        actions.push(Action::Rounds { lane: at });
        if lane.reading.is_some() {
            actions.push(Action::ReadsWallet { lane: at });
        }
        match lane.question.map(|asking| (asking.question, asking.since)) {
            Some((Question::Balance { .. }, since)) => {
                let mut told = Vec::new();
                for (log, facts) in machine.logs.prefixes(state.log).take_while(|(log, _)| *log >= since) {
                    if !told.contains(&facts.due.balance) {
                        told.push(facts.due.balance);
                        actions.push(Action::Told { lane: at, ledger_at: log });
                    }
                }
            }
            Some((Question::Recall { .. }, _)) => actions.push(Action::Recalled { lane: at }),
            None => {}
        }
        let recalls =
            |lane: &Lane| lane.question.is_some_and(|asking| matches!(asking.question, Question::Recall { .. }));
        if recalls(&state.lanes[1 - at]) {
            actions.push(Action::Hears { lane: at });
        }
    }

    fn broker_actions(&self, machine: &Machine, state: &State, actions: &mut Vec<Action>) {
        for copy in state.wire.iter().copied() {
            let awaited = state.lanes.iter().any(|lane| lane.awaits(copy));
            if machine.logs.admits(state.log, copy.form, &machine.forms, machine.rules) {
                actions.push(Action::Stores { copy });
            } else if awaited {
                actions.push(Action::Refuses { copy });
            }
            if awaited && state.budget.refusals > 0 {
                actions.push(Action::RefusesForNoReason { copy });
            }
        }
    }

    fn act(&self, machine: &mut Machine, state: &mut State, action: Action) {
        match action {
            Action::Arrives { lane } => {
                let came = state.lanes[lane].came;
                let price = self.world.orders[lane][usize::from(came)];
                state.lanes[lane].arrive(self.request(lane, came), price);
            }
            Action::Rounds { lane } => machine.rounds(state, lane),
            Action::ReadsWallet { lane } => machine.reads_wallet(state, lane),
            Action::Told { lane, ledger_at } => machine.told(state, lane, ledger_at),
            Action::Hears { lane } => state.lanes[lane].purse.recall(),
            Action::Recalled { lane } => machine.recalled(state, lane),
            Action::TimesOut { lane } => {
                state.budget.silences -= 1;
                machine.sees(state, lane, Seen::Silence, 0);
            }
            Action::ReadsFirst { lane } => machine.reads_first(state, lane),
            Action::ReadsGuards { lane } => machine.reads_guards(state, lane),
            Action::Crashes { lane } => {
                state.budget.crashes -= 1;
                state.lanes[lane].die();
            }
            Action::Stores { copy } => machine.stores(state, copy),
            Action::Refuses { copy } => machine.refuses(state, copy),
            Action::RefusesForNoReason { copy } => {
                state.budget.refusals -= 1;
                machine.refuses(state, copy);
            }
            Action::EverythingIsIdle => {
                state.budget.pauses -= 1;
                state.now = state.now.plus_ms(IDLE_MS);
                tick(&mut state.lanes, state.now);
            }
            Action::Fences { writer } => machine.fences(state, writer),
            Action::Returns { seen } => machine.returns(state, seen),
            Action::Refunds { seen } => machine.refunds(state, seen),
            Action::Settles { message } => machine.settles(state, message),
            Action::Attempts { message, fails } => machine.attempts(state, message, fails),
            Action::Reports { message } => machine.reports(state, message),
        }
    }

    /// Whether something holds in a state, or in an earlier one it did not.
    fn holds(&self, state: &State, look: impl FnOnce(&Facts) -> bool) -> bool {
        if self.with(|machine| look(machine.logs.facts(state.log))) {
            return true;
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| state.clone()) != state
    }

    fn is_not(&self, state: &State, broken: Broken) -> bool {
        self.holds(state, |facts| facts.broken != Some(broken))
    }
}

impl Machine {
    /// The broker takes a copy up and stores it. An answer that is lost needs no step of its own: the lane times out
    /// first, and the copy is taken up then, when nobody waits.
    fn stores(&mut self, state: &mut State, copy: OnTheWire) {
        take(state, copy);
        state.log = self.logs.append(state.log, copy.form, &self.forms);
        let facts = self.logs.facts(state.log);
        let sealed_at = facts.last;
        if facts.broken.is_some() {
            return;
        }
        match state.lanes.iter().position(|lane| lane.awaits(copy)) {
            Some(lane) => self.sees(state, lane, Seen::Acked, sealed_at),
            None => drop(self.happened.insert(LATE_COPY)),
        }
    }

    fn refuses(&mut self, state: &mut State, copy: OnTheWire) {
        take(state, copy);
        let lane = state.lanes.iter().position(|lane| lane.awaits(copy)).expect("somebody waits");
        self.sees(state, lane, Seen::Refused, 0);
    }

    /// Brings a state into one form: copies nobody waits for are alike, and those that can never be stored are gone.
    fn tidy(&self, state: &mut State) {
        let facts = self.logs.facts(state.log);
        let State { lanes, wire, .. } = state;
        wire.retain_mut(|copy| {
            if lanes.iter().any(|lane| lane.awaits(*copy)) {
                return true;
            }
            copy.transmission = 0;
            let form = self.forms.get(copy.form);
            let is_fence = form.guards.is_empty();
            let is_done = is_fence
                && matches!(form.batch.seal.subject, angelia_shared::subject::Subject::Writer(writer)
                    if facts.fenced.contains(&writer));
            !is_done && self.logs.may_admit(state.log, copy.form, &self.forms, self.rules)
        });
        wire.sort_unstable();
        wire.dedup_by(|one, other| one == other && one.transmission == 0);
    }
}

/// What may happen to a batch, to credits and to messages.
pub(crate) const LATE_COPY: &str = "a copy was stored for which nobody waited any more";
pub(crate) const STORED_BY_READING: &str = "a lane found its seal by reading";
pub(crate) const GUARD_LOST: &str = "a lane lost a wallet's guard";
pub(crate) const NO_REASON: &str = "a lane was refused for no reason";
pub(crate) const FENCED: &str = "a lane found that it was fenced, and went on";
pub(crate) const FENCES_ITSELF: &str = "a lane fenced itself";
pub(crate) const PAID_AHEAD: &str = "an order was paid without a draw";
pub(crate) const LANE_RETURNED: &str = "a lane returned what it held";
pub(crate) const RECALLED: &str = "a recall brought credits from another lane";
pub(crate) const TOO_DEAR: &str = "an order was refused as too dear";
pub(crate) const LEDGER_RETURNED: &str = "the ledger returned what a dead lane had left";
pub(crate) const REFUNDED: &str = "the ledger refunded a message";
pub(crate) const SETTLED_LATE: &str = "a ledger settled what was reported meanwhile";

fn take(state: &mut State, copy: OnTheWire) {
    let at = state.wire.iter().position(|other| *other == copy).expect("it is on the wire");
    state.wire.remove(at);
}

impl Model for Admission {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.with(|machine| {
            let Machine { forms, logs, .. } = machine;
            let services = forms.open(SERVICES, "model");
            let log = logs.append(0, services, forms);
            let granted = forms.sealed(&forms::grant(self.world.granted), logs.facts(log).tip(SERVICES));
            let mut log = logs.append(log, granted, forms);
            let lanes = std::array::from_fn(|at| {
                let opened = forms.open(first_writer(at), "ingress");
                log = logs.append(log, opened, forms);
                Lane::open(first_writer(at), logs.facts(log).last, opened)
            });
            let (wire, now, budget) = (Vec::new(), Moment(0), self.world.budget);
            vec![State { log, lanes, wire, answered: 0, refused: 0, is_refused_falsely: false, now, budget }]
        })
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.with(|machine| {
            if machine.logs.facts(state.log).broken.is_some() {
                return;
            }
            for lane in 0..2 {
                self.lane_actions(machine, state, lane, actions);
            }
            self.broker_actions(machine, state, actions);
            if state.budget.pauses > 0 {
                actions.push(Action::EverythingIsIdle);
            }
            machine.ledgers_act(state, actions);
            machine.dispatcher_acts(state, actions);
        });
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        self.with(|machine| {
            let mut state = last.clone();
            self.act(machine, &mut state, action);
            let balance = machine.logs.facts(state.log).due.balance;
            state.lanes.iter_mut().for_each(|lane| lane.note(balance));
            machine.tidy(&mut state);
            (state != *last).then_some(state)
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WA_1, |model, state| model.is_not(state, WA_1)),
            Property::always(WA_2, |model, state| model.is_not(state, WA_2)),
            Property::always(WA_3, |model, state| model.is_not(state, WA_3)),
            Property::always(WA_4, |model, state| model.is_not(state, WA_4)),
            Property::always(LG_2, |model, state| model.is_not(state, LG_2)),
            Property::always(IN_1, |model: &Self, state| model.holds(state, |facts| answers_are_true(state, facts))),
            Property::always(AGREES, |model: &Self, state| {
                model.holds(state, |facts| facts.broken.is_some() == facts.due.contradicted)
            }),
            Property::always(HONEST, |model: &Self, state: &State| model.holds(state, |_| !state.is_refused_falsely)),
            Property::always(WAITS, |model: &Self, state: &State| {
                let acts = |lane| model.next_state(state, Action::Rounds { lane }).is_some();
                (0..2).all(|lane| !state.lanes[lane].should_act(state.now) || acts(lane))
            }),
        ]
    }
}

/// The model's own fold and the ledger's see the same.
pub(crate) const AGREES: Broken = "the ledger finds a contradiction where there is one";

/// Credits that other lanes hold, and that come back from dead ones, count.
pub(crate) const HONEST: Broken = "402 only if there were too few credits at some moment since the call";

/// No order and no credit is forgotten. What a lane waits for is on its way: it is told in the end, or it fails and says so.
pub(crate) const WAITS: Broken = "whoever waits, waits for something";

/// What was answered with 200 is in the log once. What was refused, and what a lane puts back as never stored, is not.
fn answers_are_true(state: &State, facts: &Facts) -> bool {
    let times = |request: u8| facts.times_accepted(request);
    let waiting = state.lanes.iter().flat_map(|lane| &lane.waiting).map(|order| order.request);
    facts.broken != Some(IN_1)
        && bits(state.answered).all(|request| times(request) == 1)
        && bits(state.refused).chain(waiting).all(|request| times(request) == 0)
}

fn bits(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |bit| set & (1 << bit) != 0)
}
