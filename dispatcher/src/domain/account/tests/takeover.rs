//! What a new owner makes of the newest event, and when it may send.

use angelia_shared::event::Event;
use angelia_shared::event::attempt::{AttemptOutcome, OpenStage};
use angelia_shared::ids::Position;

use super::bench::*;
use crate::domain::account::{CallResult, Decision, Settings};
use crate::domain::pace;
use crate::transport::{FailReason, PutOffScope};

fn at_once() -> Settings {
    Settings { gap_ms: (0, 0), ..settings() }
}

#[test]
fn after_a_release_the_rest_of_the_gap_is_waited_and_no_more() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(sent());
    bench.pass_ms(400);
    let mut later = bench.taken_over(settings(), bench.release(), 2);
    let started = later.start();
    assert_eq!((started.message, started.at), (id(2), ended.at.plus_ms(ended.gap_ms)));
}

#[test]
fn after_a_crash_a_whole_gap_is_waited() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(sent());
    bench.pass_ms(60_000);
    let mut later = bench.taken_over(settings(), bench.crash(), 2);
    assert_eq!(later.start().at, bench.now.plus_ms(ended.gap_ms));
}

#[test]
fn after_a_crash_even_an_account_without_a_gap_waits_a_second() {
    let mut bench = Bench::with(at_once());
    bench.account.accept(waiting(1));
    bench.account.accept(waiting(2));
    bench.attempt(sent());
    bench.pass_ms(60_000);
    let mut later = bench.taken_over(at_once(), bench.crash(), 2);
    assert_eq!(later.start().at, bench.now.plus_ms(1_000));
}

#[test]
fn an_open_attempt_becomes_unknown_when_its_call_must_be_over_and_is_never_made_again() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.pass_ms(100);
    let mut later = bench.taken_over(settings(), bench.crash(), 2);
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("the open attempt is ended first") };
    assert_eq!(ended.at, bench.now.plus_ms(1_000 + CALL_TIMEOUT_MS));
    assert!(matches!(ended.outcome, AttemptOutcome::Unknown { .. }));
    assert_eq!((ended.message, ended.attempt, ended.part, ended.parts, ended.credits.0), (id(1), 1, 0, 1, 1));
    assert_eq!(later.carry().open[0].stage, OpenStage::Unknown);
    assert_eq!(later.start().message, id(2));
    let mut last = later.taken_over(settings(), later.crash(), 2);
    assert!(matches!(last.write_when_due(), Event::AttemptEnded(ended) if ended.message == id(2)));
}

#[test]
fn after_an_open_attempt_the_next_waits_for_the_call_that_may_still_run() {
    // The call may begin a second after its start was decided upon, and takes as long as it may take.
    let gap = Settings { gap_ms: (1_500, 1_500), ..settings() };
    let mut bench = Bench::with(gap.clone());
    bench.account.accept(waiting(1));
    bench.account.accept(waiting(2));
    let started = bench.start();
    let mut later = bench.taken_over(gap, bench.crash(), 2);
    later.write_when_due();
    let latest_end = started.at.plus_ms(1_000 + CALL_TIMEOUT_MS);
    assert!(later.start().at >= latest_end.plus_ms(1_500));
}

#[test]
fn an_open_attempt_of_an_owner_before_the_one_that_released_is_still_waited_for() {
    // The owner between crash and release had no time to end it.
    let mut bench = Bench::queue(2);
    let started = bench.start();
    bench.pass_ms(100);
    let mut later = bench.taken_over(settings(), bench.release(), 2);
    later.write_when_due();
    assert!(later.start().at >= started.at.plus_ms(CALL_TIMEOUT_MS + GAP_MS.0));
}

#[test]
fn a_second_crash_does_not_forget_the_call_of_the_first() {
    // The owner in between could write something, but not end the attempt: its call may still run.
    let mut bench = Bench::queue(3);
    let started = bench.start();
    let mut second = bench.taken_over(settings(), bench.crash(), 3);
    second.pass_ms(2_000);
    second.cancel(50, 3);
    second.cancelled();
    let mut third = second.taken_over(settings(), second.crash(), 3);
    assert!(matches!(third.write_when_due(), Event::AttemptEnded(ended) if ended.message == id(1)));
    assert!(third.start().at >= started.at.plus_ms(1_000 + CALL_TIMEOUT_MS + GAP_MS.0));
}

#[test]
fn nothing_is_prepared_while_an_open_attempt_must_still_be_ended() {
    let mut bench = Bench::queue(2);
    bench.start();
    let mut later = bench.taken_over(settings(), bench.crash(), 2);
    assert_eq!(later.wait(), Some(bench.now.plus_ms(1_000 + CALL_TIMEOUT_MS)));
    later.cancel(50, 1);
    assert!(matches!(later.next(), Decision::Wait(Some(_))));
    assert_eq!(later.dropped, [50]);
}

#[test]
fn a_report_read_again_keeps_an_interrupted_message_from_being_carried() {
    let mut bench = Bench::queue(2);
    bench.start();
    let mut later = bench.taken_over(settings(), bench.crash(), 2);
    later.account.reported(id(1), 0);
    later.write_when_due();
    assert_eq!(later.carry().open, []);
}

#[test]
fn an_interrupted_text_becomes_unknown_and_its_file_still_goes() {
    let mut bench = Bench::new();
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.plan = Some(text_then_file());
    bench.start();
    let mut later = bench.taken_over(settings(), bench.crash(), 0);
    later.account.accept(first);
    later.plan = Some(text_then_file());
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("the open attempt is ended first") };
    assert_eq!((ended.part, ended.parts, ended.credits.0), (0, 2, 1));
    let started = later.start();
    assert_eq!((started.part, started.parts, started.attempt, started.credits.0), (1, 2, 2, 1));
}

#[test]
fn an_interrupted_file_becomes_unknown_for_its_own_credit() {
    let mut bench = Bench::queue(1);
    bench.plan = Some(text_then_file());
    bench.attempt(sent());
    bench.start();
    let mut later = bench.taken_over(settings(), bench.crash(), 1);
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("the open attempt is ended first") };
    assert_eq!((ended.part, ended.parts, ended.credits.0, ended.attempt), (1, 2, 1, 2));
    assert_eq!(later.account.queued(), 0);
}

#[test]
fn a_transport_that_knows_its_ids_sends_the_same_part_again_after_the_call_timeout() {
    let mut bench = Bench::with(linked());
    bench.account.accept(waiting(1));
    bench.start();
    let mut later = bench.taken_over(linked(), bench.crash(), 1);
    let started = later.start();
    assert_eq!((started.message, started.part, started.attempt), (id(1), 0, 2));
    assert!(started.at >= bench.now.plus_ms(CALL_TIMEOUT_MS));
    assert_eq!(later.end(sent()).message, id(1));
}

#[test]
fn an_unknown_message_is_not_sent_again_even_where_ids_are_known() {
    let mut bench = Bench::with(linked());
    bench.account.accept(waiting(1));
    bench.attempt(unknown());
    let mut later = bench.taken_over(linked(), bench.crash(), 1);
    assert_eq!((later.account.queued(), later.wait()), (0, None));
}

#[test]
fn an_attempt_to_be_made_again_stays_open_for_the_owner_after_the_next() {
    let mut bench = Bench::with(linked());
    for n in 1..=2 {
        bench.account.accept(waiting(n));
    }
    bench.start();
    let mut second = bench.taken_over(linked(), bench.crash(), 2);
    second.cancel(50, 2);
    second.cancelled();
    let [open] = &second.carry().open[..] else { panic!("{:?}", second.carry()) };
    assert_eq!((open.stage, open.attempt, open.credits.0), (OpenStage::Open, 1, 1));
    let mut third = second.taken_over(linked(), second.release(), 2);
    assert!(third.start().at >= bench.now.plus_ms(CALL_TIMEOUT_MS));
}

#[test]
fn an_attempt_to_be_made_again_does_not_expire_but_becomes_unknown() {
    // It may have gone out, so its credits must not come back as if it had not.
    let mut bench = Bench::with(linked());
    bench.account.accept(waiting(1));
    bench.start();
    let held = Settings { idempotent: true, ..disconnected(bench.now) };
    let mut later = bench.taken_over(held, bench.crash(), 1);
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("an end is due") };
    assert!(matches!(ended.outcome, AttemptOutcome::Unknown { .. }));
    assert_eq!((ended.at, ended.attempt, ended.credits.0), (BEGIN.plus_ms(DAY_MS), 1, 1));
    assert_eq!(later.carry().open[0].stage, OpenStage::Unknown);
}

#[test]
fn an_attempt_to_be_made_again_stays_open_while_its_call_may_run_however_short_the_patience_is() {
    let mut bench = Bench::with(linked());
    let mut first = waiting(1);
    first.expires_after_s = 3;
    bench.account.accept(first);
    bench.start();
    let held = Settings { idempotent: true, ..disconnected(bench.now) };
    let mut later = bench.taken_over(held, bench.crash(), 0);
    later.account.accept(first);
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("an end is due") };
    assert_eq!(ended.at, bench.now.plus_ms(1_000 + CALL_TIMEOUT_MS));
}

#[test]
fn a_repetition_that_did_not_reach_the_provider_leaves_the_first_attempt_in_doubt() {
    let mut bench = Bench::with(linked());
    bench.account.accept(waiting(1));
    bench.start();
    let mut later = bench.taken_over(linked(), bench.crash(), 1);
    for result in [CallResult::NotStarted, put_off(PutOffScope::Connection)] {
        later.attempt(result);
        assert_eq!(later.carry().open[0].stage, OpenStage::Open);
    }
    later.account.set(Settings { idempotent: true, ..disconnected(later.now) });
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("an end is due") };
    assert!(matches!(ended.outcome, AttemptOutcome::Unknown { .. }));
}

#[test]
fn a_repetition_that_the_provider_cannot_serve_does_not_fail_what_may_have_gone_out() {
    let mut bench = Bench::with(linked());
    bench.account.accept(waiting(1));
    bench.start();
    let mut later = bench.taken_over(linked(), bench.crash(), 1);
    let ends: Vec<_> = (0..5).map(|_| later.attempt(put_off(PutOffScope::Provider)).outcome).collect();
    assert!(matches!(ends[3..], [AttemptOutcome::Deferred { .. }, AttemptOutcome::Unknown { .. }]), "{ends:?}");
}

#[test]
fn a_message_that_was_put_off_goes_on_where_it_was() {
    let mut bench = Bench::queue(2);
    for _ in 0..3 {
        bench.attempt(put_off(PutOffScope::Provider));
    }
    let mut later = bench.taken_over(settings(), bench.crash(), 2);
    later.attempt(put_off(PutOffScope::Provider));
    let last = later.attempt(put_off(PutOffScope::Provider));
    assert_eq!((last.attempt, reason(&last)), (5, "provider_error"));
}

#[test]
fn a_wait_that_a_provider_asked_for_is_kept_by_a_new_owner() {
    let mut bench = Bench::queue(1);
    let ended = bench.attempt(put_off(PutOffScope::Business));
    let mut later = bench.taken_over(settings(), bench.release(), 1);
    assert_eq!(later.start().at, ended.at.plus_ms(60_000));
}

#[test]
fn a_second_part_that_was_due_goes_on_under_a_new_owner() {
    let mut bench = Bench::queue(1);
    bench.plan = Some(text_then_file());
    bench.attempt(sent());
    let mut later = bench.taken_over(settings(), bench.crash(), 1);
    later.plan = Some(text_then_file());
    let started = later.start();
    assert_eq!((started.message, started.part, started.attempt), (id(1), 1, 2));
}

#[test]
fn every_kind_of_newest_event_keeps_the_gap() {
    let refused =
        crate::domain::plan::refused_whole(angelia_shared::units::Credits(1), why(FailReason::MessageRejected));
    for kind in ["refused", "expired", "cancelled"] {
        let mut bench = Bench::queue(1);
        for n in 2..=3 {
            let mut message = waiting(n);
            message.expires_after_s = 0;
            bench.account.accept(message);
        }
        let ended = bench.attempt(sent());
        match kind {
            "refused" => {
                bench.plan = Some(refused.clone());
                bench.refused();
            }
            "expired" => {
                bench.account.set(disconnected(ended.at));
                bench.expired();
            }
            _ => {
                bench.cancel(50, 2);
                bench.cancelled();
            }
        }
        for takeover in [bench.release(), bench.crash()] {
            let mut later = bench.taken_over(settings(), takeover, 3);
            let started = later.start();
            assert_eq!(started.message, id(3), "{kind}");
            assert!(started.at.ms_since(ended.at) >= pace::gap_ms(id(1), 1, GAP_MS), "{kind}");
            assert!(started.at <= bench.now.plus_ms(GAP_MS.1), "{kind}");
        }
    }
}

#[test]
fn messages_up_to_the_carried_position_are_not_taken_again() {
    let mut bench = Bench::queue(3);
    bench.attempt(sent());
    bench.attempt(sent());
    let later = bench.taken_over(settings(), bench.crash(), 4);
    assert_eq!((later.account.queued(), later.front()), (2, id(3)));
    assert_eq!(later.account.front_seq(), Some(3));
}

#[test]
fn the_mark_in_the_newest_event_is_handed_on() {
    let mut bench = Bench::queue(1);
    bench.attempt(sent());
    let event = bench.last.clone().expect("an end was written");
    let mut later = Bench::new();
    assert_eq!(later.account.recover(&event, bench.crash()), MARK);
}

#[test]
fn an_account_whose_first_event_is_not_an_attempt_starts_with_nothing() {
    let mut bench = Bench::new();
    let strange = Event::CancelRequested(angelia_shared::event::CancelRequested {
        v: 1,
        message: id(1),
        workspace: bench.account.workspace(),
        account: bench.account.id(),
        at: BEGIN,
    });
    let takeover = bench.crash();
    assert_eq!(bench.account.recover(&strange, takeover), 0);
    bench.account.accept(waiting(1));
    assert_eq!(bench.start().carry.done_through, Position::default());
}

#[test]
fn unknown_messages_are_carried_from_owner_to_owner_until_one_reads_the_report() {
    let mut bench = Bench::queue(4);
    bench.attempt(unknown());
    let mut second = bench.taken_over(settings(), bench.crash(), 4);
    second.attempt(sent());
    assert_eq!(second.carry().open.len(), 1);
    let mut third = second.taken_over(settings(), second.crash(), 4);
    third.account.reported(id(1), 0);
    third.attempt(sent());
    assert_eq!(third.carry().open, []);
    assert!(matches!(third.next(), Decision::Prepare(_)));
}
