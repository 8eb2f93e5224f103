//! The Cloud API's error codes: what each is about.
//!
//! Shape: code -> [`Scope`]. The same code means one thing in the answer to a call, where some of them mean "try again", and
//! another in a report of failure, which is final: what follows from a scope is the reader's business.
//!
//! Source: Meta, Cloud API error codes and Graph API error handling.

use std::ops::RangeInclusive;

use crate::fail_reason::FailReason;

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The account sends faster than it may.
    Throughput,
    /// The rate of the whole business or app.
    Business,
    /// Messages from this account to this recipient.
    Pair,
    /// The provider is being worked on.
    Maintenance,
    /// The provider itself.
    Provider,
    /// The account, for a while: spam and quality limits.
    AccountForNow,
    /// The account, until its owner does something: access, bills, registration.
    Account,
    /// The message or its recipient.
    Message(FailReason),
}

const TABLE: &[(&[RangeInclusive<i64>], Scope)] = &[
    (&[130_429..=130_429], Scope::Throughput),
    (&[80_007..=80_007, 4..=4], Scope::Business),
    (&[131_056..=131_056], Scope::Pair),
    (&[131_057..=131_057], Scope::Maintenance),
    (&[131_000..=131_000, 131_016..=131_016, 1..=1, 2..=2], Scope::Provider),
    (&[131_048..=131_048, 131_064..=131_064], Scope::AccountForNow),
    (&[190..=190, 0..=0, 3..=3, 10..=10, 200..=299, 131_005..=131_005], Scope::Account),
    (&[368..=368, 131_031..=131_031, 130_497..=130_497, 131_042..=131_042], Scope::Account),
    (&[131_037..=131_037, 131_045..=131_045, 133_010..=133_010], Scope::Account),
    (&[131_026..=131_026], Scope::Message(FailReason::RecipientNotOnWhatsapp)),
    (&[131_021..=131_021], Scope::Message(FailReason::RecipientIsTheSender)),
    (&[131_030..=131_030], Scope::Message(FailReason::RecipientNotAllowed)),
    (&[131_050..=131_050], Scope::Message(FailReason::RecipientOptedOut)),
    (&[130_472..=130_472], Scope::Message(FailReason::RecipientInExperiment)),
    (&[131_049..=131_049], Scope::Message(FailReason::MarketingLimit)),
    (&[131_047..=131_047], Scope::Message(FailReason::OutsideWindow)),
    (&[131_052..=131_053], Scope::Message(FailReason::MediaRejected)),
    (&[131_051..=131_051, 131_008..=131_009, 100..=100, 33..=33], Scope::Message(FailReason::MessageRejected)),
];

/// Says what a code is about; none when it is not known.
pub fn scope(code: i64) -> Option<Scope> {
    TABLE.iter().find(|(codes, _)| codes.iter().any(|codes| codes.contains(&code))).map(|(_, scope)| *scope)
}

/// Why a message failed that the provider took and then reported with this code; one that nobody knows is about the
/// message. What it makes of the account: see [`crate::account_hold`].
pub fn reported(code: i64) -> FailReason {
    match scope(code) {
        Some(Scope::Message(reason)) => reason,
        None => FailReason::MessageRejected,
        Some(Scope::Throughput | Scope::Business | Scope::Pair | Scope::Maintenance | Scope::Provider) => {
            FailReason::ProviderError
        }
        Some(Scope::AccountForNow | Scope::Account) => FailReason::AccountHeld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_in_two_rows() {
        let ranges: Vec<_> = TABLE.iter().flat_map(|(codes, _)| *codes).collect();
        for (at, one) in ranges.iter().enumerate() {
            for other in &ranges[at + 1..] {
                assert!(one.end() < other.start() || other.end() < one.start(), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn codes_that_nobody_knows_have_no_scope() {
        for code in [999_999, -1, 5, 199, 300, 131_001, i64::MAX, i64::MIN] {
            assert_eq!(scope(code), None, "code {code}");
        }
    }

    #[test]
    fn a_reported_failure_is_the_message_s_the_account_s_or_the_provider_s() {
        let table = [
            (131_026, FailReason::RecipientNotOnWhatsapp),
            (131_021, FailReason::RecipientIsTheSender),
            (131_030, FailReason::RecipientNotAllowed),
            (131_050, FailReason::RecipientOptedOut),
            (130_472, FailReason::RecipientInExperiment),
            (131_049, FailReason::MarketingLimit),
            (131_047, FailReason::OutsideWindow),
            (131_053, FailReason::MediaRejected),
            (131_051, FailReason::MessageRejected),
            (999_999, FailReason::MessageRejected),
        ];
        for (code, reason) in table {
            assert_eq!(reported(code), reason, "{code}");
        }
        for code in [131_000, 131_016, 131_057, 1, 4, 80_007, 130_429, 131_056] {
            assert_eq!(reported(code), FailReason::ProviderError, "{code}");
        }
        for code in [131_048, 131_064, 190, 0, 299, 131_005, 368, 133_010] {
            assert_eq!(reported(code), FailReason::AccountHeld, "{code}");
        }
    }
}
