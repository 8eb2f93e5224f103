//! What a fact makes of a message.
//!
//! Each function checks everything before it changes anything.

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{AttemptEnded, AttemptStarted, OutcomeSettled, PartRefused, Receipt};
use angelia_shared::fail_reason::FailReason;
use angelia_shared::query::MessageState;
use angelia_shared::units::{Credits, UnixMillis};

use super::super::contradiction::Broken;
use super::super::refund::{CANCELLED, EXPIRED, OUTCOME_UNKNOWN};
use super::{Message, Part};

/// Reason code of a failure that the provider did not explain.
const NOT_EXPLAINED: &str = FailReason::NotExplained.code();

/// What an event tells of how a message is divided: which part it is about, of how many, and its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Division {
    /// The part, from 0.
    part: u8,
    /// How many there are.
    parts: u8,
    /// What the part costs.
    credits: Credits,
}

impl From<&AttemptStarted> for Division {
    fn from(fact: &AttemptStarted) -> Self {
        Self { part: fact.part, parts: fact.parts, credits: fact.credits }
    }
}

impl From<&PartRefused> for Division {
    fn from(fact: &PartRefused) -> Self {
        Self { part: fact.part, parts: fact.parts, credits: fact.credits }
    }
}

/// Which of the four receipts it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The provider took the part.
    Sent,
    /// It reached the recipient's device.
    Delivered,
    /// The recipient opened it.
    Read,
    /// The provider could not deliver it.
    Failed,
}

/// What a receipt did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It is about a part that was never attempted: nothing of ours. A provider's claim is no fact of the log.
    Stray,
}

impl Message {
    /// An attempt was begun.
    ///
    /// # Errors
    /// DP-4, or the message is over, or WA-3.
    pub fn started(&mut self, fact: &AttemptStarted) -> Result<(), Broken> {
        self.must_not_be_over()?;
        let unknown = self.part(fact.part).is_some_and(|part| part.state == MessageState::Unknown);
        if !fact.idempotent && (self.open_attempt.is_some() || unknown) {
            return Err(Broken::AttemptWhileOpen(self.id));
        }
        let part = self.divide(fact.into())?;
        part.begun = true;
        part.raise(MessageState::Sending);
        self.open_attempt = Some(fact.attempt);
        self.refresh();
        Ok(())
    }

    /// An attempt has ended.
    ///
    /// # Errors
    /// When no such attempt is open.
    pub fn ended(&mut self, fact: &AttemptEnded) -> Result<(), Broken> {
        if self.open_attempt != Some(fact.attempt) || self.part(fact.part).is_none() {
            return Err(Broken::EndWithoutAttempt(self.id));
        }
        self.open_attempt = None;
        match &fact.outcome {
            AttemptOutcome::Sent { provider_id } => {
                self.part_mut(fact.part).note_provider_id(provider_id);
                self.sent(fact.part);
            }
            AttemptOutcome::Failed { reason, detail } => self.lost(fact.part, reason, detail),
            AttemptOutcome::Unknown { .. } => self.unknown(fact.part, fact.at),
            // It will be tried again: a state never moves down.
            AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => {}
        }
        self.refresh();
        Ok(())
    }

    /// A part will never be tried.
    ///
    /// # Errors
    /// When an attempt is open, the message is over, or WA-3.
    pub fn refused(&mut self, fact: &PartRefused) -> Result<(), Broken> {
        self.must_not_be_over()?;
        let unknown = self.part(fact.part).is_some_and(|part| part.state == MessageState::Unknown);
        if self.open_attempt.is_some() || unknown {
            return Err(Broken::AttemptWhileOpen(self.id));
        }
        self.divide(fact.into())?;
        self.lost(fact.part, &fact.reason, &fact.detail);
        self.refresh();
        Ok(())
    }

    /// The message was held too long: what had not gone out never will. `credits` is what the event gives back.
    ///
    /// # Errors
    /// When an attempt is open, the message is over, or more would be given back than it cost or the event says.
    pub fn expired(&mut self, credits: Credits, held_by: &str) -> Result<(), Broken> {
        self.must_not_be_over()?;
        if self.open_attempt.is_some() {
            return Err(Broken::AttemptWhileOpen(self.id));
        }
        let told: u64 = self.parts.iter().map(|part| part.price().0).sum();
        let mut rest = Credits(self.credits.0.saturating_sub(told));
        let mut parts = self.parts.clone();
        if parts.is_empty() {
            parts.push(Part::new());
        }
        let mut owed = Credits::ZERO;
        for part in parts.iter_mut().filter(|part| part.state <= MessageState::Sending) {
            // A part that no event has priced costs what the others leave.
            let price = *part.credits.get_or_insert_with(|| std::mem::take(&mut rest));
            owed = Credits(owed.0.saturating_add(price.0));
        }
        // Less than the event says is right when a receipt has told of a part meanwhile; more never is.
        if owed > credits || credits > self.credits {
            return Err(Broken::RefundTooLarge(self.id));
        }
        self.parts = parts;
        for at in 0..self.parts.len() {
            if self.parts[at].state <= MessageState::Sending {
                self.lost(at as u8, EXPIRED, held_by);
            }
        }
        self.over = true;
        self.left_queue = true;
        self.refresh();
        Ok(())
    }

    /// The message was cancelled before any attempt.
    ///
    /// # Errors
    /// When it was begun or is over.
    pub fn cancelled(&mut self) -> Result<(), Broken> {
        if !self.parts.is_empty() {
            return Err(Broken::AfterItsEnd(self.id));
        }
        let mut part = Part { state: MessageState::Cancelled, credits: Some(self.credits), ..Part::new() };
        part.note_reason(CANCELLED);
        part.money.lost();
        self.parts.push(part);
        self.over = true;
        self.refresh();
        Ok(())
    }

    /// The provider reported something of a part.
    pub fn reported(&mut self, report: Report, fact: &Receipt) -> Outcome {
        // A call is made only after its attempt is in the log, so what was never begun cannot have been taken.
        if self.part(fact.part).is_none_or(|part| !part.begun) {
            return Outcome::Stray;
        }
        if let Some(id) = &fact.provider_id {
            self.part_mut(fact.part).note_provider_id(id);
        }
        match report {
            Report::Sent => self.sent(fact.part),
            Report::Delivered => self.arrived(fact.part, MessageState::Delivered),
            Report::Read => self.arrived(fact.part, MessageState::Read),
            Report::Failed => {
                let reason = fact.reason.as_deref().unwrap_or(NOT_EXPLAINED);
                self.lost(fact.part, reason, fact.detail.as_deref().unwrap_or_default());
            }
        }
        self.refresh();
        Outcome::Taken
    }

    /// A deadline decided. Changes nothing when a receipt was faster.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn settled(&mut self, fact: &OutcomeSettled) -> Result<(), Broken> {
        let part = self.part(fact.part).ok_or(Broken::NoSuchPart(self.id))?;
        if part.state != MessageState::Unknown {
            return Ok(());
        }
        self.part_mut(fact.part).money.settle(fact.policy);
        match fact.policy {
            UnknownPolicy::Refund => self.lost(fact.part, OUTCOME_UNKNOWN, "nobody knows whether it went out"),
            UnknownPolicy::Charge => self.sent(fact.part),
        }
        self.refresh();
        Ok(())
    }

    /// Credits of a part were given back.
    ///
    /// # Errors
    /// WA-3.
    pub fn refund(&mut self, part: u8, credits: Credits) -> Result<(), Broken> {
        let id = self.id;
        let part = self.parts.get_mut(usize::from(part)).ok_or(Broken::RefundOfNothing(id))?;
        part.money.refund(credits, part.credits.unwrap_or_default(), id)
    }

    fn part(&self, part: u8) -> Option<&Part> {
        self.parts.get(usize::from(part))
    }

    fn part_mut(&mut self, part: u8) -> &mut Part {
        &mut self.parts[usize::from(part)]
    }

    /// Takes what an event tells of the parts, and their number at its largest; returns the part that it is about.
    fn divide(&mut self, division: Division) -> Result<&mut Part, Broken> {
        let known = self.part(division.part).and_then(|part| part.credits);
        let others: u64 = self.parts.iter().map(|part| part.price().0).sum::<u64>() - known.unwrap_or_default().0;
        let fits = others.checked_add(division.credits.0).is_some_and(|sum| sum <= self.credits.0);
        if division.part >= division.parts || !fits || known.is_some_and(|known| known != division.credits) {
            return Err(Broken::PartsCostMore(self.id));
        }
        while self.parts.len() < usize::from(division.parts) {
            self.parts.push(Part::new());
        }
        let part = self.part_mut(division.part);
        part.credits = Some(division.credits);
        Ok(part)
    }

    /// Whether anything may still be begun.
    fn must_not_be_over(&self) -> Result<(), Broken> {
        if self.over { Err(Broken::AfterItsEnd(self.id)) } else { Ok(()) }
    }

    fn sent(&mut self, part: u8) {
        let part = self.part_mut(part);
        part.raise(MessageState::Sent);
        part.money.sent();
    }

    fn arrived(&mut self, part: u8, state: MessageState) {
        let part = self.part_mut(part);
        part.raise(state);
        part.money.delivered();
    }

    fn lost(&mut self, part: u8, reason: &str, detail: &str) {
        let part = self.part_mut(part);
        part.raise(MessageState::Failed);
        part.note_reason(reason);
        part.money.lost();
        self.note_failure(reason, detail);
    }

    fn unknown(&mut self, part: u8, at: UnixMillis) {
        let part = self.part_mut(part);
        part.raise(MessageState::Unknown);
        if part.state == MessageState::Unknown {
            part.unknown_since.get_or_insert(at);
        }
    }
}
