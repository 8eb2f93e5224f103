//! Reads the `Idempotency-Key` header: a caller's promise that calls with one key are one message.
//!
//! Shape: the header's values -> the key, none, or what is wrong with it.
//!
//! A key is bare (`8e03978e`) or quoted (`"8e03978e"`, a string as in RFC 9651 §3.3.3); both are the same key. White space
//! around it is dropped. A bare key of nothing is no key, because that is what a template with an empty variable sends; an
//! empty quoted one was written on purpose and is refused. Parameters after a quoted key are refused: none is defined.
//!
//! Not here: comparing fingerprints and finding the earlier message.

#[cfg(test)]
mod tests;

use std::fmt;

use super::refusal::Refusal;

/// The longest key, in characters, without its quotes and escapes.
pub const KEY_CHARS_MAX: usize = 255;

/// A usable key: 1 to [`KEY_CHARS_MAX`] printable ASCII characters.
///
/// It may hold personal data, so only tests can print it.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Debug))]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key without quotes and escapes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with the header, in the order in which it is checked. `Display` gives the sentence for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// The header came more than once, even if always with the same value.
    Repeated,
    /// The opening quote has no partner at the end, or a back-slash escapes nothing that can be escaped.
    BadQuotes,
    /// A character is not printable ASCII.
    BadCharacter,
    /// Two quotes and nothing between them.
    Empty,
    /// The key is longer than [`KEY_CHARS_MAX`].
    TooLong,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated => f.write_str("Idempotency-Key must be given only once"),
            Self::BadQuotes => f.write_str("Idempotency-Key must be bare, or between one pair of double quotes"),
            Self::BadCharacter => f.write_str("Idempotency-Key must have only printable ASCII characters"),
            Self::Empty => f.write_str("Idempotency-Key must not be empty"),
            Self::TooLong => write!(f, "Idempotency-Key must have at most {KEY_CHARS_MAX} characters"),
        }
    }
}

/// Reads the key from all values of the header, in the bytes that were received.
///
/// # Errors
/// [`Refusal::InvalidKey`] with the first [`KeyFault`] that applies.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<IdempotencyKey>, Refusal> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::InvalidKey(KeyFault::Repeated));
    }
    parse_value(value.trim_ascii()).map_err(Refusal::InvalidKey)
}

fn parse_value(value: &[u8]) -> Result<Option<IdempotencyKey>, KeyFault> {
    if value.is_empty() {
        return Ok(None);
    }
    let key = match value.strip_prefix(b"\"") {
        Some(rest) => unquote(rest)?,
        None => value.to_vec(),
    };
    if !key.iter().all(is_printable) {
        return Err(KeyFault::BadCharacter);
    }
    if key.is_empty() {
        return Err(KeyFault::Empty);
    }
    if key.len() > KEY_CHARS_MAX {
        return Err(KeyFault::TooLong);
    }
    let key = String::from_utf8(key).map_err(|_| KeyFault::BadCharacter)?;
    Ok(Some(IdempotencyKey(key)))
}

/// What stands before the closing quote, which has to be the last byte. Only quotes and back-slashes can be escaped.
fn unquote(rest: &[u8]) -> Result<Vec<u8>, KeyFault> {
    let mut key = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if bytes.as_slice().is_empty() => return Ok(key),
            b'"' => return Err(KeyFault::BadQuotes),
            b'\\' => match bytes.next() {
                Some(&escaped @ (b'"' | b'\\')) => key.push(escaped),
                Some(_) | None => return Err(KeyFault::BadQuotes),
            },
            plain => key.push(plain),
        }
    }
    Err(KeyFault::BadQuotes)
}

fn is_printable(byte: &u8) -> bool {
    (0x20..=0x7e).contains(byte)
}
