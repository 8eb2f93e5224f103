//! What the fold keeps: rows of several kinds, each under a key, in one ordered key space.
//!
//! Shape: a [`Row`] names its kind, its key and its bytes; [`Tables`] is anything that holds such bytes (a store with what
//! is not yet written before it, or plain memory). Keys sort as their parts do, so a scan over a prefix comes in order.
//!
//! Not here: what the rows mean (see the module of each), where they are stored (see `shell/store.rs`).

mod codec;
mod memory;

use std::ops::ControlFlow;

pub use codec::{Decoder, Encoder};
pub use memory::MemoryTables;

use angelia_shared::ids::{AccountId, MessageId, Position, WebhookId, WorkspaceId, WriterId};
use angelia_shared::units::UnixMillis;

/// A kind of row.
pub trait Row: Sized + 'static {
    /// First byte of every key of this kind. Never given to another kind.
    const TABLE: u8;
    /// What one row is found by.
    type Key: Key;

    /// Writes the row's value.
    fn write(&self, out: &mut Encoder);

    /// Reads what [`write`](Self::write) wrote; `None` for anything else.
    fn read(input: &mut Decoder<'_>) -> Option<Self>;
}

/// Rows under keys like dice (ids, digests), all of one length, which are written once and never replaced, removed or
/// scanned. A store may keep them in another way than rows that are read in order.
pub trait Scattered: Row {}

/// A key, or the first parts of one. Bytes sort as the parts do.
pub trait Key: Sized + 'static {
    /// Appends the bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes the bytes from the front.
    fn read(input: &mut &[u8]) -> Option<Self>;
}

/// A row's bytes are not what this version wrote: the store is damaged, or another version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of table {table} cannot be read")]
pub struct Unreadable {
    /// The kind.
    pub table: u8,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key.
    Up,
    /// From the largest key.
    Down,
}

/// Part of the key space: `from` is in it, `to` is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First key.
    pub from: Vec<u8>,
    /// First key beyond.
    pub to: Vec<u8>,
}

impl Span {
    /// Every row of a kind.
    pub fn all<R: Row>() -> Self {
        Self { from: vec![R::TABLE], to: vec![R::TABLE + 1] }
    }

    /// Every row whose key begins with `prefix`.
    pub fn under<R: Row>(prefix: &impl Key) -> Self {
        let from = key_bytes::<R>(prefix);
        let mut to = from.clone();
        // The successor of all that begin so. The table's byte is small, so the loop ends before it is empty.
        while let Some(last) = to.pop() {
            if last < u8::MAX {
                to.push(last + 1);
                break;
            }
        }
        Self { from, to }
    }

    /// Without what sorts before `key`.
    #[must_use]
    pub fn starting_at<R: Row>(self, key: &impl Key) -> Self {
        Self { from: key_bytes::<R>(key).max(self.from), ..self }
    }

    /// Without `key` and what sorts before it.
    #[must_use]
    pub fn after<R: Row>(self, key: &impl Key) -> Self {
        let mut from = key_bytes::<R>(key);
        from.push(0);
        Self { from: from.max(self.from), ..self }
    }

    /// Without `key` and what sorts after it.
    #[must_use]
    pub fn before<R: Row>(self, key: &impl Key) -> Self {
        Self { to: key_bytes::<R>(key).min(self.to), ..self }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }
}

/// Takes one key and value; says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Anything that holds rows.
pub trait Tables {
    /// Why rows cannot be had.
    type Error: From<Unreadable>;

    /// Whether lists, statements, timelines and words are kept, which answers need and no rule does.
    const KEEPS_HISTORY: bool = true;

    /// The value under `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Puts a value under `key`, or removes it with `None`.
    fn put_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>);

    /// Whether so much is not written yet that it should be now. Plain memory never does.
    fn is_full(&self) -> bool {
        false
    }

    /// Writes what is not written yet, whole or not at all. The caller has put the cursor that belongs to it.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn relieve(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Visits keys and values in order until the visitor breaks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan_bytes(&self, span: &Span, direction: Direction, visit: &mut Visit<'_>) -> Result<(), Self::Error>;

    /// The row under `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get<R: Row>(&self, key: &R::Key) -> Result<Option<R>, Self::Error> {
        let Some(value) = self.get_bytes(&key_bytes::<R>(key))? else { return Ok(None) };
        Ok(Some(read_row(&value)?))
    }

    /// Puts a row.
    fn put<R: Row>(&mut self, key: &R::Key, row: &R) {
        self.put_bytes(key_bytes::<R>(key), Some(value_bytes(row)));
    }

    /// Removes a row.
    fn remove<R: Row>(&mut self, key: &R::Key) {
        self.put_bytes(key_bytes::<R>(key), None);
    }

    /// Visits rows in order until the visitor breaks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan<R: Row>(
        &self,
        span: &Span,
        direction: Direction,
        mut visit: impl FnMut(R::Key, R) -> ControlFlow<()>,
    ) -> Result<(), Self::Error> {
        let mut damage = None;
        self.scan_bytes(span, direction, &mut |key, value| match (read_key::<R>(key), read_row(value)) {
            (Ok(key), Ok(row)) => visit(key, row),
            (Err(unreadable), _) | (_, Err(unreadable)) => {
                damage = Some(unreadable);
                ControlFlow::Break(())
            }
        })?;
        damage.map_or(Ok(()), |unreadable| Err(unreadable.into()))
    }
}

/// A key's bytes, or those of its first parts.
pub(super) fn key_bytes<R: Row>(key: &impl Key) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.push(R::TABLE);
    key.write(&mut out);
    out
}

/// A row's bytes.
pub(super) fn value_bytes<R: Row>(row: &R) -> Vec<u8> {
    let mut out = Encoder::default();
    row.write(&mut out);
    out.0
}

fn read_key<R: Row>(mut key: &[u8]) -> Result<R::Key, Unreadable> {
    let unreadable = Unreadable { table: R::TABLE };
    let input = &mut key;
    let table = u8::read(input).filter(|table| *table == R::TABLE);
    let read = table.and_then(|_| R::Key::read(input)).ok_or(unreadable)?;
    if input.is_empty() { Ok(read) } else { Err(unreadable) }
}

fn read_row<R: Row>(value: &[u8]) -> Result<R, Unreadable> {
    let mut input = Decoder(value);
    R::read(&mut input).filter(|_| input.0.is_empty()).ok_or(Unreadable { table: R::TABLE })
}

macro_rules! key_of_number {
    ($($kind:ty),*) => {$(
        impl Key for $kind {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn read(input: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = input.split_first_chunk()?;
                *input = rest;
                Some(Self::from_be_bytes(*bytes))
            }
        }
    )*};
}

macro_rules! key_of_id {
    ($($kind:ident),*) => {$(
        impl Key for $kind {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
            fn read(input: &mut &[u8]) -> Option<Self> {
                Key::read(input).map($kind)
            }
        }
    )*};
}

key_of_number!(u8, u16, u64, u128);
key_of_id!(WorkspaceId, AccountId, WebhookId, WriterId, MessageId);

impl Key for () {
    fn write(&self, _out: &mut Vec<u8>) {}
    fn read(_input: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Key for Position {
    fn write(&self, out: &mut Vec<u8>) {
        (self.seq, self.line).write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        let (seq, line) = Key::read(input)?;
        Some(Self { seq, line })
    }
}

impl Key for UnixMillis {
    fn write(&self, out: &mut Vec<u8>) {
        // The sign bit turned over: times before 1970 sort first.
        ((self.0 as u64) ^ (1 << 63)).write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        u64::read(input).map(|bits| Self((bits ^ (1 << 63)) as i64))
    }
}

impl<const N: usize> Key for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = input.split_first_chunk()?;
        *input = rest;
        Some(*bytes)
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        Some((A::read(input)?, B::read(input)?))
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        Some((A::read(input)?, B::read(input)?, C::read(input)?))
    }
}

#[cfg(test)]
mod tests;
