//! What a provider says it took: its own list, by which an outcome that nobody knows can be looked up.
//!
//! Not here: which of our messages these are (see `domain/look_up.rs`).

use std::fmt;
use std::time::Duration;

use angelia_shared::units::UnixMillis;

/// The list, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Messages of this account, in any order.
    pub taken: Vec<Taken>,
    /// The provider's clock, if it tells.
    pub clock: Option<ProviderClock>,
}

/// What the provider's clock showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderClock {
    /// What it showed, in whole seconds.
    pub at: UnixMillis,
    /// When that was seen here, as [`angelia_shared::clock::uptime`].
    pub seen: Duration,
}

/// A message that the provider took from this account.
#[derive(Clone, PartialEq, Eq)]
pub struct Taken {
    /// The provider's id of the WhatsApp message, as [`super::Outcome::Sent`] has it.
    pub provider_id: String,
    /// The recipient in the one spelling of [`super::address::one_spelling`], when the provider tells it.
    pub to: Option<String>,
    /// What became of it, in any order; at most one report of each kind.
    pub reports: Vec<Report>,
}

/// Something that became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What.
    pub fate: Fate,
    /// When, by the provider's clock.
    pub at: UnixMillis,
}

/// What became of a message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It left.
    Sent,
    /// It reached the recipient's device.
    Delivered,
    /// The recipient opened it.
    Read,
    /// It could not be delivered; the provider's words, free of secrets and numbers.
    Failed(String),
}

/// The list cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoHistory {
    /// The provider does not give it to this account: a right that its token lacks, or a list that it does not keep.
    NotOffered {
        /// The provider's words, free of secrets and numbers.
        detail: String,
    },
    /// It was asked for too often.
    TooOften {
        /// How long the provider wants to be left alone, if it says so.
        retry_after: Option<Duration>,
        /// The provider's words, free of secrets and numbers.
        detail: String,
    },
    /// Not now.
    NotNow {
        /// The provider's words, free of secrets and numbers.
        detail: String,
    },
}

impl Taken {
    /// When it was sent, if the list tells.
    pub fn sent_at(&self) -> Option<UnixMillis> {
        self.reports.iter().find(|report| report.fate == Fate::Sent).map(|report| report.at)
    }
}

// By hand, because the recipient is a phone number.
impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").field("reports", &self.reports).finish_non_exhaustive()
    }
}
