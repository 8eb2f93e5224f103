//! Questions to the ledger and its answers, over core NATS.
//!
//! Shape: a JSON request to `angelia.ledger.{question}`, a JSON [`Reply`]. Every replica of the ledger answers; each
//! answer says up to which sequence it has folded. A question can ask for a position that the answer must have reached.
//! A list may be shorter than its limit, since an answer is one message of the broker's: go on after its end until it is
//! empty.

mod asking;
mod reading;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::{Digest, Sealed, Totals};
use crate::ids::{AccountId, MessageId, Position, WebhookId, WorkspaceId, WriterId};
use crate::units::{Credits, UnixMillis};

pub use asking::{AskError, TIMEOUT, ask};
pub use contents::{AskContents, AskMessageThen, AskPlaces, SealedContent};
pub use reading::{READING_SUBJECT, Reading, reading};

/// Name of the NATS micro service.
pub const SERVICE: &str = "ledger";
/// What the subject of a question to any ledger begins with.
pub const PREFIX: &str = "angelia.ledger";
/// What the subject of a question to every ledger begins with.
pub const EACH_PREFIX: &str = "angelia.ledger_each";
/// What can be asked. The last token of the subject is [`Ask::TOPIC`].
pub trait Ask: Serialize + DeserializeOwned {
    /// Last token of the subject.
    const TOPIC: &'static str;
    /// The answer.
    type Answer: Serialize + DeserializeOwned;
}

/// A question with the position that its answer must have reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question<A> {
    /// Sequence that the projection must have passed; the ledger waits for it for up to 2 s, then answers `Behind`.
    #[serde(default)]
    pub at_least: u64,
    /// The question.
    pub ask: A,
}

/// What the ledger says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply<T> {
    /// The answer, true at `as_of_seq`.
    Answer {
        /// The projection's position.
        as_of_seq: u64,
        /// The answer.
        answer: T,
    },
    /// The projection has not reached the position that was asked for.
    Behind {
        /// How far it is.
        as_of_seq: u64,
    },
    /// The question cannot be answered: why, in words.
    Refused(String),
}

macro_rules! question {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* } = $topic:literal => $answer:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }
        impl Ask for $name {
            const TOPIC: &'static str = $topic;
            type Answer = $answer;
        }
    };
}

// Behind the macro, which it uses.
mod contents;

question!(
    /// How far is the projection?
    AskPosition {} = "position" => ());
question!(
    /// What is in a wallet?
    AskCredits {
        /// Whose.
        workspace: WorkspaceId,
    } = "credits" => CreditsView);
question!(
    /// What was in a wallet, with the record at a sequence and everything before it? None when the ledger is not there yet:
    /// ask with `at_least`.
    AskCreditsThen {
        /// Whose.
        workspace: WorkspaceId,
        /// The sequence.
        as_of: u64,
    } = "credits_then" => Option<CreditsThen>);
question!(
    /// Which writers hold credits of a wallet that they drew and neither spent nor returned?
    ///
    /// For a lane that is about to refuse: a dead one's rest comes back within seconds, so it is too early to say that
    /// nothing is left. Asked with the position of the wallet's head that was read, so that no draw is missed.
    AskUnspent {
        /// Whose wallet.
        workspace: WorkspaceId,
    } = "unspent" => Vec<UnspentLane>);
question!(
    /// What moved in a wallet? Oldest first.
    AskStatement {
        /// Whose.
        workspace: WorkspaceId,
        /// Not before this time.
        from: Option<UnixMillis>,
        /// Before this time.
        to: Option<UnixMillis>,
        /// After this line.
        after: Option<Position>,
        /// How many lines at most.
        limit: u32,
    } = "statement" => Vec<StatementLine>);
question!(
    /// One message.
    AskMessage {
        /// Whose.
        workspace: WorkspaceId,
        /// Which.
        message: MessageId,
    } = "message" => Option<MessageView>);
question!(
    /// Messages, newest first.
    AskMessages {
        /// Whose.
        workspace: WorkspaceId,
        /// Only in this state.
        state: Option<MessageState>,
        /// Only of this account.
        account: Option<AccountId>,
        /// Only before this acceptance (the cursor).
        before: Option<Position>,
        /// How many at most.
        limit: u32,
    } = "messages" => Vec<MessageView>);
question!(
    /// The newest accepted calls of a webhook, newest first.
    AskActivations {
        /// Whose.
        workspace: WorkspaceId,
        /// Which webhook.
        webhook: WebhookId,
        /// How many at most.
        limit: u32,
    } = "activations" => Vec<AcceptedCall>);
question!(
    /// The accepted calls of a webhook before one of them, newest first: what an answer to [`AskActivations`] had no room
    /// for.
    AskActivationsBefore {
        /// Whose.
        workspace: WorkspaceId,
        /// Which webhook.
        webhook: WebhookId,
        /// Only before this call.
        before: Position,
        /// How many at most.
        limit: u32,
    } = "activations_before" => Vec<AcceptedCall>);
question!(
    /// What waits on the accounts of a workspace?
    AskAccounts {
        /// Whose.
        workspace: WorkspaceId,
    } = "accounts" => Vec<AccountQueue>);
question!(
    /// Was an idempotency key used?
    AskKey {
        /// Its bucket.
        bucket: u8,
        /// SHA-256 over workspace and key, hex, as in `KeyUsed`.
        key: String,
    } = "key" => Option<UsedKey>);
question!(
    /// Which message has a part with this id of the provider's?
    AskProviderId {
        /// The account that sent.
        account: AccountId,
        /// The provider's id.
        provider_id: String,
    } = "provider_id" => Option<(MessageId, u8)>);
question!(
    /// What do log and state digest to, at the answer's position?
    AskDigest {} = "digest" => DigestView);

question!(
    /// What in the log cannot be true, and what in it is not understood?
    AskFindings {} = "findings" => FindingsView);

/// What in the log needs a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingsView {
    /// How many facts cannot be true, so far.
    pub contradictions: u64,
    /// The first of them.
    pub first: Vec<FindingView>,
    /// Lines that this version does not understand, by the type and version that they name. The log keeps them.
    pub unknown: BTreeMap<String, u64>,
}

/// A fact that cannot be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// Where it is in the log.
    pub position: Position,
    /// Whose it is. Nothing is refunded, returned or settled there until a person has looked.
    pub workspace: Option<WorkspaceId>,
    /// The invariant that it breaks.
    pub invariant: String,
    /// In words.
    pub what: String,
}

/// Digests of a projection: two that are at the same position must be equal (LG-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestView {
    /// Chain over every record up to the position.
    pub log: Digest,
    /// Digest over wallets, lanes and counts.
    pub state: Digest,
    /// Facts that cannot be true, so far.
    pub contradictions: u64,
}

/// A wallet as its owner sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditsView {
    /// Everything granted.
    pub granted: Credits,
    /// The prices of all accepted messages.
    pub consumed: Credits,
    /// Everything refunded.
    pub refunded: Credits,
    /// granted − consumed + refunded.
    pub available: Credits,
    /// The wallet's own totals (draws and returns are the writers' business).
    pub totals: Totals,
}

/// A wallet as it was at some point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditsThen {
    /// Everything granted until then.
    pub granted: Credits,
    /// The prices of all messages accepted until then.
    pub consumed: Credits,
    /// Everything refunded until then.
    pub refunded: Credits,
    /// granted − consumed + refunded.
    pub available: Credits,
}

/// What a writer holds of a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnspentLane {
    /// The writer.
    pub writer: WriterId,
    /// Drawn and neither spent nor returned.
    pub credits: Credits,
    /// Whether it can still spend them.
    pub holder: Holder,
}

/// What is known of a writer that holds credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// It is open, and its process lives.
    Alive,
    /// It is open, and its process renews its key no more: it will be fenced, unless it comes back.
    Missing,
    /// It was closed or fenced: what it holds will be returned.
    Ended,
}

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementLine {
    /// Where it is in the log.
    pub at_position: Position,
    /// What was available after it.
    pub balance: Credits,
    /// What moved.
    #[serde(flatten)]
    pub moved: Moved,
}

/// Credits that moved in a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// When.
    pub at: UnixMillis,
    /// What moved them.
    pub kind: StatementKind,
    /// How many, always positive.
    pub credits: Credits,
    /// The message, for charges and refunds.
    pub message: Option<MessageId>,
    /// Why: the operator's words, or the refund's reason code.
    pub reason: Option<String>,
}

/// What moved credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// The operator granted.
    Grant,
    /// A message was accepted.
    Charge,
    /// A message could not be sent.
    Refund,
}

/// A message's state, in rank; it only moves up. `Cancelled` comes only from `Queued`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Waits for its turn.
    Queued,
    /// An attempt is open, or another part is due.
    Sending,
    /// Nobody knows whether it went out.
    Unknown,
    /// The provider took it.
    Sent,
    /// It could not be sent, or not delivered.
    Failed,
    /// It reached the recipient.
    Delivered,
    /// The recipient opened it.
    Read,
    /// It was cancelled before any attempt.
    Cancelled,
}

impl MessageState {
    /// Every state, in rank.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Sending,
        Self::Unknown,
        Self::Sent,
        Self::Failed,
        Self::Delivered,
        Self::Read,
        Self::Cancelled,
    ];
}

/// A message as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageView {
    /// The message.
    pub message: MessageId,
    /// Where its acceptance is: also the list's cursor.
    pub accepted: Position,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// The webhook that took it.
    pub webhook: WebhookId,
    /// The account that sends it.
    pub account: AccountId,
    /// Its state.
    pub state: MessageState,
    /// Reason code of a failure.
    pub reason: Option<String>,
    /// The failure in the provider's words.
    pub detail: Option<String>,
    /// Its price.
    pub credits: Credits,
    /// What was refunded.
    pub refunded: Credits,
    /// Its parts, once an attempt was made.
    pub parts: Vec<PartView>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// The sealed content, for whoever holds the data key. `None` in lists.
    pub sealed: Option<Sealed>,
    /// How many of its account stand before it, while it is queued.
    pub ahead: Option<u64>,
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartView {
    /// Number, from 0.
    pub part: u8,
    /// Its state.
    pub state: MessageState,
    /// What it costs of the message's price.
    pub credits: Credits,
    /// The provider's id.
    pub provider_id: Option<String>,
    /// Reason code of a failure.
    pub reason: Option<String>,
}

/// One event of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: UnixMillis,
    /// The event's name.
    pub event: String,
    /// Where it is in the log.
    pub position: Position,
    /// The part that it is about, from 0; none when it is about the whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u8>,
    /// What it adds, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An accepted call of a webhook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcceptedCall {
    /// Where it is in the log.
    pub position: Position,
    /// When.
    pub at: UnixMillis,
    /// The message that it became.
    pub message: MessageId,
    /// Its content, sealed.
    pub sealed: Sealed,
}

/// What waits on an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountQueue {
    /// The account.
    pub account: AccountId,
    /// Messages accepted and not over (those of unknown outcome do not count).
    pub queued: u64,
    /// End of its last attempt and the gap drawn after it: not before their sum.
    pub next_send_at: Option<UnixMillis>,
}

/// A used idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedKey {
    /// The message that answered.
    pub message: MessageId,
    /// SHA-256 of the body, hex.
    pub fingerprint: String,
}
