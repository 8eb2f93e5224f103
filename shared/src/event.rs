//! Facts: everything that the log can say.
//!
//! Shape: an event is one JSON line, `{"MessageAccepted":{"v":1,…}}`; a record is one or more lines of one subject.
//! Published variants and field names are append-only. A field that came later has `#[serde(default)]`; the golden files
//! in `tests/golden/` are read for ever.
//!
//! Not here: what follows from a fact (see each service's `domain/`).

pub mod attempt;
mod canonical;
pub mod directory;
pub mod message;
mod pace;
pub mod wallet;
pub mod writer;

use serde::{Deserialize, Serialize};

pub use attempt::{
    AttemptEnded, AttemptStarted, Carry, MessageCancelled, MessageExpired, OpenMessage, PartRefused, Sendings,
};
pub use directory::{AccountChanged, TokenChanged, WebhookChanged, WorkspaceChanged};
pub use message::{
    CancelRequested, Content, KeyUsed, MessageAccepted, MessageDelivered, MessageFailed, MessageRead, MessageSent,
    OutcomeSettled, Receipt, Sealed,
};
pub use wallet::{CreditsDrawn, CreditsGranted, CreditsRefunded, CreditsReturned, RefundItem, Totals};
pub use writer::{
    BatchSealed, Digest, LedgerCheckpointed, PartitionClaimed, PartitionReleased, WriterClosed, WriterFenced,
    WriterOpened,
};

/// The newest version of every event's form that is understood here.
pub const KNOWN_VERSION: u8 = 1;

/// A fact in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant carries the documented struct of the same name")]
pub enum Event {
    MessageAccepted(Box<MessageAccepted>),
    CancelRequested(CancelRequested),
    AttemptStarted(Box<AttemptStarted>),
    AttemptEnded(Box<AttemptEnded>),
    PartRefused(Box<PartRefused>),
    MessageExpired(Box<MessageExpired>),
    MessageCancelled(Box<MessageCancelled>),
    MessageSent(Receipt),
    MessageDelivered(Receipt),
    MessageRead(Receipt),
    MessageFailed(Receipt),
    OutcomeSettled(OutcomeSettled),
    CreditsGranted(CreditsGranted),
    CreditsDrawn(CreditsDrawn),
    CreditsReturned(CreditsReturned),
    CreditsRefunded(CreditsRefunded),
    KeyUsed(KeyUsed),
    WorkspaceChanged(Box<WorkspaceChanged>),
    WebhookChanged(Box<WebhookChanged>),
    AccountChanged(Box<AccountChanged>),
    TokenChanged(Box<TokenChanged>),
    PartitionClaimed(PartitionClaimed),
    PartitionReleased(PartitionReleased),
    WriterOpened(WriterOpened),
    BatchSealed(BatchSealed),
    WriterFenced(WriterFenced),
    WriterClosed(BatchSealed),
    LedgerCheckpointed(LedgerCheckpointed),
}

impl Event {
    /// The variant's name, as the wire form and the timeline show it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageAccepted(_) => "MessageAccepted",
            Self::CancelRequested(_) => "CancelRequested",
            Self::AttemptStarted(_) => "AttemptStarted",
            Self::AttemptEnded(_) => "AttemptEnded",
            Self::PartRefused(_) => "PartRefused",
            Self::MessageExpired(_) => "MessageExpired",
            Self::MessageCancelled(_) => "MessageCancelled",
            Self::MessageSent(_) => "MessageSent",
            Self::MessageDelivered(_) => "MessageDelivered",
            Self::MessageRead(_) => "MessageRead",
            Self::MessageFailed(_) => "MessageFailed",
            Self::OutcomeSettled(_) => "OutcomeSettled",
            Self::CreditsGranted(_) => "CreditsGranted",
            Self::CreditsDrawn(_) => "CreditsDrawn",
            Self::CreditsReturned(_) => "CreditsReturned",
            Self::CreditsRefunded(_) => "CreditsRefunded",
            Self::KeyUsed(_) => "KeyUsed",
            Self::WorkspaceChanged(_) => "WorkspaceChanged",
            Self::WebhookChanged(_) => "WebhookChanged",
            Self::AccountChanged(_) => "AccountChanged",
            Self::TokenChanged(_) => "TokenChanged",
            Self::PartitionClaimed(_) => "PartitionClaimed",
            Self::PartitionReleased(_) => "PartitionReleased",
            Self::WriterOpened(_) => "WriterOpened",
            Self::BatchSealed(_) => "BatchSealed",
            Self::WriterFenced(_) => "WriterFenced",
            Self::WriterClosed(_) => "WriterClosed",
            Self::LedgerCheckpointed(_) => "LedgerCheckpointed",
        }
    }

    /// The version of its form. What a newer one says may mean something else.
    pub fn version(&self) -> u8 {
        match self {
            Self::MessageAccepted(fact) => fact.v,
            Self::CancelRequested(fact) => fact.v,
            Self::AttemptStarted(fact) => fact.v,
            Self::AttemptEnded(fact) => fact.v,
            Self::PartRefused(fact) => fact.v,
            Self::MessageExpired(fact) => fact.v,
            Self::MessageCancelled(fact) => fact.v,
            Self::MessageSent(fact) => fact.v,
            Self::MessageDelivered(fact) => fact.v,
            Self::MessageRead(fact) => fact.v,
            Self::MessageFailed(fact) => fact.v,
            Self::OutcomeSettled(fact) => fact.v,
            Self::CreditsGranted(fact) => fact.v,
            Self::CreditsDrawn(fact) => fact.v,
            Self::CreditsReturned(fact) => fact.v,
            Self::CreditsRefunded(fact) => fact.v,
            Self::KeyUsed(fact) => fact.v,
            Self::WorkspaceChanged(fact) => fact.v,
            Self::WebhookChanged(fact) => fact.v,
            Self::AccountChanged(fact) => fact.v,
            Self::TokenChanged(fact) => fact.v,
            Self::PartitionClaimed(fact) => fact.v,
            Self::PartitionReleased(fact) => fact.v,
            Self::WriterOpened(fact) => fact.v,
            Self::BatchSealed(fact) => fact.v,
            Self::WriterFenced(fact) => fact.v,
            Self::WriterClosed(fact) => fact.v,
            Self::LedgerCheckpointed(fact) => fact.v,
        }
    }

    /// Writes the event as one JSON line without its line end.
    pub fn to_line(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event has only string keys and plain values")
    }

    /// Reads one line.
    ///
    /// # Errors
    /// [`BadLine`] names the type where the line shows one; a line is never dropped in silence.
    pub fn from_line(line: &[u8]) -> Result<Self, BadLine> {
        if let Some(event) = canonical::read(line) {
            return Ok(event);
        }
        serde_json::from_slice(line).map_err(|source| {
            let name = type_name(line);
            match name {
                Some(name) if source.to_string().starts_with("unknown variant") => BadLine::UnknownType { name },
                Some(name) => BadLine::BadFields { name, source },
                None => BadLine::NotAnEvent { source },
            }
        })
    }
}

/// A line of a record that cannot be read as an event of this version.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// A type that this version does not know: written by a newer one.
    #[error("unknown event type {name}")]
    UnknownType {
        /// The type's name.
        name: String,
    },
    /// A known type whose fields cannot be read.
    #[error("cannot read the fields of {name}")]
    BadFields {
        /// The type's name.
        name: String,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// Not an object with one key.
    #[error("not an event")]
    NotAnEvent {
        /// What was wrong.
        source: serde_json::Error,
    },
}

fn type_name(line: &[u8]) -> Option<String> {
    let object: std::collections::BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(line).ok()?;
    let mut names = object.into_keys();
    names.next().filter(|_| names.next().is_none())
}

/// Splits a record's payload into its lines.
pub fn lines(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(payload);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (line, after) = match memchr::memchr(b'\n', bytes) {
            Some(end) => (&bytes[..end], Some(&bytes[end + 1..])),
            None => (bytes, None),
        };
        rest = after;
        Some(line)
    })
}

/// The version number of a fresh event; `v` in the wire form.
pub(crate) fn v1() -> u8 {
    1
}

#[cfg(test)]
mod tests;
