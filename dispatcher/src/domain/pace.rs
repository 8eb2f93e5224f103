//! The gap between two attempts of one account.
//!
//! Shape: (message, attempt, range) -> milliseconds. The dice are seeded by the attempt, so a replay of the log finds the
//! same gap, and a new owner needs nothing that the log does not have.
//!
//! Invariants:
//! - DP-1 a gap is never under the floor, the range's lower end.

use angelia_shared::ids::MessageId;

/// The gap before an account's next attempt, in milliseconds, uniform in `range` (both ends included).
///
/// `attempt` is the number of the attempt that has just ended, from 1. A range that is turned round is its lower end.
pub fn gap_ms(message: MessageId, attempt: u32, range: (u64, u64)) -> u64 {
    let (floor, ceiling) = range;
    let width = ceiling.saturating_sub(floor);
    let dice = mix(message.0 ^ mix(u64::from(attempt)));
    // The high half of the product is uniform in 0..=width; the bias is below 1 in 2^50 for any gap under a day.
    let above = (u128::from(dice) * (u128::from(width) + 1)) >> 64;
    floor.saturating_add(above as u64)
}

/// `SplitMix64`: a fixed mixing function. A library's generator may change its stream between versions, and the gap of an
/// attempt must not.
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_gap_is_in_its_range(message: u64, attempt: u32, floor in 0u64..10_000_000, width in 0u64..10_000_000) {
            let gap = gap_ms(MessageId(message), attempt, (floor, floor + width));
            prop_assert!((floor..=floor + width).contains(&gap));
        }

        #[test]
        fn a_gap_is_the_same_whenever_it_is_asked_for(message: u64, attempt: u32) {
            let range = (1_500, 2_500);
            prop_assert_eq!(gap_ms(MessageId(message), attempt, range), gap_ms(MessageId(message), attempt, range));
        }
    }

    #[test]
    fn gaps_are_spread_evenly_with_the_mean_in_the_middle() {
        let gaps: Vec<u64> = (0..100_000).map(|i| gap_ms(MessageId(i), 1, (1_500, 2_500))).collect();
        let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        assert!((1_995.0..2_005.0).contains(&mean), "{mean}");
        for decile in 0..10u64 {
            let low = 1_500 + decile * 100;
            let share = gaps.iter().filter(|gap| (low..low + 100).contains(gap)).count();
            assert!((9_500..10_500).contains(&share), "{share} gaps in {low}..{}", low + 100);
        }
    }

    #[test]
    fn known_gaps_never_change() {
        // Frozen: a log written by an earlier version replays with the same gaps.
        let gaps: Vec<u64> =
            (1..=3).map(|attempt| gap_ms(MessageId(0x9FCC_85FE_9966_2E46), attempt, (1_500, 2_500))).collect();
        assert_eq!(gaps, [2_314, 2_461, 1_811]);
    }

    #[test]
    fn a_range_that_is_turned_round_gives_its_first_end() {
        assert_eq!(gap_ms(MessageId(1), 1, (2_500, 1_500)), 2_500);
    }
}
