//! Subjects of the log: what a record is about, and which events may stand together in it.
//!
//! Shape: `ev.{kind}.…`; only literal subjects are ever written or guarded. A wildcard in a guard accepts stale writes on
//! replicated streams, so [`Subject`] cannot hold one.

use std::fmt;
use std::str::FromStr;

use crate::ids::{AccountId, BadId, WorkspaceId, WriterId};

/// What every subject of the log begins with, as a filter.
pub const ALL: &str = "ev.>";

/// A share of the accounts: `hash(account) % partitions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u16);

impl Partition {
    /// The partition of `account` among `partitions`, which must not be zero.
    pub fn of(account: AccountId, partitions: u16) -> Self {
        // SplitMix64's finaliser over both halves: the low half of a ULID is random, but callers may choose ids.
        let mut x = (account.0 as u64) ^ ((account.0 >> 64) as u64).rotate_left(32);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^= x >> 31;
        Self((x % u64::from(partitions)) as u16)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kind of a thing in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirectoryKind {
    /// A workspace.
    Workspace,
    /// An inbound webhook.
    Webhook,
    /// A WhatsApp account.
    Account,
    /// An access token.
    Token,
}

impl DirectoryKind {
    fn token(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Webhook => "webhook",
            Self::Account => "account",
            Self::Token => "token",
        }
    }
}

/// A literal subject of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// `ev.accepted.{part}`.
    Accepted(Partition),
    /// `ev.cancel.{part}`.
    Cancel(Partition),
    /// `ev.attempt.{part}.{workspace}.{account}`.
    Attempt(Partition, WorkspaceId, AccountId),
    /// `ev.receipt.{part}`.
    Receipt(Partition),
    /// `ev.wallet.{workspace}`.
    Wallet(WorkspaceId),
    /// `ev.settlement.{part}`.
    Settlement(Partition),
    /// `ev.key.{bucket}`.
    Key(u8),
    /// `ev.directory.{workspace}.{kind}.{id}`; the id is the thing's ULID.
    Directory(WorkspaceId, DirectoryKind, u128),
    /// `ev.claim.{part}`.
    PartitionClaim(Partition),
    /// `ev.claim.ledger`.
    LedgerClaim,
    /// `ev.writer.{writer}`.
    Writer(WriterId),
    /// `ev.checkpoint`.
    Checkpoint,
}

impl Subject {
    /// Whether one record may hold several events of this subject. The others are recovery points or are guarded one
    /// by one.
    pub fn is_packed(self) -> bool {
        match self {
            Self::Accepted(_) | Self::Cancel(_) | Self::Receipt(_) | Self::Settlement(_) | Self::Key(_) => true,
            Self::Attempt(..)
            | Self::Wallet(_)
            | Self::Directory(..)
            | Self::PartitionClaim(_)
            | Self::LedgerClaim
            | Self::Writer(_)
            | Self::Checkpoint => false,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(part) => write!(f, "ev.accepted.{part}"),
            Self::Cancel(part) => write!(f, "ev.cancel.{part}"),
            Self::Attempt(part, workspace, account) => write!(f, "ev.attempt.{part}.{workspace}.{account}"),
            Self::Receipt(part) => write!(f, "ev.receipt.{part}"),
            Self::Wallet(workspace) => write!(f, "ev.wallet.{workspace}"),
            Self::Settlement(part) => write!(f, "ev.settlement.{part}"),
            Self::Key(bucket) => write!(f, "ev.key.{bucket}"),
            Self::Directory(workspace, kind, id) => {
                write!(f, "ev.directory.{workspace}.{}.{}", kind.token(), WriterId(*id))
            }
            Self::PartitionClaim(part) => write!(f, "ev.claim.{part}"),
            Self::LedgerClaim => f.write_str("ev.claim.ledger"),
            Self::Writer(writer) => write!(f, "ev.writer.{writer}"),
            Self::Checkpoint => f.write_str("ev.checkpoint"),
        }
    }
}

impl FromStr for Subject {
    type Err = BadSubject;

    fn from_str(text: &str) -> Result<Self, BadSubject> {
        let bad = || BadSubject(text.to_owned());
        let mut tokens = text.split('.');
        let kind = tokens.next().filter(|first| *first == "ev").and_then(|_| tokens.next()).ok_or_else(bad)?;
        let rest: smallvec::SmallVec<[&str; 3]> = tokens.collect();
        let part = |token: &str| token.parse().map(Partition).map_err(|_| bad());
        let id = |_: BadId| bad();
        match (kind, rest.as_slice()) {
            ("accepted", [p]) => Ok(Self::Accepted(part(p)?)),
            ("cancel", [p]) => Ok(Self::Cancel(part(p)?)),
            ("attempt", [p, workspace, account]) => {
                Ok(Self::Attempt(part(p)?, workspace.parse().map_err(id)?, account.parse().map_err(id)?))
            }
            ("receipt", [p]) => Ok(Self::Receipt(part(p)?)),
            ("wallet", [workspace]) => Ok(Self::Wallet(workspace.parse().map_err(id)?)),
            ("settlement", [p]) => Ok(Self::Settlement(part(p)?)),
            ("key", [bucket]) => bucket.parse().map(Self::Key).map_err(|_| bad()),
            ("directory", [workspace, kind, thing]) => {
                let kind = match *kind {
                    "workspace" => DirectoryKind::Workspace,
                    "webhook" => DirectoryKind::Webhook,
                    "account" => DirectoryKind::Account,
                    "token" => DirectoryKind::Token,
                    _ => return Err(bad()),
                };
                let thing: WriterId = thing.parse().map_err(id)?;
                Ok(Self::Directory(workspace.parse().map_err(id)?, kind, thing.0))
            }
            ("claim", ["ledger"]) => Ok(Self::LedgerClaim),
            ("claim", [p]) => Ok(Self::PartitionClaim(part(p)?)),
            ("writer", [writer]) => Ok(Self::Writer(writer.parse().map_err(id)?)),
            ("checkpoint", []) => Ok(Self::Checkpoint),
            _ => Err(bad()),
        }
    }
}

/// A text is not a subject of the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject of the log: {0}")]
pub struct BadSubject(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_reads_back_from_its_text() {
        let (w, a, p) = (WorkspaceId(7), AccountId(9), Partition(63));
        for subject in [
            Subject::Accepted(p),
            Subject::Cancel(p),
            Subject::Attempt(p, w, a),
            Subject::Receipt(p),
            Subject::Wallet(w),
            Subject::Settlement(p),
            Subject::Key(255),
            Subject::Directory(w, DirectoryKind::Webhook, 5),
            Subject::PartitionClaim(p),
            Subject::LedgerClaim,
            Subject::Writer(WriterId(1)),
            Subject::Checkpoint,
        ] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
    }

    #[test]
    fn wildcards_and_strangers_are_not_subjects() {
        for text in ["ev.>", "ev.accepted.*", "ev.wallet.x", "accepted.1", "ev", "ev.key.256", "ev.checkpoint.1"] {
            assert_eq!(text.parse::<Subject>(), Err(BadSubject(text.to_owned())));
        }
    }

    #[test]
    fn accounts_spread_over_all_partitions() {
        let used: std::collections::BTreeSet<_> =
            (0..2_000u128).map(|i| Partition::of(AccountId((1 << 100) + i), 64)).collect();
        assert_eq!(used.len(), 64);
    }
}
