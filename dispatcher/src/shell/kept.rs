//! Acceptances kept in memory from reading to sending, so that short queues need no second read.

use std::collections::{HashMap, VecDeque};

use angelia_shared::event::MessageAccepted;
use angelia_shared::ids::MessageId;

/// Acceptances of one partition.
const KEPT_MAX: usize = 512;
/// Bytes of their sealed contents in one partition: 16 MiB for all 64 partitions of a process.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// A bounded memory. The oldest goes first, so that what nobody asks for any more (cancelled, held for long) does not
/// stay in the way of what is new.
#[derive(Default)]
pub(super) struct Kept {
    by_message: HashMap<MessageId, MessageAccepted>,
    oldest_first: VecDeque<MessageId>,
    bytes: usize,
}

impl Kept {
    /// Keeps an acceptance.
    pub(super) fn put(&mut self, accepted: MessageAccepted) {
        let (message, bytes) = (accepted.message, size(&accepted));
        if let Some(same) = self.by_message.insert(message, accepted) {
            self.bytes -= size(&same);
        } else {
            self.oldest_first.push_back(message);
        }
        self.bytes += bytes;
        while self.oldest_first.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.oldest_first.pop_front() else { return };
            self.take(oldest);
        }
    }

    /// A copy of an acceptance, if it is still here; it stays.
    pub(super) fn get(&self, message: MessageId) -> Option<MessageAccepted> {
        self.by_message.get(&message).cloned()
    }

    /// Gives an acceptance out, if it is still here.
    pub(super) fn take(&mut self, message: MessageId) -> Option<MessageAccepted> {
        let accepted = self.by_message.remove(&message)?;
        self.bytes -= size(&accepted);
        Some(accepted)
    }
}

fn size(accepted: &MessageAccepted) -> usize {
    accepted.sealed.data.len()
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::Sealed;
    use angelia_shared::ids::{AccountId, KeyId, WebhookId, WorkspaceId, WriterId};
    use angelia_shared::units::{Credits, UnixMillis};

    use super::*;

    fn accepted(message: u64, bytes: usize) -> MessageAccepted {
        MessageAccepted {
            v: 1,
            message: MessageId(message),
            workspace: WorkspaceId(1),
            webhook: WebhookId(1),
            account: AccountId(1),
            credits: Credits(1),
            has_text: true,
            has_file: false,
            at: UnixMillis(0),
            expires_after_ms: 0,
            writer: WriterId(1),
            sealed: Sealed { key_id: KeyId(1), data: "x".repeat(bytes) },
            traceparent: None,
        }
    }

    #[test]
    fn what_is_kept_is_given_out_once() {
        let mut kept = Kept::default();
        kept.put(accepted(1, 10));
        assert!(kept.take(MessageId(1)).is_some() && kept.take(MessageId(1)).is_none());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many_or_they_are_too_large() {
        let mut kept = Kept::default();
        for message in 0..KEPT_MAX as u64 * 3 {
            kept.put(accepted(message, 10));
            // Most are given out, as they would be: their places are given back, too.
            if message % 3 != 0 {
                kept.take(MessageId(message));
            }
        }
        assert!(kept.oldest_first.len() <= KEPT_MAX && kept.by_message.len() <= KEPT_MAX);
        assert!(kept.take(MessageId(0)).is_none() && kept.take(MessageId(KEPT_MAX as u64 * 3 - 3)).is_some());
        for message in 0..100 {
            kept.put(accepted(1_000_000 + message, 60_000));
        }
        assert!(kept.bytes <= KEPT_BYTES_MAX, "{}", kept.bytes);
        assert!(kept.take(MessageId(1_000_099)).is_some());
    }

    #[test]
    fn the_same_acceptance_read_again_counts_once() {
        let mut kept = Kept::default();
        kept.put(accepted(1, 10));
        kept.put(accepted(1, 10));
        assert_eq!((kept.bytes, kept.oldest_first.len()), (10, 1));
    }
}
