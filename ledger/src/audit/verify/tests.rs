//! A check that finds nothing proves nothing: each invariant is broken once, and must be named with the first event.

use angelia_shared::event::PartitionClaimed;
use angelia_shared::event::{AttemptEnded, CreditsDrawn, CreditsReturned, Event, KeyUsed, LedgerCheckpointed};
use angelia_shared::ids::MemberId;
use angelia_shared::units::{Credits, UnixMillis};

use super::*;
use crate::audit::crafted::*;

fn verify(records: &[Record]) -> Result<Verified, Finding> {
    let mut verifier = Verifier::default();
    records.iter().try_for_each(|record| verifier.record(record))?;
    verifier.finish()
}

#[track_caller]
fn breaks(log: &CraftedLog, invariant: &str) {
    assert_eq!(verify(&log.records).map(drop).map_err(|finding| finding.invariant), Err(invariant));
}

/// The log breaks the invariant, and the first event that does so is there.
#[track_caller]
fn breaks_at(log: &CraftedLog, invariant: &str, at: Position) {
    let found = verify(&log.records).map(drop).map_err(|finding| (finding.invariant, finding.at));
    assert_eq!(found, Err((invariant, at)));
}

#[test]
fn a_log_in_which_everything_holds_passes() {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, failed());
    log.add(Subject::Wallet(WORKSPACE), refund(1));
    log.tried(OTHER, 1, 1_510, sent());
    let verified = verify(&log.records).expect("nothing is broken");
    assert_eq!((verified.events["MessageAccepted"], verified.events["AttemptStarted"]), (2, 2));
}

#[test]
fn a_message_accepted_twice_breaks_in_1() {
    let mut log = CraftedLog::with_messages();
    log.accept(MESSAGE);
    breaks(&log, "IN-1");
}

#[test]
fn a_key_used_for_two_messages_breaks_in_2() {
    let mut log = CraftedLog::with_messages();
    for message in [MESSAGE, OTHER] {
        let (key, fingerprint) = ("key".to_owned(), String::new());
        log.add(Subject::Key(0), Event::KeyUsed(KeyUsed { v: 1, key, fingerprint, workspace: WORKSPACE, message }));
    }
    breaks(&log, "IN-2");
}

#[test]
fn credits_drawn_beyond_what_is_there_break_wa_1() {
    let mut log = CraftedLog::new();
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(10, 10)));
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsDrawn(drawn(11)));
    breaks(&log, "WA-1");
}

#[test]
fn an_acceptance_that_nobody_drew_for_breaks_wa_2() {
    let mut log = CraftedLog::with_messages();
    log.accept(MessageId(7));
    breaks(&log, "WA-2");
}

#[test]
fn a_refund_of_what_was_sent_of_too_much_or_twice_breaks_wa_3() {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, sent());
    log.add(Subject::Wallet(WORKSPACE), refund(1));
    breaks(&log, "WA-3");
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, failed());
    log.add(Subject::Wallet(WORKSPACE), refund(2));
    breaks(&log, "WA-3");
}

#[test]
fn totals_that_are_not_the_sum_break_wa_4() {
    let mut log = CraftedLog::new();
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(10, 11)));
    breaks(&log, "WA-4");
}

#[test]
fn an_attempt_before_the_floor_or_during_another_breaks_dp_1() {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, sent());
    log.tried(OTHER, 1, 1_509, sent());
    breaks(&log, "DP-1");
    let mut log = CraftedLog::with_messages();
    for message in [MESSAGE, OTHER] {
        let started = log.started(message, 1, 0);
        log.attempt(Event::AttemptStarted(Box::new(started)));
    }
    breaks(&log, "DP-1");
}

#[test]
fn an_attempt_out_of_order_breaks_dp_2() {
    let mut log = CraftedLog::with_messages();
    log.tried(OTHER, 1, 0, sent());
    log.tried(MESSAGE, 1, 5_000, sent());
    breaks(&log, "DP-2");
}

#[test]
fn an_attempt_under_an_older_claim_breaks_dp_3() {
    let mut log = CraftedLog::with_messages();
    let claimed = PartitionClaimed { v: 1, part: Some(PART), member: MemberId(10), at: UnixMillis(0) };
    log.add(Subject::PartitionClaim(PART), Event::PartitionClaimed(claimed));
    log.tried(MESSAGE, 1, 0, sent());
    breaks(&log, "DP-3");
}

#[test]
fn a_second_try_of_what_was_sent_or_is_unknown_breaks_dp_4() {
    for outcome in [sent(), unknown()] {
        let mut log = CraftedLog::with_messages();
        log.tried(MESSAGE, 1, 0, outcome);
        log.tried(MESSAGE, 2, 5_000, sent());
        breaks(&log, "DP-4");
    }
}

#[test]
fn a_changed_a_missing_or_an_unsealed_record_breaks_lg_2() {
    let mut changed = CraftedLog::with_messages();
    let text =
        String::from_utf8(changed.records[1].payload.to_vec()).unwrap().replace("\"reason\":\"\"", "\"reason\":\"x\"");
    changed.records[1].payload = text.into();
    breaks(&changed, "LG-2");
    let mut missing = CraftedLog::with_messages();
    missing.records.remove(9);
    breaks(&missing, "LG-2");
    let mut unsealed = CraftedLog::with_messages();
    unsealed.records.pop();
    breaks(&unsealed, "LG-2");
}

#[test]
fn a_checkpoint_of_another_log_breaks_lg_2() {
    let at = |change: fn(&mut LedgerCheckpointed)| {
        let mut log = CraftedLog::with_messages();
        let mut covers = log.checkpoint();
        change(&mut covers);
        let at = log.add(Subject::Checkpoint, Event::LedgerCheckpointed(covers));
        verify(&log.records)
            .map(|verified| verified.checkpoints)
            .map_err(|finding| (finding.invariant, finding.at.seq - at))
    };
    assert_eq!(at(|_| ()), Ok(1));
    assert_eq!(at(|covers| covers.log_digest.0[0] ^= 1), Err(("LG-2", 0)));
    assert_eq!(at(|covers| covers.previous = 3), Err(("LG-2", 0)));
    assert_eq!(at(|covers| covers.seq = 1_000), Err(("LG-2", 0)));
    assert_eq!(at(|covers| covers.seq -= 1), Err(("LG-2", 0)));
}

#[test]
fn a_return_beyond_what_was_drawn_breaks_wa_2() {
    let mut log = CraftedLog::with_messages();
    let totals = angelia_shared::event::Totals { returned: Credits(1), ..totals(10, 2, 0) };
    let returned = CreditsReturned { v: 1, writer: WRITER, credits: Credits(1), totals, at: UnixMillis(0) };
    let seq = log.add(Subject::Wallet(WORKSPACE), Event::CreditsReturned(returned));
    breaks_at(&log, "WA-2", Position::new(seq, 0));
}

#[test]
fn a_refund_of_a_message_that_was_never_accepted_breaks_wa_3() {
    let mut log = CraftedLog::new();
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(10, 10)));
    let drawn = CreditsDrawn { totals: totals(10, 2, 0), ..drawn(2) };
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsDrawn(drawn));
    let seq = log.add(Subject::Wallet(WORKSPACE), refund(1));
    breaks_at(&log, "WA-3", Position::new(seq, 0));
}

#[test]
fn a_key_whose_message_was_never_accepted_breaks_in_2() {
    let mut log = CraftedLog::with_messages();
    let used =
        |message| KeyUsed { v: 1, key: "k".to_owned(), fingerprint: String::new(), workspace: WORKSPACE, message };
    let seq = log.add(Subject::Key(0), Event::KeyUsed(used(MessageId(77))));
    breaks_at(&log, "IN-2", Position::new(seq, 0));
}

#[test]
fn an_end_of_an_attempt_that_did_not_begin_breaks_dp_4() {
    let mut log = CraftedLog::with_messages();
    let ended = log.ended(MESSAGE, 1, 10, sent());
    let seq = log.attempt(ended);
    breaks_at(&log, "DP-4", Position::new(seq, 0));
}

#[test]
fn an_idempotent_transport_may_try_again_what_is_open() {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, unknown());
    let mut again = log.started(MESSAGE, 2, 5_000);
    again.idempotent = true;
    log.attempt(Event::AttemptStarted(Box::new(again)));
    assert!(verify(&log.records).is_ok());
}

#[test]
fn a_changed_byte_anywhere_is_found_by_its_seal_or_by_the_next_checkpoint() {
    let mut log = CraftedLog::with_messages();
    let covers = log.checkpoint();
    let covered = log.records.len();
    log.add(Subject::Checkpoint, Event::LedgerCheckpointed(covers));
    for (at, record) in log.records[..covered].iter().enumerate() {
        for byte in 0..record.payload.len() {
            let mut changed = log.clone();
            let mut payload = record.payload.to_vec();
            payload[byte] ^= 1;
            changed.records[at].payload = payload.into();
            let finding = verify(&changed.records).expect_err("the log was changed");
            // A seal that counts too few leaves the record before it unsealed.
            assert!(finding.at.seq + 1 >= record.seq, "{byte} of {}: {finding}", record.seq);
        }
    }
}

#[test]
fn a_cut_beginning_a_gap_and_a_cut_end_are_named() {
    let whole = CraftedLog::with_messages();
    let mut cut = whole.clone();
    cut.records.drain(..3);
    breaks_at(&cut, "LG-2", Position::new(1, 0));
    assert!(verify(&cut.records).expect_err("cut").what.contains("beginning"));
    let mut gap = whole.clone();
    gap.records.remove(4);
    breaks_at(&gap, "LG-2", Position::new(5, 0));
    let mut end = whole;
    end.records.pop();
    let last = end.records.len() as u64;
    breaks_at(&end, "LG-2", Position::new(last, 0));
}

#[test]
fn records_without_a_seal_are_named_when_the_next_batch_ends() {
    let mut log = CraftedLog::with_messages();
    let seq = log.records.len() as u64 + 1;
    let subject = Ok(Subject::Receipt(PART));
    log.records.push(Record { seq, at: UnixMillis(0), subject, payload: stray_receipt().into(), pending: 0 });
    log.add_line(Subject::Receipt(PART), stray_receipt());
    breaks_at(&log, "LG-2", Position::new(seq, 0));
}

fn stray_receipt() -> Vec<u8> {
    br#"{"MessageRead":{"v":1,"message":"3EB00000000000000005","part":0}}"#.to_vec()
}

#[test]
fn what_a_later_version_writes_is_counted_and_named_and_breaks_nothing() {
    let mut log = CraftedLog::with_messages();
    let first = log.add_line(Subject::Receipt(PART), br#"{"MessageEdited":{"v":1}}"#.to_vec());
    log.add_line(Subject::Receipt(PART), br#"{"MessageEdited":{"v":1,"at":5}}"#.to_vec());
    let newer = log.add_line(Subject::Receipt(PART), br#"{"MessageRead":{"v":2,"message":7}}"#.to_vec());
    let verified = verify(&log.records).expect("nothing is broken");
    let edited = verified.not_understood["MessageEdited"];
    assert_eq!((edited.count, edited.first), (2, Position::new(first, 0)));
    let newer_read = verified.not_understood["MessageRead of version 2"];
    assert_eq!((newer_read.count, newer_read.first), (1, Position::new(newer, 0)));
}

#[test]
fn what_is_not_json_not_an_event_or_not_readable_breaks_lg_2() {
    for line in
        [&b"not json"[..], b"", b"{}", b"[1]", br#"{"a":1,"b":2}"#, br#"{"MessageRead":{"v":1}"#, br#"{"KeyUsed":{}}"#]
    {
        let mut log = CraftedLog::with_messages();
        let seq = log.add_line(Subject::Key(3), line.to_vec());
        breaks_at(&log, "LG-2", Position::new(seq, 0));
    }
}

#[test]
fn an_event_out_of_place_breaks_lg_2() {
    let mut log = CraftedLog::with_messages();
    let seq = log.add(Subject::Cancel(PART), refund(1));
    breaks_at(&log, "LG-2", Position::new(seq, 0));
}

#[test]
fn what_is_owed_and_given_back_is_told() {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, failed());
    let told = |log: &CraftedLog| {
        let mut verifier = Verifier::default();
        log.records.iter().try_for_each(|record| verifier.record(record)).expect("nothing is broken");
        verifier.given_back()
    };
    assert_eq!(told(&log), BTreeMap::from([(MESSAGE, GivenBack { refunded: 0, owed: 1 })]));
    log.add(Subject::Wallet(WORKSPACE), refund(1));
    assert_eq!(told(&log), BTreeMap::from([(MESSAGE, GivenBack { refunded: 1, owed: 0 })]));
}

#[test]
fn names_that_strangers_choose_do_not_fill_the_memory() {
    let mut log = CraftedLog::new();
    for n in 0..200 {
        log.add_line(Subject::Receipt(PART), format!(r#"{{"Stranger{n}{}":{{}}}}"#, "x".repeat(200)).into_bytes());
    }
    let verified = verify(&log.records).expect("nothing is broken");
    assert_eq!(verified.not_understood.len(), NAMES_MAX + 1);
    assert_eq!(verified.not_understood.values().map(|names| names.count).sum::<u64>(), 200);
}

#[test]
fn the_end_of_an_attempt_reads_without_the_provider_s_words() {
    // The check reads the wire form itself: what the events' own types write must be what it reads.
    let mut log = CraftedLog::with_messages();
    let Event::AttemptEnded(ended) = log.ended(MESSAGE, 1, 10, sent()) else { panic!("it is one") };
    let started = log.started(MESSAGE, 1, 0);
    log.attempt(Event::AttemptStarted(Box::new(started)));
    let ended = AttemptEnded { outcome: angelia_shared::event::attempt::AttemptOutcome::NotStarted, ..*ended };
    log.attempt(Event::AttemptEnded(Box::new(ended)));
    log.tried(MESSAGE, 2, 1_510, sent());
    assert!(verify(&log.records).is_ok());
}
