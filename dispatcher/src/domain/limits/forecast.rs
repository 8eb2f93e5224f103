//! When a message far behind the front is likely to go. An estimate: nothing is promised by it.
//!
//! Shape: (when the front goes, how many before, mean gap, limits) -> time. It walks from day to day: a day takes as many as
//! its daily cap allows, spread over what is not quiet of it at the mean gap or the hourly cap's mean, whichever is longer.
//!
//! Not here: recipients, whose gaps depend on who is before (see [`super::earliest`] for the front).

use angelia_shared::units::UnixMillis;

use super::{DAY_MS, HOUR_MS, Limits, Memory};

/// Days that are looked ahead: what goes later is not told. A look takes a microsecond a day.
const DAYS_MAX: u64 = 400;

/// When the message with `ahead` others before it is likely to go, if the one at the front goes at `first`. None when that
/// is more than a year away.
pub fn expected(
    limits: &Limits,
    memory: &Memory,
    first: UnixMillis,
    ahead: u64,
    mean_gap_ms: u64,
) -> Option<UnixMillis> {
    let by_hour = limits.hourly_cap.map_or(0, |cap| HOUR_MS.div_ceil(u64::from(cap.max(1))));
    let spacing_ms = mean_gap_ms.max(by_hour).max(1);
    if limits.quiet.is_none() && limits.daily_cap.is_none() && limits.warm_up.is_none() {
        let wait_ms = ahead.saturating_mul(spacing_ms);
        return (wait_ms <= DAYS_MAX * DAY_MS).then(|| first.plus_ms(wait_ms));
    }
    let mut left = ahead;
    let mut begins = first;
    for day in 0..DAYS_MAX {
        let used = if day == 0 { memory.of_the_day(begins) } else { 0 };
        // The first goes whatever was used: it was found by the very same rules.
        let cap = limits.daily_cap_at(begins).map_or(u64::MAX, |cap| u64::from(cap).saturating_sub(used).max(1));
        let ends = begins.plus_ms(DAY_MS);
        match open_after(limits, begins, left.saturating_mul(spacing_ms), ends) {
            Found::At(at) if left < cap => return Some(at),
            Found::At(_) => left -= cap,
            Found::OpenMs(open_ms) => left -= (open_ms.div_ceil(spacing_ms)).min(cap).min(left),
        }
        begins = limits.quiet.map_or(ends, |quiet| quiet.over_from(ends));
    }
    None
}

enum Found {
    At(UnixMillis),
    /// How much of the span is not quiet.
    OpenMs(u64),
}

/// The time at which `wanted_ms` that are not quiet have passed since `from`, if that is before `until`.
fn open_after(limits: &Limits, from: UnixMillis, wanted_ms: u64, until: UnixMillis) -> Found {
    let (mut at, mut open_ms) = (from, 0);
    while at < until {
        let closes = limits.quiet.map_or(until, |quiet| quiet.begins_from(at).min(until));
        let here_ms = closes.ms_since(at);
        if open_ms + here_ms > wanted_ms {
            return Found::At(at.plus_ms(wanted_ms - open_ms));
        }
        open_ms += here_ms;
        at = limits.quiet.map_or(until, |quiet| quiet.over_from(closes));
    }
    Found::OpenMs(open_ms)
}
