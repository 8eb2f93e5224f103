//! How far a ledger is that reads the log before it answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a ledger says how far it is that does not answer yet.
pub const READING_SUBJECT: &str = "angelia.ledger_reading";
/// How long that is waited for: it is there, or it is not.
const READING_WITHIN: Duration = Duration::from_millis(250);

/// How far a ledger is that reads the log before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The last record that it has folded.
    pub at: u64,
    /// The log's last record, as far as it knows.
    pub of: u64,
}

/// Asks how far a ledger is, when none answers questions. `None` when there is none at all.
pub async fn reading(client: &async_nats::Client) -> Option<Reading> {
    let request = async_nats::Request::new().timeout(Some(READING_WITHIN));
    let answer = client.send_request(READING_SUBJECT, request).await.ok()?;
    serde_json::from_slice(&answer.payload).ok()
}
