//! Charges and refunds as they would have been.

use std::collections::HashMap;

use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{Event, MessageAccepted};
use angelia_shared::ids::{MessageId, WorkspaceId};
use angelia_shared::subject::Subject;
use angelia_shared::units::UnixMillis;
use smallvec::SmallVec;

use super::Days;
use super::policy::{Policy, UnknownOutcome};
use crate::domain::refund::OUTCOME_UNKNOWN;

/// Everything, in percent.
const WHOLE: u128 = 100;

struct Message {
    workspace: WorkspaceId,
    accepted_at: UnixMillis,
    /// What it cost, and what it would have cost; nothing when it would have been refused.
    was: u64,
    would: Option<u64>,
    /// Credits of the old price that are given back, each times its percent.
    weighted: u128,
    /// What would have been given back so far.
    given: u64,
    /// What each part cost, once an attempt said so.
    parts: SmallVec<[(u8, u64); 1]>,
}

/// Wallets and messages as they would have been.
#[derive(Default)]
pub(super) struct Money {
    available: HashMap<WorkspaceId, u128>,
    messages: HashMap<MessageId, Message>,
}

impl Money {
    pub(super) fn event(&mut self, subject: Subject, event: &Event, policy: &Policy, days: &mut Days) {
        match (subject, event) {
            (Subject::Wallet(workspace), Event::CreditsGranted(e)) => {
                *self.available.entry(workspace).or_default() += u128::from(e.credits.0);
            }
            (_, Event::MessageAccepted(e)) => self.accepted(e, policy, days),
            (_, Event::AttemptStarted(e)) => {
                if let Some(message) = self.messages.get_mut(&e.message)
                    && message.parts.iter().all(|(part, _)| *part != e.part)
                {
                    message.parts.push((e.part, e.credits.0));
                }
            }
            (Subject::Wallet(_), Event::CreditsRefunded(e)) => {
                for item in &e.items {
                    let unknown = policy.refunds.unknown_outcome;
                    let kept = item.reason == OUTCOME_UNKNOWN && unknown == Some(UnknownOutcome::Charge);
                    let percent = if kept { 0 } else { policy.percent(&item.reason) };
                    if let Some(message) = self.messages.get(&item.message) {
                        days.of(message.workspace, e.at).refunded.was += item.credits.0;
                    }
                    self.give_back(item.message, item.credits.0, percent, e.at, days);
                }
            }
            (_, Event::OutcomeSettled(e))
                if e.policy == UnknownPolicy::Charge
                    && policy.refunds.unknown_outcome == Some(UnknownOutcome::Refund) =>
            {
                let parts = self.messages.get(&e.message).map(|message| message.parts.clone()).unwrap_or_default();
                let cost = parts.iter().find(|(part, _)| *part == e.part).map_or(0, |(_, credits)| *credits);
                self.give_back(e.message, cost, policy.percent(OUTCOME_UNKNOWN), e.at, days);
            }
            _ => {}
        }
    }

    fn accepted(&mut self, e: &MessageAccepted, policy: &Policy, days: &mut Days) {
        let price = policy.price(e.has_text, e.has_file, e.credits.0);
        let available = self.available.entry(e.workspace).or_default();
        let left = available.checked_sub(u128::from(price));
        let day = days.of(e.workspace, e.at);
        day.charged.was += e.credits.0;
        match left {
            Some(left) => {
                *available = left;
                day.charged.would += price;
            }
            None => day.refused.would += 1,
        }
        let message = Message {
            workspace: e.workspace,
            accepted_at: e.at,
            was: e.credits.0,
            would: left.map(|_| price),
            weighted: 0,
            given: 0,
            parts: SmallVec::new(),
        };
        self.messages.insert(e.message, message);
    }

    /// Gives back `percent` of what `credits` of the old price are of the new one. Rounding is over the whole message, so
    /// that all of its parts together come to its price.
    fn give_back(&mut self, id: MessageId, credits: u64, percent: u64, at: UnixMillis, days: &mut Days) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let (Some(price), true) = (message.would, message.was > 0) else { return };
        message.weighted += u128::from(credits) * u128::from(percent);
        let all = u128::from(price) * message.weighted / (u128::from(message.was) * WHOLE);
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        let now = all.saturating_sub(message.given);
        message.given += now;
        days.of(message.workspace, at).refunded.would += now;
        *self.available.entry(message.workspace).or_default() += u128::from(now);
    }

    /// Whose a message is, when it was accepted, and whether it would have been.
    pub(super) fn message(&self, id: MessageId) -> Option<(WorkspaceId, UnixMillis, bool)> {
        self.messages.get(&id).map(|message| (message.workspace, message.accepted_at, message.would.is_some()))
    }
}
