//! What a message is told to wait for, and until when.

use angelia_shared::event::directory::{QuietHours, TimeOfDay};
use angelia_shared::ids::Position;
use angelia_shared::units::UnixMillis;

use super::bench::*;
use crate::domain::account::{Hold, Settings, Waits};
use crate::domain::limits::quiet::Quiet;
use crate::domain::limits::{HeldBy, Limits};
use crate::transport::PutOffScope;

const HOUR_MS: u64 = 3_600_000;

fn of(bench: &Bench, n: u64) -> Waits {
    bench.account.turn(bench.now).of(Position::new(n, 0)).expect("it waits")
}

fn held(bench: &Bench, n: u64) -> Option<String> {
    of(bench, n).held_by.map(|held_by| held_by.to_string())
}

fn with(limits: Limits) -> Bench {
    let mut bench = Bench::with(Settings { limits, ..settings() });
    bench.recipient_of = Some(|_| 7);
    (1..=4).for_each(|n| bench.account.accept(waiting(n)));
    bench
}

/// The next message is prepared and waits; returns until when.
fn waits(bench: &mut Bench) -> UnixMillis {
    let mut until = bench.now;
    for _ in 0..2 {
        match bench.next() {
            crate::domain::account::Decision::Prepare(preparation) => {
                bench.account.addressed(preparation.message, 7);
                bench.account.prepared(preparation.message, one_part(1));
            }
            crate::domain::account::Decision::Wait(at) => until = at.expect("it ends by itself"),
            crate::domain::account::Decision::Write(write) => panic!("{write:?}"),
        }
    }
    until
}

#[test]
fn a_message_that_can_go_is_held_by_nothing_and_the_others_by_their_turn() {
    let bench = Bench::queue(3);
    assert_eq!(of(&bench, 1), Waits { expected_at: Some(BEGIN), held_by: None });
    assert_eq!(of(&bench, 3), Waits { expected_at: Some(BEGIN.plus_ms(4_000)), held_by: Some(HeldBy::Behind(2)) });
    assert_eq!(held(&bench, 3).as_deref(), Some("behind 2"));
    assert_eq!(bench.account.turn(BEGIN).next_send_at(), Some(BEGIN));
    assert_eq!(bench.account.turn(BEGIN).of(Position::new(9, 0)), None);
    assert_eq!(Bench::new().account.turn(BEGIN).next_send_at(), None);
}

#[test]
fn each_limit_names_itself_and_the_time_at_which_the_message_then_goes() {
    let quiet = QuietHours {
        from: TimeOfDay::parse("22:13").expect("a time"),
        to: TimeOfDay::parse("23:00").expect("a time"),
        time_zone: "UTC".to_owned(),
    };
    let rows = [
        ("account_gap", Limits::default()),
        ("recipient_gap", Limits { recipient_gap_ms: Some(HOUR_MS), ..Limits::default() }),
        ("cap", Limits { hourly_cap: Some(1), ..Limits::default() }),
        ("cap", Limits { daily_cap: Some(1), ..Limits::default() }),
        // The bench begins at 22:13:20.
        ("quiet_hours", Limits { quiet: Quiet::read(&quiet), ..Limits::default() }),
    ];
    for (code, limits) in rows {
        let mut bench = with(Limits { quiet: None, ..limits });
        bench.attempt(sent());
        bench.account.set(Settings { limits, ..settings() });
        let until = waits(&mut bench);
        assert_eq!(held(&bench, 2).as_deref(), Some(code));
        assert_eq!(of(&bench, 2).expected_at, Some(until), "{code}");
        assert_eq!(bench.account.turn(bench.now).next_send_at(), Some(until), "{code}");
        assert_eq!(held(&bench, 3).as_deref(), Some("behind 1"), "{code}");
        assert_eq!(bench.start().at, until, "{code}");
    }
}

#[test]
fn what_holds_the_account_holds_each_of_its_messages() {
    let until = BEGIN.plus_ms(90_000);
    for (reason, until) in [("paused", Some(until)), ("disconnected", None), ("blocked", None)] {
        let mut bench = Bench::queue(2);
        bench.account.set(Settings { hold: Some(Hold { reason, since: BEGIN, until }), ..settings() });
        let expected_at = |n| of(&bench, n).expected_at;
        assert_eq!((held(&bench, 1).as_deref(), held(&bench, 2).as_deref()), (Some(reason), Some(reason)));
        assert_eq!((expected_at(1), expected_at(2)), (until, until.map(|until| until.plus_ms(2_000))));
    }
}

#[test]
fn a_message_whose_attempt_was_put_off_says_so() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(put_off(PutOffScope::Business));
    assert_eq!(of(&bench, 1), Waits { expected_at: Some(ended.at.plus_ms(60_000)), held_by: Some(HeldBy::PutOff) });
    assert_eq!(held(&bench, 2).as_deref(), Some("behind 1"));
}

#[test]
fn during_a_call_the_next_one_is_expected_a_gap_later() {
    let mut bench = Bench::queue(2);
    bench.start();
    assert_eq!(of(&bench, 1), Waits { expected_at: Some(bench.now), held_by: None });
    assert_eq!(of(&bench, 2).expected_at, Some(bench.now.plus_ms(2_000)));
}

/// Where the `n`th message is expected now, and where it goes in the end, in hours from now.
fn expected_and_real(limits: Limits, n: u64) -> (f64, f64) {
    let mut bench = Bench::with(Settings { limits, ..settings() });
    (1..=n).for_each(|n| bench.account.accept(waiting(n)));
    let expected = of(&bench, n).expected_at.expect("within a year");
    let mut last = BEGIN;
    for _ in 0..n {
        last = bench.start().at;
        bench.end(sent());
    }
    let hours = |at: UnixMillis| at.ms_since(BEGIN) as f64 / HOUR_MS as f64;
    (hours(expected), hours(last))
}

#[test]
fn what_is_expected_is_near_what_happens() {
    let night = QuietHours {
        from: TimeOfDay::parse("20:00").expect("a time"),
        to: TimeOfDay::parse("08:00").expect("a time"),
        time_zone: "Europe/Berlin".to_owned(),
    };
    let night = Quiet::read(&night);
    let rows = [
        (Limits::default(), 20_000, 0.5),
        (Limits { hourly_cap: Some(60), ..Limits::default() }, 2_000, 1.5),
        (Limits { daily_cap: Some(50), ..Limits::default() }, 2_025, 2.0),
        (Limits { quiet: night, ..Limits::default() }, 60_000, 1.0),
        (Limits { quiet: night, hourly_cap: Some(40), daily_cap: Some(200), ..Limits::default() }, 5_010, 24.0),
    ];
    for (limits, n, tolerance) in rows {
        let (expected, real) = expected_and_real(limits, n);
        assert!((expected - real).abs() <= tolerance, "{limits:?}: expected after {expected} h, went after {real} h");
    }
}

#[test]
fn what_goes_in_more_than_a_year_is_not_told() {
    let bench = with(Limits { daily_cap: Some(1), ..Limits::default() });
    assert!(of(&bench, 4).expected_at.is_some());
    let mut long = Bench::with(Settings { limits: Limits { daily_cap: Some(1), ..Limits::default() }, ..settings() });
    (1..=1_000).for_each(|n| long.account.accept(waiting(n)));
    assert_eq!(of(&long, 1_000).expected_at, None);
    assert_eq!(held(&long, 1_000).as_deref(), Some("behind 999"));
    // Without any limit a gap of a day makes as long a wait.
    let mut slow = Bench::with(Settings { gap_ms: (DAY_MS, DAY_MS), ..settings() });
    (1..=1_000).for_each(|n| slow.account.accept(waiting(n)));
    assert_eq!(of(&slow, 300).expected_at, Some(BEGIN.plus_ms(299 * DAY_MS)));
    assert_eq!(of(&slow, 1_000).expected_at, None);
}
