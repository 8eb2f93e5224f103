//! A checker that finds nothing proves nothing: each invariant is broken once, and must be named.

use angelia_shared::event::attempt::{AttemptOutcome, Carry};
use angelia_shared::event::{
    AttemptEnded, AttemptStarted, BatchSealed, CreditsDrawn, CreditsGranted, CreditsRefunded, Digest, KeyUsed,
    LedgerCheckpointed, PartitionClaimed, RefundItem, Sealed, Totals, WriterOpened,
};
use angelia_shared::ids::{AccountId, KeyId, MemberId, WebhookId, WorkspaceId, WriterId};
use angelia_shared::subject::Partition;
use angelia_shared::units::{Credits, UnixMillis};
use sha2::{Digest as _, Sha256};

use super::*;

mod callers;

const WORKSPACE: WorkspaceId = WorkspaceId(1);
const WRITER: WriterId = WriterId(2);
const ACCOUNT: AccountId = AccountId(3);
const PART: Partition = Partition(4);
const MESSAGE: MessageId = MessageId(5);
const OTHER: MessageId = MessageId(6);

/// Writes a log by hand: one event a record, each sealed by itself.
struct Log {
    records: Vec<Record>,
    n: u64,
    digest: Digest,
}

impl Log {
    fn new() -> Self {
        let mut log = Self { records: Vec::new(), n: 0, digest: Digest::default() };
        let opened =
            WriterOpened { v: 1, writer: WRITER, role: "test".to_owned(), member: MemberId(9), at: UnixMillis(0) };
        log.digest = log.link(Subject::Writer(WRITER), &Event::WriterOpened(opened.clone()));
        log.push(Subject::Writer(WRITER), &Event::WriterOpened(opened));
        log
    }

    /// A log in which an account may begin: credits granted and drawn, two messages accepted, the partition claimed.
    fn with_messages() -> Self {
        let mut log = Self::new();
        log.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(10, 10)));
        log.add(Subject::Wallet(WORKSPACE), Event::CreditsDrawn(drawn(2)));
        log.accept_for(MESSAGE, 1);
        log.accept_for(OTHER, 2);
        let claimed = PartitionClaimed { v: 1, part: Some(PART), member: MemberId(9), at: UnixMillis(0) };
        log.add(Subject::PartitionClaim(PART), Event::PartitionClaimed(claimed));
        log
    }

    fn accept(&mut self, message: MessageId) -> u64 {
        self.accept_for(message, 0)
    }

    /// Accepts the message of a request.
    fn accept_for(&mut self, message: MessageId, request: u32) -> u64 {
        let accepted = MessageAccepted {
            v: 1,
            message,
            workspace: WORKSPACE,
            webhook: WebhookId(7),
            account: ACCOUNT,
            credits: Credits(1),
            has_text: true,
            has_file: false,
            at: UnixMillis(0),
            expires_after_ms: 1,
            writer: WRITER,
            sealed: Sealed { key_id: KeyId(8), data: String::new() },
            traceparent: Some(format!("00-{}-00f067aa0ba902b7-01", trace(request))),
        };
        self.add(Subject::Accepted(PART), Event::MessageAccepted(Box::new(accepted)))
    }

    fn attempt(&mut self, event: Event) -> u64 {
        self.add(Subject::Attempt(PART, WORKSPACE, ACCOUNT), event)
    }

    /// Appends an event and its seal; gives the event's sequence.
    fn add(&mut self, subject: Subject, event: Event) -> u64 {
        let digest = self.link(subject, &event);
        self.push(subject, &event);
        let seq = self.records.len() as u64;
        self.n += 1;
        let seal = BatchSealed { v: 1, n: self.n, count: 1, previous_digest: self.digest, digest };
        self.push(Subject::Writer(WRITER), &Event::BatchSealed(seal));
        self.digest = digest;
        seq
    }

    fn link(&self, subject: Subject, event: &Event) -> Digest {
        let (subject, payload) = (subject.to_string(), event.to_line());
        let mut hash = Sha256::new_with_prefix(self.digest.0);
        for text in [subject.as_bytes(), &payload] {
            hash.update(u32::try_from(text.len()).unwrap().to_le_bytes());
            hash.update(text);
        }
        Digest(hash.finalize().into())
    }

    fn push(&mut self, subject: Subject, event: &Event) {
        let seq = self.records.len() as u64 + 1;
        let payload = event.to_line().into();
        self.records.push(Record { seq, at: UnixMillis(0), subject: Ok(subject), payload, pending: 0 });
    }

    /// Says that the log took all of it at this time.
    fn stamp(&mut self, at: i64) {
        for record in &mut self.records {
            record.at = UnixMillis(at);
        }
    }

    /// Where the message was accepted.
    fn position(&self, message: MessageId) -> Position {
        let seq = self.records.iter().position(
            |record| matches!(Event::from_line(&record.payload), Ok(Event::MessageAccepted(e)) if e.message == message),
        );
        Position::new(seq.unwrap() as u64 + 1, 0)
    }

    /// The claim's sequence in [`with_messages`](Self::with_messages).
    fn claim(&self) -> u64 {
        let claim = self.records.iter().find(|record| record.subject == Ok(Subject::PartitionClaim(PART)));
        claim.unwrap().seq
    }

    fn started(&self, message: MessageId, attempt: u32, at: i64) -> AttemptStarted {
        AttemptStarted {
            v: 1,
            message,
            accepted: self.position(message),
            attempt,
            part: 0,
            parts: 1,
            credits: Credits(1),
            claim: self.claim(),
            at: UnixMillis(at),
            floor_ms: 1_500,
            idempotent: false,
            carry: Carry::default(),
        }
    }

    fn ended(&self, message: MessageId, attempt: u32, at: i64, outcome: AttemptOutcome) -> Event {
        Event::AttemptEnded(Box::new(AttemptEnded {
            v: 1,
            message,
            attempt,
            part: 0,
            parts: 1,
            credits: Credits(1),
            claim: self.claim(),
            at: UnixMillis(at),
            gap_ms: 2_000,
            outcome,
            carry: Carry::default(),
        }))
    }

    /// An attempt from its start to its end, as many milliseconds after the epoch.
    fn tried(&mut self, message: MessageId, attempt: u32, at: i64, outcome: AttemptOutcome) {
        let (started, ended) = (self.started(message, attempt, at), self.ended(message, attempt, at + 10, outcome));
        self.attempt(Event::AttemptStarted(Box::new(started)));
        self.attempt(ended);
    }

    fn check(&self, notes: &[MessageId]) -> Result<Report, &'static str> {
        let mut checker = Checker::default();
        let result = self.records.iter().try_for_each(|record| checker.record(record));
        result.and_then(|()| checker.finish(notes)).map_err(|finding| finding.invariant)
    }

    #[track_caller]
    fn breaks(&self, invariant: &str) {
        assert_eq!(self.check(&[]).map(drop), Err(invariant));
    }
}

/// The trace of a request.
fn trace(request: u32) -> String {
    format!("{request:032x}")
}

fn totals(granted: u64, drawn: u64, refunded: u64) -> Totals {
    Totals { granted: Credits(granted), drawn: Credits(drawn), returned: Credits(0), refunded: Credits(refunded) }
}

fn granted(credits: u64, total: u64) -> CreditsGranted {
    CreditsGranted {
        v: 1,
        credits: Credits(credits),
        reason: String::new(),
        totals: totals(total, 0, 0),
        at: UnixMillis(0),
    }
}

fn drawn(credits: u64) -> CreditsDrawn {
    CreditsDrawn { v: 1, writer: WRITER, credits: Credits(credits), totals: totals(10, credits, 0), at: UnixMillis(0) }
}

fn refund(credits: u64) -> Event {
    let item = RefundItem { message: MESSAGE, part: 0, credits: Credits(credits), reason: "x".to_owned() };
    let (credits, totals) = (Credits(credits), totals(10, 2, credits));
    Event::CreditsRefunded(CreditsRefunded { v: 1, items: vec![item], credits, totals, at: UnixMillis(0) })
}

fn sent() -> AttemptOutcome {
    AttemptOutcome::Sent { provider_id: "wamid".to_owned() }
}

fn failed() -> AttemptOutcome {
    AttemptOutcome::Failed { reason: "x".to_owned(), detail: String::new() }
}

fn unknown() -> AttemptOutcome {
    AttemptOutcome::Unknown { detail: String::new() }
}

#[test]
fn a_log_in_which_everything_holds_passes() {
    let mut log = Log::with_messages();
    log.tried(MESSAGE, 1, 0, failed());
    log.add(Subject::Wallet(WORKSPACE), refund(1));
    log.tried(OTHER, 1, 1_510, sent());
    let report = log.check(&[MESSAGE, OTHER]).expect("nothing is broken");
    assert_eq!((report.accepted.len(), report.events["AttemptStarted"]), (2, 2));
}

#[test]
fn a_note_that_is_not_in_the_log_breaks_in_1() {
    assert_eq!(Log::with_messages().check(&[MessageId(99)]).map(drop), Err("IN-1"));
}

#[test]
fn a_message_accepted_twice_breaks_in_1() {
    let mut log = Log::with_messages();
    log.accept(MESSAGE);
    log.breaks("IN-1");
}

#[test]
fn a_key_used_for_two_messages_breaks_in_2() {
    let mut log = Log::with_messages();
    for message in [MESSAGE, OTHER] {
        let (key, fingerprint) = ("key".to_owned(), String::new());
        log.add(Subject::Key(0), Event::KeyUsed(KeyUsed { v: 1, key, fingerprint, workspace: WORKSPACE, message }));
    }
    log.breaks("IN-2");
}

#[test]
fn credits_drawn_beyond_what_is_there_break_wa_1() {
    let mut log = Log::new();
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(10, 10)));
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsDrawn(drawn(11)));
    log.breaks("WA-1");
}

#[test]
fn an_acceptance_that_nobody_drew_for_breaks_wa_2() {
    let mut log = Log::with_messages();
    log.accept(MessageId(7));
    log.breaks("WA-2");
}

#[test]
fn a_refund_of_what_was_sent_of_too_much_or_twice_breaks_wa_3() {
    let mut log = Log::with_messages();
    log.tried(MESSAGE, 1, 0, sent());
    log.add(Subject::Wallet(WORKSPACE), refund(1));
    log.breaks("WA-3");
    let mut log = Log::with_messages();
    log.tried(MESSAGE, 1, 0, failed());
    log.add(Subject::Wallet(WORKSPACE), refund(2));
    log.breaks("WA-3");
}

#[test]
fn totals_that_are_not_the_sum_break_wa_4() {
    let mut log = Log::new();
    log.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(10, 11)));
    log.breaks("WA-4");
}

#[test]
fn an_attempt_before_the_floor_or_during_another_breaks_dp_1() {
    let mut log = Log::with_messages();
    log.tried(MESSAGE, 1, 0, sent());
    log.tried(OTHER, 1, 1_509, sent());
    log.breaks("DP-1");
    let mut log = Log::with_messages();
    for message in [MESSAGE, OTHER] {
        let started = log.started(message, 1, 0);
        log.attempt(Event::AttemptStarted(Box::new(started)));
    }
    log.breaks("DP-1");
}

#[test]
fn an_attempt_out_of_order_breaks_dp_2() {
    let mut log = Log::with_messages();
    log.tried(OTHER, 1, 0, sent());
    log.tried(MESSAGE, 1, 5_000, sent());
    log.breaks("DP-2");
}

#[test]
fn an_attempt_under_an_older_claim_breaks_dp_3() {
    let mut log = Log::with_messages();
    let claimed = PartitionClaimed { v: 1, part: Some(PART), member: MemberId(10), at: UnixMillis(0) };
    log.add(Subject::PartitionClaim(PART), Event::PartitionClaimed(claimed));
    log.tried(MESSAGE, 1, 0, sent());
    log.breaks("DP-3");
}

#[test]
fn a_second_try_of_what_was_sent_or_is_unknown_breaks_dp_4() {
    for outcome in [sent(), unknown()] {
        let mut log = Log::with_messages();
        log.tried(MESSAGE, 1, 0, outcome);
        log.tried(MESSAGE, 2, 5_000, sent());
        log.breaks("DP-4");
    }
}

#[test]
fn a_changed_a_missing_or_an_unsealed_record_breaks_lg_2() {
    let mut changed = Log::with_messages();
    let text =
        String::from_utf8(changed.records[1].payload.to_vec()).unwrap().replace("\"reason\":\"\"", "\"reason\":\"x\"");
    changed.records[1].payload = text.into();
    changed.breaks("LG-2");
    let mut missing = Log::with_messages();
    missing.records.remove(9);
    missing.breaks("LG-2");
    let mut unsealed = Log::with_messages();
    unsealed.records.pop();
    unsealed.breaks("LG-2");
}

#[test]
fn a_checkpoint_of_another_log_breaks_lg_2() {
    let at = |changed: bool| {
        let mut log = Log::with_messages();
        let (seq, mut log_digest) = (log.records.len() as u64, Digest::default());
        for record in &log.records {
            let mut hash = Sha256::new_with_prefix(log_digest.0);
            hash.update(record.seq.to_le_bytes());
            for text in [record.subject.as_ref().unwrap().to_string().as_bytes(), &record.payload] {
                hash.update(u32::try_from(text.len()).unwrap().to_le_bytes());
                hash.update(text);
            }
            log_digest = Digest(hash.finalize().into());
        }
        if changed {
            log_digest.0[0] ^= 1;
        }
        let checkpoint = LedgerCheckpointed { v: 1, seq, log_digest, state_digest: Digest::default(), previous: 0 };
        log.add(Subject::Checkpoint, Event::LedgerCheckpointed(checkpoint));
        log.check(&[]).map(drop)
    };
    assert_eq!(at(false), Ok(()));
    assert_eq!(at(true), Err("LG-2"));
}
