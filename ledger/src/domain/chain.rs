//! The chains that prove the log: each writer's seals, and one digest over every record.
//!
//! Invariants:
//! - LG-2 every seal continues its writer's chain, and covers exactly the records of its batch.
//!
//! The log's digest after a record is SHA-256 over the digest before it, the sequence (8 bytes, little-endian), and
//! subject and payload, each behind its length (4 bytes, little-endian).

use angelia_shared::event::{BatchSealed, Digest, WriterOpened};
use angelia_shared::ids::{MemberId, WriterId};
use angelia_shared::log::Record;
use angelia_shared::log::digest::Chain;
use angelia_shared::members::{Seat, Service};
use sha2::{Digest as _, Sha256};

use super::contradiction::Broken;
use super::table::{Decoder, Encoder, Row};

/// An open writer: its chain so far, and whose it is. One that was closed or fenced has none: nothing of it may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterChain {
    /// Number of its newest batch.
    pub n: u64,
    /// Digest of its newest record.
    pub digest: Digest,
    /// Sequence of its newest record: what a fence is guarded with.
    pub head: u64,
    /// The process that opened it.
    pub member: MemberId,
    /// Where that process is to be found among the members; none for a role that nobody renews a key for.
    pub service: Option<Service>,
}

impl Row for WriterChain {
    const TABLE: u8 = 17;
    type Key = WriterId;

    fn write(&self, out: &mut Encoder) {
        out.number(self.n);
        out.digest(self.digest);
        out.number(self.head);
        out.id(self.member.0);
        out.byte(match self.service {
            None => 0,
            Some(Service::Ingress) => 1,
            Some(Service::Dispatcher) => 2,
            Some(Service::Ledger) => 3,
        });
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let (n, digest, head) = (input.number()?, input.digest()?, input.number()?);
        let member = MemberId(input.id()?);
        let service = match input.byte()? {
            0 => None,
            1 => Some(Service::Ingress),
            2 => Some(Service::Dispatcher),
            3 => Some(Service::Ledger),
            _ => return None,
        };
        Some(Self { n, digest, head, member, service })
    }
}

impl WriterChain {
    /// The chain that `record`, a writer's first one, begins.
    pub fn opened(record: &Record, fact: &WriterOpened) -> Self {
        Self {
            n: 0,
            digest: link(Digest::default(), std::slice::from_ref(record), &[subject_text(record)]),
            head: record.seq,
            member: fact.member,
            service: service(&fact.role),
        }
    }

    /// The key that its process renews while it lives.
    pub fn seat(&self) -> Option<Seat> {
        self.service.map(|service| Seat { service, member: self.member })
    }

    /// The chain after `seal`, stored at `seq`, which covers `records` with these `subjects`, and whether it continues this
    /// one.
    #[must_use]
    pub fn sealed(
        self,
        writer: WriterId,
        seal: &BatchSealed,
        seq: u64,
        records: &[Record],
        subjects: &[String],
    ) -> (Self, Option<Broken>) {
        let continues = seal.n == self.n + 1
            && seal.previous_digest == self.digest
            && seal.digest == link(seal.previous_digest, records, subjects);
        // What is told is taken on, so that only the first seal that breaks is named.
        let after = Self { n: seal.n, digest: seal.digest, head: seq, ..self };
        (after, (!continues).then_some(Broken::SealBroken(writer)))
    }
}

/// The service whose processes open writers of this role. A dispatcher's writers hold no
/// credits, and claims keep a dead one's from writing, so they are never missed.
fn service(role: &str) -> Option<Service> {
    match role {
        "ingress" | "ingress-api" => Some(Service::Ingress),
        "ledger" => Some(Service::Ledger),
        _ => None,
    }
}

fn link(previous: Digest, records: &[Record], subjects: &[String]) -> Digest {
    let mut chain = Chain::after(previous);
    for (record, subject) in records.iter().zip(subjects) {
        chain.record(subject, &record.payload);
    }
    chain.finish()
}

/// The log's digest after `record`, whose subject has this text.
pub fn log_digest(before: Digest, record: &Record, subject: &str) -> Digest {
    let mut sha = Sha256::new_with_prefix(before.0);
    sha.update(record.seq.to_le_bytes());
    for text in [subject.as_bytes(), &record.payload] {
        let len = u32::try_from(text.len()).expect("the broker's limit of a record is far below 4 GiB");
        sha.update(len.to_le_bytes());
        sha.update(text);
    }
    Digest(sha.finalize().into())
}

/// A record's subject as both chains have it.
pub fn subject_text(record: &Record) -> String {
    match &record.subject {
        Ok(subject) => subject.to_string(),
        Err(bad) => bad.0.clone(),
    }
}
