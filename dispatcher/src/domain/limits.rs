//! What holds an account's next attempt beside its gap: caps, quiet hours, the gap between messages to one recipient, and
//! a warm-up. All are off by default.
//!
//! Shape: (limits, memory of earlier attempts, recipient, time) -> [`Earliest`]: when it may start and what decides that.
//!
//! A cap counts attempts in a *sliding* window: at most so many in any 60 minutes, and in any 24 hours. A calendar's hours
//! and days would let twice as many through around each full hour, WhatsApp looks at rates and knows no calendar, and a
//! sliding window needs no time zone. Every attempt counts, whatever came of it, and counts from its end, so that the
//! provider never sees more than the cap in a window either.
//!
//! What is needed to continue under a new owner travels in every attempt event of the account ([`Memory::told`]), bounded:
//! a window is kept as at most 52 groups of attempts ([`window`]), recipients are at most [`recipients::REMEMBERED_MAX`]. It is kept
//! only while the limit is on: a limit that is switched on counts from then.
//!
//! Invariants:
//! - A cap is never exceeded in any window of its length, whatever the settings were before.
//! - No attempt starts in quiet hours, on days of 23 and 25 hours neither.
//! - Nothing overtakes: what the message at the front waits for, its account waits for.
//! - Asked again at the time that it names, [`earliest`] names the same time.
//!
//! Not here: the gap and the floor (see [`super::pace`]). The properties of all of it together, over years of simulated
//! time, are in `account/tests/limits.rs` for one account, in `partition/tests/schedule.rs` for several.

pub mod forecast;
pub mod quiet;
pub mod recipients;
pub mod window;

use angelia_shared::event::Sendings;
use angelia_shared::event::directory::WarmUp;
use angelia_shared::units::UnixMillis;

use quiet::Quiet;
use recipients::Recipients;
use window::Window;

/// Length of the hourly cap's window.
const HOUR_MS: u64 = 3_600_000;
/// Length of the daily cap's window, and of a day of a warm-up.
const DAY_MS: u64 = 24 * HOUR_MS;

/// What an account's owner has set beside the gap. None of it by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The most attempts in any 60 minutes.
    pub hourly_cap: Option<u32>,
    /// The most attempts in any 24 hours.
    pub daily_cap: Option<u32>,
    /// When nothing is sent.
    pub quiet: Option<Quiet>,
    /// The least time between two messages to one recipient, in milliseconds.
    pub recipient_gap_ms: Option<u64>,
    /// A daily cap that grows.
    pub warm_up: Option<WarmUp>,
}

impl Limits {
    /// The most attempts in the 24 hours that end at `at`: the daily cap and the warm-up's, whichever is lower.
    pub fn daily_cap_at(&self, at: UnixMillis) -> Option<u32> {
        let warm_up = self.warm_up.and_then(|warm_up| cap_of_day(&warm_up, day_of(&warm_up, at)));
        match (self.daily_cap, warm_up) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// When the warm-up allows more than it does at `at`, if it ever does.
    fn cap_grows_at(&self, at: UnixMillis) -> Option<UnixMillis> {
        let warm_up = self.warm_up?;
        let day = day_of(&warm_up, at);
        cap_of_day(&warm_up, day)?;
        Some(warm_up.since.plus_ms((day + 1).saturating_mul(DAY_MS)))
    }
}

/// The day of a warm-up, from 0. Before it begins it is its first.
fn day_of(warm_up: &WarmUp, at: UnixMillis) -> u64 {
    at.ms_since(warm_up.since) / DAY_MS
}

fn cap_of_day(warm_up: &WarmUp, day: u64) -> Option<u32> {
    let lasts = day < u64::from(warm_up.days);
    let more = u32::try_from(day).unwrap_or(u32::MAX).saturating_mul(warm_up.more_each_day);
    lasts.then(|| warm_up.first_day.saturating_add(more))
}

/// What holds a message or an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// The gap after the attempt before.
    AccountGap,
    /// The gap after the message before to the same recipient.
    RecipientGap,
    /// The hourly or daily cap, or the warm-up's.
    Cap,
    /// Quiet hours.
    QuietHours,
    /// Its last attempt was put off, or its content cannot be had yet.
    PutOff,
    /// The account's state: its stable code.
    State(&'static str),
    /// Only its turn: so many are before it.
    Behind(u64),
}

impl std::fmt::Display for HeldBy {
    /// The stable code that the API shows.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AccountGap => f.write_str("account_gap"),
            Self::RecipientGap => f.write_str("recipient_gap"),
            Self::Cap => f.write_str("cap"),
            Self::QuietHours => f.write_str("quiet_hours"),
            Self::PutOff => f.write_str("put_off"),
            Self::State(code) => f.write_str(code),
            Self::Behind(ahead) => write!(f, "behind {ahead}"),
        }
    }
}

/// When an attempt may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earliest {
    /// Not before.
    pub at: UnixMillis,
    /// What decides that; none when nothing does.
    pub held_by: Option<HeldBy>,
}

/// Attempts of the past, as far as limits must know them. Takes a word where there are none: most accounts have no limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory(Option<Box<Past>>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Past {
    hour: Window,
    day: Window,
    recipients: Recipients,
}

impl Memory {
    /// What an earlier owner's event tells; its times are `shift_ms` behind this owner's.
    pub fn recall(told: &Sendings, shift_ms: i64) -> Self {
        let past = || Past {
            hour: Window::recall(&told.hour, shift_ms),
            day: Window::recall(&told.day, shift_ms),
            recipients: Recipients::recall(&told.recipients, shift_ms),
        };
        Self((!told.is_empty()).then(|| Box::new(past())))
    }

    /// What a new owner must know.
    pub fn told(&self) -> Sendings {
        self.0.as_ref().map_or_else(Sendings::default, |past| Sendings {
            hour: past.hour.told(),
            day: past.day.told(),
            recipients: past.recipients.told(),
        })
    }

    /// An attempt starts at `at`. What no limit asks for any more is forgotten.
    pub fn started(&mut self, limits: &Limits, recipient: Option<u32>, at: UnixMillis) {
        let (hourly_cap, daily_cap, gap_ms) = (limits.hourly_cap, limits.daily_cap_at(at), limits.recipient_gap_ms);
        if hourly_cap.is_none() && daily_cap.is_none() && gap_ms.is_none() {
            self.0 = None;
            return;
        }
        let past = self.0.get_or_insert_default();
        match hourly_cap {
            Some(cap) => past.hour.count(at, cap, HOUR_MS),
            None => past.hour = Window::default(),
        }
        match daily_cap {
            Some(cap) => past.day.count(at, cap, DAY_MS),
            None => past.day = Window::default(),
        }
        match (gap_ms, recipient) {
            (Some(gap_ms), Some(mark)) => past.recipients.count(mark, at, gap_ms),
            (Some(_), None) => {}
            (None, _) => past.recipients = Recipients::default(),
        }
    }

    /// The attempt that started last has ended at `at`, or had ended by then.
    pub fn ended(&mut self, at: UnixMillis) {
        if let Some(past) = &mut self.0 {
            past.hour.ended(at);
            past.day.ended(at);
            past.recipients.ended(at);
        }
    }

    /// How many attempts count for a daily cap at `at`.
    fn of_the_day(&self, at: UnixMillis) -> u64 {
        self.0.as_ref().map_or(0, |past| past.day.inside(at, DAY_MS))
    }
}

/// Says when an attempt may start that its account's gap allows at `from`.
///
/// `recipient` is the mark of the message's recipient where the gap between messages to one recipient counts: for the
/// first attempt of a message.
pub fn earliest(limits: &Limits, memory: &Memory, recipient: Option<u32>, from: UnixMillis) -> Earliest {
    let mut earliest = Earliest { at: from, held_by: None };
    let mut later = |at: UnixMillis, held_by| {
        if at > earliest.at {
            earliest = Earliest { at, held_by: Some(held_by) };
        }
    };
    if let Some(past) = &memory.0 {
        if let Some(cap) = limits.hourly_cap {
            later(past.hour.free_from(from, cap, HOUR_MS), HeldBy::Cap);
        }
        later(daily_free_from(limits, &past.day, from), HeldBy::Cap);
        if let Some((gap_ms, mark)) = limits.recipient_gap_ms.zip(recipient) {
            later(past.recipients.free_from(mark, from, gap_ms), HeldBy::RecipientGap);
        }
    }
    // Last: all other limits only loosen with time.
    if let Some(quiet) = limits.quiet {
        let at = quiet.over_from(earliest.at);
        if at > earliest.at {
            earliest = Earliest { at, held_by: Some(HeldBy::QuietHours) };
        }
    }
    earliest
}

fn daily_free_from(limits: &Limits, day: &Window, from: UnixMillis) -> UnixMillis {
    let mut from = from;
    // Each round is a later day of the warm-up, of which there are fewer than 65,536.
    while let Some(cap) = limits.daily_cap_at(from) {
        let free = day.free_from(from, cap, DAY_MS);
        match limits.cap_grows_at(from) {
            Some(grows) if grows < free => from = grows,
            Some(_) | None => return free,
        }
    }
    from
}

#[cfg(test)]
pub(crate) mod tests;
