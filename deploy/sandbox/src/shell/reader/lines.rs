//! Walks from line to line, either way.

use std::io;
use std::mem;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{CHUNK, Reader};

/// Which way lines are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Older,
    Newer,
}

/// The lines of a range. Holds a chunk and a line at most.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    reader: &'a Reader,
    /// What was not read yet.
    rest: Range<u64>,
    way: Way,
    /// Older: what lies behind `rest` and was not walked yet; it ends with a line.
    held: Vec<u8>,
}

impl Reader {
    /// The lines of `range`, which begins and ends with whole ones.
    pub(crate) fn lines(&self, range: Range<u64>, way: Way) -> Lines<'_> {
        Lines { reader: self, rest: range, way, held: Vec::new() }
    }
}

impl Lines<'_> {
    /// Whether no line is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.held.is_empty()
    }

    /// The next line with its line break; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.is_empty() {
            return Ok(None);
        }
        match self.way {
            Way::Older => self.older().map(Some),
            Way::Newer => self.newer().map(Some),
        }
    }

    fn newer(&mut self) -> io::Result<Vec<u8>> {
        let line = self.reader.line(self.rest.start, self.rest.end)?;
        self.rest.start += line.len() as u64;
        Ok(line)
    }

    fn older(&mut self) -> io::Result<Vec<u8>> {
        loop {
            // The last byte is the line's own break.
            let body = &self.held[..self.held.len().saturating_sub(1)];
            if let Some(before) = body.iter().rposition(|b| *b == b'\n') {
                return Ok(self.held.split_off(before + 1));
            }
            if self.rest.is_empty() {
                return Ok(mem::take(&mut self.held));
            }
            let length = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX).min(CHUNK);
            let start = self.rest.end - length as u64;
            let mut held = vec![0; length + self.held.len()];
            held[length..].copy_from_slice(&self.held);
            self.reader.file.read_exact_at(&mut held[..length], start)?;
            self.held = held;
            self.rest.end = start;
        }
    }
}
