//! The one place that reads the clock and throws dice. The sandbox depends on no other crate of Angelia, so not on theirs.

#![expect(clippy::disallowed_methods, reason = "this is the sandbox's own home of clock and dice")]

use rand::RngExt;

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or(0)
}

/// A message id that no other message has, in any journal.
pub(crate) fn new_wamid() -> String {
    format!("wamid.{}", hex::encode_upper(rand::rng().random::<[u8; 20]>()))
}

/// Names one error answer.
pub(crate) fn new_trace_id() -> String {
    format!("A{}", hex::encode_upper(rand::rng().random::<[u8; 11]>()))
}
