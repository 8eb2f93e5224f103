//! The one place that rolls dice: identities, nonces, secrets.
//!
//! Not here: the gap between two sends, which is seeded by the message so that a replay finds it again (see the
//! dispatcher's pacing).

use rand::RngExt;

/// Fills an array with random bytes from the operating system's generator, through a per-thread ChaCha generator.
pub fn bytes<const N: usize>() -> [u8; N] {
    #[expect(clippy::disallowed_methods, reason = "this is the home of randomness")]
    let mut rng = rand::rng();
    let mut out = [0; N];
    rng.fill(&mut out[..]);
    out
}

/// Rolls 64 random bits.
pub fn u64() -> u64 {
    u64::from_le_bytes(bytes())
}

/// Rolls 80 random bits, the random part of a ULID.
pub fn u80() -> u128 {
    let mut wide = [0; 16];
    wide[..10].copy_from_slice(&bytes::<10>());
    u128::from_le_bytes(wide)
}

/// Rolls a token of 256 bits as 64 lower-case hex digits, for URLs and bearer tokens.
pub fn token() -> String {
    hex::encode(bytes::<32>())
}
