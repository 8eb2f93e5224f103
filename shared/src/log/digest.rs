//! The chain of digests: SHA-256 over the digest before and each (subject, payload) in order.
//!
//! Shape: every text is preceded by its length as 4 bytes, little-endian, so no two sequences of records look alike.

use sha2::{Digest as _, Sha256};

use crate::event::Digest;

/// A chain link under construction.
#[derive(Clone)]
pub struct Chain(Sha256);

impl Chain {
    /// Continues after `previous`; the first link continues after [`Digest::default`].
    pub fn after(previous: Digest) -> Self {
        Self(Sha256::new_with_prefix(previous.0))
    }

    /// Adds one record.
    pub fn record(&mut self, subject: &str, payload: &[u8]) {
        for text in [subject.as_bytes(), payload] {
            let len = u32::try_from(text.len()).expect("the broker's limit of a record is far below 4 GiB");
            self.0.update(len.to_le_bytes());
            self.0.update(text);
        }
    }

    /// Ends the link.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// SHA-256 of some bytes, for fingerprints and token hashes.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(records: &[(&str, &str)]) -> Digest {
        let mut chain = Chain::after(Digest::default());
        for (subject, payload) in records {
            chain.record(subject, payload.as_bytes());
        }
        chain.finish()
    }

    #[test]
    fn a_byte_moved_between_subject_and_payload_changes_the_digest() {
        assert_ne!(link(&[("ev.a", "bc")]), link(&[("ev.ab", "c")]));
        assert_ne!(link(&[("a", "b"), ("c", "d")]), link(&[("c", "d"), ("a", "b")]));
        assert_ne!(link(&[]), link(&[("", "")]));
    }

    #[test]
    fn sha256_is_the_known_one() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc").to_string(), abc);
    }
}
