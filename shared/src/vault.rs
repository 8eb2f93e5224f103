//! Keeps secrets: provider credentials under the master key, personal data under data keys that the master key wraps.
//!
//! Shape: XChaCha20-Poly1305 with a random nonce of 24 bytes before the ciphertext; associated data binds each box to the
//! thing it belongs to, so a box moved elsewhere does not open.
//!
//! Invariants:
//! - A data key in clear exists only in memory. Destroying its entry in the bucket `KEYS` erases everything it sealed.
//!
//! Not here: deciding what is personal (see [`crate::event::Content`]).

mod data_key;
mod store;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use data_key::DataKey;
pub use store::{CheckMasterError, Vault, VaultError};

use crate::dice;

const NONCE_BYTES: usize = 24;

/// A small secret sealed under the master key. Safe to store and to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// A sealed box did not open: another key, another owner, or changed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed data does not open with this key")]
pub struct OpenError;

/// The installation's key, from a file or the environment. Has no `Debug` on purpose.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads 64 hex digits; surrounding white space is allowed.
    ///
    /// # Errors
    /// When the text has another length or other digits.
    pub fn from_hex(text: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut bytes[..])?;
        Ok(Self(bytes))
    }

    /// Seals `plain` for the thing named `owner`.
    pub fn seal(&self, owner: &[u8], plain: &[u8]) -> Secret {
        Secret(seal_with(&self.cipher(), owner, plain))
    }

    /// Opens what [`seal`](Self::seal) closed for the same `owner`.
    ///
    /// # Errors
    /// [`OpenError`] when key, owner or bytes differ.
    pub fn open(&self, owner: &[u8], secret: &Secret) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open_with(&self.cipher(), owner, &secret.0).map(Zeroizing::new)
    }

    /// Opens a secret that is text.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when it is not UTF-8.
    pub fn open_text(&self, owner: &[u8], secret: &Secret) -> Result<String, OpenError> {
        let plain = self.open(owner, secret)?;
        std::str::from_utf8(&plain).map(str::to_owned).map_err(|_| OpenError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// What a thing's secret is bound to: its id and the field's name.
pub fn secret_owner(id: u128, field: &str) -> Vec<u8> {
    [&id.to_be_bytes()[..], field.as_bytes()].concat()
}

fn seal_with(cipher: &XChaCha20Poly1305, owner: &[u8], plain: &[u8]) -> String {
    let nonce: [u8; NONCE_BYTES] = dice::bytes();
    let closed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: owner })
        .expect("XChaCha20-Poly1305 takes any text below 256 GiB");
    let mut out = String::with_capacity((NONCE_BYTES + closed.len()).div_ceil(3) * 4);
    let mut boxed = Vec::with_capacity(NONCE_BYTES + closed.len());
    boxed.extend_from_slice(&nonce);
    boxed.extend_from_slice(&closed);
    STANDARD_NO_PAD.encode_string(boxed, &mut out);
    out
}

fn open_with(cipher: &XChaCha20Poly1305, owner: &[u8], boxed: &str) -> Result<Vec<u8>, OpenError> {
    let bytes = STANDARD_NO_PAD.decode(boxed).map_err(|_| OpenError)?;
    let (nonce, closed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: closed, aad: owner }).map_err(|_| OpenError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_secret_opens_with_its_key_and_owner() {
        let secret = key(1).seal(b"account", b"token");
        assert_eq!(key(1).open_text(b"account", &secret).as_deref(), Ok("token"));
    }

    #[test]
    fn a_secret_stays_closed_for_another_key_another_owner_or_changed_bytes() {
        let secret = key(1).seal(b"account", b"token");
        assert_eq!(key(2).open_text(b"account", &secret), Err(OpenError));
        assert_eq!(key(1).open_text(b"stranger", &secret), Err(OpenError));
        let mut text = secret.0.clone();
        let last = if text.ends_with('A') { 'B' } else { 'A' };
        text.pop();
        text.push(last);
        assert_eq!(key(1).open_text(b"account", &Secret(text)), Err(OpenError));
        assert_eq!(key(1).open_text(b"account", &Secret("short".to_owned())), Err(OpenError));
    }

    #[test]
    fn the_same_secret_is_sealed_differently_each_time() {
        assert_ne!(key(1).seal(b"a", b"x"), key(1).seal(b"a", b"x"));
    }

    #[test]
    fn a_master_key_is_64_hex_digits() {
        assert!(MasterKey::from_hex(&format!("{}\n", "ab".repeat(32))).is_ok());
        assert!(MasterKey::from_hex("abcd").is_err());
        assert!(MasterKey::from_hex(&"zz".repeat(32)).is_err());
    }
}
