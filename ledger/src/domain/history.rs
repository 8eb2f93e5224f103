//! For tests: histories that could have happened, made of a few small worlds' random steps.
//!
//! Shape: [`History`] seals batches as the writer does; [`World`] plays ingress, dispatcher, provider and ledger in turns.

mod world;

use std::collections::BTreeMap;

use angelia_shared::event::{BatchSealed, Digest, Event, WriterFenced, WriterOpened};
use angelia_shared::ids::{MemberId, Position, WriterId};
use angelia_shared::log::Record;
use angelia_shared::log::digest::Chain;
use angelia_shared::subject::Subject;
use angelia_shared::units::UnixMillis;

pub(crate) use world::{INGRESS, World, acceptance, receipt, steps};

/// A log under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The batches, each ended by a record on a writer's subject.
    pub(crate) batches: Vec<Vec<Record>>,
    /// Every event with its place.
    pub(crate) events: Vec<(Position, Subject, Event)>,
    /// The last sequence.
    pub(crate) seq: u64,
    writers: BTreeMap<WriterId, (u64, Digest)>,
}

impl History {
    /// Opens a writer.
    pub(crate) fn open(&mut self) -> WriterId {
        self.open_as("test", MemberId(1))
    }

    /// Opens a writer of a role in a process.
    pub(crate) fn open_as(&mut self, role: &str, member: MemberId) -> WriterId {
        let writer = WriterId(u128::from(self.seq) + 1_000);
        let at = UnixMillis(0);
        let opened = WriterOpened { v: 1, writer, role: role.to_owned(), member, at };
        let record = self.record(Subject::Writer(writer), &[Event::WriterOpened(opened)]);
        let mut chain = Chain::after(Digest::default());
        chain.record(&Subject::Writer(writer).to_string(), &record.payload);
        self.writers.insert(writer, (0, chain.finish()));
        self.batches.push(vec![record]);
        writer
    }

    /// Fences a writer.
    pub(crate) fn fence(&mut self, writer: WriterId) {
        let (by, reason, at) = (MemberId(2), "a test".to_owned(), UnixMillis(0));
        let fence = WriterFenced { v: 1, writer, by, reason, at };
        let record = self.record(Subject::Writer(writer), &[Event::WriterFenced(fence)]);
        self.batches.push(vec![record]);
    }

    /// Appends a batch: each item is one record.
    pub(crate) fn commit(&mut self, writer: WriterId, records: &[(Subject, Vec<Event>)]) {
        let seal = self.batch(writer, records, false);
        self.batches.push(seal);
    }

    /// Appends a closing batch.
    pub(crate) fn close(&mut self, writer: WriterId, records: &[(Subject, Vec<Event>)]) {
        let seal = self.batch(writer, records, true);
        self.batches.push(seal);
    }

    fn batch(&mut self, writer: WriterId, records: &[(Subject, Vec<Event>)], closes: bool) -> Vec<Record> {
        let (n, previous_digest) = self.writers[&writer];
        let mut batch: Vec<_> = records.iter().map(|(subject, events)| self.record(*subject, events)).collect();
        let mut chain = Chain::after(previous_digest);
        for record in &batch {
            chain.record(&record.subject.clone().unwrap().to_string(), &record.payload);
        }
        let digest = chain.finish();
        let seal = BatchSealed { v: 1, n: n + 1, count: batch.len() as u32, previous_digest, digest };
        self.writers.insert(writer, (n + 1, digest));
        let seal = if closes { Event::WriterClosed(seal) } else { Event::BatchSealed(seal) };
        batch.push(self.record(Subject::Writer(writer), &[seal]));
        batch
    }

    /// Appends a record; the caller sees to its batch.
    pub(crate) fn record(&mut self, subject: Subject, events: &[Event]) -> Record {
        self.seq += 1;
        for (line, event) in events.iter().enumerate() {
            self.events.push((Position::new(self.seq, line as u16), subject, event.clone()));
        }
        let payload = events.iter().map(Event::to_line).collect::<Vec<_>>().join(&b'\n');
        Record { seq: self.seq, at: UnixMillis(0), subject: Ok(subject), payload: payload.into(), pending: 0 }
    }
}
