//! A wallet as its newest event shows it: what may still be drawn, and under which guard.
//!
//! Shape: (sequence, newest event of `ev.wallet.{workspace}`) -> [`Wallet`] -> totals after a draw or a return.
//!
//! Invariants:
//! - WA-1 a [`Wallet`] is never overdrawn: totals that say so cannot become one.
//! - WA-4 the totals of a draw or a return are the wallet's totals plus that.
//!
//! Not here: whether the newest event is really the newest (its sequence guards what follows, so the broker decides).

use std::fmt;

use angelia_shared::event::{Event, Totals};
use angelia_shared::units::Credits;

/// A wallet at one moment: the sequence of its newest event and the totals in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wallet {
    head: u64,
    totals: Totals,
    available: Credits,
}

/// The newest event of a wallet cannot be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// WA-1: more was drawn than there ever was, or a sum does not fit.
    Overdrawn(Totals),
    /// An event that does not belong on a wallet's subject.
    NotOfAWallet(&'static str),
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overdrawn(totals) => write!(
                f,
                "WA-1: granted {} + returned {} + refunded {} < drawn {}",
                totals.granted, totals.returned, totals.refunded, totals.drawn
            ),
            Self::NotOfAWallet(name) => write!(f, "{name} stands on a wallet's subject"),
        }
    }
}

impl Wallet {
    /// The wallet of a workspace that never had an event: nothing in it, guarded by sequence 0.
    pub const NEW: Self = Self {
        head: 0,
        totals: Totals {
            granted: Credits::ZERO,
            drawn: Credits::ZERO,
            returned: Credits::ZERO,
            refunded: Credits::ZERO,
        },
        available: Credits::ZERO,
    };

    /// The wallet after totals were stored at `head`.
    ///
    /// # Errors
    /// [`Contradiction::Overdrawn`].
    pub fn at(head: u64, totals: Totals) -> Result<Self, Contradiction> {
        let available = totals.available().ok_or(Contradiction::Overdrawn(totals))?;
        Ok(Self { head, totals, available })
    }

    /// The wallet whose newest event stands at `head`.
    ///
    /// # Errors
    /// [`Contradiction`] when the event cannot be a wallet's newest.
    pub fn of(head: u64, newest: &Event) -> Result<Self, Contradiction> {
        match newest {
            Event::CreditsGranted(event) => Self::at(head, event.totals),
            Event::CreditsDrawn(event) => Self::at(head, event.totals),
            Event::CreditsReturned(event) => Self::at(head, event.totals),
            Event::CreditsRefunded(event) => Self::at(head, event.totals),
            other => Err(Contradiction::NotOfAWallet(other.name())),
        }
    }

    /// Sequence of the newest event; 0 when there is none. It guards the next one.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// What may be drawn.
    pub fn available(&self) -> Credits {
        self.available
    }

    /// The totals after a draw, or `None` when that much is not available.
    pub fn draw(&self, credits: Credits) -> Option<Totals> {
        self.totals.drawing(credits)
    }

    /// The totals after a return, or `None` when the sum does not fit, which no true return leads to.
    pub fn take_back(&self, credits: Credits) -> Option<Totals> {
        self.totals.returning(credits).filter(|totals| totals.available().is_some())
    }
}

#[cfg(test)]
mod tests;
