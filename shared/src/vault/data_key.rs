//! A data key: seals the personal part of events, bound to the message.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;

use super::{OpenError, open_with, seal_with};
use crate::event::{Content, Sealed};
use crate::ids::{KeyId, MessageId};

/// A data key in clear. Lives in memory only; has no `Debug` on purpose.
pub struct DataKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

impl DataKey {
    pub(super) fn new(id: KeyId, key: &[u8; 32]) -> Self {
        Self { id, cipher: XChaCha20Poly1305::new(key.into()) }
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
    fn sealed_content_shows_nothing_of_the_text_or_the_number() {
        let sealed = serde_json::to_string(&DataKey::new(KeyId(1), &[7; 32]).seal(MessageId(5), &content())).unwrap();
        assert!(!sealed.contains("Hello") && !sealed.contains("1234567"));
    }
}
