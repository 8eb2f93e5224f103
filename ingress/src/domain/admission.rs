//! Who of those that wait gets a workspace's credits, and who gets a place in the next batch.
//!
//! Shape: (what is known of the credits, orders in order of arrival) -> one [`Verdict`] each ([`decide`]); (orders waiting
//! per workspace, places) -> places per workspace ([`share`]).
//!
//! Invariants:
//! - WA-1 those that are paid never cost more than what the lane holds and the wallet has.
//! - An order is refused as too dear only when the workspace as a whole had less at some moment after the order had come:
//!   what other lanes hold counts. What is known from before the order came refuses nobody.
//!
//! Not here: what a lane holds and draws (see [`super::purse`]), building events, what a lost guard leads to (see
//! `shell/admission/`).

use angelia_shared::units::Credits;

use super::refusal::Refusal;

/// An order as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// What it costs.
    pub price: Credits,
    /// Its place in the order of arrival at the lane.
    pub arrival: u64,
}

/// Something known of the world outside the lane, which was true at some moment after the arrival `covers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Known<T> {
    /// What is known.
    pub value: T,
    /// The newest order that had arrived before it was true.
    pub covers: u64,
}

/// What is known of a workspace's credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Funds {
    /// What this lane holds.
    pub rest: Credits,
    /// What the wallet has, if that is known.
    pub open: Option<Known<Credits>>,
    /// What the workspace has in all, with everything that lanes hold, if that is known.
    pub balance: Option<Known<Credits>>,
    /// Orders up to this arrival have waited until the other lanes gave back what they held, and the wallet was read.
    pub recalled: u64,
}

/// What an order gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is paid for.
    Pay,
    /// Others stand before it. It is decided again when it is known whether those were stored.
    Wait,
    /// The wallet must be read first.
    Read,
    /// It must be asked first what the workspace has in all.
    Ask,
    /// The workspace has enough, but elsewhere: the other lanes must first give back what they hold.
    Recall,
    /// It cannot be paid, or not now.
    Refuse(Refusal),
}

/// The orders of one workspace, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// One per order, in order.
    pub verdicts: Vec<Verdict>,
    /// The sum of the prices of those that are paid.
    pub prices: Credits,
}

impl Funds {
    /// What can be spent: what the lane holds and what it can draw.
    pub fn spendable(&self) -> Credits {
        plus(self.rest, self.open.map_or(Credits::ZERO, |open| open.value))
    }

    /// What an order gets that costs more than what can be spent.
    fn short(&self, order: Asked) -> Verdict {
        let covers = |covers: u64| covers >= order.arrival;
        if !self.open.is_some_and(|open| covers(open.covers)) {
            return Verdict::Read;
        }
        match self.balance {
            Some(balance) if covers(balance.covers) && balance.value < order.price => {
                Verdict::Refuse(Refusal::NotEnoughCredits { needed: order.price, available: balance.value })
            }
            Some(balance) if covers(balance.covers) && covers(self.recalled) => {
                // Somebody holds it who does not answer. If it is dead, the ledger gives it back soon.
                Verdict::Refuse(Refusal::LogUnavailable { retry_after_s: 1 })
            }
            Some(balance) if covers(balance.covers) => Verdict::Recall,
            Some(_) | None => Verdict::Ask,
        }
    }
}

/// Gives what can be spent to orders in order of arrival. One that does not fit is passed over; a later and cheaper one may
/// still fit.
pub fn decide(funds: &Funds, asked: &[Asked]) -> Decision {
    let spendable = funds.spendable();
    let mut left = spendable;
    let mut verdicts = Vec::with_capacity(asked.len());
    for order in asked {
        let verdict = match left.checked_sub(order.price) {
            Some(less) => {
                left = less;
                Verdict::Pay
            }
            // It would fit, were it not for those before it, which may yet be lost.
            None if order.price <= spendable => Verdict::Wait,
            None => funds.short(*order),
        };
        verdicts.push(verdict);
    }
    let prices = spendable.checked_sub(left).expect("what is left starts as what can be spent and only shrinks");
    if prices > funds.rest {
        // A draw under a guard is as good as reading: stored, it proves the wallet's state; lost, it leads to a read.
        for verdict in verdicts.iter_mut().filter(|verdict| **verdict == Verdict::Read) {
            *verdict = Verdict::Wait;
        }
    }
    Decision { verdicts, prices }
}

/// Saturates: no true log has sums that do not fit.
fn plus(a: Credits, b: Credits) -> Credits {
    Credits(a.0.saturating_add(b.0))
}

/// Divides `places` among workspaces of which each has so many orders waiting, in their order of turn. None gets more
/// than `each_max`; none gets less than an equal share while it has orders for it; what is left goes to the first that
/// can use it.
pub fn share(waiting: &[usize], places: usize, each_max: usize) -> Vec<usize> {
    let equal = (places / waiting.len().max(1)).max(1);
    let mut left = places;
    let mut shares: Vec<usize> = Vec::with_capacity(waiting.len());
    for orders in waiting {
        let given = equal.min(*orders).min(each_max).min(left);
        left -= given;
        shares.push(given);
    }
    for (given, orders) in shares.iter_mut().zip(waiting) {
        let more = (*orders).min(each_max).saturating_sub(*given).min(left);
        *given += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests;
