//! A simulated world: one partition's log, two owners, a provider, callers, and time that jumps from step to step.
//!
//! Shape: `World::new(scenario, rule to leave out).run()` gives what happened, or the first property that broke.
//! Everything that takes time is a step on the agenda, so anything can happen between any two steps: a crash after a
//! write was handed in and before it is stored, stored and not learnt, called and not ended, or during catching up.

use std::collections::BTreeMap;

use angelia_shared::event::Event;
use angelia_shared::units::UnixMillis;

use super::book::{Book, ClaimHead, Fact, Who};
use super::check::{Check, Summary};
use super::owner::{Own, Owner, Pending};
use super::provider::Provider;
use super::scenario::{Dice, Rule, Scenario};
use crate::domain::account::{Hold, Settings};
use crate::domain::limits::Limits;

const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);
/// Troubles come within so many steps that move the log, an owner or a call.
const TROUBLED_STEPS: u64 = 150;
/// What is not over after this is lost.
const GIVE_UP_MS: u64 = 12 * 3_600_000;
/// Runs have some hundred steps; a longer one goes round in circles.
const STEPS_MAX: u64 = 50_000;
pub(super) const OWNERS: usize = 2;

/// What a message is to become, in the eyes of whoever prepares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Caption,
    TextThenFile,
    TextThenRefusedFile,
    RefusedWhole,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) account: usize,
    pub(super) shape: Shape,
    pub(super) expires_after_s: u32,
}

impl Message {
    pub(super) fn price(self) -> u64 {
        match self.shape {
            Shape::Text | Shape::RefusedWhole => 1,
            Shape::Caption | Shape::TextThenFile | Shape::TextThenRefusedFile => 2,
        }
    }
}

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Append(Vec<Fact>),
    Settings {
        account: usize,
        settings: Settings,
    },
    Restart {
        owner: usize,
    },
    /// A step of a process; it does not happen when that process has died, and waits while it is paused.
    Own {
        who: Who,
        own: Own,
    },
    /// An owner's event reaches the log.
    Land(Box<Pending>),
    /// A claim or a release reaches the log, guarded by the newest one that its writer knew.
    LandClaim {
        who: Who,
        expected: u64,
        release: bool,
    },
    /// The provider works on a request.
    Handle {
        call: usize,
    },
    /// The deadline of an unknown part.
    Settle {
        message: usize,
        part: u8,
    },
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Crash,
    Pause,
    Rival,
    Release,
    Change,
}

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) without: &'static [Rule],
    pub(super) dice: Dice,
    pub(super) now: UnixMillis,
    agenda: BTreeMap<(UnixMillis, u64), Step>,
    tie: u64,
    moved: u64,
    troubles: Vec<(u64, Trouble)>,
    pub(super) book: Book,
    pub(super) owners: Vec<Owner>,
    pub(super) provider: Provider,
    pub(super) settings: Vec<Settings>,
    pub(super) messages: Vec<Message>,
    pub(super) check: Check,
    broken: Option<String>,
    trace: Option<Vec<String>>,
}

impl World {
    /// A world in which owners do not keep the rules of `without`. Such a world is not asked whether what owners write
    /// down for each other is right, but what comes of it.
    pub(super) fn new(scenario: Scenario, without: &'static [Rule]) -> Self {
        let linked = |account: usize| scenario.linked >> account & 1 == 1;
        let settings: Vec<_> = (0..scenario.accounts)
            .map(|account| Settings {
                gap_ms: (1_500, 2_500),
                limits: Limits::default(),
                hold: None,
                idempotent: linked(account),
            })
            .collect();
        let mut world = Self {
            scenario,
            without,
            dice: Dice(scenario.seed),
            now: BEGIN,
            agenda: BTreeMap::new(),
            tie: 0,
            moved: 0,
            troubles: vec![],
            book: Book::new(),
            owners: (0..OWNERS).map(|_| Owner::new()).collect(),
            provider: Provider::default(),
            check: Check::new((0..scenario.accounts).map(linked).collect(), without.is_empty()),
            settings,
            messages: vec![],
            broken: None,
            trace: None,
        };
        world.plan_messages();
        world.plan_troubles();
        for owner in 0..OWNERS {
            let who = Who { owner, life: 0 };
            let ms = world.dice.below(1_000);
            world.after(ms, Step::Own { who, own: Own::Look });
        }
        world
    }

    /// Keeps what happens in words, for a person who looks into a broken run.
    pub(super) fn traced(mut self) -> Self {
        self.trace = Some(vec![]);
        self
    }

    pub(super) fn keeps(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }

    pub(super) fn after(&mut self, ms: u64, step: Step) {
        self.at(self.now.plus_ms(ms), step);
    }

    fn at(&mut self, at: UnixMillis, step: Step) {
        self.tie += 1;
        self.agenda.insert((at, self.tie), step);
    }

    fn plan_messages(&mut self) {
        let shapes =
            [Shape::Text, Shape::Caption, Shape::TextThenFile, Shape::TextThenRefusedFile, Shape::RefusedWhole];
        for _ in 0..self.scenario.messages {
            let account = self.dice.below(self.scenario.accounts as u64) as usize;
            let shape = if self.dice.chance(50) { Shape::Text } else { shapes[self.dice.below(5) as usize] };
            let expires_after_s = [3, 15, 86_400, 86_400][self.dice.below(4) as usize];
            self.messages.push(Message { account, shape, expires_after_s });
        }
        let (mut next, mut at) = (0, 0);
        while next < self.messages.len() {
            let count = self.dice.between(1, 4).min((self.messages.len() - next) as u64) as usize;
            let facts = (next..next + count).map(|message| Fact::Accepted { message }).collect();
            self.after(at, Step::Append(facts));
            next += count;
            at += self.dice.below(6_000);
        }
        for _ in 0..self.scenario.cancels {
            let message = self.dice.below(self.messages.len() as u64) as usize;
            let mut facts = vec![Fact::CancelRequested { message }];
            if self.dice.chance(30) {
                facts.push(Fact::CancelRequested { message: self.dice.below(self.messages.len() as u64) as usize });
            }
            let ms = self.dice.below(25_000);
            self.after(ms, Step::Append(facts));
        }
    }

    fn plan_troubles(&mut self) {
        let Scenario { crashes, pauses, rivals, releases, changes, .. } = self.scenario;
        let counts = [
            (Trouble::Crash, crashes),
            (Trouble::Pause, pauses),
            (Trouble::Rival, rivals),
            (Trouble::Release, releases),
            (Trouble::Change, changes),
        ];
        for (trouble, count) in counts {
            for _ in 0..count {
                self.troubles.push((self.dice.below(TROUBLED_STEPS), trouble));
            }
        }
        self.troubles.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    }

    /// Runs until everything is over.
    ///
    /// # Errors
    /// The first property that broke.
    pub(super) fn run(mut self) -> Result<Summary, String> {
        let result = self.run_steps();
        if let (Err(_), Some(trace)) = (&result, &self.trace) {
            println!("{}", trace.join("\n"));
        }
        result
    }

    fn run_steps(&mut self) -> Result<Summary, String> {
        let mut steps = 0;
        while let Some(((at, _), step)) = self.agenda.pop_first() {
            self.now = at;
            steps += 1;
            if self.passed_ms() > GIVE_UP_MS || steps > STEPS_MAX {
                break;
            }
            self.step(step);
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
        }
        self.check.finish(&self.messages, &self.provider.journal)
    }

    fn step(&mut self, step: Step) {
        if let Step::Own { who, own } = step {
            return self.own_step(who, own);
        }
        self.say(|| format!("{step:?}"));
        match step {
            Step::Own { .. } => unreachable!("it was handled above"),
            Step::Append(facts) => self.append_from_outside(facts),
            Step::Settings { account, settings } => {
                self.settings[account] = settings;
                self.tell_owners(account);
            }
            Step::Restart { owner } => self.restart(owner),
            Step::Land(pending) => {
                self.land(*pending);
                self.moved();
            }
            Step::LandClaim { who, expected, release } => {
                self.land_claim(who, expected, release);
                self.moved();
            }
            Step::Handle { call } => {
                self.handle(call);
                self.moved();
            }
            Step::Settle { message, part } => {
                if !self.check.is_reported(message, part) {
                    self.append(vec![Fact::Settled { message, part }]);
                }
            }
        }
    }

    fn own_step(&mut self, who: Who, own: Own) {
        let owner = &self.owners[who.owner];
        if !owner.up || owner.life != who.life {
            return;
        }
        if self.now < owner.paused_until {
            let until = owner.paused_until;
            return self.at(until, Step::Own { who, own });
        }
        let moves = !matches!(own, Own::Look | Own::Wake);
        if moves {
            self.say(|| format!("{who:?} {own:?}"));
        }
        self.own(who, own);
        if moves {
            self.moved();
        }
    }

    /// Something has moved: it may be time for trouble.
    fn moved(&mut self) {
        self.moved += 1;
        while let Some((_, trouble)) = self.troubles.pop_if(|(step, _)| *step < self.moved) {
            let busy = (0..OWNERS).find(|owner| self.owners[*owner].is_busy());
            self.say(|| format!("trouble: {trouble:?} of {busy:?}"));
            match (trouble, busy) {
                (Trouble::Crash, Some(owner)) => self.crash(owner),
                (Trouble::Pause, Some(owner)) => {
                    let ms = self.dice.between(300, 30_000);
                    self.owners[owner].paused_until = self.now.plus_ms(ms);
                }
                (Trouble::Rival, _) => {
                    let owner = self.dice.below(OWNERS as u64) as usize;
                    self.claim(owner);
                }
                (Trouble::Release, Some(owner)) => self.begin_release(owner),
                (Trouble::Change, _) => self.change_an_account(),
                (Trouble::Crash | Trouble::Pause | Trouble::Release, None) => {}
            }
        }
    }

    /// Kills a process. What it had handed in may still reach the log, and its request the provider.
    fn crash(&mut self, owner: usize) {
        let life = self.owners[owner].life;
        let mut dice = self.dice.clone();
        self.agenda.retain(|_, step| match step {
            Step::Land(pending) if pending.who == (Who { owner, life }) => dice.chance(50),
            Step::Handle { call } if self.provider.journal[*call].who == (Who { owner, life }) => dice.chance(80),
            _ => true,
        });
        self.dice = dice;
        self.owners[owner].die();
        let ms = if self.dice.chance(50) { self.dice.between(1, 40) } else { self.dice.between(40, 3_000) };
        self.after(ms, Step::Restart { owner });
    }

    fn change_an_account(&mut self) {
        let account = self.dice.below(self.scenario.accounts as u64) as usize;
        let mut settings = self.settings[account].clone();
        settings.hold = None;
        if self.dice.chance(60) {
            let held = Settings {
                hold: Some(Hold { reason: "disconnected", since: self.now, until: None }),
                ..settings.clone()
            };
            self.after(0, Step::Settings { account, settings: held });
        } else {
            let ranges = [(1_500, 1_500), (4_000, 9_000), (500, 700), (1_500, 2_500)];
            settings.gap_ms = ranges[self.dice.below(4) as usize];
        }
        let ms = self.dice.below(30_000);
        self.after(ms, Step::Settings { account, settings });
    }

    fn append_from_outside(&mut self, mut facts: Vec<Fact>) {
        // Nobody can cancel what was not accepted.
        facts.retain(|fact| match fact {
            Fact::CancelRequested { message } => self.check.is_accepted(*message),
            _ => true,
        });
        if !facts.is_empty() {
            self.append(facts);
        }
    }

    /// Appends a record and checks every property that a log can show.
    pub(super) fn append(&mut self, facts: Vec<Fact>) -> u64 {
        let between = self.dice.below(3);
        let record = self.book.append(self.now, between, facts).clone();
        self.say(|| format!("  stored {}", record.seq));
        for fact in &record.facts {
            if let Fact::Attempt { event, .. } = fact
                && let Event::AttemptEnded(ended) = &**event
                && matches!(ended.outcome, angelia_shared::event::attempt::AttemptOutcome::Unknown { .. })
            {
                let ms = self.dice.between(60_000, 180_000);
                let message = super::book::message_index(ended.message);
                self.after(ms, Step::Settle { message, part: ended.part });
            }
        }
        if let Err(broken) = self.check.stored(&record, &self.messages) {
            self.broken.get_or_insert(broken);
        }
        for owner in 0..OWNERS {
            self.read_soon(owner);
        }
        record.seq
    }

    pub(super) fn passed_ms(&self) -> u64 {
        self.now.ms_since(BEGIN)
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        self.check.is_over(self.messages.len())
    }

    /// Whether the newest claim is of a process that lives.
    pub(super) fn is_owned(&self) -> bool {
        match self.book.head {
            ClaimHead::Claimed { seq, who } => self.owners[who.owner].holds(who.life, seq, self.now),
            ClaimHead::None | ClaimHead::Released { .. } => false,
        }
    }

    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let passed = self.now.ms_since(BEGIN);
            trace.push(format!("{passed:>9} {}", what()));
        }
    }
}
