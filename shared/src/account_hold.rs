//! When WhatsApp holds an account: what its word makes of the account's state.
//!
//! Shape: code -> [`ProviderHold`]; (account, hold, words, now) -> the account as the hold leaves it, if it changes anything.
//! The same code means the same for the account in the answer to a call and in a later report of a failure, so both go by
//! this rule. The account's queue is kept in either case.
//!
//! Not here: whether the word still counts. Who heard it knows under which settings it was said.

#[cfg(test)]
mod tests;

use crate::cloud_code::{self, Scope};
use crate::event::AccountChanged;
use crate::event::directory::AccountState;
use crate::units::UnixMillis;

/// How long an account pauses when the provider asks for calmness without saying for how long. Source: the provider
/// looks at quality over a day; an hour lets its owner see the alert.
pub const PAUSE_MS: u64 = 3_600_000;

/// The provider's word on an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderHold {
    /// Held for its quality or as spam; it may recover by itself.
    ForNow,
    /// It cannot send until its owner changes something.
    UntilMended,
}

impl ProviderHold {
    /// What a code of the Cloud API says of the account; none when it is about something else.
    pub fn of_code(code: i64) -> Option<Self> {
        match cloud_code::scope(code)? {
            Scope::AccountForNow => Some(Self::ForNow),
            Scope::Account => Some(Self::UntilMended),
            Scope::Throughput
            | Scope::Business
            | Scope::Pair
            | Scope::Maintenance
            | Scope::Provider
            | Scope::Message(_) => None,
        }
    }

    /// The stable name of the state that follows, for logs and metric labels.
    pub fn code(self) -> &'static str {
        match self {
            Self::ForNow => "paused",
            Self::UntilMended => "blocked",
        }
    }

    /// The account as the hold leaves it, with the provider's `words` as the reason; none when its owner has already
    /// stopped it as firmly.
    pub fn put_on(self, account: &AccountChanged, words: String, now: UnixMillis) -> Option<AccountChanged> {
        let state = self.state(account, now)?;
        Some(AccountChanged { state, state_since: now, state_reason: Some(words), ..account.clone() })
    }

    fn state(self, account: &AccountChanged, now: UnixMillis) -> Option<AccountState> {
        let held = match self {
            Self::ForNow => AccountState::Paused { until: Some(now.plus_ms(PAUSE_MS)) },
            Self::UntilMended => AccountState::Blocked,
        };
        match account.state {
            _ if account.removed => None,
            AccountState::Connected => Some(held),
            AccountState::Paused { .. } if self == Self::UntilMended => Some(held),
            // A pause of the provider's that is over and comes again.
            AccountState::Paused { until: Some(until) } if until <= now => Some(held),
            AccountState::Paused { .. } | AccountState::Disconnected | AccountState::Blocked => None,
        }
    }
}
