//! IN-1, as far as the log can show it: a message is accepted once. IN-2: one key, one message.

use std::collections::HashMap;

use angelia_shared::ids::{MessageId, Position};
use sha2::{Digest as _, Sha256};

use super::line::{Fact, KeyUsed};
use super::message::Messages;
use super::{Break, Finding, must};

#[derive(Default)]
pub(super) struct Acceptances {
    /// The message of each key, which is kept as a digest of what the event says: a key is as long as its writer likes.
    keys: HashMap<[u8; 32], (MessageId, Position)>,
}

impl Acceptances {
    pub(super) fn fact(&mut self, at: Position, fact: &Fact<'_>, messages: &mut Messages) -> Result<(), Break> {
        match fact {
            Fact::MessageAccepted(accepted) => {
                let new = messages.accept(at, accepted);
                must("IN-1", new, || format!("message {} is accepted a second time", accepted.message))
            }
            Fact::KeyUsed(used) => self.key(at, used),
            _ => Ok(()),
        }
    }

    fn key(&mut self, at: Position, used: &KeyUsed<'_>) -> Result<(), Break> {
        let digest = Sha256::digest(used.key.as_bytes()).into();
        let before = self.keys.insert(digest, (used.message, at));
        must("IN-2", before.is_none(), || {
            let (message, place) = before.expect("it is broken because there is one");
            format!("a key that was used at {place} for {message} is used again, for {}", used.message)
        })
    }

    /// A key's message may stand after it in its batch, so this is known only at the end.
    pub(super) fn finish(&self, messages: &Messages) -> Result<(), Finding> {
        let unpaid = self.keys.values().filter(|(message, _)| !messages.is_accepted(*message));
        match unpaid.min_by_key(|(_, at)| *at) {
            None => Ok(()),
            Some((message, at)) => Err(Finding {
                invariant: "IN-2",
                at: *at,
                what: format!("a key was used for {message}, which was never accepted"),
            }),
        }
    }
}
