//! Holds the log against the invariants, from the log alone.
//!
//! Shape: records in order -> the first event that breaks an invariant, or a [`Report`]. The rules are written a second
//! time here, from their definition and without the services' code, so that one mistake does not hide itself.
//!
//! Invariants checked: IN-1 (with the callers' notes), IN-2, WA-1 to WA-4, DP-1 to DP-4, LG-2. What callers wrote down of
//! every single call is held against the report by [`callers`].
//!
//! Not here: LG-1, which needs a live ledger; what the events may hold beyond that.

mod acceptances;
mod attempts;
pub mod callers;
mod chains;
mod refunds;
mod wallets;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use angelia_shared::event::{Event, MessageAccepted, lines};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::log::{EventLog, Reader, ReaderOptions, Record};
use angelia_shared::subject::Subject;
use angelia_shared::units::UnixMillis;

use acceptances::Acceptances;
use attempts::Attempts;
use chains::Chains;
use refunds::Refunds;
pub use wallets::Book;
use wallets::Wallets;

/// The first event that breaks an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The invariant.
    pub invariant: &'static str,
    /// The event.
    pub at: Position,
    /// What is wrong with it.
    pub what: String,
}

/// A log in which every invariant holds.
#[derive(Debug, Default)]
pub struct Report {
    /// How many records it has.
    pub records: u64,
    /// How many events of each type.
    pub events: BTreeMap<&'static str, u64>,
    /// Every accepted message.
    pub accepted: BTreeMap<MessageId, MessageAccepted>,
    /// The gaps drawn after the attempts of each account, in milliseconds.
    pub gaps_ms: BTreeMap<AccountId, Vec<u64>>,
    /// What every workspace's credits came to.
    pub books: BTreeMap<WorkspaceId, Book>,
    /// What has failed and was not given back yet.
    pub owed: BTreeMap<MessageId, u64>,
    /// What was given back.
    pub refunded: BTreeMap<MessageId, u64>,
}

/// How long the rest of a batch is waited for: while one is stored, the log's last sequence can lie in its middle.
const SEAL_WITHIN: Duration = Duration::from_secs(5);

/// Reads the whole log and checks it. `notes` are the ids that callers were told with a 200.
///
/// # Errors
/// The first [`Finding`].
///
/// # Panics
/// When the broker does not answer.
pub async fn check(log: &EventLog, notes: &[MessageId]) -> Result<Report, Finding> {
    let last = log.last_sequence().await.expect("the broker answers");
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("tests-checker", 0));
    let mut checker = Checker::default();
    let mut in_batch = false;
    while reader.position() < last || in_batch {
        let next = tokio::time::timeout(SEAL_WITHIN, reader.next());
        let next = match next.await {
            Ok(next) => next,
            // The log told of more than it gives out, or of a batch without its end: the checker's to judge.
            Err(_) if in_batch => break,
            Err(_) => continue,
        };
        let record = next.map_err(|gap| Finding {
            invariant: "LG-2",
            at: Position::new(reader.position(), 0),
            what: gap.to_string(),
        })?;
        in_batch = !matches!(record.subject, Ok(Subject::Writer(_)));
        checker.record(&record)?;
    }
    checker.finish(notes)
}

/// The state of a check in progress.
#[derive(Default)]
pub struct Checker {
    last: u64,
    report: Report,
    chains: Chains,
    acceptances: Acceptances,
    wallets: Wallets,
    refunds: Refunds,
    attempts: Attempts,
}

impl Checker {
    /// Checks one more record.
    ///
    /// # Errors
    /// The first [`Finding`] in it.
    pub fn record(&mut self, record: &Record) -> Result<(), Finding> {
        self.last = record.seq;
        self.report.records += 1;
        let whole = |invariant, what: String| Finding { invariant, at: Position::new(record.seq, 0), what };
        let subject = *record.subject.as_ref().map_err(|bad| whole("LG-2", bad.to_string()))?;
        for (number, line) in lines(&record.payload).enumerate() {
            let at = Position::new(record.seq, u16::try_from(number).expect("a record has at most 64 lines"));
            let event =
                Event::from_line(line).map_err(|bad| Finding { invariant: "LG-2", at, what: format!("{bad:?}") })?;
            self.event(subject, at, record.at, &event).map_err(|(invariant, what)| Finding { invariant, at, what })?;
        }
        self.chains.record(subject, record).map_err(|what| whole("LG-2", what))
    }

    fn event(&mut self, subject: Subject, at: Position, time: UnixMillis, event: &Event) -> Result<(), Break> {
        *self.report.events.entry(event.name()).or_default() += 1;
        self.acceptances.event(event)?;
        self.wallets.event(subject, time, event)?;
        self.refunds.event(event)?;
        self.attempts.event(subject, at, event)?;
        if let Event::MessageAccepted(accepted) = event {
            self.report.accepted.insert(accepted.message, (**accepted).clone());
        }
        if let (Subject::Attempt(_, _, account), Event::AttemptEnded(ended)) = (subject, event) {
            self.report.gaps_ms.entry(account).or_default().push(ended.gap_ms);
        }
        Ok(())
    }

    /// Checks what can be said only at the end.
    ///
    /// # Errors
    /// A caller was told of a message that is not there, or the last batch has no seal.
    pub fn finish(self, notes: &[MessageId]) -> Result<Report, Finding> {
        let end = |(invariant, what)| Finding { invariant, at: Position::new(self.last, 0), what };
        self.chains.finish().map_err(|what| end(("LG-2", what)))?;
        self.acceptances.finish(notes).map_err(end)?;
        let (owed, refunded) = (self.refunds.owed(), self.refunds.refunded());
        Ok(Report { owed, refunded, books: self.wallets.finish(), ..self.report })
    }
}

/// An invariant and what breaks it.
type Break = (&'static str, String);

/// Says that `invariant` holds only if `holds`.
fn must(invariant: &'static str, holds: bool, what: impl FnOnce() -> String) -> Result<(), Break> {
    if holds { Ok(()) } else { Err((invariant, what())) }
}
