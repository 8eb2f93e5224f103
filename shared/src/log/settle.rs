//! Decides what became of one batch. Pure: the writer does what [`Step`] says and reports what it [`Seen`].
//!
//! The rules, each of which keeps IN-1 alone:
//! - An error is "certainly not stored" only as the answer to a *first* transmission. After a second one the error may
//!   belong to the copy while the other copy was stored.
//! - Silence is never an answer. It is settled by the *first* record on the writer's own subject after its previous one:
//!   that place can be taken once, by this batch's seal or by a fence.
//! - "Nothing there" only permits sending the *same* bytes again: a copy may still be on its way.
//! - Undecided after a second transmission (a lost guard looks so for ever): the writer fences itself, which takes the
//!   place; what is found there then is final.
//!
//! Not here: which guard was lost (see [`super::writer`]).

use crate::event::{Digest, Event, lines};

/// What the writer saw after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// The server acknowledged the commit.
    Acked,
    /// The server answered with an error of the kind that stores nothing.
    Refused,
    /// No answer, or one that says nothing: time-out, disconnect, incomplete batch, an error of another kind.
    Silence,
    /// The first record after one's own previous one, read from the leader.
    First(FirstRecord),
    /// A fence was sent; whether it was stored is open.
    FenceSent,
}

/// What stands first after the writer's previous record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FirstRecord {
    /// Nothing yet.
    Nothing,
    /// A seal with this batch's digest.
    MySeal,
    /// Anything else: a fence.
    Other,
}

impl FirstRecord {
    /// Reads the record: is it the seal of the batch with this digest?
    pub fn of(record: Option<&[u8]>, batch: Digest) -> Self {
        let Some(payload) = record else { return Self::Nothing };
        match lines(payload).next().map(Event::from_line) {
            Some(Ok(Event::BatchSealed(seal) | Event::WriterClosed(seal))) if seal.digest == batch => Self::MySeal,
            _ => Self::Other,
        }
    }
}

/// What the writer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Send the batch's bytes, unchanged, under a fresh batch id.
    Transmit,
    /// Read the first record after one's own previous one, from the leader.
    ReadFirst,
    /// Append a fence to one's own subject.
    Fence,
    /// It is decided.
    Done(Verdict),
}

/// What became of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is in the log.
    Stored,
    /// It is not in the log and never will be; the writer may go on with another batch.
    Refused,
    /// It is not in the log and never will be; the writer is stopped for good.
    Fenced,
}

/// The state of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settlement {
    transmissions: u8,
    doubt_after_resend: bool,
}

impl Settlement {
    /// Begins a batch; the first step is [`Step::Transmit`].
    pub fn begin() -> (Self, Step) {
        (Self { transmissions: 1, doubt_after_resend: true }, Step::Transmit)
    }

    /// The same without the rule that an error after a second transmission decides nothing, to show that it is needed.
    #[cfg(test)]
    fn begin_trusting_late_errors() -> (Self, Step) {
        (Self { transmissions: 1, doubt_after_resend: false }, Step::Transmit)
    }

    /// Takes what was seen, says what to do.
    pub fn step(&mut self, seen: Seen) -> Step {
        match seen {
            Seen::Acked => Step::Done(Verdict::Stored),
            Seen::Refused if self.transmissions == 1 || !self.doubt_after_resend => Step::Done(Verdict::Refused),
            Seen::Refused | Seen::Silence | Seen::FenceSent => Step::ReadFirst,
            Seen::First(FirstRecord::MySeal) => Step::Done(Verdict::Stored),
            Seen::First(FirstRecord::Other) => Step::Done(Verdict::Fenced),
            Seen::First(FirstRecord::Nothing) if self.transmissions < 2 => {
                self.transmissions += 1;
                Step::Transmit
            }
            Seen::First(FirstRecord::Nothing) => Step::Fence,
        }
    }
}

#[cfg(test)]
mod tests;
