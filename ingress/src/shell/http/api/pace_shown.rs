//! An account's pace as it is shown: every limit, `null` when it is off.

use angelia_shared::event::directory::{Pace, QuietHours, WarmUp};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Time;

/// How fast an account sends, and when it does not.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pace")]
pub(super) struct PaceShown {
    /// Range of the gap between two attempts, in milliseconds, lowest first.
    gap_ms: (u64, u64),
    /// The most attempts in any 60 minutes.
    hourly_cap: Option<u32>,
    /// The most attempts in any 24 hours.
    daily_cap: Option<u32>,
    /// When nothing is sent, every day.
    quiet_hours: Option<QuietHours>,
    /// The least time between two messages to one recipient, in milliseconds.
    recipient_gap_ms: Option<u64>,
    /// A daily cap that grows.
    warm_up: Option<WarmUpShown>,
}

/// A daily cap that grows day by day.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WarmUp")]
struct WarmUpShown {
    /// When the first day began.
    since: Time,
    /// The most attempts during the first day.
    first_day: u32,
    /// How many more each following day allows.
    more_each_day: u32,
    /// How many days it lasts.
    days: u16,
}

impl From<&Pace> for PaceShown {
    fn from(pace: &Pace) -> Self {
        let Pace { gap_ms, hourly_cap, daily_cap, quiet_hours, recipient_gap_ms, warm_up } = pace;
        let warm_up_shown = |WarmUp { since, first_day, more_each_day, days }: WarmUp| WarmUpShown {
            since: since.into(),
            first_day,
            more_each_day,
            days,
        };
        Self {
            gap_ms: *gap_ms,
            hourly_cap: *hourly_cap,
            daily_cap: *daily_cap,
            quiet_hours: quiet_hours.clone(),
            recipient_gap_ms: *recipient_gap_ms,
            warm_up: warm_up.map(warm_up_shown),
        }
    }
}
