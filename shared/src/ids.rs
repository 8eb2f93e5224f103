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
                ulid::Ulid::from_string(text).map(|ulid| Self(ulid.0)).map_err(|_| BadId($noun))
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
        let digits = text.strip_prefix(Self::PUBLIC_PREFIX).unwrap_or(text).strip_prefix(Self::PREFIX);
        digits
            .filter(|digits| {
                digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
            })
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or(BadId("message id"))
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

    #[test]
    fn positions_order_by_sequence_then_line() {
        assert!(Position::new(2, 0) > Position::new(1, 9));
        assert_eq!("7.3".parse(), Ok(Position::new(7, 3)));
    }
}
