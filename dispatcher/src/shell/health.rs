//! Answers who asks whether dispatchers are at work: one of them, or each (see [`angelia_shared::roll_call`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use angelia_shared::roll_call::{DISPATCHER, DispatcherHealth, EACH_DISPATCHER};
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Context;

/// Pause before a subscription is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// How many of this process's partitions may send.
pub(super) struct Health {
    pub(super) caught_up: AtomicUsize,
    /// How many it should have.
    wanted: AtomicUsize,
}

/// It is not known yet how many there should be.
const UNKNOWN: usize = usize::MAX;

impl Default for Health {
    fn default() -> Self {
        Self { caught_up: AtomicUsize::new(0), wanted: AtomicUsize::new(UNKNOWN) }
    }
}

impl Health {
    /// How many partitions this process should have.
    pub(super) fn wants(&self, partitions: Option<usize>) {
        self.wanted.store(partitions.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Whether it sends for whatever it should have, and for how many partitions it does.
    fn now(&self) -> (bool, usize) {
        let caught_up = self.caught_up.load(Ordering::Relaxed);
        (caught_up >= self.wanted.load(Ordering::Relaxed), caught_up)
    }
}

/// Answers until shutdown. No answer means not ready.
pub(super) async fn answer(
    context: Arc<Context>,
    health: Arc<Health>,
    allow_loopback: bool,
    shutdown: CancellationToken,
) {
    let answering = async {
        loop {
            answer_while_subscribed(&context, &health, allow_loopback).await;
            tokio::time::sleep(AGAIN).await;
        }
    };
    shutdown.run_until_cancelled(answering).await;
}

async fn answer_while_subscribed(context: &Context, health: &Health, allow_loopback: bool) {
    let client = context.log.client();
    let (one, each) =
        tokio::join!(client.queue_subscribe(DISPATCHER, "dispatchers".to_owned()), client.subscribe(EACH_DISPATCHER));
    let mut questions = match one.and_then(|one| Ok(stream::select(one, each?))) {
        Ok(questions) => questions,
        Err(error) => {
            warn!(error = %error, "nobody can ask whether this dispatcher is at work");
            return;
        }
    };
    while let Some(question) = questions.next().await {
        let (ready, partitions_caught_up) = health.now();
        let answer = DispatcherHealth {
            member: Some(context.member),
            ready,
            partitions: usize::from(context.log.partitions()),
            partitions_caught_up,
            messages_in_memory: context.room.held(),
            attachments_allow_loopback: allow_loopback,
        };
        let answer = serde_json::to_vec(&answer).expect("health has only plain values");
        if let Some(reply) = question.reply {
            // An asker that went away asks again.
            let _lost = client.publish(reply, answer.into()).await;
        }
    }
}
