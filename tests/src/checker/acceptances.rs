//! IN-1: what was answered is there, exactly once. IN-2: one key, one message.

use std::collections::{BTreeMap, BTreeSet};

use angelia_shared::event::Event;
use angelia_shared::ids::MessageId;

use super::{Break, must};

#[derive(Default)]
pub(super) struct Acceptances {
    accepted: BTreeSet<MessageId>,
    keys: BTreeMap<String, MessageId>,
}

impl Acceptances {
    pub(super) fn event(&mut self, event: &Event) -> Result<(), Break> {
        if let Event::MessageAccepted(accepted) = event {
            let new = self.accepted.insert(accepted.message);
            must("IN-1", new, || format!("message {} is accepted a second time", accepted.message))?;
        }
        if let Event::KeyUsed(used) = event {
            let before = self.keys.insert(used.key.clone(), used.message);
            must("IN-2", before.is_none(), || {
                format!("a key that was used for {before:?} is used again, for {}", used.message)
            })?;
        }
        Ok(())
    }

    pub(super) fn finish(&self, notes: &[MessageId]) -> Result<(), Break> {
        let lost = notes.iter().find(|noted| !self.accepted.contains(noted));
        must("IN-1", lost.is_none(), || format!("a caller was told 200 for {lost:?}, which is not in the log"))?;
        let unpaid = self.keys.values().find(|message| !self.accepted.contains(message));
        must("IN-2", unpaid.is_none(), || format!("a key was used for {unpaid:?}, which is not in the log"))
    }
}
