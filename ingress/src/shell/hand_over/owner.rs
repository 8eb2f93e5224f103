//! Answers what other processes ask this one to decide.

use std::sync::Arc;

use angelia_shared::subject::Partition;
use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::wire::{self, Decision, Handed};
use super::{KeyedCalls, OVERHEAD_BYTES};
use crate::shell::admission::{KeyStep, Order, UNAVAILABLE};

/// Answers until `stop`, and then what had been asked before.
pub(super) async fn answer(calls: KeyedCalls, mut requests: Subscriber, stop: CancellationToken) {
    let mut deciding = JoinSet::new();
    let mut is_draining = false;
    loop {
        tokio::select! {
            () = stop.cancelled(), if !is_draining => {
                is_draining = true;
                // From here on the broker tells others that nobody is here. What it has sent already still comes.
                if requests.drain().await.is_err() {
                    break;
                }
            }
            Some(ended) = deciding.join_next() => ended.expect("deciding a call does not panic"),
            request = requests.next() => match request {
                Some(request) => take(&calls, request, &mut deciding).await,
                None => break,
            },
        }
    }
    while let Some(ended) = deciding.join_next().await {
        ended.expect("deciding a call does not panic");
    }
}

async fn take(calls: &KeyedCalls, request: Message, deciding: &mut JoinSet<()>) {
    let Message { reply: Some(reply), payload, .. } = request else { return };
    if payload.is_empty() {
        return say(calls, reply, Bytes::new()).await;
    }
    let bytes = u32::try_from(payload.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX);
    let Ok(room) = Arc::clone(&calls.0.taken).try_acquire_many_owned(bytes) else {
        return say(calls, reply, wire::answer(Some(Decision::Refused(UNAVAILABLE)))).await;
    };
    let calls = calls.clone();
    deciding.spawn(async move {
        let decision = decide(&calls, payload, room).await;
        say(&calls, reply, wire::answer(decision)).await;
    });
}

async fn say(calls: &KeyedCalls, reply: async_nats::Subject, answer: Bytes) {
    // Whoever asked hears nothing, then, and looks after the call itself.
    if let Err(error) = calls.0.log.client().publish(reply, answer).await {
        warn!(error = %error, "an answer to another process was not sent");
    }
}

/// Decides a call of another process; `None` gives it back.
async fn decide(calls: &KeyedCalls, payload: Bytes, _room: OwnedSemaphorePermit) -> Option<Decision> {
    // One that starts or stops, or that the broker does not answer, leaves the call to whoever asked.
    calls.0.admission.is_ready().ok()?;
    let Handed { key, fingerprint, workspace, within, event } = wire::read(&payload)?;
    drop(payload);
    let ticket = match calls.0.admission.begin_key(workspace, key, fingerprint) {
        Ok(KeyStep::Fresh(ticket)) => ticket,
        Ok(KeyStep::Replay(message)) => return Some(Decision::Accepted(message)),
        Err(refusal) => return Some(Decision::Refused(refusal)),
    };
    let partitions = calls.0.log.partitions();
    let order = event.map(|event| Order { part: Partition::of(event.account, partitions), event, key: None });
    // The asker must hear that it is late before it loses patience. An order that was not handed to the log by then is
    // dropped, as one whose caller went away.
    let within = within.mul_f32(0.8).min(calls.0.options.answer_within);
    let decided = tokio::time::timeout(within, calls.0.admission.admit_keyed(ticket, order)).await;
    Some(match decided {
        Ok(Ok(Some(message))) => Decision::Accepted(message),
        Ok(Ok(None)) => Decision::Unused,
        Ok(Err(refusal)) => Decision::Refused(refusal),
        Err(_late) => Decision::Refused(UNAVAILABLE),
    })
}
