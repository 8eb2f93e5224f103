//! WA-3: a message is refunded at most its price, and only for what failed, expired, was cancelled or was settled as not
//! sent.

use angelia_shared::ids::MessageId;

use super::line::{Fact, Item, Outcome, Policy};
use super::message::Messages;
use super::{Break, must};

/// Checks what a fact says about what may be given back, and what is.
pub(super) fn fact(fact: &Fact<'_>, messages: &mut Messages) -> Result<(), Break> {
    match fact {
        Fact::AttemptStarted(e) => messages.of(e.message).part(e.part).price = Some(e.credits),
        Fact::AttemptEnded(e) => {
            let part = messages.of(e.message).part(e.part);
            part.price = Some(e.credits);
            if matches!(e.outcome, Outcome::Failed { .. }) {
                part.failed = e.credits;
            }
        }
        Fact::PartRefused(e) => messages.of(e.message).part(e.part).failed = e.credits,
        Fact::MessageExpired(e) | Fact::MessageCancelled(e) => messages.of(e.message).ended = e.credits,
        Fact::MessageFailed(e) => part_failed(messages, e.message, e.part),
        Fact::OutcomeSettled(e) if e.policy == Policy::Refund => part_failed(messages, e.message, e.part),
        Fact::CreditsRefunded(e) => return e.items.iter().try_for_each(|item| refund(messages, item)),
        _ => {}
    }
    Ok(())
}

/// A part of which only the number is told costs what its attempt said, and never more than the whole message.
fn part_failed(messages: &mut Messages, message: MessageId, part: u8) {
    let message = messages.of(message);
    let whole = message.price;
    let part = message.part(part);
    part.failed = part.price.unwrap_or(whole);
}

fn refund(messages: &mut Messages, item: &Item) -> Result<(), Break> {
    let (id, credits) = (item.message, item.credits);
    let message = messages.of(id);
    must("WA-3", message.accepted.is_some(), || format!("{id} is given credits back and was never accepted"))?;
    let ended = message.ended;
    let part = message.part(item.part);
    part.refunded = part.refunded.saturating_add(credits);
    let (part_refunded, part_due) = (part.refunded, part.failed.saturating_add(ended));
    let (price, refunded, due) = (message.price, message.refunded(), message.due());
    must("WA-3", credits > 0, || format!("a refund of nothing to {id}"))?;
    must("WA-3", refunded <= price, || format!("{id} cost {price} and was given back {refunded}"))?;
    must("WA-3", refunded <= due, || format!("{id} was given back {refunded}, but only {due} of it failed"))?;
    must("WA-3", part_refunded <= part_due, || {
        format!("part {} of {id} was given back {part_refunded}, but {part_due} of it failed", item.part)
    })
}
