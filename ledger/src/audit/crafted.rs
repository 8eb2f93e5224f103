//! Logs written by hand, to break each rule once: one event a record, each sealed by itself.

use angelia_shared::event::attempt::{AttemptOutcome, Carry};
use angelia_shared::event::{
    AttemptEnded, AttemptStarted, BatchSealed, CreditsDrawn, CreditsGranted, CreditsRefunded, Digest, Event,
    LedgerCheckpointed, MessageAccepted, PartitionClaimed, RefundItem, Sealed, Totals, WriterOpened,
};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, Position, WebhookId, WorkspaceId, WriterId};
use angelia_shared::log::Record;
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};
use sha2::{Digest as _, Sha256};

/// The workspace of a crafted log.
pub const WORKSPACE: WorkspaceId = WorkspaceId(1);
/// Its only writer.
pub const WRITER: WriterId = WriterId(2);
/// Its account.
pub const ACCOUNT: AccountId = AccountId(3);
/// The account's partition.
pub const PART: Partition = Partition(4);
/// Its first message.
pub const MESSAGE: MessageId = MessageId(5);
/// Its second message.
pub const OTHER: MessageId = MessageId(6);

/// Writes a log by hand: one event a record, each sealed by itself.
#[derive(Clone)]
pub struct CraftedLog {
    /// The records, in order.
    pub records: Vec<Record>,
    n: u64,
    digest: Digest,
}

impl Default for CraftedLog {
    fn default() -> Self {
        Self::new()
    }
}

impl CraftedLog {
    /// A log with its writer opened.
    pub fn new() -> Self {
        let mut log = Self { records: Vec::new(), n: 0, digest: Digest::default() };
        let opened =
            WriterOpened { v: 1, writer: WRITER, role: "test".to_owned(), member: MemberId(9), at: UnixMillis(0) };
        let line = Event::WriterOpened(opened).to_line();
        log.digest = log.link(Subject::Writer(WRITER), &line);
        log.push(Subject::Writer(WRITER), line);
        log
    }

    /// A log in which an account may begin: credits granted and drawn, two messages accepted, the partition claimed.
    pub fn with_messages() -> Self {
        let mut log = Self::new();
        log.add(Subject::Wallet(WORKSPACE), Event::CreditsGranted(granted(10, 10)));
        log.add(Subject::Wallet(WORKSPACE), Event::CreditsDrawn(drawn(2)));
        log.accept_for(MESSAGE, 1);
        log.accept_for(OTHER, 2);
        let claimed = PartitionClaimed { v: 1, part: Some(PART), member: MemberId(9), at: UnixMillis(0) };
        log.add(Subject::PartitionClaim(PART), Event::PartitionClaimed(claimed));
        log
    }

    /// Accepts a message; gives its sequence.
    pub fn accept(&mut self, message: MessageId) -> u64 {
        self.accept_for(message, 0)
    }

    /// Accepts the message of a request.
    pub fn accept_for(&mut self, message: MessageId, request: u32) -> u64 {
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

    /// Appends an event to the account's attempts; gives its sequence.
    pub fn attempt(&mut self, event: Event) -> u64 {
        self.add(Subject::Attempt(PART, WORKSPACE, ACCOUNT), event)
    }

    /// Appends an event and its seal; gives the event's sequence.
    pub fn add(&mut self, subject: Subject, event: Event) -> u64 {
        self.add_line(subject, event.to_line())
    }

    /// Appends bytes that somebody took for an event, and their seal; gives their sequence.
    pub fn add_line(&mut self, subject: Subject, line: Vec<u8>) -> u64 {
        let digest = self.link(subject, &line);
        self.push(subject, line);
        let seq = self.records.len() as u64;
        self.n += 1;
        let seal = BatchSealed { v: 1, n: self.n, count: 1, previous_digest: self.digest, digest };
        self.push(Subject::Writer(WRITER), Event::BatchSealed(seal).to_line());
        self.digest = digest;
        seq
    }

    /// A checkpoint over everything so far, with a state that no ledger ever had.
    pub fn checkpoint(&self) -> LedgerCheckpointed {
        let (seq, mut log_digest) = (self.records.len() as u64, Digest::default());
        for record in &self.records {
            let subject = record.subject.as_ref().expect("a crafted subject is one").to_string();
            let mut hash = Sha256::new_with_prefix(log_digest.0);
            hash.update(record.seq.to_le_bytes());
            for text in [subject.as_bytes(), &record.payload] {
                hash.update(u32::try_from(text.len()).expect("a crafted event is short").to_le_bytes());
                hash.update(text);
            }
            log_digest = Digest(hash.finalize().into());
        }
        LedgerCheckpointed { v: 1, seq, log_digest, state_digest: Digest::default(), previous: 0 }
    }

    fn link(&self, subject: Subject, payload: &[u8]) -> Digest {
        let mut hash = Sha256::new_with_prefix(self.digest.0);
        for text in [subject.to_string().as_bytes(), payload] {
            hash.update(u32::try_from(text.len()).expect("a crafted event is short").to_le_bytes());
            hash.update(text);
        }
        Digest(hash.finalize().into())
    }

    fn push(&mut self, subject: Subject, line: Vec<u8>) {
        let seq = self.records.len() as u64 + 1;
        self.records.push(Record { seq, at: UnixMillis(0), subject: Ok(subject), payload: line.into(), pending: 0 });
    }

    /// Says that the log took all of it at this time.
    pub fn stamp(&mut self, at: i64) {
        for record in &mut self.records {
            record.at = UnixMillis(at);
        }
    }

    /// Where the message was accepted.
    pub fn position(&self, message: MessageId) -> Position {
        let seq = self.records.iter().position(
            |record| matches!(Event::from_line(&record.payload), Ok(Event::MessageAccepted(e)) if e.message == message),
        );
        Position::new(seq.expect("it was put there") as u64 + 1, 0)
    }

    /// The claim's sequence in [`with_messages`](Self::with_messages).
    pub fn claim(&self) -> u64 {
        let claim = self.records.iter().find(|record| record.subject == Ok(Subject::PartitionClaim(PART)));
        claim.expect("it was put there").seq
    }

    /// The start of an attempt, as many milliseconds after the epoch.
    pub fn started(&self, message: MessageId, attempt: u32, at: i64) -> AttemptStarted {
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

    /// The end of an attempt.
    pub fn ended(&self, message: MessageId, attempt: u32, at: i64, outcome: AttemptOutcome) -> Event {
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
    pub fn tried(&mut self, message: MessageId, attempt: u32, at: i64, outcome: AttemptOutcome) {
        let (started, ended) = (self.started(message, attempt, at), self.ended(message, attempt, at + 10, outcome));
        self.attempt(Event::AttemptStarted(Box::new(started)));
        self.attempt(ended);
    }
}

/// The trace of a request.
pub fn trace(request: u32) -> String {
    format!("{request:032x}")
}

/// Running totals.
pub fn totals(granted: u64, drawn: u64, refunded: u64) -> Totals {
    Totals { granted: Credits(granted), drawn: Credits(drawn), returned: Credits(0), refunded: Credits(refunded) }
}

/// A grant, with the sum of all.
pub fn granted(credits: u64, total: u64) -> CreditsGranted {
    CreditsGranted {
        v: 1,
        credits: Credits(credits),
        reason: String::new(),
        totals: totals(total, 0, 0),
        at: UnixMillis(0),
    }
}

/// A draw of all that was ever drawn, out of ten.
pub fn drawn(credits: u64) -> CreditsDrawn {
    CreditsDrawn { v: 1, writer: WRITER, credits: Credits(credits), totals: totals(10, credits, 0), at: UnixMillis(0) }
}

/// A refund of the first message's part, after ten were granted and two drawn.
pub fn refund(credits: u64) -> Event {
    let item = RefundItem { message: MESSAGE, part: 0, credits: Credits(credits), reason: "x".to_owned() };
    let (credits, totals) = (Credits(credits), totals(10, 2, credits));
    Event::CreditsRefunded(CreditsRefunded { v: 1, items: vec![item], credits, totals, at: UnixMillis(0) })
}

/// An attempt that the provider took.
pub fn sent() -> AttemptOutcome {
    AttemptOutcome::Sent { provider_id: "wamid".to_owned() }
}

/// An attempt that was refused for good.
pub fn failed() -> AttemptOutcome {
    AttemptOutcome::Failed { reason: "x".to_owned(), detail: String::new() }
}

/// An attempt of which nobody knows.
pub fn unknown() -> AttemptOutcome {
    AttemptOutcome::Unknown { detail: String::new() }
}
