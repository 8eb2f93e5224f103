//! Years of sending under caps, quiet hours, gaps between messages to one recipient and a warm-up, from owner to owner
//! whose clocks differ.

use angelia_shared::event::Event;
use angelia_shared::event::directory::{QuietHours, WarmUp};
use angelia_shared::units::UnixMillis;
use proptest::prelude::*;

use super::bench::*;
use crate::domain::account::{Settings, Takeover, shift_ms};
use crate::domain::limits::Limits;
use crate::domain::limits::quiet::Quiet;
use crate::domain::limits::tests::judge::{Judge, any_limits, quiet_hours, recipient_of};
use crate::transport::PutOffScope;

const HOUR_MS: u64 = 3_600_000;

/// An account that goes from owner to owner.
struct Line {
    bench: Bench,
    settings: Settings,
    judge: Judge,
    messages: u64,
    /// How far the present owner's clock is ahead of the stream's.
    ahead_ms: i64,
    /// The stream's time of the newest event.
    stored_at: UnixMillis,
    begun: UnixMillis,
}

impl Line {
    fn new(settings: Settings, quiet: Option<QuietHours>, messages: u64) -> Self {
        let settings =
            Settings { limits: Limits { quiet: quiet.as_ref().and_then(Quiet::read), ..settings.limits }, ..settings };
        let mut bench = Bench::with(settings.clone());
        bench.recipient_of = Some(recipient_of);
        for n in 1..=messages {
            bench.account.accept(waiting(n));
        }
        let judge = Judge::new(&settings, quiet);
        Self { bench, settings, judge, messages, ahead_ms: 0, stored_at: BEGIN, begun: BEGIN }
    }

    fn streams(&self, shown: UnixMillis) -> UnixMillis {
        UnixMillis(shown.0 - self.ahead_ms)
    }

    /// One attempt. `put_off` is tried again later.
    fn attempt(&mut self, call_ms: u64, put_off: bool) {
        let started = match self.bench.write_when_due() {
            Event::AttemptStarted(started) => started,
            // Put off again and again under a cap that takes a day each time: it was held for longer than it lives.
            Event::MessageExpired(expired) => {
                assert_eq!(expired.held_by, "put_off");
                self.stored_at = self.streams(self.bench.now).plus_ms(3);
                return;
            }
            other => panic!("expected a start, not {other:?}"),
        };
        self.bench.pass_ms(call_ms);
        let result = if put_off { super::bench::put_off(PutOffScope::Throughput) } else { sent() };
        let ended = self.bench.end(result);
        let (start, end) = (self.streams(started.at), self.streams(ended.at));
        self.judge.attempt(started.message, start, end, started.at);
        self.stored_at = self.streams(self.bench.now).plus_ms(3);
    }

    /// The owner ends during a call that the provider may have seen until `call_ms` later, or between two attempts. The
    /// next one's clock is `ahead_ms` ahead of the stream's.
    fn take_over(&mut self, released: bool, during_a_call: Option<u64>, idle_ms: u64, ahead_ms: i64) {
        if let Some(call_ms) = during_a_call {
            let started = self.bench.start();
            let start = self.streams(started.at);
            self.judge.attempt(started.message, start, start.plus_ms(call_ms), started.at);
            self.stored_at = start.plus_ms(3);
        }
        let stream_now = self.streams(self.bench.now).plus_ms(idle_ms).max(self.stored_at);
        let now = UnixMillis(stream_now.0 + ahead_ms);
        let newest = self.bench.last.as_ref().and_then(crate::domain::account::time_of).expect("it was written");
        let takeover = Takeover {
            released,
            now,
            call_timeout_ms: CALL_TIMEOUT_MS,
            shift_ms: shift_ms(newest, self.stored_at, ahead_ms),
            doubt_ms: 0,
        };
        self.ahead_ms = ahead_ms;
        let last = self.bench.last.clone();
        self.bench = self.bench.taken_over(self.settings.clone(), takeover, self.messages);
        self.bench.last = last;
        self.bench.recipient_of = Some(recipient_of);
        if during_a_call.is_some() {
            // What was open becomes unknown, and is not sent again.
            assert!(matches!(self.bench.write_when_due(), Event::AttemptEnded(_)));
            self.stored_at = self.streams(self.bench.now).plus_ms(3);
        }
    }

    fn passed_ms(&self) -> u64 {
        self.streams(self.bench.now).ms_since(self.begun)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_limit_is_ever_broken_from_owner_to_owner(
        (limits, quiet, gap_ms) in any_limits(BEGIN),
        // How, the time of a call or between two owners, and the next owner's clock.
        happenings in prop::collection::vec((0_u8..20, 0_u64..9_000, -4_000_i64..4_000), 1..150),
    ) {
        let mut line = Line::new(Settings { gap_ms, limits, ..settings() }, quiet, happenings.len() as u64 + 1);
        line.attempt(200, false);
        // Put off a second time, a message may have been held for too long; that is another rule.
        let mut was_put_off = false;
        for (how, ms, clock) in happenings {
            match how {
                0 => line.take_over(true, None, ms * 50, clock),
                1 => line.take_over(false, None, ms * 50, clock),
                2 => line.take_over(false, Some(ms), ms, clock),
                3 if !was_put_off => line.attempt(ms, true),
                _ => line.attempt(ms, false),
            }
            was_put_off = how == 3 && !was_put_off || how < 2 && was_put_off;
            if line.bench.account.queued() == 0 {
                break;
            }
        }
    }
}

#[test]
fn five_years_under_every_limit_break_none_and_use_them_up() {
    let quiet = quiet_hours("20:30", "08:15", "Europe/Berlin");
    let limits = Limits {
        hourly_cap: Some(6),
        daily_cap: Some(30),
        quiet: None,
        recipient_gap_ms: Some(20 * 60_000),
        warm_up: Some(WarmUp { since: BEGIN, first_day: 3, more_each_day: 2, days: 10 }),
    };
    const MESSAGES: u64 = 52_000;
    let mut line = Line::new(Settings { gap_ms: (30_000, 90_000), limits, ..settings() }, Some(quiet), MESSAGES);
    for n in 0..MESSAGES {
        match n % 4_001 {
            4_000 => line.take_over(n % 2 == 0, None, 700, 1_500),
            2_000 => {
                line.take_over(false, Some(1_000), 200, -2_500);
                continue;
            }
            _ => {}
        }
        line.attempt(900, false);
    }
    let days = line.passed_ms() / DAY_MS;
    // 30 a day after ten days of fewer; what a day's last group holds back is not felt with so many hours to a day.
    assert!((1_734..1_760).contains(&days), "{days} days");
    assert_eq!(line.bench.account.queued(), 0);
}

#[test]
fn a_limit_that_is_changed_holds_for_the_next_attempt() {
    let mut bench = Bench::queue(4);
    bench.attempt(sent());
    let capped = Limits { hourly_cap: Some(1), ..Limits::default() };
    bench.account.set(Settings { limits: capped, ..settings() });
    let second = bench.attempt(sent());
    let third = bench.start();
    assert_eq!(third.at, second.at.plus_ms(HOUR_MS), "it counts from when it was set");
    let ended = bench.end(sent());
    bench.account.set(settings());
    assert_eq!(bench.start().at, ended.at.plus_ms(ended.gap_ms));
    assert!(bench.carry().sendings.is_empty(), "nothing is kept for a limit that is off");
}

#[test]
fn the_parts_of_a_message_and_its_repetitions_do_not_wait_for_the_recipients_gap() {
    let limits = Limits { recipient_gap_ms: Some(HOUR_MS), ..Limits::default() };
    let mut bench = Bench::with(Settings { limits, ..settings() });
    bench.recipient_of = Some(|_| 7);
    bench.plan = Some(text_then_file());
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.account.accept(waiting(2));
    bench.attempt(put_off(PutOffScope::Throughput));
    let text = bench.attempt(sent());
    let file = bench.attempt(sent());
    assert_eq!((text.message, file.message), (id(1), id(1)));
    assert!(file.at.ms_since(text.at) < 60_000);
    assert_eq!(bench.start().at, file.at.plus_ms(HOUR_MS));
}

#[test]
fn a_long_gap_is_not_waited_out_anew_after_a_crash() {
    let hours = Settings { gap_ms: (2 * HOUR_MS, 2 * HOUR_MS), ..settings() };
    let mut bench = Bench::with(hours.clone());
    (1..=2).for_each(|n| bench.account.accept(waiting(n)));
    let ended = bench.attempt(sent());
    bench.pass_ms(HOUR_MS);
    let mut later = bench.taken_over(hours.clone(), bench.crash(), 2);
    assert_eq!(later.start().at, ended.at.plus_ms(2 * HOUR_MS));
    bench.pass_ms(9 * HOUR_MS);
    let mut much_later = bench.taken_over(hours, bench.crash(), 2);
    assert_eq!(much_later.start().at, bench.now.plus_ms(10_000), "a crash always costs some seconds");
}

#[test]
fn a_new_owner_takes_the_earlier_ones_clock_into_account() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(sent());
    // The earlier owner's clock was 5 s behind the stream's or ahead of it, the new one's is 1 s ahead.
    for (stored_after_ms, whole_gap_from) in [(5_000, UnixMillis(ended.at.0 + 6_000)), (-5_000, ended.at)] {
        let stored_at = UnixMillis(ended.at.0 + stored_after_ms);
        let now = UnixMillis(stored_at.0 + 1_000);
        let takeover = Takeover { now, shift_ms: shift_ms(ended.at, stored_at, 1_000), ..bench.release() };
        let mut later = bench.taken_over(settings(), takeover, 2);
        assert_eq!(later.start().at, whole_gap_from.plus_ms(ended.gap_ms));
    }
}

#[test]
fn what_limits_hold_expires_nothing() {
    let limits = Limits { daily_cap: Some(1), ..Limits::default() };
    let mut bench = Bench::with(Settings { limits, ..settings() });
    for n in 1..=3 {
        bench.account.accept(crate::domain::account::Waiting { expires_after_s: 60, ..waiting(n) });
    }
    let first = bench.attempt(sent());
    let second = bench.attempt(sent());
    assert_eq!(second.at, first.at.plus_ms(DAY_MS + 200));
    assert_eq!(bench.start().message, id(3));
}

#[test]
fn a_message_that_was_put_off_gets_its_next_try_however_long_a_cap_takes() {
    let limits = Limits { daily_cap: Some(1), ..Limits::default() };
    let mut bench = Bench::with(Settings { limits, ..settings() });
    bench.account.accept(waiting(1));
    bench.attempt(put_off(PutOffScope::Throughput));
    // A new owner has to prepare it again, while the cap still holds it.
    bench.pass_ms(DAY_MS - 300_000);
    let mut bench = bench.taken_over(bench.account.settings().clone(), bench.crash(), 1);
    let again = bench.attempt(put_off(PutOffScope::Throughput));
    assert_eq!((again.message, again.attempt), (id(1), 2));
    bench.pass_ms(1);
    assert_eq!(bench.expired().held_by, "put_off", "it was held for more than a day");
}
