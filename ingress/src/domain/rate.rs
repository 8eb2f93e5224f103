//! How many calls are taken in a time: a quota, and what is left of it.
//!
//! Shape: ([`Quota`], used until, now) -> used until, or [`Standing`]. All that is kept of a caller is one number, the time
//! up to which its calls have used what the quota gives (the *theoretical arrival time* of the generic cell rate algorithm):
//! each call moves it on by `window / calls`, and it may not run further ahead of the clock than a window. That is a bucket
//! of `calls` tokens that refills evenly, without a timer that refills it.
//!
//! Invariants, for calls at any times, in whichever order those reach here:
//! - In any span of `t` seconds at most `calls + t * calls / window` calls are taken.
//! - A call that is refused uses nothing up, and the wait that it is told is enough and not a second too long.
//!
//! Not here: where the numbers are kept (see [`slots`]), and who counts as one caller (see [`super::caller::counted_as`]).

pub mod slots;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

const NANOS: u64 = 1_000_000_000;
/// The most calls of a quota: beyond it nothing is left to limit.
const CALLS_MAX: u32 = 1_000_000;
/// The longest window, in seconds: a day.
const WINDOW_MAX_S: u32 = 86_400;

/// So many calls in so many seconds: `600/60`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    calls: u32,
    window_s: u32,
}

/// A text is not a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuota(String);

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Calls that would be taken now.
    pub remaining: u32,
    /// Seconds until it is one more, rounded up; 0 when nothing is used.
    pub more_in_s: u32,
}

impl fmt::Display for BadQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected calls/seconds, as 600/60, with 1 to {CALLS_MAX} calls in 1 to {WINDOW_MAX_S} seconds, found {:?}",
            self.0
        )
    }
}

impl FromStr for Quota {
    type Err = BadQuota;

    fn from_str(text: &str) -> Result<Self, BadQuota> {
        let bad = || BadQuota(text.to_owned());
        let (calls, window_s) = text.split_once('/').ok_or_else(bad)?;
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| bad());
        Self::new(number(calls)?, number(window_s)?).ok_or_else(bad)
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.window_s)
    }
}

impl Quota {
    /// `calls` in `window_s` seconds; `None` out of the bounds, which are 1 to 1,000,000 and 1 to 86,400.
    pub const fn new(calls: u32, window_s: u32) -> Option<Self> {
        if calls == 0 || calls > CALLS_MAX || window_s == 0 || window_s > WINDOW_MAX_S {
            return None;
        }
        Some(Self { calls, window_s })
    }

    /// The calls.
    pub const fn calls(self) -> u32 {
        self.calls
    }

    /// The window, in seconds.
    pub const fn window_s(self) -> u32 {
        self.window_s
    }

    /// What one call uses up, in nanoseconds, rounded up: never more calls than the quota says.
    const fn step_ns(self) -> u64 {
        (self.window_s as u64 * NANOS).div_ceil(self.calls as u64)
    }

    /// Takes one call at `now` (nanoseconds since any fixed moment) from a caller that has used its quota until
    /// `used_until`, 0 at first. Gives the new `used_until`.
    ///
    /// # Errors
    /// What is left, when that is nothing.
    pub fn take(self, used_until: u64, now: u64) -> Result<u64, Standing> {
        let used = used_until.max(now).checked_add(self.step_ns());
        // At the end of time nothing is taken: better than to start over with a full quota.
        let used = used.filter(|used| used - now <= self.step_ns() * u64::from(self.calls));
        used.ok_or_else(|| self.standing(used_until, now))
    }

    /// Gives back what one call used up.
    pub fn give_back(self, used_until: u64) -> u64 {
        used_until.saturating_sub(self.step_ns())
    }

    /// What is left at `now`.
    pub fn standing(self, used_until: u64, now: u64) -> Standing {
        let ahead = used_until.saturating_sub(now);
        if ahead == 0 {
            return Standing { remaining: self.calls, more_in_s: 0 };
        }
        // Clocks step back, so more may be used than there is; then several calls have to be made up for.
        let used = u32::try_from(ahead.div_ceil(self.step_ns())).unwrap_or(u32::MAX);
        let remaining = self.calls.saturating_sub(used);
        let with_one_more = self.step_ns() * u64::from(self.calls - remaining - 1);
        let more_in_s = (ahead - with_one_more).div_ceil(NANOS);
        Standing { remaining, more_in_s: u32::try_from(more_in_s).unwrap_or(u32::MAX) }
    }
}
