//! Lists of messages, in the order of the log: by account, by webhook.
//!
//! Shape: one row a record and owner, with the lines of its messages. A list is only ever added to at its end.

use std::ops::ControlFlow;

use angelia_shared::ids::{AccountId, Position, WebhookId};
use smallvec::SmallVec;

use super::table::{Decoder, Direction, Encoder, Key, Row, Span, Tables};

/// Lines of one record, in order.
pub type Lines = SmallVec<[u16; 8]>;

/// A list of places.
pub trait List: Row<Key = (Self::Owner, u64)> + From<Lines> {
    /// Whose places they are.
    type Owner: Key + Copy;

    /// The lines of one record.
    fn lines(&self) -> &[u16];
}

macro_rules! list {
    ($(#[$doc:meta])* $name:ident, $owner:ident, $table:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(Lines);

        impl Row for $name {
            const TABLE: u8 = $table;
            type Key = ($owner, u64);

            fn write(&self, out: &mut Encoder) {
                for line in &self.0 {
                    out.number(u64::from(*line));
                }
            }

            fn read(input: &mut Decoder<'_>) -> Option<Self> {
                let mut lines = Lines::new();
                while !input.0.is_empty() {
                    lines.push(input.small()?);
                }
                Some(Self(lines))
            }
        }

        impl From<Lines> for $name {
            fn from(lines: Lines) -> Self {
                Self(lines)
            }
        }

        impl List for $name {
            type Owner = $owner;

            fn lines(&self) -> &[u16] {
                &self.0
            }
        }
    };
}

list! {
    /// Messages of an account.
    OfAccount, AccountId, 8
}

list! {
    /// Messages that a webhook took.
    OfWebhook, WebhookId, 16
}

/// Visits an owner's places from the newest one before `before` down, until the visitor breaks.
///
/// # Errors
/// When the store cannot be read.
pub fn newest<L: List, T: Tables>(
    tables: &T,
    owner: L::Owner,
    before: Option<Position>,
    mut visit: impl FnMut(Position) -> ControlFlow<()>,
) -> Result<(), T::Error> {
    let mut span = Span::under::<L>(&owner);
    if let Some(before) = before {
        span = span.before::<L>(&(owner, before.seq.saturating_add(1)));
    }
    tables.scan::<L>(&span, Direction::Down, |(_, seq), list| {
        let places = list.lines().iter().rev().map(|line| Position::new(seq, *line));
        for place in places.filter(|place| before.is_none_or(|before| *place < before)) {
            visit(place)?;
        }
        ControlFlow::Continue(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::MemoryTables;
    use super::*;

    #[test]
    fn places_come_newest_first_before_any_place_and_of_one_owner() {
        let mut tables = MemoryTables::default();
        for owner in [WebhookId(1), WebhookId(2)] {
            tables.put(&(owner, 5), &OfWebhook::from(Lines::from_slice(&[0, 2, 63])));
            tables.put(&(owner, 9), &OfWebhook::from(Lines::from_slice(&[1])));
        }
        let all = [Position::new(9, 1), Position::new(5, 63), Position::new(5, 2), Position::new(5, 0)];
        let found = |before, limit: usize| {
            let mut found = Vec::new();
            newest::<OfWebhook, _>(&tables, WebhookId(1), before, |place| {
                found.push(place);
                if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
            found
        };
        assert_eq!(found(None, 99), all);
        for (number, place) in all.iter().enumerate() {
            assert_eq!(found(Some(*place), 99), all[number + 1..]);
        }
        assert_eq!(found(Some(Position::new(5, 3)), 1), all[2..3]);
    }
}
