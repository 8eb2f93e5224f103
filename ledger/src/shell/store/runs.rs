//! Rows under keys like dice, which are written once: ids, digests. Kept in sorted runs instead of the store's tree.
//!
//! In a tree each such row touches a page of its own, and a page is 4 KiB: two thirds of the ledger's time went there. Here
//! rows gather in memory until there are [`Sizes::freeze`] of them, are sorted into a *run* (blocks of neighbouring rows,
//! written one after the other), and [`Sizes::fan`] runs of one size are merged into one of the next. A filter for each run
//! says which runs need not be looked at, so a key that is not there costs next to nothing.
//!
//! Shape: rows in, rows out; everything is kept as ordinary rows of the store, under tables of its own (see [`Space`]):
//! blocks, what has not become a run yet (*tails*, one each flush), and a [`Manifest`]. They are written in the same batch
//! as the other rows and the cursor.
//!
//! Invariants:
//! - A row that was put is found: among the recent ones, or in exactly one run.
//! - Work is spread: a flush merges and removes in proportion to what it adds, so none takes long.
//!
//! Not here: which tables are kept so (see [`crate::domain::table::Scattered`]), rows that change.

mod block;
mod filter;
mod manifest;
mod merge;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use smallvec::SmallVec;

use super::{Rows, Store, StoreError};
use block::{Block, Entry};
use filter::Filter;
use manifest::{Manifest, Run, Space};
use merge::Merge;

/// A row's value: a place in the log, or a message's id and a digest.
type Value = SmallVec<[u8; 16]>;

/// How large things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Rows of a run of the lowest level.
    pub(super) freeze: usize,
    /// Runs of a level that are merged into one of the next.
    pub(super) fan: usize,
    /// Rows of a block: the larger, the fewer pages, and the more is read for one row.
    pub(super) block: usize,
    /// Rows merged for each one added. It must exceed the number of levels, or merging would fall behind.
    pub(super) merged_per_row: usize,
    /// Blocks removed at a flush for each one that merging may write.
    pub(super) removed_per_block: usize,
}

impl Default for Sizes {
    /// Blocks of some 4 KiB, a page of the store; five levels hold 130 million rows, in 36 runs at most.
    fn default() -> Self {
        Self { freeze: 4_096, fan: 8, block: 256, merged_per_row: 8, removed_per_block: 2 }
    }
}

/// What is stored and what is about to be: a look-up needs both.
#[derive(Clone, Copy)]
pub(super) struct Beneath<'a> {
    pub(super) store: &'a Store,
    pub(super) unwritten: &'a Rows,
}

/// The rows of one table, with keys of `K` bytes.
pub(super) struct Runs<const K: usize> {
    space: Space,
    sizes: Sizes,
    manifest: Manifest,
    /// In the order of the manifest's runs.
    filters: Vec<Filter>,
    /// Rows that are in no run yet.
    recent: HashMap<[u8; K], Value>,
    /// Those of them that are in no tail yet.
    unkept: Vec<Entry<K>>,
    merge: Option<Merge<K>>,
}

impl<const K: usize> Runs<K> {
    /// Takes up what the store holds of `table`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or holds what this version did not write.
    pub(super) fn open(table: u8, sizes: Sizes, store: &Store) -> Result<Self, StoreError> {
        let space = Space(table);
        let manifest = match store.get(&space.manifest())? {
            Some(bytes) => Manifest::read(&bytes).ok_or_else(|| space.unreadable())?,
            None => Manifest::default(),
        };
        let mut runs = Self {
            space,
            sizes,
            manifest,
            filters: Vec::new(),
            recent: HashMap::new(),
            unkept: Vec::new(),
            merge: None,
        };
        for row in store.range(&space.tails()) {
            let (_, bytes) = row?;
            let tail = Block::<K>::read(&bytes).ok_or_else(|| space.unreadable())?;
            runs.recent.extend(tail.0.into_iter().map(|Entry { key, value }| (key, value)));
        }
        for run in &runs.manifest.runs {
            let mut filter = Filter::of(run.count);
            runs.space.each_key::<K>(store, run.number, |key| filter.add(key))?;
            runs.filters.push(filter);
        }
        if let Some(merging) = &runs.manifest.merging {
            runs.merge = Some(Merge::resume(space, merging, store)?);
        }
        Ok(runs)
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn get(&self, key: &[u8], beneath: Beneath<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        let Ok(key) = <[u8; K]>::try_from(key) else { return Ok(None) };
        if let Some(value) = self.recent.get(&key) {
            return Ok(Some(value.to_vec()));
        }
        let hash = filter::hash(&key);
        for (run, filter) in self.manifest.runs.iter().zip(&self.filters).rev() {
            if !filter.may_hold(hash) {
                continue;
            }
            let Some(block) = self.space.block_at::<K>(run.number, &key, beneath)? else { continue };
            if let Some(value) = block.find(&key) {
                return Ok(Some(value.to_vec()));
            }
        }
        Ok(None)
    }

    /// Puts a row; returns the bytes that it adds to the next flush. A key of another length is a bug, and is not kept.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> usize {
        let Ok(key) = <[u8; K]>::try_from(key) else {
            debug_assert!(false, "keys of this table have {K} bytes");
            return 0;
        };
        let value = Value::from_slice(value);
        let bytes = K + 1 + value.len();
        self.recent.insert(key, value.clone());
        self.unkept.push(Entry { key, value });
        bytes
    }

    /// Adds what a flush has to write to `rows`. Called once before each; if the flush then fails, what was added stays there
    /// for the next.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn flush(&mut self, store: &Store, rows: &mut Rows) -> Result<(), StoreError> {
        let added = self.unkept.len();
        if added == 0 {
            return Ok(());
        }
        let tail = Block(std::mem::take(&mut self.unkept));
        rows.insert(self.space.tail(self.manifest.tails.end), Some(tail.write()));
        self.manifest.tails.end += 1;
        if self.recent.len() >= self.sizes.freeze {
            self.freeze(rows);
        }
        self.merge(added * self.sizes.merged_per_row, store, rows)?;
        let blocks = (added * self.sizes.merged_per_row).div_ceil(self.sizes.block);
        self.remove(blocks * self.sizes.removed_per_block, store, rows)?;
        rows.insert(self.space.manifest(), Some(self.manifest.write()));
        Ok(())
    }

    /// Makes a run of the recent rows.
    fn freeze(&mut self, rows: &mut Rows) {
        let mut entries: Vec<_> = self.recent.drain().map(|(key, value)| Entry { key, value }).collect();
        entries.sort_unstable_by_key(|entry| entry.key);
        let number = self.manifest.new_run();
        let mut filter = Filter::of(entries.len() as u64);
        let count = entries.len() as u64;
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let block = Block(entries.by_ref().take(self.sizes.block).collect::<Vec<_>>());
            block.0.iter().for_each(|entry| filter.add(&entry.key));
            rows.insert(self.space.block(number, &block.0[0].key), Some(block.write()));
        }
        self.manifest.runs.push(Run { number, level: 0, count });
        self.filters.push(filter);
        for tail in self.manifest.tails.clone() {
            rows.insert(self.space.tail(tail), None);
        }
        self.manifest.tails.start = self.manifest.tails.end;
    }

    /// Merges about `budget` rows.
    fn merge(&mut self, mut budget: usize, store: &Store, rows: &mut Rows) -> Result<(), StoreError> {
        while budget > 0 {
            if self.merge.is_none() {
                let Some(merging) = self.manifest.begin_merging(self.sizes.fan) else { break };
                self.merge = Some(Merge::begin(self.space, &merging));
                self.manifest.merging = Some(merging);
            }
            let (Some(merge), Some(merging)) = (&mut self.merge, &mut self.manifest.merging) else { break };
            let beneath = Beneath { store, unwritten: rows };
            let block = merge.next_block(merging, self.sizes.block, beneath)?;
            let Some(first) = block.0.first() else {
                self.finish_merge();
                continue;
            };
            budget = budget.saturating_sub(block.0.len());
            let key = self.space.block(merging.output, &first.key);
            rows.insert(key, Some(block.write()));
        }
        Ok(())
    }

    /// Puts the merged run in the place of those that it came from.
    fn finish_merge(&mut self) {
        let (Some(merge), Some(merging)) = (self.merge.take(), self.manifest.merging.take()) else { return };
        let is_source = |run: &Run| merging.sources.contains(&run.number);
        // Whatever is newer than its sources stays so.
        let at = self.manifest.runs.iter().position(is_source).unwrap_or(0);
        let run = Run { number: merging.output, level: merging.level + 1, count: merge.count };
        let runs = std::mem::take(&mut self.manifest.runs).into_iter().zip(std::mem::take(&mut self.filters));
        let (removed, kept): (Vec<_>, Vec<_>) = runs.partition(|(run, _)| is_source(run));
        self.manifest.garbage.extend(removed.into_iter().map(|(run, _)| run.number));
        (self.manifest.runs, self.filters) = kept.into_iter().unzip();
        let at = at.min(self.manifest.runs.len());
        self.manifest.runs.insert(at, run);
        self.filters.insert(at, merge.filter);
    }

    /// Removes up to `budget` blocks of runs that were merged.
    fn remove(&mut self, mut budget: usize, store: &Store, rows: &mut Rows) -> Result<(), StoreError> {
        while budget > 0
            && let Some(number) = self.manifest.garbage.first().copied()
        {
            let span = self.space.run(number);
            // Also those that were never written: a failed flush may have left them among the rows.
            let unwritten = rows.range(span.from.clone()..span.to.clone()).filter(|(_, value)| value.is_some());
            let mut keys: Vec<Vec<u8>> = unwritten.map(|(key, _)| key.clone()).take(budget).collect();
            for row in store.range(&span) {
                if keys.len() >= budget {
                    break;
                }
                let (key, _) = row?;
                if !rows.contains_key(key.as_ref()) {
                    keys.push(key.to_vec());
                }
            }
            if keys.len() < budget {
                self.manifest.garbage.remove(0);
            }
            budget -= keys.len();
            rows.extend(keys.into_iter().map(|key| (key, None)));
        }
        Ok(())
    }
}
