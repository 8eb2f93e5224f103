//! The broker's side: every log that can come about, what each of them says, and what a ledger that has read it would do.
//!
//! Shape: a log is a [`LogId`], its parent and the batch that was appended last. The facts of each are folded once, by a
//! fold of this model's own (plain sums, record by record) and by the real projection; both must agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use angelia_ingress::domain::wallet::Wallet;
use angelia_ledger::domain::dead_lanes::{self, Lost};
use angelia_ledger::domain::due::{self, Overdue};
use angelia_ledger::domain::projection::Projection;
use angelia_ledger::domain::refund::Refund;
use angelia_ledger::domain::table::{MemoryTables, Tables as _};
use angelia_ledger::domain::wallet as ledger_wallet;
use angelia_shared::event::{Event, Totals};
use angelia_shared::ids::{MessageId, Position, WriterId};
use angelia_shared::log::Record;
use angelia_shared::log::pack::Tip;
use angelia_shared::subject::Subject;
use angelia_shared::units::Credits;

use super::forms::{FormId, Forms, NOW, WALLET, WORKSPACE};
use super::rules::Rules;

/// Names one log among all that were seen. 0 is the empty one.
pub(crate) type LogId = u32;

/// The invariant that does not hold.
pub(crate) type Broken = &'static str;

pub(crate) const WA_1: Broken = "WA-1 a wallet is never overdrawn";
pub(crate) const WA_2: Broken = "WA-2 a writer spends and returns at most what it drew";
pub(crate) const WA_3: Broken = "WA-3 only what was not sent is refunded, once";
pub(crate) const WA_4: Broken = "WA-4 running totals are the sum of what came before";
pub(crate) const IN_1: Broken = "IN-1 what is answered is in the log exactly once";
pub(crate) const LG_2: Broken = "LG-2 a seal continues its writer's chain";

/// What became of a message, by the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) accepted: Position,
    pub(crate) price: u64,
    pub(crate) times_accepted: u8,
    pub(crate) stage: Stage,
    pub(crate) was_unknown: bool,
    refunded: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Queued,
    Unknown,
    Delivered,
    NotSent,
}

/// What a ledger that has read one log would do.
#[derive(Clone, Default)]
pub(crate) struct Due {
    pub(crate) lost: Vec<Lost>,
    pub(crate) returns: Vec<dead_lanes::Return>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) overdue: Vec<Overdue>,
    /// What the workspace has in all.
    pub(crate) balance: Credits,
    /// Whether it found facts that cannot be true.
    pub(crate) contradicted: bool,
}

/// What one log says.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) parent: LogId,
    pub(crate) last: u64,
    pub(crate) wallet: Wallet,
    /// The sum of what moved the wallet.
    pub(crate) totals: Totals,
    /// Credits drawn and neither spent nor returned, by writer.
    rest: BTreeMap<WriterId, i64>,
    pub(crate) fenced: BTreeSet<WriterId>,
    pub(crate) opened: BTreeSet<WriterId>,
    pub(crate) messages: BTreeMap<MessageId, Sending>,
    /// Where each open writer is.
    tips: BTreeMap<WriterId, Tip>,
    /// What stands on the writers' subjects.
    own: Vec<(WriterId, u64, FormId)>,
    pub(crate) broken: Option<Broken>,
    projection: Arc<Projection<MemoryTables>>,
    pub(crate) due: Arc<Due>,
}

impl Facts {
    fn empty() -> Self {
        Self {
            parent: 0,
            last: 0,
            wallet: Wallet::NEW,
            totals: Totals::default(),
            rest: BTreeMap::new(),
            fenced: BTreeSet::new(),
            opened: BTreeSet::new(),
            messages: BTreeMap::new(),
            tips: BTreeMap::new(),
            own: Vec::new(),
            broken: None,
            projection: Arc::default(),
            due: Arc::default(),
        }
    }

    /// The last sequence of `subject`.
    pub(crate) fn head(&self, subject: Subject) -> u64 {
        match subject {
            WALLET => self.wallet.head(),
            Subject::Writer(writer) => self.last_own(writer).map_or(0, |(seq, _)| seq),
            other => unreachable!("nobody guards {other} here"),
        }
    }

    /// Where an open writer is.
    pub(crate) fn tip(&self, writer: WriterId) -> Tip {
        self.tips[&writer]
    }

    /// The first record on a writer's subject after `seq`.
    pub(crate) fn first_own_after(&self, writer: WriterId, seq: u64) -> Option<(u64, FormId)> {
        self.own.iter().find(|(of, at, _)| *of == writer && *at > seq).map(|(_, at, form)| (*at, *form))
    }

    /// The last record on a writer's subject.
    pub(crate) fn last_own(&self, writer: WriterId) -> Option<(u64, FormId)> {
        self.own.iter().rfind(|(of, ..)| *of == writer).map(|(_, at, form)| (*at, *form))
    }

    /// How often a request was accepted.
    pub(crate) fn times_accepted(&self, request: u8) -> u8 {
        self.messages.get(&MessageId(request.into())).map_or(0, |message| message.times_accepted)
    }

    /// Folds one record; says which invariant it breaks.
    fn fold(&mut self, subject: Subject, events: &[Event], form: FormId) -> Result<(), Broken> {
        self.last += 1;
        if let Subject::Writer(writer) = subject {
            self.own.push((writer, self.last, form));
        }
        for (line, event) in events.iter().enumerate() {
            self.fold_event(event, Position::new(self.last, line as u16))?;
        }
        Ok(())
    }

    fn fold_event(&mut self, event: &Event, at: Position) -> Result<(), Broken> {
        match event {
            Event::CreditsGranted(event) => self.wallet(self.totals.granting(event.credits), event.totals),
            Event::CreditsDrawn(event) => {
                self.wallet(self.totals.drawing(event.credits), event.totals)?;
                self.move_rest(event.writer, event.credits.0 as i64)
            }
            Event::CreditsReturned(event) => {
                self.wallet(self.totals.returning(event.credits), event.totals)?;
                self.move_rest(event.writer, -(event.credits.0 as i64))
            }
            Event::CreditsRefunded(event) => {
                self.wallet(self.totals.refunding(event.credits), event.totals)?;
                event.items.iter().try_for_each(|item| self.refund(item.message, item.credits.0))
            }
            Event::MessageAccepted(event) => {
                let fresh = Sending {
                    accepted: at,
                    price: event.credits.0,
                    times_accepted: 0,
                    stage: Stage::Queued,
                    was_unknown: false,
                    refunded: 0,
                };
                let message = self.messages.entry(event.message).or_insert(fresh);
                message.times_accepted += 1;
                if message.times_accepted > 1 {
                    return Err(IN_1);
                }
                self.move_rest(event.writer, -(event.credits.0 as i64))
            }
            Event::AttemptEnded(event) => {
                use angelia_shared::event::attempt::AttemptOutcome::{Deferred, Failed, NotStarted, Sent, Unknown};
                let stage = match event.outcome {
                    Failed { .. } => Stage::NotSent,
                    Unknown { .. } => Stage::Unknown,
                    Sent { .. } | Deferred { .. } | NotStarted => unreachable!("no attempt ends so here"),
                };
                let message = self.message(event.message);
                (message.stage, message.was_unknown) = (stage, stage == Stage::Unknown);
                Ok(())
            }
            Event::MessageDelivered(event) => self.decide(event.message, Stage::Delivered),
            Event::OutcomeSettled(event) => self.decide(event.message, Stage::NotSent),
            Event::WriterFenced(event) => {
                self.fenced.insert(event.writer);
                Ok(())
            }
            Event::WriterOpened(event) => {
                self.opened.insert(event.writer);
                Ok(())
            }
            Event::AttemptStarted(_) | Event::BatchSealed(_) => Ok(()),
            other => unreachable!("nobody writes {} here", other.name()),
        }
    }

    fn message(&mut self, message: MessageId) -> &mut Sending {
        self.messages.get_mut(&message).expect("only what was accepted is sent")
    }

    /// The first that is said of an unknown outcome decides it.
    fn decide(&mut self, message: MessageId, stage: Stage) -> Result<(), Broken> {
        let message = self.message(message);
        if message.stage == Stage::Unknown {
            message.stage = stage;
        }
        Ok(())
    }

    fn refund(&mut self, message: MessageId, credits: u64) -> Result<(), Broken> {
        let message = self.message(message);
        message.refunded += credits;
        if message.stage == Stage::NotSent && message.refunded <= message.price { Ok(()) } else { Err(WA_3) }
    }

    fn wallet(&mut self, sum: Option<Totals>, told: Totals) -> Result<(), Broken> {
        self.totals = sum.ok_or(WA_1)?;
        if self.totals != told {
            return Err(WA_4);
        }
        self.wallet = Wallet::at(self.last, told).map_err(|_| WA_1)?;
        Ok(())
    }

    fn move_rest(&mut self, writer: WriterId, credits: i64) -> Result<(), Broken> {
        let rest = self.rest.entry(writer).or_default();
        *rest += credits;
        if *rest >= 0 { Ok(()) } else { Err(WA_2) }
    }

    /// Moves the writer on whose subject the batch ends.
    fn move_tip(&mut self, form: FormId, forms: &Forms) -> Result<(), Broken> {
        let (subject, events) = forms.get(form).events.last().expect("a batch has a last record");
        let Subject::Writer(writer) = *subject else { unreachable!("a batch ends on a writer's subject") };
        let (head, digest) = (self.last, forms.get(form).batch.digest);
        match &events[0] {
            Event::WriterOpened(_) => {
                self.tips.insert(writer, Tip { writer, n: 0, head, digest });
            }
            Event::BatchSealed(seal) => {
                // Nothing continues the chain of a writer that was fenced.
                let tip = self.tips.get(&writer).ok_or(LG_2)?;
                if (seal.n, seal.previous_digest) != (tip.n + 1, tip.digest) {
                    return Err(LG_2);
                }
                self.tips.insert(writer, Tip { writer, n: seal.n, head, digest });
            }
            Event::WriterFenced(_) => drop(self.tips.remove(&writer)),
            other => unreachable!("no batch ends with {}", other.name()),
        }
        Ok(())
    }
}

/// All logs that were seen.
pub(crate) struct Logs {
    facts: Vec<Arc<Facts>>,
    appended: HashMap<(LogId, FormId), LogId>,
}

impl Logs {
    pub(crate) fn new() -> Self {
        Self { facts: vec![Arc::new(Facts::empty())], appended: HashMap::new() }
    }

    pub(crate) fn facts(&self, log: LogId) -> &Arc<Facts> {
        &self.facts[log as usize]
    }

    /// The log and every earlier one.
    pub(crate) fn prefixes(&self, log: LogId) -> impl Iterator<Item = (LogId, &Arc<Facts>)> {
        let before = |log: &LogId| (*log != 0).then(|| self.facts(*log).parent);
        std::iter::successors(Some(log), before).map(|log| (log, self.facts(log)))
    }

    /// The log with one batch more. A server appends a batch whole or not at all.
    pub(crate) fn append(&mut self, log: LogId, form: FormId, forms: &Forms) -> LogId {
        if let Some(known) = self.appended.get(&(log, form)) {
            return *known;
        }
        let mut facts = Facts::clone(self.facts(log));
        facts.parent = log;
        let first = facts.last + 1;
        for (subject, events) in &forms.get(form).events {
            let folded = facts.fold(*subject, events, form);
            facts.broken = facts.broken.or(folded.err());
        }
        let sealed = facts.move_tip(form, forms);
        facts.broken = facts.broken.or(sealed.err());
        let projection = project(&facts.projection, form, forms, first);
        facts.due = Arc::new(due(&projection));
        facts.projection = Arc::new(projection);
        self.facts.push(Arc::new(facts));
        let id = self.facts.len() as LogId - 1;
        self.appended.insert((log, form), id);
        id
    }

    /// Whether a server would store the batch now: every guard that is in force holds.
    pub(crate) fn admits(&self, log: LogId, form: FormId, forms: &Forms, rules: Rules) -> bool {
        let facts = self.facts(log);
        let in_force = |subject| if subject == WALLET { rules.wallet_guard } else { rules.seal_guard };
        forms.get(form).guards.iter().all(|(subject, seq)| !in_force(*subject) || facts.head(*subject) == *seq)
    }

    /// Whether it may still be stored later: a sequence that has passed never comes back.
    pub(crate) fn may_admit(&self, log: LogId, form: FormId, forms: &Forms, rules: Rules) -> bool {
        let facts = self.facts(log);
        let in_force = |subject| if subject == WALLET { rules.wallet_guard } else { rules.seal_guard };
        forms.get(form).guards.iter().all(|(subject, seq)| !in_force(*subject) || facts.head(*subject) <= *seq)
    }
}

/// The real ledger takes the batch in.
fn project(before: &Projection<MemoryTables>, form: FormId, forms: &Forms, first: u64) -> Projection<MemoryTables> {
    let batch = &forms.get(form).batch;
    let records = batch.records.iter().chain([&batch.seal]).zip(first..);
    let records: Vec<Record> = records
        .map(|(record, seq)| Record {
            seq,
            at: NOW,
            subject: Ok(record.subject),
            payload: record.payload.clone(),
            pending: 0,
        })
        .collect();
    let mut projection = before.clone();
    projection.fold(&records).expect("memory can be read");
    projection
}

/// What the real ledger would do now.
fn due(projection: &Projection<MemoryTables>) -> Due {
    let tables = &projection.tables;
    let wallet: ledger_wallet::Wallet = tables.get(&WORKSPACE).expect("memory can be read").unwrap_or_default();
    Due {
        lost: dead_lanes::lost(tables, &BTreeSet::new()).expect("memory can be read"),
        returns: dead_lanes::returns(tables, 1, NOW).expect("memory can be read"),
        refunds: due::refunds(tables, 1, NOW).expect("memory can be read"),
        overdue: due::overdue(tables, NOW, 0, 8).expect("memory can be read"),
        balance: wallet.available(),
        contradicted: projection.head.counts.contradictions > 0,
    }
}
