//! Money: grants, draws, returns and refunds of message credits.
//!
//! Invariants: WA-1 (`available` is never negative), WA-4 (`totals` equal the sum of what came before, this event
//! included).

use serde::{Deserialize, Serialize};

use super::v1;
use crate::ids::{MessageId, WriterId};
use crate::units::{Credits, UnixMillis};

/// Running totals of one wallet, this event included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Totals {
    /// Everything granted.
    pub granted: Credits,
    /// Everything drawn by writers.
    pub drawn: Credits,
    /// Everything that writers drew and gave back unspent.
    pub returned: Credits,
    /// Everything refunded to messages.
    pub refunded: Credits,
}

impl Totals {
    /// What can still be drawn: granted + returned + refunded − drawn, or `None` when the totals contradict WA-1.
    pub fn available(&self) -> Option<Credits> {
        self.granted.checked_add(self.returned)?.checked_add(self.refunded)?.checked_sub(self.drawn)
    }

    /// The totals after a grant of `credits`.
    #[must_use]
    pub fn granting(self, credits: Credits) -> Option<Self> {
        Some(Self { granted: self.granted.checked_add(credits)?, ..self })
    }

    /// The totals after a draw of `credits`, or `None` when they are not available.
    #[must_use]
    pub fn drawing(self, credits: Credits) -> Option<Self> {
        let drawn = Self { drawn: self.drawn.checked_add(credits)?, ..self };
        drawn.available().map(|_| drawn)
    }

    /// The totals after a return of `credits`.
    #[must_use]
    pub fn returning(self, credits: Credits) -> Option<Self> {
        Some(Self { returned: self.returned.checked_add(credits)?, ..self })
    }

    /// The totals after a refund of `credits`.
    #[must_use]
    pub fn refunding(self, credits: Credits) -> Option<Self> {
        Some(Self { refunded: self.refunded.checked_add(credits)?, ..self })
    }
}

/// The operator put credits into a wallet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreditsGranted {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// How many.
    pub credits: Credits,
    /// Why, in the operator's words.
    pub reason: String,
    /// Totals after this event.
    pub totals: Totals,
    /// When.
    pub at: UnixMillis,
}

/// A writer took credits out of a wallet to spend them on acceptances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreditsDrawn {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The writer that spends them.
    pub writer: WriterId,
    /// How many.
    pub credits: Credits,
    /// Totals after this event.
    pub totals: Totals,
    /// When.
    pub at: UnixMillis,
}

/// Credits that a writer drew and did not spend went back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreditsReturned {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The writer that had drawn them.
    pub writer: WriterId,
    /// How many.
    pub credits: Credits,
    /// Totals after this event.
    pub totals: Totals,
    /// When.
    pub at: UnixMillis,
}

/// Credits of messages that could not be sent went back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreditsRefunded {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// What is paid back, at most 64 items.
    pub items: Vec<RefundItem>,
    /// The sum of the items.
    pub credits: Credits,
    /// Totals after this event.
    pub totals: Totals,
    /// When.
    pub at: UnixMillis,
}

/// One part's refund.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundItem {
    /// The message.
    pub message: MessageId,
    /// The part, from 0.
    pub part: u8,
    /// How many.
    pub credits: Credits,
    /// Why, as a stable code.
    pub reason: String,
}
