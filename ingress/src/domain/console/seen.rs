//! The API's answers as the console reads them. What an answer has beyond these fields is of no interest here.

use serde::Deserialize;

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    #[serde(default)]
    pub(crate) next_cursor: Option<String>,
}

/// A webhook.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) enabled: bool,
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) previous_url_until: Option<String>,
}

/// A call of a webhook.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Activation {
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) caller: Option<String>,
    pub(crate) status: u16,
    pub(crate) message_id: Option<String>,
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Option<String>,
}

/// An account.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) phone: String,
    pub(crate) transport: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) state_reason: Option<String>,
    #[serde(default)]
    pub(crate) paused_until: Option<String>,
    #[serde(default)]
    pub(crate) connected_at: Option<String>,
    pub(crate) created_at: String,
    pub(crate) pace: Pace,
    #[serde(default)]
    pub(crate) phone_number_id: String,
    #[serde(default)]
    pub(crate) base_url: String,
    #[serde(default)]
    pub(crate) callback_url: String,
    pub(crate) queued: Option<u64>,
    pub(crate) next_send_at: Option<String>,
}

/// An account's pace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Pace {
    pub(crate) gap_ms: (u64, u64),
    #[serde(default)]
    pub(crate) hourly_cap: Option<u64>,
    #[serde(default)]
    pub(crate) daily_cap: Option<u64>,
    #[serde(default)]
    pub(crate) quiet_hours: Option<QuietHours>,
    #[serde(default)]
    pub(crate) recipient_gap_ms: Option<u64>,
    #[serde(default)]
    pub(crate) warm_up: Option<WarmUp>,
}

/// When an account is quiet.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct QuietHours {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) time_zone: String,
}

/// How an account's cap grows.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct WarmUp {
    pub(crate) first_day: u64,
    pub(crate) more_each_day: u64,
    pub(crate) days: u64,
}

/// A chat.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Chat {
    pub(crate) id: String,
    pub(crate) account_id: String,
    pub(crate) jid: String,
    pub(crate) name: String,
}

impl Chat {
    /// Whether it is a group, by its JID.
    pub(crate) fn is_group(&self) -> bool {
        self.jid.ends_with("@g.us")
    }
}

/// A wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Credits {
    pub(crate) granted: u64,
    pub(crate) consumed: u64,
    pub(crate) refunded: u64,
    pub(crate) available: u64,
    pub(crate) as_of_seq: u64,
}

/// A message.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) state: angelia_shared::query::MessageState,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
    pub(crate) account_id: String,
    pub(crate) webhook_id: String,
    #[serde(default)]
    pub(crate) to: Option<String>,
    pub(crate) credits: u64,
    pub(crate) refunded: u64,
    pub(crate) accepted_at: String,
    #[serde(default)]
    pub(crate) parts: Vec<Part>,
    #[serde(default)]
    pub(crate) timeline: Vec<Entry>,
    #[serde(default)]
    pub(crate) position: Option<u64>,
    #[serde(default)]
    pub(crate) expected_at: Option<String>,
    #[serde(default)]
    pub(crate) held_by: Option<String>,
}

/// A part of a message.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Part {
    pub(crate) part: u8,
    pub(crate) state: angelia_shared::query::MessageState,
    pub(crate) credits: u64,
    #[serde(default)]
    pub(crate) provider_id: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// Something that happened to a message.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: String,
    pub(crate) event: String,
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) part: Option<u8>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
}

/// A token.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) label: String,
    pub(crate) created_at: String,
}

/// What a webhook answers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct HookAnswer {
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) data: HookData,
}

/// What a webhook answers when it accepts.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct HookData {
    #[serde(default)]
    pub(crate) message_id: Option<String>,
}

/// What came of a link.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LinkChecked {
    pub(crate) ok: bool,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) bytes: Option<u64>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<String>,
}
