//! DP-1 and DP-2: one at a time, in the order of acceptance, with a gap.

use angelia_shared::event::Event;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::ids::Position;

use super::bench::*;
use crate::domain::account::{CallResult, Decision, Preparation, Settings};
use crate::domain::pace;
use crate::transport::{FailReason, PutOffScope};

#[test]
fn messages_are_attempted_in_the_order_of_acceptance() {
    let mut bench = Bench::queue(5);
    let order: Vec<_> = (0..5).map(|_| bench.attempt(sent()).message).collect();
    assert_eq!(order, [1, 2, 3, 4, 5].map(id));
    assert_eq!(bench.wait(), None);
}

#[test]
fn messages_of_one_record_follow_its_lines() {
    let mut bench = Bench::new();
    for line in 0..3 {
        let mut message = waiting(u64::from(10 - line));
        message.at = Position::new(7, line);
        bench.account.accept(message);
    }
    let order: Vec<_> = (0..3).map(|_| bench.attempt(sent()).message).collect();
    assert_eq!(order, [10, 9, 8].map(id));
}

#[test]
fn an_acceptance_read_twice_changes_nothing() {
    let mut bench = Bench::queue(3);
    bench.attempt(sent());
    for n in 1..=3 {
        bench.account.accept(waiting(n));
    }
    assert_eq!(bench.account.queued(), 2);
    let order: Vec<_> = (0..2).map(|_| bench.attempt(sent()).message).collect();
    assert_eq!(order, [2, 3].map(id));
    assert_eq!(bench.account.queued(), 0);
}

#[test]
fn the_first_message_of_an_account_does_not_wait() {
    let mut bench = Bench::queue(1);
    let started = bench.start();
    assert_eq!(started.at, BEGIN);
    assert_eq!((started.attempt, started.part, started.parts, started.floor_ms), (1, 0, 1, GAP_MS.0));
    assert_eq!((started.claim, started.accepted, started.carry.mark), (CLAIM, Position::new(1, 0), MARK));
}

#[test]
fn a_start_names_the_call_that_follows_it_and_an_end_names_none() {
    let mut bench = Bench::queue(1);
    assert!(matches!(bench.next(), Decision::Prepare(Preparation { parts: 0, part: 0, .. })));
    bench.account.prepared(id(1), one_part(1));
    let Decision::Write(write) = bench.next() else { panic!("a start is due") };
    assert_eq!(write.call, Some((id(1), 0)));
    bench.account.stored();
    bench.account.call_ended(id(1), sent(), bench.now);
    let Decision::Write(write) = bench.next() else { panic!("an end is due") };
    assert_eq!((write.call, write.answers_cancel), (None, None));
}

#[test]
fn nothing_is_decided_while_an_event_is_on_its_way_to_the_log() {
    let mut bench = Bench::queue(2);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.account.prepared(id(1), one_part(1));
    assert!(matches!(bench.next(), Decision::Write(_)));
    bench.cancel(50, 2);
    bench.pass_ms(100_000);
    assert_eq!(bench.wait(), None);
    bench.account.stored();
    assert_eq!(bench.cancelled().message, id(2));
}

#[test]
fn nothing_starts_while_a_call_runs() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.pass_ms(100_000);
    assert_eq!(bench.wait(), None);
}

#[test]
fn the_gap_is_counted_from_the_end_of_the_call_and_is_the_one_in_the_log() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.pass_ms(7_000);
    let ended = bench.end(sent());
    assert_eq!(ended.gap_ms, pace::gap_ms(id(1), 1, GAP_MS));
    assert_eq!(bench.start().at, ended.at.plus_ms(ended.gap_ms));
}

#[test]
fn after_every_kind_of_end_the_next_attempt_waits_its_gap() {
    let results = [
        sent(),
        failed(FailReason::RecipientNotOnWhatsapp),
        put_off(PutOffScope::Connection),
        CallResult::PutOff { scope: PutOffScope::Provider, asked_ms: Some(0), detail: String::new() },
        unknown(),
        CallResult::NotStarted,
    ];
    for result in results {
        let mut bench = Bench::queue(2);
        let ended = bench.attempt(result.clone());
        let started = bench.start();
        let pace = ended.at.plus_ms(pace::gap_ms(ended.message, ended.attempt, GAP_MS));
        let until = match ended.outcome {
            AttemptOutcome::Deferred { until, .. } => until,
            _ => ended.at,
        };
        assert_eq!(started.at, pace.max(until), "{result:?}");
        assert!(started.at.ms_since(ended.at) >= GAP_MS.0, "{result:?}");
    }
}

#[test]
fn a_call_that_was_not_made_is_made_again_under_the_next_number() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(CallResult::NotStarted);
    assert_eq!(ended.outcome, AttemptOutcome::NotStarted);
    let started = bench.start();
    assert_eq!((started.message, started.attempt, started.part), (id(1), 2, 0));
}

#[test]
fn a_floor_that_is_raised_during_the_gap_holds_for_the_next_attempt() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(sent());
    bench.account.set(Settings { gap_ms: (60_000, 90_000), ..settings() });
    let started = bench.start();
    assert!(started.at.ms_since(ended.at) >= started.floor_ms, "{} ms", started.at.ms_since(ended.at));
}

#[test]
fn a_range_that_is_lowered_does_not_cut_the_gap_that_was_drawn() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(sent());
    bench.account.set(Settings { gap_ms: (0, 0), ..settings() });
    assert_eq!(bench.start().at, ended.at.plus_ms(ended.gap_ms));
}

#[test]
fn the_next_message_is_prepared_during_the_gap() {
    let mut bench = Bench::queue(2);
    bench.attempt(sent());
    let Decision::Prepare(preparation) = bench.next() else { panic!("the gap is time to prepare in") };
    assert_eq!(preparation, Preparation { message: id(2), at: Position::new(2, 0), parts: 0, part: 0, media: None });
    assert_eq!(bench.wait(), None);
}

#[test]
fn a_preparation_that_takes_longer_than_the_gap_delays_only_the_start() {
    let mut bench = Bench::queue(2);
    bench.attempt(sent());
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.pass_ms(60_000);
    assert_eq!(bench.wait(), None);
    bench.account.prepared(id(2), one_part(1));
    assert!(matches!(bench.write(), Event::AttemptStarted(started) if started.at == bench.now));
}
