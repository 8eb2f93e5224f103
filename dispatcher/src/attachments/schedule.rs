//! When a link that gave nothing is tried again.

use std::time::Duration;

/// The most tries of one link.
pub const TRIES_MAX: u32 = 5;
/// All tries start within this time of the first. A server that restarts is usually back by then.
const WITHIN: Duration = Duration::from_secs(30);
/// The waits after the first, second, third and fourth try: 25 s together, growing.
const WAITS: [Duration; TRIES_MAX as usize - 1] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(7), Duration::from_secs(14)];

/// Says how long to wait before the next try, or that there is none.
///
/// `tries` counts the tries made, `elapsed` is the time since the first one began: tries that take long use the half
/// minute up sooner, so that a server which never answers cannot keep a message for minutes.
pub fn next_try(tries: u32, elapsed: Duration) -> Option<Duration> {
    let Some(last) = tries.checked_sub(1) else {
        return Some(Duration::ZERO);
    };
    let wait = *WAITS.get(usize::try_from(last).ok()?)?;
    (elapsed.saturating_add(wait) <= WITHIN).then_some(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_quick_tries_start_within_half_a_minute() {
        let mut elapsed = Duration::ZERO;
        let mut tries = 0;
        while let Some(wait) = next_try(tries, elapsed) {
            elapsed += wait;
            tries += 1;
        }
        assert_eq!((tries, elapsed), (TRIES_MAX, Duration::from_secs(25)));
    }

    #[test]
    fn tries_that_take_their_full_time_end_sooner() {
        assert_eq!(next_try(1, Duration::from_secs(20)), Some(Duration::from_secs(1)));
        assert_eq!(next_try(2, Duration::from_secs(41)), None);
        assert_eq!(next_try(4, Duration::from_secs(16)), Some(Duration::from_secs(14)));
        assert_eq!(next_try(4, Duration::from_millis(16_001)), None, "the fifth would start too late");
    }

    proptest! {
        #[test]
        fn no_try_starts_after_half_a_minute_or_past_the_fifth(tries in 0u32..8, elapsed_ms in 0u64..40_000) {
            let elapsed = Duration::from_millis(elapsed_ms);
            if let Some(wait) = next_try(tries, elapsed) {
                prop_assert!(tries < TRIES_MAX);
                prop_assert!(tries == 0 || elapsed + wait <= WITHIN);
            }
        }
    }
}
