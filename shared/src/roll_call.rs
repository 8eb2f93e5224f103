//! Asks every process of a service at once, over core NATS, and gathers what they say in time.
//!
//! Not here: who there should be (the bucket of [`crate::members`] says that).

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::ids::MemberId;
use crate::query::{Ask as _, AskPosition, EACH_PREFIX, Question, Reply};

/// Where one of the dispatchers says how it is.
pub const DISPATCHER: &str = "angelia.dispatcher.health";
/// Where each of them does.
pub const EACH_DISPATCHER: &str = "angelia.dispatcher_each.health";

/// What a dispatcher says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatcherHealth {
    /// Which process it is.
    #[serde(default)]
    pub member: Option<MemberId>,
    /// Whether it sends for whatever it should send for.
    #[serde(default)]
    pub ready: bool,
    /// Shares of the accounts that there are.
    #[serde(default)]
    pub partitions: usize,
    /// How many of them it sends for.
    #[serde(default)]
    pub partitions_caught_up: usize,
    /// Messages that wait in its memory.
    #[serde(default)]
    pub messages_in_memory: usize,
    /// Whether it fetches files from its own machine, which only tests should.
    #[serde(default)]
    pub attachments_allow_loopback: bool,
}

/// Asks every dispatcher; returns when `wanted` have answered, or after `patience`.
pub async fn dispatchers(client: &async_nats::Client, wanted: usize, patience: Duration) -> Vec<DispatcherHealth> {
    let answers = each(client, EACH_DISPATCHER.to_owned(), Bytes::new(), wanted, patience).await;
    answers.iter().filter_map(|answer| serde_json::from_slice(answer).ok()).collect()
}

/// Asks every ledger how far it is; returns when `wanted` have answered, or after `patience`.
pub async fn ledgers(client: &async_nats::Client, wanted: usize, patience: Duration) -> Vec<u64> {
    let question = Question { at_least: 0, ask: AskPosition {} };
    let question = serde_json::to_vec(&question).expect("questions have only plain values");
    let subject = format!("{EACH_PREFIX}.{}", AskPosition::TOPIC);
    let answers = each(client, subject, question.into(), wanted, patience).await;
    let position = |answer: &Bytes| match serde_json::from_slice(answer) {
        Ok(Reply::<()>::Answer { as_of_seq, .. }) => Some(as_of_seq),
        Ok(Reply::Behind { .. } | Reply::Refused(_)) | Err(_) => None,
    };
    answers.iter().filter_map(position).collect()
}

async fn each(
    client: &async_nats::Client,
    subject: String,
    question: Bytes,
    wanted: usize,
    patience: Duration,
) -> Vec<Bytes> {
    let until = Instant::now() + patience;
    let mut answers = Vec::new();
    let inbox = client.new_inbox();
    let asked = async {
        let heard = client.subscribe(inbox.clone()).await.ok()?;
        client.publish_with_reply(subject, inbox, question).await.ok()?;
        Some(heard)
    };
    let Ok(Some(mut heard)) = tokio::time::timeout_at(until, asked).await else { return answers };
    while answers.len() < wanted {
        match tokio::time::timeout_at(until, heard.next()).await {
            // The broker itself answers when nobody listens.
            Ok(Some(answer)) if answer.status.is_some() => break,
            Ok(Some(answer)) => answers.push(answer.payload),
            Ok(None) | Err(_) => break,
        }
    }
    answers
}
