//! WA-3: a message is refunded at most its price, and only for what failed, expired, was cancelled or was settled as not
//! sent.

use std::collections::BTreeMap;

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{Event, RefundItem};
use angelia_shared::ids::MessageId;

use super::{Break, must};

#[derive(Debug, Default)]
struct Message {
    price: u64,
    /// What each part costs, once an event said so.
    parts: BTreeMap<u8, u64>,
    /// What may be given back for each part.
    failed: BTreeMap<u8, u64>,
    /// What may be given back for the message as a whole: it expired or was cancelled.
    ended: u64,
    refunded: u64,
    refunded_parts: BTreeMap<u8, u64>,
}

impl Message {
    /// What may be given back, over all parts.
    fn due(&self) -> u64 {
        self.failed.values().sum::<u64>().saturating_add(self.ended)
    }
}

#[derive(Default)]
pub(super) struct Refunds {
    messages: BTreeMap<MessageId, Message>,
}

impl Refunds {
    pub(super) fn event(&mut self, event: &Event) -> Result<(), Break> {
        match event {
            Event::MessageAccepted(e) => self.of(e.message).price = e.credits.0,
            Event::AttemptStarted(e) => drop(self.of(e.message).parts.insert(e.part, e.credits.0)),
            Event::AttemptEnded(e) => {
                let failed = matches!(e.outcome, AttemptOutcome::Failed { .. });
                let message = self.of(e.message);
                message.parts.insert(e.part, e.credits.0);
                if failed {
                    message.failed.insert(e.part, e.credits.0);
                }
            }
            Event::PartRefused(e) => drop(self.of(e.message).failed.insert(e.part, e.credits.0)),
            Event::MessageExpired(e) => self.of(e.message).ended = e.credits.0,
            Event::MessageCancelled(e) => self.of(e.message).ended = e.credits.0,
            Event::MessageFailed(e) => self.part_failed(e.message, e.part),
            Event::OutcomeSettled(e) if e.policy == UnknownPolicy::Refund => self.part_failed(e.message, e.part),
            Event::CreditsRefunded(e) => {
                for item in &e.items {
                    self.refund(item)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What has failed and was not given back yet.
    pub(super) fn owed(&self) -> BTreeMap<MessageId, u64> {
        let owed = |message: &Message| message.due().min(message.price).saturating_sub(message.refunded);
        self.messages.iter().map(|(id, message)| (*id, owed(message))).filter(|(_, owed)| *owed > 0).collect()
    }

    /// What was given back, of every message that got something.
    pub(super) fn refunded(&self) -> BTreeMap<MessageId, u64> {
        self.messages.iter().map(|(id, message)| (*id, message.refunded)).filter(|(_, credits)| *credits > 0).collect()
    }

    fn of(&mut self, message: MessageId) -> &mut Message {
        self.messages.entry(message).or_default()
    }

    /// A part of which only the number is told costs what its attempt said, and never more than the whole message.
    fn part_failed(&mut self, message: MessageId, part: u8) {
        let message = self.of(message);
        let price = message.parts.get(&part).copied().unwrap_or(message.price);
        message.failed.insert(part, price);
    }

    fn refund(&mut self, item: &RefundItem) -> Result<(), Break> {
        let (id, credits) = (item.message, item.credits.0);
        let message = self.of(id);
        message.refunded += credits;
        *message.refunded_parts.entry(item.part).or_default() += credits;
        let (price, refunded) = (message.price, message.refunded);
        must("WA-3", credits > 0, || format!("a refund of nothing to {id}"))?;
        must("WA-3", refunded <= price, || format!("{id} cost {price} and was given back {refunded}"))?;
        let due = message.due();
        must("WA-3", refunded <= due, || format!("{id} was given back {refunded}, but only {due} of it failed"))?;
        let part_due = message.failed.get(&item.part).copied().unwrap_or(0) + message.ended;
        let part_refunded = message.refunded_parts[&item.part];
        must("WA-3", part_refunded <= part_due, || {
            format!("part {} of {id} was given back {part_refunded}, but {part_due} of it failed", item.part)
        })
    }
}
