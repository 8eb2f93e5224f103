//! A compact form of values: little numbers take little room.
//!
//! Shape: numbers in groups of seven bits, lowest first; texts after their length. Nothing describes itself: the store's
//! layout version says which code wrote it.

use angelia_shared::event::Digest;
use angelia_shared::ids::Position;
use angelia_shared::units::{Credits, UnixMillis};

/// Writes values one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder(pub Vec<u8>);

impl Encoder {
    /// A number.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Yes or no.
    pub fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    /// A ULID's 128 bits.
    pub fn id(&mut self, id: u128) {
        self.0.extend_from_slice(&id.to_be_bytes());
    }

    /// 64 bits that are not small.
    pub fn wide(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// A digest.
    pub fn digest(&mut self, digest: Digest) {
        self.0.extend_from_slice(&digest.0);
    }

    /// A time.
    pub fn time(&mut self, time: UnixMillis) {
        // Zigzag, so that a time before 1970 is no large number.
        self.number(((time.0 << 1) ^ (time.0 >> 63)) as u64);
    }

    /// An amount.
    pub fn credits(&mut self, credits: Credits) {
        self.number(credits.0);
    }

    /// A place in the log.
    pub fn position(&mut self, position: Position) {
        self.number(position.seq);
        self.number(u64::from(position.line));
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A value that may be missing.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Reads values in the order in which they were written; `None` when the bytes are something else.
#[derive(Clone, Debug)]
pub struct Decoder<'a>(pub &'a [u8]);

impl<'a> Decoder<'a> {
    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7F);
            if group.checked_shl(shift).is_none_or(|moved| moved >> shift != group) {
                return None;
            }
            number |= group << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number that fits a smaller type.
    pub fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// Yes or no.
    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A fixed number of bytes.
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// A ULID's 128 bits.
    pub fn id(&mut self) -> Option<u128> {
        self.chunk().map(u128::from_be_bytes)
    }

    /// 64 bits that are not small.
    pub fn wide(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// A digest.
    pub fn digest(&mut self) -> Option<Digest> {
        self.chunk().map(Digest)
    }

    /// A time.
    pub fn time(&mut self) -> Option<UnixMillis> {
        let zigzag = self.number()?;
        Some(UnixMillis((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)))
    }

    /// An amount.
    pub fn credits(&mut self) -> Option<Credits> {
        self.number().map(Credits)
    }

    /// A place in the log.
    pub fn position(&mut self) -> Option<Position> {
        Some(Position { seq: self.number()?, line: self.small()? })
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        let len: usize = self.small()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// A value that may be missing.
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }
}
