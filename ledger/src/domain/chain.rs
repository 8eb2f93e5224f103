//! The chains that prove the log: each writer's seals, and one digest over every record.
//!
//! Invariants:
//! - LG-2 every seal continues its writer's chain, and covers exactly the records of its batch.
//!
//! The log's digest after a record is SHA-256 over the digest before it, the sequence (8 bytes, little-endian), and
//! subject and payload, each behind its length (4 bytes, little-endian).

use angelia_shared::event::{BatchSealed, Digest};
use angelia_shared::ids::WriterId;
use angelia_shared::log::Record;
use angelia_shared::log::digest::Chain;
use sha2::{Digest as _, Sha256};

use super::contradiction::Broken;
use super::table::{Decoder, Encoder, Row};

/// A writer's chain so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterChain {
    /// Number of its newest batch.
    pub n: u64,
    /// Digest of its newest record.
    pub digest: Digest,
    /// Whether it was stopped: nothing of it may follow.
    pub fenced: bool,
}

impl Row for WriterChain {
    const TABLE: u8 = 17;
    type Key = WriterId;

    fn write(&self, out: &mut Encoder) {
        out.number(self.n);
        out.digest(self.digest);
        out.flag(self.fenced);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self { n: input.number()?, digest: input.digest()?, fenced: input.flag()? })
    }
}

impl WriterChain {
    /// The chain that `record`, a writer's first one, begins.
    pub fn opened(record: &Record) -> Self {
        Self { n: 0, digest: link(Digest::default(), std::slice::from_ref(record)), fenced: false }
    }

    /// The chain after `seal`, which covers `records`, and whether it continues this one.
    #[must_use]
    pub fn sealed(self, writer: WriterId, seal: &BatchSealed, records: &[Record]) -> (Self, Option<Broken>) {
        let continues = !self.fenced
            && seal.n == self.n + 1
            && seal.previous_digest == self.digest
            && seal.digest == link(seal.previous_digest, records);
        // What is told is taken on, so that only the first seal that breaks is named.
        let after = Self { n: seal.n, digest: seal.digest, ..self };
        (after, (!continues).then_some(Broken::SealBroken(writer)))
    }
}

fn link(previous: Digest, records: &[Record]) -> Digest {
    let mut chain = Chain::after(previous);
    for record in records {
        chain.record(&subject_text(record), &record.payload);
    }
    chain.finish()
}

/// The log's digest after `record`.
pub fn log_digest(before: Digest, record: &Record) -> Digest {
    let mut sha = Sha256::new_with_prefix(before.0);
    sha.update(record.seq.to_le_bytes());
    for text in [subject_text(record).as_bytes(), &record.payload] {
        let len = u32::try_from(text.len()).expect("the broker's limit of a record is far below 4 GiB");
        sha.update(len.to_le_bytes());
        sha.update(text);
    }
    Digest(sha.finalize().into())
}

fn subject_text(record: &Record) -> String {
    match &record.subject {
        Ok(subject) => subject.to_string(),
        Err(bad) => bad.0.clone(),
    }
}
