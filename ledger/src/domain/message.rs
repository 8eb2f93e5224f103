//! One accepted message: its parts, its state, its timeline.
//!
//! Shape: (message, fact) -> message after it, or why the fact cannot be true (see `message/change.rs`). Each part has a
//! state of its own that only moves up; the message has the lowest of its parts, or `failed` if one failed, and never
//! moves down either. So repeated and late receipts, in any order, end in one state.
//!
//! Invariants:
//! - A state only moves up in rank.
//! - DP-4 no second attempt while one is open or unknown, unless the transport recognises the message.
//! - WA-3 the parts together cost at most the message's price.
//!
//! Not here: which rows follow from a message (see [`super::index`]), money's rules (see [`super::refund`]).

mod change;
mod part;
mod timeline;

use angelia_shared::ids::{AccountId, MessageId, Position, WebhookId, WorkspaceId};
use angelia_shared::query::MessageState;
use angelia_shared::units::{Credits, UnixMillis};
use smallvec::SmallVec;

use super::acceptance::Accepted;
use super::table::{Decoder, Encoder, Row};

pub use change::{Outcome, Report};
pub use part::Part;
pub use timeline::{ENTRIES_MAX, Happened, Timeline};

/// Characters of a provider's words that are kept; the log has them all.
const DETAIL_MAX: usize = 500;

/// What is known of one message to which something has happened (before that, see [`super::acceptance`]). Keyed by the
/// place of its acceptance: neighbours in time are neighbours in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The webhook that took it.
    pub webhook: WebhookId,
    /// The account that sends it.
    pub account: AccountId,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// Its price.
    pub credits: Credits,
    /// Its number among the messages of its account, from 1.
    pub ordinal: u64,
    /// The state that is shown: the highest so far.
    pub state: MessageState,
    /// Whether some part was ever reported as failed.
    pub failed: bool,
    /// Whether it expired or was cancelled: nothing of it will be begun any more.
    pub over: bool,
    /// Whether its account's queue has done with it.
    pub left_queue: bool,
    /// Number of the attempt that is open.
    pub open_attempt: Option<u32>,
    /// Its parts, once they are known.
    pub parts: SmallVec<[Part; 2]>,
    /// Reason code of the first failure.
    pub reason: Option<String>,
    /// The first failure in words.
    pub detail: Option<String>,
    /// What happened.
    pub timeline: Timeline,
}

impl Message {
    /// The message that an acceptance makes.
    pub fn accepted(accepted: &Accepted, position: Position) -> Self {
        let mut message = Self::accepted_without_history(accepted);
        message.timeline.add(Happened {
            position,
            at: accepted.at,
            event: "MessageAccepted",
            part: None,
            detail: None,
        });
        message
    }

    /// The same without an entry in its timeline.
    pub(super) fn accepted_without_history(accepted: &Accepted) -> Self {
        let Accepted { line: _, id, workspace, webhook, account, at, credits, ordinal } = *accepted;
        Self {
            id,
            workspace,
            webhook,
            account,
            accepted_at: at,
            credits,
            ordinal,
            state: MessageState::Queued,
            failed: false,
            over: false,
            left_queue: false,
            open_attempt: None,
            parts: SmallVec::new(),
            reason: None,
            detail: None,
            timeline: Timeline::default(),
        }
    }

    /// Writes what rules read of it, but for whose it is.
    pub(super) fn pack(&self, out: &mut Encoder) {
        out.wide(self.id.0);
        out.credits(self.credits);
        let flags = [self.failed, self.over, self.left_queue, self.open_attempt.is_some()];
        out.byte(rank(self.state) | flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(*flag)) << 4);
        if let Some(attempt) = self.open_attempt {
            out.number(u64::from(attempt));
        }
        for part in &self.parts {
            part.pack(out);
        }
    }

    /// Reads what [`pack`](Self::pack) wrote: to the end.
    pub(super) fn unpack(
        input: &mut Decoder<'_>,
        workspace: WorkspaceId,
        webhook: WebhookId,
        account: AccountId,
    ) -> Option<Self> {
        let (id, credits, bits) = (MessageId(input.wide()?), input.credits()?, input.byte()?);
        let flag = |number: u8| bits & 1 << (4 + number) != 0;
        let open_attempt = if flag(3) { Some(input.small()?) } else { None };
        let mut parts = SmallVec::new();
        while !input.0.is_empty() {
            parts.push(Part::unpack(input)?);
        }
        Some(Self {
            id,
            workspace,
            webhook,
            account,
            accepted_at: UnixMillis(0),
            credits,
            ordinal: 0,
            state: of_rank(bits & 0x0F)?,
            failed: flag(0),
            over: flag(1),
            left_queue: flag(2),
            open_attempt,
            parts,
            reason: None,
            detail: None,
            timeline: Timeline::default(),
        })
    }

    /// What was given back of its price.
    pub fn refunded(&self) -> Credits {
        Credits(self.parts.iter().map(|part| part.money.refunded.0).sum())
    }

    /// Reason code and words of its failure, when it is shown as failed.
    pub fn failure(&self) -> (Option<&str>, Option<&str>) {
        match self.state {
            MessageState::Failed => (self.reason.as_deref(), self.detail.as_deref()),
            MessageState::Queued
            | MessageState::Sending
            | MessageState::Unknown
            | MessageState::Sent
            | MessageState::Delivered
            | MessageState::Read
            | MessageState::Cancelled => (None, None),
        }
    }

    /// Brings the shown state, and whether the queue has done with it, up to what the parts say.
    fn refresh(&mut self) {
        let begun = MessageState::Sending;
        let lowest = self.parts.iter().map(|part| part.state.max(begun)).min().unwrap_or(MessageState::Queued);
        let shown = if self.failed { lowest.max(MessageState::Failed) } else { lowest };
        self.state = self.state.max(shown);
        self.left_queue |= !self.parts.is_empty() && self.parts.iter().all(|part| part.state > MessageState::Sending);
    }

    /// Keeps the first failure's reason and words.
    fn note_failure(&mut self, reason: &str, detail: &str) {
        self.failed = true;
        if self.reason.is_none() {
            self.reason = Some(reason.to_owned());
            self.detail = Some(detail.chars().take(DETAIL_MAX).collect()).filter(|words: &String| !words.is_empty());
        }
    }
}

impl Row for Message {
    const TABLE: u8 = 2;
    type Key = Position;

    fn write(&self, out: &mut Encoder) {
        out.wide(self.id.0);
        for id in [self.workspace.0, self.webhook.0, self.account.0] {
            out.id(id);
        }
        out.time(self.accepted_at);
        out.credits(self.credits);
        out.number(self.ordinal);
        out.byte(rank(self.state));
        out.flag(self.failed);
        out.flag(self.over);
        out.flag(self.left_queue);
        out.optional(self.open_attempt, |out, attempt| out.number(u64::from(attempt)));
        out.number(self.parts.len() as u64);
        for part in &self.parts {
            part.write(out);
        }
        out.optional(self.reason.as_deref(), Encoder::text);
        out.optional(self.detail.as_deref(), Encoder::text);
        self.timeline.write(out, self.accepted_at);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let id = MessageId(input.wide()?);
        let (workspace, webhook) = (WorkspaceId(input.id()?), WebhookId(input.id()?));
        let account = AccountId(input.id()?);
        let accepted_at = input.time()?;
        Some(Self {
            id,
            workspace,
            webhook,
            account,
            accepted_at,
            credits: input.credits()?,
            ordinal: input.number()?,
            state: of_rank(input.byte()?)?,
            failed: input.flag()?,
            over: input.flag()?,
            left_queue: input.flag()?,
            open_attempt: input.optional(Decoder::small)?,
            parts: (0..input.number()?).map(|_| Part::read(input)).collect::<Option<_>>()?,
            reason: input.optional(Decoder::text)?.map(str::to_owned),
            detail: input.optional(Decoder::text)?.map(str::to_owned),
            timeline: Timeline::read(input, accepted_at)?,
        })
    }
}

/// A state's rank, as a byte of keys and rows.
pub fn rank(state: MessageState) -> u8 {
    match state {
        MessageState::Queued => 0,
        MessageState::Sending => 1,
        MessageState::Unknown => 2,
        MessageState::Sent => 3,
        MessageState::Failed => 4,
        MessageState::Delivered => 5,
        MessageState::Read => 6,
        MessageState::Cancelled => 7,
    }
}

fn of_rank(rank: u8) -> Option<MessageState> {
    MessageState::ALL.get(usize::from(rank)).copied()
}

#[cfg(test)]
mod tests;
