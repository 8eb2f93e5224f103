//! What is still said of a call whose owner lost its partition before it could write the end down.
//!
//! Shape: ([`Fenced`], what came of it) -> a receipt, or nothing. A result belongs to the claim under which its call started:
//! under a later one it ends no attempt.
//!
//! Invariants:
//! - Only what no later attempt can belie is told. Where the same part is sent again with the same id, a failure is not final:
//!   the new owner's attempt may succeed.
//! - What was put off or not started is dropped; the message is unknown then, and its deadline settles it.

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{Event, Receipt};
use angelia_shared::ids::{AccountId, MessageId, WorkspaceId};
use angelia_shared::units::UnixMillis;

use super::account::CallResult;

/// A call whose claim is not the newest any more.
#[derive(Clone, Copy, Debug)]
pub struct Fenced {
    /// Whose.
    pub workspace: WorkspaceId,
    /// The account that sent.
    pub account: AccountId,
    /// Whether its transport sends again with the same id without sending twice.
    pub idempotent: bool,
    /// The message.
    pub message: MessageId,
    /// The part.
    pub part: u8,
}

impl Fenced {
    /// What is told of the result of a call that nobody has heard of.
    pub fn result(self, result: CallResult, at: UnixMillis) -> Option<Event> {
        self.outcome(&outcome(result), at)
    }

    /// What is told of an end that could not be stored.
    pub fn outcome(self, outcome: &AttemptOutcome, at: UnixMillis) -> Option<Event> {
        let receipt = |provider_id: Option<&String>, failure: Option<(&String, &String)>| Receipt {
            v: 1,
            message: self.message,
            workspace: self.workspace,
            account: self.account,
            part: self.part,
            at,
            received_at: at,
            provider_id: provider_id.cloned(),
            reason: failure.map(|(reason, _)| reason.clone()),
            detail: failure.map(|(_, detail)| detail.clone()),
            looked_up: false,
        };
        match outcome {
            AttemptOutcome::Sent { provider_id } => Some(Event::MessageSent(receipt(Some(provider_id), None))),
            AttemptOutcome::Failed { reason, detail } if !self.idempotent => {
                Some(Event::MessageFailed(receipt(None, Some((reason, detail)))))
            }
            AttemptOutcome::Failed { .. }
            | AttemptOutcome::Deferred { .. }
            | AttemptOutcome::Unknown { .. }
            | AttemptOutcome::NotStarted => None,
        }
    }
}

/// The outcome of a result whose account's rules are gone. A failed provider try may be tried again by the new owner.
fn outcome(result: CallResult) -> AttemptOutcome {
    match result {
        CallResult::Sent { provider_id } => AttemptOutcome::Sent { provider_id },
        CallResult::Failed { reason, detail } => AttemptOutcome::Failed { reason: reason.code().to_owned(), detail },
        CallResult::PutOff { detail, .. } | CallResult::Held { detail, .. } | CallResult::Unknown { detail } => {
            AttemptOutcome::Unknown { detail }
        }
        CallResult::NotStarted => AttemptOutcome::NotStarted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{FailReason, PutOffScope};

    const NOW: UnixMillis = UnixMillis(4);

    fn fenced(idempotent: bool) -> Fenced {
        Fenced { workspace: WorkspaceId(1), account: AccountId(2), idempotent, message: MessageId(3), part: 0 }
    }

    #[test]
    fn what_a_fenced_owner_tells_is_only_what_no_later_attempt_can_belie() {
        let told =
            |outcome: &AttemptOutcome, idempotent| fenced(idempotent).outcome(outcome, NOW).map(|event| event.name());
        let sent = AttemptOutcome::Sent { provider_id: String::new() };
        let failed = AttemptOutcome::Failed { reason: String::new(), detail: String::new() };
        let others = [
            AttemptOutcome::Unknown { detail: String::new() },
            AttemptOutcome::Deferred { reason: String::new(), detail: String::new(), until: UnixMillis(0) },
            AttemptOutcome::NotStarted,
        ];
        assert_eq!([told(&sent, false), told(&sent, true)], [Some("MessageSent"); 2]);
        assert_eq!([told(&failed, false), told(&failed, true)], [Some("MessageFailed"), None]);
        assert!(others.iter().all(|other| told(other, false).is_none() && told(other, true).is_none()));
    }

    #[test]
    fn of_a_result_it_tells_the_same_as_of_its_end() {
        let told = |result: CallResult| fenced(false).result(result, NOW).map(|event| event.name());
        let detail = String::new;
        assert_eq!(told(CallResult::Sent { provider_id: detail() }), Some("MessageSent"));
        let reason = FailReason::MessageRejected;
        assert_eq!(told(CallResult::Failed { reason, detail: detail() }), Some("MessageFailed"));
        let scope = PutOffScope::Provider;
        for result in [
            CallResult::PutOff { scope, asked_ms: None, detail: detail() },
            CallResult::Unknown { detail: detail() },
            CallResult::NotStarted,
        ] {
            assert_eq!(told(result), None);
        }
    }
}
