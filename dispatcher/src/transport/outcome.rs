//! What came of one attempt, in the classes that the sender acts upon.
//!
//! Not here: which provider's code means which class (each transport's own table).

use std::fmt;
use std::time::Duration;

use angelia_shared::account_hold::ProviderHold;

use super::FailReason;

/// What came of one attempt to send one part.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it.
    Sent {
        /// The provider's id of the WhatsApp message, in the form in which it may be kept ([`angelia_shared::wamid::veiled`]).
        provider_id: String,
        /// The recipient's number as WhatsApp writes it, digits only, when it was told.
        canonical_recipient: Option<String>,
    },
    /// This message, or any to this recipient, cannot be sent: final.
    Failed {
        /// Why, for programs and people.
        reason: FailReason,
        /// The provider's words, free of secrets and numbers.
        detail: String,
    },
    /// Certainly not accepted; the same message may be tried again.
    PutOff {
        /// What is held up, and so how the caller waits.
        scope: PutOffScope,
        /// The least time to wait: what the provider asked for, or what its documents name for this error.
        retry_after: Option<Duration>,
        /// The provider's code, if it answered.
        code: Option<i64>,
        /// The provider's words, free of secrets and numbers.
        detail: String,
    },
    /// Certainly not accepted, and neither will anything else of this account be.
    AccountHeld {
        /// What becomes of the account.
        state: ProviderHold,
        /// The provider's code, if it answered.
        code: Option<i64>,
        /// The provider's words, free of secrets and numbers.
        detail: String,
    },
    /// Certainly not written: the permit was over before it could be.
    NotStarted,
    /// The request was written, and no answer came that could be read. It may have gone out.
    Unknown {
        /// What happened instead of an answer.
        detail: String,
    },
}

/// What an attempt was put off for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PutOffScope {
    /// The account sends too fast: back off, keep the order.
    Throughput,
    /// The business or the app is over its rate: back off for minutes.
    Business,
    /// Too many messages to this recipient in a short time: put this message off, growing. The account waits.
    Pair,
    /// The provider maintains the account: try again after a minute.
    Maintenance,
    /// The provider had an error: a bounded number of tries, then [`FailReason::ProviderError`].
    Provider,
    /// No connection to the provider could be made, so nothing was written: wait, as long as it takes.
    Connection,
}

impl PutOffScope {
    /// Whether tries for this scope are counted and come to an end.
    ///
    /// The others wait until the message expires: they say nothing about the message.
    pub fn is_bounded(self) -> bool {
        match self {
            PutOffScope::Provider => true,
            PutOffScope::Throughput
            | PutOffScope::Business
            | PutOffScope::Pair
            | PutOffScope::Maintenance
            | PutOffScope::Connection => false,
        }
    }

    /// The stable name, for events and metric labels.
    pub fn code(self) -> &'static str {
        match self {
            PutOffScope::Throughput => "throughput",
            PutOffScope::Business => "business",
            PutOffScope::Pair => "pair",
            PutOffScope::Maintenance => "maintenance",
            PutOffScope::Provider => "provider",
            PutOffScope::Connection => "connection",
        }
    }
}

// By hand, because the canonical recipient is a phone number.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Sent { provider_id, .. } => f.debug_struct("Sent").field("provider_id", provider_id).finish(),
            Outcome::Failed { reason, detail } => {
                f.debug_struct("Failed").field("reason", reason).field("detail", detail).finish()
            }
            Outcome::PutOff { scope, retry_after, code, detail } => f
                .debug_struct("PutOff")
                .field("scope", scope)
                .field("retry_after", retry_after)
                .field("code", code)
                .field("detail", detail)
                .finish(),
            Outcome::AccountHeld { state, code, detail } => {
                f.debug_struct("AccountHeld").field("state", state).field("code", code).field("detail", detail).finish()
            }
            Outcome::NotStarted => f.write_str("NotStarted"),
            Outcome::Unknown { detail } => f.debug_struct("Unknown").field("detail", detail).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_sent_hides_the_recipient() {
        let sent = Outcome::Sent { provider_id: "wamid.A".into(), canonical_recipient: Some("14151231234".to_owned()) };
        let shown = format!("{sent:?}");
        assert!(shown.contains("wamid.A") && !shown.contains("1415"), "{shown}");
    }

    #[test]
    fn only_provider_errors_come_to_an_end() {
        let unbounded = [
            PutOffScope::Throughput,
            PutOffScope::Business,
            PutOffScope::Pair,
            PutOffScope::Maintenance,
            PutOffScope::Connection,
        ];
        assert!(PutOffScope::Provider.is_bounded());
        assert!(unbounded.into_iter().all(|scope| !scope.is_bounded()));
    }
}
