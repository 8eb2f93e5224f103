//! Asks the ledgers, one of which may be suspended.
//!
//! The broker hands a question to one ledger of several, and does not know when that one is suspended. So a question without
//! an answer is asked again, of every ledger: the first that lives answers. Questions change nothing, so that costs no more
//! than the work.

use std::time::Duration;

use async_nats::RequestErrorKind;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::{Ask, EACH_PREFIX, PREFIX, Question, Reply};

/// How long an asker waits. A ledger waits less (see [`Question::at_least`]) and says that it is behind.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// When whom is asked. Every ledger is asked later than one that is well takes, and once more for one that has just started.
const TRIES: [(Duration, &str); 3] = [
    (Duration::ZERO, PREFIX),
    (Duration::from_millis(1_000), EACH_PREFIX),
    (Duration::from_millis(3_000), EACH_PREFIX),
];

/// The ledger gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No ledger answered in time.
    #[error("no ledger answers")]
    NoLedger(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The ledger is behind.
    #[error("the ledger is behind, at {as_of_seq}")]
    Behind {
        /// How far it is.
        as_of_seq: u64,
    },
    /// The ledger does not understand the question.
    #[error("the ledger refused the question: {0}")]
    Refused(String),
    /// The answer cannot be read.
    #[error("the ledger's answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

/// Asks any ledger; returns the answer and the position at which it is true.
///
/// # Errors
/// [`AskError`]; retry on all but `Refused`.
pub async fn ask<A: Ask>(client: &async_nats::Client, ask: A, at_least: u64) -> Result<(A::Answer, u64), AskError> {
    let payload = serde_json::to_vec(&Question { at_least, ask }).expect("questions have only plain values");
    let payload = Bytes::from(payload);
    let mut tries: FuturesUnordered<_> = TRIES
        .into_iter()
        .map(|(after, prefix)| {
            let request = async_nats::Request::new().payload(payload.clone()).timeout(Some(TIMEOUT - after));
            let subject = format!("{prefix}.{}", A::TOPIC);
            async move {
                tokio::time::sleep(after).await;
                (prefix, client.send_request(subject, request).await)
            }
        })
        .collect();
    let answer = loop {
        match tries.next().await.expect("the last try's end is returned") {
            (_, Ok(answer)) => break answer,
            // The others are still under way, unless there is nobody to hear them.
            (_, Err(error)) if error.kind() == RequestErrorKind::TimedOut && !tries.is_empty() => {}
            // An older ledger does not hear this, and may be about to answer what it was asked first.
            (EACH_PREFIX, Err(error)) if error.kind() == RequestErrorKind::NoResponders && !tries.is_empty() => {}
            (_, Err(error)) => return Err(AskError::NoLedger(Box::new(error))),
        }
    };
    match serde_json::from_slice(&answer.payload).map_err(AskError::Unreadable)? {
        Reply::Answer { as_of_seq, answer } => Ok((answer, as_of_seq)),
        Reply::Behind { as_of_seq } => Err(AskError::Behind { as_of_seq }),
        Reply::Refused(why) => Err(AskError::Refused(why)),
    }
}
