//! Reads records of a small stream by filter, many with one question (JetStream batched direct get).
//!
//! A replica that lags may answer, so what is read here may be a moment old.

use std::time::Duration;

use angelia_shared::log::EventLog;
use async_nats::jetstream::message::StreamMessage;
use futures_util::StreamExt as _;
use serde::Serialize;

/// How long the broker may be silent before the question counts as unanswered.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The records could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read from the stream {stream}")]
pub(crate) struct ReadPageError {
    stream: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

#[derive(Serialize)]
struct Question<'a> {
    seq: u64,
    batch: usize,
    next_by_subj: &'a str,
}

/// Reads at most `limit` records of `stream` after sequence `after` whose subject matches `filter`, oldest first.
pub(crate) async fn read(
    log: &EventLog,
    stream: &'static str,
    filter: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<StreamMessage>, ReadPageError> {
    let answers = read_page(log, stream, filter, after, limit);
    answers.await.map_err(|source| ReadPageError { stream, source })
}

async fn read_page(
    log: &EventLog,
    stream: &str,
    filter: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<StreamMessage>, Box<dyn std::error::Error + Send + Sync>> {
    let client = log.client();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let question = serde_json::to_vec(&Question { seq: after + 1, batch: limit, next_by_subj: filter })?;
    client.publish_with_reply(format!("$JS.API.DIRECT.GET.{stream}"), inbox, question.into()).await?;
    let mut records = Vec::new();
    loop {
        let answer = tokio::time::timeout(SILENCE_MAX, answers.next()).await?.ok_or("the connection was lost")?;
        match answer.status.map(|status| status.as_u16()) {
            None => records.push(StreamMessage::try_from(answer)?),
            // The end of the batch; or nothing matches at all.
            Some(204 | 404) => return Ok(records),
            Some(status) => return Err(format!("the broker answered {status}").into()),
        }
    }
}
