//! Recalls: a lane that is short asks the others to give back what they hold of a workspace's credits.
//!
//! Shape: a core NATS request to `angelia.recall.{workspace}`, heard by every lane; each answers when its own rest is back
//! in the wallet, or at once when it holds nothing. A lane that waits for others answers all the same, so two that recall
//! from each other do not wait for each other. The ledger says whose answers are worth waiting for.
//!
//! Nothing rests on the answers but how soon the wallet is read: what is refused is decided on the log.

use std::collections::HashSet;
use std::time::Duration;

use angelia_shared::ids::{WorkspaceId, WriterId};
use angelia_shared::log::EventLog;
use angelia_shared::query::{self, AskUnspent, Holder};
use angelia_shared::units::Credits;
use async_nats::{Client, Message, Subject, Subscriber};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::metrics as names;

/// What the subjects begin with.
const PREFIX: &str = "angelia.recall";
/// How long answers are waited for: a batch and a few round trips of a busy lane. Who takes longer is asked again when the
/// caller comes back.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Recall {
    /// Who asks: its own lane hears it, too.
    writer: WriterId,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
struct GaveBack {
    /// Who answers.
    writer: WriterId,
    /// How many credits are back in the wallet.
    credits: Credits,
}

/// Another lane's recall.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) workspace: WorkspaceId,
    reply: Subject,
}

/// Hears recalls of any workspace.
pub(super) async fn listen(client: &Client) -> Result<Subscriber, async_nats::SubscribeError> {
    client.subscribe(format!("{PREFIX}.*")).await
}

/// What a message says, if it is another writer's recall.
pub(super) fn heard(message: Message, own: WriterId) -> Option<Heard> {
    let recall: Recall = serde_json::from_slice(&message.payload).ok()?;
    let workspace = message.subject.rsplit('.').next()?.parse().ok()?;
    (recall.writer != own).then_some(Heard { workspace, reply: message.reply? })
}

/// Answers a recall.
pub(super) async fn answer(client: &Client, writer: WriterId, heard: Heard, credits: Credits) {
    metrics::counter!(names::RECALLS_ANSWERED).increment(1);
    let payload = serde_json::to_vec(&GaveBack { writer, credits }).expect("plain values");
    // Who asked and does not hear it reads the wallet all the same.
    let _unheard = client.publish(heard.reply, payload.into()).await;
}

/// Asks all other lanes to give back, and waits until `missing` came back, or all have answered that hold something, or
/// they take too long.
pub(super) async fn ask(log: &EventLog, own: WriterId, workspace: WorkspaceId, missing: Credits) {
    metrics::counter!(names::RECALLS_ASKED).increment(1);
    let asked = tokio::time::timeout(TIMEOUT, ask_others(log, own, workspace, missing)).await;
    if !matches!(asked, Ok(Ok(()))) {
        debug!(workspace.id = %workspace, "a recall was not answered by all that hold something");
    }
}

async fn ask_others(
    log: &EventLog,
    own: WriterId,
    workspace: WorkspaceId,
    missing: Credits,
) -> Result<(), async_nats::Error> {
    let client = log.client();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let payload = serde_json::to_vec(&Recall { writer: own }).expect("plain values");
    client.publish_with_reply(format!("{PREFIX}.{workspace}"), inbox, payload.into()).await?;
    let end = log.last_sequence().await?;
    let (holders, _) = query::ask(client, AskUnspent { workspace }, end).await?;
    // One that is missing or ended does not answer; what it holds the ledger gives back.
    let is_asked = |holder: Holder| holder == Holder::Alive;
    let mut awaited: HashSet<WriterId> =
        holders.iter().filter(|held| is_asked(held.holder) && held.writer != own).map(|held| held.writer).collect();
    let mut back = Credits::ZERO;
    while back < missing
        && !awaited.is_empty()
        && let Some(message) = answers.next().await
    {
        let Ok(answer) = serde_json::from_slice::<GaveBack>(&message.payload) else { continue };
        back = Credits(back.0.saturating_add(answer.credits.0));
        awaited.remove(&answer.writer);
    }
    Ok(())
}
