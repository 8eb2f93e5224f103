//! The Cloud API's error codes in reports of failure, as the stable reasons that messages show.
//!
//! The same codes in the answer to a call are the dispatcher's business: there some of them mean "try again". A report of
//! failure is final, whatever its code.
//!
//! Source: Meta, Cloud API error codes.

/// A failure without a code that is known.
pub const REJECTED: &str = "message_rejected";

/// The reason for a code.
pub fn reason(code: i64) -> &'static str {
    match code {
        131_026 => "recipient_not_on_whatsapp",
        131_021 => "recipient_is_the_sender",
        131_030 => "recipient_not_allowed",
        131_050 => "recipient_opted_out",
        130_472 => "recipient_in_experiment",
        131_049 => "marketing_limit",
        131_047 => "outside_window",
        131_052 | 131_053 => "media_rejected",
        131_051 | 131_008 | 131_009 | 100 | 33 => REJECTED,
        // The provider itself, its rates, and what it holds against the account: nothing about this message.
        131_000 | 131_016 | 131_057 | 1 | 2 | 4 | 80_007 | 130_429 | 131_056 | 131_048 | 131_064 => "provider_error",
        190 | 0 | 3 | 10 | 200..=299 | 131_005 => "provider_error",
        368 | 131_031 | 130_497 | 131_042 | 131_037 | 131_045 | 133_010 => "provider_error",
        _ => REJECTED,
    }
}
