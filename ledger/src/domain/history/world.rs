//! A small installation whose services act in turns, as dice say.

use std::collections::BTreeMap;

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{
    AttemptEnded, AttemptStarted, Carry, CreditsDrawn, CreditsGranted, CreditsReturned, Event, MessageAccepted,
    MessageCancelled, MessageExpired, OutcomeSettled, PartRefused, Receipt, Sealed, Totals,
};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, Position, WebhookId, WorkspaceId, WriterId};
use angelia_shared::members::{Seat, Service};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};
use proptest::prelude::*;

use super::super::projection::{Projection, Report};
use super::super::table::MemoryTables;
use super::super::{dead_lanes, due};
use super::History;

/// One turn: who acts, on what, and how it turns out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    act: u8,
    pick: u16,
    dice: u8,
}

/// Random turns.
pub(crate) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u8..32, any::<u16>(), any::<u8>()).prop_map(|(act, pick, dice)| Step { act, pick, dice });
    proptest::collection::vec(step, 1..count)
}

/// A message as its dispatcher sees it.
#[derive(Clone, Debug)]
struct Sending {
    id: MessageId,
    workspace: WorkspaceId,
    account: AccountId,
    accepted: Position,
    price: u64,
    parts: u8,
    next_part: u8,
    attempt: u32,
    open: bool,
    begun: Vec<u8>,
    unknown: Vec<u8>,
    over: bool,
}

impl Sending {
    fn credits(&self) -> Credits {
        Credits(if self.parts == 1 { self.price } else { 1 })
    }

    fn waits(&self) -> bool {
        !self.over && !self.open && self.next_part < self.parts
    }

    fn subject(&self) -> Subject {
        Subject::Attempt(Partition(0), self.workspace, self.account)
    }
}

/// The installation.
pub(crate) struct World {
    /// Its log.
    pub(crate) log: History,
    /// Its ledger: every batch is folded as it is appended.
    pub(crate) ledger: Projection<MemoryTables>,
    /// What the ledger reported.
    pub(crate) reports: Vec<Report>,
    ingress: WriterId,
    dispatcher: WriterId,
    wallets: BTreeMap<WorkspaceId, Totals>,
    rests: BTreeMap<WorkspaceId, u64>,
    messages: Vec<Sending>,
    now: i64,
}

/// The key that the ingress renews.
pub(crate) const INGRESS: Seat = Seat { service: Service::Ingress, member: MemberId(7) };

const WORKSPACES: [WorkspaceId; 2] = [WorkspaceId(11), WorkspaceId(12)];

impl World {
    /// An installation whose two workspaces have a few credits.
    pub(crate) fn new() -> Self {
        let mut log = History::default();
        let (ingress, dispatcher) = (log.open_as("ingress", INGRESS.member), log.open());
        let mut world = Self {
            log,
            ledger: Projection::default(),
            reports: Vec::new(),
            ingress,
            dispatcher,
            wallets: BTreeMap::new(),
            rests: BTreeMap::new(),
            messages: Vec::new(),
            now: 1_000,
        };
        for workspace in WORKSPACES {
            world.grant(workspace, 5);
        }
        world
    }

    /// Lets everyone act.
    pub(crate) fn play(&mut self, steps: &[Step]) {
        for step in steps {
            self.now += i64::from(step.dice);
            let workspace = WORKSPACES[usize::from(step.pick) % 2];
            match step.act {
                0 => self.grant(workspace, u64::from(step.dice % 8)),
                1..=6 => self.accept(workspace, *step),
                7..=12 => self.start(*step),
                13..=19 => self.end(*step),
                20 => self.refuse(*step),
                21 => self.expire(*step),
                22 => self.cancel(*step),
                23..=26 => self.report(*step),
                27 => self.settle(*step),
                28 | 29 => self.refund(),
                30 if step.dice % 2 == 0 => self.give_back(workspace),
                30 => drop(self.return_once()),
                _ => self.restart_ingress(step.dice),
            }
        }
    }

    /// Lets the ledger refund until nothing is owed.
    pub(crate) fn refund_everything(&mut self) {
        while self.refund_once() {}
    }

    /// Lets the ledger return what ended writers had left.
    pub(crate) fn return_everything(&mut self) {
        while self.return_once() {}
    }

    /// What the writer that spends now has left of a wallet.
    pub(crate) fn rest(&self, workspace: WorkspaceId) -> u64 {
        self.rests.get(&workspace).copied().unwrap_or_default()
    }

    /// Folds what was appended.
    pub(crate) fn catch_up(&mut self) {
        for batch in &self.log.batches {
            let report = self.ledger.fold(batch).unwrap();
            if report.records > 0 {
                self.reports.push(report);
            }
        }
    }

    fn commit(&mut self, writer: WriterId, records: &[(Subject, Vec<Event>)]) {
        self.log.commit(writer, records);
        let newest = self.log.batches.len() - 1;
        if self.ledger.head.seq == 0 {
            self.catch_up();
        } else {
            self.reports.push(self.ledger.fold(&self.log.batches[newest]).unwrap());
        }
    }

    fn at(&self) -> UnixMillis {
        UnixMillis(self.now)
    }

    fn grant(&mut self, workspace: WorkspaceId, credits: u64) {
        let totals = self.wallets.get(&workspace).copied().unwrap_or_default().granting(Credits(credits)).unwrap();
        self.wallets.insert(workspace, totals);
        let reason = "a test".to_owned();
        let event = CreditsGranted { v: 1, credits: Credits(credits), reason, totals, at: self.at() };
        self.commit(self.ingress, &[(Subject::Wallet(workspace), vec![Event::CreditsGranted(event)])]);
    }

    fn accept(&mut self, workspace: WorkspaceId, step: Step) {
        let prices: Vec<u64> = (0..=step.dice % 3).map(|n| 1 + u64::from((step.dice >> n) & 1)).collect();
        let needed: u64 = prices.iter().sum();
        let rest = self.rests.get(&workspace).copied().unwrap_or_default();
        let draw = needed.saturating_sub(rest) + u64::from(step.dice % 2);
        let mut records = Vec::new();
        if draw > 0 {
            let Some(totals) = self.wallets.get(&workspace).copied().unwrap_or_default().drawing(Credits(draw)) else {
                return;
            };
            self.wallets.insert(workspace, totals);
            let (writer, credits) = (self.ingress, Credits(draw));
            let event = CreditsDrawn { v: 1, writer, credits, totals, at: self.at() };
            records.push((Subject::Wallet(workspace), vec![Event::CreditsDrawn(event)]));
        }
        self.rests.insert(workspace, rest + draw - needed);
        let account = AccountId(workspace.0 * 10 + u128::from(step.pick >> 8) % 2);
        let seq = self.log.seq + records.len() as u64 + 1;
        let mut lines = Vec::new();
        for price in prices {
            let id = MessageId(seq * 100 + lines.len() as u64);
            let accepted = Position::new(seq, lines.len() as u16);
            let parts = if price == 2 && step.pick & 4 != 0 { 2 } else { 1 };
            lines.push(acceptance(id, workspace, account, price, self.ingress, self.at()));
            let (begun, unknown) = (Vec::new(), Vec::new());
            self.messages.push(Sending {
                id,
                workspace,
                account,
                accepted,
                price,
                parts,
                next_part: 0,
                attempt: 0,
                open: false,
                begun,
                unknown,
                over: false,
            });
        }
        records.push((Subject::Accepted(Partition(0)), lines));
        self.commit(self.ingress, &records);
    }

    fn pick(&mut self, step: Step, fits: impl Fn(&Sending) -> bool) -> Option<usize> {
        let found: Vec<usize> = (0..self.messages.len()).filter(|at| fits(&self.messages[*at])).collect();
        (!found.is_empty()).then(|| found[usize::from(step.pick) % found.len()])
    }

    fn start(&mut self, step: Step) {
        let Some(at) = self.pick(step, Sending::waits) else { return };
        let now = self.at();
        let message = &mut self.messages[at];
        message.attempt += 1;
        message.open = true;
        if !message.begun.contains(&message.next_part) {
            message.begun.push(message.next_part);
        }
        let event = started(message.id, message.accepted, message.attempt, message.next_part, message, now);
        let subject = message.subject();
        self.commit(self.dispatcher, &[(subject, vec![event])]);
    }

    fn end(&mut self, step: Step) {
        let Some(at) = self.pick(step, |message| message.open) else { return };
        let now = self.at();
        let message = &mut self.messages[at];
        message.open = false;
        let part = message.next_part;
        let text = || "said".to_owned();
        let outcome = match step.dice % 8 {
            0..=2 => AttemptOutcome::Sent { provider_id: format!("p{}.{part}", message.id) },
            3 | 4 => AttemptOutcome::Failed { reason: "message_rejected".to_owned(), detail: text() },
            5 => AttemptOutcome::Unknown { detail: text() },
            6 => AttemptOutcome::Deferred { reason: "provider".to_owned(), detail: text(), until: now },
            _ => AttemptOutcome::NotStarted,
        };
        match outcome {
            AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => {}
            AttemptOutcome::Unknown { .. } => {
                message.unknown.push(part);
                message.next_part += 1;
            }
            AttemptOutcome::Sent { .. } | AttemptOutcome::Failed { .. } => message.next_part += 1,
        }
        let event = AttemptEnded {
            v: 1,
            message: message.id,
            attempt: message.attempt,
            part,
            parts: message.parts,
            credits: message.credits(),
            claim: 1,
            at: now,
            gap_ms: 1_500,
            outcome,
            carry: Carry::default(),
        };
        let subject = message.subject();
        self.commit(self.dispatcher, &[(subject, vec![Event::AttemptEnded(Box::new(event))])]);
    }

    fn refuse(&mut self, step: Step) {
        let Some(at) = self.pick(step, Sending::waits) else { return };
        let now = self.at();
        let message = &mut self.messages[at];
        let part = message.next_part;
        message.next_part += 1;
        let event = PartRefused {
            v: 1,
            message: message.id,
            accepted: message.accepted,
            part,
            parts: message.parts,
            credits: message.credits(),
            claim: 1,
            at: now,
            reason: "attachment_too_large".to_owned(),
            detail: String::new(),
            carry: Carry::default(),
        };
        let subject = message.subject();
        self.commit(self.dispatcher, &[(subject, vec![Event::PartRefused(Box::new(event))])]);
    }

    fn expire(&mut self, step: Step) {
        let Some(at) = self.pick(step, Sending::waits) else { return };
        let now = self.at();
        let message = &mut self.messages[at];
        message.over = true;
        let event = MessageExpired {
            v: 1,
            message: message.id,
            accepted: message.accepted,
            credits: Credits(message.price - u64::from(message.next_part)),
            claim: 1,
            at: now,
            held_by: "paused".to_owned(),
            carry: Carry::default(),
        };
        let subject = message.subject();
        self.commit(self.dispatcher, &[(subject, vec![Event::MessageExpired(Box::new(event))])]);
    }

    fn cancel(&mut self, step: Step) {
        let untouched = |message: &Sending| message.waits() && message.attempt == 0 && message.next_part == 0;
        let Some(at) = self.pick(step, untouched) else { return };
        let now = self.at();
        let message = &mut self.messages[at];
        message.over = true;
        let (id, accepted, credits) = (message.id, message.accepted, Credits(message.price));
        let carry = Carry::default();
        let event = MessageCancelled { v: 1, message: id, accepted, credits, claim: 1, at: now, carry };
        let subject = message.subject();
        self.commit(self.dispatcher, &[(subject, vec![Event::MessageCancelled(Box::new(event))])]);
    }

    fn report(&mut self, step: Step) {
        let Some(at) = self.pick(step, |message| !message.begun.is_empty()) else { return };
        let message = &self.messages[at];
        let part = message.begun[usize::from(step.pick >> 4) % message.begun.len()];
        let receipt = receipt(message.id, message.workspace, message.account, part, self.at());
        let event = match step.dice % 4 {
            0 => Event::MessageSent(receipt),
            1 => Event::MessageDelivered(receipt),
            2 => Event::MessageRead(receipt),
            _ => Event::MessageFailed(receipt),
        };
        self.commit(self.ingress, &[(Subject::Receipt(Partition(0)), vec![event])]);
    }

    fn settle(&mut self, step: Step) {
        let Some(at) = self.pick(step, |message| !message.unknown.is_empty()) else { return };
        let now = self.at();
        let message = &self.messages[at];
        let part = message.unknown[usize::from(step.dice) % message.unknown.len()];
        let policy = if step.dice.is_multiple_of(2) { UnknownPolicy::Refund } else { UnknownPolicy::Charge };
        let (id, workspace, account) = (message.id, message.workspace, message.account);
        let event = OutcomeSettled { v: 1, message: id, workspace, account, part, policy, at: now };
        self.commit(self.dispatcher, &[(Subject::Settlement(Partition(0)), vec![Event::OutcomeSettled(event)])]);
    }

    fn refund(&mut self) {
        self.refund_once();
    }

    fn return_once(&mut self) -> bool {
        let due = dead_lanes::returns(&self.ledger.tables, 8, self.at()).unwrap();
        let records: Vec<_> = due
            .iter()
            .map(|due| {
                self.wallets.insert(due.workspace, due.event.totals);
                (Subject::Wallet(due.workspace), vec![Event::CreditsReturned(due.event.clone())])
            })
            .collect();
        if !records.is_empty() {
            self.commit(self.dispatcher, &records);
        }
        !records.is_empty()
    }

    fn refund_once(&mut self) -> bool {
        let due = due::refunds(&self.ledger.tables, 8, self.at()).unwrap();
        let records: Vec<_> = due
            .iter()
            .map(|refund| {
                self.wallets.insert(refund.workspace, refund.event.totals);
                (Subject::Wallet(refund.workspace), vec![Event::CreditsRefunded(refund.event.clone())])
            })
            .collect();
        if !records.is_empty() {
            self.commit(self.dispatcher, &records);
        }
        !records.is_empty()
    }

    fn give_back(&mut self, workspace: WorkspaceId) {
        let records: Vec<_> = self.return_of(workspace).into_iter().collect();
        if !records.is_empty() {
            self.commit(self.ingress, &records);
        }
    }

    fn return_of(&mut self, workspace: WorkspaceId) -> Option<(Subject, Vec<Event>)> {
        let credits = Credits(self.rests.insert(workspace, 0).filter(|rest| *rest > 0)?);
        let totals = self.wallets[&workspace].returning(credits).unwrap();
        self.wallets.insert(workspace, totals);
        let event = CreditsReturned { v: 1, writer: self.ingress, credits, totals, at: self.at() };
        Some((Subject::Wallet(workspace), vec![Event::CreditsReturned(event)]))
    }

    /// It closes and returns everything, closes and returns nothing, or dies and is fenced.
    fn restart_ingress(&mut self, dice: u8) {
        match dice % 4 {
            0 => {
                let records: Vec<_> = WORKSPACES.iter().filter_map(|workspace| self.return_of(*workspace)).collect();
                self.log.close(self.ingress, &records);
            }
            1 => self.log.close(self.ingress, &[]),
            _ => self.log.fence(self.ingress),
        }
        self.rests.clear();
        self.ingress = self.log.open_as("ingress", INGRESS.member);
        self.catch_up();
    }
}

/// The acceptance of a message.
pub(crate) fn acceptance(
    message: MessageId,
    workspace: WorkspaceId,
    account: AccountId,
    price: u64,
    writer: WriterId,
    at: UnixMillis,
) -> Event {
    Event::MessageAccepted(Box::new(MessageAccepted {
        v: 1,
        message,
        workspace,
        webhook: WebhookId(workspace.0 + 5),
        account,
        credits: Credits(price),
        has_text: true,
        has_file: price == 2,
        at,
        expires_after_ms: 86_400_000,
        writer,
        sealed: Sealed { key_id: KeyId(1), data: format!("sealed {message}") },
        traceparent: None,
    }))
}

fn started(message: MessageId, accepted: Position, attempt: u32, part: u8, of: &Sending, at: UnixMillis) -> Event {
    Event::AttemptStarted(Box::new(AttemptStarted {
        v: 1,
        message,
        accepted,
        attempt,
        part,
        parts: of.parts,
        credits: of.credits(),
        claim: 1,
        at,
        floor_ms: 1_500,
        idempotent: false,
        carry: Carry::default(),
    }))
}

/// A receipt, whatever its kind.
pub(crate) fn receipt(
    message: MessageId,
    workspace: WorkspaceId,
    account: AccountId,
    part: u8,
    at: UnixMillis,
) -> Receipt {
    let provider_id = Some(format!("p{message}.{part}"));
    let (reason, detail) = (Some("recipient_not_on_whatsapp".to_owned()), None);
    Receipt {
        v: 1,
        message,
        workspace,
        account,
        part,
        at,
        received_at: at,
        provider_id,
        reason,
        detail,
        looked_up: false,
    }
}
