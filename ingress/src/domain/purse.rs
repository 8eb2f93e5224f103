//! A purse: what one lane holds of one workspace's credits, and what it knows of the rest of them.
//!
//! Shape: orders wanted, head read, group stored or lost, recall asked, time passed -> a group to commit ([`Spend`],
//! [`Return`]), something to read or to ask ([`Question`]), a verdict for each order. Time is passed in, and a purse is a
//! small value, so that every interleaving of a few of them can be tried.
//!
//! A lane draws exactly what it needs, unless it drew for this workspace a moment ago; then it draws ahead, and pays what
//! follows without touching the wallet. What it does not use goes back soon, or when another lane asks for it.
//!
//! Invariants:
//! - WA-1 a draw is never more than the wallet has, on the state that guards it.
//! - WA-2 accepted credits + returned ≤ drawn: a lane spends and returns only what is stored as drawn by its own writer, or
//!   is drawn in the same group.
//! - WA-4 the totals of a draw or a return are the wallet's totals plus that.
//! - Whatever a purse holds goes back when nothing is spent from it for [`IDLE_MS`].
//!
//! Not here: who is paid (see [`super::admission`]), events, the log, who the other lanes are (see `shell/admission/`).

use angelia_shared::event::Totals;
use angelia_shared::units::Credits;

use super::admission::{Asked, Funds, Known, Verdict, decide};
use super::wallet::Wallet;

/// A lane that drew for a workspace less long ago than this draws ahead.
pub const HOT_MS: u64 = 1_000;
/// What was not spent from for this long is returned.
pub const IDLE_MS: u64 = 2_000;
/// A draw ahead leaves at least this part of the wallet to others: all but an eighth.
const AHEAD_PART: u64 = 8;
/// The shortest time between two questions about one workspace's balance. Callers of an empty wallet wait together: it is
/// asked for all of them.
const ASK_EVERY_MS: u64 = 25;
/// The shortest time between two recalls of one workspace's credits, as long as a recall takes that nobody answers.
const RECALL_EVERY_MS: u64 = 500;

/// Milliseconds on a clock that only goes forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// So many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// What one lane holds of one workspace's credits, and what it knows of the rest of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Purse {
    /// Stored as drawn by this lane's writer, and neither spent nor returned.
    rest: Credits,
    /// The newest draw that was stored, unless it was asked to give back since.
    last_draw: Option<Drawn>,
    /// When something was last paid.
    spent_at: Moment,
    /// Whether the rest is to go back.
    gives_back: bool,
    /// Whether a return is on its way.
    is_returning: bool,
    wallet: Option<Known<Wallet>>,
    balance: Option<Known<Credits>>,
    /// The newest arrival that waited for a recall.
    recalled: u64,
    /// Whether the wallet is being read.
    is_reading: bool,
    /// Whether a question is open.
    is_asking: bool,
    /// Not before these: the next question, the next recall.
    may_ask_at: Moment,
    may_recall_at: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Drawn {
    at: Moment,
    credits: Credits,
}

/// What becomes of a round's orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One per order, in order.
    pub verdicts: Vec<Verdict>,
    /// How those are paid that are.
    pub spend: Option<Spend>,
    /// Whether the wallet must be read now.
    pub reads: bool,
    /// What must be asked now.
    pub question: Option<Question>,
}

/// How a group of acceptances is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spend {
    /// The sum of their prices.
    pub prices: Credits,
    /// The draw that is part of the group; none when the purse holds enough.
    pub draw: Option<Draw>,
    /// The newest arrival when this was decided.
    covers: u64,
}

/// Credits out of a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// The wallet's head.
    pub guard: u64,
    /// How many.
    pub credits: Credits,
    /// The wallet's totals after it.
    pub totals: Totals,
}

/// Credits back into a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Return {
    /// The wallet's head.
    pub guard: u64,
    /// How many.
    pub credits: Credits,
    /// The wallet's totals after it.
    pub totals: Totals,
    /// The newest arrival for which the wallet was known.
    covers: u64,
}

/// What must be asked outside the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// What the workspace has in all, by the ledger, which must have folded what is in the log by now.
    Balance {
        /// Not before this.
        at: Moment,
    },
    /// The other lanes must give back what they hold; then the wallet is read.
    Recall {
        /// Not before this.
        at: Moment,
        /// With so many credits everybody could be paid.
        missing: Credits,
    },
}

/// What is next for a purse that gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiveBack {
    /// Nothing is held, or nothing is to be given back.
    Done,
    /// Something is on its way.
    Later,
    /// The wallet must be read now.
    Read,
    /// This is to be committed.
    Return(Return),
}

impl Purse {
    /// What the lane holds.
    pub fn rest(&self) -> Credits {
        self.rest
    }

    /// When the rest is idle, if nothing is spent before.
    pub fn idle_at(&self) -> Moment {
        self.spent_at.plus_ms(IDLE_MS)
    }

    /// Whether something is held or on its way, so that it must not be forgotten.
    pub fn is_in_use(&self) -> bool {
        self.rest > Credits::ZERO || self.is_reading || self.is_asking || self.is_returning
    }

    /// Decides orders, in order of arrival; `arrived` is the newest arrival. What the plan reads and asks is under way
    /// from now on; what it spends is spent when it is [`stored`](Self::stored).
    pub fn plan(&mut self, asked: &[Asked], arrived: u64, now: Moment) -> Plan {
        if self.is_returning {
            let verdicts = vec![Verdict::Wait; asked.len()];
            return Plan { verdicts, spend: None, reads: false, question: None };
        }
        let funds = self.funds();
        let decision = decide(&funds, asked);
        let spend = (decision.prices > Credits::ZERO).then(|| self.spend(decision.prices, arrived, now));
        let reads = decision.verdicts.contains(&Verdict::Read) && self.begin_reading();
        let question = if self.is_asking { None } else { self.question(&funds, asked, &decision.verdicts, now) };
        self.is_asking |= question.is_some();
        Plan { verdicts: decision.verdicts, spend, reads, question }
    }

    fn funds(&self) -> Funds {
        let open = self.wallet.map(|wallet| Known { value: wallet.value.available(), covers: wallet.covers });
        Funds { rest: self.rest, open, balance: self.balance, recalled: self.recalled }
    }

    fn spend(&self, prices: Credits, covers: u64, now: Moment) -> Spend {
        let draw = prices.checked_sub(self.rest).filter(|missing| *missing > Credits::ZERO).map(|missing| {
            let wallet = self.wallet.expect("what the purse does not hold was decided on a known wallet").value;
            let credits = self.draw_size(missing, wallet.available(), now);
            let totals = wallet.draw(credits).expect("a draw is at most what is available");
            Draw { guard: wallet.head(), credits, totals }
        });
        Spend { prices, draw, covers }
    }

    /// Exactly what is missing; for a lane that drew a moment ago, twice its last draw within an eighth of the wallet.
    fn draw_size(&self, missing: Credits, available: Credits, now: Moment) -> Credits {
        match self.last_draw {
            Some(last) if now < last.at.plus_ms(HOT_MS) => {
                let ahead = last.credits.0.saturating_mul(2).min(available.0 / AHEAD_PART);
                missing.max(Credits(ahead))
            }
            Some(_) | None => missing,
        }
    }

    /// What to ask for the short ones: a balance before a recall, since a true refusal needs no other lane.
    fn question(&mut self, funds: &Funds, asked: &[Asked], verdicts: &[Verdict], now: Moment) -> Option<Question> {
        if verdicts.contains(&Verdict::Ask) {
            let at = self.may_ask_at.max(now);
            self.may_ask_at = at.plus_ms(ASK_EVERY_MS);
            return Some(Question::Balance { at });
        }
        let recalls = asked.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Recall);
        let dearest = recalls.map(|(order, _)| order.price).max()?;
        let at = self.may_recall_at.max(now);
        self.may_recall_at = at.plus_ms(RECALL_EVERY_MS);
        let missing = dearest.checked_sub(funds.spendable()).unwrap_or(Credits::ZERO);
        Some(Question::Recall { at, missing })
    }

    /// A group was stored; its draw, if it has one, at `head`.
    pub fn stored(&mut self, spend: &Spend, head: u64, now: Moment) {
        let mut held = self.rest;
        if let Some(draw) = spend.draw {
            held = held.checked_add(draw.credits).expect("a lane holds no more than was ever drawn");
            self.last_draw = Some(Drawn { at: now, credits: draw.credits });
            let wallet = Wallet::at(head, draw.totals).expect("a draw leaves at least nothing");
            self.wallet = Some(Known { value: wallet, covers: spend.covers });
        }
        self.rest = held.checked_sub(spend.prices).expect("WA-2: a group spends what is held and what it draws");
        self.spent_at = now;
        self.gives_back &= self.rest > Credits::ZERO;
    }

    /// Somebody else wrote on the wallet, so that a guard was lost. Its state is not known.
    pub fn guard_lost(&mut self) {
        self.wallet = None;
        self.is_returning = false;
    }

    /// The writer was fenced. What it had drawn is its own: the ledger gives that back.
    pub fn fenced(&mut self) {
        self.rest = Credits::ZERO;
        self.last_draw = None;
        self.gives_back = false;
        self.is_returning = false;
    }

    /// The wallet was read; the reading began after the arrival `covers`.
    pub fn read(&mut self, wallet: Wallet, covers: u64) {
        self.is_reading = false;
        self.learn(Known { value: wallet, covers });
    }

    /// Takes in a state of the wallet, unless a newer one is known.
    fn learn(&mut self, found: Known<Wallet>) {
        if self.wallet.is_none_or(|known| known.value.head() <= found.value.head()) {
            let covers = match self.wallet {
                Some(known) if known.value == found.value => known.covers.max(found.covers),
                Some(_) | None => found.covers,
            };
            self.wallet = Some(Known { covers, ..found });
        }
    }

    /// The wallet could not be read.
    pub fn not_read(&mut self) {
        self.is_reading = false;
    }

    /// The ledger told what the workspace has in all; the question was asked after the arrival `covers`.
    pub fn told(&mut self, balance: Credits, covers: u64) {
        self.is_asking = false;
        self.balance = Some(Known { value: balance, covers });
    }

    /// The other lanes gave back what they held, or did not answer in time; then the wallet was read. All of that began
    /// after the arrival `covers`. The balance is asked for again before anybody is refused.
    pub fn recalled(&mut self, wallet: Wallet, covers: u64) {
        self.is_asking = false;
        self.recalled = covers;
        self.balance = None;
        self.learn(Known { value: wallet, covers });
    }

    /// A question has no answer.
    pub fn not_told(&mut self) {
        self.is_asking = false;
    }

    /// Another lane needs what this one holds. The next draw is exact, too.
    pub fn recall(&mut self) {
        self.last_draw = None;
        self.start_giving_back();
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) {
        if now >= self.idle_at() {
            self.start_giving_back();
        }
    }

    /// A return is decided on a state that was read for it: a lost guard would cost others their batch.
    fn start_giving_back(&mut self) {
        if self.rest > Credits::ZERO && !self.gives_back {
            self.gives_back = true;
            self.wallet = None;
        }
    }

    /// Whether the wallet is to be read from now on; not when it is read already.
    pub fn begin_reading(&mut self) -> bool {
        !std::mem::replace(&mut self.is_reading, true)
    }

    /// What a purse that gives back does next. What it reads or returns is under way from now on.
    pub fn give_back(&mut self) -> GiveBack {
        if !self.gives_back {
            return GiveBack::Done;
        }
        if self.is_returning {
            return GiveBack::Later;
        }
        let Some(wallet) = self.wallet else {
            return if self.begin_reading() { GiveBack::Read } else { GiveBack::Later };
        };
        let credits = self.rest;
        let Some(totals) = wallet.value.take_back(credits) else {
            // The sum does not fit, so that the log is broken already. The ledger says so.
            self.gives_back = false;
            return GiveBack::Done;
        };
        self.is_returning = true;
        GiveBack::Return(Return { guard: wallet.value.head(), credits, totals, covers: wallet.covers })
    }

    /// A return was stored at `head`.
    pub fn returned(&mut self, back: &Return, head: u64) {
        self.is_returning = false;
        self.gives_back = false;
        self.last_draw = None;
        self.rest = self.rest.checked_sub(back.credits).expect("WA-2: nothing is spent while a return is on its way");
        let wallet = Wallet::at(head, back.totals).expect("it was looked at when the return was decided");
        self.learn(Known { value: wallet, covers: back.covers });
    }

    /// A return found no place in its batch.
    pub fn put_back(&mut self) {
        self.is_returning = false;
    }

    /// A return was not stored, and will not be. It is tried again at the next [`tick`](Self::tick) or recall.
    pub fn not_returned(&mut self) {
        self.is_returning = false;
        self.gives_back = false;
    }
}

#[cfg(test)]
mod tests;
