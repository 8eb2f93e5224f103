//! What must hold of any log, and what single rules would have changed.

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{Event, OutcomeSettled};
use angelia_shared::ids::MessageId;
use angelia_shared::subject::Subject;
use proptest::prelude::*;

use super::policy::{Pace, Prices, Refunds, UnknownOutcome};
use super::*;
use crate::audit::crafted::*;
use crate::domain::history::{World, steps};

fn what_if<'a>(records: impl IntoIterator<Item = &'a Record>, policy: &Policy) -> Vec<(WorkspaceId, String, Day)> {
    let mut what_if = WhatIf::new(policy.clone());
    records.into_iter().for_each(|record| what_if.record(record));
    what_if.differences().map(|(workspace, day, row)| (workspace, day, *row)).collect()
}

/// What a single day of a crafted log would have been.
#[track_caller]
fn one_day(log: &CraftedLog, policy: &Policy) -> Day {
    match &what_if(&log.records, policy)[..] {
        [(workspace, date, day)] => {
            assert_eq!((*workspace, date.as_str()), (WORKSPACE, "1970-01-01"));
            *day
        }
        others => panic!("one day was to differ: {others:?}"),
    }
}

fn both(was: u64, would: u64) -> Both {
    Both { was, would }
}

fn with_text_at(price: u64) -> Policy {
    Policy { prices: Prices { text: Some(price), ..Prices::default() }, ..Policy::default() }
}

/// Two messages at 1; the first fails and is given back, the second goes out 2,000 ms after the end of the first.
fn log() -> CraftedLog {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 100, failed());
    log.add(Subject::Wallet(WORKSPACE), refund(1));
    log.tried(OTHER, 1, 2_110, sent());
    log
}

/// Says of everything what was in force.
fn as_it_was() -> Policy {
    Policy {
        prices: Prices { text: Some(1), file: Some(1), text_and_file: Some(2) },
        refunds: Refunds { default_percent: Some(100), ..Refunds::default() },
        pace: Pace { gap_ms: Some((1_500, 2_500)) },
    }
}

proptest! {
    #[test]
    fn the_identical_policy_gives_no_difference(steps in steps(60)) {
        let mut world = World::new();
        world.play(&steps);
        world.refund_everything();
        let records = || world.log.batches.iter().flatten();
        let unsaid = Policy::default();
        prop_assert_eq!(what_if(records(), &unsaid), vec![]);
        let prices = Prices::default();
        let said = Policy { prices, ..as_it_was() };
        prop_assert_eq!(what_if(records(), &said), vec![]);
    }

    #[test]
    fn nothing_would_ever_be_charged_that_is_not_there(steps in steps(60), price in 0_u64..9, percent in 0_u64..101) {
        let mut world = World::new();
        world.play(&steps);
        world.refund_everything();
        let policy = Policy {
            prices: Prices { text: Some(price), file: Some(price), text_and_file: Some(2 * price) },
            refunds: Refunds { default_percent: Some(percent), ..Refunds::default() },
            ..Policy::default()
        };
        let (mut granted, mut charged, mut refunded) = (0, 0, 0);
        for (_, _, event) in &world.log.events {
            if let Event::CreditsGranted(e) = event {
                granted += e.credits.0;
            }
        }
        let mut what_if = WhatIf::new(policy);
        world.log.batches.iter().flatten().for_each(|record| what_if.record(record));
        for day in what_if.days.0.values() {
            charged += day.charged.would;
            refunded += day.refunded.would;
        }
        prop_assert!(charged <= granted + refunded);
        prop_assert!(refunded <= charged);
    }
}

#[test]
fn a_policy_that_says_what_was_gives_no_difference() {
    assert_eq!(what_if(&log().records, &as_it_was()), []);
}

#[test]
fn a_dearer_text_is_charged_and_given_back_at_its_price() {
    let day = one_day(&log(), &with_text_at(3));
    assert_eq!((day.charged, day.refunded, day.refused), (both(2, 6), both(1, 3), both(0, 0)));
    assert_eq!((day.attempts, day.waited_ms.was), (both(2, 2), day.waited_ms.would));
}

#[test]
fn what_could_not_be_paid_would_have_been_refused_and_never_sent() {
    let day = one_day(&log(), &with_text_at(6));
    assert_eq!((day.charged, day.refunded, day.refused), (both(2, 6), both(1, 6), both(0, 1)));
    assert_eq!(day.attempts, both(2, 1));
    let day = one_day(&log(), &with_text_at(11));
    assert_eq!((day.charged, day.refunded, day.refused), (both(2, 0), both(1, 0), both(0, 2)));
    assert_eq!((day.attempts, day.waited_ms), (both(2, 0), both(2_210, 0)));
}

#[test]
fn a_reason_that_is_given_back_in_part_is_rounded_down() {
    let refunds = Refunds { percent: [("x".to_owned(), 50)].into(), ..Refunds::default() };
    let policy = Policy { refunds, ..with_text_at(3) };
    assert_eq!(one_day(&log(), &policy).refunded, both(1, 1));
    let refunds = Refunds { percent: [("y".to_owned(), 0)].into(), ..Refunds::default() };
    assert_eq!(what_if(&log().records, &Policy { refunds, ..Policy::default() }), []);
}

#[test]
fn an_unknown_outcome_that_was_charged_would_have_been_given_back() {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, unknown());
    let settled = OutcomeSettled {
        v: 1,
        message: MESSAGE,
        workspace: WORKSPACE,
        account: ACCOUNT,
        part: 0,
        policy: UnknownPolicy::Charge,
        at: UnixMillis(0),
    };
    log.add(Subject::Settlement(PART), Event::OutcomeSettled(settled));
    let with = |outcome| {
        let refunds = Refunds { unknown_outcome: Some(outcome), ..Refunds::default() };
        Policy { refunds, ..Policy::default() }
    };
    assert_eq!(one_day(&log, &with(UnknownOutcome::Refund)).refunded, both(0, 1));
    assert_eq!(what_if(&log.records, &with(UnknownOutcome::Charge)), []);
}

#[test]
fn a_longer_gap_delays_what_stands_behind_it() {
    let gap = |gap_ms| Policy { pace: Pace { gap_ms: Some(gap_ms) }, ..Policy::default() };
    // The gap was the middle of its range: 2,000 of 1,500 to 2,500. The second message leaves as much later.
    let day = one_day(&log(), &gap((3_000, 5_000)));
    assert_eq!((day.attempts, day.waited_ms), (both(2, 2), both(2_210, 4_210)));
    // On another day: that one has the attempt, and the day of acceptance the wait.
    let mut log = log();
    log.accept(MessageId(7));
    log.tried(MessageId(7), 1, 4_120, sent());
    let days = what_if(&log.records, &gap((50_000_000, 50_000_000)));
    let attempts: Vec<_> = days.iter().map(|(_, date, day)| (date.as_str(), day.attempts)).collect();
    assert_eq!(attempts, [("1970-01-01", both(3, 2)), ("1970-01-02", both(0, 1))]);
    assert_eq!(days[0].2.waited_ms, both(6_330, 150_000_330));
}

#[test]
fn an_attempt_that_was_put_off_keeps_its_pause() {
    let mut log = CraftedLog::with_messages();
    let (reason, detail) = (String::new(), String::new());
    log.tried(MESSAGE, 1, 0, AttemptOutcome::Deferred { reason, detail, until: UnixMillis(10_000) });
    log.tried(MESSAGE, 2, 10_000, sent());
    log.tried(OTHER, 1, 12_010, sent());
    let policy = Policy { pace: Pace { gap_ms: Some((1_000, 2_000)) }, ..Policy::default() };
    // 7,990 ms after it was free, as before; free 500 ms earlier, twice.
    assert_eq!(one_day(&log, &policy).waited_ms, both(12_010, 11_010));
}

#[test]
fn a_policy_out_of_bounds_names_its_setting() {
    let check = |policy: Policy| policy.check().map_err(|bad| bad.to_string());
    assert_eq!(check(as_it_was()), Ok(()));
    let told = check(with_text_at(1_000_001)).expect_err("too dear");
    assert!(told.contains("prices.text"), "{told}");
    let refunds = Refunds { percent: [("expired".to_owned(), 101)].into(), ..Refunds::default() };
    let told = check(Policy { refunds, ..Policy::default() }).expect_err("more than all");
    assert!(told.contains("refunds.percent.expired"), "{told}");
    let pace = Pace { gap_ms: Some((2, 1)) };
    let told = check(Policy { pace, ..Policy::default() }).expect_err("turned round");
    assert!(told.contains("lower end"), "{told}");
}
