//! Tables that keep only what the fold looks at again: for replays, of which nothing is asked but digests and findings.
//!
//! Shape: wallets, lanes, messages and keys each in a map of their own, packed where there are millions; the few other rows
//! that rules read as bytes. Lists, statements, timelines, words and debts are let go when they are put.
//!
//! Invariants:
//! - Folding over these tables gives the head, the state digest and the report that folding over all rows gives.
//!
//! Memory: a message takes a slot of 33 bytes and its place one of 17, in maps that are between 7/16 and 7/8 full: 57 to 115
//! bytes together. One that was tried on more than two parts takes more.

mod packed;

use std::any::Any;
use std::ops::ControlFlow;

use angelia_shared::ids::{AccountId, MessageId, Position, WebhookId, WorkspaceId, WriterId};

use super::acceptance::{Acceptance, Page};
use super::chain::WriterChain;
use super::keys::Used;
use super::lanes::{Lane, Unreturned};
use super::message::Message;
use super::table::{
    Decoder, Direction, Encoder, MemoryTables, Row, Span, Tables, Unreadable, Visit, key_bytes, value_bytes,
};
use super::wallet::Wallet;
use packed::Packed;

/// Looked into several times an event: the standard map's hash was among the hottest of a replay's functions.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// Whose a message is: many messages have the same.
type Owner = (WorkspaceId, WebhookId, AccountId);

/// Rows as far as rules read them.
#[derive(Clone, Debug, Default)]
pub struct LeanTables {
    wallets: HashMap<WorkspaceId, Wallet>,
    lanes: HashMap<(WriterId, WorkspaceId), Lane>,
    /// Places as [`number_of`] has them.
    places: HashMap<MessageId, u64>,
    /// By place.
    messages: HashMap<u64, Packed>,
    /// Owners by number, and their numbers.
    owners: Vec<Owner>,
    numbers: HashMap<Owner, u32>,
    /// The newest one that was asked for: neighbours often have the same.
    newest: u32,
    /// Where messages are packed.
    scratch: Encoder,
    keys: HashMap<(u8, [u8; 32]), MessageId>,
    rest: MemoryTables,
}

impl LeanTables {
    fn number(&mut self, owner: Owner) -> u32 {
        if self.owners.get(self.newest as usize) != Some(&owner) {
            self.newest = *self.numbers.entry(owner).or_insert_with(|| {
                self.owners.push(owner);
                u32::try_from(self.owners.len() - 1).expect("a log names fewer than 4 billion webhooks")
            });
        }
        self.newest
    }

    fn put_message(&mut self, at: Position, message: &Message) {
        let owner = self.number((message.workspace, message.webhook, message.account));
        self.scratch.0.clear();
        self.scratch.number(u64::from(owner));
        message.pack(&mut self.scratch);
        self.messages.insert(number_of(at), Packed::from(self.scratch.0.as_slice()));
    }

    fn message(&self, at: Position) -> Result<Option<Message>, Unreadable> {
        let Some(packed) = self.messages.get(&number_of(at)) else { return Ok(None) };
        let mut input = Decoder(packed.bytes());
        let owner = input.small::<usize>().and_then(|number| self.owners.get(number));
        let message = owner.and_then(|(workspace, webhook, account)| {
            Message::unpack(&mut input, *workspace, *webhook, *account).filter(|_| input.0.is_empty())
        });
        message.map(Some).ok_or(Unreadable { table: Message::TABLE })
    }
}

/// A place as one number.
fn number_of(at: Position) -> u64 {
    debug_assert!(at.seq < 1 << 48, "a log of 2^48 records would take a server of its own for centuries");
    at.seq << 16 | u64::from(at.line)
}

fn place_of(number: u64) -> Position {
    Position::new(number >> 16, number as u16)
}

impl Tables for LeanTables {
    type Error = Unreadable;

    const KEEPS_HISTORY: bool = false;

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        self.rest.get_bytes(key)
    }

    fn put_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.rest.put_bytes(key, value);
    }

    fn scan_bytes(&self, span: &Span, direction: Direction, visit: &mut Visit<'_>) -> Result<(), Unreadable> {
        match span.from.first() {
            Some(&Wallet::TABLE) => scan(&self.wallets, span, direction, visit),
            Some(&Lane::TABLE) => scan(&self.lanes, span, direction, visit),
            Some(_) | None => return self.rest.scan_bytes(span, direction, visit),
        }
        Ok(())
    }

    fn get<R: Row>(&self, key: &R::Key) -> Result<Option<R>, Unreadable> {
        Ok(match R::TABLE {
            Wallet::TABLE => taken(self.wallets.get(same(key)).copied()),
            Lane::TABLE => taken(self.lanes.get(same(key)).copied()),
            Acceptance::TABLE => taken(self.places.get(same(key)).map(|number| Acceptance(place_of(*number)))),
            Message::TABLE => taken(self.message(*same(key))?),
            Used::TABLE => taken(self.keys.get(same(key)).copied().map(Used::lean)),
            WriterChain::TABLE | Unreturned::TABLE => self.rest.get(key)?,
            _ => None,
        })
    }

    fn put<R: Row>(&mut self, key: &R::Key, row: &R) {
        match R::TABLE {
            Wallet::TABLE => drop(self.wallets.insert(*same(key), *same::<_, Wallet>(row))),
            Lane::TABLE => drop(self.lanes.insert(*same(key), *same::<_, Lane>(row))),
            Acceptance::TABLE => drop(self.places.insert(*same(key), number_of(same::<_, Acceptance>(row).0))),
            Message::TABLE => self.put_message(*same(key), same(row)),
            // A message is kept in one form, whether anything has happened to it or not.
            Page::TABLE => {
                let seq: u64 = *same(key);
                for accepted in &same::<_, Page>(row).0 {
                    let at = Position::new(seq, accepted.line);
                    self.put_message(at, &Message::accepted_without_history(accepted));
                }
            }
            Used::TABLE => drop(self.keys.insert(*same(key), same::<_, Used>(row).message())),
            WriterChain::TABLE | Unreturned::TABLE => self.rest.put(key, row),
            _ => {}
        }
    }

    fn remove<R: Row>(&mut self, key: &R::Key) {
        match R::TABLE {
            Lane::TABLE => drop(self.lanes.remove(same(key))),
            WriterChain::TABLE | Unreturned::TABLE => self.rest.remove::<R>(key),
            // Nothing else that is kept here is ever removed.
            _ => {}
        }
    }
}

/// A value of the type that a table's number stands for: each number is given to one kind of row.
fn same<A: 'static, B: 'static>(value: &A) -> &B {
    (value as &dyn Any).downcast_ref().expect("a table has one kind of row and of key")
}

/// The same for a row that is handed out.
fn taken<A: 'static, B: 'static>(row: Option<A>) -> Option<B> {
    let mut row = row;
    (&mut row as &mut dyn Any).downcast_mut::<Option<B>>().expect("a table has one kind of row").take()
}

/// Visits rows in order as bytes. Seldom done: for a digest, and when a writer ends.
fn scan<R: Row>(rows: &HashMap<R::Key, R>, span: &Span, direction: Direction, visit: &mut Visit<'_>) {
    let keys = rows.iter().map(|(key, row)| (key_bytes::<R>(key), row));
    let mut found: Vec<_> = keys.filter(|(key, _)| *key >= span.from && *key < span.to).collect();
    found.sort_unstable_by(|(one, _), (other, _)| match direction {
        Direction::Up => one.cmp(other),
        Direction::Down => other.cmp(one),
    });
    for (key, row) in found {
        if visit(&key, &value_bytes(row)) == ControlFlow::Break(()) {
            return;
        }
    }
}
