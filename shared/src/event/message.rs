//! A message's life as its callers and the provider see it.

use serde::{Deserialize, Serialize};

use super::v1;
use crate::ids::{AccountId, KeyId, MessageId, WebhookId, WorkspaceId, WriterId};
use crate::units::{Credits, UnixMillis};

/// A webhook call was accepted and paid for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageAccepted {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The webhook that was called.
    pub webhook: WebhookId,
    /// The account that will send, chosen once.
    pub account: AccountId,
    /// The price: 1, or 2 for a text with a file.
    pub credits: Credits,
    /// Whether there is a non-empty text.
    pub has_text: bool,
    /// Whether there is a file.
    pub has_file: bool,
    /// When it was accepted.
    pub at: UnixMillis,
    /// How long it may be held by something other than its turn, in milliseconds.
    pub expires_after_ms: u64,
    /// The writer whose drawn credits pay for it.
    pub writer: WriterId,
    /// The [`Content`], sealed and bound to `message`.
    pub sealed: Sealed,
    /// W3C trace context of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Personal data in its sealed form. Destroying the data key erases it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The data key.
    pub key_id: KeyId,
    /// Base 64 of nonce (24 bytes) and ciphertext with tag (XChaCha20-Poly1305).
    pub data: String,
}

/// What is inside a [`MessageAccepted`]'s seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The text as received; may be empty with a file.
    pub text: String,
    /// Where the file can be downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_url: Option<String>,
    /// The file's name for the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The recipient as the caller named it.
    pub to: To,
    /// Where to send: a chat's JID, or the caller's `jid` or `phone` as given.
    pub address: String,
    /// `whatsapp account phone` as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_phone: Option<String>,
    /// The caller's address.
    #[serde(default)]
    pub caller: String,
    /// What was ignored, for the activation log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The recipient as a caller may name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// A chat of the workspace.
    ChatId(String),
    /// A person's or a group's JID.
    Jid(String),
    /// An international phone number.
    Phone(String),
    /// The exact name of a chat of the sending account.
    ChatName(String),
}

/// An idempotency key was used for a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyUsed {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// SHA-256 over workspace and key, hex: the key itself may hold personal data.
    pub key: String,
    /// SHA-256 of the body, hex.
    pub fingerprint: String,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The message that answered.
    pub message: MessageId,
}

/// Somebody asked to cancel a queued message. The dispatcher answers on the attempt subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The account in whose queue it is.
    pub account: AccountId,
    /// When it was asked.
    pub at: UnixMillis,
}

/// What the provider reported of one part of a message. One form for all four kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The account that sent.
    pub account: AccountId,
    /// The part, from 0.
    pub part: u8,
    /// The provider's time of it.
    pub at: UnixMillis,
    /// When the report arrived.
    pub received_at: UnixMillis,
    /// The provider's id of the message, without what is personal in it ([`crate::wamid::veiled`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// For [`MessageFailed`]: a stable reason code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For [`MessageFailed`]: the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether it was found in the provider's list of what it took, because the outcome was unknown; otherwise the provider
    /// reported it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub looked_up: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The provider took the part.
pub type MessageSent = Receipt;
/// The part reached the recipient's device.
pub type MessageDelivered = Receipt;
/// The recipient opened the part.
pub type MessageRead = Receipt;
/// The provider took the part and could not deliver it.
pub type MessageFailed = Receipt;

/// An unknown outcome was decided by its deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeSettled {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The message.
    pub message: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The account that tried.
    pub account: AccountId,
    /// The part, from 0.
    pub part: u8,
    /// The workspace's declared policy.
    pub policy: UnknownPolicy,
    /// When it was decided.
    pub at: UnixMillis,
}

/// What an unknown outcome becomes at its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPolicy {
    /// `failed` with `outcome_unknown`, and refunded.
    #[default]
    Refund,
    /// `sent`, and charged.
    Charge,
}
