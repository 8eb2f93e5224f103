//! How long a message waits after an attempt that was certainly not accepted.
//!
//! Shape: (scope, tries so far, what the provider asked for) -> milliseconds, or the end. Waits double and are capped.

use crate::transport::PutOffScope;

/// Tries of one part that may end with an error of the provider. Source: its documents call these errors temporary;
/// five tries in about half a minute ride out a restart, and one recipient cannot block an account for longer.
pub const PROVIDER_TRIES_MAX: u32 = 5;

/// What follows an attempt that was put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterPutOff {
    /// Try again after this many milliseconds, at the earliest.
    TryAfterMs(u64),
    /// The tries are used up.
    GiveUp,
}

/// Says what follows the `tries`th attempt in a row that was put off for `scope`, from 1.
///
/// `asked_ms` is the provider's own wish (`Retry-After`), the least to wait.
pub fn after(scope: PutOffScope, tries: u32, asked_ms: Option<u64>) -> AfterPutOff {
    if scope.is_bounded() && tries >= PROVIDER_TRIES_MAX {
        return AfterPutOff::GiveUp;
    }
    let (first_ms, longest_ms) = match scope {
        // 2 + 4 + 8 + 16 s: five tries in half a minute, gaps not counted.
        PutOffScope::Provider => (2_000, 16_000),
        PutOffScope::Throughput => (2_000, 60_000),
        PutOffScope::Connection => (1_000, 30_000),
        // One message per 6 s to one recipient. Source: the provider's pair rate limit.
        PutOffScope::Pair => (6_000, 300_000),
        PutOffScope::Business => (60_000, 900_000),
        PutOffScope::Maintenance => (60_000, 60_000),
    };
    let doublings = tries.saturating_sub(1).min(16);
    let wait_ms = (first_ms << doublings).min(longest_ms);
    AfterPutOff::TryAfterMs(wait_ms.max(asked_ms.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_errors_end_after_five_tries_within_a_minute() {
        let mut total = 0;
        for tries in 1..PROVIDER_TRIES_MAX {
            let AfterPutOff::TryAfterMs(wait) = after(PutOffScope::Provider, tries, None) else {
                panic!("try {tries}")
            };
            total += wait;
        }
        assert!((20_000..60_000).contains(&total), "{total}");
        assert_eq!(after(PutOffScope::Provider, PROVIDER_TRIES_MAX, None), AfterPutOff::GiveUp);
    }

    #[test]
    fn the_other_scopes_never_give_up_and_never_wait_less_than_asked() {
        use PutOffScope::{Business, Connection, Maintenance, Pair, Throughput};
        for scope in [Business, Connection, Maintenance, Pair, Throughput] {
            for tries in [1, 2, 10, 1_000_000] {
                let AfterPutOff::TryAfterMs(wait) = after(scope, tries, Some(7_000)) else { panic!("{scope:?}") };
                assert!((7_000..=900_000).contains(&wait), "{scope:?} {tries} {wait}");
            }
        }
    }

    #[test]
    fn waits_grow_and_are_capped() {
        let waits: Vec<_> = (1..=6).map(|tries| after(PutOffScope::Throughput, tries, None)).collect();
        let expected = [2_000, 4_000, 8_000, 16_000, 32_000, 60_000].map(AfterPutOff::TryAfterMs);
        assert_eq!(waits, expected);
    }
}
