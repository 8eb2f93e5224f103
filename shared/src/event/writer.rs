//! The log's own book-keeping: who wrote, who may write, and the chains that prove it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::v1;
use crate::ids::{MemberId, WriterId};
use crate::subject::Partition;
use crate::units::UnixMillis;

/// A SHA-256 digest, written as 64 lower-case hex digits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A writer was opened. Stands alone; its digest starts the writer's chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriterOpened {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The writer.
    pub writer: WriterId,
    /// What it writes for: `ingress`, `dispatcher`, `ledger`, ….
    pub role: String,
    /// The process that opened it.
    pub member: MemberId,
    /// When.
    pub at: UnixMillis,
}

/// The last record of a batch: it makes the records before it one whole. As `WriterClosed` it also ends the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchSealed {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// Number of the batch of this writer, from 1.
    pub n: u64,
    /// How many records stand before the seal in its batch.
    pub count: u32,
    /// Digest of the writer's record before.
    pub previous_digest: Digest,
    /// SHA-256 over `previous_digest` and each (subject, payload) in order.
    pub digest: Digest,
}

/// The writer's last batch.
pub type WriterClosed = BatchSealed;

/// A writer was stopped for good, by the ledger or by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriterFenced {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The writer.
    pub writer: WriterId,
    /// Who stopped it.
    pub by: MemberId,
    /// Why, in words.
    pub reason: String,
    /// When.
    pub at: UnixMillis,
}

/// A dispatcher took a partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionClaimed {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The partition; none for the ledger's claim.
    pub part: Option<Partition>,
    /// Who took it.
    pub member: MemberId,
    /// When.
    pub at: UnixMillis,
}

/// The owner gave a partition up after its last attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionReleased {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// The partition; none for the ledger's claim.
    pub part: Option<Partition>,
    /// Who gave it up.
    pub member: MemberId,
    /// When.
    pub at: UnixMillis,
}

/// The ledger's own seal over the whole log up to a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerCheckpointed {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// Every record up to and with this sequence is covered.
    pub seq: u64,
    /// Chain of SHA-256 over (sequence, subject, payload) of every record up to `seq`.
    pub log_digest: Digest,
    /// SHA-256 over wallets, lanes and counts in canonical order.
    pub state_digest: Digest,
    /// Sequence of the checkpoint before; 0 for the first.
    pub previous: u64,
}
