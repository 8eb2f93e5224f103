//! Folds what happens to messages.

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{CancelRequested, Event, KeyUsed, MessageAccepted, OutcomeSettled, Receipt};
use angelia_shared::ids::{MessageId, Position};
use angelia_shared::query::{Moved, StatementKind};
use angelia_shared::units::UnixMillis;

use super::super::acceptance::{Acceptance, Accepted};
use super::super::contradiction::Broken;
use super::super::index::{self, Shadow};
use super::super::keys;
use super::super::lanes::Lane;
use super::super::message::{Happened, Message, Outcome, Report};
use super::super::queue::Queue;
use super::super::statement::Sums;
use super::super::table::Tables;
use super::super::wallet::Wallet;
use super::{Fold, Owner};

impl<T: Tables> Fold<'_, T> {
    pub(super) fn accepted(&mut self, at: Position, fact: &MessageAccepted) -> Result<(), T::Error> {
        let workspace = fact.workspace;
        if self.tables.get::<Acceptance>(&fact.message)?.is_some() {
            return self.contradiction(at, Some(workspace), Broken::AcceptedTwice(fact.message));
        }
        let queue_key = (workspace, fact.account);
        let mut queue: Queue = self.tables.get(&queue_key)?.unwrap_or_default();
        queue.accepted += 1;
        self.tables.put(&queue_key, &queue);
        self.tables.put(&fact.message, &Acceptance(at));
        self.shared.accepted::<T>(Accepted::of(fact, at.line, queue.accepted));
        self.charge(at, fact)
    }

    fn charge(&mut self, at: Position, fact: &MessageAccepted) -> Result<(), T::Error> {
        let workspace = fact.workspace;
        let lane_key = (fact.writer, workspace);
        let lane: Lane = self.tables.get(&lane_key)?.unwrap_or_default();
        let (lane, overspent) = lane.spending(fact.credits, fact.writer);
        self.tables.put(&lane_key, &lane);
        let wallet: Wallet = self.tables.get(&workspace)?.unwrap_or_default();
        let before = Sums::of(&wallet);
        let consumed = wallet.consumed(fact.credits);
        let wallet = consumed.clone().unwrap_or(wallet);
        self.tables.put(&workspace, &wallet);
        let line = Moved {
            at: fact.at,
            kind: StatementKind::Charge,
            credits: fact.credits,
            message: Some(fact.message),
            reason: None,
        };
        self.shared.line::<T>(workspace, at, before, line);
        for broken in overspent.into_iter().chain(consumed.err()) {
            self.contradiction(at, Some(workspace), broken)?;
        }
        Ok(())
    }

    pub(super) fn cancel_requested(&mut self, at: Position, fact: &CancelRequested) -> Result<(), T::Error> {
        let owner = Owner { workspace: fact.workspace, account: fact.account };
        let happened = Happened { position: at, at: fact.at, event: "CancelRequested", part: None, detail: None };
        // What came of it follows on the attempt subject.
        self.change(owner, fact.message, happened, |_| Ok(()))
    }

    /// Folds what a dispatcher wrote of a message; says whether such events belong on its subject.
    pub(super) fn attempt(&mut self, at: Position, owner: Owner, event: &Event) -> Result<bool, T::Error> {
        let happened = |part: Option<u8>, time: UnixMillis, detail: Option<&str>| Happened {
            position: at,
            at: time,
            event: event.name(),
            part,
            detail: detail.filter(|_| T::KEEPS_HISTORY).map(str::to_owned),
        };
        match event {
            Event::AttemptStarted(fact) => {
                self.change(owner, fact.message, happened(Some(fact.part), fact.at, None), |message| {
                    message.started(fact)
                })?;
            }
            Event::AttemptEnded(fact) => {
                let happened = happened(Some(fact.part), fact.at, Some(outcome_code(&fact.outcome)));
                self.change(owner, fact.message, happened, |message| message.ended(fact))?;
                let key = (owner.workspace, owner.account);
                let queue: Queue = self.tables.get(&key)?.unwrap_or_default();
                self.tables.put(&key, &Queue { next_send_at: Some(fact.at.plus_ms(fact.gap_ms)), ..queue });
            }
            Event::PartRefused(fact) => {
                let happened = happened(Some(fact.part), fact.at, Some(&fact.reason));
                self.change(owner, fact.message, happened, |message| message.refused(fact))?;
            }
            Event::MessageExpired(fact) => {
                let happened = happened(None, fact.at, Some(&fact.held_by));
                self.change(owner, fact.message, happened, |message| message.expired(fact.credits, &fact.held_by))?;
            }
            Event::MessageCancelled(fact) => {
                self.change(owner, fact.message, happened(None, fact.at, None), Message::cancelled)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn receipt(
        &mut self,
        at: Position,
        report: Report,
        event: &Event,
        fact: &Receipt,
    ) -> Result<(), T::Error> {
        let owner = Owner { workspace: fact.workspace, account: fact.account };
        let Some((place, mut message)) = self.find(owner, fact.message)? else {
            self.stray(at);
            return Ok(());
        };
        let before = Shadow::of(&message);
        match message.reported(report, fact) {
            Outcome::Taken => {}
            Outcome::Stray => self.stray(at),
        }
        let detail = match report {
            Report::Failed => fact.reason.clone(),
            Report::Sent | Report::Delivered | Report::Read => fact.looked_up.then(|| LOOKED_UP.to_owned()),
        };
        note::<T>(
            &mut message,
            Happened { position: at, at: fact.at, event: event.name(), part: Some(fact.part), detail },
        );
        index::write(self.tables, place, &before, &message)
    }

    fn stray(&mut self, at: Position) {
        self.head.counts.stray_receipts += 1;
        self.report.stray_receipts.push(at);
    }

    pub(super) fn settled(&mut self, at: Position, fact: &OutcomeSettled) -> Result<(), T::Error> {
        let owner = Owner { workspace: fact.workspace, account: fact.account };
        let policy = match fact.policy {
            UnknownPolicy::Refund => "refund",
            UnknownPolicy::Charge => "charge",
        };
        let happened = Happened {
            position: at,
            at: fact.at,
            event: "OutcomeSettled",
            part: Some(fact.part),
            detail: Some(policy.to_owned()),
        };
        self.change(owner, fact.message, happened, |message| message.settled(fact))
    }

    pub(super) fn key_used(&mut self, at: Position, bucket: u8, fact: &KeyUsed) -> Result<(), T::Error> {
        match keys::used(self.tables, bucket, fact)? {
            Ok(()) => Ok(()),
            Err(broken) => self.contradiction(at, Some(fact.workspace), broken),
        }
    }

    /// Changes a message, and writes what follows. A fact that cannot be true changes nothing but the timeline.
    fn change(
        &mut self,
        owner: Owner,
        id: MessageId,
        happened: Happened,
        change: impl FnOnce(&mut Message) -> Result<(), Broken>,
    ) -> Result<(), T::Error> {
        let at = happened.position;
        let Some((place, mut message)) = self.find(owner, id)? else {
            return self.contradiction(at, Some(owner.workspace), Broken::NotAccepted(id));
        };
        let before = Shadow::of(&message);
        let changed = change(&mut message);
        note::<T>(&mut message, happened);
        index::write(self.tables, place, &before, &message)?;
        match changed {
            Ok(()) => Ok(()),
            Err(broken) => self.contradiction(at, Some(owner.workspace), broken),
        }
    }
}

/// What the timeline says of a receipt that nobody sent: the dispatcher found it in the provider's list.
const LOOKED_UP: &str = "looked_up";

/// Adds to a message's timeline, where timelines are kept.
pub(super) fn note<T: Tables>(message: &mut Message, happened: Happened) {
    if T::KEEPS_HISTORY {
        message.timeline.add(happened);
    }
}

fn outcome_code(outcome: &AttemptOutcome) -> &str {
    match outcome {
        AttemptOutcome::Sent { .. } => "sent",
        AttemptOutcome::Deferred { reason, .. } | AttemptOutcome::Failed { reason, .. } => reason,
        AttemptOutcome::Unknown { .. } => "unknown",
        AttemptOutcome::NotStarted => "not_started",
    }
}
