//! The low-water mark, and when an account is due.

use angelia_shared::event::Event;
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::units::{Credits, UnixMillis};

use super::super::Partition;
use super::book::carry_of;
use crate::domain::account::{CallResult, Decision, Hold, Settings, Takeover, Waiting, Write};
use crate::domain::limits::Limits;
use crate::domain::plan::{self, File};

const WORKSPACE: WorkspaceId = WorkspaceId(1);
const A: AccountId = AccountId(1);
const B: AccountId = AccountId(2);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn settings() -> Settings {
    Settings { gap_ms: (1_500, 2_500), limits: Limits::default(), hold: None, idempotent: false }
}

/// A partition that has caught up and read nothing.
fn partition() -> Partition {
    let mut partition = Partition::new(100);
    partition.caught_up(NOW);
    partition
}

/// Record `seq` accepts message `seq` of `account`.
fn accept(partition: &mut Partition, account: AccountId, seq: u64) {
    let waiting = Waiting {
        at: Position::new(seq, 0),
        message: MessageId(seq),
        accepted_at: NOW,
        expires_after_s: 60,
        credits: 1,
    };
    partition.accepted(WORKSPACE, account, waiting, settings);
    partition.consumed(seq);
}

fn cancel(partition: &mut Partition, account: AccountId, seq: u64, message: u64) {
    partition.cancel_requested(seq, account, MessageId(message));
    partition.consumed(seq);
}

/// What is written next for an account; not stored yet.
fn write(partition: &mut Partition, account: AccountId) -> Write {
    loop {
        match partition.next(account, NOW) {
            Decision::Write(write) => return *write,
            Decision::Prepare(preparation) => {
                let plan = plan::plan(Credits(1), true, File::None);
                partition.prepared(account, preparation.message, plan);
            }
            Decision::Wait(until) => panic!("expected an event, not a wait until {until:?}"),
        }
    }
}

/// Sends the message at the front of an account up to its end, which is not stored yet.
fn send(partition: &mut Partition, account: AccountId) -> Write {
    let started = write(partition, account);
    partition.stored(account, None);
    let (message, _) = started.call.expect("a start is followed by a call");
    partition.call_ended(account, message, CallResult::Sent { provider_id: "wamid.1".to_owned() }, NOW);
    write(partition, account)
}

fn mark_in(write: &mut Write) -> u64 {
    carry_of(&mut write.event).mark
}

#[test]
fn the_mark_follows_what_was_read_while_nothing_waits() {
    let mut partition = partition();
    assert_eq!(partition.mark(), 1);
    partition.consumed(7);
    assert_eq!(partition.mark(), 8);
}

#[test]
fn the_mark_stays_at_the_oldest_message_that_is_not_over_whichever_account_has_it() {
    let mut partition = partition();
    for (account, seq) in [(A, 5), (B, 6), (A, 7), (B, 8)] {
        accept(&mut partition, account, seq);
    }
    assert_eq!(partition.mark(), 5);
    send(&mut partition, B);
    partition.stored(B, None);
    assert_eq!(partition.mark(), 5);
    send(&mut partition, A);
    partition.stored(A, None);
    assert_eq!(partition.mark(), 7);
}

#[test]
fn what_is_on_its_way_to_the_log_still_counts() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    accept(&mut partition, B, 6);
    accept(&mut partition, B, 9);
    let mut ended = send(&mut partition, A);
    assert_eq!(mark_in(&mut ended), 5);
    let mut other = write(&mut partition, B);
    assert_eq!((mark_in(&mut other), partition.mark()), (5, 5));
    partition.stored(A, None);
    assert_eq!(partition.mark(), 6);
}

#[test]
fn a_message_read_while_the_one_before_is_on_its_way_does_not_lift_the_mark() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    send(&mut partition, A);
    accept(&mut partition, A, 12);
    assert_eq!(partition.mark(), 5);
    partition.stored(A, None);
    assert_eq!(partition.mark(), 12);
}

#[test]
fn a_message_that_has_begun_still_counts() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    write(&mut partition, A);
    partition.stored(A, None);
    partition.consumed(20);
    assert_eq!(partition.mark(), 5);
}

#[test]
fn a_message_that_ends_while_nothing_may_begin_waits_no_more() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    accept(&mut partition, A, 7);
    write(&mut partition, A);
    partition.stored(A, None);
    partition.call_ended(A, MessageId(5), CallResult::Sent { provider_id: "wamid.1".to_owned() }, NOW);
    assert_eq!(partition.queued(), 2);
    assert!(partition.finish(A, NOW).is_some());
    partition.stored(A, None);
    assert_eq!((partition.queued(), partition.mark()), (1, 7));
    assert_eq!(partition.finish(A, NOW), None);
}

#[test]
fn an_unknown_message_is_carried_and_does_not_count() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    write(&mut partition, A);
    partition.stored(A, None);
    partition.call_ended(A, MessageId(5), CallResult::Unknown { detail: String::new() }, NOW);
    write(&mut partition, A);
    partition.stored(A, None);
    partition.consumed(20);
    assert_eq!(partition.mark(), 21);
}

#[test]
fn a_cancel_request_counts_until_its_answer_is_stored() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    cancel(&mut partition, A, 9, 5);
    partition.consumed(20);
    let cancelled = write(&mut partition, A);
    assert_eq!((cancelled.event.name(), cancelled.answers_cancel, partition.mark()), ("MessageCancelled", Some(9), 5));
    partition.stored(A, Some(9));
    assert_eq!(partition.mark(), 21);
}

#[test]
fn a_cancel_request_without_an_answer_counts_until_it_is_dropped() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    send(&mut partition, A);
    cancel(&mut partition, A, 9, 5);
    partition.stored(A, None);
    assert_eq!(partition.mark(), 9);
    assert_eq!(partition.next(A, NOW), Decision::Wait(None));
    assert_eq!(partition.mark(), 10);
}

#[test]
fn a_record_with_two_cancel_requests_counts_until_both_are_over() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    accept(&mut partition, B, 6);
    cancel(&mut partition, A, 9, 5);
    cancel(&mut partition, B, 9, 6);
    write(&mut partition, A);
    partition.stored(A, Some(9));
    assert_eq!(partition.cancels.get(&9), Some(&1));
    write(&mut partition, B);
    partition.stored(B, Some(9));
    assert_eq!((partition.cancels.len(), partition.mark()), (0, 10));
}

#[test]
fn a_cancel_request_for_an_account_that_nothing_is_known_of_counts_not() {
    let mut partition = partition();
    cancel(&mut partition, A, 9, 5);
    assert_eq!(partition.mark(), 10);
}

#[test]
fn a_new_owner_reads_from_the_newest_mark_of_any_account() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    let mut of_a = write(&mut partition, A).event;
    carry_of(&mut of_a).mark = 40;
    let mut of_b = of_a.clone();
    carry_of(&mut of_b).mark = 30;
    let mut later = Partition::new(200);
    assert_eq!(later.read_from(), 1);
    let takeover = Takeover { released: false, now: NOW, call_timeout_ms: 10_000, shift_ms: 0, doubt_ms: 0 };
    for (account, event) in [(A, of_a), (B, of_b)] {
        later.recover(WORKSPACE, account, settings(), &event, takeover);
    }
    assert_eq!((later.read_from(), later.mark()), (40, 40));
    later.consumed(45);
    assert_eq!(later.mark(), 46);
}

#[test]
fn nothing_is_due_before_everything_below_the_claim_was_read() {
    let mut partition = Partition::new(100);
    accept(&mut partition, A, 5);
    accept(&mut partition, B, 6);
    assert_eq!((partition.next_due(), partition.due(NOW)), (None, None));
    partition.caught_up(NOW);
    let mut due = [partition.due(NOW), partition.due(NOW)];
    due.sort();
    assert_eq!((due, partition.due(NOW)), ([Some(A), Some(B)], None));
}

#[test]
fn an_account_is_due_at_its_time_and_the_earliest_comes_first() {
    let mut partition = partition();
    for (account, seq, wait_ms) in [(A, 5, 9_000), (B, 6, 4_000)] {
        accept(&mut partition, account, seq);
        assert_eq!(partition.due(NOW), Some(account));
        assert!(matches!(partition.next(account, NOW), Decision::Prepare(_)));
        partition.not_prepared(account, MessageId(seq), NOW, wait_ms);
        assert_eq!(partition.due(NOW), Some(account));
        assert_eq!(partition.next(account, NOW), Decision::Wait(Some(NOW.plus_ms(wait_ms))));
    }
    assert_eq!(partition.next_due(), Some(NOW.plus_ms(4_000)));
    assert_eq!((partition.due(NOW.plus_ms(3_999)), partition.due(NOW.plus_ms(4_000))), (None, Some(B)));
    assert_eq!(partition.next_due(), Some(NOW.plus_ms(9_000)));
}

#[test]
fn an_account_is_looked_at_again_when_something_new_is_said_of_it_and_only_then() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    let held = Settings { hold: Some(Hold { reason: "disconnected", since: NOW, until: None }), ..settings() };
    partition.set(A, held.clone());
    assert_eq!(partition.due(NOW), Some(A));
    assert_eq!(partition.next(A, NOW), Decision::Wait(Some(NOW.plus_ms(60_000))));
    partition.set_if_changed(A, held);
    assert_eq!(partition.due(NOW), None);
    partition.set_if_changed(A, settings());
    assert_eq!(partition.due(NOW), Some(A));
    assert!(matches!(partition.next(A, NOW), Decision::Prepare(_)));
}

#[test]
fn one_account_does_not_hold_up_another() {
    let mut partition = partition();
    accept(&mut partition, A, 5);
    accept(&mut partition, B, 6);
    write(&mut partition, A);
    partition.stored(A, None);
    let started = write(&mut partition, B).event;
    assert!(matches!(started, Event::AttemptStarted(started) if started.at == NOW));
}

#[test]
fn an_account_that_is_not_known_has_nothing_to_do() {
    let mut partition = partition();
    assert_eq!(partition.next(A, NOW), Decision::Wait(None));
    partition.set(A, settings());
    partition.stored(A, None);
    partition.reported(A, MessageId(1), 0);
    assert_eq!((partition.accounts().count(), partition.next_due()), (0, None));
}
