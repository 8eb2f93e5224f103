//! How an attempt ends: what its answer means for the message, the account and the pace.

pub use angelia_shared::account_hold::PAUSE_MS;
use angelia_shared::event::attempt::{AttemptOutcome, OpenStage};
use angelia_shared::event::{AttemptEnded, Event};
use angelia_shared::units::{Credits, UnixMillis};

use super::{Account, CallResult, Hold, Stage};
use crate::domain::pace;
use crate::domain::plan::{Plan, Refused};
use crate::domain::put_off::{self, AfterPutOff};
use crate::transport::{FailReason, ProviderHold};

/// Messages of unknown outcome that an account remembers: every event of it carries them, about 10 kB. Without a bound a provider
/// that answers each call with a page would make events grow by 160 bytes a message until the deadline settles them: a gigabyte
/// an hour and account at the default pace, and in the end events that no record can hold.
const UNKNOWN_MAX: usize = 64;

impl Account {
    /// The event that ends the attempt at the front, if it has an answer or was interrupted.
    pub(super) fn end_attempt(&mut self, now: UnixMillis, claim: u64, mark: u64) -> Option<Event> {
        match std::mem::take(&mut self.stage) {
            Stage::Answered(plan, result, at) => Some(self.end_with(plan, result, at, claim, mark)),
            other @ (Stage::Fresh | Stage::Preparing | Stage::Ready(_) | Stage::Calling(_)) => {
                self.stage = other;
                // Not before its call must have ended: whoever takes over meanwhile must know that it may still run.
                let ends = self.is_blocked_by_interrupted() && now >= self.last_end;
                if ends { self.end_interrupted(now, claim, mark) } else { None }
            }
        }
    }

    /// Whether an attempt of an earlier owner must be ended before anything else. Where the transport recognises the
    /// id, the same part is sent again instead.
    pub(super) fn is_blocked_by_interrupted(&self) -> bool {
        self.progress.interrupted.is_some() && !self.settings.idempotent && !self.call_runs()
    }

    /// The event that leaves an attempt of an earlier owner unknown, if there is one.
    pub(super) fn end_interrupted(&mut self, now: UnixMillis, claim: u64, mark: u64) -> Option<Event> {
        let plan = self.plan_of_interrupted(self.progress.interrupted?);
        let detail = "the sender stopped during the call".to_owned();
        Some(self.end_with(plan, CallResult::Unknown { detail }, now, claim, mark))
    }

    fn end_with(&mut self, plan: Plan, result: CallResult, at: UnixMillis, claim: u64, mark: u64) -> Event {
        let front = self.queue.front().expect("an attempt belongs to the message at the front");
        let (attempt, part, parts) = (self.progress.attempt, self.progress.part, self.progress.parts);
        let credits = plan.get(usize::from(part)).map_or(Credits::ZERO, |part| part.credits);
        let gap_ms = pace::gap_ms(front.message, attempt, self.settings.gap_ms);
        self.last_end = self.last_end.max(at);
        self.memory.ended(at);
        self.not_before = self.not_before.max(at.plus_ms(gap_ms));
        self.stage = Stage::Ready(plan);
        let outcome = self.take_result(result, at);
        self.progress.reported = false;
        Event::AttemptEnded(Box::new(AttemptEnded {
            v: 1,
            message: front.message,
            attempt,
            part,
            parts,
            credits,
            claim,
            at,
            gap_ms,
            outcome,
            carry: self.carry(mark),
        }))
    }

    fn take_result(&mut self, result: CallResult, at: UnixMillis) -> AttemptOutcome {
        match result {
            CallResult::Sent { provider_id } => {
                self.next_part();
                AttemptOutcome::Sent { provider_id }
            }
            CallResult::Failed { reason, detail } => self.fail(reason, detail),
            CallResult::PutOff { scope, asked_ms, detail } => {
                // Waits for other reasons do not use up the tries that a provider's error has.
                let counted = scope.is_bounded();
                let tries = if counted { &mut self.progress.provider_errors } else { &mut self.progress.put_off };
                *tries = tries.saturating_add(1);
                match put_off::after(scope, u32::from(*tries), asked_ms) {
                    // An earlier owner's attempt of the same part may have gone out.
                    AfterPutOff::GiveUp if self.progress.interrupted.is_some() => self.unknown(detail, at),
                    AfterPutOff::GiveUp => self.fail(FailReason::ProviderError, detail),
                    AfterPutOff::TryAfterMs(wait_ms) => self.defer(scope.code(), detail, at, wait_ms),
                }
            }
            CallResult::Held { state, detail } => {
                // The hold itself began with the answer.
                self.defer(state.code(), detail, at, 0)
            }
            CallResult::Unknown { detail } => self.unknown(detail, at),
            CallResult::NotStarted => AttemptOutcome::NotStarted,
        }
    }

    /// The part has failed for good. A reason that lies in the recipient takes the other parts with it.
    fn fail(&mut self, reason: FailReason, detail: String) -> AttemptOutcome {
        if let Stage::Ready(plan) = &mut self.stage
            && lies_in_recipient(reason)
        {
            for part in plan.iter_mut().skip(usize::from(self.progress.part) + 1) {
                part.refused.get_or_insert(Refused { reason, detail: detail.clone() });
            }
        }
        self.next_part();
        AttemptOutcome::Failed { reason: reason.code().to_owned(), detail }
    }

    fn defer(&mut self, reason: &str, detail: String, at: UnixMillis, wait_ms: u64) -> AttemptOutcome {
        let until = at.plus_ms(wait_ms);
        self.progress.held_since.get_or_insert(at);
        self.progress.not_before = Some(until);
        AttemptOutcome::Deferred { reason: reason.to_owned(), detail, until }
    }

    /// Keeps the part among the unknown ones, unless a receipt has told of it meanwhile; it does not hold the queue. Beyond
    /// [`UNKNOWN_MAX`] the oldest is forgotten: it has left the queue for good, and its receipt or its deadline settles it.
    fn unknown(&mut self, detail: String, at: UnixMillis) -> AttemptOutcome {
        let front = self.queue.front().expect("an attempt belongs to the message at the front");
        if !self.progress.reported {
            let mut open = self.open_message(&front, OpenStage::Unknown);
            open.held_since = Some(at);
            // It is not tried again.
            open.media = None;
            self.unknown.push(open);
            self.unknown.drain(..self.unknown.len().saturating_sub(UNKNOWN_MAX));
        }
        self.next_part();
        AttemptOutcome::Unknown { detail }
    }

    /// The current part is over: the next one comes, or the next message.
    pub(super) fn next_part(&mut self) {
        let planned = match &self.stage {
            Stage::Ready(plan) => plan.len(),
            Stage::Fresh | Stage::Preparing | Stage::Calling(_) | Stage::Answered(..) => 0,
        };
        let parts = planned.max(usize::from(self.progress.parts));
        self.progress.part += 1;
        self.progress.parts = parts as u8;
        self.progress.provider_errors = 0;
        self.progress.put_off = 0;
        self.progress.interrupted = None;
        self.progress.held_since = None;
        self.progress.not_before = None;
        if usize::from(self.progress.part) >= parts {
            self.leave_front();
        } else if planned < parts {
            self.stage = Stage::Fresh;
        }
    }

    /// The plan of a message whose owner stopped during an attempt, as far as the log tells: the part's credits.
    fn plan_of_interrupted(&self, credits: Credits) -> Plan {
        let part = crate::domain::plan::PlannedPart { credits, refused: None };
        std::iter::repeat_n(part, usize::from(self.progress.part) + 1).collect()
    }
}

/// The hold that an answer of the provider is. The directory follows, and is what the owner sees and mends.
pub(super) fn hold_of(state: ProviderHold, at: UnixMillis) -> Hold {
    let until = match state {
        ProviderHold::ForNow => Some(at.plus_ms(PAUSE_MS)),
        ProviderHold::UntilMended => None,
    };
    Hold { reason: state.code(), since: at, until }
}

/// Whether every other part of the message would meet the same fate.
fn lies_in_recipient(reason: FailReason) -> bool {
    match reason {
        FailReason::RecipientNotANumber
        | FailReason::RecipientNotSupported
        | FailReason::RecipientNotOnWhatsapp
        | FailReason::RecipientIsTheSender
        | FailReason::RecipientNotAllowed
        | FailReason::RecipientOptedOut
        | FailReason::RecipientInExperiment
        | FailReason::MarketingLimit
        | FailReason::OutsideWindow => true,
        FailReason::MessageRejected
        | FailReason::MediaRejected
        | FailReason::ProviderError
        | FailReason::AttachmentLinkNotValid
        | FailReason::AttachmentAddressNotPublic
        | FailReason::AttachmentTooManyRedirects
        | FailReason::AttachmentLinkRefused
        | FailReason::AttachmentIsAWebPage
        | FailReason::AttachmentTooLarge
        | FailReason::AttachmentEmpty
        | FailReason::AttachmentUnavailable
        // Never an attempt's end.
        | FailReason::Expired
        | FailReason::Cancelled
        | FailReason::OutcomeUnknown
        | FailReason::NotExplained
        | FailReason::AccountHeld => false,
    }
}
