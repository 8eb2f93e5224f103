//! A message that still waits untouched is cancelled; any other keeps what it has become.

use angelia_shared::event::attempt::OpenStage;
use angelia_shared::event::{Event, MessageCancelled};
use angelia_shared::ids::Position;

use super::bench::*;
use crate::domain::account::Decision;
use crate::transport::{FailReason, PutOffScope};

fn answer(event: &MessageCancelled) -> (u64, Position, u64) {
    (event.message.0, event.accepted, event.credits.0)
}

#[test]
fn a_waiting_message_is_cancelled_whole_and_never_attempted() {
    let mut bench = Bench::queue(3);
    bench.cancel(50, 2);
    let cancelled = bench.cancelled();
    assert_eq!(answer(&cancelled), (2, Position::new(2, 0), 1));
    assert_eq!((bench.answered.as_slice(), bench.dropped.as_slice()), (&[50][..], &[][..]));
    let order: Vec<_> = (0..2).map(|_| bench.attempt(sent()).message).collect();
    assert_eq!(order, [1, 3].map(id));
    assert_eq!(bench.account.queued(), 0);
}

#[test]
fn a_message_cancelled_out_of_turn_is_remembered_until_its_turn_has_passed() {
    let mut bench = Bench::queue(3);
    bench.cancel(50, 2);
    bench.cancelled();
    assert_eq!(
        (bench.carry().done_through, bench.carry().ended_beyond.as_slice()),
        (Position::default(), &[Position::new(2, 0)][..])
    );
    let mut later = bench.taken_over(settings(), bench.crash(), 3);
    let order: Vec<_> = (0..2).map(|_| later.attempt(sent()).message).collect();
    assert_eq!(order, [1, 3].map(id));
    assert_eq!((later.carry().done_through, later.carry().ended_beyond.len()), (Position::new(3, 0), 0));
}

#[test]
fn the_price_of_a_text_with_a_file_comes_back_whole() {
    let mut bench = Bench::new();
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.cancel(50, 1);
    assert_eq!(bench.cancelled().credits.0, 2);
}

#[test]
fn the_message_at_the_front_is_cancelled_while_it_is_prepared_or_waits_for_its_gap() {
    let mut bench = Bench::queue(3);
    bench.attempt(sent());
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.cancel(50, 2);
    assert_eq!(bench.cancelled().message, id(2));
    bench.account.prepared(id(2), one_part(1));
    let Decision::Prepare(preparation) = bench.next() else { panic!("the next one comes up") };
    assert_eq!(preparation.message, id(3));
    bench.account.prepared(id(3), one_part(1));
    bench.cancel(51, 3);
    assert_eq!(bench.cancelled().message, id(3));
    assert_eq!(bench.account.queued(), 0);
}

#[test]
fn a_cancel_does_not_shorten_the_gap() {
    let mut bench = Bench::queue(3);
    let ended = bench.attempt(sent());
    bench.cancel(50, 2);
    bench.cancelled();
    assert_eq!(bench.start().at, ended.at.plus_ms(ended.gap_ms));
}

#[test]
fn a_cancel_that_is_read_before_the_start_is_answered_instead_of_starting() {
    let mut bench = Bench::queue(1);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.account.prepared(id(1), one_part(1));
    bench.cancel(50, 1);
    assert!(matches!(bench.write(), Event::MessageCancelled(_)));
}

#[test]
fn a_message_that_has_begun_keeps_going_and_its_cancel_is_dropped() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.cancel(50, 1);
    assert_eq!((bench.wait(), bench.dropped.as_slice()), (None, &[50][..]));
    bench.end(put_off(PutOffScope::Throughput));
    bench.cancel(51, 1);
    let again = bench.start();
    assert_eq!((again.message, bench.dropped.as_slice()), (id(1), &[50, 51][..]));
}

#[test]
fn the_second_part_of_a_message_is_not_cancelled_by_itself() {
    let mut bench = Bench::queue(1);
    bench.plan = Some(text_then_file());
    bench.attempt(sent());
    bench.cancel(50, 1);
    assert_eq!(bench.start().part, 1);
    assert_eq!(bench.dropped, [50]);
}

#[test]
fn a_message_that_is_over_needs_no_answer() {
    let mut bench = Bench::queue(3);
    bench.attempt(sent());
    bench.attempt(failed(FailReason::MessageRejected));
    bench.cancel(50, 1);
    bench.cancel(51, 2);
    bench.start();
    assert_eq!(bench.dropped, [50, 51]);
}

#[test]
fn an_unknown_message_needs_no_answer() {
    let mut bench = Bench::queue(2);
    bench.attempt(unknown());
    bench.cancel(50, 1);
    bench.start();
    assert_eq!(bench.dropped, [50]);
    assert!(bench.carry().open.iter().any(|open| open.stage == OpenStage::Unknown));
}

#[test]
fn a_second_request_for_the_same_message_is_dropped() {
    let mut bench = Bench::queue(2);
    bench.cancel(50, 2);
    bench.cancel(51, 2);
    bench.cancelled();
    bench.start();
    assert_eq!((bench.answered.as_slice(), bench.dropped.as_slice()), (&[50][..], &[51][..]));
}

#[test]
fn a_cancel_is_answered_during_another_messages_call_and_the_open_attempt_is_carried() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.cancel(50, 2);
    bench.cancelled();
    let [open] = &bench.carry().open[..] else { panic!("{:?}", bench.carry()) };
    assert_eq!((open.message, open.stage, open.attempt, open.credits.0), (id(1), OpenStage::Open, 1, 1));
    assert_eq!(bench.end(sent()).message, id(1));
}

#[test]
fn the_queue_of_a_held_account_can_be_cancelled() {
    let mut bench = Bench::queue(3);
    bench.account.set(disconnected(BEGIN));
    for n in 1..=3 {
        bench.cancel(49 + n, n);
        assert_eq!(bench.cancelled().message, id(n));
    }
    assert_eq!((bench.account.queued(), bench.wait()), (0, None));
}

#[test]
fn cancelling_a_long_queue_from_its_end_keeps_every_event_small_and_sends_nothing_of_it() {
    let mut bench = Bench::queue(1_000);
    bench.account.set(disconnected(BEGIN));
    let mut cancelled = 0;
    let mut note = |event: &Event| {
        assert!(event.to_line().len() < 1_000, "{} bytes", event.to_line().len());
        cancelled += u64::from(matches!(event, Event::MessageCancelled(_)));
    };
    for n in (301..=1_000).rev() {
        bench.cancel(5_000 + n, n);
        if let Decision::Write(write) = bench.next() {
            note(&write.event);
            bench.account.stored();
            bench.answered.extend(write.answers_cancel);
        }
    }
    bench.account.set(settings());
    for n in 1..=300 {
        assert_eq!(bench.attempt(sent()).message, id(n));
    }
    while let Decision::Write(write) = bench.next() {
        note(&write.event);
        bench.account.stored();
        bench.answered.extend(write.answers_cancel);
    }
    assert_eq!((cancelled, bench.account.queued(), bench.dropped.len()), (700, 0, 0));
    bench.answered.sort_unstable();
    assert_eq!(bench.answered, (5_301..=6_000).collect::<Vec<_>>());
}

#[test]
fn a_request_that_waits_for_its_messages_turn_is_asked_for_once() {
    let mut bench = Bench::queue(5);
    for n in [5, 4] {
        bench.cancel(40 + n, n);
        bench.cancelled();
    }
    bench.cancel(50, 3);
    bench.cancel(51, 3);
    assert_eq!(bench.attempt(sent()).message, id(1));
    assert_eq!((bench.answered.as_slice(), bench.dropped.as_slice()), (&[45, 44][..], &[50][..]));
    assert_eq!(bench.attempt(sent()).message, id(2));
    assert_eq!((bench.cancelled().message, bench.answered[2], bench.wait()), (id(3), 51, None));
}

#[test]
fn cancelling_a_long_queue_behind_a_message_that_has_begun_keeps_every_event_small() {
    let mut bench = Bench::queue(2_000);
    bench.attempt(put_off(PutOffScope::Business));
    let mut longest = 0;
    for n in 2..2_000 {
        bench.cancel(5_000 + n, n);
        let cancelled = bench.cancelled();
        assert_eq!(cancelled.message, id(n));
        longest = longest.max(Event::MessageCancelled(Box::new(cancelled)).to_line().len());
    }
    assert!(longest < 1_000, "{longest} bytes");
    let mut later = bench.taken_over(settings(), bench.crash(), 2_000);
    let order: Vec<_> = (0..2).map(|_| later.attempt(sent()).message).collect();
    assert_eq!((order.as_slice(), later.account.queued()), (&[id(1), id(2_000)][..], 0));
}
