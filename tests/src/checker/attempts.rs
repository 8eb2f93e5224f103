//! DP-1 to DP-4: pace, order, claims, and no second try of what may have gone out.

use std::collections::BTreeMap;

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event};
use angelia_shared::ids::{AccountId, MessageId, Position};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::UnixMillis;

use super::{Break, must};

#[derive(Default)]
struct Account {
    /// End of the newest attempt.
    ended_at: Option<UnixMillis>,
    /// Acceptance of the newest attempt.
    newest: Position,
    /// The attempt under way.
    open: Option<(MessageId, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Open,
    Unknown,
    Sent,
    Failed,
    MayBeTried,
}

#[derive(Default)]
pub(super) struct Attempts {
    /// Newest claim of each partition; 0 after a release.
    claims: BTreeMap<Partition, u64>,
    accounts: BTreeMap<AccountId, Account>,
    parts: BTreeMap<(MessageId, u8), Part>,
    accepted: BTreeMap<MessageId, (Position, AccountId)>,
}

impl Attempts {
    pub(super) fn event(&mut self, subject: Subject, at: Position, event: &Event) -> Result<(), Break> {
        if let (Subject::PartitionClaim(part), Event::PartitionClaimed(_)) = (subject, event) {
            self.claims.insert(part, at.seq);
        }
        if let (Subject::PartitionClaim(part), Event::PartitionReleased(_)) = (subject, event) {
            self.claims.insert(part, 0);
        }
        if let Event::MessageAccepted(accepted) = event {
            self.accepted.insert(accepted.message, (at, accepted.account));
        }
        let Subject::Attempt(part, _, account) = subject else { return Ok(()) };
        let claim = match event {
            Event::AttemptStarted(e) => e.claim,
            Event::AttemptEnded(e) => e.claim,
            Event::PartRefused(e) => e.claim,
            Event::MessageExpired(e) => e.claim,
            Event::MessageCancelled(e) => e.claim,
            other => return Err(("DP-3", format!("{} on an attempt's subject", other.name()))),
        };
        let newest = self.claims.get(&part).copied().unwrap_or(0);
        must("DP-3", claim == newest && newest > 0, || {
            format!("{} under claim {claim} of partition {part}, whose newest is {newest}", event.name())
        })?;
        match event {
            Event::AttemptStarted(e) => self.started(account, e),
            Event::AttemptEnded(e) => self.ended(account, e),
            _ => Ok(()),
        }
    }

    fn started(&mut self, id: AccountId, e: &AttemptStarted) -> Result<(), Break> {
        let message = e.message;
        let accepted = self.accepted.get(&message).copied();
        must("DP-2", accepted == Some((e.accepted, id)), || {
            format!("an attempt of {message}, accepted at {}, but the log has it as {accepted:?}", e.accepted)
        })?;
        let account = self.accounts.entry(id).or_default();
        must("DP-1", account.open.is_none(), || {
            format!("account {id} begins {message} while {:?} is under way", account.open)
        })?;
        if let Some(ended_at) = account.ended_at {
            let earliest = ended_at.plus_ms(e.floor_ms);
            must("DP-1", e.at >= earliest, || {
                format!("account {id} begins {message} {} ms before its floor", earliest.ms_since(e.at))
            })?;
        }
        must("DP-2", e.accepted >= account.newest, || {
            format!("account {id} begins {message}, accepted at {}, after {}", e.accepted, account.newest)
        })?;
        account.newest = e.accepted;
        account.open = Some((message, e.attempt));
        let before = self.parts.insert((message, e.part), Part::Open);
        let may = match before {
            None | Some(Part::MayBeTried) => true,
            Some(Part::Open | Part::Unknown) => e.idempotent,
            Some(Part::Sent | Part::Failed) => false,
        };
        must("DP-4", may, || format!("part {} of {message} is tried again, but is {before:?}", e.part))
    }

    fn ended(&mut self, id: AccountId, e: &AttemptEnded) -> Result<(), Break> {
        let account = self.accounts.entry(id).or_default();
        must("DP-4", account.open == Some((e.message, e.attempt)), || {
            format!("attempt {} of {} ends, but account {id} has {:?} under way", e.attempt, e.message, account.open)
        })?;
        account.open = None;
        account.ended_at = Some(e.at);
        let part = match e.outcome {
            AttemptOutcome::Sent { .. } => Part::Sent,
            AttemptOutcome::Failed { .. } => Part::Failed,
            AttemptOutcome::Unknown { .. } => Part::Unknown,
            AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => Part::MayBeTried,
        };
        self.parts.insert((e.message, e.part), part);
        Ok(())
    }
}
