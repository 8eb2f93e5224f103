//! Rows over the store that are not written yet. Many events touch the same row: only its last state is written.

use std::sync::Arc;

use angelia_shared::clock;

use super::{Rows, Store, StoreError, merge};
use crate::domain::table::{Direction, Span, Tables, Visit};
use crate::metrics as names;

/// Bytes of rows that may wait to be written. While sled writes a batch it keeps every page that it replaces: batches of
/// 8 MiB took it to 850 MiB, of 256 KiB to 200 MiB, of 64 KiB to 130 MiB (100,000 messages), all at about one speed.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024;

/// The newest rows, written or not.
pub(crate) struct Overlay {
    store: Arc<Store>,
    unwritten: Rows,
    bytes: usize,
}

impl Overlay {
    /// Over `store`.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, unwritten: Rows::new(), bytes: 0 }
    }

    /// Writes what is not written, whole or not at all. On an error it stays unwritten.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let started = clock::monotonic();
        self.store.commit(&self.unwritten)?;
        metrics::counter!(names::ROWS_FLUSHED).increment(self.unwritten.len() as u64);
        metrics::histogram!(names::FLUSH_SECONDS).record(started.elapsed().as_secs_f64());
        self.unwritten.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.store.sync()
    }
}

impl Tables for Overlay {
    type Error = StoreError;

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.unwritten.get(key) {
            Some(newest) => Ok(newest.clone()),
            None => Ok(self.store.get(key)?.map(|value| value.to_vec())),
        }
    }

    fn put_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_len = key.len();
        let len = |value: &Option<Vec<u8>>| key_len + value.as_ref().map_or(0, Vec::len);
        self.bytes += len(&value);
        if let Some(before) = self.unwritten.insert(key, value) {
            self.bytes -= len(&before);
        }
    }

    fn is_full(&self) -> bool {
        self.bytes > UNWRITTEN_BYTES_MAX
    }

    fn relieve(&mut self) -> Result<(), StoreError> {
        self.flush()
    }

    fn scan_bytes(&self, span: &Span, direction: Direction, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        merge(&self.store, &self.unwritten, span, direction, visit)
    }
}
