//! A data key: seals the personal part of events, bound to the message.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{OpenError, open_with, seal_with};
use crate::event::{Content, Sealed};
use crate::ids::{AccountId, KeyId, MessageId};

/// A data key in clear. Lives in memory only; has no `Debug` on purpose.
pub struct DataKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
    /// Makes marks, and opens nothing.
    marking: Zeroizing<[u8; 32]>,
}

impl DataKey {
    pub(super) fn new(id: KeyId, key: &[u8; 32]) -> Self {
        let marking = Sha256::new().chain_update(b"angelia recipient mark").chain_update(key).finalize();
        Self { id, cipher: XChaCha20Poly1305::new(key.into()), marking: Zeroizing::new(marking.into()) }
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Seals a message's content.
    pub fn seal(&self, message: MessageId, content: &Content) -> Sealed {
        let plain = serde_json::to_vec(content).expect("content has only plain values");
        Sealed { key_id: self.id, data: seal_with(&self.cipher, &message.0.to_be_bytes(), &plain) }
    }

    /// Opens a message's content.
    ///
    /// # Errors
    /// [`OpenError`] when it was sealed by another key or for another message, or was changed.
    pub fn open(&self, message: MessageId, sealed: &Sealed) -> Result<Content, OpenError> {
        let plain = open_with(&self.cipher, &message.0.to_be_bytes(), &sealed.data)?;
        serde_json::from_slice(&plain).map_err(|_| OpenError)
    }

    /// A mark by which an account recognises a recipient of its own in the log, and by which nobody without this key can:
    /// not even somebody who tries all numbers. Two recipients of an account rarely have the same one.
    pub fn recipient_mark(&self, account: AccountId, address: &str) -> u32 {
        let hash = Sha256::new()
            .chain_update(*self.marking)
            .chain_update(account.0.to_be_bytes())
            .chain_update(address.as_bytes())
            .finalize();
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    /// Seals bytes that belong to the thing named `owner`, for stores beside the log (refused bodies).
    pub fn seal_bytes(&self, owner: &[u8], plain: &[u8]) -> Sealed {
        Sealed { key_id: self.id, data: seal_with(&self.cipher, owner, plain) }
    }

    /// Opens what [`seal_bytes`](Self::seal_bytes) closed.
    ///
    /// # Errors
    /// [`OpenError`] when key, owner or bytes differ.
    pub fn open_bytes(&self, owner: &[u8], sealed: &Sealed) -> Result<Vec<u8>, OpenError> {
        open_with(&self.cipher, owner, &sealed.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::message::To;

    fn content() -> Content {
        Content {
            text: "Hello 👋\n".to_owned(),
            file_url: None,
            file_name: None,
            to: To::Phone("+30 210 1234567".to_owned()),
            address: "+30 210 1234567".to_owned(),
            account_phone: None,
            caller: "192.0.2.1".to_owned(),
            warnings: vec![],
        }
    }

    #[test]
    fn content_opens_only_for_the_message_it_was_sealed_for() {
        let key = DataKey::new(KeyId(1), &[7; 32]);
        let sealed = key.seal(MessageId(5), &content());
        assert_eq!(key.open(MessageId(5), &sealed), Ok(content()));
        assert_eq!(key.open(MessageId(6), &sealed), Err(OpenError));
    }

    #[test]
    fn a_recipient_has_one_mark_for_each_account_and_key() {
        let mark =
            |key: u8, account, address| DataKey::new(KeyId(1), &[key; 32]).recipient_mark(AccountId(account), address);
        let one = mark(7, 1, "14151231234");
        assert_eq!(one, mark(7, 1, "14151231234"));
        for other in [mark(8, 1, "14151231234"), mark(7, 2, "14151231234"), mark(7, 1, "14151231235")] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn sealed_content_shows_nothing_of_the_text_or_the_number() {
        let sealed = serde_json::to_string(&DataKey::new(KeyId(1), &[7; 32]).seal(MessageId(5), &content())).unwrap();
        assert!(!sealed.contains("Hello") && !sealed.contains("1234567"));
    }
}
