//! Batches as bytes: what lanes, fences and the ledger put on the wire, laid out by the real packer.
//!
//! Shape: a [`Plan`] says what is meant; the [`Forms`] build its bytes once and name them by a [`FormId`].

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::event::{
    BatchSealed, CreditsDrawn, CreditsGranted, CreditsReturned, Digest, Event, MessageAccepted, Sealed, Totals,
    WriterFenced, WriterOpened, lines,
};
use crate::ids::{AccountId, KeyId, MemberId, MessageId, WebhookId, WorkspaceId, WriterId};
use crate::log::digest::Chain;
use crate::log::entry::{Entry, Group, Guard};
use crate::log::pack::{Batch, OutRecord, Packer};
use crate::subject::{Partition, Subject};
use crate::units::{Credits, UnixMillis};

/// The one wallet that both lanes draw from.
pub(super) const WALLET: Subject = Subject::Wallet(WorkspaceId(1));
/// Lanes in a history.
pub(super) const LANES: usize = 2;

/// Names one batch among all that were built.
pub(super) type FormId = u16;

/// A change of the wallet: how much, under which head, with which totals afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct WalletMove {
    pub(super) credits: u8,
    pub(super) head: u8,
    /// Drawn and returned in all; the grant never changes.
    pub(super) drawn: u8,
    pub(super) returned: u8,
}

/// What a batch is to say. Requests are bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Plan {
    /// The operator grants credits.
    Grant(u8),
    /// A writer is opened.
    Open(u8),
    /// A writer is fenced.
    Fence(u8),
    /// The ledger returns what a dead writer left.
    LedgerReturns { writer: u8, back: WalletMove },
    /// A lane's batch: acceptances that held credits pay for, a group each; a draw and what it pays for, one group.
    Lane {
        writer: u8,
        n: u8,
        previous: u8,
        previous_form: FormId,
        held: u8,
        paid: u8,
        draw: Option<WalletMove>,
        back: Option<WalletMove>,
    },
}

struct Form {
    plan: Plan,
    groups: Vec<Group>,
    batch: Batch,
    events: Vec<(Subject, Vec<Event>)>,
    guards: SmallVec<[(Subject, u64); 2]>,
    /// Which record before the seal changes the wallet.
    wallet_record: Option<u64>,
}

/// All batches that were built.
#[derive(Default)]
pub(super) struct Forms {
    forms: Vec<Form>,
    known: HashMap<Plan, FormId>,
    grant: u8,
}

impl Forms {
    pub(super) fn new(grant: u8) -> Self {
        Self { grant, ..Self::default() }
    }

    pub(super) fn build(&mut self, plan: Plan) -> FormId {
        if let Some(known) = self.known.get(&plan) {
            return *known;
        }
        let (groups, batch, wallet_record) = match plan {
            Plan::Grant(_) | Plan::Open(_) | Plan::Fence(_) | Plan::LedgerReturns { .. } => {
                (Vec::new(), self.alone(plan), None)
            }
            Plan::Lane { writer, held, paid, draw, back, .. } => {
                let groups = self.groups(writer, held, paid, draw, back);
                let (records, wallet_record) = lay_out(&groups);
                let batch = self.seal(plan, records);
                (groups, batch, wallet_record)
            }
        };
        let events = batch.records.iter().chain([&batch.seal]).map(events_of).collect();
        let guards = batch.guards().into_iter().collect();
        self.forms.push(Form { plan, groups, batch, events, guards, wallet_record });
        let id = FormId::try_from(self.forms.len() - 1).expect("there are few forms");
        self.known.insert(plan, id);
        id
    }

    pub(super) fn plan(&self, form: FormId) -> Plan {
        self.forms[usize::from(form)].plan
    }

    fn groups(&self, writer: u8, held: u8, paid: u8, draw: Option<WalletMove>, back: Option<WalletMove>) -> Vec<Group> {
        let mut groups: Vec<Group> = bits(held).map(|request| Group::one(accepted(writer, request))).collect();
        if paid != 0 || draw.is_some() {
            let draw = draw.map(|draw| self.wallet_entry(writer, draw, true));
            groups.push(draw.into_iter().chain(bits(paid).map(|request| accepted(writer, request))).collect());
        }
        groups.extend(back.map(|back| Group::one(self.wallet_entry(writer, back, false))));
        groups
    }

    pub(super) fn handed_in(&self, form: FormId) -> &[Group] {
        &self.forms[usize::from(form)].groups
    }

    pub(super) fn batch(&self, form: FormId) -> &Batch {
        &self.forms[usize::from(form)].batch
    }

    pub(super) fn guards(&self, form: FormId) -> &[(Subject, u64)] {
        &self.forms[usize::from(form)].guards
    }

    /// The events of each record, the seal last.
    pub(super) fn events(&self, form: FormId) -> &[(Subject, Vec<Event>)] {
        &self.forms[usize::from(form)].events
    }

    /// Sequence of the batch's wallet entry, when its seal stands at `sealed_at`.
    pub(super) fn wallet_seq(&self, form: FormId, sealed_at: u64) -> Option<u64> {
        let form = &self.forms[usize::from(form)];
        form.wallet_record.map(|at| sealed_at - form.batch.records.len() as u64 + at)
    }

    fn alone(&self, plan: Plan) -> Batch {
        let (subject, event, guard) = match plan {
            Plan::Grant(credits) => {
                let totals = Totals::default().granting(Credits(credits.into())).expect("a small sum");
                let event = CreditsGranted { v: 1, credits: totals.granted, reason: String::new(), totals, at: NOW };
                (WALLET, Event::CreditsGranted(event), Some(Guard::Own(0)))
            }
            Plan::Open(writer) => {
                let (id, member) = (writer_id(writer), MemberId(1));
                let event = WriterOpened { v: 1, writer: id, role: "lane".to_owned(), member, at: NOW };
                (Subject::Writer(id), Event::WriterOpened(event), Some(Guard::Own(0)))
            }
            Plan::Fence(writer) => {
                let (id, by) = (writer_id(writer), MemberId(2));
                let event = WriterFenced { v: 1, writer: id, by, reason: String::new(), at: NOW };
                (Subject::Writer(id), Event::WriterFenced(event), None)
            }
            Plan::LedgerReturns { writer, back } => {
                let Entry { subject, line, guard } = self.wallet_entry(writer, back, false);
                let seal = OutRecord { subject, payload: line.into(), guard };
                return Batch { records: Vec::new(), seal, digest: Digest::default() };
            }
            Plan::Lane { .. } => unreachable!("a lane's batch has a seal"),
        };
        let seal = OutRecord { subject, payload: event.to_line().into(), guard };
        let mut chain = Chain::after(Digest::default());
        chain.record(&subject.to_string(), &seal.payload);
        Batch { records: Vec::new(), seal, digest: chain.finish() }
    }

    fn wallet_entry(&self, writer: u8, moved: WalletMove, draws: bool) -> Entry {
        let totals = Totals {
            granted: Credits(self.grant.into()),
            drawn: Credits(moved.drawn.into()),
            returned: Credits(moved.returned.into()),
            refunded: Credits::ZERO,
        };
        let (writer, credits) = (writer_id(writer), Credits(moved.credits.into()));
        let event = if draws {
            Event::CreditsDrawn(CreditsDrawn { v: 1, writer, credits, totals, at: NOW })
        } else {
            Event::CreditsReturned(CreditsReturned { v: 1, writer, credits, totals, at: NOW })
        };
        Entry::new(WALLET, &event).guarded(Guard::Own(moved.head.into()))
    }

    fn seal(&self, plan: Plan, records: Vec<OutRecord>) -> Batch {
        let Plan::Lane { writer, n, previous, previous_form, .. } = plan else { unreachable!("only lanes seal") };
        let previous_digest = self.batch(previous_form).digest;
        let mut chain = Chain::after(previous_digest);
        for record in &records {
            chain.record(&record.subject.to_string(), &record.payload);
        }
        let digest = chain.finish();
        let sealed = BatchSealed { v: 1, n: n.into(), count: records.len() as u32, previous_digest, digest };
        let seal = OutRecord {
            subject: Subject::Writer(writer_id(writer)),
            payload: Event::BatchSealed(sealed).to_line().into(),
            guard: Some(Guard::Own(previous.into())),
        };
        Batch { records, seal, digest }
    }
}

const NOW: UnixMillis = UnixMillis(0);

/// The real packer's records, and which of them changes the wallet.
fn lay_out(groups: &[Group]) -> (Vec<OutRecord>, Option<u64>) {
    let mut packer = Packer::default();
    for group in groups {
        packer.add(&group.entries).expect("a lane's groups fit together");
    }
    let (records, _) = packer.finish();
    let wallet = records.iter().position(|record| record.subject == WALLET);
    (records, wallet.map(|at| at as u64))
}

fn events_of(record: &OutRecord) -> (Subject, Vec<Event>) {
    let events = lines(&record.payload).map(|line| Event::from_line(line).expect("it was just written"));
    (record.subject, events.collect())
}

fn accepted(writer: u8, request: u8) -> Entry {
    let event = MessageAccepted {
        v: 1,
        message: MessageId(request.into()),
        workspace: WorkspaceId(1),
        webhook: WebhookId(1),
        account: AccountId(1),
        credits: Credits(1),
        has_text: true,
        has_file: false,
        at: NOW,
        expires_after_ms: 0,
        writer: writer_id(writer),
        sealed: Sealed { key_id: KeyId(1), data: String::new() },
        traceparent: None,
    };
    Entry::new(Subject::Accepted(Partition(0)), &Event::MessageAccepted(Box::new(event)))
}

fn writer_id(index: u8) -> WriterId {
    WriterId(u128::from(index) + 1)
}

pub(super) fn writer_index(writer: WriterId) -> u8 {
    writer.0 as u8 - 1
}

pub(super) fn request_of(message: MessageId) -> usize {
    message.0 as usize
}

/// The bits that are set, lowest first.
pub(super) fn bits(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |bit| set & (1 << bit) != 0)
}
