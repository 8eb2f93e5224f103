//! Batches as bytes: real events, laid out by the real packer, sealed by the real seal. Equal batches are one [`FormId`].

use std::collections::HashMap;

use angelia_ingress::domain::purse::{Draw, Return};
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{
    AttemptEnded, AttemptStarted, Carry, CreditsDrawn, CreditsGranted, CreditsReturned, Digest, Event, MessageAccepted,
    OutcomeSettled, Receipt, Sealed, Totals, WriterFenced, WriterOpened, lines,
};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, Position, WebhookId, WorkspaceId, WriterId};
use angelia_shared::log::digest::Chain;
use angelia_shared::log::pack::{Batch, OutRecord, Packer, Tip};
use angelia_shared::log::{Entry, Group, Guard};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(1);
pub(crate) const WALLET: Subject = Subject::Wallet(WORKSPACE);
const ACCOUNT: AccountId = AccountId(1);
const PART: Partition = Partition(0);
/// Nothing here depends on the time.
pub(crate) const NOW: UnixMillis = UnixMillis(1_000);

/// Names one batch among all that were built.
pub(crate) type FormId = u32;

/// A batch that was built.
pub(crate) struct Form {
    pub(crate) batch: Batch,
    /// What each record says, the seal last.
    pub(crate) events: Vec<(Subject, Vec<Event>)>,
    /// What must have a certain last sequence.
    pub(crate) guards: Vec<(Subject, u64)>,
}

/// All batches that were built.
#[derive(Default)]
pub(crate) struct Forms {
    forms: Vec<Form>,
    known: HashMap<(DigestBytes, u64), FormId>,
}

/// A digest as bytes; with the sum of its guards it finds a batch.
type DigestBytes = [u8; 32];

impl Forms {
    pub(crate) fn get(&self, form: FormId) -> &Form {
        &self.forms[form as usize]
    }

    fn keep(&mut self, batch: Batch) -> FormId {
        // A wallet's guard is not in the bytes; its totals are, and differ with it.
        let guards: Vec<(Subject, u64)> = batch.guards().into_iter().collect();
        let sum = guards.iter().map(|(_, seq)| seq).sum();
        if let Some(known) = self.known.get(&(batch.digest.0, sum))
            && self.get(*known).batch == batch
        {
            return *known;
        }
        let id = FormId::try_from(self.forms.len()).expect("there are few forms");
        self.known.insert((batch.digest.0, sum), id);
        let events = batch.records.iter().chain([&batch.seal]).map(events_of).collect();
        self.forms.push(Form { batch, events, guards });
        id
    }

    /// A record alone on a writer's subject.
    fn alone(&mut self, writer: WriterId, event: &Event, guard: Option<Guard>) -> FormId {
        let subject = Subject::Writer(writer);
        let payload = event.to_line();
        let mut chain = Chain::after(Digest::default());
        chain.record(&subject.to_string(), &payload);
        let seal = OutRecord { subject, payload: payload.into(), guard };
        self.keep(Batch { records: Vec::new(), seal, digest: chain.finish() })
    }

    pub(crate) fn open(&mut self, writer: WriterId, role: &str) -> FormId {
        let event = WriterOpened { v: 1, writer, role: role.to_owned(), member: MemberId(writer.0), at: NOW };
        self.alone(writer, &Event::WriterOpened(event), Some(Guard::Own(0)))
    }

    /// A fence; the ledger's is guarded by the writer's newest record, the writer's own by nothing.
    pub(crate) fn fence(&mut self, writer: WriterId, head: Option<u64>) -> FormId {
        let event = WriterFenced { v: 1, writer, by: MemberId(0), reason: String::new(), at: NOW };
        self.alone(writer, &Event::WriterFenced(event), head.map(Guard::Own))
    }

    /// A group as the writer's next batch.
    pub(crate) fn sealed(&mut self, group: &Group, tip: Tip) -> FormId {
        let mut packer = Packer::default();
        packer.add(&group.entries).expect("one small group fits a batch");
        let (records, _) = packer.finish();
        self.keep(Batch::sealed(records, tip, false))
    }

    /// In short what a batch says.
    pub(crate) fn tell(&self, form: FormId) -> String {
        let says = |(subject, events): &(Subject, Vec<Event>)| {
            let names: Vec<&str> = events.iter().map(Event::name).collect();
            format!("{subject} {}", names.join("+"))
        };
        let Form { events, guards, .. } = self.get(form);
        format!("{} under {guards:?}", events.iter().map(says).collect::<Vec<_>>().join(", "))
    }
}

fn events_of(record: &OutRecord) -> (Subject, Vec<Event>) {
    let events = lines(&record.payload).map(|line| Event::from_line(line).expect("it was just written"));
    (record.subject, events.collect())
}

pub(crate) fn grant(credits: u64) -> Group {
    let totals = Totals::default().granting(Credits(credits)).expect("a small sum");
    let event = CreditsGranted { v: 1, credits: totals.granted, reason: String::new(), totals, at: NOW };
    Group::one(Entry::new(WALLET, &Event::CreditsGranted(event)).guarded(Guard::Own(0)))
}

/// A draw and the acceptances that it pays for, or these alone.
pub(crate) fn acceptances(writer: WriterId, draw: Option<Draw>, orders: &[(u8, u64)]) -> Group {
    let draw = draw.map(|draw| {
        let event = CreditsDrawn { v: 1, writer, credits: draw.credits, totals: draw.totals, at: NOW };
        Entry::new(WALLET, &Event::CreditsDrawn(event)).guarded(Guard::Own(draw.guard))
    });
    draw.into_iter().chain(orders.iter().map(|(request, price)| accepted(writer, *request, *price))).collect()
}

fn accepted(writer: WriterId, request: u8, price: u64) -> Entry {
    let event = MessageAccepted {
        v: 1,
        message: MessageId(request.into()),
        workspace: WORKSPACE,
        webhook: WebhookId(1),
        account: ACCOUNT,
        credits: Credits(price),
        has_text: true,
        has_file: false,
        at: NOW,
        expires_after_ms: 0,
        writer,
        sealed: Sealed { key_id: KeyId(1), data: String::new() },
        traceparent: None,
    };
    Entry::new(Subject::Accepted(PART), &Event::MessageAccepted(Box::new(event)))
}

/// A lane's return of what it holds.
pub(crate) fn give_back(writer: WriterId, back: &Return) -> Group {
    let event = CreditsReturned { v: 1, writer, credits: back.credits, totals: back.totals, at: NOW };
    Group::one(Entry::new(WALLET, &Event::CreditsReturned(event)).guarded(Guard::Own(back.guard)))
}

/// What the ledger writes on the wallet.
pub(crate) fn of_the_wallet(event: &Event, head: u64) -> Group {
    Group::one(Entry::new(WALLET, event).guarded(Guard::Own(head)))
}

pub(crate) fn settlement(message: MessageId) -> Group {
    let (workspace, account, policy) = (WORKSPACE, ACCOUNT, UnknownPolicy::Refund);
    let event = OutcomeSettled { v: 1, message, workspace, account, part: 0, policy, at: NOW };
    Group::one(Entry::new(Subject::Settlement(PART), &Event::OutcomeSettled(event)))
}

/// The only attempt of a message: it fails, or nobody knows.
pub(crate) fn attempt(message: MessageId, accepted: Position, price: u64, fails: bool) -> Group {
    let (attempt, part, parts, credits, claim, at) = (1, 0, 1, Credits(price), 1, NOW);
    let (floor_ms, carry) = (1_500, Carry::default());
    let started = AttemptStarted {
        v: 1,
        message,
        accepted,
        attempt,
        part,
        parts,
        credits,
        claim,
        at,
        floor_ms,
        idempotent: false,
        carry,
    };
    let outcome = if fails {
        AttemptOutcome::Failed { reason: "message_rejected".to_owned(), detail: String::new() }
    } else {
        AttemptOutcome::Unknown { detail: String::new() }
    };
    let (gap_ms, carry) = (1_500, Carry::default());
    let ended = AttemptEnded { v: 1, message, attempt, part, parts, credits, claim, at, gap_ms, outcome, carry };
    let subject = Subject::Attempt(PART, WORKSPACE, ACCOUNT);
    let events = [Event::AttemptStarted(Box::new(started)), Event::AttemptEnded(Box::new(ended))];
    events.iter().map(|event| Entry::new(subject, event)).collect()
}

pub(crate) fn delivered(message: MessageId) -> Group {
    let (workspace, account, provider_id) = (WORKSPACE, ACCOUNT, Some("p".to_owned()));
    let (reason, detail) = (None, None);
    let receipt = Receipt {
        v: 1,
        message,
        workspace,
        account,
        part: 0,
        at: NOW,
        received_at: NOW,
        provider_id,
        reason,
        detail,
        looked_up: false,
    };
    Group::one(Entry::new(Subject::Receipt(PART), &Event::MessageDelivered(receipt)))
}
