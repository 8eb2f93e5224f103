//! What comes too late, twice, or for another message changes nothing.

use angelia_shared::event::Event;

use super::bench::*;
use crate::domain::account::{Account, Decision};
use crate::transport::PutOffScope;

/// Hands `late` to an account in every stage of its front message and checks that nothing has changed.
fn changes_nothing_in_any_stage(late: impl Fn(&mut Account, angelia_shared::units::UnixMillis)) {
    let check = |bench: &mut Bench, stage: &str| {
        let before = format!("{:?}", bench.account);
        late(&mut bench.account, bench.now);
        assert_eq!(format!("{:?}", bench.account), before, "{stage}");
    };
    let mut bench = Bench::queue(3);
    check(&mut bench, "fresh");
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    check(&mut bench, "preparing");
    bench.account.prepared(id(1), one_part(1));
    check(&mut bench, "ready");
    bench.start();
    check(&mut bench, "calling");
    bench.account.call_ended(id(1), put_off(PutOffScope::Throughput), bench.now);
    check(&mut bench, "answered");
    bench.write();
    check(&mut bench, "put off");
    bench.start();
    let mut interrupted = bench.taken_over(settings(), bench.crash(), 3);
    check(&mut interrupted, "interrupted");
    let mut interrupted = bench.taken_over(linked(), bench.crash(), 3);
    check(&mut interrupted, "interrupted, to be sent again");
}

#[test]
fn a_preparation_of_another_message_is_ignored() {
    changes_nothing_in_any_stage(|account, _| account.prepared(id(2), text_then_file()));
    changes_nothing_in_any_stage(|account, now| account.not_prepared(id(2), now, 60_000));
}

#[test]
fn a_result_of_another_message_is_ignored() {
    changes_nothing_in_any_stage(|account, now| account.call_ended(id(2), sent(), now));
}

#[test]
fn a_result_is_taken_only_while_its_call_runs() {
    let mut bench = Bench::queue(2);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.account.call_ended(id(1), sent(), bench.now);
    bench.account.prepared(id(1), one_part(1));
    bench.account.call_ended(id(1), sent(), bench.now);
    bench.start();
    let first = bench.end(put_off(PutOffScope::Throughput));
    bench.account.call_ended(id(1), sent(), bench.now);
    let second = bench.attempt(sent());
    assert_eq!((first.attempt, second.attempt, second.message), (1, 2, id(1)));
}

#[test]
fn the_first_of_two_results_of_a_call_counts() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.account.call_ended(id(1), unknown(), bench.now);
    bench.account.call_ended(id(1), sent(), bench.now);
    let Event::AttemptEnded(ended) = bench.write() else { panic!("an end is due") };
    assert!(matches!(ended.outcome, angelia_shared::event::attempt::AttemptOutcome::Unknown { .. }));
}

#[test]
fn a_result_of_an_earlier_owners_call_does_not_free_the_message_for_a_second_one() {
    let mut bench = Bench::queue(2);
    bench.start();
    let mut later = bench.taken_over(settings(), bench.crash(), 2);
    later.account.call_ended(id(1), sent(), later.now);
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("the open attempt is ended first") };
    assert!(matches!(ended.outcome, angelia_shared::event::attempt::AttemptOutcome::Unknown { .. }));
    assert_eq!(later.start().message, id(2));
}

#[test]
fn a_preparation_is_taken_once() {
    let mut bench = Bench::queue(2);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.account.prepared(id(1), one_part(1));
    bench.account.prepared(id(1), text_then_file());
    assert_eq!(bench.start().parts, 1);
}

#[test]
fn a_preparation_that_failed_after_it_was_cancelled_holds_nothing_up() {
    let mut bench = Bench::queue(2);
    assert!(matches!(bench.next(), Decision::Prepare(_)));
    bench.cancel(50, 1);
    bench.cancelled();
    bench.account.not_prepared(id(1), bench.now, DAY_MS);
    assert_eq!(bench.start().at, BEGIN);
}
