//! Holds the log against the invariants and against what callers were told, from the log alone.
//!
//! Shape: records in order -> the first event that breaks an invariant, or a [`Report`]. The invariants are the audit's to
//! check ([`angelia_ledger::audit::verify`]), which knows nothing of the services' own rules. What callers wrote down of
//! every single call is held against the report by [`callers`].
//!
//! Not here: LG-1, which needs a live ledger; what the events may hold beyond that.

pub mod callers;
mod witness;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use angelia_ledger::audit::read::{ReadLogError, Reading};
use angelia_ledger::audit::verify::{Verifier, missing};
use angelia_shared::event::MessageAccepted;
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::log::{EventLog, Record};

pub use angelia_ledger::audit::verify::Finding;
pub use witness::Book;
use witness::Witness;

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
    /// How long after its failure each message was paid back, in milliseconds, as the log took both.
    pub paid_after_ms: BTreeMap<MessageId, u64>,
}

/// Reads the whole log and checks it. `notes` are the ids that callers were told with a 200.
///
/// # Errors
/// The first [`Finding`].
///
/// # Panics
/// When the broker does not answer.
pub async fn check(log: &EventLog, notes: &[MessageId]) -> Result<Report, Finding> {
    let mut reading = Reading::start(log, "tests-checker").await.expect("the broker answers");
    let mut checker = Checker::default();
    while let Some(records) = reading.next().await {
        records.iter().try_for_each(|record| checker.record(record))?;
    }
    match reading.finish().await {
        Ok(()) => checker.finish(notes),
        Err(ReadLogError::Missing { from, to }) => Err(missing(from, to)),
        Err(error) => panic!("the log cannot be read: {error}"),
    }
}

/// The state of a check in progress.
#[derive(Default)]
pub struct Checker {
    verifier: Verifier,
    witness: Witness,
}

impl Checker {
    /// Checks one more record.
    ///
    /// # Errors
    /// The first [`Finding`] in it.
    pub fn record(&mut self, record: &Record) -> Result<(), Finding> {
        self.verifier.record(record)?;
        self.witness.record(record);
        Ok(())
    }

    /// Checks what can be said only at the end.
    ///
    /// # Errors
    /// A caller was told of a message that is not there, or the log ends badly, or holds what this version cannot have
    /// written.
    pub fn finish(self, notes: &[MessageId]) -> Result<Report, Finding> {
        let given = self.verifier.given_back();
        let lost = notes.iter().find(|noted| !self.verifier.is_accepted(**noted)).copied();
        let verified = self.verifier.finish()?;
        let end = |invariant, what| Finding { invariant, at: Position::new(verified.last, 0), what };
        if let Some(lost) = lost {
            return Err(end("IN-1", format!("a caller was told 200 for {lost}, which is not in the log")));
        }
        if !verified.not_understood.is_empty() {
            return Err(end("LG-2", format!("not understood: {:?}", verified.not_understood)));
        }
        let Witness { accepted, gaps_ms, paid_after_ms, .. } = &self.witness;
        let (accepted, gaps_ms, paid_after_ms) = (accepted.clone(), gaps_ms.clone(), paid_after_ms.clone());
        let credits = |of: fn(&angelia_ledger::audit::verify::GivenBack) -> u64| {
            given.iter().map(|(id, given)| (*id, of(given))).filter(|(_, credits)| *credits > 0).collect()
        };
        let (owed, refunded) = (credits(|given| given.owed), credits(|given| given.refunded));
        let books = self.witness.finish();
        let (records, events) = (verified.records, verified.events);
        Ok(Report { records, events, accepted, gaps_ms, books, owed, refunded, paid_after_ms })
    }
}

/// A rule and what breaks it.
type Break = (&'static str, String);

/// Says that `rule` holds only if `holds`.
fn must(rule: &'static str, holds: bool, what: impl FnOnce() -> String) -> Result<(), Break> {
    if holds { Ok(()) } else { Err((rule, what())) }
}
