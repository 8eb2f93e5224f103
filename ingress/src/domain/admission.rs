//! Who of those that wait gets a wallet's credits, and who gets a place in the next batch.
//!
//! Shape: (available, orders in order of arrival) -> one [`Verdict`] each and the exact draw that pays for them
//! ([`decide`]); (orders waiting per workspace, places) -> places per workspace ([`share`]).
//!
//! Invariants:
//! - WA-1 the draw is never more than what is available.
//! - WA-2 the draw is exactly the sum of the prices that it pays, so a writer never holds credits of its own.
//! - A refusal rests only on a state of the wallet that is not older than the order, and never on a draw that is not
//!   stored yet.
//!
//! Not here: reading the wallet, building events, what a lost guard leads to (see `shell/admission/`).

use angelia_shared::units::Credits;

use super::refusal::Refusal;

/// An order as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What it costs.
    pub price: Credits,
    /// Whether the wallet's state was still true after this order had arrived. A remembered state may be older: a grant
    /// or a refund may have come in between.
    pub is_covered: bool,
}

/// What an order gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is paid for by this draw.
    Pay,
    /// Others stand before it in this draw. It is decided again when that draw is stored or lost.
    Wait,
    /// The wallet must be read from the leader before this one can be refused.
    ReadAgain,
    /// It cannot be paid.
    Refuse(Refusal),
}

/// A draw and whom it pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// One per order, in order.
    pub verdicts: Vec<Verdict>,
    /// What is drawn: the sum of the prices of those that are paid.
    pub draw: Credits,
}

/// Gives `available` credits to orders in order of arrival. One that does not fit is passed over; a later and cheaper one
/// may still fit.
pub fn decide(available: Credits, asked: &[Asked]) -> Decision {
    let mut rest = available;
    let mut verdicts = Vec::with_capacity(asked.len());
    for order in asked {
        let verdict = match rest.checked_sub(order.price) {
            Some(left) => {
                rest = left;
                Verdict::Pay
            }
            // It would fit, were it not for those before it. Their draw may yet be lost.
            None if order.price <= available => Verdict::Wait,
            None if order.is_covered => Verdict::Refuse(Refusal::NotEnoughCredits { needed: order.price, available }),
            None => Verdict::ReadAgain,
        };
        verdicts.push(verdict);
    }
    // A draw under a guard is as good as reading: stored, it proves the state; lost, it leads to a read.
    if verdicts.contains(&Verdict::Pay) {
        for verdict in verdicts.iter_mut().filter(|verdict| **verdict == Verdict::ReadAgain) {
            *verdict = Verdict::Wait;
        }
    }
    let draw = available.checked_sub(rest).expect("the rest starts as what is available and only shrinks");
    Decision { verdicts, draw }
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
