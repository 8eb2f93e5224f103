//! What was certainly not accepted is tried again, and holds its account meanwhile.

use angelia_shared::event::Event;
use angelia_shared::event::attempt::{AttemptOutcome, OpenStage};
use angelia_shared::units::UnixMillis;

use super::bench::*;
use crate::domain::account::{CallResult, Decision, Hold, Settings};
use crate::transport::{FailReason, ProviderHold, PutOffScope};

fn held(state: ProviderHold) -> CallResult {
    CallResult::Held { state, detail: String::new() }
}

#[test]
fn a_message_that_is_put_off_stays_at_the_head_and_nothing_overtakes_it() {
    let mut bench = Bench::queue(3);
    for attempt in 1..=20 {
        let ended = bench.attempt(put_off(PutOffScope::Throughput));
        assert_eq!((ended.message, ended.attempt), (id(1), attempt));
    }
    let order: Vec<_> = (0..3).map(|_| bench.attempt(sent()).message).collect();
    assert_eq!(order, [1, 2, 3].map(id));
}

#[test]
fn each_scope_waits_its_own_time_before_the_second_try() {
    use PutOffScope::{Business, Connection, Maintenance, Pair, Provider, Throughput};
    let waits = [
        (Throughput, 2_000),
        (Connection, 1_000),
        (Provider, 2_000),
        (Pair, 6_000),
        (Business, 60_000),
        (Maintenance, 60_000),
    ];
    for (scope, wait_ms) in waits {
        let mut bench = Bench::queue(2);
        let ended = bench.attempt(put_off(scope));
        let until = ended.at.plus_ms(wait_ms);
        let AttemptOutcome::Deferred { reason, until: said, .. } = &ended.outcome else { panic!("{scope:?}") };
        assert_eq!((reason.as_str(), *said), (scope.code(), until));
        assert_eq!(bench.start().at, until.max(ended.at.plus_ms(ended.gap_ms)), "{scope:?}");
    }
}

#[test]
fn waits_double_while_the_same_thing_goes_on() {
    let mut bench = Bench::queue(1);
    let waits: Vec<_> = (0..4)
        .map(|_| {
            let ended = bench.attempt(put_off(PutOffScope::Pair));
            bench.start();
            let wait = bench.now.ms_since(ended.at);
            bench.end(CallResult::NotStarted);
            wait
        })
        .collect();
    assert_eq!(waits, [6_000, 12_000, 24_000, 48_000]);
}

#[test]
fn what_the_provider_asks_for_is_the_least_wait() {
    let mut bench = Bench::queue(1);
    let asked = CallResult::PutOff { scope: PutOffScope::Throughput, asked_ms: Some(45_000), detail: String::new() };
    let ended = bench.attempt(asked);
    assert_eq!(bench.start().at, ended.at.plus_ms(45_000));
}

#[test]
fn five_provider_errors_fail_the_message_within_a_minute_and_the_next_one_goes() {
    let mut bench = Bench::queue(2);
    let first = bench.start();
    for attempt in 1..5 {
        let ended = bench.end(put_off(PutOffScope::Provider));
        assert!(matches!(ended.outcome, AttemptOutcome::Deferred { .. }), "attempt {attempt}");
        assert_eq!(bench.carry().open[0].provider_errors, attempt);
        bench.start();
    }
    let last = bench.end(put_off(PutOffScope::Provider));
    assert_eq!((reason(&last), last.attempt, last.credits.0), ("provider_error", 5, 1));
    assert!(last.at.ms_since(first.at) < 60_000);
    assert_eq!(bench.start().message, id(2));
}

#[test]
fn other_waits_do_not_use_up_the_tries_that_a_provider_error_has() {
    let mut bench = Bench::queue(1);
    for _ in 0..10 {
        bench.attempt(put_off(PutOffScope::Throughput));
    }
    for _ in 1..5 {
        let ended = bench.attempt(put_off(PutOffScope::Provider));
        assert!(matches!(ended.outcome, AttemptOutcome::Deferred { .. }), "{:?}", ended.outcome);
        bench.attempt(put_off(PutOffScope::Connection));
    }
    assert_eq!(reason(&bench.attempt(put_off(PutOffScope::Provider))), "provider_error");
}

#[test]
fn the_second_part_has_five_tries_of_its_own() {
    let mut bench = Bench::queue(1);
    bench.plan = Some(text_then_file());
    for part in 0..2 {
        let ends: Vec<_> = (0..5).map(|_| bench.attempt(put_off(PutOffScope::Provider))).collect();
        assert!(ends.iter().all(|ended| ended.part == part));
        assert_eq!(reason(&ends[4]), "provider_error");
    }
}

#[test]
fn a_blocked_account_waits_until_its_owner_changes_something() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(held(ProviderHold::UntilMended));
    assert!(matches!(&ended.outcome, AttemptOutcome::Deferred { reason, .. } if reason == "blocked"));
    let expiry = ended.at.plus_ms(DAY_MS);
    assert_eq!(bench.wait(), Some(expiry));
    bench.pass_ms(3_600_000 * 12);
    assert_eq!(bench.wait(), Some(expiry));
    bench.account.set(settings());
    let started = bench.start();
    assert_eq!((started.message, started.attempt, started.at), (id(1), 2, bench.now));
}

#[test]
fn a_paused_account_goes_on_by_itself_after_an_hour() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(held(ProviderHold::ForNow));
    let started = bench.start();
    assert_eq!((started.message, started.at), (id(1), ended.at.plus_ms(3_600_000)));
}

/// An account with two messages whose provider answers each attempt with a pause; the directory follows. `between` happens
/// once, after ten pauses. Says when each message has expired.
fn paused_again_and_again(between: impl FnOnce(&mut Bench)) -> Vec<UnixMillis> {
    let (mut bench, mut expired, mut pauses, mut between) = (Bench::queue(3), vec![], 0, Some(between));
    while expired.len() < 2 {
        match bench.write_when_due() {
            Event::AttemptStarted(_) => {
                let at = bench.now;
                bench.end(held(ProviderHold::ForNow));
                let since = bench.account.provider_holds(at);
                let hold = Hold { reason: "paused", since, until: Some(at.plus_ms(3_600_000)) };
                bench.account.set(Settings { hold: Some(hold), ..settings() });
                pauses += 1;
                if let Some(between) = between.take_if(|_| pauses == 10) {
                    between(&mut bench);
                }
            }
            Event::MessageExpired(end) => expired.push(end.at),
            other => panic!("{}", other.name()),
        }
    }
    expired
}

#[test]
fn a_pause_that_comes_again_and_again_expires_the_whole_queue_by_the_time_held() {
    let expired = paused_again_and_again(|_| ());
    let day = BEGIN.plus_ms(DAY_MS);
    assert!(expired.iter().all(|at| *at >= day && *at <= day.plus_ms(2 * 3_600_000)), "{expired:?}");
}

#[test]
fn once_something_goes_out_or_the_owner_connects_the_time_held_begins_anew() {
    let later = BEGIN.plus_ms(DAY_MS + 9 * 3_600_000);
    let goes_out = |bench: &mut Bench| {
        bench.start();
        bench.end(sent());
        bench.account.accept(waiting(4));
    };
    assert!(paused_again_and_again(goes_out).iter().all(|at| *at >= later));
    let expired = paused_again_and_again(|bench: &mut Bench| bench.account.set(settings()));
    // The front was put off all the time, whoever connected it.
    assert!(expired[0] < later && expired[1] >= later, "{expired:?}");
}

#[test]
fn a_hold_of_the_provider_is_not_lifted_by_what_the_directory_said_all_along() {
    let mut bench = Bench::queue(1);
    bench.attempt(held(ProviderHold::UntilMended));
    assert_eq!(*bench.account.settings(), settings(), "a change is told by comparing with what the directory said");
    bench.pass_ms(60_000);
    assert!(matches!(bench.next(), Decision::Wait(_)));
}

#[test]
fn a_word_of_the_owner_lifts_the_hold_even_while_the_end_of_the_attempt_waits_to_be_written() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.cancel(50, 2);
    assert!(matches!(bench.next(), Decision::Write(_)));
    bench.account.call_ended(id(1), held(ProviderHold::UntilMended), bench.now);
    bench.pass_ms(900);
    bench.account.set(settings());
    bench.pass_ms(900);
    bench.account.stored();
    bench.write();
    assert_eq!(bench.start().message, id(1));
}

#[test]
fn content_that_cannot_be_had_yet_is_asked_for_again() {
    let mut bench = Bench::queue(1);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.account.not_prepared(id(1), bench.now, 1_000);
    assert_eq!(bench.wait(), Some(BEGIN.plus_ms(1_000)));
    bench.pass_ms(1_000);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
}

#[test]
fn a_message_that_was_put_off_is_carried_with_all_that_its_next_attempt_needs() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(put_off(PutOffScope::Provider));
    let [open] = &bench.carry().open[..] else { panic!("{:?}", bench.carry()) };
    assert_eq!((open.message, open.stage, open.attempt, open.part, open.parts), (id(1), OpenStage::PutOff, 1, 0, 1));
    assert_eq!((open.held_since, open.not_before), (Some(ended.at), Some(ended.at.plus_ms(2_000))));
    assert_eq!(open.provider_errors, 1);
}

#[test]
fn a_refused_message_does_not_inherit_the_wait_of_the_one_before() {
    let mut bench = Bench::queue(2);
    bench.attempt(put_off(PutOffScope::Business));
    let ended = bench.attempt(failed(FailReason::MessageRejected));
    assert_eq!(bench.start().at, ended.at.plus_ms(ended.gap_ms));
}
