//! Judges what was sent when by its own eyes: plain counting, and the clock on the wall.

use std::collections::{HashMap, VecDeque};

use angelia_shared::event::directory::{QuietHours, TimeOfDay, WarmUp};
use angelia_shared::ids::MessageId;
use angelia_shared::units::UnixMillis;
use chrono::{DateTime, Timelike as _};
use chrono_tz::Tz;
use proptest::prelude::*;

use crate::domain::account::Settings;
use crate::domain::limits::{DAY_MS, HOUR_MS, Limits};

pub(crate) fn quiet_hours(from: &str, to: &str, zone: &str) -> QuietHours {
    let time = |text| TimeOfDay::parse(text).expect("a time of day");
    QuietHours { from: time(from), to: time(to), time_zone: zone.to_owned() }
}

/// Messages go to seven people in turns that repeat oddly.
pub(crate) fn recipient_of(message: MessageId) -> u32 {
    (message.0 * message.0 % 7) as u32
}

/// Everything that was sent, in the stream's time, and the rules it must keep.
pub(crate) struct Judge {
    limits: Limits,
    quiet: Option<QuietHours>,
    floor_ms: u64,
    /// Ends of attempts, as far back as a day.
    ends: VecDeque<UnixMillis>,
    to: HashMap<u32, (MessageId, UnixMillis)>,
    newest: Option<MessageId>,
    pub(crate) attempts: u64,
}

impl Judge {
    pub(crate) fn new(settings: &Settings, quiet: Option<QuietHours>) -> Self {
        let (limits, floor_ms) = (settings.limits, settings.gap_ms.0);
        Self { limits, quiet, floor_ms, ends: VecDeque::new(), to: HashMap::new(), newest: None, attempts: 0 }
    }

    fn within(&self, start: UnixMillis, ms: u64) -> u64 {
        self.ends.iter().rev().take_while(|end| end.plus_ms(ms) > start).count() as u64
    }

    /// An attempt of `message` from `start` to `end`; its owner's clock showed `shown` at the start.
    pub(crate) fn attempt(&mut self, message: MessageId, start: UnixMillis, end: UnixMillis, shown: UnixMillis) {
        assert!(self.newest.is_none_or(|newest| newest <= message), "{message} overtook {:?}", self.newest);
        let first_of_it = self.newest != Some(message);
        self.newest = Some(message);
        let last = self.ends.back().copied();
        assert!(last.is_none_or(|last| start >= last.plus_ms(self.floor_ms)), "floor: {start:?} after {last:?}");
        while self.ends.front().is_some_and(|end| end.plus_ms(DAY_MS) <= start) {
            self.ends.pop_front();
        }
        if let Some(cap) = self.limits.hourly_cap {
            assert!(self.within(start, HOUR_MS) < u64::from(cap), "hourly cap at {start:?}");
        }
        if let Some(cap) = self.limits.daily_cap {
            assert!((self.ends.len() as u64) < u64::from(cap), "daily cap at {start:?}");
        }
        if let Some(warm_up) = self.limits.warm_up {
            let day = shown.ms_since(warm_up.since) / DAY_MS;
            let cap = u64::from(warm_up.first_day) + day * u64::from(warm_up.more_each_day);
            assert!(day >= u64::from(warm_up.days) || (self.ends.len() as u64) < cap, "day {day} of the warm-up");
        }
        if let Some(gap_ms) = self.limits.recipient_gap_ms.filter(|_| first_of_it) {
            let before = self.to.get(&recipient_of(message));
            assert!(
                before.is_none_or(|(_, end)| start >= end.plus_ms(gap_ms)),
                "{message} at {start:?} after {before:?}"
            );
        }
        if let Some(quiet) = &self.quiet {
            let zone: Tz = quiet.time_zone.parse().expect("a place");
            let wall = DateTime::from_timestamp_millis(shown.0).expect("a time").with_timezone(&zone);
            let minute = (wall.hour() * 60 + wall.minute()) as u16;
            let (from, to) = (quiet.from.minutes(), quiet.to.minutes());
            let is_quiet = if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to };
            assert!(!is_quiet, "sent at {wall}");
        }
        self.ends.push_back(end);
        self.to.insert(recipient_of(message), (message, end));
        self.attempts += 1;
    }
}

/// Any limits, with the quiet hours as their owner sets them, and a range of the gap.
pub(crate) fn any_limits(begin: UnixMillis) -> impl Strategy<Value = (Limits, Option<QuietHours>, (u64, u64))> {
    let zone =
        prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]);
    let time = || (0_u16..24, 0_u16..60).prop_map(|(h, m)| TimeOfDay::parse(&format!("{h:02}:{m:02}")).unwrap());
    let quiet = prop::option::of((time(), time(), zone).prop_map(|(from, to, zone)| QuietHours {
        from,
        to,
        time_zone: zone.to_owned(),
    }));
    let warm_up = prop::option::of((1_u32..6, 0_u32..5, 1_u16..30)).prop_map(move |warm_up| {
        warm_up.map(|(first_day, more_each_day, days)| WarmUp { since: begin, first_day, more_each_day, days })
    });
    let caps = (prop::option::of(1_u32..40), prop::option::of(1_u32..60));
    let gaps = (prop::option::of(1_u64..20_000_000), (500_u64..60_000, 0_u64..600_000));
    (caps, quiet, warm_up, gaps).prop_map(
        |((hourly_cap, daily_cap), quiet, warm_up, (recipient_gap_ms, (low, more)))| {
            let limits = Limits { hourly_cap, daily_cap, quiet: None, recipient_gap_ms, warm_up };
            (limits, quiet, (low, low + more))
        },
    )
}
