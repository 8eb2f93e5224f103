//! Which runs there are, and where their rows are in the store.

use std::ops::Range;

use super::Beneath;
use super::block::Block;
use crate::domain::table::{Decoder, Encoder, Span, Unreadable};
use crate::shell::store::{Store, StoreError};

/// Kinds of rows under a table's byte.
const MANIFEST: u8 = 0;
const TAIL: u8 = 1;
const BLOCK: u8 = 2;

/// A sorted run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) number: u32,
    /// How often its rows were merged.
    pub(super) level: u8,
    /// Its rows.
    pub(super) count: u64,
}

/// A merge under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Merging {
    /// The runs that are merged, all of one level, the oldest first.
    pub(super) sources: Vec<u32>,
    /// The run that they become.
    pub(super) output: u32,
    /// The sources' level.
    pub(super) level: u8,
    /// Rows of all sources.
    pub(super) count: u64,
    /// The last key that was merged; empty before the first.
    pub(super) cursor: Vec<u8>,
}

/// Everything that must be known to find rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// From the oldest to the newest.
    pub(super) runs: Vec<Run>,
    pub(super) merging: Option<Merging>,
    /// Runs that were merged and whose blocks are still to be removed.
    pub(super) garbage: Vec<u32>,
    /// Tails of rows that are in no run.
    pub(super) tails: Range<u64>,
    next: u32,
}

impl Manifest {
    /// A number for a new run.
    pub(super) fn new_run(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Chooses what to merge: the oldest runs of the lowest level that has `fan` of them.
    pub(super) fn begin_merging(&mut self, fan: usize) -> Option<Merging> {
        let top = self.runs.iter().map(|run| run.level).max()?;
        let level = (0..=top).find(|level| self.runs.iter().filter(|run| run.level == *level).count() >= fan)?;
        let sources: Vec<Run> = self.runs.iter().filter(|run| run.level == level).take(fan).copied().collect();
        Some(Merging {
            count: sources.iter().map(|run| run.count).sum(),
            sources: sources.into_iter().map(|run| run.number).collect(),
            output: self.new_run(),
            level,
            cursor: Vec::new(),
        })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        for number in [u64::from(self.next), self.tails.start, self.tails.end, self.runs.len() as u64] {
            out.number(number);
        }
        for run in &self.runs {
            out.number(u64::from(run.number));
            out.byte(run.level);
            out.number(run.count);
        }
        numbers(&mut out, &self.garbage);
        out.optional(self.merging.as_ref(), |out, merging| {
            numbers(out, &merging.sources);
            out.number(u64::from(merging.output));
            out.byte(merging.level);
            out.number(merging.count);
            out.number(merging.cursor.len() as u64);
            out.0.extend_from_slice(&merging.cursor);
        });
        out.0
    }

    /// `None` when the bytes are something else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut input = Decoder(bytes);
        let (next, start, end) = (input.small()?, input.number()?, input.number()?);
        let count: usize = input.small()?;
        let mut runs = Vec::new();
        for _ in 0..count {
            runs.push(Run { number: input.small()?, level: input.byte()?, count: input.number()? });
        }
        let garbage = read_numbers(&mut input)?;
        let merging = input.optional(|input| {
            let sources = read_numbers(input)?;
            let (output, level, count) = (input.small()?, input.byte()?, input.number()?);
            let len: usize = input.small()?;
            let (cursor, rest) = input.0.split_at_checked(len)?;
            input.0 = rest;
            Some(Merging { sources, output, level, count, cursor: cursor.to_vec() })
        })?;
        input.0.is_empty().then_some(Self { runs, merging, garbage, tails: start..end, next })
    }
}

fn numbers(out: &mut Encoder, numbers: &[u32]) {
    out.number(numbers.len() as u64);
    numbers.iter().for_each(|number| out.number(u64::from(*number)));
}

fn read_numbers(input: &mut Decoder<'_>) -> Option<Vec<u32>> {
    let count: usize = input.small()?;
    (0..count).map(|_| input.small()).collect()
}

/// Where the rows of one table are in the store: under a byte that no other table begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space(pub(super) u8);

impl Space {
    pub(super) fn unreadable(self) -> StoreError {
        Unreadable { table: self.0 }.into()
    }

    pub(super) fn manifest(self) -> Vec<u8> {
        vec![self.0, MANIFEST]
    }

    pub(super) fn tail(self, number: u64) -> Vec<u8> {
        [&[self.0, TAIL], number.to_be_bytes().as_slice()].concat()
    }

    pub(super) fn tails(self) -> Span {
        Span { from: vec![self.0, TAIL], to: vec![self.0, TAIL + 1] }
    }

    /// A block, by its first key.
    pub(super) fn block(self, run: u32, first: &[u8]) -> Vec<u8> {
        [&[self.0, BLOCK], run.to_be_bytes().as_slice(), first].concat()
    }

    /// All blocks of a run.
    pub(super) fn run(self, number: u32) -> Span {
        Span { from: self.block(number, &[]), to: self.block(number + 1, &[]) }
    }

    /// The block of a run in which `key` would be; `None` when it sorts before all.
    pub(super) fn block_at<const K: usize>(
        self,
        run: u32,
        key: &[u8; K],
        beneath: Beneath<'_>,
    ) -> Result<Option<Block<K>>, StoreError> {
        let mut to = self.block(run, key);
        to.push(0);
        let span = Span { from: self.block(run, &[]), to };
        let unwritten = beneath.unwritten.range(span.from.clone()..span.to.clone()).next_back();
        let stored = beneath.store.range(&span).next_back().transpose()?;
        self.nearest(unwritten, stored, |unwritten, stored| unwritten >= stored)
    }

    /// The first block of a run that begins after `key`; the run's first one for an empty key.
    pub(super) fn block_after<const K: usize>(
        self,
        run: u32,
        key: &[u8],
        beneath: Beneath<'_>,
    ) -> Result<Option<Block<K>>, StoreError> {
        let mut from = self.block(run, key);
        if !key.is_empty() {
            from.push(0);
        }
        let span = Span { from, to: self.block(run + 1, &[]) };
        let unwritten = beneath.unwritten.range(span.from.clone()..span.to.clone()).next();
        let stored = beneath.store.range(&span).next().transpose()?;
        self.nearest(unwritten, stored, |unwritten, stored| unwritten <= stored)
    }

    /// Blocks of a run in use are never removed, so what is unwritten is one.
    fn nearest<const K: usize>(
        self,
        unwritten: Option<(&Vec<u8>, &Option<Vec<u8>>)>,
        stored: Option<(sled::IVec, sled::IVec)>,
        is_nearer: impl FnOnce(&[u8], &[u8]) -> bool,
    ) -> Result<Option<Block<K>>, StoreError> {
        let block = match (&unwritten, &stored) {
            (None, None) => return Ok(None),
            (Some((key, value)), Some((other, _))) if is_nearer(key, other) => value.as_deref(),
            (Some((_, value)), None) => value.as_deref(),
            (_, Some((_, value))) => Some(value.as_ref()),
        };
        block.and_then(Block::read).map(Some).ok_or_else(|| self.unreadable())
    }

    /// Visits every key of a run.
    pub(super) fn each_key<const K: usize>(
        self,
        store: &Store,
        run: u32,
        mut visit: impl FnMut(&[u8; K]),
    ) -> Result<(), StoreError> {
        for row in store.range(&self.run(run)) {
            let (_, bytes) = row?;
            let block = Block::<K>::read(&bytes).ok_or_else(|| self.unreadable())?;
            block.0.iter().for_each(|entry| visit(&entry.key));
        }
        Ok(())
    }
}
