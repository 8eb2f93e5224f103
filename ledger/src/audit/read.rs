//! Reads a stretch of the log for an audit, and says how far it is.
//!
//! Shape: a task reads ahead, within a bound; [`Reading::next`] gives what it read, in order. It ends with the last whole
//! batch that was there when it began, or with what is missing.

use std::collections::VecDeque;
use std::time::Duration;

use angelia_shared::log::{EventLog, OpenLogError, ReadError, Reader, ReaderOptions, Record};
use angelia_shared::units::UnixMillis;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::point::Point;

/// Records in one piece, and pieces that wait: a few pulls' worth, so that neither side waits for the other.
const RECORDS_AT_ONCE: usize = 1_000;
const PIECES_WAITING: usize = 8;
/// Bytes in one piece: of the largest records, a quarter of a pull.
const BYTES_AT_ONCE: usize = 2 * 1024 * 1024;
/// How long the rest of a batch is waited for: while one is stored, the log's last sequence can lie in its middle.
const SEAL_WITHIN: Duration = Duration::from_secs(5);
/// A broker that has the records gives them out in far less, also after a restart of its own.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// How far an audit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last sequence that was worked off.
    pub done: u64,
    /// The last one of all.
    pub of: u64,
}

/// The log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLogError {
    /// The log's end is not known.
    #[error("cannot ask the log for its end")]
    End(#[source] OpenLogError),
    /// Records are missing.
    #[error("the records {from} to {to} are missing")]
    Missing {
        /// The first one.
        from: u64,
        /// The last one.
        to: u64,
    },
    /// The broker gives nothing out.
    #[error("the broker gives out nothing after record {after}: is it there, and may this user read?")]
    Silent {
        /// The last record that it gave.
        after: u64,
    },
}

/// A stretch of the log that is being read.
pub struct Reading {
    pieces: mpsc::Receiver<Vec<Record>>,
    task: AbortOnDropHandle<Result<(), ReadLogError>>,
    end: u64,
}

impl Reading {
    /// Begins to read everything that is in the log now. `name` says who reads, in the broker's list.
    ///
    /// # Errors
    /// [`ReadLogError::End`].
    pub async fn start(log: &EventLog, name: &str) -> Result<Self, ReadLogError> {
        let end = log.last_sequence().await.map_err(ReadLogError::End)?;
        Ok(Self::until(log, name, end))
    }

    /// Begins to read everything up to `end`, and the rest of the batch in which it lies.
    pub fn until(log: &EventLog, name: &str, end: u64) -> Self {
        let (give, pieces) = mpsc::channel(PIECES_WAITING);
        let reader = Reader::new(log.clone(), ReaderOptions::whole(name, 0));
        let task = AbortOnDropHandle::new(tokio::spawn(run(reader, end, give)));
        Self { pieces, task, end }
    }

    /// The last sequence that will be read, but for the rest of its batch.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The next records, or `None` at the end; then [`finish`](Self::finish) says how it ended.
    pub async fn next(&mut self) -> Option<Vec<Record>> {
        self.pieces.recv().await
    }

    /// The same, on a thread that may block.
    pub fn blocking_next(&mut self) -> Option<Vec<Record>> {
        self.pieces.blocking_recv()
    }

    /// How the reading ended, after its last records were taken.
    ///
    /// # Errors
    /// [`ReadLogError`] when there should have been more.
    pub async fn finish(self) -> Result<(), ReadLogError> {
        self.task.await.expect("reading returns its errors, and is aborted only with its holder")
    }
}

/// A stretch of the log in whole batches, up to a point.
pub struct WholeBatches<T> {
    /// None once its end was seen.
    reading: Option<Reading>,
    piece: VecDeque<Record>,
    last: u64,
    stretch: Stretch,
    tell: T,
}

/// How far to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretch {
    /// Up to this sequence.
    pub end: u64,
    /// And not beyond this point.
    pub point: Option<Point>,
}

impl<T: FnMut(Progress)> WholeBatches<T> {
    /// Begins to read. `name` says who reads, in the broker's list; `tell` is told how far it is.
    pub fn start(log: &EventLog, name: &str, stretch: Stretch, tell: T) -> Self {
        let reading = Some(Reading::until(log, name, stretch.end));
        Self { reading, piece: VecDeque::new(), last: 0, stretch, tell }
    }

    /// The next batch, or `None` at the end.
    ///
    /// # Errors
    /// [`ReadLogError`] when there should have been more.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, ReadLogError> {
        let mut batch = Vec::new();
        loop {
            while let Some(record) = self.piece.pop_front() {
                let (seq, at, ends) = (record.seq, record.at, record.ends_batch());
                batch.push(record);
                if ends && self.is_beyond(seq, at) {
                    self.reading = None;
                    return Ok(None);
                }
                if ends {
                    return Ok(Some(batch));
                }
            }
            let Some(reading) = &mut self.reading else { return Ok(None) };
            let Some(piece) = reading.next().await else {
                let reading = self.reading.take().expect("it was there");
                return reading.finish().await.map(|()| None);
            };
            self.last = piece.last().map_or(self.last, |record| record.seq);
            self.piece = piece.into();
            (self.tell)(Progress { done: self.last, of: self.stretch.end });
        }
    }

    fn is_beyond(&self, seq: u64, at: UnixMillis) -> bool {
        seq > self.stretch.end || self.stretch.point.is_some_and(|point| point.is_before(seq, at))
    }
}

async fn run(mut reader: Reader, end: u64, give: mpsc::Sender<Vec<Record>>) -> Result<(), ReadLogError> {
    let mut in_batch = false;
    while reader.position() < end || in_batch {
        let beyond = reader.position() >= end;
        let patience = if beyond { SEAL_WITHIN } else { SILENT_AFTER };
        let first = match tokio::time::timeout(patience, reader.next()).await {
            Ok(first) => first.map_err(missing)?,
            // A batch without its end, which is for whoever reads to judge.
            Err(_) if beyond => break,
            Err(_) => return Err(ReadLogError::Silent { after: reader.position() }),
        };
        let mut bytes = first.payload.len();
        let mut piece = Vec::with_capacity(RECORDS_AT_ONCE);
        in_batch = !first.ends_batch();
        piece.push(first);
        // What is here already goes in the same piece; nothing is waited for.
        while piece.len() < RECORDS_AT_ONCE
            && bytes < BYTES_AT_ONCE
            && (reader.position() < end || in_batch)
            && let Some(more) = reader.next().now_or_never()
        {
            let more = more.map_err(missing)?;
            bytes += more.payload.len();
            in_batch = !more.ends_batch();
            piece.push(more);
        }
        if give.send(piece).await.is_err() {
            // Nobody wants more.
            return Ok(());
        }
    }
    Ok(())
}

pub(crate) fn missing(error: ReadError) -> ReadLogError {
    let ReadError::Gap { missing_from, missing_to } = error;
    ReadLogError::Missing { from: missing_from, to: missing_to }
}
