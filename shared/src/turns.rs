//! Questions to the owner of a partition: when do messages go, and what holds them? Over core NATS.
//!
//! Shape: a JSON [`AskTurns`] to `angelia.dispatcher.turns.{partition}`, a JSON list of [`AccountTurn`] back, one for each
//! account that was asked about, in that order. Only the owner of the partition listens, and only once it has read what
//! its predecessors wrote; so no answer means that nobody knows now.
//!
//! Not here: what is true for good. Queues and states are the ledger's (see [`super::query`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, Position};
use crate::subject::Partition;
use crate::units::UnixMillis;

/// Accounts and messages in one question, at most: a page of the API holds fewer.
pub const ASKED_MAX: usize = 2_000;

/// The subject on which the owner of `part` listens.
pub fn subject(part: Partition) -> String {
    format!("angelia.dispatcher.turns.{part}")
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskTurns {
    /// Accounts of the partition, with those of their messages that are of interest.
    pub accounts: Vec<AskTurn>,
}

/// An account that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskTurn {
    /// The account.
    pub account: AccountId,
    /// Where the acceptances of its messages are.
    #[serde(default)]
    pub messages: Vec<Position>,
}

/// What an account does next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTurn {
    /// The account.
    pub account: AccountId,
    /// When the message at the front of its queue may go, as far as that is known; none when nothing waits, or when
    /// what holds it has no known end.
    pub next_send_at: Option<UnixMillis>,
    /// Its messages, in the order in which they were asked about; none for one that does not wait here.
    pub messages: Vec<Option<MessageTurn>>,
}

/// What a waiting message waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageTurn {
    /// When it is likely to go; none when what holds it has no known end.
    pub expected_at: Option<UnixMillis>,
    /// What holds it, as a stable code; none when it can go now.
    pub held_by: Option<String>,
}

/// Asks the owner of `part`; `None` when it gives no answer within `patience`, or one that cannot be read.
pub async fn ask(
    client: &async_nats::Client,
    part: Partition,
    ask: &AskTurns,
    patience: Duration,
) -> Option<Vec<AccountTurn>> {
    let payload = serde_json::to_vec(ask).expect("questions have only plain values");
    let request = async_nats::Request::new().payload(payload.into()).timeout(Some(patience));
    // The bound holds also while the request itself waits for a connection.
    let answer = tokio::time::timeout(patience, client.send_request(subject(part), request)).await.ok()?.ok()?;
    serde_json::from_slice(&answer.payload).ok()
}
