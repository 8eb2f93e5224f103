//! The broker's side: every log that can come about, and what each of them says.
//!
//! Shape: a log is a [`LogId`], its parent and the batch that was appended last. The facts of each are folded once, from
//! the real bytes of the records.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::forms::{FormId, Forms, LANES, WALLET, request_of, writer_index};
use super::{Broken, Rules};
use crate::event::{Digest, Event, Totals};
use crate::ids::WriterId;
use crate::subject::Subject;

/// Names one log among all that were seen. 0 is the empty one.
pub(super) type LogId = u32;

/// Writers that may be opened in one history: each lane's first and those after a fence.
pub(super) const WRITERS: usize = LANES * 3;
/// Requests in one history.
pub(super) const REQUESTS: usize = 4;

/// What one log says.
#[derive(Clone, Default)]
pub(super) struct Facts {
    pub(super) parent: LogId,
    /// The newest batch, and all of them.
    pub(super) forms: SmallVec<[FormId; 8]>,
    pub(super) last: u64,
    pub(super) wallet_head: u64,
    pub(super) totals: Totals,
    /// Credits drawn and neither spent nor returned, by writer.
    rest: [i64; WRITERS],
    pub(super) fenced: [bool; WRITERS],
    pub(super) opened: [bool; WRITERS],
    /// How often each request was accepted.
    pub(super) accepted: [u8; REQUESTS],
    chain: [(u64, Digest); WRITERS],
    /// What stands on the writers' subjects: the record is the last one of its batch.
    own: SmallVec<[(u8, u64, FormId); 8]>,
    pub(super) broken: Option<Broken>,
}

impl Facts {
    /// The last sequence of `subject`.
    pub(super) fn head(&self, subject: Subject) -> u64 {
        match subject {
            WALLET => self.wallet_head,
            Subject::Writer(writer) => self.last_own(writer_index(writer)).map_or(0, |(seq, _)| seq),
            _ => unreachable!("only wallets and writers are guarded here"),
        }
    }

    /// The first record on a writer's subject after `seq`: its sequence and its batch.
    pub(super) fn first_own_after(&self, writer: u8, seq: u64) -> Option<(u64, FormId)> {
        self.own.iter().find(|(of, at, _)| *of == writer && *at > seq).map(|(_, at, form)| (*at, *form))
    }

    /// The last record on a writer's subject.
    pub(super) fn last_own(&self, writer: u8) -> Option<(u64, FormId)> {
        self.own.iter().rfind(|(of, ..)| *of == writer).map(|(_, at, form)| (*at, *form))
    }

    /// What `writer` has drawn and neither spent nor returned.
    pub(super) fn rest(&self, writer: u8) -> u64 {
        u64::try_from(self.rest[usize::from(writer)]).unwrap_or(0)
    }

    /// Folds one record; says which invariant it breaks.
    fn fold(&mut self, subject: Subject, events: &[Event], form: FormId, digest: Digest) -> Result<(), Broken> {
        self.last += 1;
        match subject {
            WALLET => self.wallet_head = self.last,
            Subject::Writer(writer) => self.own.push((writer_index(writer), self.last, form)),
            _ => {}
        }
        events.iter().try_for_each(|event| self.fold_event(subject, event, digest))
    }

    fn fold_event(&mut self, subject: Subject, event: &Event, digest: Digest) -> Result<(), Broken> {
        match event {
            Event::CreditsGranted(event) => self.wallet(self.totals.granting(event.credits), event.totals),
            Event::CreditsDrawn(event) => {
                self.move_rest(event.writer, event.credits.0 as i64)?;
                self.wallet(self.totals.drawing(event.credits), event.totals)
            }
            Event::CreditsReturned(event) => {
                self.move_rest(event.writer, -(event.credits.0 as i64))?;
                self.wallet(self.totals.returning(event.credits), event.totals)
            }
            Event::MessageAccepted(event) => {
                let accepted = &mut self.accepted[request_of(event.message)];
                *accepted += 1;
                if *accepted > 1 {
                    return Err("IN-1 a request is accepted twice");
                }
                self.move_rest(event.writer, -1)
            }
            Event::WriterOpened(event) => {
                let writer = usize::from(writer_index(event.writer));
                self.opened[writer] = true;
                self.chain[writer] = (0, digest);
                Ok(())
            }
            Event::WriterFenced(event) => {
                self.fenced[usize::from(writer_index(event.writer))] = true;
                Ok(())
            }
            Event::BatchSealed(seal) => {
                let Subject::Writer(writer) = subject else { return Err("LG-2 a seal stands elsewhere") };
                let chain = &mut self.chain[usize::from(writer_index(writer))];
                if (seal.n, seal.previous_digest) != (chain.0 + 1, chain.1) {
                    return Err("LG-2 a seal does not continue its chain");
                }
                *chain = (seal.n, seal.digest);
                Ok(())
            }
            other => unreachable!("nobody writes {} here", other.name()),
        }
    }

    fn wallet(&mut self, sum: Option<Totals>, told: Totals) -> Result<(), Broken> {
        self.totals = sum.ok_or("WA-1 a wallet is overdrawn")?;
        if self.totals == told { Ok(()) } else { Err("WA-4 running totals are not the sum") }
    }

    fn move_rest(&mut self, writer: WriterId, credits: i64) -> Result<(), Broken> {
        let rest = &mut self.rest[usize::from(writer_index(writer))];
        *rest += credits;
        if *rest >= 0 { Ok(()) } else { Err("WA-2 a writer spent or returned more than it drew") }
    }
}

/// All logs that were seen.
pub(super) struct Logs {
    facts: Vec<Facts>,
    appended: HashMap<(LogId, FormId), LogId>,
}

impl Logs {
    pub(super) fn new() -> Self {
        Self { facts: vec![Facts::default()], appended: HashMap::new() }
    }

    pub(super) fn facts(&self, log: LogId) -> &Facts {
        &self.facts[log as usize]
    }

    /// The log with one batch more. A server appends a batch whole or not at all.
    pub(super) fn append(&mut self, log: LogId, form: FormId, forms: &Forms) -> LogId {
        if let Some(known) = self.appended.get(&(log, form)) {
            return *known;
        }
        let mut facts = self.facts(log).clone();
        facts.parent = log;
        facts.forms.push(form);
        for (subject, events) in forms.events(form) {
            if let Err(broken) = facts.fold(*subject, events, form, forms.batch(form).digest) {
                facts.broken = facts.broken.or(Some(broken));
            }
        }
        self.facts.push(facts);
        let id = self.facts.len() as LogId - 1;
        self.appended.insert((log, form), id);
        id
    }

    /// Whether a server would store the batch now: every guard that is in force holds.
    pub(super) fn admits(&self, log: LogId, form: FormId, forms: &Forms, rules: Rules) -> bool {
        let facts = self.facts(log);
        let mut guards = forms.guards(form).iter();
        guards.all(|(subject, expected)| !rules.is_in_force(*subject) || facts.head(*subject) == *expected)
    }
}
