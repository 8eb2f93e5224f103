//! Recalls: a lane that is short asks the others to give back what they hold of a workspace's credits.
//!
//! Shape: a core NATS request to `angelia.recall.{workspace}`, heard by every lane; each answers when its own rest is back
//! in the wallet, or at once when it holds nothing. A lane that waits for others answers all the same, so two that recall
//! from each other do not wait for each other.
//!
//! Nothing rests on the answers but how soon the wallet is read: what is refused is decided on the log.

use std::time::Duration;

use angelia_shared::ids::{MemberId, WorkspaceId};
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
    member: MemberId,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
struct GaveBack {
    /// Who answers.
    member: MemberId,
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

/// What a message says, if it is another member's recall.
pub(super) fn heard(message: Message, own: MemberId) -> Option<Heard> {
    let recall: Recall = serde_json::from_slice(&message.payload).ok()?;
    let workspace = message.subject.rsplit('.').next()?.parse().ok()?;
    (recall.member != own).then_some(Heard { workspace, reply: message.reply? })
}

/// Answers a recall.
pub(super) async fn answer(client: &Client, member: MemberId, heard: Heard, credits: Credits) {
    metrics::counter!(names::RECALLS_ANSWERED).increment(1);
    let payload = serde_json::to_vec(&GaveBack { member, credits }).expect("plain values");
    // Who asked and does not hear it reads the wallet all the same.
    let _unheard = client.publish(heard.reply, payload.into()).await;
}

/// Asks all other lanes to give back, and waits until `missing` came back or nobody answers any more.
pub(super) async fn ask(client: &Client, member: MemberId, workspace: WorkspaceId, missing: Credits) {
    metrics::counter!(names::RECALLS_ASKED).increment(1);
    let asked = tokio::time::timeout(TIMEOUT, ask_others(client, member, workspace, missing)).await;
    if !matches!(asked, Ok(Ok(()))) {
        debug!(workspace.id = %workspace, "a recall brought back less than was missing");
    }
}

async fn ask_others(
    client: &Client,
    member: MemberId,
    workspace: WorkspaceId,
    missing: Credits,
) -> Result<(), async_nats::Error> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let payload = serde_json::to_vec(&Recall { member }).expect("plain values");
    client.publish_with_reply(format!("{PREFIX}.{workspace}"), inbox, payload.into()).await?;
    let mut back = Credits::ZERO;
    while back < missing
        && let Some(message) = answers.next().await
    {
        let Ok(answer) = serde_json::from_slice::<GaveBack>(&message.payload) else { continue };
        back = Credits(back.0.saturating_add(answer.credits.0));
    }
    Ok(())
}
