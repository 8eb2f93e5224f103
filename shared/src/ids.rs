//! Typed identities.
//!
//! Shape: every id but the message's is a ULID, written as 26 characters of Crockford's base 32, so ids sort by time of
//! birth and fit in a subject token.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::UnixMillis;
use crate::{clock, dice};

/// A text is not an id of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct BadId(&'static str);

/// What each character of a ULID stands for, in either case; [`NO_DIGIT`] for all others.
const DIGITS: [u8; 256] = {
    let upper = digits(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    let lower = digits(b"0123456789abcdefghjkmnpqrstvwxyz");
    let (mut either, mut byte) = (upper, 0);
    while byte < 256 {
        either[byte] &= lower[byte];
        byte += 1;
    }
    either
};
/// What each digit of a message's id stands for.
const HEX_DIGITS: [u8; 256] = digits(b"0123456789ABCDEF");
/// More than any digit.
const NO_DIGIT: u8 = u8::MAX;

const fn digits(alphabet: &[u8]) -> [u8; 256] {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < alphabet.len() {
        digits[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    digits
}

/// Reads a ULID as the crate of that name does, but in words of 64 bits: every record of the log holds several.
pub(crate) fn read_ulid(text: &[u8]) -> Option<u128> {
    let text: &[u8; ulid::ULID_LEN] = text.try_into().ok()?;
    let mut seen = 0;
    // 2, 12 and 12 digits of 5 bits: each part fits a register.
    let mut part = |digits: &[u8]| {
        digits.iter().fold(0_u64, |sum, digit| {
            let value = DIGITS[usize::from(*digit)];
            seen |= value;
            sum << 5 | u64::from(value)
        })
    };
    let (high, middle, low) = (part(&text[..2]), part(&text[2..14]), part(&text[14..]));
    (seen < 32).then_some(u128::from(high) << 120 | u128::from(middle) << 60 | u128::from(low))
}

/// The form of a ULID that we write: upper case.
const ULID_PATTERN: &str = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$";

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            /// Makes the id from its time of birth and 80 random bits.
            pub fn from_parts(at: UnixMillis, random: u128) -> Self {
                Self(ulid::Ulid::from_parts(u64::try_from(at.0).unwrap_or(0), random).0)
            }

            /// Makes a fresh id from the clock and dice. For shells only.
            pub fn generate() -> Self {
                Self::from_parts(clock::now(), dice::u80())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.pad(ulid::Ulid(self.0).array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                read_ulid(text.as_bytes()).map(Self).ok_or(BadId($noun))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut buffer = [0; ulid::ULID_LEN];
                serializer.serialize_str(ulid::Ulid(self.0).array_to_str(&mut buffer))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "description": concat!("The ", $noun, "."), "pattern": ULID_PATTERN})
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($noun)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

ulid_id!(
    /// A workspace: one customer.
    WorkspaceId, "workspace id");
ulid_id!(
    /// A WhatsApp account that sends.
    AccountId, "account id");
ulid_id!(
    /// An inbound webhook.
    WebhookId, "webhook id");
ulid_id!(
    /// An access token of the API.
    TokenId, "token id");
ulid_id!(
    /// One opening of the log's writer.
    WriterId, "writer id");
ulid_id!(
    /// One running process of a service.
    MemberId, "member id");
ulid_id!(
    /// A data key that seals personal data.
    KeyId, "key id");

/// An accepted send request. Also its WhatsApp message id, on transports that let the client choose it.
///
/// Shape: `3EB0` and 16 upper-case hex digits; callers see it behind `wa_backend:`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

impl MessageId {
    /// What callers see before the id.
    pub const PUBLIC_PREFIX: &str = "wa_backend:";
    const PREFIX: &str = "3EB0";

    /// Makes a fresh id. For shells only.
    pub fn generate() -> Self {
        Self(dice::u64())
    }

    /// The id as callers see it: `wa_backend:3EB0…`.
    pub fn public(self) -> String {
        format!("{}{self}", Self::PUBLIC_PREFIX)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016X}", Self::PREFIX, self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = BadId;

    /// Reads the id with or without `wa_backend:`.
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::read(text.strip_prefix(Self::PUBLIC_PREFIX).unwrap_or(text).as_bytes()).ok_or(BadId("message id"))
    }
}

impl MessageId {
    /// Reads the id without `wa_backend:`.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let digits: &[u8; 16] = text.strip_prefix(Self::PREFIX.as_bytes())?.try_into().ok()?;
        let mut seen = 0;
        let id = digits.iter().fold(0, |id, digit| {
            let value = HEX_DIGITS[usize::from(*digit)];
            seen |= value;
            id << 4 | u64::from(value)
        });
        (seen < 16).then_some(Self(id))
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, "message id")
    }
}

/// Where an event is in the log: the record's stream sequence and the event's line in it. Written `seq.line`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Stream sequence of the record, from 1; 0 is before everything.
    pub seq: u64,
    /// Line in the record, from 0.
    pub line: u16,
}

impl Position {
    /// The position of `line` in record `seq`.
    pub fn new(seq: u64, line: u16) -> Self {
        Self { seq, line }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seq, self.line)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Position {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let (seq, line) = text.split_once('.').ok_or(BadId("position"))?;
        match (seq.parse(), line.parse()) {
            (Ok(seq), Ok(line)) => Ok(Self { seq, line }),
            _ => Err(BadId("position")),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Position {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Position".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let what = "Where it is in the log: a record's sequence and a line in it.";
        json_schema!({"type": "string", "description": what, "pattern": "^[0-9]+\\.[0-9]+$"})
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, "position")
    }
}

/// Reads a value from its text, without making a copy of the text: the log is full of them.
fn read_text<'de, D: Deserializer<'de>, T: FromStr<Err = BadId>>(
    deserializer: D,
    noun: &'static str,
) -> Result<T, D::Error> {
    struct Visitor<T>(&'static str, PhantomData<T>);
    impl<T: FromStr<Err = BadId>> serde::de::Visitor<'_> for Visitor<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Visitor(noun, PhantomData))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_id_reads_back_with_and_without_its_public_prefix() {
        let id = MessageId(0x9FCC_85FE_9966_2E46);
        assert_eq!(id.public(), "wa_backend:3EB09FCC85FE99662E46");
        assert_eq!("wa_backend:3EB09FCC85FE99662E46".parse(), Ok(id));
        assert_eq!("3EB09FCC85FE99662E46".parse(), Ok(id));
    }

    #[test]
    fn a_message_id_in_lower_case_or_of_another_length_is_refused() {
        for text in ["3EB09fcc85fe99662e46", "3EB09FCC85FE99662E4", "9FCC85FE99662E46", "", "3EB0+FCC85FE99662E46"] {
            assert_eq!(text.parse::<MessageId>(), Err(BadId("message id")), "{text}");
        }
    }

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = AccountId::from_parts(UnixMillis(1_700_000_000_000), 42);
        assert_eq!(id.to_string().len(), 26);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::from_str::<AccountId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    proptest! {
        #[test]
        fn a_ulid_is_read_as_its_crate_reads_it(text in "[0-9A-Za-z]{25,27}|[0-7][0-9A-HJKMNP-TV-Z]{25}|.{0,30}") {
            let read = ulid::Ulid::from_string(&text).ok().map(|ulid| ulid.0);
            prop_assert_eq!(read_ulid(text.as_bytes()), read);
        }
    }

    #[test]
    fn positions_order_by_sequence_then_line() {
        assert!(Position::new(2, 0) > Position::new(1, 9));
        assert_eq!("7.3".parse(), Ok(Position::new(7, 3)));
    }
}
