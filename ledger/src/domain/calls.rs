//! The newest accepted calls of each webhook: a ring of places.

use angelia_shared::ids::{Position, WebhookId};

use super::table::{Decoder, Encoder, Row, Tables};

/// Calls that are kept of each webhook. Source: the contract's "last 100".
pub const CALLS_MAX: u64 = 100;

/// How many calls a webhook has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken(u64);

impl Row for Taken {
    const TABLE: u8 = 15;
    type Key = WebhookId;

    fn write(&self, out: &mut Encoder) {
        out.number(self.0);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        input.number().map(Self)
    }
}

/// Where a call's acceptance is. Keyed by webhook and place in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call(Position);

impl Row for Call {
    const TABLE: u8 = 16;
    type Key = (WebhookId, u8);

    fn write(&self, out: &mut Encoder) {
        out.position(self.0);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        input.position().map(Self)
    }
}

/// A webhook took a call.
///
/// # Errors
/// When the store cannot be read.
pub fn taken<T: Tables>(tables: &mut T, webhook: WebhookId, position: Position) -> Result<(), T::Error> {
    let Taken(before) = tables.get(&webhook)?.unwrap_or_default();
    tables.put(&(webhook, (before % CALLS_MAX) as u8), &Call(position));
    tables.put(&webhook, &Taken(before + 1));
    Ok(())
}

/// Where the newest calls of a webhook are, newest first.
///
/// # Errors
/// When the store cannot be read.
pub fn newest<T: Tables>(tables: &T, webhook: WebhookId, limit: usize) -> Result<Vec<Position>, T::Error> {
    let Taken(count) = tables.get(&webhook)?.unwrap_or_default();
    let oldest = count.saturating_sub(CALLS_MAX);
    let mut found = Vec::new();
    for number in (oldest..count).rev().take(limit) {
        if let Some(Call(position)) = tables.get(&(webhook, (number % CALLS_MAX) as u8))? {
            found.push(position);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::table::MemoryTables;
    use super::*;

    #[test]
    fn the_last_hundred_are_kept_newest_first() {
        let (mut tables, webhook) = (MemoryTables::default(), WebhookId(1));
        for seq in 1..=250 {
            taken(&mut tables, webhook, Position::new(seq, 0)).unwrap();
        }
        let all: Vec<u64> = newest(&tables, webhook, 1_000).unwrap().iter().map(|position| position.seq).collect();
        assert_eq!(all, (151..=250).rev().collect::<Vec<_>>());
        assert_eq!(newest(&tables, webhook, 2).unwrap(), [Position::new(250, 0), Position::new(249, 0)]);
        assert!(newest(&tables, WebhookId(2), 5).unwrap().is_empty());
    }
}
