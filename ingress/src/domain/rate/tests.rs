//! Examples, and what holds for any quota at any times.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SECOND: u64 = NANOS;

fn quota(calls: u32, window_s: u32) -> Quota {
    Quota::new(calls, window_s).expect("in bounds")
}

#[test]
fn a_quota_is_read_and_shown_in_one_form() {
    for (text, calls, window_s) in [("600/60", 600, 60), (" 1 / 86400 ", 1, 86_400), ("1000000/1", 1_000_000, 1)] {
        assert_eq!(text.parse(), Ok(quota(calls, window_s)), "{text}");
    }
    assert_eq!(quota(600, 60).to_string(), "600/60");
    for bad in ["", "600", "0/60", "600/0", "1000001/1", "1/86401", "-1/60", "1/1/1", "1.5/60", "600/60s"] {
        let what = bad.parse::<Quota>().expect_err(bad).to_string();
        assert!(what.contains("as 600/60"), "{what}");
    }
}

#[test]
fn calls_are_taken_at_once_up_to_the_quota_and_then_one_by_one() {
    let (quota, mut used) = (quota(3, 30), 0);
    let start = 7 * SECOND;
    for remaining in [2, 1, 0] {
        used = quota.take(used, start).expect("within the quota");
        assert_eq!(quota.standing(used, start), Standing { remaining, more_in_s: 10 });
    }
    assert_eq!(quota.take(used, start), Err(Standing { remaining: 0, more_in_s: 10 }));
    assert_eq!(quota.take(used, start + 10 * SECOND - 1), Err(Standing { remaining: 0, more_in_s: 1 }));
    used = quota.take(used, start + 10 * SECOND).expect("one has come back");
    assert!(quota.take(used, start + 10 * SECOND).is_err());
    assert_eq!(quota.standing(used, start + 25 * SECOND), Standing { remaining: 1, more_in_s: 5 });
    assert_eq!(quota.standing(used, start + 100 * SECOND), Standing { remaining: 3, more_in_s: 0 });
}

#[test]
fn at_the_end_of_time_nothing_is_taken() {
    let quota = quota(1, 1);
    assert!(quota.take(u64::MAX, u64::MAX).is_err());
    assert!(quota.take(0, u64::MAX).is_err());
    assert!(quota.take(u64::MAX, 0).is_err());
}

fn any_quota() -> impl Strategy<Value = Quota> {
    let calls = prop_oneof![1..=5_u32, 1..=CALLS_MAX];
    let window = prop_oneof![1..=5_u32, 1..=WINDOW_MAX_S];
    (calls, window).prop_map(|(calls, window_s)| quota(calls, window_s))
}

/// Few calls, so that a property meets the limit often, at times that crowd around its steps.
fn small_quota_and_times() -> impl Strategy<Value = (Quota, Vec<u64>)> {
    (1..=6_u32, 1..=4_u32).prop_flat_map(|(calls, window_s)| {
        let quota = quota(calls, window_s);
        let times =
            prop_oneof![0..12 * SECOND, (0..40_u64, 0..3_u64).prop_map(move |(n, off)| n * quota.step_ns() + off)];
        (Just(quota), vec(times, 1..120))
    })
}

/// The times at which calls were taken, in the order in which they came.
fn taken(quota: Quota, times: &[u64]) -> Vec<u64> {
    let mut used = 0;
    let mut taken = Vec::new();
    for now in times {
        if let Ok(more) = quota.take(used, *now) {
            assert!(more > used, "a call that is taken uses something up");
            used = more;
            taken.push(*now);
        }
    }
    taken
}

proptest! {
    /// Also when the times jump to and fro, as those of several threads do.
    #[test]
    fn in_any_span_no_more_is_taken_than_the_quota_at_once_and_its_rate((quota, times) in small_quota_and_times()) {
        let taken = taken(quota, &times);
        for from in &taken {
            for to in taken.iter().filter(|to| *to >= from) {
                let count = taken.iter().filter(|at| (from..=to).contains(at)).count() as u64;
                // Reckoned from the quota's own numbers, not from what a call uses up.
                let (calls, window_ns) = (u64::from(quota.calls()), u64::from(quota.window_s()) * SECOND);
                let most = calls + (to - from) * calls / window_ns;
                prop_assert!(count <= most, "{} in {} ns", count, to - from);
            }
        }
    }

    #[test]
    fn who_asks_for_less_than_the_rate_is_never_refused(quota in any_quota(), start in 0..u64::MAX / 2, calls in 1..200_u64) {
        let times: Vec<u64> = (0..calls).map(|n| start + n * quota.step_ns()).collect();
        prop_assert_eq!(taken(quota, &times).len() as u64, calls);
    }

    #[test]
    fn a_refused_call_is_told_a_wait_that_is_enough_and_not_a_second_too_long(
        (quota, mut times) in small_quota_and_times(),
    ) {
        times.sort_unstable();
        let mut used = 0;
        for now in times {
            match quota.take(used, now) {
                Ok(more) => used = more,
                Err(standing) => {
                    prop_assert_eq!(standing.remaining, 0);
                    prop_assert!(standing.more_in_s >= 1);
                    prop_assert!(quota.take(used, now + u64::from(standing.more_in_s) * SECOND).is_ok());
                    let sooner = now + u64::from(standing.more_in_s - 1) * SECOND;
                    prop_assert!(quota.take(used, sooner).is_err());
                }
            }
        }
    }

    #[test]
    fn what_is_said_to_remain_is_what_is_taken_then((quota, mut times) in small_quota_and_times()) {
        times.sort_unstable();
        let mut used = 0;
        for now in times {
            if let Ok(more) = quota.take(used, now) {
                used = more;
            }
            let Standing { remaining, more_in_s } = quota.standing(used, now);
            let (at_once, later) = (vec![now; 20], vec![now + u64::from(more_in_s) * SECOND; 20]);
            let count = |times: &[u64]| {
                let mut used = used;
                times.iter().filter(|now| quota.take(used, **now).map(|more| used = more).is_ok()).count() as u32
            };
            prop_assert_eq!(count(&at_once), remaining);
            prop_assert!(remaining == quota.calls || count(&later) > remaining);
        }
    }

    #[test]
    fn a_call_given_back_leaves_no_trace((quota, times) in small_quota_and_times(), used in 0..20 * SECOND) {
        for now in times {
            if let Ok(more) = quota.take(used, now) {
                let after = quota.give_back(more);
                prop_assert_eq!(quota.standing(after, now), quota.standing(used, now));
            }
        }
    }

    #[test]
    fn no_numbers_overflow(quota in any_quota(), used in any::<u64>(), now in any::<u64>()) {
        let standing = quota.standing(used, now);
        prop_assert!(standing.remaining <= quota.calls);
        if let Ok(more) = quota.take(used, now) {
            prop_assert!(more > now && more > used);
            prop_assert_eq!(quota.standing(more, now).remaining + 1, standing.remaining);
        } else {
            prop_assert!(standing.remaining == 0 || used.max(now) > u64::MAX - quota.step_ns());
        }
    }
}
