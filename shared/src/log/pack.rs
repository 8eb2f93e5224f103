//! Lays groups out as the records of one batch.
//!
//! Shape: groups, in order → records (guarded and unpacked ones first, in order; then packed ones), each entry's place,
//! and the seal. A batch has at most [`RECORDS_MAX`] records before its seal.
//!
//! Invariants:
//! - A group is in the batch whole or not at all.
//! - One record a guarded subject; no subject is guarded that the batch writes elsewhere; one wallet entry a workspace.
//! - Wallet entries stand before the acceptances that they pay for, at every prefix (WA-2).

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use smallvec::SmallVec;

use super::digest::Chain;
use super::entry::{AppendError, Entry, Guard, Pending};
use crate::event::{BatchSealed, Digest, Event};
use crate::ids::{Position, WriterId};
use crate::subject::Subject;

/// JetStream takes 1,000 messages a batch; one is the seal.
pub const RECORDS_MAX: usize = 999;
/// Lines in a packed record, so that one record is quick to read again.
pub const LINES_MAX: usize = 64;
/// Bytes of a packed record; a single larger event stands alone.
pub const RECORD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a batch: what the broker takes in a few milliseconds on a slow disk.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a single event: the broker's own limit of a message is 1 MiB with its headers.
pub const EVENT_BYTES_MAX: usize = 1_000_000;

/// One broker message to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRecord {
    /// Its subject.
    pub subject: Subject,
    /// Its lines, joined by line feeds.
    pub payload: Bytes,
    /// Its condition.
    pub guard: Option<Guard>,
}

/// A batch whose bytes are settled: from its first transmission on nothing in it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The records before the seal.
    pub records: Vec<OutRecord>,
    /// The seal (or the closing record), guarded by the writer's record before.
    pub seal: OutRecord,
    /// What the seal says of the records.
    pub digest: Digest,
}

/// Where a writer is: what its next seal continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The writer.
    pub writer: WriterId,
    /// Number of its newest batch; 0 at first.
    pub n: u64,
    /// Sequence of its newest record on its own subject.
    pub head: u64,
    /// Digest of that record.
    pub digest: Digest,
}

impl Batch {
    /// Seals records as the writer's next batch, or as its last one.
    pub fn sealed(records: Vec<OutRecord>, tip: Tip, closes: bool) -> Self {
        let mut chain = Chain::after(tip.digest);
        for record in &records {
            chain.record(&record.subject.to_string(), &record.payload);
        }
        let digest = chain.finish();
        let count = u32::try_from(records.len()).expect("a batch has at most 999 records");
        let sealed = BatchSealed { v: 1, n: tip.n + 1, count, previous_digest: tip.digest, digest };
        let event = if closes { Event::WriterClosed(sealed) } else { Event::BatchSealed(sealed) };
        let seal = OutRecord {
            subject: Subject::Writer(tip.writer),
            payload: event.to_line().into(),
            guard: Some(Guard::Own(tip.head)),
        };
        Self { records, seal, digest }
    }

    /// Everything that must have a certain last sequence for the batch to be stored, each once.
    pub fn guards(&self) -> HashMap<Subject, u64> {
        let records = self.records.iter().chain([&self.seal]);
        records.filter_map(|record| record.guard.map(|guard| guard.on(record.subject))).collect()
    }
}

/// Where an entry is in a batch: record and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    unpacked: bool,
    record: u32,
    line: u16,
}

/// A batch under construction.
#[derive(Default)]
pub struct Packer {
    unpacked: Vec<Building>,
    packed: Vec<Building>,
    /// Newest packed record of each subject.
    open: HashMap<Subject, usize>,
    /// What the batch writes, and under which own guard.
    written: HashMap<Subject, Option<u64>>,
    /// What the batch only reads.
    watched: HashMap<Subject, u64>,
    places: Vec<Place>,
    bytes: usize,
}

struct Building {
    subject: Subject,
    lines: Vec<u8>,
    count: u16,
    guard: Option<Guard>,
}

/// Why a group is not in this batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The batch is full.
    Full,
    /// It would write or guard a subject a second time; it fits the next batch.
    Conflict,
    /// No batch can hold it: it is too large, or it guards what it also writes.
    Never,
}

/// What one group has changed, so that it can be taken out again.
#[derive(Default)]
struct Changes {
    joined: SmallVec<[(usize, Joint); 2]>,
    opened: SmallVec<[(Subject, Option<usize>); 2]>,
    written: SmallVec<[Subject; 2]>,
    watched: SmallVec<[Subject; 2]>,
}

impl Packer {
    /// Takes groups from the front of `queue` until the batch is full. Groups in conflict stay, in order; groups that no
    /// batch can hold are answered.
    pub fn take(&mut self, queue: &mut VecDeque<Pending>) -> Vec<Pending> {
        let mut taken = Vec::new();
        let mut left = VecDeque::new();
        while let Some(pending) = queue.pop_front() {
            match self.add(&pending.group.entries) {
                Ok(()) => taken.push(pending),
                Err(NoRoom::Never) => pending.answer(Err(AppendError::TooLarge)),
                Err(NoRoom::Conflict) => left.push_back(pending),
                Err(NoRoom::Full) => {
                    left.push_back(pending);
                    break;
                }
            }
        }
        while let Some(pending) = left.pop_back() {
            queue.push_front(pending);
        }
        taken
    }

    /// Adds one group, whole or not at all.
    ///
    /// # Errors
    /// [`NoRoom`] leaves the packer as it was.
    pub fn add(&mut self, entries: &[Entry]) -> Result<(), NoRoom> {
        let bytes: usize = entries.iter().map(|entry| entry.line.len() + 1).sum();
        if bytes > BATCH_BYTES_MAX || entries.iter().any(|entry| entry.line.len() > EVENT_BYTES_MAX) {
            return Err(NoRoom::Never);
        }
        if self.bytes + bytes > BATCH_BYTES_MAX {
            return Err(NoRoom::Full);
        }
        let before = (self.places.len(), self.unpacked.len(), self.packed.len());
        let mut changes = Changes::default();
        for entry in entries {
            // Each entry is also held against those of its own group.
            if self.conflicts(entry) {
                self.take_out(before, changes);
                return Err(if self.places.is_empty() { NoRoom::Never } else { NoRoom::Conflict });
            }
            let place = self.place(entry, &mut changes);
            self.places.push(place);
            // How many records a group takes shows only while it is packed: its lines may join records that are there.
            if self.records() > RECORDS_MAX {
                self.take_out(before, changes);
                return Err(if self.places.is_empty() { NoRoom::Never } else { NoRoom::Full });
            }
        }
        self.bytes += bytes;
        Ok(())
    }

    fn conflicts(&self, entry: &Entry) -> bool {
        let written = self.written.get(&entry.subject);
        let watched = self.watched.contains_key(&entry.subject);
        match entry.guard {
            Some(Guard::Own(expected)) => {
                // A second guarded line may join the record that the first one opened, under the same guard.
                let joins = entry.subject.is_packed()
                    && written == Some(&Some(expected))
                    && self.open.get(&entry.subject).is_some_and(|at| fits(&self.packed[*at], entry));
                written.is_some() && !joins || watched
            }
            Some(Guard::Other(subject, expected)) => {
                subject == entry.subject
                    || self.written.contains_key(&subject)
                    || self.watched.get(&subject).is_some_and(|other| *other != expected)
                    || matches!(written, Some(Some(_)))
                    || watched
            }
            None => matches!(written, Some(Some(_))) || watched,
        }
    }

    fn place(&mut self, entry: &Entry, changes: &mut Changes) -> Place {
        let own = match entry.guard {
            Some(Guard::Own(expected)) => Some(expected),
            Some(Guard::Other(..)) | None => None,
        };
        if let Slot::Vacant(slot) = self.written.entry(entry.subject) {
            slot.insert(own);
            changes.written.push(entry.subject);
        }
        let guard = self.guard_of(entry, changes);
        if !entry.subject.is_packed() {
            self.unpacked.push(Building::new(entry, guard));
            return Place { unpacked: true, record: self.unpacked.len() as u32 - 1, line: 0 };
        }
        let open = self.open.get(&entry.subject).copied();
        if let Some(at) = open.filter(|at| fits(&self.packed[*at], entry) && self.packed[*at].can_carry(guard)) {
            changes.joined.push((at, self.packed[at].joint()));
            let line = self.packed[at].join(entry, guard);
            return Place { unpacked: false, record: at as u32, line };
        }
        self.packed.push(Building::new(entry, guard));
        changes.opened.push((entry.subject, self.open.insert(entry.subject, self.packed.len() - 1)));
        Place { unpacked: false, record: self.packed.len() as u32 - 1, line: 0 }
    }

    /// The guard that the entry's record carries. A read-only guard is carried once a batch: the batch is atomic.
    fn guard_of(&mut self, entry: &Entry, changes: &mut Changes) -> Option<Guard> {
        let Some(Guard::Other(subject, expected)) = entry.guard else { return entry.guard };
        if self.watched.insert(subject, expected).is_some() {
            return None;
        }
        changes.watched.push(subject);
        entry.guard
    }

    /// Takes the begun group out again, newest change first.
    fn take_out(&mut self, (places, unpacked, packed): (usize, usize, usize), changes: Changes) {
        self.places.truncate(places);
        self.unpacked.truncate(unpacked);
        for (at, joint) in changes.joined.into_iter().rev() {
            self.packed[at].cut(joint);
        }
        for (subject, before) in changes.opened.into_iter().rev() {
            match before {
                Some(at) => self.open.insert(subject, at),
                None => self.open.remove(&subject),
            };
        }
        self.packed.truncate(packed);
        for subject in changes.written {
            self.written.remove(&subject);
        }
        for subject in changes.watched {
            self.watched.remove(&subject);
        }
    }

    /// How many records there are so far.
    pub fn records(&self) -> usize {
        self.unpacked.len() + self.packed.len()
    }

    /// Ends the batch: its records and each entry's place, over all groups in order.
    pub fn finish(self) -> (Vec<OutRecord>, Places) {
        let first_packed = self.unpacked.len() as u64;
        let records: Vec<_> = self.unpacked.into_iter().chain(self.packed).map(Building::finish).collect();
        let offsets = self
            .places
            .iter()
            .map(|place| {
                let before = if place.unpacked { 0 } else { first_packed };
                (before + u64::from(place.record), place.line)
            })
            .collect();
        (records, Places(offsets))
    }
}

/// Where each entry is, counted from the batch's first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(Vec<(u64, u16)>);

impl Places {
    /// Positions in the log, once the first record's sequence is known.
    pub fn positions(&self, first_seq: u64) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().map(move |(offset, line)| Position::new(first_seq + offset, *line))
    }
}

/// A packed record's end before a line joined it.
#[derive(Clone, Copy)]
struct Joint {
    bytes: usize,
    count: u16,
    guard: Option<Guard>,
}

impl Building {
    fn new(entry: &Entry, guard: Option<Guard>) -> Self {
        Self { subject: entry.subject, lines: entry.line.clone(), count: 1, guard }
    }

    /// A record carries one guard: the one it has, or one that it is given.
    fn can_carry(&self, guard: Option<Guard>) -> bool {
        guard.is_none() || self.guard.is_none() || self.guard == guard
    }

    fn joint(&self) -> Joint {
        Joint { bytes: self.lines.len(), count: self.count, guard: self.guard }
    }

    /// Adds a line; returns its number.
    fn join(&mut self, entry: &Entry, guard: Option<Guard>) -> u16 {
        self.lines.push(b'\n');
        self.lines.extend_from_slice(&entry.line);
        self.guard = self.guard.or(guard);
        self.count += 1;
        self.count - 1
    }

    fn cut(&mut self, joint: Joint) {
        self.lines.truncate(joint.bytes);
        self.count = joint.count;
        self.guard = joint.guard;
    }

    fn finish(self) -> OutRecord {
        OutRecord { subject: self.subject, payload: self.lines.into(), guard: self.guard }
    }
}

fn fits(record: &Building, entry: &Entry) -> bool {
    usize::from(record.count) < LINES_MAX && record.lines.len() + 1 + entry.line.len() <= RECORD_BYTES_MAX
}

#[cfg(test)]
mod tests;
