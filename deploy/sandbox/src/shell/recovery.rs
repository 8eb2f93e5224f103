//! Opens the data directory: repairs the journal's end, then streams it once to find what is still due.
//!
//! Shape: (directory) -> last `seq`, counts of the script, timetable of callbacks, files to append to.
//!
//! Invariants:
//! - SB-1 a line torn by a kill is cut off: it was never answered. Anything else unreadable stops the start.
//! - SB-3 one line is in memory at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

use crate::domain::delays::Delays;
use crate::domain::line::{self, Written};
use crate::domain::progress::{Known, Progress};
use crate::domain::script::Script;
use crate::domain::timetable::{Due, Timetable};

use super::delivered::{self, Compaction, Delivered};
use super::journal::Position;
use super::reader::CHUNK;

const NAME: &str = "journal.jsonl";

/// A server that was just dropped may hold the lock until its thread has ended.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// What a start goes on from.
pub(crate) struct Recovered {
    pub(crate) file: Arc<File>,
    pub(crate) position: Position,
    pub(crate) timetable: Timetable,
    pub(crate) delivered: Delivered,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A file or the directory could not be read or written.
    #[error("opening the sandbox's data in {}", path.display())]
    Io {
        /// The data directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another sandbox has it.
    #[error("another sandbox uses the data directory {}", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The journal holds something that no kill leaves behind.
    #[error("line {line} of {} is not the journal line expected there", path.display())]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// The first bad line, from 1.
        line: u64,
    },
}

/// Opens `dir`. Blocks for as long as reading the journal once takes.
///
/// # Errors
/// [`RecoverError`]; trying again helps only with `InUse`.
pub(crate) fn open(dir: &Path, delays: Delays) -> Result<Recovered, RecoverError> {
    let failed = |source| RecoverError::Io { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    let path = dir.join(NAME);
    let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
    lock(&file, dir)?;
    let length = cut_torn_end(&file).map_err(failed)?;
    let last_seq = last_seq(&file, length).map_err(failed)?;
    let progress = delivered::read(dir, last_seq).map_err(failed)?;
    let compaction = Compaction::begin(dir, last_seq).map_err(failed)?;
    let mut fold = Fold { progress, compaction, delays, script: Script::default(), timetable: Timetable::new(delays) };
    let folded_seq = fold.journal(&path).map_err(|error| match error {
        FoldError::Io(source) => failed(source),
        FoldError::Line(line) => RecoverError::Corrupt { path: path.clone(), line },
    })?;
    if folded_seq != last_seq {
        return Err(RecoverError::Corrupt { path, line: folded_seq + 1 });
    }
    let delivered = fold.compaction.finish().map_err(failed)?;
    let position = Position { last_seq, written: Arc::new(AtomicU64::new(length)), script: fold.script };
    Ok(Recovered { file: Arc::new(file), position, timetable: fold.timetable, delivered })
}

fn lock(file: &File, dir: &Path) -> Result<(), RecoverError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(RecoverError::Io { path: dir.to_owned(), source }),
        }
    }
    Err(RecoverError::InUse { path: dir.to_owned() })
}

/// Cuts off what follows the last line break. Returns the length that remains.
fn cut_torn_end(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let whole = last_break(file, length)?.map_or(0, |at| at + 1);
    if whole < length {
        tracing::warn!(bytes = length - whole, "cut a torn line off the end of the journal");
        file.set_len(whole)?;
    }
    Ok(whole)
}

/// Where the last line break before `end` is.
fn last_break(file: &File, mut end: u64) -> io::Result<Option<u64>> {
    let mut chunk = vec![0; CHUNK];
    while end > 0 {
        let length = usize::try_from(end).unwrap_or(usize::MAX).min(CHUNK);
        let start = end - length as u64;
        file.read_exact_at(&mut chunk[..length], start)?;
        if let Some(at) = chunk[..length].iter().rposition(|b| *b == b'\n') {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}

/// The `seq` of the last line; 0 when there is none, or none that can be read: the fold finds out and names it.
fn last_seq(file: &File, length: u64) -> io::Result<u64> {
    let Some(end) = length.checked_sub(1) else { return Ok(0) };
    let start = last_break(file, end)?.map_or(0, |at| at + 1);
    let mut line = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut line, start)?;
    Ok(Written::read(&line).map_or(0, |line| line.seq))
}

enum FoldError {
    Io(io::Error),
    Line(u64),
}

impl From<io::Error> for FoldError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Fold {
    progress: Progress,
    compaction: Compaction,
    delays: Delays,
    script: Script,
    timetable: Timetable,
}

impl Fold {
    /// Folds all lines; returns the last `seq`.
    fn journal(&mut self, path: &Path) -> Result<u64, FoldError> {
        let mut reader = BufReader::with_capacity(CHUNK, File::open(path)?);
        let (mut line, mut offset, mut seq) = (Vec::new(), 0, 0);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(seq);
            }
            seq += 1;
            if line::seq_of(&line) != Some(seq) {
                return Err(FoldError::Line(seq));
            }
            let bytes = u32::try_from(line.len()).map_err(|_| FoldError::Line(seq))?;
            // Nearly all lines of a long journal are of this kind, and parsing them took most of the start.
            if !(line::was_answered_200(&line) && self.progress.of(seq).is_over()) {
                let written = Written::read(&line).ok_or(FoldError::Line(seq))?;
                self.line(&written, (offset, bytes))?;
            }
            offset += u64::from(bytes);
        }
    }

    fn line(&mut self, written: &Written<'_>, place: (u64, u32)) -> io::Result<()> {
        let Some(behaviour) = written.behaviour() else { return Ok(()) };
        if written.wamid.is_none() {
            self.script.recall(behaviour, || written.key());
            return Ok(());
        }
        let Known::Delivered(delivered) = self.progress.of(written.seq) else { return Ok(()) };
        let due = Due::new(behaviour.callbacks(), delivered, written.received_at_ms, written.seq, place, &self.delays);
        if let Some(due) = due {
            self.compaction.open(written.seq, delivered)?;
            self.timetable.add(&written.phone_number_id, due);
        }
        Ok(())
    }
}
