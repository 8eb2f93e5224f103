//! What a keyed call is answered when another process was asked to take its order.
//!
//! Shape: (what came of asking, this process's own finding afterwards) -> the answer.
//!
//! The process that owns a key's bucket decides its calls. Whoever hears nothing of it decides the call itself: the guard of
//! the bucket keeps that from becoming a second message (IN-2, see [`crate::domain::key_map`]). But the order may still lie
//! with the silent process, which may wake and store it, if nobody used the key before.
//!
//! Invariants:
//! - IN-1 a success names the message that the log has for the key, whoever stored it.
//! - What is refused for good stays refused: an order that may still be stored elsewhere is answered 503, which says that
//!   nobody knows.
//!
//! Not here: asking, and who owns a bucket (see `shell/hand_over.rs`).

use angelia_shared::ids::MessageId;

use super::refusal::Refusal;

/// What came of asking another process to take an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came<A> {
    /// It decided, and nothing of the order is left with it.
    Decided(A),
    /// It never had the order, or gave it back untouched.
    NotTaken,
    /// It may have the order, and nobody answers there.
    Silent,
    /// It has the order and is alive, but has not decided in time.
    Late,
}

/// The answer after a silence, from what this process found itself. `unavailable` is the 503.
///
/// # Errors
/// Another body's key is as final as a success: the log has it. Every other refusal could be belied by the silent process.
pub fn after_silence(own: Result<MessageId, Refusal>, unavailable: Refusal) -> Result<MessageId, Refusal> {
    match own {
        Ok(message) => Ok(message),
        Err(Refusal::KeyReused) => Err(Refusal::KeyReused),
        Err(_) => Err(unavailable),
    }
}

#[cfg(test)]
mod explorer;
