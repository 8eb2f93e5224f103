//! A fact that cannot be true: where it stands and which invariant it breaks.
//!
//! Shape: each rule answers a [`Broken`]; the projection adds where and whose. A contradiction is counted and told, and
//! stops what the ledger would do for that workspace: money that does not add up is not added to.

use std::fmt;

use angelia_shared::ids::{MessageId, Position, WorkspaceId, WriterId};
use angelia_shared::units::Credits;

use super::table::{Decoder, Encoder, Row};

/// An invariant of the design, by its published id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// A message is accepted once.
    In1,
    /// One idempotency key, one message.
    In2,
    /// A wallet is never negative.
    Wa1,
    /// A writer spends and returns at most what it drew.
    Wa2,
    /// A message is refunded at most its price, and only for parts that were not sent.
    Wa3,
    /// Running totals equal the sum of what came before.
    Wa4,
    /// Attempts follow acceptances.
    Dp2,
    /// No second attempt while an earlier one is open or unknown.
    Dp4,
    /// A projection at a sequence equals a replay to that sequence.
    Lg1,
    /// Seals and checkpoints continue their chains.
    Lg2,
}

impl Invariant {
    /// The id, as documents, metrics and reports write it.
    pub fn id(self) -> &'static str {
        match self {
            Self::In1 => "IN-1",
            Self::In2 => "IN-2",
            Self::Wa1 => "WA-1",
            Self::Wa2 => "WA-2",
            Self::Wa3 => "WA-3",
            Self::Wa4 => "WA-4",
            Self::Dp2 => "DP-2",
            Self::Dp4 => "DP-4",
            Self::Lg1 => "LG-1",
            Self::Lg2 => "LG-2",
        }
    }
}

/// What is wrong with a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A message was accepted a second time.
    AcceptedTwice(MessageId),
    /// An idempotency key was used for a second message.
    KeyUsedTwice(MessageId),
    /// A wallet holds less than nothing.
    WalletNegative,
    /// The totals that an event tells are not the sum of what came before it.
    TotalsDiffer,
    /// The items of a refund do not add up to its amount.
    RefundSumDiffers,
    /// A writer spent or returned more than it drew.
    LaneOverspent(WriterId),
    /// A refund for a part that was neither lost nor given up.
    RefundOfNothing(MessageId),
    /// More was given back than the part, or the message, cost.
    RefundTooLarge(MessageId),
    /// The parts of a message cost more than the message, or a part's price changed.
    PartsCostMore(MessageId),
    /// An event of a message that this workspace and account never accepted.
    NotAccepted(MessageId),
    /// An event of a part that was never attempted.
    NoSuchPart(MessageId),
    /// An attempt while an earlier one is open or of unknown outcome.
    AttemptWhileOpen(MessageId),
    /// The end of an attempt that is not open.
    EndWithoutAttempt(MessageId),
    /// A message is begun, cancelled or expired after its end, or cancelled after its beginning.
    AfterItsEnd(MessageId),
    /// A seal does not continue its writer's chain, or does not fit the records before it.
    SealBroken(WriterId),
    /// A record stands in no sealed batch.
    Unsealed,
    /// A checkpoint does not name the one before it.
    CheckpointBroken,
    /// The records that a checkpoint covers are not those that its writer saw.
    LogDiffers,
    /// A checkpoint tells another state than the records that it covers make.
    StateDiffers,
}

impl Broken {
    /// The invariant that it breaks.
    pub fn invariant(&self) -> Invariant {
        match self {
            Self::AcceptedTwice(_) => Invariant::In1,
            Self::KeyUsedTwice(_) => Invariant::In2,
            Self::WalletNegative => Invariant::Wa1,
            Self::TotalsDiffer | Self::RefundSumDiffers => Invariant::Wa4,
            Self::LaneOverspent(_) => Invariant::Wa2,
            Self::RefundOfNothing(_) | Self::RefundTooLarge(_) | Self::PartsCostMore(_) => Invariant::Wa3,
            Self::NotAccepted(_) | Self::AfterItsEnd(_) => Invariant::Dp2,
            Self::NoSuchPart(_) | Self::AttemptWhileOpen(_) | Self::EndWithoutAttempt(_) => Invariant::Dp4,
            Self::StateDiffers => Invariant::Lg1,
            Self::SealBroken(_) | Self::Unsealed | Self::CheckpointBroken | Self::LogDiffers => Invariant::Lg2,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptedTwice(message) => write!(f, "message {message} is accepted a second time"),
            Self::KeyUsedTwice(message) => {
                write!(f, "the idempotency key of message {message} was used for another message before")
            }
            Self::WalletNegative => f.write_str("the wallet holds less than nothing"),
            Self::TotalsDiffer => f.write_str("the totals are not the sum of what came before"),
            Self::RefundSumDiffers => f.write_str("the items of the refund do not add up to its amount"),
            Self::LaneOverspent(writer) => write!(f, "writer {writer} spent or returned more than it drew"),
            Self::RefundOfNothing(message) => write!(f, "message {message} is refunded for a part that was not lost"),
            Self::RefundTooLarge(message) => write!(f, "message {message} is refunded more than it cost"),
            Self::PartsCostMore(message) => {
                write!(f, "the prices of the parts of message {message} do not fit its price")
            }
            Self::NotAccepted(message) => write!(f, "message {message} was never accepted here"),
            Self::NoSuchPart(message) => write!(f, "message {message} has no such part"),
            Self::AttemptWhileOpen(message) => {
                write!(f, "message {message} is attempted while an earlier attempt is open or unknown")
            }
            Self::EndWithoutAttempt(message) => write!(f, "an attempt of message {message} ends that is not open"),
            Self::AfterItsEnd(message) => write!(f, "message {message} is begun, cancelled or expired out of its time"),
            Self::SealBroken(writer) => write!(f, "a seal does not continue the chain of writer {writer}"),
            Self::Unsealed => f.write_str("the record stands in no sealed batch"),
            Self::CheckpointBroken => f.write_str("the checkpoint does not continue the one before it"),
            Self::LogDiffers => f.write_str("the records that the checkpoint covers are not those that its writer saw"),
            Self::StateDiffers => {
                f.write_str("the records that the checkpoint covers make another state than it tells")
            }
        }
    }
}

/// A fact that cannot be true, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// Where the fact stands.
    pub position: Position,
    /// Whose it is, when it is one workspace's.
    pub workspace: Option<WorkspaceId>,
    /// What is wrong.
    pub broken: Broken,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.broken.invariant().id(), self.position, self.broken)
    }
}

/// A contradiction as it is kept for reports. Keyed by its place and a number among those of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is, when it is one workspace's.
    pub workspace: Option<WorkspaceId>,
    /// The invariant's id.
    pub invariant: String,
    /// In words.
    pub what: String,
}

impl Row for Kept {
    const TABLE: u8 = 18;
    type Key = (Position, u16);

    fn write(&self, out: &mut Encoder) {
        out.optional(self.workspace, |out, id| out.id(id.0));
        out.text(&self.invariant);
        out.text(&self.what);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            workspace: input.optional(|input| input.id().map(WorkspaceId))?,
            invariant: input.text()?.to_owned(),
            what: input.text()?.to_owned(),
        })
    }
}

/// Adds amounts; an overflow is a wallet that cannot be true.
pub(super) fn add(a: Credits, b: Credits) -> Result<Credits, Broken> {
    a.checked_add(b).ok_or(Broken::WalletNegative)
}
