//! Reads a body's bytes once, to the end, and sorts its values by field.
//!
//! Shape: bytes -> [`Body`], or where and why they are not JSON. Values are only sorted by kind here, never judged: a body
//! that is not JSON must be answered as such, even if one of its fields breaks a rule further up.
//!
//! Ignored values are walked with the same care as the others. `serde::de::IgnoredAny` is faster, but with it `serde_json`
//! lets lone surrogates, bytes that are not UTF-8 and any depth pass. Depth ends at 127 levels, before the stack does.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::domain::field::Field;
use crate::domain::refusal::Refusal;
use crate::domain::request_fault::{Kind, RequestFault};

/// The top-level object.
#[derive(Default)]
pub(super) struct Body<'a> {
    /// The values of the known fields, by [`Field`].
    values: [Option<Given<'a>>; Field::ALL.len()],
    /// The first key that came a second time.
    pub(super) repeated: Option<Cow<'a, str>>,
    /// The keys that are no fields, in alphabetical order.
    pub(super) unknown: BTreeSet<Cow<'a, str>>,
}

impl<'a> Body<'a> {
    /// The field's value, which nobody needs a second time.
    pub(super) fn take(&mut self, field: Field) -> Option<Given<'a>> {
        self.values[field as usize].take()
    }

    fn put(&mut self, field: Field, value: Given<'a>) {
        if self.values[field as usize].replace(value).is_some() {
            self.note_repeated(Cow::Borrowed(field.name()));
        }
    }

    fn put_unknown(&mut self, key: Cow<'a, str>) {
        if self.unknown.contains(&key) {
            self.note_repeated(key);
        } else {
            self.unknown.insert(key);
        }
    }

    fn note_repeated(&mut self, key: Cow<'a, str>) {
        self.repeated.get_or_insert(key);
    }
}

/// A known field's value.
#[derive(PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// A string, borrowed if it had no escapes.
    Text(Cow<'a, str>),
    /// An integer of at most 64 bits.
    Integer(i128),
    /// Anything else; numbers with fraction, exponent or more digits too.
    Other(Kind),
}

impl Given<'_> {
    /// What kind of JSON value it was.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::String,
            Self::Integer(_) => Kind::Number,
            Self::Other(kind) => *kind,
        }
    }
}

/// Reads the whole body.
///
/// # Errors
/// [`Refusal::InvalidJson`], or [`RequestFault::NotAnObject`] if it is JSON of another kind.
pub(super) fn read(bytes: &[u8]) -> Result<Body<'_>, Refusal> {
    let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // The first byte tells an object from the rest, which saves a second visitor for all other kinds.
    let read = if json.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<Body<'_>>(json).map(Ok)
    } else {
        serde_json::from_slice::<Given<'_>>(json).map(|given| Err(given.kind()))
    };
    match read {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(found)) => Err(Refusal::InvalidRequest(RequestFault::NotAnObject { found })),
        Err(error) => Err(invalid_json(json, &error)),
    }
}

/// Says where and why the bytes are not JSON. Broken UTF-8 comes first, since `serde_json` only sees it at the end of the
/// string that contains it.
fn invalid_json(json: &[u8], error: &serde_json::Error) -> Refusal {
    if let Err(broken) = std::str::from_utf8(json) {
        let before = &json[..broken.valid_up_to()];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        return Refusal::InvalidJson {
            what: Cow::Borrowed("invalid UTF-8"),
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            column: 1 + chars_in(&before[line_start..]),
        };
    }
    let what = if json.trim_ascii().is_empty() {
        Cow::Borrowed("the body is empty")
    } else {
        let sentence = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        Cow::Owned(sentence.strip_suffix(&position).unwrap_or(&sentence).to_owned())
    };
    Refusal::InvalidJson { what, line: error.line(), column: column_in_chars(json, error) }
}

/// The error's column, which `serde_json` counts in bytes, in what an editor counts.
fn column_in_chars(json: &[u8], error: &serde_json::Error) -> usize {
    let line = json.split(|&byte| byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    chars_in(&line[..error.column().min(line.len())])
}

/// The number of characters that begin in these bytes of UTF-8.
fn chars_in(utf8: &[u8]) -> usize {
    utf8.iter().filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000).count()
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut body = Body::default();
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, Given<'de>>()? {
            match Field::from_name(&key) {
                Some(field) => body.put(field, value),
                None => body.put_unknown(key),
            }
        }
        Ok(body)
    }
}

/// A key after unescaping; borrowed if it had no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Given<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GivenVisitor)
    }
}

struct GivenVisitor;

impl<'de> Visitor<'de> for GivenVisitor {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Given::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Given::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Given::Integer(integer.into()))
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(Given::Integer(integer.into()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Given::Other(Kind::Number))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Given::Other(Kind::Boolean))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Given::Other(Kind::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        while array.next_element::<Given<'de>>()?.is_some() {}
        Ok(Given::Other(Kind::Array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<Key<'de>, Given<'de>>()?.is_some() {}
        Ok(Given::Other(Kind::Object))
    }
}
