//! An error in the Cloud API's answer to a call, and so what is done.
//!
//! Shape: (code, `is_transient`, HTTP status) -> [`Class`]. The code comes first: Graph answers some permission errors
//! with 500 and some errors of its own with 400. What each code is about: `angelia_shared::cloud_code`.
//!
//! Source: Meta, Cloud API error codes and Graph API error handling.

use std::time::Duration;

use angelia_shared::cloud_code::{self, Scope};

use crate::transport::{FailReason, ProviderHold, PutOffScope};

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Try again later; at least after this time.
    PutOff(PutOffScope, Option<Duration>),
    /// Never try again.
    Fail(FailReason),
    /// The account cannot send.
    Hold(ProviderHold),
}

const PROVIDER: Class = Class::PutOff(PutOffScope::Provider, None);
/// Rates of a business or an app are counted over minutes and hours.
const BUSINESS: Class = Class::PutOff(PutOffScope::Business, Some(Duration::from_secs(120)));
/// One message to one recipient every 6 s, once a burst of 45 is used up.
const PAIR: Class = Class::PutOff(PutOffScope::Pair, Some(Duration::from_secs(6)));
const MAINTENANCE: Class = Class::PutOff(PutOffScope::Maintenance, Some(Duration::from_secs(60)));

fn class(scope: Scope) -> Class {
    match scope {
        Scope::Throughput => Class::PutOff(PutOffScope::Throughput, None),
        Scope::Business => BUSINESS,
        Scope::Pair => PAIR,
        Scope::Maintenance => MAINTENANCE,
        Scope::Provider => PROVIDER,
        Scope::AccountForNow => Class::Hold(ProviderHold::ForNow),
        Scope::Account => Class::Hold(ProviderHold::UntilMended),
        Scope::Message(reason) => Class::Fail(reason),
    }
}

/// Says what an error is about.
///
/// `is_transient` makes a provider's error of anything that would otherwise be final. A code that nobody knows
/// goes by its status: 5xx is the provider, 429 a rate, the rest a rejected message. Rejecting is the safe reading: a
/// message is refunded and its account goes on, where waiting would hold everything behind an error nobody knows.
pub(super) fn classify(code: i64, is_transient: bool, status: u16) -> Class {
    match cloud_code::scope(code).map(class) {
        Some(Class::Fail(_) | Class::Hold(_)) | None if is_transient => PROVIDER,
        Some(class) => class,
        None if status >= 500 => PROVIDER,
        None if status == 429 => BUSINESS,
        None => Class::Fail(FailReason::MessageRejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written from the documents' table, not from the program's.
    fn documented() -> Vec<(i64, Class)> {
        let seconds = |s| Some(Duration::from_secs(s));
        let held = |state: ProviderHold, codes: &[i64]| -> Vec<(i64, Class)> {
            codes.iter().map(|code| (*code, Class::Hold(state))).collect()
        };
        let mut rows = vec![
            (130_429, Class::PutOff(PutOffScope::Throughput, None)),
            (80_007, Class::PutOff(PutOffScope::Business, seconds(120))),
            (4, Class::PutOff(PutOffScope::Business, seconds(120))),
            (131_056, Class::PutOff(PutOffScope::Pair, seconds(6))),
            (131_057, Class::PutOff(PutOffScope::Maintenance, seconds(60))),
            (131_000, Class::PutOff(PutOffScope::Provider, None)),
            (131_016, Class::PutOff(PutOffScope::Provider, None)),
            (1, Class::PutOff(PutOffScope::Provider, None)),
            (2, Class::PutOff(PutOffScope::Provider, None)),
            (131_049, Class::Fail(FailReason::MarketingLimit)),
            (131_047, Class::Fail(FailReason::OutsideWindow)),
            (131_026, Class::Fail(FailReason::RecipientNotOnWhatsapp)),
            (131_021, Class::Fail(FailReason::RecipientIsTheSender)),
            (131_030, Class::Fail(FailReason::RecipientNotAllowed)),
            (131_050, Class::Fail(FailReason::RecipientOptedOut)),
            (130_472, Class::Fail(FailReason::RecipientInExperiment)),
            (131_051, Class::Fail(FailReason::MessageRejected)),
            (131_052, Class::Fail(FailReason::MediaRejected)),
            (131_053, Class::Fail(FailReason::MediaRejected)),
            (131_008, Class::Fail(FailReason::MessageRejected)),
            (131_009, Class::Fail(FailReason::MessageRejected)),
            (100, Class::Fail(FailReason::MessageRejected)),
            (33, Class::Fail(FailReason::MessageRejected)),
        ];
        rows.extend(held(ProviderHold::ForNow, &[131_048, 131_064]));
        rows.extend(held(ProviderHold::UntilMended, &[190, 0, 3, 10, 200, 240, 299, 131_005]));
        rows.extend(held(ProviderHold::UntilMended, &[368, 131_031, 130_497, 131_042, 131_037, 131_045, 133_010]));
        rows
    }

    #[test]
    fn every_documented_code_has_its_class_whatever_the_status() {
        for (code, class) in documented() {
            for status in [200, 400, 401, 403, 429, 500, 503] {
                assert_eq!(classify(code, false, status), class, "code {code} with status {status}");
            }
        }
    }

    #[test]
    fn transient_makes_final_errors_the_providers_and_leaves_waiting_ones_alone() {
        for (code, class) in documented() {
            let expected = if let Class::PutOff(..) = class { class } else { PROVIDER };
            assert_eq!(classify(code, true, 400), expected, "code {code}");
        }
        assert_eq!(classify(999_999, true, 400), PROVIDER);
    }

    #[test]
    fn unknown_codes_go_by_their_status() {
        for code in [999_999, -1, 5, 199, 300, 131_001, i64::MAX, i64::MIN] {
            assert_eq!(classify(code, false, 500), PROVIDER, "code {code}");
            assert_eq!(classify(code, false, 503), PROVIDER, "code {code}");
            assert_eq!(classify(code, false, 429), BUSINESS, "code {code}");
            for status in [400, 401, 403, 404, 413] {
                let rejected = Class::Fail(FailReason::MessageRejected);
                assert_eq!(classify(code, false, status), rejected, "code {code} with status {status}");
            }
        }
    }
}
