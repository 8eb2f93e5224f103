//! Which attempts of unknown outcome went out after all, by the provider's own list of what it took.
//!
//! Shape: (what the log tells of an account's attempts, what the provider took) -> the pairs that are certain. The list names
//! messages by the provider's ids and tells whom they went to, not which of our messages they are. So a message on it is
//! taken for an attempt's only when no other attempt can have made it: the log does not know its id, and of all attempts to
//! that recipient whose outcome the log does not tell, exactly one had begun by then and not long before.
//!
//! Invariants:
//! - LU-1 an attempt that did not go out is never paired, as long as this log is the only one that sends with the number, and
//!   the provider's clock is within [`PROVIDER_CLOCK_MS`] of the stream's. What is missing on the list, or comes late, only
//!   makes fewer pairs; and a message that nothing here can have made shows that somebody else sends: then there are none.
//! - An answer is found or not; that something is *not* on the list settles nothing (the deadline does).
//!
//! Not here: when an account is looked up (see [`schedule`]), how the list is asked for (see each transport).

pub mod schedule;

use std::collections::{BTreeMap, HashSet};

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event, Receipt};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::units::UnixMillis;
use angelia_shared::wamid;

use crate::transport::{FailReason, Fate, Taken};

/// By how much the provider's clock may differ from the stream's; its times are in whole seconds besides.
pub const PROVIDER_CLOCK_MS: u64 = 5_000;
/// How long after its start an attempt's message may be on the list for the first time, to be taken for it. The provider
/// usually takes a second.
pub const SENT_WITHIN_MS: u64 = 120_000;
/// How long after its start an attempt's message may still come up: so far back other attempts count as rivals.
pub const RIVALS_WITHIN_MS: u64 = 15 * 60_000;
/// Digits by which two numbers are perhaps one: countries and providers differ in what stands before them.
const LAST_DIGITS: usize = 7;

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

/// The list shows messages that nothing in this log can have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SomebodyElseSends;

/// An account's attempts from a point of its log on.
#[derive(Debug)]
pub struct Attempts {
    /// From when on, by the stream's clock.
    from: UnixMillis,
    /// Those without an end, or whose end says that nobody knows.
    undecided: BTreeMap<(MessageId, u32), Undecided>,
    /// The provider's ids of those that were sent.
    sent: HashSet<String>,
}

impl Attempts {
    /// None yet of those from `from` on.
    pub fn from(from: UnixMillis) -> Self {
        Self { from, undecided: BTreeMap::new(), sent: HashSet::new() }
    }

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
                // Events of earlier versions have it as the provider wrote it.
                self.sent.insert(wamid::veiled(provider_id));
            }
            AttemptOutcome::Failed { .. } | AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => {}
        }
        self.undecided.remove(&(fact.message, fact.attempt));
    }

    /// Whether every rival of what is sought is among these attempts.
    pub fn have_all_rivals(&self, sought: &[(MessageId, u8)]) -> bool {
        sought.iter().all(|(message, part)| {
            let mut tries = self.undecided.values().filter(|tried| (tried.message, tried.part) == (*message, *part));
            tries.next().is_some_and(|attempt| self.from.plus_ms(RIVALS_WITHIN_MS) <= attempt.began)
        })
    }

    /// What is on the list and may be of an attempt whose outcome the log does not tell.
    ///
    /// # Errors
    /// [`SomebodyElseSends`] when something on it can be of no attempt at all.
    pub fn not_known<'a>(&self, taken: &'a [Taken]) -> Result<Vec<&'a Taken>, SomebodyElseSends> {
        let mut not_known = Vec::new();
        for taken in taken.iter().filter(|taken| !self.sent.contains(&taken.provider_id)) {
            // Without the time when it was sent nothing is said of who made it: it may have been read days later.
            let Some(sent_at) = taken.sent_at() else { continue };
            if self.makers(sent_at).next().is_some() {
                not_known.push(taken);
            } else if sent_at >= self.from.plus_ms(RIVALS_WITHIN_MS + PROVIDER_CLOCK_MS) {
                return Err(SomebodyElseSends);
            }
        }
        Ok(not_known)
    }

    /// The attempts that can have made any of these, by the time alone.
    pub fn makers_of(&self, not_known: &[&Taken]) -> Vec<Undecided> {
        let made_one = |attempt: &Undecided| {
            not_known.iter().filter_map(|taken| taken.sent_at()).any(|sent_at| can_have_made(attempt.began, sent_at))
        };
        self.undecided.values().copied().filter(made_one).collect()
    }

    /// What was taken of them for certain. `to` is the recipient of each attempt, as [`Taken::to`] writes it; `None` where it
    /// cannot be read, which makes the attempt a rival of every other.
    ///
    /// # Errors
    /// [`SomebodyElseSends`] when something can be of no attempt to its recipient.
    pub fn pairs<'a>(
        &self,
        not_known: &[&'a Taken],
        to: impl Fn(&Undecided) -> Option<String>,
    ) -> Result<Vec<(Undecided, &'a Taken)>, SomebodyElseSends> {
        let undecided: Vec<_> = self.undecided.values().map(|attempt| (*attempt, to(attempt))).collect();
        // By the place of the only attempt that can have made it.
        let mut made: BTreeMap<usize, Vec<&Taken>> = BTreeMap::new();
        for taken in not_known {
            let Some(sent_at) = taken.sent_at() else { continue };
            let mut makers = undecided.iter().enumerate().filter(|(_, (attempt, to))| {
                let may_be = to.as_ref().zip(taken.to.as_ref()).is_none_or(|(to, other)| may_be_the_same(to, other));
                may_be && can_have_made(attempt.began, sent_at)
            });
            match (makers.next(), makers.next()) {
                (Some((place, _)), None) => made.entry(place).or_default().push(taken),
                (Some(_), Some(_)) => {}
                (None, _) if sent_at >= self.from.plus_ms(RIVALS_WITHIN_MS + PROVIDER_CLOCK_MS) => {
                    return Err(SomebodyElseSends);
                }
                (None, _) => {}
            }
        }
        let pairs = made.into_iter().filter_map(|(place, made)| {
            let (attempt, to) = &undecided[place];
            // One attempt makes one message. If there are two, they are not told apart.
            let [taken] = made[..] else { return None };
            let in_time = taken.sent_at().is_some_and(|sent_at| sent_at <= attempt.began.plus_ms(SENT_WITHIN_MS));
            (in_time && to.is_some() && *to == taken.to).then_some((*attempt, taken))
        });
        Ok(pairs.collect())
    }

    fn makers(&self, sent_at: UnixMillis) -> impl Iterator<Item = &Undecided> {
        self.undecided.values().filter(move |attempt| can_have_made(attempt.began, sent_at))
    }
}

/// Whether what was sent at `sent_at`, by the provider's clock, can be of an attempt that began then.
fn can_have_made(began: UnixMillis, sent_at: UnixMillis) -> bool {
    sent_at.plus_ms(PROVIDER_CLOCK_MS) >= began && sent_at <= began.plus_ms(RIVALS_WITHIN_MS)
}

/// Whether two recipients may be one, however each is spelled.
fn may_be_the_same(one: &str, other: &str) -> bool {
    let last = |to: &str| to.char_indices().rev().nth(LAST_DIGITS - 1).map_or(0, |(at, _)| at);
    one[last(one)..] == other[last(other)..]
}

/// Whether the provider's clock is near enough to the stream's for the list's times to be compared with those of the log.
/// `streams` is what the stream's clock showed, at most, when `providers` was seen.
pub fn clocks_agree(providers: UnixMillis, streams: UnixMillis) -> bool {
    // The list's times are rounded down to seconds, too.
    providers.plus_ms(PROVIDER_CLOCK_MS - 1_000) >= streams && providers <= streams.plus_ms(PROVIDER_CLOCK_MS)
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
