//! Puts a batch on the wire and reads the answer: JetStream atomic batches (headers `Nats-Batch-*`).
//!
//! Only the commit, the last message, asks for an answer; an error of an earlier message comes back with it.

use std::time::Duration;

use async_nats::{HeaderMap, Request};
use serde::Deserialize;

use super::connection::while_connected;
use super::entry::Guard;
use super::pack::{Batch, OutRecord};
use super::settle::Seen;
use super::stream::EventLog;
use crate::ids::WriterId;

/// How long a commit may take before its answer counts as lost. Group commits take milliseconds; a broker that restarts
/// takes longer than this, and is then asked by reading.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Wrong last sequence.
const GUARD_LOST: u64 = 10071;
/// Wrong last sequence, said when another write on the subject is in flight. May be spurious.
const GUARD_LOST_IN_FLIGHT: u64 = 10164;
/// Too many records in the batch.
const TOO_LARGE: u64 = 10199;
/// Too many batches are open in the server.
const TOO_MANY_OPEN: u64 = 10210;

/// What the server said to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What it means for the batch.
    pub(super) seen: Seen,
    /// Sequence of the seal, when acknowledged.
    pub(super) sealed_at: u64,
    /// The server's error code, when it refused.
    pub(super) code: u64,
}

impl Answer {
    const SILENCE: Self = Self { seen: Seen::Silence, sealed_at: 0, code: 0 };

    /// Whether some guard did not hold.
    pub(super) fn is_guard_lost(self) -> bool {
        matches!(self.code, GUARD_LOST | GUARD_LOST_IN_FLIGHT)
    }

    /// Whether the batch can never be stored in this form.
    pub(super) fn is_too_large(self) -> bool {
        self.code == TOO_LARGE
    }
}

#[derive(Deserialize)]
struct PublishAnswer {
    #[serde(default)]
    seq: u64,
    /// Of a batch: its id and the number of its records, the commit included.
    #[serde(default)]
    batch: String,
    #[serde(default)]
    count: u64,
    error: Option<PublishError>,
}

#[derive(Deserialize)]
struct PublishError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl EventLog {
    /// Sends the batch once and awaits the answer to its commit.
    pub(super) async fn transmit(&self, batch: &Batch) -> Answer {
        // The id only tells transmissions apart on the server; it must never repeat.
        let id = WriterId::generate().to_string();
        for (at, record) in batch.records.iter().enumerate() {
            let headers = headers(&id, at + 1, record);
            let sent = self.client.publish_with_headers(record.subject.to_string(), headers, record.payload.clone());
            // A full command buffer means a connection that is gone: the commit would not leave either.
            match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Answer::SILENCE,
            }
        }
        let mut last = headers(&id, batch.records.len() + 1, &batch.seal);
        last.insert("Nats-Batch-Commit", "1");
        let request = Request::new().headers(last).payload(batch.seal.payload.clone()).timeout(Some(ANSWER_TIMEOUT));
        let asked = self.client.send_request(batch.seal.subject.to_string(), request);
        match while_connected(&self.client, asked).await {
            Some(Ok(message)) => read_answer(&message.payload, Some((&id, batch.records.len() as u64 + 1))),
            Some(Err(_)) | None => Answer::SILENCE,
        }
    }

    /// Appends one record that needs no batch (`WriterOpened`, a fence); returns its sequence.
    ///
    /// `None` means that nobody knows whether it was stored.
    pub(super) async fn append_alone(&self, record: &OutRecord) -> Option<u64> {
        let mut headers = HeaderMap::new();
        add_guard(&mut headers, record);
        let request = Request::new().headers(headers).payload(record.payload.clone()).timeout(Some(ANSWER_TIMEOUT));
        let asked = self.client.send_request(record.subject.to_string(), request);
        let answer = while_connected(&self.client, asked).await?.ok()?;
        let answer = read_answer(&answer.payload, None);
        (answer.seen == Seen::Acked).then_some(answer.sealed_at)
    }
}

fn headers(batch: &str, number: usize, record: &OutRecord) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Batch-Id", batch);
    headers.insert("Nats-Batch-Sequence", number.to_string());
    add_guard(&mut headers, record);
    headers
}

fn add_guard(headers: &mut HeaderMap, record: &OutRecord) {
    match record.guard {
        Some(Guard::Own(expected)) => {
            headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        }
        Some(Guard::Other(subject, expected)) => {
            headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
            headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", subject.to_string());
        }
        None => {}
    }
}

/// Reads the answer to a commit of `batch` (id and number of records), or to a record that was appended alone.
fn read_answer(payload: &[u8], batch: Option<(&str, u64)>) -> Answer {
    let Ok(answer) = serde_json::from_slice::<PublishAnswer>(payload) else {
        return Answer::SILENCE;
    };
    let Some(error) = answer.error else {
        let (id, count) = batch.unwrap_or_default();
        // Anybody may answer a request. Only what names this batch, whole, is the stream's acknowledgement.
        let mine = answer.batch == id && answer.count == count && answer.seq > 0 && answer.seq >= count;
        return if mine { Answer { seen: Seen::Acked, sealed_at: answer.seq, code: 0 } } else { Answer::SILENCE };
    };
    tracing::debug!(code = error.err_code, what = %error.description, "the broker refused a batch");
    let seen = match error.err_code {
        GUARD_LOST | GUARD_LOST_IN_FLIGHT | TOO_LARGE | TOO_MANY_OPEN => Seen::Refused,
        // Whatever else the server says (no leader, no space, an incomplete batch) proves nothing.
        _ => Seen::Silence,
    };
    Answer { seen, sealed_at: 0, code: error.err_code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_errors_prove_that_nothing_was_stored() {
        let seen =
            |code: u64| read_answer(format!(r#"{{"error":{{"code":400,"err_code":{code}}}}}"#).as_bytes(), None).seen;
        for code in [10071, 10164, 10199, 10210] {
            assert_eq!(seen(code), Seen::Refused, "{code}");
        }
        for code in [10176, 10077, 10008, 0] {
            assert_eq!(seen(code), Seen::Silence, "{code}");
        }
    }

    #[test]
    fn only_an_answer_that_names_the_batch_acknowledges_it() {
        let seen = |answer: &str| read_answer(answer.as_bytes(), Some(("B", 3))).seen;
        let answer = read_answer(br#"{"stream":"S","seq":9,"batch":"B","count":3}"#, Some(("B", 3)));
        assert_eq!(answer, Answer { seen: Seen::Acked, sealed_at: 9, code: 0 });
        for stranger in [
            "",
            "{}",
            r#"{"stream":"S","seq":9}"#,
            r#"{"stream":"S","seq":9,"batch":"A","count":3}"#,
            r#"{"stream":"S","seq":9,"batch":"B","count":2}"#,
            r#"{"stream":"S","seq":0,"batch":"B","count":3}"#,
        ] {
            assert_eq!(seen(stranger), Seen::Silence, "{stranger}");
        }
    }

    #[test]
    fn a_record_alone_is_acknowledged_by_its_sequence() {
        let answer = read_answer(br#"{"stream":"S","seq":9}"#, None);
        assert_eq!(answer, Answer { seen: Seen::Acked, sealed_at: 9, code: 0 });
        assert_eq!(read_answer(br#"{"stream":"S"}"#, None).seen, Seen::Silence);
    }
}
