//! The file of callbacks delivered: appended to while running, compacted at start.
//!
//! Invariants:
//! - SB-2 a line is written only after the receiver took the callback. A lost or torn line costs a repeated callback.
//!
//! What was tried: one JSON object a line. It tripled the file and the time to read it for nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::domain::progress::{self, Progress};
use crate::domain::timetable::Due;

const NAME: &str = "delivered.log";
const NEW_NAME: &str = "delivered.log.new";

/// Longest line that is looked at; a longer one is no line of ours.
const LINE_MOST: usize = 64;

/// The file while running.
#[derive(Debug)]
pub(crate) struct Delivered {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// A write failed half-way: the next one begins on a line of its own.
    torn: bool,
}

impl Delivered {
    /// Notes that the receiver took these statuses.
    pub(crate) fn append(&self, dues: &[Due]) -> io::Result<()> {
        let lines: String = dues.iter().map(|due| progress::count_line(due.seq, due.count())).collect();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = if state.torn { format!("\n{lines}") } else { lines };
        let written = state.file.write_all(lines.as_bytes());
        state.torn = written.is_err();
        written
    }
}

/// Reads the file of an earlier run, if there is one.
pub(crate) fn read(dir: &Path, last_seq: u64) -> io::Result<Progress> {
    let mut progress = Progress::new(last_seq);
    let file = match File::open(dir.join(NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(progress),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let (mut line, mut skipped) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").filter(|text| text.len() <= LINE_MOST);
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        // A last line without its end may have lost digits.
        if !text.is_some_and(|text| progress.fold(text)) {
            skipped += 1;
        }
    }
    if skipped > 0 {
        tracing::warn!(skipped, "skipped unreadable notes of delivered callbacks; these callbacks are sent again");
    }
    Ok(progress)
}

/// A new file that takes the place of the old one when it is complete.
pub(crate) struct Compaction {
    dir: PathBuf,
    file: BufWriter<File>,
}

impl Compaction {
    pub(crate) fn begin(dir: &Path, last_seq: u64) -> io::Result<Self> {
        let file = File::create(dir.join(NEW_NAME))?;
        let mut compaction = Self { dir: dir.to_owned(), file: BufWriter::new(file) };
        compaction.file.write_all(progress::upto_line(last_seq).as_bytes())?;
        Ok(compaction)
    }

    /// Lists a message that still has callbacks due, in order of `seq`.
    pub(crate) fn open(&mut self, seq: u64, delivered: u8) -> io::Result<()> {
        self.file.write_all(progress::count_line(seq, delivered).as_bytes())
    }

    /// Replaces the old file.
    pub(crate) fn finish(self) -> io::Result<Delivered> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let path = self.dir.join(NAME);
        fs::rename(self.dir.join(NEW_NAME), &path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Delivered { state: Mutex::new(State { file, torn: false }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delays::Delays;
    use crate::domain::progress::Known;
    use crate::domain::script::Plan;

    fn due(seq: u64, delivered: u8) -> Due {
        Due::new(Plan::SentDeliveredRead, delivered, 0, seq, (0, 0), &Delays::default()).expect("a status")
    }

    #[test]
    fn what_was_noted_is_read_back_after_a_compaction_too() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut compaction = Compaction::begin(dir.path(), 5).expect("begun");
        compaction.open(2, 0).expect("written");
        compaction.open(4, 1).expect("written");
        let delivered = compaction.finish().expect("finished");
        delivered.append(&[due(2, 0), due(4, 1), due(7, 2)]).expect("written");
        let progress = read(dir.path(), 9).expect("read");
        let known = [1, 2, 4, 6, 7].map(|seq| progress.of(seq));
        let expected =
            [Known::Finished, Known::Delivered(1), Known::Delivered(2), Known::Delivered(0), Known::Delivered(3)];
        assert_eq!(known, expected);
    }

    #[test]
    fn a_torn_end_is_not_believed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join(NAME), "upto 0\n17 2\n18 1\n1").expect("written");
        assert_eq!(read(dir.path(), 99).expect("read").of(1), Known::Delivered(0));
        fs::write(dir.path().join(NAME), "upto 0\n17 2\n18 1\n1 1").expect("written");
        let progress = read(dir.path(), 99).expect("read");
        assert_eq!((progress.of(1), progress.of(18)), (Known::Delivered(0), Known::Delivered(1)));
    }

    #[test]
    fn after_a_failed_write_the_next_note_stands_on_a_line_of_its_own() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let delivered = Compaction::begin(dir.path(), 0).expect("begun").finish().expect("finished");
        fs::write(dir.path().join(NAME), "upto 0\n1").expect("half a line");
        delivered.state.lock().expect("no panic").torn = true;
        delivered.append(&[due(8, 0)]).expect("written");
        let progress = read(dir.path(), 99).expect("read");
        assert_eq!((progress.of(8), progress.of(18)), (Known::Delivered(1), Known::Delivered(0)));
    }

    #[test]
    fn a_first_start_has_no_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(read(dir.path(), 0).expect("read").of(1), Known::Delivered(0));
    }
}
