//! A workspace's credits: the wallet's own totals, and what its messages consumed.
//!
//! Shape: ([`Wallet`], movement, totals that the event tells) -> the wallet after it, and what is wrong, if anything is.
//! What the owner sees is `granted − consumed + refunded`; what writers can draw is `granted + returned + refunded −
//! drawn`. The difference is what writers hold drawn and unspent.
//!
//! Invariants:
//! - WA-1 what can be drawn is never negative.
//! - WA-4 the totals that an event tells equal the sum of what came before.
//!
//! Not here: who drew (see [`super::lanes`]), why something is refunded (see [`super::refund`]).

use angelia_shared::event::Totals;
use angelia_shared::ids::{Position, WorkspaceId};
use angelia_shared::query::CreditsView;
use angelia_shared::units::Credits;

use super::contradiction::{Broken, add};
use super::table::{Decoder, Encoder, Row};

/// What is known of one wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wallet {
    /// Sequence of its newest record: what a refund is guarded with.
    pub head: u64,
    /// The wallet's own totals.
    pub totals: Totals,
    /// The prices of all accepted messages.
    pub consumed: Credits,
    /// Accepted messages.
    pub messages: u64,
    /// The first fact of this workspace that cannot be true. Nothing is refunded or settled after it.
    pub stopped: Option<Position>,
}

/// What moves credits in or out of a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// The operator put some in.
    Grant(Credits),
    /// A writer took some to spend.
    Draw(Credits),
    /// A writer gave some back unspent.
    Return(Credits),
    /// Messages that could not be sent gave some back.
    Refund(Credits),
}

impl Wallet {
    /// Folds the movement stored at `seq`, whose event tells the totals `told`.
    ///
    /// Totals that differ are reported once and then taken as told, so that only the first event that breaks is named.
    #[must_use]
    pub fn moved(self, seq: u64, movement: Movement, told: Totals) -> (Self, Option<Broken>) {
        let before = self.totals;
        let expected = match movement {
            Movement::Grant(credits) => before.granting(credits),
            Movement::Draw(credits) => before.drawing(credits),
            Movement::Return(credits) => before.returning(credits),
            Movement::Refund(credits) => before.refunding(credits),
        };
        let broken = match expected {
            Some(expected) if expected == told => None,
            Some(_) => Some(Broken::TotalsDiffer),
            None => Some(Broken::WalletNegative),
        };
        (Self { head: seq, totals: told, ..self }, broken)
    }

    /// Folds the acceptance of a message that costs `price`.
    ///
    /// # Errors
    /// When the sum does not fit: the wallet is left as it was.
    pub fn consumed(self, price: Credits) -> Result<Self, Broken> {
        Ok(Self { consumed: add(self.consumed, price)?, messages: self.messages + 1, ..self })
    }

    /// What the owner has left: granted − consumed + refunded. Zero when a contradiction made it less.
    pub fn available(&self) -> Credits {
        let gained = self.totals.granted.0.saturating_add(self.totals.refunded.0);
        Credits(gained.saturating_sub(self.consumed.0))
    }

    /// The wallet as its owner sees it.
    pub fn view(&self) -> CreditsView {
        CreditsView {
            granted: self.totals.granted,
            consumed: self.consumed,
            refunded: self.totals.refunded,
            available: self.available(),
            totals: self.totals,
        }
    }
}

impl Row for Wallet {
    const TABLE: u8 = 4;
    type Key = WorkspaceId;

    fn write(&self, out: &mut Encoder) {
        out.number(self.head);
        let Totals { granted, drawn, returned, refunded } = self.totals;
        for amount in [granted, drawn, returned, refunded, self.consumed] {
            out.credits(amount);
        }
        out.number(self.messages);
        out.optional(self.stopped, Encoder::position);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            head: input.number()?,
            totals: Totals {
                granted: input.credits()?,
                drawn: input.credits()?,
                returned: input.credits()?,
                refunded: input.credits()?,
            },
            consumed: input.credits()?,
            messages: input.number()?,
            stopped: input.optional(Decoder::position)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(granted: u64, drawn: u64, returned: u64, refunded: u64) -> Totals {
        let [granted, drawn, returned, refunded] = [granted, drawn, returned, refunded].map(Credits);
        Totals { granted, drawn, returned, refunded }
    }

    #[test]
    fn a_wallet_adds_up_what_moves() {
        let steps = [
            (Movement::Grant(Credits(10)), totals(10, 0, 0, 0)),
            (Movement::Draw(Credits(4)), totals(10, 4, 0, 0)),
            (Movement::Return(Credits(1)), totals(10, 4, 1, 0)),
            (Movement::Refund(Credits(2)), totals(10, 4, 1, 2)),
        ];
        let mut wallet = Wallet::default();
        for (seq, (movement, told)) in steps.into_iter().enumerate() {
            let (next, broken) = wallet.moved(seq as u64 + 1, movement, told);
            assert_eq!(broken, None, "{movement:?}");
            wallet = next;
        }
        let wallet = wallet.consumed(Credits(3)).unwrap();
        assert_eq!(wallet.head, 4);
        assert_eq!(wallet.available(), Credits(9));
        assert_eq!(wallet.totals.available(), Some(Credits(9)));
    }

    #[test]
    fn totals_that_do_not_add_up_are_named_once() {
        let (wallet, _) = Wallet::default().moved(1, Movement::Grant(Credits(10)), totals(10, 0, 0, 0));
        let (wallet, broken) = wallet.moved(2, Movement::Refund(Credits(1)), totals(10, 0, 0, 5));
        assert_eq!(broken, Some(Broken::TotalsDiffer));
        let (_, broken) = wallet.moved(3, Movement::Grant(Credits(1)), totals(11, 0, 0, 5));
        assert_eq!(broken, None);
    }

    #[test]
    fn a_draw_beyond_what_is_there_is_named() {
        let (wallet, _) = Wallet::default().moved(1, Movement::Grant(Credits(3)), totals(3, 0, 0, 0));
        let (_, broken) = wallet.moved(2, Movement::Draw(Credits(4)), totals(3, 4, 0, 0));
        assert_eq!(broken, Some(Broken::WalletNegative));
    }
}
