//! The partition as a state machine for the model checker: what may happen in a state, and what comes of it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use angelia_shared::event::Event;
use angelia_shared::subject::Subject;
use stateright::{Model, Property};

use super::entries::{self, Entries, Now};
use super::log::{AGREES, Broken, CANCEL, DP_1, DP_2, DP_3, DP_4, ENDS, LOST, LogId, Logs, MONEY};
use super::minds::Minds;
use super::owner::{After, Hold, OnTheWire, Owner, Stage, Who, may_begin};
use super::provider::{Fate, MESSAGES, Provider, Request};
use super::rules::{Budget, Rules, World};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) log: LogId,
    pub(crate) now: Now,
    pub(crate) owners: [Owner; 2],
    pub(crate) wire: Vec<OnTheWire>,
    pub(crate) provider: Provider,
    pub(crate) budget: Budget,
    pub(crate) broken: Option<Broken>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Accepts {
        message: u8,
    },
    Cancels {
        message: u8,
    },
    CallsBack {
        message: u8,
        part: u8,
        failed: bool,
    },
    Settles {
        message: u8,
        part: u8,
    },
    TimePasses {
        to: Now,
    },
    /// Nobody has the partition, and that lasts.
    StaysOrphaned {
        to: Now,
    },
    Claims {
        owner: usize,
    },
    Leaves {
        owner: usize,
    },
    Crashes {
        owner: usize,
    },
    Reads {
        owner: usize,
    },
    /// A record reaches the log, and its writer hears of it. A claim's snapshot comes from a replica with the log `seen`.
    Lands {
        copy: OnTheWire,
        seen: LogId,
    },
    Begins {
        owner: usize,
        call: usize,
    },
    DoesNotBegin {
        owner: usize,
        call: usize,
    },
    Hears {
        owner: usize,
        call: usize,
    },
    Handles {
        request: Request,
        fate: Fate,
    },
}

/// What is shared by all states: the records, logs and memories that were seen, each once.
pub(crate) struct Machine {
    pub(crate) rules: Rules,
    pub(crate) world: World,
    pub(crate) entries: Entries,
    pub(crate) logs: Logs,
    pub(crate) minds: Minds,
    /// What happened at least once: an exploration in which it did not would prove little.
    pub(crate) happened: BTreeSet<&'static str>,
}

/// What it may take until a crash is noticed: less than a call may take.
const NOTICED_AFTER_MS: Now = 1_500;

pub(crate) const TAKEN_OVER: &str = "a partition was taken over";
pub(crate) const WAITED_FOR_THE_REST: &str = "a new owner waited for the rest of a call, and not for all of one";
pub(crate) const LOST_CLAIM: &str = "an owner learnt that it had lost its claim";
pub(crate) const GIVEN_AWAY: &str = "an owner gave its partition away";
pub(crate) const FENCED: &str = "a fenced owner told of a call as a receipt";
pub(crate) const LATE: &str = "a call was too late to begin";
pub(crate) const CANCELLED: &str = "a cancel was answered";
pub(crate) const UNKNOWN: &str = "an outcome stayed unknown";
pub(crate) const REPORTED: &str = "an owner read what became of a message";
pub(crate) const RESENT: &str = "a message was attempted again";
pub(crate) const STALE_WRITE: &str = "a dead owner's record was stored";
pub(crate) const SETTLED: &str = "an unknown outcome was settled by its deadline";

/// The model.
pub(crate) struct Dispatch {
    world: World,
    machine: Mutex<Machine>,
}

impl Dispatch {
    pub(crate) fn new(rules: Rules, world: World) -> Self {
        assert!(world.orders.len() <= MESSAGES, "a small world");
        let (entries, logs, minds) = (Entries::default(), Logs::new(world), Minds::new(world));
        let machine = Machine { rules, world, entries, logs, minds, happened: BTreeSet::new() };
        Self { world, machine: Mutex::new(machine) }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        look(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An action in words.
    pub(crate) fn tell(&self, action: &Action) -> String {
        match action {
            Action::Lands { copy, .. } => {
                let says = self.with(|machine| machine.entries.tell(copy.entry));
                format!("{:?} has stored, or is refused under {:?}: {says}", copy.by, copy.guard)
            }
            other => format!("{other:?}"),
        }
    }

    fn is_lost(&self, state: &State) -> bool {
        if state.broken.is_some() || self.with(|machine| machine.logs.facts(state.log).is_over()) {
            return false;
        }
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.is_empty()
    }
}

impl Machine {
    fn append(&mut self, state: &mut State, (subject, event): (Subject, Event)) {
        let entry = self.entries.keep(subject, &event);
        state.log = self.logs.append(state.log, entry, &self.entries);
    }

    fn account(&self, message: u8) -> usize {
        self.world.orders[usize::from(message)].account.into()
    }

    /// Whether the log takes a record now.
    fn admits(&self, state: &State, copy: &OnTheWire) -> bool {
        let is_free = matches!(copy.then, After::Event { .. }) && !self.rules.events_are_guarded;
        let (newest, _) = self.logs.facts(state.log).claims;
        is_free || copy.guard.is_none_or(|guard| guard == newest)
    }

    /// Whether the newest claim is of a process that acts under it, or one is about to come.
    fn is_owned(&self, state: &State) -> bool {
        let (newest, _) = self.logs.facts(state.log).claims;
        state.owners.iter().any(|owner| match &owner.hold {
            Hold::Nothing => false,
            Hold::Owns(own) => own.claim == newest,
            Hold::Claims | Hold::Releases => true,
        })
    }

    fn of_the_outside(&self, state: &State, actions: &mut Vec<Action>) {
        let facts = self.logs.facts(state.log);
        let stories = || (0..).zip(&facts.stories);
        if let Some((message, _)) = stories().find(|(_, story)| !story.is_accepted) {
            actions.push(Action::Accepts { message });
        }
        if state.budget.cancels > 0 {
            let open = stories().filter(|(_, story)| story.is_accepted && !story.is_over);
            actions.extend(open.map(|(message, _)| Action::Cancels { message }));
        }
        for (message, part) in state.provider.untold() {
            if state.budget.callbacks > 0 {
                actions.push(Action::CallsBack { message, part, failed: false });
            }
            if state.budget.failures > 0 && !state.provider.has_failed(message, part) {
                actions.push(Action::CallsBack { message, part, failed: true });
            }
        }
        actions.extend(facts.overdue.iter().map(|(message, part)| Action::Settles { message: *message, part: *part }));
    }

    fn time(&self, state: &State, actions: &mut Vec<Action>) {
        let due = |owner: &Owner| self.minds.get(owner.own()?.mind).next_due();
        let later = |due: Now| due > state.now;
        let next = state.owners.iter().filter_map(due).map(entries::since_begin).filter(|due| later(*due)).min();
        if let Some(to) = next
            && state.provider.requests.iter().all(|request| request.ends_by >= to)
        {
            actions.push(Action::TimePasses { to });
        }
        let to = state.now + NOTICED_AFTER_MS;
        if state.budget.orphaned > 0
            && state.owners.iter().all(|owner| owner.hold == Hold::Nothing)
            && state.provider.requests.iter().all(|request| request.ends_by >= to)
        {
            actions.push(Action::StaysOrphaned { to });
        }
    }

    fn of_the_broker(&self, state: &State, actions: &mut Vec<Action>) {
        for copy in &state.wire {
            let is_claim = matches!(copy.then, After::Owns { .. }) && self.admits(state, copy);
            let mut seen = vec![state.log];
            if is_claim && !self.rules.snapshot_has_own_claim {
                seen = self.logs.prefixes(state.log).collect();
                seen.dedup_by_key(|log| self.logs.facts(*log).newest);
            }
            actions.extend(seen.into_iter().map(|seen| Action::Lands { copy: copy.clone(), seen }));
        }
    }

    fn of_the_provider(&self, state: &State, actions: &mut Vec<Action>) {
        let budget = &state.budget;
        for request in state.provider.requests.iter().copied() {
            let is_awaited = state.owners[usize::from(request.by.owner)].who == request.by;
            actions.push(Action::Handles { request, fate: Fate::Taken });
            if budget.silences > 0 || !is_awaited {
                actions.push(Action::Handles { request, fate: Fate::Lost });
            }
            if budget.silences > 0 && is_awaited {
                actions.push(Action::Handles { request, fate: Fate::TakenInSilence });
            }
            if budget.refusals > 0 && is_awaited {
                actions.push(Action::Handles { request, fate: Fate::Refused });
            }
            if budget.put_offs > 0 && is_awaited {
                actions.push(Action::Handles { request, fate: Fate::PutOff });
            }
        }
    }

    fn of_owner(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let owner = &state.owners[at];
        let facts = self.logs.facts(state.log);
        let claim = owner.own().map(|own| own.claim);
        match &owner.hold {
            Hold::Nothing => {
                // One of two that know nothing will do.
                let is_second = at > 0 && owner.is_blank() && state.owners[0].is_blank();
                if !is_second && (!self.is_owned(state) || state.budget.rivals > 0) {
                    actions.push(Action::Claims { owner: at });
                }
            }
            Hold::Owns(own) => {
                if facts.next_record(own.read_from, &self.entries).is_some() {
                    actions.push(Action::Reads { owner: at });
                }
                if own.leaving.is_none() && state.budget.releases > 0 {
                    actions.push(Action::Leaves { owner: at });
                }
            }
            Hold::Claims | Hold::Releases => {}
        }
        if state.budget.crashes > 0 && !owner.is_blank() {
            actions.push(Action::Crashes { owner: at });
        }
        for (n, call) in owner.calls.iter().enumerate() {
            match call.stage {
                Stage::Ready => {
                    let in_time = may_begin(call, state.now);
                    if in_time || !self.rules.call_starts_soon {
                        actions.push(Action::Begins { owner: at, call: n });
                    }
                    let has_claim = claim == Some(call.claim);
                    if !in_time || !has_claim || state.budget.stale_leases > 0 {
                        actions.push(Action::DoesNotBegin { owner: at, call: n });
                    }
                }
                Stage::Begun => {}
                Stage::Answered(_) => actions.push(Action::Hears { owner: at, call: n }),
            }
        }
    }

    fn act(&mut self, state: &mut State, action: &Action) {
        match *action {
            Action::Accepts { message } => {
                self.append(state, entries::accepted(message, self.world.orders[usize::from(message)]));
            }
            Action::Cancels { message } => {
                state.budget.cancels -= 1;
                self.append(state, entries::cancel(message, self.account(message)));
            }
            Action::CallsBack { message, part, failed } => {
                let budget = &mut state.budget;
                *(if failed { &mut budget.failures } else { &mut budget.callbacks }) -= 1;
                state.provider.calls_back(message, part, failed);
                self.append(state, entries::callback(message, part, self.account(message), failed));
            }
            Action::Settles { message, part } => {
                self.happened.insert(SETTLED);
                self.append(state, entries::settled(message, part, self.account(message)));
            }
            Action::TimePasses { to } => {
                state.now = to;
                (0..state.owners.len()).for_each(|at| self.acts(state, at));
            }
            Action::StaysOrphaned { to } => {
                state.budget.orphaned -= 1;
                state.now = to;
            }
            Action::Claims { owner } => {
                if self.is_owned(state) {
                    state.budget.rivals -= 1;
                }
                self.claims(state, owner);
            }
            Action::Leaves { owner } => {
                state.budget.releases -= 1;
                self.is_to_leave(state, owner);
            }
            Action::Crashes { owner } => {
                state.budget.crashes -= 1;
                self.crashes(state, owner);
            }
            Action::Reads { owner } => self.reads(state, owner),
            Action::Lands { ref copy, seen } => self.lands(state, copy, seen),
            Action::Begins { owner, call } => self.begins(state, owner, call),
            Action::DoesNotBegin { owner, call } => {
                let has_claim =
                    state.owners[owner].own().map(|own| own.claim) == Some(state.owners[owner].calls[call].claim);
                if has_claim && may_begin(&state.owners[owner].calls[call], state.now) {
                    state.budget.stale_leases -= 1;
                }
                self.does_not_begin(state, owner, call);
            }
            Action::Hears { owner, call } => self.hears(state, owner, call),
            Action::Handles { request, fate } => self.handles(state, request, fate),
        }
    }

    fn lands(&mut self, state: &mut State, copy: &OnTheWire, seen: LogId) {
        let at = state.wire.iter().position(|other| other == copy).expect("it is on the wire");
        state.wire.remove(at);
        let lives = state.owners[usize::from(copy.by.owner)].who == copy.by;
        if !self.admits(state, copy) {
            return self.refused(state, copy);
        }
        let seen_now = seen == state.log;
        state.log = self.logs.append(state.log, copy.entry, &self.entries);
        let facts = self.logs.facts(state.log);
        if facts.broken.is_some() {
            return;
        }
        let (seq, seen) = (facts.last(), if seen_now { state.log } else { seen });
        if lives {
            self.stored(state, copy, seq, seen);
        } else {
            self.happened.insert(STALE_WRITE);
        }
    }

    fn handles(&mut self, state: &mut State, request: Request, fate: Fate) {
        let budget = &mut state.budget;
        let owner = &mut state.owners[usize::from(request.by.owner)];
        let is_awaited = owner.who == request.by;
        match fate {
            Fate::Taken => {}
            Fate::Lost if !is_awaited => {}
            Fate::Lost | Fate::TakenInSilence => budget.silences -= 1,
            Fate::Refused => budget.refusals -= 1,
            Fate::PutOff => budget.put_offs -= 1,
        }
        let was_delivered = state.provider.is_delivered(request.message, request.part);
        let (answer, judged) = state.provider.handles(request, fate, state.now, &self.world);
        state.broken = state.broken.or(judged.err());
        let is_delivered = state.provider.is_delivered(request.message, request.part);
        if !was_delivered && is_delivered && Provider::is_too_late(request, self.logs.facts(state.log)) {
            state.broken = state.broken.or(Some(MONEY));
        }
        let of = |call: &&mut super::owner::Call| {
            (call.claim, call.message, call.attempt) == (request.claim, request.message, request.attempt)
        };
        if let Some(call) = owner.calls.iter_mut().find(of).filter(|_| is_awaited) {
            call.stage = Stage::Answered(answer);
        }
    }

    /// Brings a state into one form: what can never be stored and is awaited by nobody is gone.
    fn tidy(&self, state: &mut State) {
        let (newest, _) = self.logs.facts(state.log).claims;
        let State { owners, wire, provider, now, .. } = state;
        let lives = |by: Who| owners[usize::from(by.owner)].who == by;
        wire.retain(|copy| lives(copy.by) || copy.guard.is_some_and(|guard| guard >= newest));
        wire.sort_unstable_by_key(|copy| (copy.by, copy.entry));
        provider.tidy(*now);
    }
}

impl Model for Dispatch {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.with(|machine| {
            let (provider, budget) = (Provider::default(), self.world.budget);
            let owners = [Owner::new(0), Owner::new(1)];
            let mut state = State { log: 0, now: 1, owners, wire: Vec::new(), provider, budget, broken: None };
            let first = (0..).zip(self.world.orders).take(self.world.orders.len() - self.world.later);
            let accepted = first.map(|(message, order)| entries::accepted(message, *order));
            for record in entries::payment(self.world.orders).into_iter().chain(accepted) {
                machine.append(&mut state, record);
            }
            machine.claims(&mut state, 0);
            vec![state]
        })
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.with(|machine| {
            if state.broken.is_some() {
                return;
            }
            machine.of_the_outside(state, actions);
            machine.time(state, actions);
            machine.of_the_broker(state, actions);
            machine.of_the_provider(state, actions);
            for at in 0..state.owners.len() {
                machine.of_owner(state, at, actions);
            }
        });
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        self.with(|machine| {
            let mut state = last.clone();
            machine.act(&mut state, &action);
            let facts = machine.logs.facts(state.log);
            let judged = state.provider.judge(facts).err();
            state.broken = state.broken.or(facts.broken).or(judged);
            machine.tidy(&mut state);
            (state != *last).then_some(state)
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(DP_1, |_, state: &State| state.broken != Some(DP_1)),
            Property::always(DP_2, |_, state: &State| state.broken != Some(DP_2)),
            Property::always(DP_3, |_, state: &State| state.broken != Some(DP_3)),
            Property::always(DP_4, |_, state: &State| state.broken != Some(DP_4)),
            Property::always(ENDS, |_, state: &State| state.broken != Some(ENDS)),
            Property::always(CANCEL, |_, state: &State| state.broken != Some(CANCEL)),
            Property::always(MONEY, |_, state: &State| state.broken != Some(MONEY)),
            Property::always(AGREES, |_, state: &State| state.broken != Some(AGREES)),
            Property::always(LOST, |model: &Self, state: &State| !model.is_lost(state)),
        ]
    }
}
