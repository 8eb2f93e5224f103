//! Reads the newest record of a subject from the stream's leader.
//!
//! A follower may lag, so nothing here uses direct reads.

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind};
use bytes::Bytes;

use super::connection::while_connected;
use super::stream::EventLog;
use crate::subject::Subject;
use crate::units::UnixMillis;

/// A record as the leader has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Stream sequence.
    pub seq: u64,
    /// The stream's timestamp.
    pub at: UnixMillis,
    /// The lines.
    pub payload: Bytes,
}

/// The leader did not answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what} from the log's leader")]
pub struct HeadError {
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// The connection was lost before the answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the broker was lost")]
struct Disconnected;

impl HeadError {
    /// The connection was lost before `what` was read.
    pub(super) fn disconnected(what: String) -> Self {
        Self { what, source: Box::new(Disconnected) }
    }
}

impl EventLog {
    /// The newest record of `subject`, or `None` when there is none.
    ///
    /// # Errors
    /// [`HeadError`] when the leader did not answer; nothing is known then.
    pub async fn head(&self, subject: Subject) -> Result<Option<Head>, HeadError> {
        let what = || format!("the head of {subject}");
        match self.ask(self.stream.get_last_raw_message_by_subject(&subject.to_string()), what).await? {
            Ok(message) => Ok(Some(head(message))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(source) => Err(HeadError { what: what(), source: Box::new(source) }),
        }
    }

    /// The first record of `subject` at or after sequence `from`, or `None` when there is none.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn first_from(&self, subject: Subject, from: u64) -> Result<Option<Head>, HeadError> {
        let what = || format!("what follows {from} on {subject}");
        match self.ask(self.stream.get_first_raw_message_by_subject(subject.to_string(), from), what).await? {
            Ok(message) => Ok(Some(head(message))),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(source) => Err(HeadError { what: what(), source: Box::new(source) }),
        }
    }

    /// The record at `seq`, or `None` when there is none.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn record_at(&self, seq: u64) -> Result<Option<Head>, HeadError> {
        Ok(self.raw_record(seq).await?.map(head))
    }

    /// The same as the broker has it.
    pub(super) async fn raw_record(&self, seq: u64) -> Result<Option<StreamMessage>, HeadError> {
        let what = || format!("record {seq}");
        match self.ask(self.stream.get_raw_message(seq), what).await? {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(source) => Err(HeadError { what: what(), source: Box::new(source) }),
        }
    }

    /// Gives a question up with its connection, rather than with its time-out seconds later.
    async fn ask<T>(&self, question: impl Future<Output = T>, what: impl Fn() -> String) -> Result<T, HeadError> {
        let answer = while_connected(&self.client, question).await;
        answer.ok_or_else(|| HeadError::disconnected(what()))
    }
}

fn head(message: StreamMessage) -> Head {
    let at = UnixMillis(i64::try_from(message.time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0));
    Head { seq: message.sequence, at, payload: message.payload }
}
