//! Looks through the journal for one page of a number's message history.
//!
//! Shape: a page covers the lines from its place on, one way, until it has its entries or looked at enough. Then it looks
//! for one more entry on either side, so that links lead to pages that are there.
//!
//! Invariants:
//! - SB-3 nothing is kept between requests; a request holds a page and looks at a bounded part of the journal.
//! - A page that looked at enough before it was full is short, and its link goes on from where it stopped.
//!
//! Not here: what a page says (see `domain/history.rs`), async.

use std::io;

use crate::domain::cursor::Cursor;
use crate::domain::delays::Delays;
use crate::domain::graph::Refusal;
use crate::domain::history::{Entry, Page, Place, Query};
use crate::domain::line::{self, Written};

use super::reader::Reader;
use super::reader::lines::{Lines, Way};

/// Bytes that one request looks at, and a line more: some 13,000 messages, a few milliseconds.
pub(crate) const LOOK_MOST: u64 = 4 << 20;

/// Who asks for what, and when.
pub(crate) struct Search<'a> {
    pub(crate) phone_number_id: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) now_ms: u64,
    pub(crate) delays: Delays,
    /// Bytes that may still be looked at.
    pub(crate) left: u64,
}

/// What one way had.
#[derive(Default)]
struct Walked {
    entries: Vec<Entry>,
    /// The first and the last line that was walked, as long as there was room for its entry.
    seqs: Option<(u64, u64)>,
    /// There is an entry beyond, or perhaps one beyond what may be looked at.
    more: bool,
}

impl Search<'_> {
    /// Finds the page.
    ///
    /// # Errors
    /// When the journal cannot be read, or holds something else than its lines.
    pub(crate) fn page(mut self, reader: &Reader) -> io::Result<Result<Page, Refusal>> {
        let (way, start) = match self.query.place {
            Place::Newest => (Way::Older, None),
            Place::After(cursor) => match reader.place(cursor.seq)? {
                Some(line) => (Way::Older, Some(line.start)),
                None => return Ok(Err(Place::unknown("after"))),
            },
            Place::Before(cursor) => match reader.place(cursor.seq)? {
                Some(line) => (Way::Newer, Some(line.end)),
                None => return Ok(Err(Place::unknown("before"))),
            },
        };
        // After the places, so that it is not before one of them.
        let end = reader.end();
        let start = start.unwrap_or(end);
        let mut older = reader.lines(0..start, Way::Older);
        let mut newer = reader.lines(start..end, Way::Newer);
        let (mut found, has_older, has_newer) = match way {
            Way::Older => {
                let found = self.walk(&mut older, self.query.limit)?;
                let (has_older, has_newer) = (found.more, self.has_more(&found, &mut newer)?);
                (found, has_older, has_newer)
            }
            Way::Newer => {
                let found = self.walk(&mut newer, self.query.limit)?;
                let (has_newer, has_older) = (found.more, self.has_more(&found, &mut older)?);
                (found, has_older, has_newer)
            }
        };
        if self.query.message_id.is_some() && found.entries.is_empty() && !found.more {
            return Ok(Err(Refusal::UnknownMessage));
        }
        let mut covered = found.seqs.map(|(first, last)| (Cursor { seq: first }, Cursor { seq: last }));
        if way == Way::Newer {
            found.entries.reverse();
            covered = covered.map(|(oldest, newest)| (newest, oldest));
        }
        Ok(Ok(Page { entries: found.entries, covered, has_newer, has_older }))
    }

    /// Whether there is an entry the other way than the one that was walked.
    fn has_more(&mut self, found: &Walked, lines: &mut Lines<'_>) -> io::Result<bool> {
        // An id is one message's alone.
        let was_found = self.query.message_id.is_some() && !found.entries.is_empty();
        Ok(!was_found && self.walk(lines, 0)?.more)
    }

    /// Walks until there is an entry more than `most`.
    fn walk(&mut self, lines: &mut Lines<'_>, most: usize) -> io::Result<Walked> {
        let mut walked = Walked::default();
        while let Some(line) = lines.next()? {
            let (seq, entry) = self.entry(&line)?;
            let is_full = walked.entries.len() == most;
            if is_full && entry.is_some() {
                walked.more = true;
                break;
            }
            if !is_full {
                let first = walked.seqs.map_or(seq, |(first, _)| first);
                walked.seqs = Some((first, seq));
            }
            walked.entries.extend(entry);
            if self.query.message_id.is_some() && !walked.entries.is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(line.len() as u64);
            if self.left == 0 {
                walked.more = !lines.is_empty();
                break;
            }
        }
        Ok(walked)
    }

    /// A line's `seq`, and its entry if it is one of those that are asked for.
    fn entry(&self, line: &[u8]) -> io::Result<(u64, Option<Entry>)> {
        let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "not a journal line");
        let seq = line::seq_of(line).ok_or_else(unreadable)?;
        // Most lines of a sandbox with many numbers are others'.
        if !line::is_of(line, self.phone_number_id) {
            return Ok((seq, None));
        }
        let written = Written::read(line).ok_or_else(unreadable)?;
        let entry = Entry::of(&written, self.now_ms, &self.delays);
        let wanted = self.query.message_id.as_deref();
        Ok((seq, entry.filter(|entry| wanted.is_none_or(|wanted| entry.wamid == wanted))))
    }
}

#[cfg(test)]
mod tests;
