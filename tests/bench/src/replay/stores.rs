//! The same fold into other stores: what of a cold start is the store's cost, and what another one would make of it.
//!
//! Every store gets the same rows in the same flushes: the newest state of each changed row, sorted by key, whole or not at
//! all, together with the cursor. None is asked to bring a flush to the disk; all are at the end.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use angelia_ledger::domain::projection::Projection;
use angelia_ledger::domain::table::{Direction, MemoryTables, Span, Tables, Visit};
use angelia_shared::clock::monotonic;
use angelia_shared::log::BatchOfRecords;
use anyhow::{Context as _, bail};

/// What a cache may hold: the ledger's default.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Rows to write; `None` removes one.
type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Takes a key and its value.
type Take<'a> = dyn FnMut(&[u8], &[u8]) + 'a;

/// A store of ordered keys.
trait Store {
    fn get(&self, key: &[u8]) -> anyhow::Result<Option<Vec<u8>>>;
    fn range(&self, span: &Span, take: &mut Take<'_>) -> anyhow::Result<()>;
    fn commit(&self, rows: &Rows) -> anyhow::Result<()>;
    fn sync(&self) -> anyhow::Result<()>;
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// No store at all: every row in a map in memory, which bounds what any store can give.
    Memory,
    /// The ledger's: sled, with sorted runs for scattered keys.
    Ledger,
    /// sled, a log-structured tree of pages, without those.
    Sled,
    /// The same with what sled offers for speed: its mode for it, a cache that holds everything, one flush at the end.
    SledTuned,
    /// redb, a tree whose pages are copied on write.
    Redb,
    /// fjall, a log-structured merge tree.
    Fjall,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Memory, Self::Ledger, Self::Sled, Self::SledTuned, Self::Redb, Self::Fjall];

    /// The sizes of a flush, of these, that make a difference.
    pub(super) fn flushes(self, kib: &[usize]) -> Vec<(Self, usize)> {
        let kib = if self == Self::Memory { &kib[..kib.len().min(1)] } else { kib };
        kib.iter().map(|kib| (self, *kib)).collect()
    }

    /// What a row of it is called.
    pub(super) fn label(self, flush_kib: usize) -> String {
        match self {
            Self::Memory => "fold of all rows into a map in memory".to_owned(),
            Self::Ledger => format!("fold from memory into the ledger's store, {flush_kib} KiB"),
            Self::Sled => format!("  into sled alone, {flush_kib} KiB"),
            Self::SledTuned => format!("  into sled with what it has for speed, {flush_kib} KiB"),
            Self::Redb => format!("  into redb, {flush_kib} KiB"),
            Self::Fjall => format!("  into fjall, {flush_kib} KiB"),
        }
    }

    /// Folds all batches into a fresh store, in flushes of about `flush_bytes`; returns how many seconds that took.
    pub(super) fn fold(self, flush_bytes: usize, batches: &[BatchOfRecords]) -> anyhow::Result<f64> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store");
        let began = monotonic();
        match self {
            Self::Memory => drop(fold(MemoryTables::default(), batches)?),
            Self::Ledger => {
                let tables = angelia_ledger::tables_on_disk(&path, CACHE_BYTES, flush_bytes)?;
                fold(tables, batches)?.relieve()?;
            }
            Self::Sled => {
                let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(Some(1_000));
                write(config.open()?, flush_bytes, batches)?;
            }
            Self::SledTuned => {
                let config = sled::Config::new().path(path).cache_capacity(1 << 30).flush_every_ms(None);
                write(config.mode(sled::Mode::HighThroughput).open()?, flush_bytes, batches)?;
            }
            Self::Redb => {
                let mut builder = redb::Builder::new();
                builder.set_cache_size(usize::try_from(CACHE_BYTES)?);
                write(builder.create(path)?, flush_bytes, batches)?;
            }
            Self::Fjall => {
                let db = fjall::Database::builder(path).cache_size(CACHE_BYTES).open()?;
                let rows = db.keyspace("rows", fjall::KeyspaceCreateOptions::default)?;
                write(Fjall { db, rows }, flush_bytes, batches)?;
            }
        }
        Ok(began.elapsed().as_secs_f64())
    }
}

fn write(store: impl Store, flush_bytes: usize, batches: &[BatchOfRecords]) -> anyhow::Result<()> {
    let mut tables = fold(Unwritten { store, rows: Rows::new(), bytes: 0, flush_bytes }, batches)?;
    tables.relieve()?;
    tables.store.sync()
}

fn fold<T>(tables: T, batches: &[BatchOfRecords]) -> anyhow::Result<T>
where
    T: Tables<Error: Into<anyhow::Error>>,
{
    let mut projection = Projection { tables, head: Default::default() };
    for batch in batches {
        let report = projection.fold(&batch.records).map_err(Into::into)?;
        if let Some(found) = report.contradictions.first() {
            bail!("the log is not sound: {found}");
        }
    }
    Ok(projection.tables)
}

/// Rows over a store that are not written yet.
struct Unwritten<S> {
    store: S,
    rows: Rows,
    bytes: usize,
    flush_bytes: usize,
}

impl<S: Store> Tables for Unwritten<S> {
    type Error = anyhow::Error;

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, anyhow::Error> {
        match self.rows.get(key) {
            Some(newest) => Ok(newest.clone()),
            None => self.store.get(key),
        }
    }

    fn put_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        let key_len = key.len();
        if let Some(before) = self.rows.insert(key, value) {
            self.bytes -= key_len + before.map_or(0, |value| value.len());
        }
    }

    fn is_full(&self) -> bool {
        self.bytes > self.flush_bytes
    }

    fn relieve(&mut self) -> Result<(), anyhow::Error> {
        self.store.commit(&self.rows)?;
        self.rows.clear();
        self.bytes = 0;
        Ok(())
    }

    fn scan_bytes(&self, span: &Span, direction: Direction, visit: &mut Visit<'_>) -> Result<(), anyhow::Error> {
        if span.is_empty() {
            return Ok(());
        }
        // Seldom done while a log is folded.
        let mut found = Rows::new();
        self.store.range(span, &mut |key, value| drop(found.insert(key.to_vec(), Some(value.to_vec()))))?;
        let newer = self.rows.range(span.from.clone()..span.to.clone());
        found.extend(newer.map(|(key, value)| (key.clone(), value.clone())));
        let mut go = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| match value {
            Some(value) => visit(key, value),
            None => ControlFlow::Continue(()),
        };
        let _ended = match direction {
            Direction::Up => found.iter().try_for_each(&mut go),
            Direction::Down => found.iter().rev().try_for_each(&mut go),
        };
        Ok(())
    }
}

impl Store for sled::Db {
    fn get(&self, key: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(sled::Tree::get(self, key)?.map(|value| value.to_vec()))
    }

    fn range(&self, span: &Span, take: &mut Take<'_>) -> anyhow::Result<()> {
        for row in sled::Tree::range(self, span.from.as_slice()..span.to.as_slice()) {
            let (key, value) = row?;
            take(&key, &value);
        }
        Ok(())
    }

    fn commit(&self, rows: &Rows) -> anyhow::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        Ok(self.apply_batch(batch)?)
    }

    fn sync(&self) -> anyhow::Result<()> {
        self.flush()?;
        Ok(())
    }
}

const REDB_ROWS: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("rows");

impl Store for redb::Database {
    fn get(&self, key: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        use redb::ReadableDatabase as _;
        let reading = self.begin_read()?;
        match reading.open_table(REDB_ROWS) {
            Ok(table) => Ok(table.get(key)?.map(|value| value.value().to_vec())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error).context("cannot open the table"),
        }
    }

    fn range(&self, span: &Span, take: &mut Take<'_>) -> anyhow::Result<()> {
        use redb::ReadableDatabase as _;
        let reading = self.begin_read()?;
        let table = match reading.open_table(REDB_ROWS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for row in table.range(span.from.as_slice()..span.to.as_slice())? {
            let (key, value) = row?;
            take(key.value(), value.value());
        }
        Ok(())
    }

    fn commit(&self, rows: &Rows) -> anyhow::Result<()> {
        let mut writing = self.begin_write()?;
        writing.set_durability(redb::Durability::None)?;
        {
            let mut table = writing.open_table(REDB_ROWS)?;
            for (key, value) in rows {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
        }
        Ok(writing.commit()?)
    }

    fn sync(&self) -> anyhow::Result<()> {
        Ok(self.begin_write()?.commit()?)
    }
}

struct Fjall {
    db: fjall::Database,
    rows: fjall::Keyspace,
}

impl Store for Fjall {
    fn get(&self, key: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.rows.get(key)?.map(|value| value.to_vec()))
    }

    fn range(&self, span: &Span, take: &mut Take<'_>) -> anyhow::Result<()> {
        for row in self.rows.range(span.from.as_slice()..span.to.as_slice()) {
            let (key, value) = row.into_inner()?;
            take(&key, &value);
        }
        Ok(())
    }

    fn commit(&self, rows: &Rows) -> anyhow::Result<()> {
        let mut batch = self.db.batch();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(&self.rows, key.as_slice(), value.as_slice()),
                None => batch.remove(&self.rows, key.as_slice()),
            }
        }
        Ok(batch.commit()?)
    }

    fn sync(&self) -> anyhow::Result<()> {
        Ok(self.db.persist(fjall::PersistMode::SyncAll)?)
    }
}
