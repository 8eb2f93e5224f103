//! Quiet hours: a span of every day, by the clocks of a place, in which nothing is sent.
//!
//! Shape: (span, place, time) -> the first time from then on that is not quiet, or that is.
//!
//! A time is quiet when the clock on the wall there shows a time in the span. That is all: where clocks are put forward over
//! an end of the span, the span ends (or begins) with the jump; where they are put back into it, it is quiet twice.
//!
//! Invariants:
//! - What [`Quiet::over_from`] names is not quiet, and everything from the time that was asked about up to it is.

use angelia_shared::event::directory::QuietHours;
use angelia_shared::units::UnixMillis;
use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// Quiet hours whose place is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quiet {
    /// Minutes since midnight: the first quiet one.
    from: u16,
    /// The first that is not.
    to: u16,
    zone: Tz,
}

impl Quiet {
    /// Reads an owner's setting; `None` when its place is not in the database of this program.
    pub fn read(hours: &QuietHours) -> Option<Self> {
        let zone = hours.time_zone.parse().ok()?;
        Some(Self { from: hours.from.minutes(), to: hours.to.minutes(), zone })
    }

    /// Whether `at` is quiet. A span that ends where it begins has no minute.
    pub fn is_quiet(self, at: UnixMillis) -> bool {
        let since_from = (self.on_the_wall(at) - i64::from(self.from) * MINUTE_MS).rem_euclid(DAY_MS);
        since_from < self.length_ms()
    }

    /// The first time from `at` on that is not quiet.
    pub fn over_from(self, at: UnixMillis) -> UnixMillis {
        self.first(at, false)
    }

    /// The first time from `at` on that is quiet; the end of time when none is.
    pub fn begins_from(self, at: UnixMillis) -> UnixMillis {
        if self.length_ms() == 0 { UnixMillis(i64::MAX) } else { self.first(at, true) }
    }

    fn length_ms(self) -> i64 {
        ((i64::from(self.to) - i64::from(self.from)) * MINUTE_MS).rem_euclid(DAY_MS)
    }

    fn first(self, at: UnixMillis, quiet: bool) -> UnixMillis {
        let edge = if quiet { self.from } else { self.to };
        let mut at = at;
        while self.is_quiet(at) != quiet {
            let edge_in_ms = (i64::from(edge) * MINUTE_MS - self.on_the_wall(at)).rem_euclid(DAY_MS);
            let edge_at = UnixMillis(at.0.saturating_add(edge_in_ms));
            // A jump of the clocks before the edge: look again from there. There is at most one on a day.
            match self.jump_between(at, edge_at) {
                Some(jump) => at = jump,
                None => return edge_at,
            }
        }
        at
    }

    /// The clock on the wall, as milliseconds; only what is left after whole days counts.
    fn on_the_wall(self, at: UnixMillis) -> i64 {
        at.0.saturating_add(self.offset_ms(at))
    }

    fn offset_ms(self, at: UnixMillis) -> i64 {
        let utc = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
        i64::from(self.zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()) * 1_000
    }

    /// The first moment after `from` and up to `to` with another offset than `from` has, when `to` has another.
    fn jump_between(self, from: UnixMillis, to: UnixMillis) -> Option<UnixMillis> {
        let before = self.offset_ms(from);
        if self.offset_ms(to) == before {
            return None;
        }
        let (mut same, mut other) = (from.0, to.0);
        while other - same > 1 {
            let middle = same.midpoint(other);
            if self.offset_ms(UnixMillis(middle)) == before { same = middle } else { other = middle }
        }
        Some(UnixMillis(other))
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::directory::TimeOfDay;
    use proptest::prelude::*;

    use super::*;

    fn quiet(from: &str, to: &str, zone: &str) -> Quiet {
        let time = |text| TimeOfDay::parse(text).expect("a time of day");
        let hours = QuietHours { from: time(from), to: time(to), time_zone: zone.to_owned() };
        Quiet::read(&hours).expect("a place")
    }

    #[track_caller]
    fn over(quiet: Quiet, from: &str, to: &str) {
        let at = |text| UnixMillis::from_rfc3339(text).expect("a time");
        assert_eq!(quiet.over_from(at(from)).to_rfc3339(), at(to).to_rfc3339());
    }

    #[test]
    fn a_night_ends_in_the_morning_and_a_day_is_not_touched() {
        let night = quiet("21:00", "08:00", "Europe/Berlin");
        over(night, "2026-01-10T20:59:59.999+01:00", "2026-01-10T20:59:59.999+01:00");
        over(night, "2026-01-10T21:00:00+01:00", "2026-01-11T08:00:00+01:00");
        over(night, "2026-01-11T07:59:59.999+01:00", "2026-01-11T08:00:00+01:00");
        over(night, "2026-01-11T08:00:00+01:00", "2026-01-11T08:00:00+01:00");
        over(quiet("12:00", "13:30", "Asia/Kolkata"), "2026-01-10T12:15:00+05:30", "2026-01-10T13:30:00+05:30");
    }

    #[test]
    fn a_night_is_an_hour_shorter_or_longer_when_the_clocks_change() {
        let night = quiet("21:00", "08:00", "Europe/Berlin");
        over(night, "2026-03-28T22:00:00+01:00", "2026-03-29T08:00:00+02:00");
        over(night, "2026-10-24T22:00:00+02:00", "2026-10-25T08:00:00+01:00");
    }

    #[test]
    fn an_end_that_the_clocks_jump_over_is_the_jump() {
        // On 29 March 2026 clocks in Berlin go from 02:00 to 03:00.
        over(quiet("01:00", "02:30", "Europe/Berlin"), "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00");
        // The span is jumped over whole.
        let never_that_day = quiet("02:10", "02:50", "Europe/Berlin");
        over(never_that_day, "2026-03-29T01:59:59+01:00", "2026-03-29T01:59:59+01:00");
        over(never_that_day, "2026-03-29T03:00:00+02:00", "2026-03-29T03:00:00+02:00");
        // A beginning that is jumped over: it is quiet right after the jump.
        over(quiet("02:30", "04:00", "Europe/Berlin"), "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00");
    }

    #[test]
    fn an_hour_that_comes_twice_is_quiet_twice() {
        // On 25 October 2026 clocks in Berlin go from 03:00 back to 02:00.
        let early = quiet("02:15", "02:45", "Europe/Berlin");
        over(early, "2026-10-25T02:20:00+02:00", "2026-10-25T02:45:00+02:00");
        over(early, "2026-10-25T02:20:00+01:00", "2026-10-25T02:45:00+01:00");
        // Put back out of the span: sending goes on until it begins again.
        over(quiet("02:30", "03:30", "Europe/Berlin"), "2026-10-25T02:40:00+02:00", "2026-10-25T02:00:00+01:00");
    }

    #[test]
    fn places_with_odd_offsets_are_right_too() {
        // Lord Howe moves by half an hour, Chatham's offset is 12:45 or 13:45.
        over(quiet("01:00", "06:00", "Australia/Lord_Howe"), "2026-04-05T01:30:00+11:00", "2026-04-05T06:00:00+10:30");
        over(quiet("22:00", "06:00", "Pacific/Chatham"), "2026-04-04T23:00:00+13:45", "2026-04-05T06:00:00+12:45");
    }

    #[test]
    fn a_place_that_nobody_knows_is_none_and_a_span_without_a_minute_holds_nothing() {
        let hours = QuietHours {
            from: TimeOfDay::parse("22:00").expect("a time"),
            to: TimeOfDay::parse("22:00").expect("a time"),
            time_zone: "Europe/Atlantis".to_owned(),
        };
        assert_eq!(Quiet::read(&hours), None);
        let never = quiet("22:00", "22:00", "UTC");
        assert_eq!(never.over_from(UnixMillis(79_200_000)), UnixMillis(79_200_000));
        assert_eq!(never.begins_from(UnixMillis(0)), UnixMillis(i64::MAX));
    }

    const ZONES: [&str; 8] = [
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "Pacific/Chatham",
        "UTC",
    ];

    proptest! {
        #[test]
        fn what_is_named_is_the_first_such_time(
            zone in 0_usize..8, from in 0_u16..1_440, to in 0_u16..1_440,
            // 2015 to 2040: places keep changing their rules in it.
            at in 1_420_070_400_000_i64..2_208_988_800_000,
        ) {
            let quiet = Quiet { from, to, zone: ZONES[zone].parse().unwrap() };
            let at = UnixMillis(at);
            let over = quiet.over_from(at);
            prop_assert!(!quiet.is_quiet(over) && over >= at);
            prop_assert_eq!(quiet.over_from(over), over);
            let mut between = at;
            while between < over {
                prop_assert!(quiet.is_quiet(between), "{between:?} before {over:?}");
                between = between.plus_ms(60_000);
            }
            prop_assert!(over == at || quiet.is_quiet(UnixMillis(over.0 - 1)));
            if from != to {
                let begins = quiet.begins_from(at);
                prop_assert!(quiet.is_quiet(begins) && begins >= at);
                prop_assert!(begins == at || !quiet.is_quiet(UnixMillis(begins.0 - 1)));
                prop_assert!(begins.ms_since(at) <= 2 * 86_400_000);
            }
        }
    }
}
