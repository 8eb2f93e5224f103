//! What is owed to a workspace for parts that were not sent, and how it is paid back.
//!
//! Shape: each part carries a [`Money`] that follows the log's order. What it owes is a row ([`Debt`]) as long as it is
//! owed; [`plan`] turns debts into one `CreditsRefunded`.
//!
//! Invariants:
//! - WA-3 a message is refunded at most its price, and only for parts that failed, expired, were cancelled or were settled
//!   as not sent.
//! - A refund once given stays; what was delivered before it was given is not refunded.
//! - A settlement closes a part: a contrary report after it moves no credits.
//!
//! Not here: in which state a part is shown (see [`super::message`]).

use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{CreditsRefunded, RefundItem};
use angelia_shared::fail_reason::FailReason;
use angelia_shared::ids::{MessageId, Position, WorkspaceId};
use angelia_shared::units::{Credits, UnixMillis};

use super::contradiction::Broken;
use super::table::{Decoder, Encoder, Row};
use super::wallet::Wallet;

/// Reason code of a refund that the deadline decided.
pub const OUTCOME_UNKNOWN: &str = FailReason::OutcomeUnknown.code();
/// Reason code of an expired message.
pub const EXPIRED: &str = FailReason::Expired.code();
/// Reason code of a cancelled message.
pub const CANCELLED: &str = FailReason::Cancelled.code();
/// Items in one `CreditsRefunded`, so that its record stays small.
pub const ITEMS_MAX: usize = 64;

/// What became of a part's price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    Open,
    /// The provider took the part, or the policy charges for it: the price is kept.
    Kept,
    /// The part reached its recipient: the price is kept for good.
    Delivered,
    /// The part was not sent: the price is owed.
    Lost,
}

/// A part's price and what was given back of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// What became of it.
    pub verdict: Verdict,
    /// A deadline has decided; later reports change nothing.
    pub settled: bool,
    /// It was owed at some time: a refund that was decided then may still be on its way.
    pub was_owed: bool,
    /// What was given back.
    pub refunded: Credits,
}

impl Money {
    /// The provider took the part.
    pub fn sent(&mut self) {
        if self.verdict == Verdict::Open {
            self.verdict = Verdict::Kept;
        }
    }

    /// The part will not be, or was not, delivered.
    pub fn lost(&mut self) {
        if !self.settled && matches!(self.verdict, Verdict::Open | Verdict::Kept) {
            self.verdict = Verdict::Lost;
            self.was_owed = true;
        }
    }

    /// The part reached its recipient.
    pub fn delivered(&mut self) {
        let given_back = self.verdict == Verdict::Lost && self.refunded > Credits::ZERO;
        if !self.settled && !given_back {
            self.verdict = Verdict::Delivered;
        }
    }

    /// The deadline of an unknown outcome decided. The caller knows that the outcome is unknown.
    pub fn settle(&mut self, policy: UnknownPolicy) {
        if self.verdict != Verdict::Open || self.settled {
            return;
        }
        match policy {
            UnknownPolicy::Refund => self.lost(),
            UnknownPolicy::Charge => self.sent(),
        }
        self.settled = true;
    }

    /// What is still owed of `price`.
    pub fn owed(&self, price: Credits) -> Credits {
        match self.verdict {
            Verdict::Lost => price.checked_sub(self.refunded).unwrap_or_default(),
            Verdict::Open | Verdict::Kept | Verdict::Delivered => Credits::ZERO,
        }
    }

    /// Gives back `credits` of `price`.
    ///
    /// # Errors
    /// WA-3; the money is left as it was.
    pub fn refund(&mut self, credits: Credits, price: Credits, message: MessageId) -> Result<(), Broken> {
        if !self.was_owed {
            return Err(Broken::RefundOfNothing(message));
        }
        let refunded = self.refunded.checked_add(credits).filter(|sum| *sum <= price);
        self.refunded = refunded.ok_or(Broken::RefundTooLarge(message))?;
        Ok(())
    }

    /// Writes the money's bytes.
    pub fn write(&self, out: &mut Encoder) {
        let verdict = match self.verdict {
            Verdict::Open => 0,
            Verdict::Kept => 1,
            Verdict::Delivered => 2,
            Verdict::Lost => 3,
        };
        out.byte(verdict | u8::from(self.settled) << 2 | u8::from(self.was_owed) << 3);
        out.credits(self.refunded);
    }

    /// Reads what [`write`](Self::write) wrote.
    pub fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let bits = input.byte().filter(|bits| *bits < 16)?;
        let verdict = [Verdict::Open, Verdict::Kept, Verdict::Delivered, Verdict::Lost][usize::from(bits & 3)];
        Some(Self { verdict, settled: bits & 4 != 0, was_owed: bits & 8 != 0, refunded: input.credits()? })
    }
}

/// What is owed for one part. Keyed by workspace, the message's acceptance, and part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// The message.
    pub message: MessageId,
    /// How many.
    pub credits: Credits,
    /// Why, as a stable code.
    pub reason: String,
}

impl Row for Debt {
    const TABLE: u8 = 11;
    type Key = (WorkspaceId, Position, u8);

    fn write(&self, out: &mut Encoder) {
        out.wide(self.message.0);
        out.credits(self.credits);
        out.text(&self.reason);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let message = MessageId(input.wide()?);
        Some(Self { message, credits: input.credits()?, reason: input.text()?.to_owned() })
    }
}

/// One wallet's refund, and the head under which it may be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// Whose.
    pub workspace: WorkspaceId,
    /// The wallet's head in the projection that showed the debts: what was not projected must not be paid again.
    pub head: u64,
    /// The event.
    pub event: CreditsRefunded,
}

/// Turns the first [`ITEMS_MAX`] debts of a workspace into a refund; `None` when nothing is owed, or nothing may be paid.
pub fn plan(workspace: WorkspaceId, wallet: &Wallet, debts: &[(u8, Debt)], at: UnixMillis) -> Option<Refund> {
    if wallet.stopped.is_some() {
        return None;
    }
    let items: Vec<_> = debts
        .iter()
        .take(ITEMS_MAX)
        .map(|(part, debt)| RefundItem {
            message: debt.message,
            part: *part,
            credits: debt.credits,
            reason: debt.reason.clone(),
        })
        .collect();
    let credits = items.iter().try_fold(Credits::ZERO, |sum, item| sum.checked_add(item.credits))?;
    if credits == Credits::ZERO {
        return None;
    }
    let totals = wallet.totals.refunding(credits)?;
    Some(Refund { workspace, head: wallet.head, event: CreditsRefunded { v: 1, items, credits, totals, at } })
}

#[cfg(test)]
mod tests;
