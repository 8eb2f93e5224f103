//! Reads the journal from disk, without ever holding more of it than a chunk or a line.
//!
//! Invariants:
//! - Only whole lines are seen: nothing is read beyond what the writer has finished.
//! - SB-3 nothing here grows with the journal.
//!
//! Not here: walking from line to line (see `reader/lines.rs`), async; whoever calls moves these calls off the async threads.

pub(crate) mod lines;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::domain::line::{self, Answered, MEDIA, Written};
use crate::domain::media_id::MediaId;

/// Bytes of one read of the stream.
pub(crate) const CHUNK: usize = 64 * 1024;
/// Bytes of one read when a line's end is looked for: most lines are shorter.
const LINE_CHUNK: usize = 4 * 1024;

/// The journal's file and how much of it is whole.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    file: Arc<File>,
    written: Arc<AtomicU64>,
}

/// What an upload's line says about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) phone_number_id: String,
    pub(crate) body: String,
}

impl Reader {
    pub(crate) fn new(file: Arc<File>, written: Arc<AtomicU64>) -> Self {
        Self { file, written }
    }

    /// The bytes of all lines whose `seq` is greater than `after`, as of now.
    pub(crate) fn range(&self, after: u64) -> io::Result<Range<u64>> {
        let end = self.end();
        // Everything before `low` is in lines up to `after`; everything from `high` on is in later ones.
        let (mut low, mut high) = (0, end);
        while low < high {
            let start = self.line_start(low, low + (high - low) / 2)?;
            let line = self.line(start, end)?;
            match line::seq_of(&line) {
                Some(seq) if seq > after => high = start,
                Some(_) => low = start + line.len() as u64,
                None => return Err(io::Error::new(io::ErrorKind::InvalidData, "a journal line without a seq")),
            }
        }
        Ok(low..end)
    }

    /// How much of the journal there is, in bytes.
    pub(crate) fn end(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Where the line with this `seq` is; `None` when there is none.
    pub(crate) fn place(&self, seq: u64) -> io::Result<Option<Range<u64>>> {
        let Some(before) = seq.checked_sub(1) else { return Ok(None) };
        let range = self.range(before)?;
        let line = self.line(range.start, range.end)?;
        // Without gaps, the first line after the one before is the one.
        Ok((!line.is_empty()).then(|| range.start..range.start + line.len() as u64))
    }

    /// Reads the first bytes of a range, at most [`CHUNK`].
    pub(crate) fn chunk(&self, range: &Range<u64>) -> io::Result<Bytes> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(CHUNK);
        let mut chunk = vec![0; length];
        self.file.read_exact_at(&mut chunk, range.start)?;
        Ok(chunk.into())
    }

    /// Reads a line whose place is known.
    pub(crate) fn exactly(&self, offset: u64, bytes: u32, line: &mut Vec<u8>) -> io::Result<()> {
        line.resize(bytes as usize, 0);
        self.file.read_exact_at(line, offset)
    }

    /// Finds an upload; `None` when there was none with this id.
    pub(crate) fn media(&self, id: MediaId) -> io::Result<Option<Media>> {
        let end = self.end();
        if id.offset >= end {
            return Ok(None);
        }
        if id.offset > 0 {
            let mut before = [0];
            self.file.read_exact_at(&mut before, id.offset - 1)?;
            if before != *b"\n" {
                return Ok(None);
            }
        }
        let line = self.line(id.offset, end)?;
        Ok(Written::read(&line)
            .filter(|line| line.kind.as_deref() == Some(MEDIA) && line.answered == Answered::Status(200))
            .filter(|line| line.received_at_ms == id.received_at_ms && line.to.is_none())
            .map(|line| Media { phone_number_id: line.phone_number_id, body: line.body.get().to_owned() }))
    }

    /// Where the line that holds the byte at `at` begins; not before `low`, which begins a line.
    fn line_start(&self, low: u64, at: u64) -> io::Result<u64> {
        let mut end = at;
        let mut chunk = [0; LINE_CHUNK];
        while end > low {
            let length = usize::try_from(end - low).unwrap_or(usize::MAX).min(LINE_CHUNK);
            let start = end - length as u64;
            self.file.read_exact_at(&mut chunk[..length], start)?;
            if let Some(found) = chunk[..length].iter().rposition(|b| *b == b'\n') {
                return Ok(start + found as u64 + 1);
            }
            end = start;
        }
        Ok(low)
    }

    /// The line that begins at `start`, with its line break.
    fn line(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let at = start + line.len() as u64;
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(LINE_CHUNK);
            if length == 0 {
                return Ok(line);
            }
            let had = line.len();
            line.resize(had + length, 0);
            self.file.read_exact_at(&mut line[had..], at)?;
            if let Some(found) = line[had..].iter().position(|b| *b == b'\n') {
                line.truncate(had + found + 1);
                return Ok(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn reader(lines: &[String]) -> Reader {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let text = lines.concat();
        file.write_all(text.as_bytes()).expect("written");
        // What is not whole must not be seen.
        file.write_all(b"{\"seq\":99,\"to").expect("written");
        Reader::new(Arc::new(file), Arc::new(AtomicU64::new(text.len() as u64)))
    }

    fn padded(seq: u64, padding: usize) -> String {
        format!("{{\"seq\":{seq},\"p\":\"{}\"}}\n", "x".repeat(padding))
    }

    fn read(reader: &Reader, after: u64) -> String {
        let mut range = reader.range(after).expect("found");
        let mut text = String::new();
        while !range.is_empty() {
            let chunk = reader.chunk(&range).expect("read");
            assert!(chunk.len() <= CHUNK);
            range.start += chunk.len() as u64;
            text.push_str(std::str::from_utf8(&chunk).expect("utf-8"));
        }
        text
    }

    proptest! {
        #[test]
        fn only_the_lines_after_a_seq_are_read(paddings in prop::collection::vec(0..9_000_usize, 0..40), after in 0..45_u64) {
            let lines: Vec<_> = (1..).zip(&paddings).map(|(seq, padding)| padded(seq, *padding)).collect();
            let skipped = lines.len().min(usize::try_from(after).expect("small"));
            prop_assert_eq!(read(&reader(&lines), after), lines[skipped..].concat());
        }
    }

    #[test]
    fn a_long_journal_is_read_in_chunks() {
        let lines: Vec<_> = (1..=100).map(|seq| padded(seq, 3_000)).collect();
        let reader = reader(&lines);
        assert_eq!(reader.chunk(&reader.range(0).expect("found")).expect("read").len(), CHUNK);
        assert_eq!(read(&reader, 0), lines.concat());
    }

    fn upload(seq: u64, received_at_ms: u64, answered: u16) -> String {
        format!(
            "{{\"seq\":{seq},\"received_at_ms\":{received_at_ms},\"phone_number_id\":\"100\",\"to\":null,\"type\":\"media\",\
             \"body\":{{\"size\":1}},\"tracker\":null,\"wamid\":null,\"answered\":{answered}}}\n"
        )
    }

    #[test]
    fn an_upload_is_found_by_its_place_and_time_only() {
        let lines = [upload(1, 1_753_700_000_001, 200), upload(2, 1_753_700_000_002, 200), upload(3, 5, 400)];
        let reader = reader(&lines);
        let second = lines[0].len() as u64;
        let find = |received_at_ms, offset| reader.media(MediaId { received_at_ms, offset }).expect("read");
        let found = Media { phone_number_id: "100".into(), body: "{\"size\":1}".into() };
        assert_eq!(find(1_753_700_000_001, 0), Some(found));
        assert!(find(1_753_700_000_002, second).is_some());
        assert_eq!(find(1_753_700_000_001, second), None, "another time");
        assert_eq!(find(1_753_700_000_002, second + 1), None, "inside a line");
        assert_eq!(find(5, second + lines[1].len() as u64), None, "refused");
        assert_eq!(find(1_753_700_000_001, u64::MAX), None, "beyond the end");
    }
}
