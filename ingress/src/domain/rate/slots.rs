//! A few callers' places side by side: who of them has used how much.
//!
//! A table of callers is many of these, each caller at home in the one that its hash names. So memory is fixed, and a call
//! looks at one of them.
//!
//! Invariant: when a newcomer finds no place, the caller who has used the least loses its own, and with it no more than
//! what it had used. To make a caller who is over its limit forgotten, somebody needs several others in the same place who
//! are further over theirs: more calls than they gain. Somebody with so many addresses is stopped by the webhook's limit.

use super::{Quota, Standing};

/// Places side by side: one or two lines of the processor's cache, and rarely full.
const PLACES: usize = 8;

/// Who has used how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    key: u128,
    /// See [`Quota::take`]. Not after now: the same as an empty place.
    used_until: u64,
}

/// The places.
#[derive(Clone, Debug, Default)]
pub struct Slots([Place; PLACES]);

impl Slots {
    /// Takes one call of `key` at `now`. Gives what is left after it.
    ///
    /// # Errors
    /// What is left, when that is nothing.
    pub fn take(&mut self, key: u128, quota: Quota, now: u64) -> Result<Standing, Standing> {
        let (at, used_until) = match self.0.iter().position(|place| place.key == key) {
            Some(at) => (at, self.0[at].used_until),
            None => {
                let least = (0..PLACES).min_by_key(|at| self.0[*at].used_until);
                (least.expect("there are places"), 0)
            }
        };
        let used_until = quota.take(used_until, now)?;
        self.0[at] = Place { key, used_until };
        Ok(quota.standing(used_until, now))
    }

    /// Gives back one call of `key`, if it is still known.
    pub fn give_back(&mut self, key: u128, quota: Quota) {
        if let Some(place) = self.0.iter_mut().find(|place| place.key == key) {
            place.used_until = quota.give_back(place.used_until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn quota(calls: u32, window_s: u32) -> Quota {
        Quota::new(calls, window_s).expect("in bounds")
    }

    #[test]
    fn each_key_has_a_quota_of_its_own() {
        let (mut slots, quota) = (Slots::default(), quota(2, 60));
        for key in 1..=8 {
            assert_eq!(slots.take(key, quota, SECOND).map(|left| left.remaining), Ok(1), "{key}");
            assert_eq!(slots.take(key, quota, SECOND).map(|left| left.remaining), Ok(0), "{key}");
            assert!(slots.take(key, quota, SECOND).is_err(), "{key}");
        }
    }

    #[test]
    fn whoever_is_over_its_limit_is_not_pushed_out_by_newcomers() {
        let (mut slots, quota) = (Slots::default(), quota(10, 60));
        while slots.take(1, quota, SECOND).is_ok() {}
        for newcomer in 2..10_000 {
            slots.take(newcomer, quota, SECOND).expect("a newcomer has its whole quota");
            assert!(slots.take(1, quota, SECOND).is_err(), "forgotten after {newcomer}");
        }
    }

    #[test]
    fn whoever_has_used_the_least_goes_first() {
        let (mut slots, quota) = (Slots::default(), quota(10, 60));
        for key in 1..=8 {
            for _ in 0..=key {
                slots.take(key, quota, SECOND).expect("within its quota");
            }
        }
        slots.take(9, quota, SECOND).expect("a newcomer");
        assert_eq!(slots.take(2, quota, SECOND).map(|left| left.remaining), Ok(6), "still known");
        assert_eq!(slots.take(1, quota, SECOND).map(|left| left.remaining), Ok(9), "forgotten");
    }

    #[test]
    fn what_is_given_back_can_be_used_and_a_stranger_gets_nothing_back() {
        let (mut slots, quota) = (Slots::default(), quota(2, 60));
        slots.take(1, quota, SECOND).expect("the first");
        slots.take(1, quota, SECOND).expect("the second");
        slots.give_back(7, quota);
        assert!(slots.take(1, quota, SECOND).is_err());
        slots.give_back(1, quota);
        assert_eq!(slots.take(1, quota, SECOND).map(|left| left.remaining), Ok(0));
    }
}
