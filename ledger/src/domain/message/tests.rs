use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Carry, Event, OutcomeSettled, PartRefused};
use angelia_shared::ids::WriterId;

use super::super::contradiction::Broken;
use super::super::history::{acceptance, receipt};
use super::*;

mod reports;

const ID: MessageId = MessageId(7);
const AT: UnixMillis = UnixMillis(1_000);

fn message(price: u64) -> Message {
    let event = acceptance(ID, WorkspaceId(1), AccountId(2), price, WriterId(3), AT);
    let Event::MessageAccepted(fact) = event else { unreachable!("an acceptance") };
    Message::accepted(&Accepted::of(&fact, 0, 1), Position::new(5, 0))
}

fn started(attempt: u32, part: u8, parts: u8, credits: u64) -> AttemptStarted {
    AttemptStarted {
        v: 1,
        message: ID,
        accepted: Position::new(5, 0),
        attempt,
        part,
        parts,
        credits: Credits(credits),
        claim: 1,
        at: AT,
        floor_ms: 1_500,
        idempotent: false,
        carry: Carry::default(),
    }
}

fn ended(attempt: u32, part: u8, outcome: AttemptOutcome) -> AttemptEnded {
    let (credits, carry) = (Credits(1), Carry::default());
    AttemptEnded {
        v: 1,
        message: ID,
        attempt,
        part,
        parts: 1,
        credits,
        claim: 1,
        at: AT,
        gap_ms: 1_500,
        outcome,
        carry,
    }
}

fn refused(part: u8, parts: u8, credits: u64) -> PartRefused {
    PartRefused {
        v: 1,
        message: ID,
        accepted: Position::new(5, 0),
        part,
        parts,
        credits: Credits(credits),
        claim: 1,
        at: AT,
        reason: "attachment_too_large".to_owned(),
        detail: "3 MiB".to_owned(),
        carry: Carry::default(),
    }
}

fn sent() -> AttemptOutcome {
    AttemptOutcome::Sent { provider_id: "wamid.1".to_owned() }
}

fn failed() -> AttemptOutcome {
    AttemptOutcome::Failed { reason: "message_rejected".to_owned(), detail: "no".to_owned() }
}

fn unknown() -> AttemptOutcome {
    AttemptOutcome::Unknown { detail: "closed".to_owned() }
}

fn deferred() -> AttemptOutcome {
    AttemptOutcome::Deferred { reason: "provider".to_owned(), detail: String::new(), until: AT }
}

fn report(message: &mut Message, part: u8, report: Report) -> Outcome {
    message.reported(report, &receipt(ID, WorkspaceId(1), AccountId(2), part, AT))
}

fn settle(message: &mut Message, policy: UnknownPolicy) {
    let (workspace, account) = (WorkspaceId(1), AccountId(2));
    message.settled(&OutcomeSettled { v: 1, message: ID, workspace, account, part: 0, policy, at: AT }).unwrap();
}

fn owed(message: &Message) -> u64 {
    message.parts.iter().map(|part| part.owed().0).sum()
}

/// A message of one part whose first attempt ended so.
fn after(outcome: AttemptOutcome) -> Message {
    let mut message = message(1);
    message.started(&started(1, 0, 1, 1)).unwrap();
    message.ended(&ended(1, 0, outcome)).unwrap();
    message
}

#[test]
fn a_put_off_message_stays_sending_and_waits() {
    let message = after(deferred());
    assert_eq!((message.state, message.left_queue), (MessageState::Sending, false));
}

#[test]
fn an_attempts_end_says_what_became_of_the_message() {
    for (outcome, state, owes) in
        [(sent(), MessageState::Sent, 0), (failed(), MessageState::Failed, 1), (unknown(), MessageState::Unknown, 0)]
    {
        let message = after(outcome);
        assert_eq!((message.state, owed(&message), message.left_queue), (state, owes, true));
    }
    assert_eq!(after(failed()).failure(), (Some("message_rejected"), Some("no")));
    assert_eq!(after(sent()).failure(), (None, None));
}

#[test]
fn two_parts_show_the_lowest_of_them_or_failed_if_one_failed() {
    let mut message = message(2);
    message.started(&started(1, 0, 2, 1)).unwrap();
    message.ended(&ended(1, 0, sent())).unwrap();
    assert_eq!((message.state, message.left_queue), (MessageState::Sending, false));
    let mut other = message.clone();
    message.started(&started(2, 1, 2, 1)).unwrap();
    message.ended(&ended(2, 1, sent())).unwrap();
    assert_eq!((message.state, message.left_queue), (MessageState::Sent, true));
    report(&mut message, 0, Report::Read);
    assert_eq!(message.state, MessageState::Sent);
    report(&mut message, 1, Report::Delivered);
    assert_eq!(message.state, MessageState::Delivered);
    // Text out, file refused: one of two.
    other.refused(&refused(1, 2, 1)).unwrap();
    assert_eq!((other.state, owed(&other), other.left_queue), (MessageState::Failed, 1, true));
    report(&mut other, 0, Report::Read);
    assert_eq!(other.state, MessageState::Failed);
}

#[test]
fn a_refused_file_that_was_to_carry_the_text_gives_everything_back() {
    let mut message = message(2);
    message.refused(&refused(0, 1, 2)).unwrap();
    assert_eq!((message.state, owed(&message)), (MessageState::Failed, 2));
}

#[test]
fn what_the_provider_took_and_later_failed_is_owed() {
    let mut message = after(sent());
    report(&mut message, 0, Report::Failed);
    assert_eq!((message.state, owed(&message)), (MessageState::Failed, 1));
}

#[test]
fn a_late_failure_of_what_was_delivered_is_not_owed() {
    let mut message = after(sent());
    report(&mut message, 0, Report::Delivered);
    report(&mut message, 0, Report::Failed);
    assert_eq!((message.state, owed(&message)), (MessageState::Delivered, 0));
}

#[test]
fn a_receipt_settles_what_is_unknown() {
    let mut message = after(unknown());
    assert_eq!(message.parts[0].unknown_since, Some(AT));
    report(&mut message, 0, Report::Sent);
    assert_eq!((message.state, message.parts[0].unknown_since), (MessageState::Sent, None));
    settle(&mut message, UnknownPolicy::Refund);
    assert_eq!((message.state, owed(&message)), (MessageState::Sent, 0));
}

#[test]
fn a_deadline_settles_what_stays_unknown_by_policy() {
    let mut refund = after(unknown());
    settle(&mut refund, UnknownPolicy::Refund);
    assert_eq!((refund.state, owed(&refund)), (MessageState::Failed, 1));
    assert_eq!(refund.failure().0, Some("outcome_unknown"));
    report(&mut refund, 0, Report::Delivered);
    assert_eq!((refund.state, owed(&refund)), (MessageState::Delivered, 1));
    let mut charge = after(unknown());
    settle(&mut charge, UnknownPolicy::Charge);
    assert_eq!((charge.state, owed(&charge)), (MessageState::Sent, 0));
    report(&mut charge, 0, Report::Failed);
    assert_eq!((charge.state, owed(&charge)), (MessageState::Failed, 0));
}

#[test]
fn an_expired_message_owes_what_had_not_gone_out() {
    let mut whole = message(2);
    whole.expired(Credits(2), "disconnected").unwrap();
    assert_eq!((whole.state, owed(&whole), whole.left_queue), (MessageState::Failed, 2, true));
    assert_eq!(whole.failure(), (Some("expired"), Some("disconnected")));
    let mut rest = message(2);
    rest.started(&started(1, 0, 2, 1)).unwrap();
    rest.ended(&ended(1, 0, sent())).unwrap();
    rest.expired(Credits(1), "paused").unwrap();
    assert_eq!(rest.parts.iter().map(|part| part.owed().0).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(rest.started(&started(2, 1, 2, 1)), Err(Broken::AfterItsEnd(ID)));
}

#[test]
fn an_expiry_that_would_give_back_more_than_it_says_is_named() {
    let mut message = message(2);
    assert_eq!(message.expired(Credits(1), "paused"), Err(Broken::RefundTooLarge(ID)));
    assert_eq!(message.expired(Credits(3), "paused"), Err(Broken::RefundTooLarge(ID)));
    assert_eq!((message.state, message.parts.len()), (MessageState::Queued, 0));
}

#[test]
fn only_an_untouched_message_can_be_cancelled() {
    let mut untouched = message(2);
    untouched.cancelled().unwrap();
    assert_eq!((untouched.state, owed(&untouched), untouched.left_queue), (MessageState::Cancelled, 2, true));
    assert_eq!(untouched.started(&started(1, 0, 1, 2)), Err(Broken::AfterItsEnd(ID)));
    assert_eq!(after(deferred()).cancelled(), Err(Broken::AfterItsEnd(ID)));
}

#[test]
fn a_second_attempt_while_one_is_open_or_unknown_is_named() {
    let mut open = message(1);
    open.started(&started(1, 0, 1, 1)).unwrap();
    assert_eq!(open.started(&started(2, 0, 1, 1)), Err(Broken::AttemptWhileOpen(ID)));
    assert_eq!(after(unknown()).started(&started(2, 0, 1, 1)), Err(Broken::AttemptWhileOpen(ID)));
    let again = AttemptStarted { idempotent: true, ..started(2, 0, 1, 1) };
    assert_eq!(open.started(&again), Ok(()));
    assert_eq!(open.ended(&ended(1, 0, sent())), Err(Broken::EndWithoutAttempt(ID)));
    assert_eq!(open.ended(&ended(2, 0, sent())), Ok(()));
}

#[test]
fn parts_that_cost_more_than_the_message_or_change_their_price_are_named() {
    assert_eq!(message(1).started(&started(1, 0, 1, 2)), Err(Broken::PartsCostMore(ID)));
    let mut message = message(2);
    message.started(&started(1, 0, 2, 1)).unwrap();
    message.ended(&ended(1, 0, sent())).unwrap();
    assert_eq!(message.started(&started(2, 1, 2, 2)), Err(Broken::PartsCostMore(ID)));
    assert_eq!(message.started(&started(2, 0, 2, 2)), Err(Broken::PartsCostMore(ID)));
    assert_eq!(message.started(&started(2, 2, 2, 1)), Err(Broken::PartsCostMore(ID)));
}

#[test]
fn a_receipt_before_any_attempt_is_stray() {
    assert_eq!(report(&mut message(1), 0, Report::Failed), Outcome::Stray);
    assert_eq!(report(&mut after(sent()), 1, Report::Failed), Outcome::Stray);
    let mut refused_only = message(1);
    refused_only.refused(&refused(0, 1, 1)).unwrap();
    assert_eq!(report(&mut refused_only, 0, Report::Delivered), Outcome::Stray);
}

#[test]
fn a_timeline_keeps_the_oldest_and_the_newest_and_says_what_is_missing() {
    let mut timeline = Timeline::default();
    for n in 1..=1_000_u64 {
        let detail = Some("x".repeat(500));
        timeline.add(Happened { position: Position::new(n, 0), at: AT, event: "AttemptEnded", part: None, detail });
    }
    let view = timeline.view();
    assert_eq!(view.len(), ENTRIES_MAX);
    assert_eq!((view[0].position.seq, view[15].position.seq, view[47].position.seq), (1, 16, 1_000));
    assert!(view[16].detail.as_ref().unwrap().ends_with("952 earlier entries are only in the log"));
}

#[test]
fn a_message_reads_back_from_its_bytes() {
    let mut message = after(failed());
    for (part, event) in [(None, "KeyUsed"), (Some(0), "AttemptEnded"), (Some(1), "MessageAccepted")] {
        message.timeline.add(Happened { position: Position::new(9, 2), at: AT, event, part, detail: None });
    }
    report(&mut message, 0, Report::Read);
    message.refund(0, Credits(1)).unwrap();
    let mut out = Encoder::default();
    message.write(&mut out);
    assert_eq!(Message::read(&mut Decoder(&out.0)), Some(message));
}
