//! What the dispatcher did with a message, and what it must remember.
//!
//! Invariants: DP-1 (a start is at least `floor_ms` after the end before), DP-2 (order of acceptance), DP-3 (`claim` is
//! the newest of its partition), DP-4 (no second start while one is open or unknown).
//!
//! Every event here carries a [`Carry`], so the newest one of an account is all that a new owner needs.

use serde::{Deserialize, Serialize};

use super::v1;
use crate::ids::{MessageId, Position};
use crate::units::{Credits, UnixMillis};

/// What an account's owner must remember: its position and its messages that are neither waiting nor over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carry {
    /// Everything of this account up to here has ended, but for `open`.
    pub done_through: Position,
    /// Messages at or before `done_through`, or at the head, that are still open, put off or unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenMessage>,
    /// Messages beyond `done_through` that have ended out of turn (cancelled).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_beyond: Vec<Position>,
    /// The partition's low-water mark: a stream sequence; reading the partition from here misses nothing that counts.
    pub mark: u64,
    /// What caps and the gap between messages to one recipient must remember of earlier attempts; empty while both are
    /// off.
    #[serde(default, skip_serializing_if = "Sendings::is_empty")]
    pub sendings: Sendings,
}

/// Earlier attempts, as far as they count for the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sendings {
    /// Attempts of the last hour, oldest first, in groups: when the last of a group was made at the latest, and how many
    /// there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hour: Vec<(UnixMillis, u32)>,
    /// The same of the last 24 hours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub day: Vec<(UnixMillis, u32)>,
    /// Recipients, the one of the longest ago first: a mark that only the workspace's data key can make, and when the
    /// recipient was last sent to at the latest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<(u32, UnixMillis)>,
}

impl Sendings {
    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.hour.is_empty() && self.day.is_empty() && self.recipients.is_empty()
    }
}

/// A message that was begun and is not over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenMessage {
    /// Where its acceptance is.
    pub at: Position,
    /// The message.
    pub message: MessageId,
    /// What it waits for.
    pub stage: OpenStage,
    /// Attempts begun so far.
    pub attempt: u32,
    /// The part that is next or under way, from 0.
    pub part: u8,
    /// How many parts it goes out as; 0 while nobody knows.
    #[serde(default)]
    pub parts: u8,
    /// What that part costs of the message's price.
    #[serde(default)]
    pub credits: Credits,
    /// How many of its attempts the provider answered with an error of its own since the first.
    #[serde(default)]
    pub provider_errors: u8,
    /// Since when something other than its turn holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<UnixMillis>,
    /// Not to be tried before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixMillis>,
    /// Its file, when the provider has it already: it need not be fetched and uploaded again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<UploadedMedia>,
    /// When the attempt was begun that is open or unknown, by the clock of this event's writer: after a takeover perhaps later
    /// than it was, by what clocks may differ by, never earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<UnixMillis>,
}

/// A file at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UploadedMedia {
    /// The provider's name for it.
    pub id: String,
    /// How WhatsApp shows it: `image`, `video`, `audio` or `document`.
    pub kind: String,
}

/// What a begun message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenStage {
    /// An attempt has started and not ended.
    Open,
    /// Its last attempt was put off, or the next part is due.
    PutOff,
    /// Nobody knows whether it went out.
    Unknown,
}

/// A transport call is about to be made. Durable before the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Where its acceptance is.
    pub accepted: Position,
    /// Number of the attempt of this message, from 1, over all parts.
    pub attempt: u32,
    /// The part, from 0.
    pub part: u8,
    /// How many parts the message goes out as.
    pub parts: u8,
    /// What this part costs of the message's price.
    pub credits: Credits,
    /// Sequence of the claim under which it was made.
    pub claim: u64,
    /// When the call may start: the planned time.
    pub at: UnixMillis,
    /// The lower end of the account's gap range, in milliseconds.
    pub floor_ms: u64,
    /// Whether the transport sends again with the same id without sending twice.
    #[serde(default)]
    pub idempotent: bool,
    /// The account's memory after this event.
    pub carry: Carry,
}

/// A transport call has ended, or will not be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Number of the attempt, as started.
    pub attempt: u32,
    /// The part, from 0.
    pub part: u8,
    /// How many parts the message goes out as.
    pub parts: u8,
    /// What this part costs of the message's price.
    pub credits: Credits,
    /// Sequence of the claim under which it was made.
    pub claim: u64,
    /// When the answer came, or it was clear that there will be none.
    pub at: UnixMillis,
    /// The gap before this account's next attempt, in milliseconds; drawn from (message, attempt).
    pub gap_ms: u64,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The account's memory after this event.
    pub carry: Carry,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The provider took it.
    Sent {
        /// The provider's id of the message, without what is personal in it ([`crate::wamid::veiled`]).
        provider_id: String,
    },
    /// It was not accepted and will be tried again.
    Deferred {
        /// Why, as a stable code.
        reason: String,
        /// The provider's words.
        detail: String,
        /// Not before.
        until: UnixMillis,
    },
    /// It was refused for good.
    Failed {
        /// Why, as a stable code.
        reason: String,
        /// The provider's words.
        detail: String,
    },
    /// Nobody knows whether it went out.
    Unknown {
        /// What was seen.
        detail: String,
    },
    /// The call was not made: too late after its start, or the right to send was in doubt.
    NotStarted,
}

/// A part will never be tried: its attachment or its recipient was refused before any call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartRefused {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Where its acceptance is.
    pub accepted: Position,
    /// The part, from 0.
    pub part: u8,
    /// How many parts the message goes out as.
    pub parts: u8,
    /// What this part costs of the message's price.
    pub credits: Credits,
    /// Sequence of the claim under which it was decided.
    pub claim: u64,
    /// When it was decided.
    pub at: UnixMillis,
    /// Why, as a stable code.
    pub reason: String,
    /// In words.
    pub detail: String,
    /// The account's memory after this event.
    pub carry: Carry,
}

/// A message was held too long by something other than its turn. Its parts that had not gone out never will.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageExpired {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Where its acceptance is.
    pub accepted: Position,
    /// What is given back: the price of the parts that had not gone out.
    pub credits: Credits,
    /// Sequence of the claim under which it was decided.
    pub claim: u64,
    /// When it was decided.
    pub at: UnixMillis,
    /// What held it, as a stable code.
    pub held_by: String,
    /// The account's memory after this event.
    pub carry: Carry,
}

/// A queued message was cancelled before any attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageCancelled {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Where its acceptance is.
    pub accepted: Position,
    /// Its whole price.
    pub credits: Credits,
    /// Sequence of the claim under which it was decided.
    pub claim: u64,
    /// When it was decided.
    pub at: UnixMillis,
    /// The account's memory after this event.
    pub carry: Carry,
}
