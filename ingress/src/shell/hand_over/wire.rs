//! What two processes say to each other about a keyed call, in JSON.
//!
//! The order travels as its event's line, so that a process of another version can tell whether it would lose something of
//! it: what it does not write back byte for byte it gives back.

use std::time::Duration;

use angelia_shared::event::{Digest, MessageAccepted};
use angelia_shared::ids::{MessageId, WorkspaceId};
use angelia_shared::units::Credits;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::hand_over::Came;
use crate::domain::key_map::KeyHash;
use crate::domain::refusal::Refusal;
use crate::shell::admission::{KeyTicket, Order, UNAVAILABLE};

/// Version of these forms; another one is given back.
const VERSION: u8 = 1;

/// A call to be decided.
#[derive(Serialize, Deserialize)]
struct HandOver<'a> {
    v: u8,
    /// Never the key itself, which may hold personal data.
    key: Digest,
    fingerprint: Digest,
    workspace: WorkspaceId,
    /// How long the asker waits.
    within_ms: u64,
    /// The acceptance to be; none when the asker refuses it, should its key be unused.
    #[serde(borrow)]
    order: Option<&'a RawValue>,
}

/// A call that another process wants decided.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) key: KeyHash,
    pub(super) fingerprint: Digest,
    pub(super) workspace: WorkspaceId,
    pub(super) within: Duration,
    pub(super) event: Option<MessageAccepted>,
}

/// What the owner says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Accepted(MessageId),
    Unused,
    NotEnoughCredits {
        needed: Credits,
        available: Credits,
    },
    KeyInFlight,
    KeyReused,
    Unavailable {
        retry_after_s: u32,
    },
    /// Given back untouched.
    NotTaken,
}

/// What the owner decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The log has this message for the key.
    Accepted(MessageId),
    /// The key is unused, and there was no order.
    Unused,
    /// It is refused.
    Refused(Refusal),
}

/// The request that hands a call over.
pub(super) fn hand_over(ticket: &KeyTicket, order: Option<&Order>, within: Duration) -> Bytes {
    let order =
        order.map(|order| serde_json::value::to_raw_value(&order.event).expect("an event always has a JSON form"));
    let call = HandOver {
        v: VERSION,
        key: ticket.key().into(),
        fingerprint: ticket.fingerprint(),
        workspace: ticket.workspace(),
        within_ms: within.as_millis() as u64,
        order: order.as_deref(),
    };
    serde_json::to_vec(&call).expect("plain values always have a JSON form").into()
}

/// Reads a request; `None` when this process would not decide the same call.
pub(super) fn read(payload: &[u8]) -> Option<Handed> {
    let call: HandOver<'_> = serde_json::from_slice(payload).ok().filter(|call: &HandOver<'_>| call.v == VERSION)?;
    let event = match call.order {
        None => None,
        Some(line) => {
            let event: MessageAccepted = serde_json::from_str(line.get()).ok()?;
            let is_whole = serde_json::to_string(&event).is_ok_and(|again| again == line.get());
            Some(event).filter(|event| is_whole && event.workspace == call.workspace).map(Some)?
        }
    };
    Some(Handed {
        key: call.key.into(),
        fingerprint: call.fingerprint,
        workspace: call.workspace,
        within: Duration::from_millis(call.within_ms),
        event,
    })
}

/// The answer to a call; `None` gives it back.
pub(super) fn answer(decision: Option<Decision>) -> Bytes {
    let answer = match decision {
        None => Answer::NotTaken,
        Some(Decision::Accepted(message)) => Answer::Accepted(message),
        Some(Decision::Unused) => Answer::Unused,
        Some(Decision::Refused(refusal)) => of_refusal(&refusal),
    };
    serde_json::to_vec(&answer).expect("plain values always have a JSON form").into()
}

/// Deciding a key ends in few of all refusals; the others are the asker's to make.
fn of_refusal(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::NotEnoughCredits { needed, available } => {
            Answer::NotEnoughCredits { needed: *needed, available: *available }
        }
        Refusal::KeyInFlight => Answer::KeyInFlight,
        Refusal::KeyReused => Answer::KeyReused,
        Refusal::LogUnavailable { retry_after_s } => Answer::Unavailable { retry_after_s: *retry_after_s },
        Refusal::InvalidJson { .. }
        | Refusal::InvalidRequest(_)
        | Refusal::InvalidKey(_)
        | Refusal::WebhookDisabled
        | Refusal::WebhookNotFound
        | Refusal::ChatNotFound
        | Refusal::AccountNotFound
        | Refusal::AmbiguousChatName
        | Refusal::NoActiveAccount
        | Refusal::MethodNotAllowed
        | Refusal::BodyTooLarge
        | Refusal::TooManyRequests { .. } => {
            debug_assert!(false, "{refusal:?} is not what deciding a key ends in");
            of_refusal(&UNAVAILABLE)
        }
    }
}

/// Reads an owner's answer. From one that cannot be read nobody knows what became of the order.
pub(super) fn read_answer(payload: &[u8]) -> Came<Decision> {
    let refused = |refusal| Came::Decided(Decision::Refused(refusal));
    match serde_json::from_slice(payload) {
        Ok(Answer::Accepted(message)) => Came::Decided(Decision::Accepted(message)),
        Ok(Answer::Unused) => Came::Decided(Decision::Unused),
        Ok(Answer::NotEnoughCredits { needed, available }) => refused(Refusal::NotEnoughCredits { needed, available }),
        Ok(Answer::KeyInFlight) => refused(Refusal::KeyInFlight),
        Ok(Answer::KeyReused) => refused(Refusal::KeyReused),
        Ok(Answer::Unavailable { retry_after_s }) => refused(Refusal::LogUnavailable { retry_after_s }),
        Ok(Answer::NotTaken) => Came::NotTaken,
        Err(_) => Came::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_never_change_because_replicas_of_two_versions_talk_to_each_other() {
        let digest = |digit: &str| digit.repeat(64);
        let request = format!(
            r#"{{"v":1,"key":"{}","fingerprint":"{}","workspace":"00000000000000000000000007","within_ms":6000,"order":null}}"#,
            digest("a"),
            digest("b"),
        );
        let handed = read(request.as_bytes()).expect("a call without an order");
        assert_eq!((handed.key.to_string(), handed.fingerprint.to_string()), (digest("a"), digest("b")));
        assert_eq!((handed.workspace, handed.within), (WorkspaceId(7), Duration::from_secs(6)));
        assert!(handed.event.is_none());
        assert!(read(request.replace(r#""v":1"#, r#""v":2"#).as_bytes()).is_none());
        let (needed, available) = (Credits(2), Credits(1));
        let poor = Decision::Refused(Refusal::NotEnoughCredits { needed, available });
        assert_eq!(answer(Some(poor)), r#"{"not_enough_credits":{"needed":2,"available":1}}"#);
        assert_eq!(answer(Some(Decision::Unused)), r#""unused""#);
    }

    #[test]
    fn every_decision_reads_back() {
        let refusals = [
            Refusal::NotEnoughCredits { needed: Credits(2), available: Credits(1) },
            Refusal::KeyInFlight,
            Refusal::KeyReused,
            Refusal::LogUnavailable { retry_after_s: 1 },
        ];
        let decisions = [Decision::Accepted(MessageId(7)), Decision::Unused];
        for decision in decisions.into_iter().chain(refusals.map(Decision::Refused)) {
            assert_eq!(read_answer(&answer(Some(decision.clone()))), Came::Decided(decision));
        }
        assert_eq!(read_answer(&answer(None)), Came::NotTaken);
        assert_eq!(read_answer(b"{\"later_versions\":1}"), Came::Silent);
        assert_eq!(read_answer(b""), Came::Silent);
    }
}
