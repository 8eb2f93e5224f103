//! What the last recorded verification of the log found. Kept beside the log, in the bucket `AUDITS`: a verification itself
//! only reads.
//!
//! Not here: verifying (the ledger's crate does), and who may record. Whoever may write to the bucket may write anything into
//! it; what it says is a note for people, and anyone who can read the log can verify it again.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use serde::{Deserialize, Serialize};

use crate::event::Digest;
use crate::ids::Position;
use crate::log::EventLog;
use crate::units::UnixMillis;

/// The bucket.
pub const BUCKET: &str = "AUDITS";
/// The key of the last verification.
const KEY: &str = "verification";
/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Version of this form.
    pub v: u8,
    /// When it ended.
    pub at: UnixMillis,
    /// Which program verified.
    pub program: String,
    /// Who had it verified, in that person's own words.
    #[serde(default)]
    pub by: Option<String>,
    /// The last record that it read.
    pub last_seq: u64,
    /// The digest of everything up to there.
    pub log_digest: Digest,
    /// Whether a running ledger was compared with a replay, too.
    #[serde(default)]
    pub live: bool,
    /// The first thing that cannot be; none when all is well.
    #[serde(default)]
    pub finding: Option<Found>,
}

/// Something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The invariant that it breaks.
    pub invariant: String,
    /// Where it is in the log.
    pub at: Position,
    /// In words.
    pub what: String,
}

/// A verification cannot be recorded, or what was recorded not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The broker refuses, or does not answer.
    #[error("the bucket {BUCKET} cannot be used: is the broker there, and may this user write to it?")]
    Bucket(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not answer in time: so it does, too, where a user has no right to ask.
    #[error("the broker gives no answer about the bucket {BUCKET}: may this user write to it?")]
    Silent,
    /// What is there was written by a later version.
    #[error("what the bucket {BUCKET} holds cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> RecordError {
    RecordError::Bucket(Box::new(error))
}

/// Records a verification in place of the one before.
///
/// # Errors
/// [`RecordError`]; it may be recorded all the same when the broker gave no answer.
pub async fn record(log: &EventLog, verification: &Verification) -> Result<(), RecordError> {
    let written = serde_json::to_vec(verification).expect("a verification has only plain values");
    let recording = async {
        let bucket = log.bucket(BUCKET, log.replicas(), None).await.map_err(refused)?;
        bucket.put(KEY, written.into()).await.map_err(refused)
    };
    tokio::time::timeout(PATIENCE, recording).await.map_err(|_| RecordError::Silent)?.map(drop)
}

/// The verification that was recorded last; none when there is none.
///
/// # Errors
/// [`RecordError`].
pub async fn last(log: &EventLog) -> Result<Option<Verification>, RecordError> {
    let reading = async {
        // The bucket is made by whoever records first. That it is not there must be told from not knowing.
        match log.jetstream().get_stream(format!("KV_{BUCKET}")).await {
            Ok(_) => {}
            Err(error) if is_not_there(&error) => return Ok(None),
            Err(error) => return Err(refused(error)),
        }
        let bucket = log.jetstream().get_key_value(BUCKET).await.map_err(refused)?;
        bucket.get(KEY).await.map_err(refused)
    };
    let found = tokio::time::timeout(PATIENCE, reading).await.map_err(|_| RecordError::Silent)??;
    found.map(|bytes| serde_json::from_slice(&bytes)).transpose().map_err(RecordError::Unreadable)
}

fn is_not_there(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
