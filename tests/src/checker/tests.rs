//! What callers may be told: each rule is broken once, and must be named.

use angelia_ledger::audit::crafted::{CraftedLog, MESSAGE, OTHER, WORKSPACE, drawn, failed, refund, totals, trace};
use angelia_shared::event::{CreditsDrawn, Event};
use angelia_shared::subject::Subject;
use angelia_shared::units::{Credits, UnixMillis};

use super::callers::{Call, Grant, Told, Try, check_callers};
use super::*;

fn check(log: &CraftedLog, notes: &[MessageId]) -> Result<Report, Finding> {
    let mut checker = Checker::default();
    log.records.iter().try_for_each(|record| checker.record(record))?;
    checker.finish(notes)
}

#[test]
fn a_note_that_is_not_in_the_log_breaks_in_1() {
    let log = CraftedLog::with_messages();
    assert!(check(&log, &[MESSAGE, OTHER]).is_ok());
    let found = check(&log, &[MESSAGE, MessageId(99)]).map(drop).map_err(|finding| finding.invariant);
    assert_eq!(found, Err("IN-1"));
}

#[test]
fn what_this_version_cannot_have_written_breaks_lg_2() {
    let mut log = CraftedLog::with_messages();
    log.add_line(Subject::Checkpoint, br#"{"Stranger":{}}"#.to_vec());
    assert_eq!(check(&log, &[]).map(drop).map_err(|finding| finding.invariant), Err("LG-2"));
}

/// A request at this time, with a trace of its own.
fn asked(number: u32, at: i64, told: Told) -> Try {
    Try { trace: trace(number), from: UnixMillis(at), to: UnixMillis(at + 10), told }
}

fn call(one: Try) -> Call {
    Call { workspace: WORKSPACE, price: 1, keyed: false, tries: vec![one] }
}

fn keyed(tries: Vec<Try>) -> Call {
    Call { workspace: WORKSPACE, price: 1, keyed: true, tries }
}

fn a_grant(was_told: bool) -> Grant {
    Grant { workspace: WORKSPACE, reason: String::new(), was_told }
}

/// The rule that the log and these calls break.
#[track_caller]
fn broken(log: &CraftedLog, calls: &[Call]) -> Option<&'static str> {
    let report = check(log, &[]).expect("the log itself is well");
    check_callers(&report, calls, &[a_grant(true)]).err().map(|(rule, _)| rule)
}

/// Two messages, of the requests 1 and 2, at 1,000; ten credits, of which eight are left.
fn log() -> CraftedLog {
    let mut log = CraftedLog::with_messages();
    log.stamp(1_000);
    log
}

fn both_told() -> [Call; 2] {
    [(1, MESSAGE), (2, OTHER)].map(|(number, message)| call(asked(number, 995, Told::Accepted(message))))
}

#[test]
fn callers_who_were_told_the_truth_pass() {
    let mut calls = both_told().to_vec();
    calls.push(call(asked(3, 990, Told::Unavailable)));
    calls.push(call(asked(4, 990, Told::Nothing)));
    calls.push(keyed(vec![asked(5, 990, Told::Refused(409)), asked(6, 999, Told::Unavailable)]));
    assert_eq!(broken(&log(), &calls), None);
    // What was not answered may be stored all the same, and a key gives the same message again.
    let [_, other] = both_told();
    let again = keyed(vec![
        asked(1, 990, Told::Nothing),
        asked(7, 1_010, Told::Accepted(MESSAGE)),
        asked(8, 1_020, Told::Accepted(MESSAGE)),
    ]);
    assert_eq!(broken(&log(), &[again, other]), None);
}

#[test]
fn a_200_without_its_own_message_breaks_in_1() {
    let [first, other] = both_told();
    let lost = call(asked(9, 990, Told::Accepted(MessageId(99))));
    assert_eq!(broken(&log(), &[first.clone(), other.clone(), lost]), Some("IN-1"));
    let mixed_up = call(asked(2, 990, Told::Accepted(MESSAGE)));
    assert_eq!(broken(&log(), &[first.clone(), mixed_up]), Some("IN-1"));
    let dearer = Call { price: 2, ..other };
    assert_eq!(broken(&log(), &[first, dearer]), Some("IN-1"));
}

#[test]
fn two_messages_or_two_answers_of_one_key_break_in_2() {
    let twice = keyed(vec![asked(1, 990, Told::Nothing), asked(2, 995, Told::Accepted(OTHER))]);
    assert_eq!(broken(&log(), &[twice]), Some("IN-2"));
    let [_, other] = both_told();
    let two_answers = keyed(vec![asked(1, 990, Told::Accepted(MESSAGE)), asked(3, 995, Told::Accepted(OTHER))]);
    assert_eq!(broken(&log(), &[two_answers, other]), Some("IN-2"));
}

#[test]
fn a_message_or_a_grant_that_nobody_asked_for_breaks_asked() {
    let [first, other] = both_told();
    assert_eq!(broken(&log(), std::slice::from_ref(&first)), Some("asked"));
    let report = check(&log(), &[]).expect("the log itself is well");
    let calls = [first, other];
    let with = |grants: &[Grant]| check_callers(&report, &calls, grants).err().map(|(rule, _)| rule);
    let another = |was_told| Grant { reason: "another".to_owned(), ..a_grant(was_told) };
    assert_eq!(with(&[a_grant(false), another(false)]), None);
    assert_eq!(with(&[a_grant(true), another(true)]), Some("asked"));
    assert_eq!(with(&[another(false)]), Some("asked"));
}

#[test]
fn one_request_with_two_messages_breaks_asked() {
    let mut log = log();
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsDrawn(CreditsDrawn { credits: Credits(1), ..drawn(3) }));
    log.accept_for(MessageId(7), 1);
    assert_eq!(broken(&log, &both_told()), Some("asked"));
}

#[test]
fn what_was_refused_and_stored_breaks_refused() {
    let [_, other] = both_told();
    for told in [Told::NotEnough, Told::Refused(409), Told::Refused(404)] {
        let refused = keyed(vec![asked(1, 990, told)]);
        assert_eq!(broken(&log(), &[refused, other.clone()]), Some("refused"));
    }
    let for_no_reason = call(asked(3, 990, Told::Refused(404)));
    assert_eq!(broken(&log(), &[both_told().to_vec(), vec![for_no_reason]].concat()), Some("refused"));
}

#[test]
fn a_402_while_there_were_credits_breaks_sold() {
    let at = |at| [both_told().to_vec(), vec![call(asked(3, at, Told::NotEnough))]].concat();
    assert_eq!(broken(&log(), &at(5_000)), Some("sold"));
    assert_eq!(broken(&log(), &at(900)), None, "nothing had been granted yet");
}

#[test]
fn what_is_owed_and_in_hand_is_told() {
    let mut log = CraftedLog::with_messages();
    log.tried(MESSAGE, 1, 0, failed());
    let report = check(&log, &[]).expect("the log itself is well");
    assert_eq!(report.owed, BTreeMap::from([(MESSAGE, 1)]));
    assert_eq!((report.books[&WORKSPACE].available(), report.books[&WORKSPACE].in_hand), (8, 0));
    log.add(Subject::Wallet(WORKSPACE), refund(1));
    let drawn = CreditsDrawn { credits: Credits(4), totals: totals(10, 6, 1), ..drawn(4) };
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsDrawn(drawn));
    let report = check(&log, &[]).expect("the log itself is well");
    assert!(report.owed.is_empty());
    assert_eq!((report.books[&WORKSPACE].available(), report.books[&WORKSPACE].in_hand), (9, 4));
}
