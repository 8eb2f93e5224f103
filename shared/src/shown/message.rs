//! A message as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::event::Content;
use crate::event::message::To;
use crate::fail_reason::sentence_of;
use crate::ids::{AccountId, Position};
use crate::query::{MessageState, MessageView};
use crate::units::Credits;

/// The form of a message's id.
pub(super) const MESSAGE_ID_PATTERN: &str = "^wa_backend:3EB0[0-9A-F]{16}$";

/// A message. The names are the contract's.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Message")]
pub struct MessageShown {
    /// Its id, as callers see it.
    #[schemars(regex(pattern = MESSAGE_ID_PATTERN))]
    pub id: String,
    /// Its state.
    pub state: MessageState,
    /// Reason code of a failure.
    pub reason: Option<String>,
    /// What that code means and what to do about it, in a sentence for people.
    pub reason_text: Option<&'static str>,
    /// The failure in the provider's words, or what held an expired message.
    pub detail: Option<String>,
    /// The account that sends it.
    pub account_id: AccountId,
    /// The webhook that took it.
    pub webhook_id: String,
    /// The recipient as the caller named it; none when its content was erased, or nobody may open it.
    pub to: Option<String>,
    /// Which kind of name that is.
    pub to_kind: Option<&'static str>,
    /// Its price.
    pub credits: Credits,
    /// What was given back.
    pub refunded: Credits,
    /// When it was accepted, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub accepted_at: String,
    /// Its parts, once an attempt was made.
    pub parts: Vec<PartShown>,
    /// What happened, oldest first.
    pub timeline: Vec<EntryShown>,
    /// Its place in its account's queue, from 1, while it is queued.
    pub position: Option<u64>,
    /// When its turn is expected, RFC 3339: known only to a running installation.
    #[schemars(extend("format" = "date-time"))]
    pub expected_at: Option<String>,
    /// What holds it: known only to a running installation.
    pub held_by: Option<String>,
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "MessagePart")]
pub struct PartShown {
    /// Number, from 0.
    pub part: u8,
    /// Its state.
    pub state: MessageState,
    /// What it costs of the message's price.
    pub credits: Credits,
    /// WhatsApp's id, with zeros for the recipient's number in it; of one in an unknown form its digest.
    pub provider_id: Option<String>,
    /// Reason code of a failure.
    pub reason: Option<String>,
    /// What happened and what to do about it, in a sentence.
    pub reason_text: Option<&'static str>,
}

/// One event of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TimelineEntry")]
pub struct EntryShown {
    /// When, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// The event's name.
    pub event: String,
    /// Where it is in the log.
    pub id: Position,
    /// The part that it is about, from 0; none when it is about the whole message.
    pub part: Option<u8>,
    /// What it adds, in a few words.
    pub detail: Option<String>,
}

impl MessageShown {
    /// Shows a message, with its recipient when its content could be opened.
    pub fn of(message: MessageView, content: Option<Content>) -> Self {
        let ahead = message.ahead.filter(|_| message.state == MessageState::Queued);
        let (to, to_kind) = match content.map(|content| content.to) {
            None => (None, None),
            Some(To::ChatId(id)) => (Some(id), Some("chat_id")),
            Some(To::Jid(jid)) => (Some(jid), Some("jid")),
            Some(To::Phone(phone)) => (Some(phone), Some("phone")),
            Some(To::ChatName(name)) => (Some(name), Some("chat_name")),
        };
        let parts = message.parts.into_iter().map(|part| PartShown {
            part: part.part,
            state: part.state,
            credits: part.credits,
            provider_id: part.provider_id,
            reason_text: part.reason.as_deref().map(sentence_of),
            reason: part.reason,
        });
        let timeline = message.timeline.into_iter().map(|entry| EntryShown {
            at: entry.at.to_rfc3339(),
            event: entry.event,
            id: entry.position,
            part: entry.part,
            detail: entry.detail,
        });
        Self {
            id: message.message.public(),
            state: message.state,
            reason_text: message.reason.as_deref().map(sentence_of),
            reason: message.reason,
            detail: message.detail,
            account_id: message.account,
            webhook_id: message.webhook.to_string(),
            to,
            to_kind,
            credits: message.credits,
            refunded: message.refunded,
            accepted_at: message.accepted_at.to_rfc3339(),
            parts: parts.collect(),
            timeline: timeline.collect(),
            position: ahead.map(|ahead| ahead.saturating_add(1)),
            expected_at: None,
            held_by: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail_reason::FailReason;
    use crate::ids::{MessageId, WebhookId};
    use crate::query::PartView;
    use crate::units::UnixMillis;

    fn failed(reason: Option<&str>) -> MessageShown {
        let reason = reason.map(str::to_owned);
        let part = PartView {
            part: 0,
            state: MessageState::Failed,
            credits: Credits(1),
            provider_id: None,
            reason: reason.clone(),
        };
        let view = MessageView {
            message: MessageId(1),
            accepted: Position::new(1, 0),
            accepted_at: UnixMillis(0),
            webhook: WebhookId(2),
            account: AccountId(3),
            state: MessageState::Failed,
            reason,
            detail: None,
            credits: Credits(1),
            refunded: Credits(1),
            parts: vec![part],
            timeline: Vec::new(),
            sealed: None,
            ahead: None,
        };
        MessageShown::of(view, None)
    }

    #[test]
    fn a_failure_is_shown_with_its_code_and_its_sentence() {
        for reason in FailReason::ALL {
            let shown = serde_json::to_value(failed(Some(reason.code()))).expect("it is plain");
            for of in [&shown, &shown["parts"][0]] {
                assert_eq!((&of["reason"], &of["reason_text"]), (&reason.code().into(), &reason.sentence().into()));
            }
        }
        assert_eq!((failed(None).reason_text, failed(None).parts[0].reason_text), (None, None));
    }
}
