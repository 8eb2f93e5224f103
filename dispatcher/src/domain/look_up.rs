//! Which attempts of unknown outcome went out after all, by the provider's own list of what it took.
//!
//! Shape: (what the log tells of an account's attempts, what the provider took) -> the pairs that are certain. The list names
//! messages by the provider's ids and tells whom they went to, not which of our messages they are. So a message on it is
//! taken for an attempt's only when no other attempt can have made it: its id is not one that the log knows, and of all
//! attempts to that recipient whose outcome the log does not know, exactly one had begun by then and not long before.
//!
//! Invariants:
//! - LU-1 an attempt that did not go out is never paired, as long as nothing but this log's account sends with the number
//!   to that recipient within [`SENT_WITHIN_MS`]. What is missing on the list, or comes late, only makes fewer pairs.
//! - An answer is found or not; that something is *not* on the list settles nothing (the deadline does).
//!
//! Not here: when an account is looked up (see [`schedule`]), how the list is asked for (see each transport).

pub mod schedule;

use std::collections::{BTreeMap, HashSet};

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event, Receipt};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::units::UnixMillis;

use crate::transport::{FailReason, Fate, Taken};

/// By how much the provider's clock may be behind the stream's; its times are in whole seconds besides.
pub const CLOCKS_DIFFER_MS: u64 = 5_000;
/// How long after its start an attempt's message may be on the list for the first time, to be taken for it. The provider
/// usually takes a second.
pub const SENT_WITHIN_MS: u64 = 120_000;
/// How long after its start an attempt's message may still come up: so far back other attempts count as rivals.
pub const RIVALS_WITHIN_MS: u64 = 15 * 60_000;
/// An attempt whose outcome the log does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The message.
    pub message: MessageId,
    /// The part.
    pub part: u8,
    /// Where the message's acceptance is.
    pub accepted: Position,
    /// When its start was stored, by the stream's clock: the call began within the second after that.
    pub began: UnixMillis,
}

/// An account's attempts in a stretch of its log.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Those without an end, or whose end says that nobody knows.
    undecided: BTreeMap<(MessageId, u32), Undecided>,
    /// The provider's ids of those that were sent.
    sent: HashSet<String>,
}

impl Attempts {
    /// Takes the start of an attempt. `stored_at` is by the stream's clock: the clocks of the account's owners may differ.
    pub fn started(&mut self, fact: &AttemptStarted, stored_at: UnixMillis) {
        let undecided = Undecided { message: fact.message, part: fact.part, accepted: fact.accepted, began: stored_at };
        self.undecided.insert((fact.message, fact.attempt), undecided);
    }

    /// Takes the end of an attempt.
    pub fn ended(&mut self, fact: &AttemptEnded) {
        match &fact.outcome {
            AttemptOutcome::Unknown { .. } => return,
            AttemptOutcome::Sent { provider_id } => {
                self.sent.insert(provider_id.clone());
            }
            AttemptOutcome::Failed { .. } | AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => {}
        }
        self.undecided.remove(&(fact.message, fact.attempt));
    }

    /// Whether every rival of what is sought is among these attempts, which are all from `from` on.
    pub fn have_all_rivals(&self, sought: &[(MessageId, u8)], from: UnixMillis) -> bool {
        sought.iter().all(|(message, part)| {
            let mut tries = self.undecided().filter(|attempt| (attempt.message, attempt.part) == (*message, *part));
            tries.next().is_some_and(|attempt| from.plus_ms(RIVALS_WITHIN_MS) <= attempt.began)
        })
    }

    /// Those whose outcome the log does not tell.
    pub fn undecided(&self) -> impl Iterator<Item = Undecided> {
        self.undecided.values().copied()
    }

    /// What was taken of them for certain. `to` is the recipient of each undecided attempt, as [`Taken::to`] writes it; `None`
    /// where it cannot be read, which makes the attempt a rival of every other.
    pub fn pairs<'a>(
        &self,
        taken: &'a [Taken],
        to: impl Fn(&Undecided) -> Option<String>,
    ) -> Vec<(Undecided, &'a Taken)> {
        let undecided: Vec<_> = self.undecided().map(|attempt| (attempt, to(&attempt))).collect();
        // By the place of the only attempt that can have made it.
        let mut made: BTreeMap<usize, Vec<&Taken>> = BTreeMap::new();
        for taken in taken.iter().filter(|taken| !self.sent.contains(&taken.provider_id)) {
            let mut makers = undecided.iter().enumerate().filter(|(_, (attempt, to))| {
                let same = to.as_ref().zip(taken.to.as_ref()).is_none_or(|(to, other)| to == other);
                same && taken.first().is_some_and(|first| can_have_made(attempt.began, first))
            });
            if let (Some((place, _)), None) = (makers.next(), makers.next()) {
                made.entry(place).or_default().push(taken);
            }
        }
        let pairs = made.into_iter().filter_map(|(place, made)| {
            let (attempt, to) = &undecided[place];
            // One attempt makes one message. If there are two, somebody else sends with this number, too.
            let [taken] = made[..] else { return None };
            let in_time = taken.first().is_some_and(|first| first <= attempt.began.plus_ms(SENT_WITHIN_MS));
            (in_time && to.is_some() && *to == taken.to).then_some((*attempt, taken))
        });
        pairs.collect()
    }
}

/// Whether what first came up at `first`, by the provider's clock, can be of an attempt that began then.
fn can_have_made(began: UnixMillis, first: UnixMillis) -> bool {
    first.plus_ms(CLOCKS_DIFFER_MS) >= began && first <= began.plus_ms(RIVALS_WITHIN_MS)
}

/// What is written of an attempt that was found on the list at `now`: each report as the provider would have made it.
pub fn receipts(
    (workspace, account): (WorkspaceId, AccountId),
    (attempt, taken): (Undecided, &Taken),
    now: UnixMillis,
) -> Vec<Event> {
    let receipt = |at: UnixMillis| Receipt {
        v: 1,
        message: attempt.message,
        workspace,
        account,
        part: attempt.part,
        at,
        received_at: now,
        provider_id: Some(taken.provider_id.clone()),
        reason: None,
        detail: None,
        looked_up: true,
    };
    let event = |(fate, at): (&Fate, UnixMillis)| match fate {
        Fate::Sent => Event::MessageSent(receipt(at)),
        Fate::Delivered => Event::MessageDelivered(receipt(at)),
        Fate::Read => Event::MessageRead(receipt(at)),
        // The list has words and no code.
        Fate::Failed(detail) => Event::MessageFailed(Receipt {
            reason: Some(FailReason::NotExplained.code().to_owned()),
            detail: Some(detail.clone()),
            ..receipt(at)
        }),
    };
    taken.reports.iter().map(|report| event((&report.fate, report.at))).collect()
}

#[cfg(test)]
mod tests;
