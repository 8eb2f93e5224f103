//! Explores every history of the append protocol in a small world: two writers over one wallet, a ledger that fences and
//! returns, a network that loses, delays and reorders.
//!
//! Shape: explicit states, breadth first, each seen once. A [`State`] is a log, two lanes, and what is on the wire. The
//! lanes are driven by the real [`Settlement`](crate::log::settle::Settlement); batches are laid out by the real packer
//! and hold real events; the broker stores a batch whole when the guards that its records carry hold.
//!
//! The network holds each copy of a batch until the broker takes it up, at any later time, in any order, or never. An
//! answer may be lost. A broker may refuse a batch for no reason. The ledger's projection may lag: it acts on any prefix.
//!
//! Checked in every state: WA-1, WA-2, WA-4, LG-2, and IN-1 as: what was answered as stored is in the log exactly once;
//! a group that was answered as not stored is not there and never will be.
//!
//! Not here: refunds and claims, which use guards that this world has, too.

mod forms;
mod lane;
mod log;

use std::collections::{HashSet, VecDeque};

use smallvec::SmallVec;

use self::forms::{FormId, Forms, LANES, Plan, WALLET, WalletMove};
use self::lane::Lane;
use self::log::{LogId, Logs, WRITERS};
use crate::subject::Subject;

/// The invariant that does not hold.
pub(super) type Broken = &'static str;

/// The protocol's rules, each of which can be left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// A seal is guarded by the writer's record before.
    pub(super) seal_guard: bool,
    /// A wallet entry is guarded by the wallet's head.
    pub(super) wallet_guard: bool,
    /// A draw and what it pays for stand or fall together. Without: the draw falls, the rest is retried.
    pub(super) groups_stand_together: bool,
    /// The ledger fences a writer before it returns what that one left.
    pub(super) fence: bool,
    /// The return is computed from a projection that has passed the fence.
    pub(super) return_after_fence: bool,
    /// A batch is settled by the first record after one's own previous one. Without: by the last on the subject.
    pub(super) first_record: bool,
    /// An error after a second transmission decides nothing.
    pub(super) late_errors_decide_nothing: bool,
    /// A second transmission sends the same bytes. Without: the batch is built anew, with whatever waits by then.
    pub(super) frozen_bytes: bool,
    /// The digest tells which bytes a seal belongs to. Without: any seal of the right number is taken for the newest.
    pub(super) digest_check: bool,
}

impl Rules {
    pub(super) const ALL: Self = Self {
        seal_guard: true,
        wallet_guard: true,
        groups_stand_together: true,
        fence: true,
        return_after_fence: true,
        first_record: true,
        late_errors_decide_nothing: true,
        frozen_bytes: true,
        digest_check: true,
    };
}

impl Rules {
    /// Whether the broker looks at guards on this subject.
    fn is_in_force(&self, subject: Subject) -> bool {
        if subject == WALLET { self.wallet_guard } else { self.seal_guard }
    }
}

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    /// Credits in the wallet.
    pub(super) grant: u8,
    /// Requests, as bits, that wait at each lane; each costs one credit.
    pub(super) requests: [u8; LANES],
    /// How many credits a lane may draw beyond its need.
    pub(super) over: u8,
    pub(super) budget: Budget,
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) crashes: u8,
    /// Writers that the ledger takes for dead.
    pub(super) fences: u8,
    /// Refusals without a reason.
    pub(super) refusals: u8,
    /// Writers opened after a fence.
    pub(super) reopenings: u8,
}

/// A batch on its way to the broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct OnTheWire {
    form: FormId,
    /// The transmission whose answer is awaited; 0 when nobody waits.
    transmission: u8,
    /// Whether a group in it was answered as not stored.
    disowned: bool,
}

#[derive(Clone, Debug)]
struct State {
    log: LogId,
    lanes: [Lane; LANES],
    wire: SmallVec<[OnTheWire; 4]>,
    /// Requests that were answered as stored.
    answered: u8,
    budget: Budget,
    /// What a lane did wrong, beside what the log shows. Exploration ends there.
    broken: Option<Broken>,
}

/// A state as bytes: hashed at once, which is several times as fast as field by field.
type Key = Box<[u8]>;

impl State {
    fn key(&self) -> Key {
        let Self { log, lanes, wire, answered, budget, broken } = self;
        let Budget { crashes, fences, refusals, reopenings } = *budget;
        let mut key = Vec::with_capacity(64);
        key.extend(log.to_le_bytes());
        key.extend([*answered, crashes, fences, refusals, reopenings, u8::from(broken.is_some())]);
        for lane in lanes {
            lane.add_to(&mut key);
        }
        for OnTheWire { form, transmission, disowned } in wire {
            key.extend(form.to_le_bytes());
            key.extend([*transmission, u8::from(*disowned)]);
        }
        key.into()
    }
}

/// One step of a history, for the story of a violation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Start,
    Sends { lane: usize, form: FormId },
    TimesOut { lane: usize },
    ReadsFirstRecord { lane: usize },
    ReadsLostGuards { lane: usize },
    ReadsWallet { lane: usize },
    Crashes { lane: usize },
    Stores { form: FormId },
    Refuses { form: FormId },
    RefusesWithoutReason { form: FormId },
    LedgerFences { writer: u8 },
    LedgerSends { form: FormId },
}

/// What came of an exploration.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) states: usize,
    pub(super) exhausted: bool,
    pub(super) broken: Option<(Broken, Vec<String>)>,
    pub(super) seen: Coverage,
}

/// What happened at least once: an exploration in which it did not would prove little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) stored_by_answer: u64,
    pub(super) stored_by_reading: u64,
    pub(super) guard_lost: u64,
    pub(super) refused_without_reason: u64,
    pub(super) fenced_by_ledger: u64,
    pub(super) fenced_by_itself: u64,
    pub(super) late_copies_stored: u64,
    pub(super) ledger_returns_stored: u64,
}

/// Explores until everything was seen, something is broken, or `states_max` were seen.
pub(super) fn explore(rules: Rules, world: World, states_max: usize) -> Report {
    Explorer::new(rules, world).run(states_max)
}

struct Explorer {
    rules: Rules,
    world: World,
    forms: Forms,
    logs: Logs,
    seen: Coverage,
    next: Vec<(Action, State)>,
}

impl Explorer {
    fn new(rules: Rules, world: World) -> Self {
        Self {
            rules,
            world,
            forms: Forms::new(world.grant),
            logs: Logs::new(),
            seen: Coverage::default(),
            next: Vec::new(),
        }
    }

    fn start(&mut self) -> State {
        let grant = self.forms.build(Plan::Grant(self.world.grant));
        let mut log = self.logs.append(0, grant, &self.forms);
        let lanes = std::array::from_fn(|lane| {
            let writer = lane as u8 * (WRITERS / LANES) as u8;
            let opened = self.forms.build(Plan::Open(writer));
            log = self.logs.append(log, opened, &self.forms);
            let at = self.logs.facts(log).last as u8;
            Lane::open(writer, at, opened, self.world.requests[lane], self.logs.facts(log))
        });
        State { log, lanes, wire: SmallVec::new(), answered: 0, budget: self.world.budget, broken: None }
    }

    fn run(mut self, states_max: usize) -> Report {
        let start = self.start();
        let mut known = HashSet::from([start.key()]);
        let mut waiting = VecDeque::from([start]);
        // How each state was reached, in the order in which they were found: from which other, by what.
        let mut reached = vec![(0, Action::Start)];
        let mut at = 0;
        while let Some(state) = waiting.pop_front().filter(|_| reached.len() < states_max) {
            self.successors(&state);
            for (action, mut state) in std::mem::take(&mut self.next) {
                self.tidy(&mut state);
                if !known.insert(state.key()) {
                    continue;
                }
                reached.push((at, action));
                if let Some(what) = self.check(&state) {
                    let broken = Some((what, self.story(&reached)));
                    return Report { states: reached.len(), exhausted: false, broken, seen: self.seen };
                }
                waiting.push_back(state);
            }
            at += 1;
        }
        Report { states: reached.len(), exhausted: at == reached.len(), broken: None, seen: self.seen }
    }

    fn check(&self, state: &State) -> Option<Broken> {
        let facts = self.logs.facts(state.log);
        let stored = |request: u8| facts.accepted[usize::from(request)];
        if forms::bits(state.answered).any(|request| stored(request) != 1) {
            return Some("IN-1 a request was answered as stored that is not");
        }
        // Between batches a lane hands in again what it took for not stored.
        let again = state.lanes.iter().filter(|lane| lane.is_idle()).flat_map(|lane| forms::bits(lane.pending));
        if again.into_iter().any(|request| stored(request) != 0) {
            return Some("IN-1 a request was answered as not stored that is");
        }
        facts.broken.or(state.broken)
    }

    fn successors(&mut self, state: &State) {
        for lane in 0..LANES {
            self.lane_acts(state, lane);
        }
        for at in 0..state.wire.len() {
            self.broker_takes(state, at);
        }
        self.ledger_acts(state);
    }

    /// The broker takes up one copy. An answer that is lost needs no step of its own: the writer times out first, and the
    /// copy is taken up then, when nobody waits.
    fn broker_takes(&mut self, state: &State, at: usize) {
        let copy = state.wire[at];
        let mut taken = state.clone();
        taken.wire.remove(at);
        let waits = state.lanes.iter().position(|lane| lane.awaits(copy.form, copy.transmission));
        if self.logs.admits(state.log, copy.form, &self.forms, self.rules) {
            taken.log = self.logs.append(state.log, copy.form, &self.forms);
            if copy.disowned {
                taken.broken = Some("IN-1 a group was answered as not stored and was stored later");
            }
            match (waits, self.forms.plan(copy.form)) {
                (Some(lane), _) => self.acknowledged(&mut taken, lane, copy.form),
                (None, Plan::LedgerReturns { .. }) => self.seen.ledger_returns_stored += 1,
                (None, _) => self.seen.late_copies_stored += 1,
            }
            self.next.push((Action::Stores { form: copy.form }, taken));
        } else if let Some(lane) = waits {
            self.refused(&mut taken, lane);
            self.next.push((Action::Refuses { form: copy.form }, taken));
        }
    }

    /// The ledger fences a writer that it takes for dead, and sends returns of what a dead one left.
    fn ledger_acts(&mut self, state: &State) {
        for writer in 0..WRITERS as u8 {
            let facts = self.logs.facts(state.log);
            let fenced = facts.fenced[usize::from(writer)];
            if self.rules.fence && facts.opened[usize::from(writer)] && !fenced && state.budget.fences > 0 {
                let mut fenced = state.clone();
                fenced.budget.fences -= 1;
                let fence = self.forms.build(Plan::Fence(writer));
                fenced.log = self.logs.append(state.log, fence, &self.forms);
                self.next.push((Action::LedgerFences { writer }, fenced));
            }
            self.ledger_returns(state, writer);
        }
    }

    /// The ledger acts on a projection: any prefix whose wallet head still is the head.
    fn ledger_returns(&mut self, state: &State, writer: u8) {
        let dead = |facts: &log::Facts| facts.fenced[usize::from(writer)];
        let now_dead = dead(self.logs.facts(state.log));
        let mut projected = state.log;
        while projected != 0 {
            let facts = self.logs.facts(projected);
            if self.rules.wallet_guard && facts.wallet_head != self.logs.facts(state.log).wallet_head {
                return;
            }
            let may = match (self.rules.fence, self.rules.return_after_fence) {
                (false, _) => true,
                (true, false) => now_dead,
                (true, true) => dead(facts),
            };
            let rest = facts.rest(writer) as u8;
            if may && rest > 0 {
                let (drawn, returned) = (facts.totals.drawn.0 as u8, facts.totals.returned.0 as u8 + rest);
                let back = WalletMove { credits: rest, head: facts.wallet_head as u8, drawn, returned };
                let parent = facts.parent;
                let form = self.forms.build(Plan::LedgerReturns { writer, back });
                let mut sent = state.clone();
                sent.wire.push(OnTheWire { form, transmission: 0, disowned: false });
                self.next.push((Action::LedgerSends { form }, sent));
                projected = parent;
            } else {
                projected = facts.parent;
            }
        }
    }

    /// Brings a state into one form: copies nobody waits for are alike, and those that can never be stored are gone.
    fn tidy(&self, state: &mut State) {
        let facts = self.logs.facts(state.log);
        for lane in state.lanes.iter_mut().filter(|lane| !lane.alive) {
            *lane = Lane::dead(lane.writer);
        }
        let lanes = &state.lanes;
        state.wire.retain(|copy| {
            if lanes.iter().any(|lane| lane.awaits(copy.form, copy.transmission)) {
                return true;
            }
            copy.transmission = 0;
            match self.forms.plan(copy.form) {
                Plan::Fence(writer) => !facts.fenced[usize::from(writer)],
                // A sequence that has passed never comes back, so a guard that is lost is lost for ever.
                _ => {
                    self.forms.guards(copy.form).iter().all(|(subject, expected)| {
                        !self.rules.is_in_force(*subject) || facts.head(*subject) <= *expected
                    })
                }
            }
        });
        state.wire.sort_unstable();
        state.wire.dedup_by(|a, b| a == b && a.transmission == 0);
    }

    /// How the last of the found states came about.
    fn story(&self, reached: &[(usize, Action)]) -> Vec<String> {
        let mut story = Vec::new();
        let mut at = reached.len() - 1;
        while at != 0 {
            let (before, action) = reached[at];
            story.push(self.tell(action));
            at = before;
        }
        story.reverse();
        story
    }

    fn tell(&self, action: Action) -> String {
        match action {
            Action::Sends { form, .. } | Action::LedgerSends { form } => {
                format!("{action:?}: {:?}", self.forms.plan(form))
            }
            _ => format!("{action:?}"),
        }
    }
}
