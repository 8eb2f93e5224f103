//! An order that waits for the lane.

use angelia_shared::event::{Event, MessageAccepted};
use angelia_shared::ids::{MessageId, WorkspaceId, WriterId};
use angelia_shared::log::Entry;
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::Credits;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Order, UNAVAILABLE};
use crate::domain::refusal::Refusal;
use crate::metrics as names;
use crate::shell::keys::KeyTicket;

/// What an order takes in memory beside its line, about twice over: the event itself and its places in queues.
const OVERHEAD_BYTES: usize = 512;
/// How often an order is handed in before its caller is told to come back. Each time takes some milliseconds, in which
/// others win; what takes longer than this many is better told than kept.
const HAND_INS_MAX: u8 = 250;

/// An order in the lane's hands.
pub(super) struct Waiting {
    event: Event,
    /// The event as a line, and the writer that it names.
    line: Option<(WriterId, Vec<u8>)>,
    pub(super) message: MessageId,
    pub(super) workspace: WorkspaceId,
    pub(super) price: Credits,
    part: Partition,
    pub(super) key: Option<KeyTicket>,
    pub(super) bytes: usize,
    /// Its place in the order of arrival at the lane, from 1.
    pub(super) arrival: u64,
    hand_ins: u8,
    reply: oneshot::Sender<Result<MessageId, Refusal>>,
    _permit: Option<OwnedSemaphorePermit>,
}

pub(super) type Answer = oneshot::Receiver<Result<MessageId, Refusal>>;

impl Waiting {
    /// The order, what it takes in memory and where its answer will be. `writer` is the likely one.
    pub(super) fn new(order: Order, writer: WriterId) -> (Self, usize, Answer) {
        let Order { event, part, key } = order;
        let MessageAccepted { message, workspace, credits: price, .. } = event;
        let (reply, answer) = oneshot::channel();
        let mut waiting = Self {
            event: Event::MessageAccepted(Box::new(event)),
            line: None,
            message,
            workspace,
            price,
            part,
            key,
            bytes: 0,
            arrival: 0,
            hand_ins: 0,
            reply,
            _permit: None,
        };
        let line = waiting.written_by(writer);
        waiting.bytes = line.len();
        waiting.line = Some((writer, line));
        let bytes = waiting.bytes * 2 + OVERHEAD_BYTES;
        (waiting, bytes, answer)
    }

    /// The order with its share of the byte bound, which it gives back when it is answered.
    pub(super) fn holding(self, permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Some(permit), ..self }
    }

    /// The acceptance as an entry for `writer`. The line is made again when it names another writer.
    pub(super) fn entry(&mut self, writer: WriterId) -> Entry {
        let line = match self.line.take() {
            Some((named, line)) if named == writer => line,
            Some(_) | None => self.written_by(writer),
        };
        Entry { subject: Subject::Accepted(self.part), line, guard: None }
    }

    fn written_by(&mut self, writer: WriterId) -> Vec<u8> {
        if let Event::MessageAccepted(accepted) = &mut self.event {
            accepted.writer = writer;
        }
        self.event.to_line()
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Whether it was handed in before, in vain.
    pub(super) fn was_handed_in(&self) -> bool {
        self.hand_ins > 0
    }

    /// Counts a failed hand-in; `None`, after an answer, when it was one too many.
    pub(super) fn once_more(mut self) -> Option<Self> {
        metrics::counter!(names::ORDERS_RETRIED).increment(1);
        self.hand_ins += 1;
        if self.hand_ins < HAND_INS_MAX {
            return Some(self);
        }
        self.answer(Err(UNAVAILABLE));
        None
    }

    /// Answers the caller.
    pub(super) fn answer(mut self, answer: Result<MessageId, Refusal>) {
        // Before the answer: whoever has it may call again at once with the same key.
        drop(self.key.take());
        if let Err(refusal) = &answer {
            let reason = match refusal.status() {
                402 => "credits",
                503 => "unavailable",
                _ => "key",
            };
            metrics::counter!(names::ORDERS_REFUSED, "reason" => reason).increment(1);
        }
        // A caller that went away needs no answer; what was stored stays stored.
        let _gone = self.reply.send(answer);
    }
}
