//! Rows that follow from messages: lists, queues, debts, deadlines. Written from the difference that a fact made.
//!
//! Invariants:
//! - At every batch's end each of these rows is what the messages alone would give.

use angelia_shared::ids::{AccountId, Position, WorkspaceId};
use angelia_shared::query::MessageState;
use angelia_shared::units::{Credits, UnixMillis};
use smallvec::SmallVec;

use super::keys;
use super::message::{Message, rank};
use super::queue::{self, Queue};
use super::refund::Debt;
use super::table::{Decoder, Encoder, Row, Tables};

/// A message in a state other than `queued`, whose messages are found by their accounts' queues. Keyed by workspace, state
/// and place; the account spares a look at the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InState(pub AccountId);

impl Row for InState {
    const TABLE: u8 = 7;
    type Key = (WorkspaceId, u8, Position);

    fn write(&self, out: &mut Encoder) {
        out.id(self.0.0);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        input.id().map(|id| Self(AccountId(id)))
    }
}

/// A part of unknown outcome. Keyed by the time since when, the message's place, and part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSince;

impl Row for UnknownSince {
    const TABLE: u8 = 12;
    type Key = (UnixMillis, Position, u8);

    fn write(&self, _out: &mut Encoder) {}

    fn read(_input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// What the rows of a message were written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    state: MessageState,
    left_queue: bool,
    parts: SmallVec<[PartShadow; 2]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PartShadow {
    owed: Credits,
    unknown_since: Option<UnixMillis>,
    has_provider_id: bool,
}

impl Shadow {
    /// The shadow of a message before a fact.
    pub fn of(message: &Message) -> Self {
        let parts = message.parts.iter().map(|part| PartShadow {
            owed: part.owed(),
            unknown_since: part.unknown_since,
            has_provider_id: part.provider_id.is_some(),
        });
        Self { state: message.state, left_queue: message.left_queue, parts: parts.collect() }
    }
}

/// Writes a message to which something happened, and the rows that changed with it since `before`.
///
/// # Errors
/// When the store cannot be read.
pub fn write<T: Tables>(tables: &mut T, at: Position, before: &Shadow, message: &Message) -> Result<(), T::Error> {
    tables.put(&at, message);
    if before.state != message.state {
        if before.state != MessageState::Queued {
            tables.remove::<InState>(&(message.workspace, rank(before.state), at));
        }
        // A state only moves up, so it is not `queued` now.
        tables.put(&(message.workspace, rank(message.state), at), &InState(message.account));
    }
    if message.left_queue && !before.left_queue {
        let key = (message.workspace, message.account);
        let mut queue: Queue = tables.get(&key)?.unwrap_or_default();
        queue::leave(tables, &mut queue, message.account, message.ordinal)?;
        tables.put(&key, &queue);
    }
    for number in 0..message.parts.len() {
        let shadow = before.parts.get(number).copied().unwrap_or_default();
        write_part(tables, at, shadow, message, number);
    }
    Ok(())
}

fn write_part<T: Tables>(tables: &mut T, at: Position, before: PartShadow, message: &Message, number: usize) {
    let part = &message.parts[number];
    let number = u8::try_from(number).unwrap_or(u8::MAX);
    let owed = part.owed();
    if owed != before.owed {
        let key = (message.workspace, at, number);
        if owed == Credits::ZERO {
            tables.remove::<Debt>(&key);
        } else {
            let reason = part.reason.clone().unwrap_or_default();
            tables.put(&key, &Debt { message: message.id, credits: owed, reason });
        }
    }
    if part.unknown_since != before.unknown_since {
        if let Some(since) = before.unknown_since {
            tables.remove::<UnknownSince>(&(since, at, number));
        }
        if let Some(since) = part.unknown_since {
            tables.put(&(since, at, number), &UnknownSince);
        }
    }
    if T::KEEPS_HISTORY
        && let Some(id) = part.provider_id.as_deref().filter(|_| !before.has_provider_id)
    {
        keys::provided(tables, message.account, id, message.id, number);
    }
}
