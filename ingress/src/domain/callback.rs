//! Reads what the Cloud API reports: who signed it, and what became of which message.
//!
//! Shape: (signature, secret, raw bytes) -> genuine or not; raw bytes -> [`Notification`]. A notification is a batch of
//! batches, repeated and reordered by the provider, and new kinds come without notice: what is not understood is counted
//! and passed over, so that one strange status does not hold up the others.
//!
//! Source: Meta, Cloud API webhooks (`entry[] × changes[] × statuses[]`) and their `X-Hub-Signature-256`.
//!
//! Read next: `callback/hold.rs`, what a failure says of its account.
//!
//! Not here: to which account and message a report belongs (see `shell/http/callbacks.rs`).

mod detail;
mod failure;
pub mod hold;
#[cfg(test)]
mod tests;

use angelia_shared::account_hold::ProviderHold;
use angelia_shared::fail_reason::FailReason;
use angelia_shared::ids::MessageId;
use angelia_shared::units::UnixMillis;
use angelia_shared::wamid;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sha2::Sha256;

use self::hold::Word;

/// Says whether `signature`, the header's value, is `sha256=` and the hex HMAC-SHA256 of the raw body under `secret`.
/// Takes the same time wherever they differ. An empty secret signs nothing.
pub fn is_genuine(signature: &[u8], secret: &[u8], body: &[u8]) -> bool {
    let Some(digits) = signature.strip_prefix(b"sha256=") else { return false };
    let mut given = [0; 32];
    if secret.is_empty() || hex::decode_to_slice(digits, &mut given).is_err() {
        return false;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

/// What a callback says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// What became of messages, in the order of the body.
    pub reports: Vec<Report>,
    /// How many statuses were of a kind or a form that is not understood.
    pub not_understood: usize,
}

/// What became of one part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The Graph's id of the number that sent.
    pub phone_number_id: String,
    /// The provider's id of the message.
    pub provider_id: String,
    /// Our own mark, when the message was sent with one of ours.
    pub tracker: Option<Tracker>,
    /// What happened.
    pub fate: Fate,
    /// When, by the provider's clock.
    pub at: Option<UnixMillis>,
}

impl Report {
    /// What it says of the account that sent, if it says when.
    pub fn word(&self) -> Option<Word> {
        match &self.fate {
            Fate::Failed { hold, detail, .. } => Some(Word { hold: (*hold)?, at: self.at?, detail: detail.clone() }),
            Fate::Sent | Fate::Delivered | Fate::Read => None,
        }
    }
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The provider sent it.
    Sent,
    /// It reached a device.
    Delivered,
    /// It was opened or played.
    Read,
    /// It could not be delivered.
    Failed {
        /// Why.
        reason: FailReason,
        /// The provider's words, without numbers.
        detail: String,
        /// What it says of the account, when that is what the failure is about.
        hold: Option<ProviderHold>,
    },
}

/// Our mark on a part, which comes back with each report: `{message}.{part}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracker {
    /// The message.
    pub message: MessageId,
    /// The part, from 0.
    pub part: u8,
}

impl Tracker {
    /// Reads a mark; `None` when it is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (message, part) = text.split_once('.')?;
        let is_plain = !message.starts_with(MessageId::PUBLIC_PREFIX) && part.bytes().all(|b| b.is_ascii_digit());
        let tracker = Self { message: message.parse().ok()?, part: part.parse().ok()? };
        is_plain.then_some(tracker)
    }
}

/// A callback's body cannot be read at all.
#[derive(Debug)]
pub struct Unreadable;

/// Reads a callback's body.
///
/// # Errors
/// [`Unreadable`] when it is not JSON of a notification's outer form.
pub fn read(body: &[u8]) -> Result<Notification, Unreadable> {
    let form: NotificationForm<'_> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let mut notification = Notification::default();
    for change in form.entry.iter().flat_map(|entry| &entry.changes) {
        // Changes of other fields (templates, account alerts) have values of other forms.
        let Ok(value) = serde_json::from_str::<ValueForm<'_>>(change.value.get()) else { continue };
        for status in value.statuses {
            match report(&value.metadata.phone_number_id, status) {
                Some(report) => notification.reports.push(report),
                None => notification.not_understood += 1,
            }
        }
    }
    Ok(notification)
}

fn report(phone_number_id: &str, status: &RawValue) -> Option<Report> {
    let status: StatusForm<'_> = serde_json::from_str(status.get()).ok()?;
    let fate = match status.status.as_str() {
        "sent" => Fate::Sent,
        "delivered" => Fate::Delivered,
        "read" | "played" => Fate::Read,
        "failed" => failure::read(status.errors.map_or("", RawValue::get)),
        _ => return None,
    };
    Some(Report {
        phone_number_id: phone_number_id.to_owned(),
        provider_id: wamid::veiled(&status.id),
        tracker: status.biz_opaque_callback_data.as_deref().and_then(Tracker::parse),
        fate,
        at: status.timestamp,
    })
}

#[derive(Deserialize)]
struct NotificationForm<'a> {
    #[serde(borrow)]
    entry: Vec<EntryForm<'a>>,
}

#[derive(Deserialize)]
struct EntryForm<'a> {
    #[serde(borrow, default)]
    changes: Vec<ChangeForm<'a>>,
}

#[derive(Deserialize)]
struct ChangeForm<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct ValueForm<'a> {
    metadata: MetadataForm,
    #[serde(borrow, default)]
    statuses: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct MetadataForm {
    phone_number_id: String,
}

#[derive(Deserialize)]
struct StatusForm<'a> {
    id: String,
    status: String,
    #[serde(default, deserialize_with = "seconds")]
    timestamp: Option<UnixMillis>,
    #[serde(default)]
    biz_opaque_callback_data: Option<String>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

/// Unix seconds, as digits or as a number; anything else is no time.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixMillis>, D::Error> {
    let seconds = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(digits) => digits.parse::<i64>().ok(),
        serde_json::Value::Number(number) => number.as_i64(),
        _ => None,
    };
    Ok(seconds.and_then(|seconds| seconds.checked_mul(1_000)).filter(|ms| *ms >= 0).map(UnixMillis))
}
