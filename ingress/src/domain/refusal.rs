//! Every way in which a webhook call is refused, and the two forms of its answer.
//!
//! Shape: [`Refusal`] -> status, message, body; a message id -> the body of a success.
//!
//! Statuses belong to HTTP modules, but here the body repeats its status: the numbers are part of what a refusal says, and
//! two tables of them would drift apart.
//!
//! Not here: headers beyond the seconds of `Retry-After`, and deciding which refusal applies.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use angelia_shared::ids::MessageId;
use angelia_shared::units::Credits;
use serde::Serialize;

use super::idempotency_key::KeyFault;
use super::request_fault::RequestFault;

/// The largest body that is read, in bytes. One of this size is still accepted.
pub const BODY_BYTES_MAX: usize = 65_536;

/// Why a webhook call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is not JSON.
    InvalidJson {
        /// What was found.
        what: Cow<'static, str>,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1; 0 at the start of a line that ended too early.
        column: usize,
    },
    /// The body is JSON that breaks a rule.
    InvalidRequest(RequestFault),
    /// The `Idempotency-Key` cannot be used.
    InvalidKey(KeyFault),
    /// The wallet has less than the price.
    NotEnoughCredits {
        /// The price.
        needed: Credits,
        /// What the wallet has.
        available: Credits,
    },
    /// The owner switched the webhook off.
    WebhookDisabled,
    /// The token is unknown, or its URL was replaced.
    WebhookNotFound,
    /// No chat has that id or name.
    ChatNotFound,
    /// The workspace has no account with that number.
    AccountNotFound,
    /// Several chats of the sending account have that name.
    AmbiguousChatName,
    /// There is no active account to send from.
    NoActiveAccount,
    /// A call with the same key has not been answered yet.
    KeyInFlight,
    /// The method is not POST.
    MethodNotAllowed,
    /// The body has more than [`BODY_BYTES_MAX`] bytes.
    BodyTooLarge,
    /// The key was used with another body.
    KeyReused,
    /// The caller is over its rate limit.
    TooManyRequests {
        /// When to try again, in seconds.
        retry_after_s: u32,
    },
    /// The message cannot be written to the log now, or it cannot be known now whether it may be.
    LogUnavailable {
        /// When to try again, in seconds.
        retry_after_s: u32,
    },
}

impl Refusal {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::InvalidJson { .. } | Self::InvalidRequest(_) | Self::InvalidKey(_) => 400,
            Self::NotEnoughCredits { .. } => 402,
            Self::WebhookDisabled => 403,
            Self::WebhookNotFound | Self::ChatNotFound | Self::AccountNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AmbiguousChatName | Self::NoActiveAccount | Self::KeyInFlight => 409,
            Self::BodyTooLarge => 413,
            Self::KeyReused => 422,
            Self::TooManyRequests { .. } => 429,
            Self::LogUnavailable { .. } => 503,
        }
    }

    /// The sentence for the caller. It never repeats a value of the body, only keys.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::InvalidJson { what, line, column } => {
                format!("Request body is not valid JSON: {what} at line {line} column {column}").into()
            }
            Self::InvalidRequest(fault) => fault.to_string().into(),
            Self::InvalidKey(fault) => fault.to_string().into(),
            Self::NotEnoughCredits { needed, available } => {
                format!("Not enough message credits: {needed} needed, {available} available").into()
            }
            Self::WebhookDisabled => "Webhook is disabled".into(),
            Self::WebhookNotFound => "Webhook not found".into(),
            Self::ChatNotFound => "Chat not found".into(),
            Self::AccountNotFound => "WhatsApp account not found".into(),
            Self::AmbiguousChatName => "`chat_name` matches several chats, use `chat_id`".into(),
            Self::NoActiveAccount => "No active WhatsApp account to send from".into(),
            Self::KeyInFlight => "A request with the same Idempotency-Key is still in progress".into(),
            Self::MethodNotAllowed => "Use POST".into(),
            Self::BodyTooLarge => format!("Request body is larger than {BODY_BYTES_MAX} bytes").into(),
            Self::KeyReused => "Idempotency-Key was used with another body".into(),
            Self::TooManyRequests { .. } => "Too many requests".into(),
            Self::LogUnavailable { retry_after_s } => {
                format!("Messages cannot be accepted right now, try again in {retry_after_s} s").into()
            }
        }
    }

    /// The seconds of the `Retry-After` header, for the refusals that have one.
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::TooManyRequests { retry_after_s } | Self::LogUnavailable { retry_after_s } => Some(*retry_after_s),
            Self::InvalidJson { .. }
            | Self::InvalidRequest(_)
            | Self::InvalidKey(_)
            | Self::NotEnoughCredits { .. }
            | Self::WebhookDisabled
            | Self::WebhookNotFound
            | Self::ChatNotFound
            | Self::AccountNotFound
            | Self::AmbiguousChatName
            | Self::NoActiveAccount
            | Self::KeyInFlight
            | Self::MethodNotAllowed
            | Self::BodyTooLarge
            | Self::KeyReused => None,
        }
    }

    /// The answer's JSON: `{"status":404,"data":{},"message":"Webhook not found"}`.
    pub fn body(&self) -> Vec<u8> {
        json(&RefusedForm { status: self.status(), data: NoData {}, message: &self.message() })
    }
}

/// The JSON of a success: `{"status":"success","data":{"message_id":"wa_backend:3EB0…"}}`.
pub fn accepted_body(message: MessageId) -> Vec<u8> {
    json(&AcceptedForm { status: "success", data: AcceptedData { message_id: &message.public() } })
}

// Fields are written in the order of declaration, and callers may compare bytes.

#[derive(Serialize)]
struct RefusedForm<'a> {
    status: u16,
    data: NoData,
    message: &'a str,
}

#[derive(Serialize)]
struct NoData {}

#[derive(Serialize)]
struct AcceptedForm<'a> {
    status: &'static str,
    data: AcceptedData<'a>,
}

#[derive(Serialize)]
struct AcceptedData<'a> {
    message_id: &'a str,
}

fn json(form: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(form).expect("numbers and strings always have a JSON form")
}
