//! How fast an account sends, and when it does not.
//!
//! Everything but the gap is off unless its owner says otherwise. A field that came later is left out of the event when
//! it is off, so that events of earlier versions are written as they were.
//!
//! Not here: what the settings mean for the next send (the dispatcher's rules), which values an owner may give (the
//! ingress's).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::UnixMillis;

/// How fast an account sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Range of the gap between two attempts, in milliseconds, lowest first; the lower end is the floor.
    pub gap_ms: (u64, u64),
    /// The most attempts in any 60 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly_cap: Option<u32>,
    /// The most attempts in any 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_cap: Option<u32>,
    /// When nothing is sent, every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The least time between two messages to one recipient, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_gap_ms: Option<u64>,
    /// A daily cap that grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
}

impl Default for Pace {
    /// Uniform between 1.5 s and 2.5 s, and nothing else.
    fn default() -> Self {
        Self {
            gap_ms: (1_500, 2_500),
            hourly_cap: None,
            daily_cap: None,
            quiet_hours: None,
            recipient_gap_ms: None,
            warm_up: None,
        }
    }
}

/// A span of the day, by the clocks of a place, in which nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuietHours {
    /// The first quiet minute.
    pub from: TimeOfDay,
    /// The first minute that is not quiet any more; earlier than `from` when the span goes over midnight.
    pub to: TimeOfDay,
    /// The place's name in the IANA database: `Europe/Berlin`.
    pub time_zone: String,
}

/// A time on a clock on the wall, `HH:MM`, as minutes since midnight: 0 to 1,439.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// Reads `HH:MM`, 00:00 to 23:59.
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |digits: &str, below: u16| {
            let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            two.then(|| digits.parse().ok()).flatten().filter(|number: &u16| *number < below)
        };
        Some(Self(number(hours, 24)? * 60 + number(minutes, 60)?))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not a time of day"))
    }
}

/// A daily cap that grows day by day, for a number that is new. A day has 24 hours here, counted from `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// When the first day began.
    pub since: UnixMillis,
    /// The most attempts in any 24 hours during the first day.
    pub first_day: u32,
    /// How many more each following day allows.
    pub more_each_day: u32,
    /// How many days it lasts; then it says nothing any more.
    pub days: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_reads_as_it_is_shown_and_nothing_else_is_one() {
        for minutes in 0..1_440 {
            assert_eq!(TimeOfDay::parse(&TimeOfDay(minutes).to_string()), Some(TimeOfDay(minutes)));
        }
        for text in ["", "7:00", "24:00", "12:60", "12-00", "12:0a", "12:000", "+1:00", "1200", " 9:00"] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
            assert!(serde_json::from_value::<TimeOfDay>(text.into()).is_err(), "{text}");
        }
    }
}
