//! Codes in words: states, reasons, what holds a message, what happened. A code that is not known yet is shown as it is.

use angelia_shared::query::MessageState;

use super::words::{self as w, Text};

/// How something is meant: its colour, which is never the only sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Somebody should look.
    Warning,
    /// It failed.
    Bad,
    /// Neither.
    Plain,
}

/// A message's state.
pub(crate) fn state(state: MessageState) -> (Text, Tone) {
    match state {
        MessageState::Queued => (w::STATE_QUEUED, Tone::Busy),
        MessageState::Sending => (w::STATE_SENDING, Tone::Busy),
        MessageState::Unknown => (w::STATE_UNKNOWN, Tone::Warning),
        MessageState::Sent => (w::STATE_SENT, Tone::Good),
        MessageState::Failed => (w::STATE_FAILED, Tone::Bad),
        MessageState::Delivered => (w::STATE_DELIVERED, Tone::Good),
        MessageState::Read => (w::STATE_READ, Tone::Good),
        MessageState::Cancelled => (w::STATE_CANCELLED, Tone::Plain),
    }
}

/// The state's code, as the API has it.
pub(crate) fn state_code(state: MessageState) -> &'static str {
    match state {
        MessageState::Queued => "queued",
        MessageState::Sending => "sending",
        MessageState::Unknown => "unknown",
        MessageState::Sent => "sent",
        MessageState::Failed => "failed",
        MessageState::Delivered => "delivered",
        MessageState::Read => "read",
        MessageState::Cancelled => "cancelled",
    }
}

/// An account's state.
pub(crate) fn account(state: &str) -> (Option<Text>, Tone) {
    match state {
        "connected" => (Some(w::CONNECTED), Tone::Good),
        "disconnected" => (Some(w::DISCONNECTED), Tone::Plain),
        "paused" => (Some(w::PAUSED), Tone::Warning),
        "blocked" => (Some(w::BLOCKED), Tone::Bad),
        _ => (None, Tone::Plain),
    }
}

/// Why a message failed, and what to do about it; none for a code that is not known here.
pub(crate) fn reason(code: &str) -> Option<Text> {
    Some(match code {
        "recipient_not_a_number" => w::REASON_NOT_A_NUMBER,
        "recipient_not_supported" => w::REASON_NOT_SUPPORTED,
        "recipient_not_on_whatsapp" => w::REASON_NOT_ON_WHATSAPP,
        "recipient_is_the_sender" => w::REASON_IS_SENDER,
        "recipient_not_allowed" => w::REASON_NOT_ALLOWED,
        "recipient_opted_out" => w::REASON_OPTED_OUT,
        "recipient_in_experiment" => w::REASON_EXPERIMENT,
        "marketing_limit" => w::REASON_MARKETING,
        "outside_window" => w::REASON_WINDOW,
        "message_rejected" => w::REASON_REJECTED,
        "media_rejected" => w::REASON_MEDIA,
        "provider_error" => w::REASON_PROVIDER,
        "attachment_link_not_valid" => w::REASON_LINK_NOT_VALID,
        "attachment_address_not_public" => w::REASON_NOT_PUBLIC,
        "attachment_too_many_redirects" => w::REASON_REDIRECTS,
        "attachment_link_refused" => w::REASON_LINK_REFUSED,
        "attachment_is_a_web_page" => w::REASON_WEB_PAGE,
        "attachment_too_large" => w::REASON_TOO_LARGE,
        "attachment_empty" => w::REASON_EMPTY,
        "attachment_unavailable" => w::REASON_UNAVAILABLE,
        "expired" => w::REASON_EXPIRED,
        "cancelled" => w::REASON_CANCELLED,
        "outcome_unknown" => w::REASON_UNKNOWN,
        "not_explained" => w::REASON_NOT_EXPLAINED,
        "account_held" => w::REASON_ACCOUNT_HELD,
        _ => return None,
    })
}

/// What an entry of a timeline adds, where it is no word of the provider.
pub(crate) fn added(code: &str) -> Option<Text> {
    match code {
        "looked_up" => Some(w::LOOKED_UP),
        code => reason(code),
    }
}

/// What holds a waiting message: the sentence and the number in it.
pub(crate) fn held_by(code: Option<&str>) -> (Text, String) {
    let text = match code {
        None => w::HELD_NOTHING,
        Some("account_gap") => w::HELD_GAP,
        Some("recipient_gap") => w::HELD_RECIPIENT_GAP,
        Some("cap") => w::HELD_CAP,
        Some("quiet_hours") => w::HELD_QUIET,
        Some("put_off") => w::HELD_PUT_OFF,
        Some("paused") => w::HELD_PAUSED,
        Some("disconnected") => w::HELD_DISCONNECTED,
        Some("blocked") => w::HELD_BLOCKED,
        Some("removed") => w::HELD_REMOVED,
        Some("not_in_directory") => w::HELD_NOT_IN_DIRECTORY,
        Some("time_zone_not_known") => w::HELD_TIME_ZONE,
        Some(code) => match code.strip_prefix("behind ") {
            Some(ahead) => return (w::HELD_BEHIND, ahead.to_owned()),
            None => return (w::HELD_OTHER, code.to_owned()),
        },
    };
    (text, String::new())
}

/// What an entry of a timeline means.
pub(crate) fn event(name: &str, detail: Option<&str>) -> Option<(Text, Tone)> {
    let code = detail.unwrap_or_default().split(';').next().unwrap_or_default();
    Some(match name {
        "MessageAccepted" => (w::EVENT_ACCEPTED, Tone::Plain),
        "CancelRequested" => (w::EVENT_CANCEL_REQUESTED, Tone::Plain),
        "AttemptStarted" => (w::EVENT_STARTED, Tone::Busy),
        "AttemptEnded" => match code {
            "sent" => (w::EVENT_ENDED_SENT, Tone::Good),
            "unknown" => (w::EVENT_ENDED_UNKNOWN, Tone::Warning),
            "not_started" => (w::EVENT_ENDED_NOT_STARTED, Tone::Plain),
            code if reason(code).is_some() => (w::EVENT_ENDED_FAILED, Tone::Bad),
            _ => (w::EVENT_PUT_OFF, Tone::Warning),
        },
        "PartRefused" => (w::EVENT_PART_REFUSED, Tone::Bad),
        "MessageExpired" => (w::EVENT_EXPIRED, Tone::Bad),
        "MessageCancelled" => (w::EVENT_CANCELLED, Tone::Plain),
        "MessageSent" => (w::EVENT_SENT, Tone::Good),
        "MessageDelivered" => (w::EVENT_DELIVERED, Tone::Good),
        "MessageRead" => (w::EVENT_READ, Tone::Good),
        "MessageFailed" => (w::EVENT_FAILED, Tone::Bad),
        "OutcomeSettled" if code == "charge" => (w::EVENT_SETTLED_CHARGE, Tone::Plain),
        "OutcomeSettled" => (w::EVENT_SETTLED_REFUND, Tone::Bad),
        "CreditsRefunded" => (w::EVENT_REFUNDED, Tone::Plain),
        "KeyUsed" => (w::EVENT_KEY_USED, Tone::Plain),
        _ => return None,
    })
}

/// What a refusal of the webhook means for whoever set it up.
pub(crate) fn refusal(status: u16) -> Text {
    match status {
        400 => w::WHY_400,
        402 => w::WHY_402,
        403 => w::WHY_403,
        404 => w::WHY_404,
        405 => w::WHY_405,
        409 => w::WHY_409,
        413 => w::WHY_413,
        422 => w::WHY_422,
        429 => w::WHY_429,
        503 => w::WHY_503,
        _ => w::WHY_OTHER,
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::fail_reason::FailReason;

    use super::*;
    use crate::domain::console::language::Language;

    #[test]
    fn every_reason_that_a_message_can_fail_with_has_a_sentence() {
        for code in FailReason::ALL.map(FailReason::code) {
            assert!(reason(code).is_some(), "{code}");
        }
    }

    #[test]
    fn what_was_looked_up_is_said_in_words() {
        let text = added("looked_up").expect("a sentence").with(Language::English, &[]);
        assert!(text.contains("answer was lost"), "{text}");
        assert!(added("expired") == reason("expired") && added("code 131026").is_none());
    }

    #[test]
    fn what_holds_a_message_is_said_in_words() {
        let say = |code| {
            let (text, n) = held_by(code);
            text.with(Language::English, &[("n", &n), ("code", &n)])
        };
        assert_eq!(say(Some("behind 3")), "its turn: 3 messages stand before it");
        assert!(say(Some("disconnected")).contains("connect it"));
        assert!(say(Some("removed")).contains("was removed"));
        assert!(say(Some("not_in_directory")).contains("not known yet"));
        assert!(say(Some("time_zone_not_known")).contains("time zone"));
        assert_eq!(say(Some("something_new")), "something_new");
        assert!(say(None).starts_with("nothing"));
    }

    #[test]
    fn an_attempt_that_is_put_off_is_no_failure() {
        let tone = |detail| event("AttemptEnded", Some(detail)).map(|(_, tone)| tone);
        assert_eq!(tone("provider"), Some(Tone::Warning));
        assert_eq!(tone("provider_error"), Some(Tone::Bad));
        assert_eq!(tone("sent; 3 earlier entries are only in the log"), Some(Tone::Good));
        assert_eq!(event("SomethingNew", None), None);
    }
}
