//! DP-1 to DP-4: pace, order, claims, and no second try of what may have gone out.

use std::collections::HashMap;

use angelia_shared::ids::{AccountId, MessageId, Position};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::UnixMillis;

use super::line::{Ended, Fact, Outcome, Started};
use super::message::{Messages, Stage};
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

#[derive(Default)]
pub(super) struct Attempts {
    /// Newest claim of each partition; 0 after a release.
    claims: HashMap<Partition, u64>,
    accounts: HashMap<AccountId, Account>,
}

impl Attempts {
    pub(super) fn fact(
        &mut self,
        subject: Subject,
        at: Position,
        fact: &Fact<'_>,
        messages: &mut Messages,
    ) -> Result<(), Break> {
        if let (Subject::PartitionClaim(part), Fact::PartitionClaimed(_)) = (subject, fact) {
            self.claims.insert(part, at.seq);
        }
        if let (Subject::PartitionClaim(part), Fact::PartitionReleased(_)) = (subject, fact) {
            self.claims.insert(part, 0);
        }
        let Subject::Attempt(part, _, account) = subject else { return Ok(()) };
        let claim = match fact {
            Fact::AttemptStarted(e) => e.claim,
            Fact::AttemptEnded(e) => e.claim,
            Fact::PartRefused(e) => e.claim,
            Fact::MessageExpired(e) | Fact::MessageCancelled(e) => e.claim,
            // Nothing else was let onto an attempt's subject.
            _ => return Ok(()),
        };
        let newest = self.claims.get(&part).copied().unwrap_or(0);
        must("DP-3", claim == newest && newest > 0, || {
            format!("{} under claim {claim} of partition {part}, whose newest is {newest}", fact.name())
        })?;
        match fact {
            Fact::AttemptStarted(e) => self.started(account, e, messages),
            Fact::AttemptEnded(e) => self.ended(account, e, messages),
            _ => Ok(()),
        }
    }

    fn started(&mut self, id: AccountId, e: &Started, messages: &mut Messages) -> Result<(), Break> {
        let message = e.message;
        let number = messages.account(id);
        let accepted = messages.of(message).accepted;
        must("DP-2", accepted == Some((e.accepted, number)), || {
            let told = accepted.map_or("nowhere".to_owned(), |(at, _)| format!("at {at}"));
            format!("account {id} attempts {message}, accepted at {}, but the log has it {told}", e.accepted)
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
        let before = messages.of(message).part(e.part).stage.replace(Stage::Open);
        let may = match before {
            None | Some(Stage::MayBeTried) => true,
            Some(Stage::Open | Stage::Unknown) => e.idempotent,
            Some(Stage::Sent | Stage::Failed) => false,
        };
        must("DP-4", may, || format!("part {} of {message} is tried again, but is {before:?}", e.part))
    }

    fn ended(&mut self, id: AccountId, e: &Ended, messages: &mut Messages) -> Result<(), Break> {
        let account = self.accounts.entry(id).or_default();
        must("DP-4", account.open == Some((e.message, e.attempt)), || {
            format!("attempt {} of {} ends, but account {id} has {:?} under way", e.attempt, e.message, account.open)
        })?;
        account.open = None;
        account.ended_at = Some(e.at);
        let stage = match e.outcome {
            Outcome::Sent { .. } => Stage::Sent,
            Outcome::Failed { .. } => Stage::Failed,
            Outcome::Unknown { .. } => Stage::Unknown,
            Outcome::Deferred { .. } | Outcome::NotStarted => Stage::MayBeTried,
        };
        messages.of(e.message).part(e.part).stage = Some(stage);
        Ok(())
    }
}
