//! The checker itself: each invariant that it checks is broken once.

use angelia_shared::event::attempt::{AttemptOutcome, Carry};
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event, PartitionClaimed};
use angelia_shared::ids::{AccountId, MemberId, MessageId, Position, WorkspaceId};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};

use crate::harness::Log;
use crate::harness::checker::check;
use crate::harness::chronicle::Logged;

const PART: Partition = Partition(0);

fn log(events: Vec<Event>) -> Log {
    let logged = (1..).zip(events).map(|(seq, event)| {
        let subject = match event {
            Event::PartitionClaimed(_) => Subject::PartitionClaim(PART),
            _ => Subject::Attempt(PART, WorkspaceId(1), AccountId(2)),
        };
        Logged { at: Position::new(seq, 0), subject, event }
    });
    Log(logged.collect())
}

fn claimed() -> Event {
    Event::PartitionClaimed(PartitionClaimed { v: 1, part: Some(PART), member: MemberId(1), at: UnixMillis(0) })
}

fn started(message: u64, at: i64, claim: u64) -> Event {
    Event::AttemptStarted(Box::new(AttemptStarted {
        v: 1,
        message: MessageId(message),
        accepted: Position::new(message, 0),
        attempt: 1,
        part: 0,
        parts: 1,
        credits: Credits(1),
        claim,
        at: UnixMillis(at),
        floor_ms: 100,
        idempotent: false,
        carry: Carry::default(),
    }))
}

fn ended(message: u64, at: i64, claim: u64) -> Event {
    Event::AttemptEnded(Box::new(AttemptEnded {
        v: 1,
        message: MessageId(message),
        attempt: 1,
        part: 0,
        parts: 1,
        credits: Credits(1),
        claim,
        at: UnixMillis(at),
        gap_ms: 100,
        outcome: AttemptOutcome::Unknown { detail: String::new() },
        carry: Carry::default(),
    }))
}

#[test]
fn a_history_without_fault_passes() {
    check(&log(vec![claimed(), started(1, 0, 1), ended(1, 50, 1), started(2, 150, 1), ended(2, 160, 1)]));
}

#[test]
#[should_panic(expected = "DP-1")]
fn a_start_within_the_floor_is_seen() {
    check(&log(vec![claimed(), started(1, 0, 1), ended(1, 50, 1), started(2, 149, 1)]));
}

#[test]
#[should_panic(expected = "DP-2")]
fn a_message_that_overtakes_is_seen() {
    check(&log(vec![claimed(), started(2, 0, 1), ended(2, 50, 1), started(1, 150, 1)]));
}

#[test]
#[should_panic(expected = "DP-3")]
fn a_start_under_an_older_claim_is_seen() {
    check(&log(vec![claimed(), claimed(), started(1, 0, 1)]));
}

#[test]
#[should_panic(expected = "DP-4")]
fn a_second_start_of_what_is_unknown_is_seen() {
    check(&log(vec![claimed(), started(1, 0, 1), ended(1, 50, 1), started(1, 500, 1)]));
}

#[test]
#[should_panic(expected = "DP-4")]
fn a_second_start_of_what_is_open_is_seen() {
    check(&log(vec![claimed(), started(1, 0, 1), started(1, 500, 1)]));
}
