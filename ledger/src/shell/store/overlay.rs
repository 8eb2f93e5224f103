//! Rows over the store that are not written yet. Many events touch the same row: only its last state is written. Rows under
//! keys like dice go to [`runs`](super::runs).

use std::path::Path;
use std::sync::Arc;

use angelia_shared::clock;

use super::runs::{Beneath, Runs, Sizes};
use super::{LogIdentity, Rows, Store, StoreError, merge};
use crate::domain::acceptance::Acceptance;
use crate::domain::keys::{Provided, Used};
use crate::domain::table::{Direction, Row as _, Scattered, Span, Tables, Visit};
use crate::metrics as names;

/// Bytes of rows that may wait to be written. While sled writes a batch it keeps every page that it replaces: batches of
/// 8 MiB took it to 850 MiB, of 256 KiB to 200 MiB, of 64 KiB to 130 MiB (100,000 messages), all at about one speed.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024;

/// The newest rows, written or not.
pub(crate) struct Overlay {
    store: Arc<Store>,
    unwritten: Rows,
    scattered: ScatteredRows,
    bytes: usize,
    /// When it is full.
    bytes_max: usize,
}

/// A fresh store in `folder` as tables, to measure what it costs; `bytes_max` may wait to be written.
///
/// # Errors
/// When the folder cannot be used.
pub fn tables_on_disk(
    folder: &Path,
    cache_bytes: u64,
    bytes_max: usize,
) -> Result<impl Tables<Error = StoreError>, StoreError> {
    let store = Store::open(folder, cache_bytes, LogIdentity { first: None, last: 0 })?;
    Ok(Overlay { bytes_max, ..Overlay::open(Arc::new(store))? })
}

/// Rows under keys like dice, by the length of their keys.
struct ScatteredRows {
    acceptances: Runs<8>,
    provided: Runs<16>,
    used: Runs<33>,
}

/// Which of them a table is.
enum Which {
    Acceptances,
    Provided,
    Used,
}

/// The table of scattered rows.
const fn table<R: Scattered>() -> u8 {
    R::TABLE
}

impl Which {
    fn of(key: &[u8]) -> Option<(Self, &[u8])> {
        let (first, rest) = key.split_first()?;
        let which = match *first {
            Acceptance::TABLE => Self::Acceptances,
            Provided::TABLE => Self::Provided,
            Used::TABLE => Self::Used,
            _ => return None,
        };
        Some((which, rest))
    }
}

impl ScatteredRows {
    fn open(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            acceptances: Runs::open(table::<Acceptance>(), Sizes::default(), store)?,
            provided: Runs::open(table::<Provided>(), Sizes::default(), store)?,
            used: Runs::open(table::<Used>(), Sizes::default(), store)?,
        })
    }

    fn get(&self, which: &Which, key: &[u8], beneath: Beneath<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        match which {
            Which::Acceptances => self.acceptances.get(key, beneath),
            Which::Provided => self.provided.get(key, beneath),
            Which::Used => self.used.get(key, beneath),
        }
    }

    fn put(&mut self, which: &Which, key: &[u8], value: &[u8]) -> usize {
        match which {
            Which::Acceptances => self.acceptances.put(key, value),
            Which::Provided => self.provided.put(key, value),
            Which::Used => self.used.put(key, value),
        }
    }

    fn flush(&mut self, store: &Store, rows: &mut Rows) -> Result<(), StoreError> {
        self.acceptances.flush(store, rows)?;
        self.provided.flush(store, rows)?;
        self.used.flush(store, rows)
    }
}

impl Overlay {
    /// Over `store`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn open(store: Arc<Store>) -> Result<Self, StoreError> {
        let scattered = ScatteredRows::open(&store)?;
        Ok(Self { store, unwritten: Rows::new(), scattered, bytes: 0, bytes_max: UNWRITTEN_BYTES_MAX })
    }

    /// Writes what is not written, whole or not at all. On an error it stays unwritten.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        self.scattered.flush(&self.store, &mut self.unwritten)?;
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
        if let Some((which, key)) = Which::of(key) {
            let beneath = Beneath { store: &self.store, unwritten: &self.unwritten };
            return self.scattered.get(&which, key, beneath);
        }
        match self.unwritten.get(key) {
            Some(newest) => Ok(newest.clone()),
            None => Ok(self.store.get(key)?.map(|value| value.to_vec())),
        }
    }

    fn put_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if let Some((which, key)) = Which::of(&key) {
            debug_assert!(value.is_some(), "scattered rows are never removed");
            self.bytes += value.map_or(0, |value| self.scattered.put(&which, key, &value));
            return;
        }
        let key_len = key.len();
        let len = |value: &Option<Vec<u8>>| key_len + value.as_ref().map_or(0, Vec::len);
        self.bytes += len(&value);
        if let Some(before) = self.unwritten.insert(key, value) {
            self.bytes -= len(&before);
        }
    }

    fn is_full(&self) -> bool {
        self.bytes > self.bytes_max
    }

    fn relieve(&mut self) -> Result<(), StoreError> {
        self.flush()
    }

    fn scan_bytes(&self, span: &Span, direction: Direction, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        debug_assert!(Which::of(&span.from).is_none(), "scattered rows are never scanned");
        merge(&self.store, &self.unwritten, span, direction, visit)
    }
}
