//! What is held too long by something other than its turn expires; what waits behind others never does.

use angelia_shared::units::UnixMillis;

use super::bench::*;
use crate::domain::account::{Decision, Hold, Settings};
use crate::transport::PutOffScope;

fn held(reason: &'static str, since: UnixMillis, until: Option<UnixMillis>) -> Settings {
    Settings { hold: Some(Hold { reason, since, until }), ..settings() }
}

#[test]
fn the_queue_of_a_held_account_expires_one_after_the_other() {
    let mut bench = Bench::queue(3);
    bench.account.set(disconnected(BEGIN.plus_ms(5_000)));
    let due = BEGIN.plus_ms(5_000 + DAY_MS);
    assert_eq!(bench.wait(), Some(due));
    bench.now = due;
    for n in 1..=3 {
        let expired = bench.expired();
        assert_eq!((expired.message, expired.at, expired.held_by.as_str()), (id(n), due, "disconnected"));
        assert_eq!(expired.credits.0, 1);
    }
    assert_eq!((bench.account.queued(), bench.wait()), (0, None));
}

#[test]
fn a_message_accepted_during_the_hold_has_its_own_time() {
    let mut bench = Bench::queue(1);
    let mut second = waiting(2);
    second.accepted_at = BEGIN.plus_ms(3_600_000);
    bench.account.accept(second);
    bench.account.set(disconnected(BEGIN));
    bench.now = BEGIN.plus_ms(DAY_MS);
    assert_eq!(bench.expired().message, id(1));
    assert_eq!(bench.wait(), Some(BEGIN.plus_ms(DAY_MS + 3_600_000)));
    bench.pass_ms(3_600_000);
    assert_eq!(bench.expired().message, id(2));
}

#[test]
fn each_message_has_the_patience_that_it_was_accepted_with() {
    let mut bench = Bench::new();
    for (n, seconds) in [(1, 100), (2, 10)] {
        let mut message = waiting(n);
        message.expires_after_s = seconds;
        bench.account.accept(message);
    }
    bench.account.set(disconnected(BEGIN));
    assert_eq!(bench.wait(), Some(BEGIN.plus_ms(100_000)), "only the front is asked: the queue keeps its order");
    bench.pass_ms(100_000);
    assert_eq!([bench.expired().message, bench.expired().message], [1, 2].map(id));
}

#[test]
fn a_hold_that_ends_in_time_expires_nothing() {
    let mut bench = Bench::queue(2);
    bench.account.set(disconnected(BEGIN));
    bench.pass_ms(DAY_MS - 1);
    assert!(matches!(bench.next(), Decision::Wait(Some(_))));
    bench.account.set(settings());
    bench.pass_ms(10);
    assert_eq!(bench.start().message, id(1));
}

#[test]
fn a_hold_with_an_end_ends_by_itself() {
    let mut bench = Bench::queue(1);
    let until = BEGIN.plus_ms(60_000);
    bench.account.set(held("paused", BEGIN, Some(until)));
    assert_eq!(bench.wait(), Some(until));
    assert_eq!(bench.start().at, until);
}

#[test]
fn a_hold_with_an_end_after_the_patience_expires_first() {
    let mut bench = Bench::queue(1);
    bench.account.set(held("paused", BEGIN, Some(BEGIN.plus_ms(2 * DAY_MS))));
    assert_eq!(bench.wait(), Some(BEGIN.plus_ms(DAY_MS)));
    bench.pass_ms(DAY_MS);
    assert_eq!(bench.expired().held_by, "paused");
}

#[test]
fn attempts_that_are_put_off_for_a_day_expire_their_message_and_let_the_next_one_go() {
    let mut bench = Bench::queue(2);
    let first = bench.attempt(put_off(PutOffScope::Connection));
    let expired = loop {
        match bench.write_when_due() {
            angelia_shared::event::Event::AttemptStarted(_) => drop(bench.end(put_off(PutOffScope::Connection))),
            angelia_shared::event::Event::MessageExpired(expired) => break expired,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((expired.message, expired.held_by.as_str()), (id(1), "put_off"));
    // The hour of a try may pass over the end, the wait for it may not.
    assert_eq!(expired.at.ms_since(first.at), DAY_MS);
    assert_eq!(bench.start().message, id(2));
}

#[test]
fn content_that_cannot_be_had_for_a_day_expires_its_message() {
    let mut bench = Bench::queue(1);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.account.not_prepared(id(1), bench.now, 2 * DAY_MS);
    assert_eq!(bench.wait(), Some(BEGIN.plus_ms(DAY_MS)));
    bench.pass_ms(DAY_MS);
    assert_eq!(bench.expired().held_by, "put_off");
}

#[test]
fn waiting_behind_others_never_expires_a_message() {
    let mut bench = Bench::new();
    for n in 1..=50 {
        let mut message = waiting(n);
        message.expires_after_s = 1;
        bench.account.accept(message);
    }
    let order: Vec<_> = (0..50).map(|_| bench.attempt(sent()).message.0).collect();
    assert_eq!(order, (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_message_whose_turn_comes_after_its_patience_is_still_sent() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.pass_ms(10 * DAY_MS);
    bench.end(sent());
    assert_eq!(bench.start().message, id(2));
}

#[test]
fn nothing_expires_during_a_call() {
    let mut bench = Bench::queue(1);
    bench.start();
    bench.account.set(disconnected(BEGIN));
    bench.pass_ms(2 * DAY_MS);
    assert_eq!(bench.wait(), None);
    bench.end(sent());
    assert_eq!(bench.account.queued(), 0);
}

#[test]
fn when_the_second_part_expires_only_its_credit_comes_back() {
    let mut bench = Bench::new();
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.plan = Some(text_then_file());
    let ended = bench.attempt(sent());
    bench.account.set(disconnected(ended.at));
    bench.pass_ms(DAY_MS);
    let expired = bench.expired();
    assert_eq!((expired.message, expired.credits.0), (id(1), 1));
}

#[test]
fn a_waiting_message_with_a_caption_gets_its_whole_price_back() {
    let mut bench = Bench::new();
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.account.set(disconnected(BEGIN));
    bench.pass_ms(DAY_MS);
    assert_eq!(bench.expired().credits.0, 2);
}

#[test]
fn a_cancel_is_answered_before_its_message_expires() {
    let mut bench = Bench::queue(1);
    bench.account.set(disconnected(BEGIN));
    bench.pass_ms(DAY_MS);
    bench.cancel(50, 1);
    assert_eq!(bench.cancelled().message, id(1));
}

#[test]
fn the_time_of_being_put_off_counts_on_under_a_new_owner() {
    let mut bench = Bench::queue(1);
    let ended = bench.attempt(put_off(PutOffScope::Business));
    bench.pass_ms(DAY_MS / 2);
    let mut later = bench.taken_over(disconnected(bench.now), bench.crash(), 1);
    assert_eq!(later.wait(), Some(ended.at.plus_ms(DAY_MS)));
    later.now = ended.at.plus_ms(DAY_MS);
    assert_eq!(later.expired().held_by, "put_off");
}
