//! Keeps rows on disk. The only module that knows sled.
//!
//! Shape: one ordered key space; [`Store::commit`] writes many rows at once, whole or not at all, the cursor among them.
//! Everything here can be rebuilt from the log, so a folder that cannot be trusted is set aside, never repaired.
//!
//! Not here: what the rows are (see `domain/`), what is not yet written (see [`overlay`]), rows under keys like dice (see
//! [`runs`]).

mod folder;
mod overlay;
mod runs;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angelia_shared::event::Digest;
use tracing::{info, warn};

use crate::domain::head::Head;
use crate::domain::table::{Decoder, Direction, Row as _, Span, Unreadable, Visit};
use crate::metrics as names;

pub(crate) use overlay::Overlay;
pub use overlay::tables_on_disk;

/// Version of the rows' bytes. Another one on disk is rebuilt, not converted: the log is the truth.
const LAYOUT: u32 = 6;
/// Where the layout's version is: a key below every table.
const LAYOUT_KEY: [u8; 1] = [0];
/// How often sled brings its buffers to the disk. What a crash loses is read from the log again.
const SYNC_EVERY_MS: u64 = 1_000;

/// How often, and how far apart, a folder is tried that is in use; 5 s in all. A child process holds the lock too between
/// its fork and its exec, which takes long on a loaded machine.
const FREE_AFTER_TRIES: u32 = 100;
const FREE_AFTER_PAUSE: Duration = Duration::from_millis(50);

/// Rows to write; `None` removes one.
pub(crate) type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made, listed or written.
    #[error("cannot use {path} as the ledger's folder; check that it is a folder that this user may write")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder holds something else. It is left alone.
    #[error("{path} is not empty and holds no ledger; set ledger_dir to a folder of its own")]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has the folder open.
    #[error("another process uses the ledger's folder {path}; stop it, or set ledger_dir to another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The disk failed or is full.
    #[error("cannot read or write the ledger's store")]
    Io(#[source] std::io::Error),
    /// What is stored cannot be trusted; it is rebuilt from the log.
    #[error("the ledger's store cannot be trusted: {why}")]
    Damaged {
        /// Why.
        why: String,
    },
}

impl StoreError {
    /// Damage in words.
    pub(crate) fn damaged(why: impl Into<String>) -> Self {
        Self::Damaged { why: why.into() }
    }

    /// Whether a rebuild from the log helps.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Folder { .. } | Self::NotOurs { .. } | Self::InUse { .. } | Self::Io(_) => false,
        }
    }

    /// Whether room on the disk helps.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Self::Io(source) | Self::Folder { source, .. } => {
                matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
            }
            Self::Damaged { .. } | Self::NotOurs { .. } | Self::InUse { .. } => false,
        }
    }
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::damaged(unreadable.to_string())
    }
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(source) => Self::Io(source),
            sled::Error::Corruption { .. }
            | sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_) => Self::damaged(error.to_string()),
        }
    }
}

/// Which log a store must be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogIdentity {
    /// SHA-256 of the log's first payload; none while the log is empty.
    pub(crate) first: Option<Digest>,
    /// The log's last sequence.
    pub(crate) last: u64,
}

/// Rows on disk.
pub(crate) struct Store {
    path: PathBuf,
    db: sled::Db,
    /// Whether the folder says that rows were written: then they must be found again.
    begun: AtomicBool,
}

impl Store {
    /// Opens the store in `path`, or makes it. One that is damaged, of another layout or of another log is set aside and
    /// a fresh one is made.
    ///
    /// # Errors
    /// [`StoreError`], but never `Damaged`.
    pub(crate) fn open(path: &Path, cache_bytes: u64, log: LogIdentity) -> Result<Self, StoreError> {
        let opened = match folder::prepare(path) {
            Ok(()) => Self::open_when_free(path, cache_bytes, log),
            Err(error) => Err(error),
        };
        match opened {
            // One of ours that cannot be written is replaced, if that is allowed: a projection is not worth a question.
            Err(error) if folder::is_read_only(&error) && folder::is_begun(path) => {
                Self::set_aside(path, "it cannot be written").map_err(|_| error)?;
                folder::prepare(path)?;
                Self::try_open(path, cache_bytes, log)
            }
            Err(StoreError::Damaged { why }) => {
                Self::set_aside(path, &why)?;
                folder::prepare(path)?;
                Self::try_open(path, cache_bytes, log)
            }
            other => other,
        }
    }

    /// Makes an empty store beside the folder in `path`, to be filled while that one answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn begin_beside(path: &Path, cache_bytes: u64, log: LogIdentity) -> Result<Self, StoreError> {
        let beside = folder::rebuilding(path);
        folder::remove(&beside)?;
        Self::open(&beside, cache_bytes, log)
    }

    /// Removes what was made beside the folder in `path`.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove_beside(path: &Path) -> Result<(), StoreError> {
        folder::remove(&folder::rebuilding(path))
    }

    /// Puts what was made beside it in the place of the folder in `path`, which is set aside. Both must be closed.
    ///
    /// # Errors
    /// When a folder cannot be renamed.
    pub(crate) fn replace(path: &Path, why: &str) -> Result<(), StoreError> {
        Self::set_aside(path, why)?;
        Self::finish_replacing(path)
    }

    /// Goes on where a replacement was cut off: the old folder is away, the new one not yet in its place.
    ///
    /// # Errors
    /// When the folder cannot be renamed.
    pub(crate) fn finish_replacing(path: &Path) -> Result<(), StoreError> {
        let beside = folder::rebuilding(path);
        if path.exists() || !beside.exists() {
            return Ok(());
        }
        std::fs::rename(beside, path).map_err(|source| StoreError::Folder { path: path.to_owned(), source })
    }

    /// Renames a folder that cannot be trusted, for a person to look at.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub(crate) fn set_aside(path: &Path, why: &str) -> Result<(), StoreError> {
        let aside = folder::set_aside(path)?;
        metrics::counter!(names::STORES_REBUILT).increment(1);
        warn!(
            folder = %path.display(), moved_to = %aside.display(), why,
            "the ledger's folder cannot be trusted: it was set aside and is rebuilt from the log; nothing is lost"
        );
        Ok(())
    }

    /// sled lets go of a folder a moment after it was closed.
    fn open_when_free(path: &Path, cache_bytes: u64, log: LogIdentity) -> Result<Self, StoreError> {
        for _ in 0..FREE_AFTER_TRIES {
            match Self::try_open(path, cache_bytes, log) {
                Err(StoreError::InUse { .. }) => std::thread::sleep(FREE_AFTER_PAUSE),
                other => return other,
            }
        }
        Self::try_open(path, cache_bytes, log)
    }

    fn try_open(path: &Path, cache_bytes: u64, log: LogIdentity) -> Result<Self, StoreError> {
        let config = sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(Some(SYNC_EVERY_MS));
        // A damaged file can make sled panic instead of answering.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let begun = AtomicBool::new(folder::is_begun(path));
            let store = Self { path: path.to_owned(), db: config.open()?, begun };
            store.check(log)?;
            Ok(store)
        }));
        let opened = opened.unwrap_or_else(|_| Err(StoreError::damaged("sled could not read it")));
        opened.map_err(|error| match error {
            // sled tells a held lock only in words.
            StoreError::Io(source) if source.to_string().contains("could not acquire lock") => {
                StoreError::InUse { path: path.to_owned() }
            }
            // The folder itself can be written: what fails to be read is a truncated or foreign file.
            StoreError::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
                StoreError::damaged(source.to_string())
            }
            other => other,
        })
    }

    /// Checks that the rows are of this layout and this log.
    fn check(&self, log: LogIdentity) -> Result<(), StoreError> {
        let Some(layout) = self.db.get(LAYOUT_KEY)? else {
            // sled takes a file of which nothing can be read for an empty one.
            if self.begun.load(Ordering::Relaxed) || !self.db.is_empty() {
                return Err(StoreError::damaged("it does not say its layout"));
            }
            self.db.insert(LAYOUT_KEY, &LAYOUT.to_be_bytes())?;
            return Ok(());
        };
        if layout.as_ref() != LAYOUT.to_be_bytes() {
            return Err(StoreError::damaged("it was written by another version"));
        }
        let Some(head) = self.head()? else {
            // Nothing was folded yet, so there must be nothing else.
            let untouched = !self.begun.load(Ordering::Relaxed) && self.db.len() == 1;
            return if untouched { Ok(()) } else { Err(StoreError::damaged("its cursor is missing")) };
        };
        if log.first != Some(head.first) || head.seq > log.last {
            return Err(StoreError::damaged("it belongs to another log"));
        }
        info!(stream.seq = head.seq, "the ledger goes on from its folder");
        Ok(())
    }

    fn head(&self) -> Result<Option<Head>, StoreError> {
        let span = Span::all::<Head>();
        let Some(value) = self.db.get(&span.from)? else { return Ok(None) };
        let mut input = Decoder(&value);
        let head = Head::read(&mut input).ok_or(Unreadable { table: Head::TABLE })?;
        Ok(Some(head))
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        Ok(self.db.get(key)?)
    }

    /// Keys and values of `span`, in order.
    fn range(&self, span: &Span) -> sled::Iter {
        self.db.range(span.from.as_slice()..span.to.as_slice())
    }

    /// Writes rows, whole or not at all.
    pub(crate) fn commit(&self, rows: &Rows) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        self.db.apply_batch(batch)?;
        if !self.begun.swap(true, Ordering::Relaxed) {
            // In this order: a crash in between must not make a sound store look damaged.
            self.sync()?;
            folder::begin(&self.path)?;
        }
        Ok(())
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(())
    }
}

/// Visits the rows of the store and, over them, those not yet written.
fn merge(
    store: &Store,
    unwritten: &Rows,
    span: &Span,
    direction: Direction,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    if span.is_empty() {
        return Ok(());
    }
    let fresh = unwritten.range(span.from.clone()..span.to.clone());
    let stored = store.range(span);
    match direction {
        Direction::Up => merge_ordered(stored, fresh, |a, b| a < b, visit),
        Direction::Down => merge_ordered(stored.rev(), fresh.rev(), |a, b| a > b, visit),
    }
}

fn merge_ordered<'a>(
    stored: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
    fresh: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
    comes_first: impl Fn(&[u8], &[u8]) -> bool,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let mut fresh = fresh.peekable();
    let mut flow = ControlFlow::Continue(());
    for row in stored {
        let (key, value) = row?;
        let mut replaced = false;
        while let Some((next, newest)) = fresh.next_if(|(next, _)| !comes_first(&key, next)) {
            replaced |= next.as_slice() == key.as_ref();
            if let Some(newest) = newest {
                flow = visit(next, newest);
            }
            if flow.is_break() {
                return Ok(());
            }
        }
        if !replaced {
            flow = visit(&key, &value);
        }
        if flow.is_break() {
            return Ok(());
        }
    }
    for (key, newest) in fresh {
        if let Some(newest) = newest
            && visit(key, newest).is_break()
        {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
