//! An account's pace as it is shown: every limit, `null` when it is off.

use angelia_shared::event::directory::{Pace, QuietHours, WarmUp};
use angelia_shared::units::UnixMillis;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct PaceShown<'a> {
    gap_ms: (u64, u64),
    hourly_cap: Option<u32>,
    daily_cap: Option<u32>,
    quiet_hours: Option<&'a QuietHours>,
    recipient_gap_ms: Option<u64>,
    warm_up: Option<WarmUpShown>,
}

#[derive(Serialize)]
struct WarmUpShown {
    since: String,
    first_day: u32,
    more_each_day: u32,
    days: u16,
}

impl<'a> From<&'a Pace> for PaceShown<'a> {
    fn from(pace: &'a Pace) -> Self {
        let Pace { gap_ms, hourly_cap, daily_cap, quiet_hours, recipient_gap_ms, warm_up } = pace;
        let warm_up_shown = |WarmUp { since, first_day, more_each_day, days }: WarmUp| WarmUpShown {
            since: UnixMillis::to_rfc3339(since),
            first_day,
            more_each_day,
            days,
        };
        Self {
            gap_ms: *gap_ms,
            hourly_cap: *hourly_cap,
            daily_cap: *daily_cap,
            quiet_hours: quiet_hours.as_ref(),
            recipient_gap_ms: *recipient_gap_ms,
            warm_up: warm_up.map(warm_up_shown),
        }
    }
}
