//! What waits on an account, and how many stand before a message.
//!
//! Shape: messages of an account are numbered as they are accepted, from 1. They leave nearly in that order, so the queue
//! is a number below which everything has left, and a row for each that left out of turn (cancelled ones).
//!
//! Not here: when the next one may go (that is the dispatcher's; this shows what its last event said).

use std::ops::ControlFlow;

use angelia_shared::ids::{AccountId, WorkspaceId};
use angelia_shared::query::AccountQueue;
use angelia_shared::units::UnixMillis;

use super::table::{Decoder, Direction, Encoder, Row, Span, Tables};

/// One account's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Messages accepted: the newest one's number.
    pub accepted: u64,
    /// Every message up to this number has left.
    pub left_through: u64,
    /// Messages that left out of turn, beyond `left_through`.
    pub left_beyond: u64,
    /// End of the last attempt and the gap drawn after it.
    pub next_send_at: Option<UnixMillis>,
}

impl Queue {
    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.accepted - self.left_through - self.left_beyond
    }

    /// The queue as callers see it.
    pub fn view(&self, account: AccountId) -> AccountQueue {
        AccountQueue { account, queued: self.waiting(), next_send_at: self.next_send_at }
    }
}

impl Row for Queue {
    const TABLE: u8 = 9;
    type Key = (WorkspaceId, AccountId);

    fn write(&self, out: &mut Encoder) {
        for number in [self.accepted, self.left_through, self.left_beyond] {
            out.number(number);
        }
        out.optional(self.next_send_at, Encoder::time);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            accepted: input.number()?,
            left_through: input.number()?,
            left_beyond: input.number()?,
            next_send_at: input.optional(Decoder::time)?,
        })
    }
}

/// A message that left before its turn. Keyed by account and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LeftBeyond;

impl Row for LeftBeyond {
    const TABLE: u8 = 10;
    type Key = (AccountId, u64);

    fn write(&self, _out: &mut Encoder) {}

    fn read(_input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// The `ordinal`th message of `account` has left.
///
/// # Errors
/// When the store cannot be read.
pub fn leave<T: Tables>(tables: &mut T, queue: &mut Queue, account: AccountId, ordinal: u64) -> Result<(), T::Error> {
    if ordinal != queue.left_through + 1 {
        tables.put(&(account, ordinal), &LeftBeyond);
        queue.left_beyond += 1;
        return Ok(());
    }
    queue.left_through = ordinal;
    while queue.left_beyond > 0 && tables.get::<LeftBeyond>(&(account, queue.left_through + 1))?.is_some() {
        queue.left_through += 1;
        queue.left_beyond -= 1;
        tables.remove::<LeftBeyond>(&(account, queue.left_through));
    }
    Ok(())
}

/// How many of `account` wait before its `ordinal`th message.
///
/// # Errors
/// When the store cannot be read.
pub fn ahead<T: Tables>(tables: &T, queue: &Queue, account: AccountId, ordinal: u64) -> Result<u64, T::Error> {
    let before = ordinal.saturating_sub(queue.left_through + 1);
    if queue.left_beyond == 0 {
        return Ok(before);
    }
    let mut left = 0;
    let span = Span::under::<LeftBeyond>(&account).before::<LeftBeyond>(&(account, ordinal));
    tables.scan::<LeftBeyond>(&span, Direction::Up, |_, _| {
        left += 1;
        ControlFlow::Continue(())
    })?;
    Ok(before.saturating_sub(left))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::table::MemoryTables;
    use super::*;

    const ACCOUNT: AccountId = AccountId(3);

    proptest! {
        #[test]
        fn the_number_ahead_is_what_counting_gives(leaving in proptest::sample::subsequence((1..=30_u64).collect::<Vec<_>>(), 0..=30).prop_shuffle()) {
            let (mut tables, mut queue) = (MemoryTables::default(), Queue { accepted: 30, ..Queue::default() });
            let mut gone = std::collections::BTreeSet::new();
            for ordinal in leaving {
                leave(&mut tables, &mut queue, ACCOUNT, ordinal).unwrap();
                gone.insert(ordinal);
                prop_assert_eq!(queue.waiting(), 30 - gone.len() as u64);
                for asked in (1..=30).filter(|asked| !gone.contains(asked)) {
                    let counted = (1..asked).filter(|other| !gone.contains(other)).count() as u64;
                    prop_assert_eq!(ahead(&tables, &queue, ACCOUNT, asked).unwrap(), counted);
                }
            }
            // Nothing stays behind of what left in its turn.
            prop_assert_eq!(tables.rows().count() as u64, queue.left_beyond);
        }
    }
}
