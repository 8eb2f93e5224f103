//! Tokens are known by their SHA-256 alone.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a token's text, as 64 lower-case hex digits: what webhooks and bearer tokens are looked up by.
pub fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Compares two tokens without telling by its duration how far they agree. An empty `expected` equals nothing.
pub fn is_same(expected: &str, given: &str) -> bool {
    let (expected_hash, given_hash) = (Sha256::digest(expected.as_bytes()), Sha256::digest(given.as_bytes()));
    let difference = expected_hash.iter().zip(given_hash.iter()).fold(0, |difference, (a, b)| difference | (a ^ b));
    // The digests hide the tokens' lengths, too.
    !expected.is_empty() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_equals_only_itself() {
        assert!(is_same("s3cret", "s3cret"));
        for given in ["", "s3cre", "s3cret ", "S3cret"] {
            assert!(!is_same("s3cret", given), "{given}");
        }
    }

    #[test]
    fn no_token_at_all_opens_nothing() {
        assert!(!is_same("", ""));
    }

    #[test]
    fn a_hash_is_64_digits_and_its_own() {
        assert_eq!(hash("a").len(), 64);
        assert_ne!(hash("a"), hash("b"));
    }
}
