//! A few lanes, a wallet's subject with guards, a ledger that settles what is dead, and whoever else grants. Every step is
//! one that the real ones can make, in any order; what is on its way may arrive at any time or, a recall, never.

use std::ops::Range;

use proptest::prelude::*;

use super::*;

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// An order comes to a lane.
    Arrive { lane: usize, price: u64 },
    /// A lane plans a round and commits it.
    Round { lane: usize, fate: Fate },
    /// A wallet's state arrives that was read: as it was when the reading began, or as it is now.
    Read { lane: usize, fate: ReadFate },
    /// The ledger's answer arrives, from some position at or after the question.
    Told { lane: usize, at: usize, fails: bool },
    /// A lane hears the recall of another.
    Hear { asker: usize, lane: usize },
    /// A recall ends, and the wallet was read.
    Recalled { lane: usize },
    /// Somebody puts credits in.
    Grant { credits: u64 },
    /// Time passes, and every lane notices.
    Pass { ms: u64 },
    /// A lane dies and comes back as another.
    Crash { lane: usize },
    /// Somebody fences a lane's writer, which it learns at its next commit.
    Fence { lane: usize },
    /// The ledger gives back what a dead writer had drawn and not spent.
    Settle,
}

/// What becomes of a batch, beside what its guards say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stored,
    /// The broker was away: nothing was transmitted.
    Unavailable,
    /// It stayed undecided, so that the lane fenced itself: never stored.
    Ambiguous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadFate {
    Fresh,
    Stale,
    Failed,
}

pub(super) fn acts(many: Range<usize>) -> impl Strategy<Value = Vec<Act>> {
    let lane = 0..3_usize;
    let fate = prop_oneof![60 => Just(Fate::Stored), 1 => Just(Fate::Unavailable), 1 => Just(Fate::Ambiguous)];
    let read = prop_oneof![8 => Just(ReadFate::Fresh), 2 => Just(ReadFate::Stale), 1 => Just(ReadFate::Failed)];
    let rare = prop_oneof![
        lane.clone().prop_map(|lane| Act::Crash { lane }),
        lane.clone().prop_map(|lane| Act::Fence { lane }),
        Just(Act::Settle),
    ];
    let act = prop_oneof![
        10 => (lane.clone(), 1..4_u64).prop_map(|(lane, price)| Act::Arrive { lane, price }),
        16 => (lane.clone(), fate).prop_map(|(lane, fate)| Act::Round { lane, fate }),
        8 => (lane.clone(), read).prop_map(|(lane, fate)| Act::Read { lane, fate }),
        8 => (lane.clone(), 0..4_usize, prop::bool::weighted(0.1))
            .prop_map(|(lane, at, fails)| Act::Told { lane, at, fails }),
        4 => (lane.clone(), lane.clone()).prop_map(|(asker, lane)| Act::Hear { asker, lane }),
        3 => lane.prop_map(|lane| Act::Recalled { lane }),
        1 => (1..6_u64).prop_map(|credits| Act::Grant { credits }),
        2 => (1..2_500_u64).prop_map(|ms| Act::Pass { ms }),
        1 => rare,
    ];
    proptest::collection::vec(act, many)
}

/// What worlds did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    paid: usize,
    paid_without_a_draw: usize,
    too_dear: usize,
    put_off: usize,
    guards_lost: usize,
    returns: usize,
    settled: usize,
    never_stored: usize,
}

impl Seen {
    pub(super) fn add(&mut self, more: &Self) {
        self.paid += more.paid;
        self.paid_without_a_draw += more.paid_without_a_draw;
        self.too_dear += more.too_dear;
        self.put_off += more.put_off;
        self.guards_lost += more.guards_lost;
        self.returns += more.returns;
        self.settled += more.settled;
        self.never_stored += more.never_stored;
    }

    #[track_caller]
    pub(super) fn assert_everything(&self) {
        let Self { paid, paid_without_a_draw, too_dear, put_off, guards_lost, returns, settled, never_stored } = *self;
        let all = [paid, paid_without_a_draw, too_dear, put_off, guards_lost, returns, settled, never_stored];
        assert!(all.iter().all(|times| *times > 2), "{self:?}");
    }
}

#[derive(Clone, Debug)]
struct Order {
    asked: Asked,
    /// The least that the workspace had since it came.
    least: u64,
}

/// What one writer did, as the log has it.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    drawn: u64,
    accepted: u64,
    returned: u64,
    is_fenced: bool,
}

#[derive(Clone, Debug)]
struct Lane {
    purse: Purse,
    /// Its writer's place among all.
    writer: usize,
    arrived: u64,
    orders: Vec<Order>,
    /// A reading under way: what it covers, and the wallet when it began.
    reading: Option<(u64, Wallet)>,
    /// A question under way: what it covers, and how many balances the log had when it was asked.
    question: Option<(Question, u64, usize)>,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    lanes: Vec<Lane>,
    wallet: Wallet,
    totals: Totals,
    sequence: u64,
    writers: Vec<Written>,
    /// What the workspace had, at every change.
    balances: Vec<u64>,
    now: Moment,
    pub(super) seen: Seen,
}

enum Group {
    Spend(Spend, Vec<Order>),
    Return(Return),
}

impl World {
    pub(super) fn new(lanes: usize, granted: u64) -> Self {
        let lane = |writer| Lane {
            purse: Purse::default(),
            writer,
            arrived: 0,
            orders: Vec::new(),
            reading: None,
            question: None,
        };
        let mut world = Self {
            lanes: (0..lanes).map(lane).collect(),
            wallet: Wallet::NEW,
            totals: Totals::default(),
            sequence: 0,
            writers: vec![Written::default(); lanes],
            balances: vec![0],
            now: START,
            seen: Seen::default(),
        };
        world.grant(granted);
        world
    }

    fn balance(&self) -> u64 {
        let accepted: u64 = self.writers.iter().map(|written| written.accepted).sum();
        self.totals.granted.0 - accepted
    }

    /// Stores one record on the wallet, with the totals that it tells.
    fn wallet_moves(&mut self, totals: Totals) {
        self.sequence += 1;
        self.totals = totals;
        self.wallet = Wallet::at(self.sequence, totals).expect("WA-1");
    }

    fn balance_moved(&mut self) {
        let balance = self.balance();
        self.balances.push(balance);
        for order in self.lanes.iter_mut().flat_map(|lane| &mut lane.orders) {
            order.least = order.least.min(balance);
        }
    }

    fn grant(&mut self, credits: u64) {
        let totals = self.totals.granting(Credits(credits)).unwrap();
        self.wallet_moves(totals);
        self.balance_moved();
    }

    pub(super) fn act(&mut self, act: &Act) {
        let count = self.lanes.len();
        match *act {
            Act::Arrive { lane, price } => self.arrive(lane % count, price),
            Act::Round { lane, fate } => self.round(lane % count, fate),
            Act::Read { lane, fate } => self.finish_read(lane % count, fate),
            Act::Told { lane, at, fails } => self.finish_question(lane % count, at, fails),
            Act::Hear { asker, lane } => self.hear(asker % count, lane % count),
            Act::Recalled { lane } => self.finish_recall(lane % count),
            Act::Grant { credits } => self.grant(credits),
            Act::Pass { ms } => self.pass(ms),
            Act::Crash { lane } => self.crash(lane % count),
            Act::Fence { lane } => self.writers[self.lanes[lane % count].writer].is_fenced = true,
            Act::Settle => self.settle(),
        }
    }

    fn arrive(&mut self, lane: usize, price: u64) {
        let least = self.balance();
        let lane = &mut self.lanes[lane];
        lane.arrived += 1;
        lane.orders.push(Order { asked: Asked { price: Credits(price), arrival: lane.arrived }, least });
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        for lane in &mut self.lanes {
            lane.purse.tick(self.now);
        }
    }

    fn start_reading(&mut self, lane: usize) {
        let wallet = self.wallet;
        let lane = &mut self.lanes[lane];
        assert!(lane.reading.is_none(), "one at a time");
        lane.reading = Some((lane.arrived, wallet));
    }

    fn finish_read(&mut self, lane: usize, fate: ReadFate) {
        let now = self.wallet;
        let lane = &mut self.lanes[lane];
        let Some((covers, then)) = lane.reading.take() else { return };
        match fate {
            ReadFate::Fresh => lane.purse.read(now, covers),
            ReadFate::Stale => lane.purse.read(then, covers),
            ReadFate::Failed => lane.purse.not_read(),
        }
    }

    fn finish_question(&mut self, lane: usize, at: usize, fails: bool) {
        let balances = &self.balances;
        let lane = &mut self.lanes[lane];
        let Some((Question::Balance { .. }, covers, began)) = lane.question else { return };
        lane.question = None;
        if fails {
            return lane.purse.not_told();
        }
        let at = (began - 1 + at).min(balances.len() - 1);
        lane.purse.told(Credits(balances[at]), covers);
    }

    fn hear(&mut self, asker: usize, lane: usize) {
        if asker != lane && matches!(self.lanes[asker].question, Some((Question::Recall { .. }, ..))) {
            self.lanes[lane].purse.recall();
        }
    }

    fn finish_recall(&mut self, lane: usize) {
        let wallet = self.wallet;
        let lane = &mut self.lanes[lane];
        let Some((Question::Recall { .. }, covers, _)) = lane.question else { return };
        lane.question = None;
        lane.purse.recalled(wallet, covers);
    }

    fn crash(&mut self, lane: usize) {
        self.writers[self.lanes[lane].writer].is_fenced = true;
        self.lanes[lane].orders.clear();
        self.lanes[lane].reading = None;
        self.lanes[lane].question = None;
        self.lanes[lane].purse = Purse::default();
        self.open(lane);
    }

    fn open(&mut self, lane: usize) {
        self.writers.push(Written::default());
        self.lanes[lane].writer = self.writers.len() - 1;
    }

    fn settle(&mut self) {
        for writer in 0..self.writers.len() {
            let written = self.writers[writer];
            let rest = written.drawn - written.accepted - written.returned;
            if written.is_fenced && rest > 0 {
                self.seen.settled += 1;
                self.writers[writer].returned += rest;
                let totals = self.totals.returning(Credits(rest)).unwrap();
                self.wallet_moves(totals);
            }
        }
    }

    fn round(&mut self, lane: usize, fate: Fate) {
        let group = match self.lanes[lane].purse.give_back() {
            GiveBack::Return(back) => Some(Group::Return(back)),
            GiveBack::Read => {
                self.start_reading(lane);
                self.plan(lane)
            }
            GiveBack::Done | GiveBack::Later => self.plan(lane),
        };
        if let Some(group) = group {
            self.commit(lane, group, fate);
        }
    }

    fn plan(&mut self, lane: usize) -> Option<Group> {
        let (now, began) = (self.now, self.balances.len());
        let state = &mut self.lanes[lane];
        let asked: Vec<Asked> = state.orders.iter().map(|order| order.asked).collect();
        let plan = state.purse.plan(&asked, state.arrived, now);
        if let Some(question) = plan.question {
            assert!(state.question.is_none(), "one at a time");
            state.question = Some((question, state.arrived, began));
        }
        let (mut paid, mut left) = (Vec::new(), Vec::new());
        for (order, verdict) in std::mem::take(&mut state.orders).into_iter().zip(plan.verdicts) {
            match verdict {
                Verdict::Pay => paid.push(order),
                Verdict::Refuse(Refusal::NotEnoughCredits { needed, available }) => {
                    assert_eq!(needed, order.asked.price);
                    assert!(available < needed);
                    assert!(order.least < needed.0, "refused, but there were never fewer than {}", order.least);
                    assert!(order.least <= available.0, "{available} were told, but there were never so few");
                    self.seen.too_dear += 1;
                }
                Verdict::Refuse(_) => self.seen.put_off += 1,
                Verdict::Wait | Verdict::Read | Verdict::Ask | Verdict::Recall => left.push(order),
            }
        }
        state.orders = left;
        if plan.reads {
            self.start_reading(lane);
        }
        assert_eq!(plan.spend.is_some(), !paid.is_empty());
        plan.spend.map(|spend| Group::Spend(spend, paid))
    }

    fn commit(&mut self, lane: usize, group: Group, fate: Fate) {
        let writer = self.lanes[lane].writer;
        if fate == Fate::Unavailable {
            match group {
                // Callers are answered that the log is unavailable.
                Group::Spend(..) => {}
                Group::Return(_) => self.lanes[lane].purse.not_returned(),
            }
            return;
        }
        if fate == Fate::Ambiguous {
            self.writers[writer].is_fenced = true;
        }
        if self.writers[writer].is_fenced {
            self.seen.never_stored += 1;
            self.open(lane);
            self.lanes[lane].purse.fenced();
            return self.once_more(lane, group);
        }
        let guard = match &group {
            Group::Spend(spend, _) => spend.draw.map(|draw| draw.guard),
            Group::Return(back) => Some(back.guard),
        };
        if guard.is_some_and(|guard| guard != self.wallet.head()) {
            self.seen.guards_lost += 1;
            self.lanes[lane].purse.guard_lost();
            return self.once_more(lane, group);
        }
        self.store(lane, writer, group);
    }

    fn once_more(&mut self, lane: usize, group: Group) {
        if let Group::Spend(_, mut orders) = group {
            orders.append(&mut self.lanes[lane].orders);
            orders.sort_by_key(|order| order.asked.arrival);
            self.lanes[lane].orders = orders;
        }
    }

    fn store(&mut self, lane: usize, writer: usize, group: Group) {
        match group {
            Group::Spend(spend, orders) => {
                if let Some(draw) = spend.draw {
                    assert_eq!(Some(draw.totals), self.totals.drawing(draw.credits), "WA-4");
                    self.wallet_moves(draw.totals);
                    self.writers[writer].drawn += draw.credits.0;
                }
                let prices: u64 = orders.iter().map(|order| order.asked.price.0).sum();
                assert_eq!(spend.prices.0, prices);
                self.writers[writer].accepted += prices;
                self.seen.paid += orders.len();
                self.seen.paid_without_a_draw += usize::from(spend.draw.is_none());
                self.balance_moved();
                self.lanes[lane].purse.stored(&spend, self.sequence, self.now);
            }
            Group::Return(back) => {
                assert_eq!(Some(back.totals), self.totals.returning(back.credits), "WA-4");
                self.wallet_moves(back.totals);
                self.writers[writer].returned += back.credits.0;
                self.seen.returns += 1;
                self.lanes[lane].purse.returned(&back, self.sequence);
            }
        }
    }

    /// WA-1 is checked at every wallet record, WA-4 at every draw and return, refusals at each one.
    pub(super) fn check(&self) {
        for written in &self.writers {
            assert!(written.accepted + written.returned <= written.drawn, "WA-2: {written:?}");
        }
        for lane in &self.lanes {
            let written = self.writers[lane.writer];
            if !written.is_fenced {
                assert_eq!(lane.purse.rest().0, written.drawn - written.accepted - written.returned);
            }
        }
    }

    /// Lets everything that is on its way arrive, in turn, until nothing happens any more.
    fn run(&mut self) {
        for _ in 0..40 {
            for lane in 0..self.lanes.len() {
                self.round(lane, Fate::Stored);
                self.finish_read(lane, ReadFate::Fresh);
                self.finish_question(lane, usize::MAX / 2, false);
                self.check();
            }
            // A recall ends when everybody has heard it and had the time to answer.
            let recalls = |lane: &Lane| matches!(lane.question, Some((Question::Recall { .. }, ..)));
            let askers: Vec<usize> = (0..self.lanes.len()).filter(|lane| recalls(&self.lanes[*lane])).collect();
            for asker in &askers {
                (0..self.lanes.len()).for_each(|lane| self.hear(*asker, lane));
            }
            for _ in 0..6 {
                for lane in 0..self.lanes.len() {
                    self.round(lane, Fate::Stored);
                    self.finish_read(lane, ReadFate::Fresh);
                }
            }
            askers.into_iter().for_each(|asker| self.finish_recall(asker));
        }
    }

    /// With nobody dead, every order is answered, the last credit can be spent from any lane whoever holds it, and nothing
    /// stays in a purse that nobody uses.
    pub(super) fn calm_down(&mut self) {
        self.run();
        assert!(self.lanes.iter().all(|lane| lane.orders.is_empty()), "everybody was answered: {self:?}");
        self.settle_fenced();
        for lane in (0..self.lanes.len()).rev() {
            let (paid, put_off, balance) = (self.seen.paid, self.seen.put_off, self.balance());
            for _ in 0..=balance {
                self.arrive(lane, 1);
            }
            self.run();
            assert_eq!(self.seen.put_off, put_off, "nobody is dead: {self:?}");
            assert_eq!((self.seen.paid - paid) as u64, balance, "the last credit from lane {lane}: {self:?}");
            self.grant(50);
            self.heat_up();
        }
        self.pass(IDLE_MS);
        self.run();
        assert!(self.lanes.iter().all(|lane| lane.purse.rest() == Credits::ZERO), "idle credits are back: {self:?}");
        assert_eq!(self.wallet.available().0, self.balance());
    }

    /// Makes every lane draw ahead.
    fn heat_up(&mut self) {
        for lane in 0..self.lanes.len() {
            for _ in 0..4 {
                self.arrive(lane, 1);
                for _ in 0..3 {
                    self.round(lane, Fate::Stored);
                    self.finish_read(lane, ReadFate::Fresh);
                }
            }
        }
    }

    /// A fenced lane that has not noticed yet still counts what it had drawn: it notices, and the ledger settles.
    fn settle_fenced(&mut self) {
        for lane in 0..self.lanes.len() {
            if self.writers[self.lanes[lane].writer].is_fenced {
                self.open(lane);
                self.lanes[lane].purse.fenced();
            }
        }
        self.settle();
    }
}
