//! Holds the log against the invariants, from the log alone.
//!
//! Shape: records in order -> the first event that breaks an invariant, or what was [`Verified`]. The rules are written a
//! second time here, from their definition and without the fold or the events' own types, so that one mistake does not
//! hide in both.
//!
//! Invariants checked: IN-2, WA-1 to WA-4, DP-1 to DP-4, LG-2, and of IN-1 what a log can show: no message is accepted
//! twice.
//!
//! What no seal covers (a fence, an opening without a batch, how a seal's own fields are written) is proven by the next
//! checkpoint. What is cut off the log's end can only be seen from outside: a backup's note, or a live ledger.
//!
//! Memory: a few numbers a message, a digest a key, and one batch. Records themselves are not kept.
//!
//! Not here: reading the log (see [`super::read`]), LG-1, which needs a live ledger (see [`super::check`]).

mod acceptances;
mod attempts;
mod chains;
mod line;
mod message;
mod refunds;
#[cfg(test)]
mod tests;
mod wallets;

use std::collections::BTreeMap;

use angelia_shared::event::{Digest, lines};
use angelia_shared::ids::{MessageId, Position};
use angelia_shared::log::Record;
use angelia_shared::subject::Subject;

use acceptances::Acceptances;
use attempts::Attempts;
use chains::Chains;
pub use chains::LastCheckpoint;
use line::{Fact, Read};
use message::Messages;
use wallets::Wallets;

/// Names of lines that were not understood which are told apart; a log written by strangers must not fill the memory.
const NAMES_MAX: usize = 64;
/// Characters of such a name.
const NAME_CHARS: usize = 64;

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

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is broken at {}: {}", self.invariant, self.at, self.what)
    }
}

/// Lines of one name that only a later version can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Position,
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The last one's sequence.
    pub last: u64,
    /// How many events of each type.
    pub events: BTreeMap<&'static str, u64>,
    /// Events of types or versions that this check does not know. They are kept, and nothing was checked about them.
    pub not_understood: BTreeMap<String, NotUnderstood>,
    /// Chain over every record.
    pub log_digest: Digest,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// The newest one.
    pub checkpoint: Option<LastCheckpoint>,
}

/// What became of a message's price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// What was given back.
    pub refunded: u64,
    /// What has failed and was not given back yet.
    pub owed: u64,
}

/// A check in progress.
#[derive(Default)]
pub struct Verifier {
    verified: Verified,
    chains: Chains,
    messages: Messages,
    acceptances: Acceptances,
    wallets: Wallets,
    attempts: Attempts,
}

impl Verifier {
    /// Checks one more record.
    ///
    /// # Errors
    /// The first [`Finding`] in it.
    pub fn record(&mut self, record: &Record) -> Result<(), Finding> {
        let finding = |at, (invariant, what)| Finding { invariant, at, what };
        let expected = self.verified.last + 1;
        if record.seq != expected {
            return Err(missing(expected, record.seq.saturating_sub(1)));
        }
        self.verified.last = record.seq;
        self.verified.records += 1;
        let subject = record.subject.as_ref().ok().copied();
        self.chains.record(subject, record)?;
        for (number, bytes) in lines(&record.payload).enumerate() {
            let at = Position::new(record.seq, u16::try_from(number).unwrap_or(u16::MAX));
            must("LG-2", number == 0 || subject.is_none_or(Subject::is_packed), || {
                "a record that holds one event holds several".to_owned()
            })
            .map_err(|broken| finding(at, broken))?;
            match (subject, line::read(bytes)) {
                (Some(subject), Read::Fact(fact)) => self.fact(subject, at, record, &fact)?,
                (None, Read::Fact(fact)) => self.not_understood(at, &format!("{} on an unknown subject", fact.name())),
                (_, Read::NotUnderstood(name)) => self.not_understood(at, &name),
                (_, Read::Broken(what)) => return Err(finding(at, ("LG-2", what))),
            }
        }
        Ok(())
    }

    fn fact(&mut self, subject: Subject, at: Position, record: &Record, fact: &Fact<'_>) -> Result<(), Finding> {
        *self.verified.events.entry(fact.name()).or_default() += 1;
        let messages = &mut self.messages;
        in_place(subject, fact)
            .and_then(|()| self.acceptances.fact(at, fact, messages))
            .and_then(|()| self.wallets.fact(subject, fact))
            .and_then(|()| refunds::fact(fact, messages))
            .and_then(|()| self.attempts.fact(subject, at, fact, messages))
            .map_err(|(invariant, what)| Finding { invariant, at, what })?;
        self.chains.fact(subject, record, fact)
    }

    fn not_understood(&mut self, at: Position, name: &str) {
        let name: String = name.chars().take(NAME_CHARS).collect();
        let names = &mut self.verified.not_understood;
        let name = if names.contains_key(&name) || names.len() < NAMES_MAX { name } else { "(others)".to_owned() };
        names.entry(name).or_insert(NotUnderstood { count: 0, first: at }).count += 1;
    }

    /// What became of the price of every message of which something failed or was given back.
    pub fn given_back(&self) -> BTreeMap<MessageId, GivenBack> {
        let given = self.messages.iter().map(|(id, message)| {
            let refunded = message.refunded();
            (id, GivenBack { refunded, owed: message.due().min(message.price).saturating_sub(refunded) })
        });
        given.filter(|(_, given)| *given != GivenBack::default()).collect()
    }

    /// Whether the log so far has this message.
    pub fn is_accepted(&self, message: MessageId) -> bool {
        self.messages.is_accepted(message)
    }

    /// What was checked so far.
    pub fn so_far(&self) -> Verified {
        let Chains { log, checkpoints, checkpoint, .. } = &self.chains;
        let (log_digest, checkpoints, checkpoint) = (*log, *checkpoints, *checkpoint);
        Verified { log_digest, checkpoints, checkpoint, ..self.verified.clone() }
    }

    /// How far the check is.
    pub fn last(&self) -> u64 {
        self.verified.last
    }

    /// Checks what can be said only at the end.
    ///
    /// # Errors
    /// The last batch has no seal, or a key's message is not there.
    pub fn finish(self) -> Result<Verified, Finding> {
        self.chains.finish()?;
        self.acceptances.finish(&self.messages)?;
        Ok(self.so_far())
    }
}

/// Records that the log should hold and does not.
pub fn missing(from: u64, to: u64) -> Finding {
    let what = match from {
        1 => format!("the log's beginning was cut: the records 1 to {to} are missing"),
        _ => format!("the records {from} to {to} are missing"),
    };
    Finding { invariant: "LG-2", at: Position::new(from, 0), what }
}

/// Facts that are counted by a rule must stand where their rule looks for them.
fn in_place(subject: Subject, fact: &Fact<'_>) -> Result<(), Break> {
    let right = match fact {
        Fact::MessageAccepted(_) => matches!(subject, Subject::Accepted(_)),
        Fact::AttemptStarted(_)
        | Fact::AttemptEnded(_)
        | Fact::PartRefused(_)
        | Fact::MessageExpired(_)
        | Fact::MessageCancelled(_) => matches!(subject, Subject::Attempt(..)),
        Fact::CreditsGranted(_) | Fact::CreditsDrawn(_) | Fact::CreditsReturned(_) | Fact::CreditsRefunded(_) => {
            matches!(subject, Subject::Wallet(_))
        }
        Fact::MessageSent(_) | Fact::MessageDelivered(_) | Fact::MessageRead(_) | Fact::MessageFailed(_) => {
            matches!(subject, Subject::Receipt(_))
        }
        Fact::OutcomeSettled(_) => matches!(subject, Subject::Settlement(_)),
        Fact::CancelRequested(_) => matches!(subject, Subject::Cancel(_)),
        Fact::KeyUsed(_) => matches!(subject, Subject::Key(_)),
        Fact::WorkspaceChanged(_) | Fact::WebhookChanged(_) | Fact::AccountChanged(_) | Fact::TokenChanged(_) => {
            matches!(subject, Subject::Directory(..))
        }
        Fact::PartitionClaimed(_) | Fact::PartitionReleased(_) => {
            matches!(subject, Subject::PartitionClaim(_) | Subject::LedgerClaim)
        }
        Fact::WriterOpened(_) | Fact::BatchSealed(_) | Fact::WriterFenced(_) | Fact::WriterClosed(_) => {
            matches!(subject, Subject::Writer(_))
        }
        Fact::LedgerCheckpointed(_) => matches!(subject, Subject::Checkpoint),
    };
    must("LG-2", right, || format!("{} has no place on the subject {subject}", fact.name()))
}

/// An invariant and what breaks it.
type Break = (&'static str, String);

/// Says that `invariant` holds only if `holds`.
fn must(invariant: &'static str, holds: bool, what: impl FnOnce() -> String) -> Result<(), Break> {
    if holds { Ok(()) } else { Err((invariant, what())) }
}
