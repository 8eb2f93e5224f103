//! Merges sorted runs into one, a block at a time.
//!
//! What is in memory is found again from the manifest: the last key that was merged says where each source goes on.

use std::collections::VecDeque;

use super::Beneath;
use super::block::{Block, Entry};
use super::filter::Filter;
use super::manifest::{Merging, Space};
use crate::shell::store::{Store, StoreError};

/// A merge under way.
pub(super) struct Merge<const K: usize> {
    space: Space,
    sources: Vec<Source<K>>,
    /// Of the output.
    pub(super) filter: Filter,
    /// Rows of the output.
    pub(super) count: u64,
}

/// One run that is read.
struct Source<const K: usize> {
    run: u32,
    /// What was read and not merged yet.
    waiting: VecDeque<Entry<K>>,
    /// The last key that was read; empty before the first.
    read: Vec<u8>,
    is_empty: bool,
}

impl<const K: usize> Merge<K> {
    pub(super) fn begin(space: Space, merging: &Merging) -> Self {
        let source = |run: &u32| Source { run: *run, waiting: VecDeque::new(), read: Vec::new(), is_empty: false };
        let sources = merging.sources.iter().map(source).collect();
        Self { space, sources, filter: Filter::of(merging.count), count: 0 }
    }

    /// Goes on with a merge that an earlier run began.
    pub(super) fn resume(space: Space, merging: &Merging, store: &Store) -> Result<Self, StoreError> {
        let mut merge = Self::begin(space, merging);
        let (filter, count) = (&mut merge.filter, &mut merge.count);
        space.each_key::<K>(store, merging.output, |key| {
            filter.add(key);
            *count += 1;
        })?;
        let Ok(cursor) = <[u8; K]>::try_from(merging.cursor.as_slice()) else { return Ok(merge) };
        let unwritten = Default::default();
        for source in &mut merge.sources {
            // The block in which the cursor is may hold more behind it.
            let begun = space.block_at(source.run, &cursor, Beneath { store, unwritten: &unwritten })?;
            source.take(begun.unwrap_or_default());
            source.waiting.retain(|entry| entry.key > cursor);
            if source.read.is_empty() {
                source.read = cursor.to_vec();
            }
        }
        Ok(merge)
    }

    /// The next up to `len` rows in order, and moves `merging`'s cursor behind them; none when all are merged.
    pub(super) fn next_block(
        &mut self,
        merging: &mut Merging,
        len: usize,
        beneath: Beneath<'_>,
    ) -> Result<Block<K>, StoreError> {
        let mut block = Block(Vec::with_capacity(len));
        while block.0.len() < len
            && let Some(entry) = self.next(beneath)?
        {
            self.filter.add(&entry.key);
            self.count += 1;
            block.0.push(entry);
        }
        if let Some(last) = block.0.last() {
            merging.cursor = last.key.to_vec();
        }
        Ok(block)
    }

    /// The smallest row of all sources. Of rows with one key, the newest source's.
    fn next(&mut self, beneath: Beneath<'_>) -> Result<Option<Entry<K>>, StoreError> {
        let mut smallest: Option<(usize, [u8; K])> = None;
        for (at, source) in self.sources.iter_mut().enumerate() {
            source.fill(self.space, beneath)?;
            let Some(key) = source.waiting.front().map(|entry| entry.key) else { continue };
            if smallest.is_none_or(|(_, other)| key <= other) {
                smallest = Some((at, key));
            }
        }
        let Some((at, key)) = smallest else { return Ok(None) };
        let entry = self.sources[at].waiting.pop_front();
        for older in &mut self.sources[..at] {
            older.waiting.pop_front_if(|entry| entry.key == key);
        }
        Ok(entry)
    }
}

impl<const K: usize> Source<K> {
    fn fill(&mut self, space: Space, beneath: Beneath<'_>) -> Result<(), StoreError> {
        if self.is_empty || !self.waiting.is_empty() {
            return Ok(());
        }
        match space.block_after(self.run, &self.read, beneath)? {
            Some(block) => self.take(block),
            None => self.is_empty = true,
        }
        Ok(())
    }

    fn take(&mut self, block: Block<K>) {
        if let Some(last) = block.0.last() {
            self.read = last.key.to_vec();
        }
        self.waiting.extend(block.0);
    }
}
