//! The same answers, computed in another way: from a list of all events, without rows, without remembering decisions.

use std::collections::BTreeMap;

use angelia_shared::event::Event;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::query::MessageState;
use angelia_shared::subject::Subject;

/// Sums of a workspace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) granted: u64,
    pub(super) consumed: u64,
    pub(super) refunded: u64,
}

pub(super) fn wallets(events: &[(Position, Subject, Event)]) -> BTreeMap<WorkspaceId, Sums> {
    let mut sums: BTreeMap<WorkspaceId, Sums> = BTreeMap::new();
    for (_, subject, event) in events {
        match (subject, event) {
            (Subject::Wallet(workspace), Event::CreditsGranted(fact)) => {
                sums.entry(*workspace).or_default().granted += fact.credits.0;
            }
            (Subject::Wallet(workspace), Event::CreditsRefunded(fact)) => {
                sums.entry(*workspace).or_default().refunded += fact.items.iter().map(|i| i.credits.0).sum::<u64>();
            }
            (_, Event::MessageAccepted(fact)) => {
                sums.entry(fact.workspace).or_default().consumed += fact.credits.0;
            }
            _ => {}
        }
    }
    sums
}

/// What was said of a part, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Begun,
    Sent,
    Lost,
    Arrived(MessageState),
    Unknown,
    Settled(UnknownPolicy),
    Paid(u64),
}

/// A message and what was said of each part.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) workspace: WorkspaceId,
    pub(super) account: AccountId,
    price: u64,
    parts: Vec<Vec<Said>>,
    cancelled: bool,
    expired: bool,
}

pub(super) fn messages(events: &[(Position, Subject, Event)]) -> BTreeMap<MessageId, Told> {
    let mut told: BTreeMap<MessageId, Told> = BTreeMap::new();
    for (.., event) in events {
        if let Event::MessageAccepted(fact) = event {
            let (workspace, account, price) = (fact.workspace, fact.account, fact.credits.0);
            let new = Told { workspace, account, price, parts: Vec::new(), cancelled: false, expired: false };
            told.insert(fact.message, new);
        }
        hear(&mut told, event);
    }
    told
}

fn hear(told: &mut BTreeMap<MessageId, Told>, event: &Event) {
    let mut say = |message: MessageId, part: u8, parts: usize, said: Said| {
        let told = told.get_mut(&message).unwrap();
        told.parts.resize(told.parts.len().max(parts), Vec::new());
        told.parts[usize::from(part)].push(said);
    };
    match event {
        Event::AttemptStarted(fact) => say(fact.message, fact.part, usize::from(fact.parts), Said::Begun),
        Event::AttemptEnded(fact) => {
            let said = match fact.outcome {
                AttemptOutcome::Sent { .. } => Said::Sent,
                AttemptOutcome::Failed { .. } => Said::Lost,
                AttemptOutcome::Unknown { .. } => Said::Unknown,
                AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => return,
            };
            say(fact.message, fact.part, 0, said);
        }
        Event::PartRefused(fact) => say(fact.message, fact.part, usize::from(fact.parts), Said::Lost),
        Event::MessageSent(fact) => say(fact.message, fact.part, 0, Said::Sent),
        Event::MessageFailed(fact) => say(fact.message, fact.part, 0, Said::Lost),
        Event::MessageDelivered(fact) => say(fact.message, fact.part, 0, Said::Arrived(MessageState::Delivered)),
        Event::MessageRead(fact) => say(fact.message, fact.part, 0, Said::Arrived(MessageState::Read)),
        Event::OutcomeSettled(fact) => say(fact.message, fact.part, 0, Said::Settled(fact.policy)),
        Event::CreditsRefunded(fact) => {
            fact.items.iter().for_each(|item| say(item.message, item.part, 0, Said::Paid(item.credits.0)));
        }
        Event::MessageCancelled(fact) => {
            say(fact.message, 0, 1, Said::Lost);
            told.get_mut(&fact.message).unwrap().cancelled = true;
        }
        Event::MessageExpired(fact) => {
            let told = told.get_mut(&fact.message).unwrap();
            told.parts.resize(told.parts.len().max(1), Vec::new());
            told.expired = true;
            for said in told.parts.iter_mut().filter(|said| highest(said) <= MessageState::Sending) {
                said.push(Said::Lost);
            }
        }
        _ => {}
    }
}

/// Keeps of the settlements only one that found the part unknown.
fn effective(said: &[Said]) -> Vec<Said> {
    let mut kept: Vec<Said> = Vec::new();
    for one in said {
        let unknown = kept.contains(&Said::Unknown)
            && kept.iter().all(|before| matches!(before, Said::Unknown | Said::Begun | Said::Paid(_)));
        if !matches!(one, Said::Settled(_)) || unknown {
            kept.push(*one);
        }
    }
    kept
}

fn highest(said: &[Said]) -> MessageState {
    let state = |said: &Said| match said {
        Said::Begun => MessageState::Sending,
        Said::Unknown => MessageState::Unknown,
        Said::Sent | Said::Settled(UnknownPolicy::Charge) => MessageState::Sent,
        Said::Lost | Said::Settled(UnknownPolicy::Refund) => MessageState::Failed,
        Said::Arrived(state) => *state,
        Said::Paid(_) => MessageState::Queued,
    };
    effective(said).iter().map(state).max().unwrap_or(MessageState::Queued)
}

/// What is owed for a part of `price`.
fn owed(said: &[Said], price: u64) -> u64 {
    let said = effective(said);
    let closes = |one: &Said| matches!(one, Said::Arrived(_) | Said::Settled(_));
    let is_loss = |one: &Said| matches!(one, Said::Lost | Said::Settled(UnknownPolicy::Refund));
    let first_close = said.iter().position(closes).unwrap_or(said.len());
    // A settlement is a loss itself; a loss after anything that closes is none.
    let Some(loss) = said.iter().position(is_loss).filter(|loss| *loss <= first_close) else { return 0 };
    let paid: u64 = said.iter().map(|one| if let Said::Paid(credits) = one { *credits } else { 0 }).sum();
    let by_deadline = matches!(said[loss], Said::Settled(_));
    let paid_at = said.iter().position(|one| matches!(one, Said::Paid(_))).unwrap_or(usize::MAX);
    let arrived = said.iter().position(|one| matches!(one, Said::Arrived(_)));
    if !by_deadline && arrived.is_some_and(|arrived| arrived < paid_at) { 0 } else { price - paid }
}

impl Told {
    fn price_of(&self) -> u64 {
        if self.parts.len() > 1 { 1 } else { self.price }
    }

    pub(super) fn state(&self) -> MessageState {
        if self.cancelled {
            return MessageState::Cancelled;
        }
        let Some(lowest) = self.parts.iter().map(|said| highest(said).max(MessageState::Sending)).min() else {
            return MessageState::Queued;
        };
        let fails = |one: &Said| matches!(one, Said::Lost | Said::Settled(UnknownPolicy::Refund));
        let failed = self.parts.iter().any(|said| effective(said).iter().any(fails));
        if failed { lowest.max(MessageState::Failed) } else { lowest }
    }

    pub(super) fn waits(&self) -> bool {
        let undone = self.parts.is_empty() || self.parts.iter().any(|said| highest(said) <= MessageState::Sending);
        undone && !self.cancelled && !self.expired
    }

    pub(super) fn refunded(&self) -> u64 {
        let paid = |one: &Said| if let Said::Paid(credits) = one { *credits } else { 0 };
        self.parts.iter().flatten().map(paid).sum()
    }

    pub(super) fn owed(&self) -> Vec<(u8, u64)> {
        let owed = self.parts.iter().enumerate().map(|(part, said)| (part as u8, owed(said, self.price_of())));
        owed.filter(|(_, credits)| *credits > 0).collect()
    }
}
