//! Appends to the journal: one thread, many lines a write.
//!
//! Shape: handlers hand in a [`Received`] and await [`Recorded`]; the thread decides by the script, writes the lines of all
//! who wait in one `write`, plans their callbacks, and only then lets them answer.
//!
//! Invariants:
//! - SB-1 an answer leaves only after its line was written; `seq` counts up by one in file order.
//! - A failed write leaves no part of a line behind: the file is cut back, or the sandbox ends.
//!
//! Not here: repairing a line torn by a kill (see `recovery.rs`), answering.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use crate::domain::delays::Delays;
use crate::domain::line::{Answered, Line};
use crate::domain::script::{Behaviour, Decision, MessageKey, Script};
use crate::domain::timetable::Due;

use super::reader::Reader;

/// Requests that wait for the thread: more than connections do any good for on one machine.
const WAITING_MOST: usize = 4_096;
/// Most lines of one write: some 200 KiB, so nobody waits long behind others.
const LINES_MOST: usize = 512;
/// A buffer that grew beyond this for a few huge lines is given back.
const BUFFER_KEPT: usize = 1 << 20;

/// A request as the journal shows it, not yet answered.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) received_at_ms: u64,
    pub(crate) phone_number_id: String,
    pub(crate) to: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) body: Box<RawValue>,
    pub(crate) tracker: Option<String>,
    pub(crate) verdict: Verdict,
}

/// Who decides the answer.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The handler did: an HTTP status.
    Answer(u16),
    /// The script does, in the order of the journal; `wamid` is for a message that is taken.
    Script { behaviour: Behaviour, wamid: String },
}

/// A request that is in the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded {
    /// Where its line begins.
    pub(crate) offset: u64,
    /// What the script decided, if it was asked.
    pub(crate) decision: Option<Decision>,
}

/// The line could not be written; whoever sent the request may try again.
#[derive(Debug, thiserror::Error)]
#[error("writing a journal line")]
pub(crate) struct NotRecorded;

/// Callbacks that a message was promised.
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) phone_number_id: String,
    pub(crate) due: Due,
}

struct Entry {
    received: Received,
    reply: oneshot::Sender<Result<Recorded, NotRecorded>>,
}

/// The way to the journal's thread, which ends when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Journal {
    entries: mpsc::Sender<Entry>,
    pub(crate) reader: Reader,
}

impl Journal {
    /// Waits until the request is written.
    pub(crate) async fn record(&self, received: Received) -> Result<Recorded, NotRecorded> {
        let (reply, answer) = oneshot::channel();
        self.entries.send(Entry { received, reply }).await.map_err(|_| NotRecorded)?;
        answer.await.map_err(|_| NotRecorded)?
    }
}

/// What is appended to: the journal's file, or something in a test that fails.
pub(crate) trait Tape: Send + 'static {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Tape for Arc<File> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&**self).write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// What the thread goes on from.
pub(crate) struct Position {
    pub(crate) last_seq: u64,
    /// Length of the journal in bytes, shared with its readers.
    pub(crate) written: Arc<AtomicU64>,
    pub(crate) script: Script,
}

/// Starts the thread. The receiver hears how it ended: with an error only when the journal could not be cut back.
pub(crate) fn start(
    tape: impl Tape,
    position: Position,
    delays: Delays,
    reader: Reader,
    promises: mpsc::Sender<Vec<Promise>>,
) -> io::Result<(Journal, oneshot::Receiver<io::Result<()>>)> {
    let (entries, waiting) = mpsc::channel(WAITING_MOST);
    let (ended, end) = oneshot::channel();
    let writer = Writer { tape, position, delays, promises, buffer: Vec::new() };
    thread::Builder::new().name("sandbox-journal".into()).spawn(move || {
        // Nobody listens any more when the server was dropped rather than stopped.
        let _ = ended.send(writer.run(waiting));
    })?;
    Ok((Journal { entries, reader }, end))
}

struct Writer<T> {
    tape: T,
    position: Position,
    delays: Delays,
    promises: mpsc::Sender<Vec<Promise>>,
    buffer: Vec<u8>,
}

/// A line in the buffer, not yet written.
struct Pending {
    reply: oneshot::Sender<Result<Recorded, NotRecorded>>,
    recorded: Recorded,
    promise: Option<Promise>,
}

impl<T: Tape> Writer<T> {
    fn run(mut self, mut waiting: mpsc::Receiver<Entry>) -> io::Result<()> {
        let mut entries = Vec::with_capacity(LINES_MOST);
        while waiting.blocking_recv_many(&mut entries, LINES_MOST) > 0 {
            self.commit(entries.drain(..))?;
        }
        Ok(())
    }

    /// Writes the lines of a batch, plans their callbacks, then lets them answer.
    fn commit(&mut self, entries: impl Iterator<Item = Entry>) -> io::Result<()> {
        let start = self.position.written.load(Ordering::Acquire);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        let mut seq = self.position.last_seq;
        let mut pending = Vec::new();
        for Entry { received, reply } in entries {
            seq += 1;
            let (recorded, promise) = self.line(seq, start, received);
            pending.push(Pending { reply, recorded, promise });
        }
        if let Err(error) = self.tape.append(&self.buffer) {
            tracing::error!(error = &error as &dyn std::error::Error, "could not write the journal");
            // Counts of the script stay: these requests are answered 503, which is what they stand for.
            self.tape.cut(start)?;
            for entry in pending {
                let _ = entry.reply.send(Err(NotRecorded));
            }
            return Ok(());
        }
        self.position.last_seq = seq;
        self.position.written.store(start + self.buffer.len() as u64, Ordering::Release);
        let promises: Vec<_> = pending.iter_mut().filter_map(|entry| entry.promise.take()).collect();
        if !promises.is_empty() {
            // A courier that is gone is no loss: the next start finds the promises in the journal.
            let _ = self.promises.blocking_send(promises);
        }
        for entry in pending {
            // A caller that hung up is in the journal all the same.
            let _ = entry.reply.send(Ok(entry.recorded));
        }
        Ok(())
    }

    /// Decides one request and puts its line into the buffer.
    fn line(&mut self, seq: u64, start: u64, received: Received) -> (Recorded, Option<Promise>) {
        let Received { received_at_ms, phone_number_id, to, kind, body, tracker, verdict } = received;
        let key = || MessageKey::new(&phone_number_id, to.as_deref().unwrap_or_default(), tracker.as_deref());
        let (decision, wamid, answered, plan) = match &verdict {
            Verdict::Answer(status) => (None, None, Answered::Status(*status), None),
            Verdict::Script { behaviour, wamid } => {
                let decision = self.position.script.decide(*behaviour, key);
                let taken = decision.is_taken();
                let plan = taken.then(|| behaviour.callbacks());
                (Some(decision), taken.then_some(wamid.as_str()), Answered::from(decision), plan)
            }
        };
        let at = self.buffer.len();
        let line = Line {
            seq,
            received_at_ms,
            phone_number_id: &phone_number_id,
            to: to.as_deref(),
            kind: kind.as_deref(),
            body: &body,
            tracker: tracker.as_deref(),
            wamid,
            answered,
        };
        line.write(&mut self.buffer);
        let bytes = u32::try_from(self.buffer.len() - at).expect("bodies are bounded far below 4 GiB");
        let offset = start + at as u64;
        let due = plan.and_then(|plan| Due::new(plan, 0, received_at_ms, seq, (offset, bytes), &self.delays));
        (Recorded { offset, decision }, due.map(|due| Promise { phone_number_id, due }))
    }
}

#[cfg(test)]
mod tests;
