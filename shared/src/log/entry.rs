//! What callers hand in: groups of entries that stand or fall together.

use smallvec::SmallVec;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::event::Event;
use crate::ids::Position;
use crate::subject::Subject;

/// A condition under which an entry may be stored. Literal subjects only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The entry's own subject has this last sequence; 0 when nothing was ever written there.
    Own(u64),
    /// Another subject, which the batch does not write, has this last sequence.
    Other(Subject, u64),
}

impl Guard {
    /// The subject that is held against the log, and its last sequence, for an entry of `own` subject.
    pub fn on(self, own: Subject) -> (Subject, u64) {
        match self {
            Self::Own(expected) => (own, expected),
            Self::Other(subject, expected) => (subject, expected),
        }
    }
}

/// One event for one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes.
    pub subject: Subject,
    /// The event as one JSON line.
    pub line: Vec<u8>,
    /// The condition, if any.
    pub guard: Option<Guard>,
}

impl Entry {
    /// An entry without a condition.
    pub fn new(subject: Subject, event: &Event) -> Self {
        Self { subject, line: event.to_line(), guard: None }
    }

    /// The entry under a condition.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard: Some(guard), ..self }
    }
}

/// Where a group's entries are in the log, in the order in which they were handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// One position an entry.
    pub positions: SmallVec<[Position; 2]>,
    /// Sequence of the batch's seal: a reader that has passed it has seen the whole group.
    pub sealed_at: u64,
}

/// A group was not stored, and never will be; or (`Closed`) nobody will say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Conditions did not hold. The heads found are told, so that the caller can decide again.
    #[error("a guard was lost")]
    GuardLost(Vec<(Subject, u64)>),
    /// The writer was fenced and a new one was opened. Hand in again what does not name the old writer.
    #[error("the writer was fenced before this was stored")]
    NeverStored,
    /// The broker cannot be reached; nothing was transmitted.
    #[error("the log cannot be written now")]
    Unavailable,
    /// The queue before the writer is full.
    #[error("too much waits to be written")]
    Full,
    /// No batch can hold the group: it alone is too large, or it guards what it also writes.
    #[error("the group does not fit into any batch")]
    TooLarge,
    /// The writer has stopped. Whether the group was stored is not known to anybody.
    #[error("the writer has stopped")]
    Closed,
}

/// Entries that stand or fall together: a draw and every acceptance that it pays for are one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The entries, in order.
    pub entries: SmallVec<[Entry; 2]>,
}

impl Group {
    /// A group of one.
    pub fn one(entry: Entry) -> Self {
        Self { entries: SmallVec::from_iter([entry]) }
    }

    /// Whether the group can only be stored while `subject` has a certain last sequence.
    pub fn is_guarded_by(&self, subject: Subject) -> bool {
        let guards = self.entries.iter().filter_map(|entry| entry.guard.map(|guard| guard.on(entry.subject)));
        guards.into_iter().any(|(guarded, _)| guarded == subject)
    }

    /// The size of all lines.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.line.len()).sum()
    }
}

impl FromIterator<Entry> for Group {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

/// A group on its way, with the caller that awaits its answer.
#[derive(Debug)]
pub struct Pending {
    /// What is to be stored.
    pub group: Group,
    /// Who waits; an answer to a caller that has gone is dropped.
    pub reply: oneshot::Sender<Result<Stored, AppendError>>,
    /// Its share of a bounded queue, given back with the answer.
    pub(super) room: Option<Room>,
}

/// A group's share of a bounded queue: itself and its bytes.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) _group: OwnedSemaphorePermit,
    pub(super) _bytes: OwnedSemaphorePermit,
}

impl Pending {
    /// Pairs a group with the receiver of its answer.
    pub fn new(group: Group) -> (Self, oneshot::Receiver<Result<Stored, AppendError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { group, reply, room: None }, answer)
    }

    /// Answers the caller.
    pub fn answer(self, answer: Result<Stored, AppendError>) {
        // A caller that went away (a closed connection) needs no answer; what was stored stays stored.
        let _gone = self.reply.send(answer);
    }
}
