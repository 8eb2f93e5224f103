//! The one place that reads the clock and throws dice. The sandbox depends on no other crate of Angelia, so not on theirs.

#![expect(clippy::disallowed_methods, reason = "this is the sandbox's own home of clock and dice")]

use rand::RngExt;

use crate::domain::recipient::Recipient;
use crate::domain::wamid;

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or(0)
}

/// The id of a new message to `recipient`, which no other message has, in any journal.
pub(crate) fn new_wamid(recipient: &Recipient) -> String {
    wamid::write(recipient, rand::rng().random::<[u8; wamid::DICE]>())
}

/// Names one error answer.
pub(crate) fn new_trace_id() -> String {
    format!("A{}", hex::encode_upper(rand::rng().random::<[u8; 11]>()))
}
