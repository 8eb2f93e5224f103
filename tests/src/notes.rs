//! What callers write down: every message for which they were told 200. Invariant IN-1 is checked against this.

use std::sync::{Mutex, PoisonError};

use angelia_shared::ids::MessageId;

/// The callers' notes.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Vec<MessageId>>);

impl Notes {
    /// Writes down an id as the caller received it.
    ///
    /// # Panics
    /// When it does not have the promised form.
    pub fn add(&self, public_id: &str) {
        assert!(public_id.starts_with(MessageId::PUBLIC_PREFIX), "not a public message id: {public_id}");
        let id = public_id.parse().unwrap_or_else(|_| panic!("not a message id: {public_id}"));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    /// Everything noted so far, in order; an id answered twice (an idempotency key) is there twice.
    pub fn all(&self) -> Vec<MessageId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
