//! What a check needs to see of a line, read anew from the wire form: borrowed, and without the events' own types, so that a
//! mistake in those does not hide itself.
//!
//! Shape: bytes -> [`Read`]. A line of a later version, or of a type that nobody here knows, is kept apart, never guessed.

use std::borrow::Cow;

use angelia_shared::event::{Digest, Totals};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId, WriterId};
use angelia_shared::units::UnixMillis;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// The version that this check understands.
const VERSION: u64 = 1;

/// What a line turned out to be.
pub(super) enum Read<'a> {
    /// A fact that can be checked.
    Fact(Fact<'a>),
    /// One that only a later version can read, by its name.
    NotUnderstood(String),
    /// Nothing that any version writes: what is wrong.
    Broken(String),
}

/// Reads one line.
pub(super) fn read(line: &[u8]) -> Read<'_> {
    match serde_json::from_slice(line) {
        Ok(fact) => Read::Fact(fact),
        Err(error) => not_a_fact(line, &error),
    }
}

/// Says why a line is not a fact. Seldom needed, so it may read the line again.
fn not_a_fact(line: &[u8], error: &serde_json::Error) -> Read<'static> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(default)]
        v: Option<u64>,
    }
    let name = match serde_json::from_slice::<std::collections::BTreeMap<String, IgnoredAny>>(line) {
        Ok(object) if object.len() == 1 => object.into_keys().next().expect("it has one key"),
        Ok(_) => return Read::Broken("the line is not an event: it is not an object with one key".to_owned()),
        Err(error) => return Read::Broken(format!("the line is not an event: {error}")),
    };
    let version = serde_json::from_slice::<std::collections::BTreeMap<String, Version>>(line);
    let version = version.ok().and_then(|object| object.into_values().next()?.v).unwrap_or(VERSION);
    if version != VERSION {
        Read::NotUnderstood(format!("{name} of version {version}"))
    } else if error.to_string().starts_with("unknown variant") {
        Read::NotUnderstood(name)
    } else {
        Read::Broken(format!("{name} cannot be read: {error}"))
    }
}

/// The version of a fact's form: any but ours is an error, so that such a line is looked at again.
#[derive(Default)]
pub(super) struct V1;

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            VERSION => Ok(Self),
            other => Err(D::Error::custom(format_args!("version {other}"))),
        }
    }
}

/// A line of the log.
#[derive(Deserialize)]
pub(super) enum Fact<'a> {
    MessageAccepted(Accepted),
    CancelRequested(Plain),
    AttemptStarted(Started),
    AttemptEnded(Ended),
    PartRefused(Refused),
    MessageExpired(Over),
    MessageCancelled(Over),
    MessageSent(Plain),
    MessageDelivered(Plain),
    MessageRead(Plain),
    MessageFailed(OfPart),
    OutcomeSettled(Settled),
    CreditsGranted(Granted),
    CreditsDrawn(Moved),
    CreditsReturned(Moved),
    CreditsRefunded(Refunded),
    #[serde(borrow)]
    KeyUsed(KeyUsed<'a>),
    WorkspaceChanged(Plain),
    WebhookChanged(Plain),
    AccountChanged(Plain),
    TokenChanged(Plain),
    PartitionClaimed(Plain),
    PartitionReleased(Plain),
    WriterOpened(Plain),
    BatchSealed(Seal),
    WriterFenced(Plain),
    WriterClosed(Seal),
    LedgerCheckpointed(Checkpoint),
}

/// A fact of which only the name counts.
#[derive(Deserialize)]
pub(super) struct Plain {
    #[serde(default, rename = "v")]
    _v: V1,
}

#[derive(Deserialize)]
pub(super) struct Accepted {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) message: MessageId,
    pub(super) workspace: WorkspaceId,
    pub(super) account: AccountId,
    pub(super) credits: u64,
    pub(super) writer: WriterId,
}

#[derive(Deserialize)]
pub(super) struct Started {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) message: MessageId,
    pub(super) accepted: Position,
    pub(super) attempt: u32,
    pub(super) part: u8,
    pub(super) credits: u64,
    pub(super) claim: u64,
    pub(super) at: UnixMillis,
    pub(super) floor_ms: u64,
    #[serde(default)]
    pub(super) idempotent: bool,
}

#[derive(Deserialize)]
pub(super) struct Ended {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) message: MessageId,
    pub(super) attempt: u32,
    pub(super) part: u8,
    pub(super) credits: u64,
    pub(super) claim: u64,
    pub(super) at: UnixMillis,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Sent {},
    Deferred {},
    Failed {},
    Unknown {},
    NotStarted,
}

#[derive(Deserialize)]
pub(super) struct Refused {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) message: MessageId,
    pub(super) part: u8,
    pub(super) credits: u64,
    pub(super) claim: u64,
}

#[derive(Deserialize)]
pub(super) struct Over {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) message: MessageId,
    pub(super) credits: u64,
    pub(super) claim: u64,
}

#[derive(Deserialize)]
pub(super) struct OfPart {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) message: MessageId,
    pub(super) part: u8,
}

#[derive(Deserialize)]
pub(super) struct Settled {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) message: MessageId,
    pub(super) part: u8,
    pub(super) policy: Policy,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Policy {
    Refund,
    Charge,
}

#[derive(Deserialize)]
pub(super) struct Granted {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) credits: u64,
    pub(super) totals: Totals,
}

/// A draw or a return.
#[derive(Deserialize)]
pub(super) struct Moved {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) writer: WriterId,
    pub(super) credits: u64,
    pub(super) totals: Totals,
}

#[derive(Deserialize)]
pub(super) struct Refunded {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) items: Vec<Item>,
    pub(super) credits: u64,
    pub(super) totals: Totals,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) message: MessageId,
    pub(super) part: u8,
    pub(super) credits: u64,
}

#[derive(Deserialize)]
pub(super) struct KeyUsed<'a> {
    #[serde(default, rename = "v")]
    _v: V1,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    pub(super) message: MessageId,
}

#[derive(Deserialize)]
pub(super) struct Seal {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) n: u64,
    pub(super) count: u64,
    pub(super) previous_digest: Digest,
    pub(super) digest: Digest,
}

#[derive(Deserialize)]
pub(super) struct Checkpoint {
    #[serde(default, rename = "v")]
    _v: V1,
    pub(super) seq: u64,
    pub(super) log_digest: Digest,
    pub(super) state_digest: Digest,
    pub(super) previous: u64,
}

impl Fact<'_> {
    /// The type's name, as the wire form has it.
    pub(super) fn name(&self) -> &'static str {
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
}
