//! The chains that prove the log: each writer's seals, and one digest over every record.
//!
//! Invariants:
//! - LG-2 every seal continues its writer's chain, and covers exactly the records of its batch.
//!
//! The log's digest after a record is SHA-256 over the digest before it, the sequence (8 bytes, little-endian), and
//! subject and payload, each behind its length (4 bytes, little-endian).

use std::io::Write as _;

use angelia_shared::event::{BatchSealed, Digest, Event, WriterOpened};
use angelia_shared::ids::{MemberId, WriterId};
use angelia_shared::log::Record;
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
            digest: Frames::of(std::slice::from_ref(record)).link(Digest::default(), std::slice::from_ref(record), 0),
            head: record.seq,
            member: fact.member,
            service: service(&fact.role),
        }
    }

    /// The key that its process renews while it lives.
    pub fn seat(&self) -> Option<Seat> {
        self.service.map(|service| Seat { service, member: self.member })
    }

    /// The chain after `seal`, stored at `seq`, which covers records that make this `link`, and whether it continues this one.
    #[must_use]
    pub fn sealed(self, writer: WriterId, seal: &BatchSealed, seq: u64, link: Digest) -> (Self, Option<Broken>) {
        let continues = seal.n == self.n + 1 && seal.previous_digest == self.digest && seal.digest == link;
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

/// What both chains make of a batch. That is half of a fold's work and needs nothing but the records, so it can be done
/// ahead, on another core.
#[derive(Clone, Debug)]
pub struct Digests {
    frames: Frames,
    before: Digest,
    /// The first record of which the log's digest is known.
    first: usize,
    /// The log's digest after each record from there on.
    log: Vec<Digest>,
    /// The batch's seal, and the link that the records make which it covers.
    seal: Option<(BatchSealed, Digest)>,
}

impl Digests {
    /// Those of a batch; `before` is the log's digest before its record of number `first`.
    pub fn of(before: Digest, first: usize, batch: &[Record]) -> Self {
        let frames = Frames::of(batch);
        let mut newest = before;
        let log = batch.iter().enumerate().skip(first).map(|(number, record)| {
            newest = frames.log_digest(newest, record, number);
            newest
        });
        let log = log.collect();
        let seal = batch.split_last().and_then(|(last, records)| {
            let seal = seal_of(last)?;
            let link = frames.link_of(&seal, records);
            Some((seal, link))
        });
        Self { frames, before, first, log, seal }
    }

    /// Whether they begin where a fold goes on.
    pub fn fit(&self, before: Digest, first: usize, batch: &[Record]) -> bool {
        (self.before, self.first, self.first + self.log.len()) == (before, first, batch.len())
    }

    /// The log's digest after the batch.
    pub fn after(&self) -> Digest {
        self.log.last().copied().unwrap_or(self.before)
    }

    /// The log's digest after the record of this number.
    pub fn log_after(&self, number: usize) -> Digest {
        self.log[number - self.first]
    }

    /// The link that the records make which `seal` covers; `before` are all that stand before it.
    pub fn link(&self, seal: &BatchSealed, before: &[Record]) -> Digest {
        match &self.seal {
            Some((known, link)) if known == seal => *link,
            // More than one line in a seal's record: nothing that a writer writes.
            Some(_) | None => self.frames.link_of(seal, before),
        }
    }
}

/// The seal that a record is.
fn seal_of(record: &Record) -> Option<BatchSealed> {
    if !record.ends_batch() {
        return None;
    }
    match Event::from_line(&record.payload) {
        Ok(Event::BatchSealed(seal) | Event::WriterClosed(seal)) => Some(seal),
        Ok(_) | Err(_) => None,
    }
}

/// How many of `before`, the records that stand before a seal, it covers: a batch is contiguous, so they are the newest.
pub fn covered(seal: &BatchSealed, before: &[Record]) -> usize {
    usize::try_from(seal.count).unwrap_or(usize::MAX).min(before.len())
}

/// What both chains digest of each record of a batch before its payload: the subject behind its length, and the payload's
/// length.
#[derive(Clone, Debug, Default)]
struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    fn of(records: &[Record]) -> Self {
        let (mut bytes, mut ends) = (Vec::with_capacity(records.len() * 80), Vec::with_capacity(records.len()));
        for record in records {
            let start = bytes.len();
            bytes.extend_from_slice(&[0; 4]);
            match &record.subject {
                Ok(subject) => write!(bytes, "{subject}").expect("memory takes any text"),
                Err(bad) => bytes.extend_from_slice(bad.0.as_bytes()),
            }
            let subject_len = len_of(bytes.len() - start - 4);
            bytes[start..start + 4].copy_from_slice(&subject_len);
            bytes.extend_from_slice(&len_of(record.payload.len()));
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    fn get(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[number]]
    }

    /// The chain of `previous` and these records, the first of which has the frame of this number.
    fn link(&self, previous: Digest, records: &[Record], first: usize) -> Digest {
        let mut sha = Sha256::new_with_prefix(previous.0);
        for (record, number) in records.iter().zip(first..) {
            sha.update(self.get(number));
            sha.update(&record.payload);
        }
        Digest(sha.finalize().into())
    }

    fn link_of(&self, seal: &BatchSealed, before: &[Record]) -> Digest {
        let first = before.len() - covered(seal, before);
        self.link(seal.previous_digest, &before[first..], first)
    }

    /// The log's digest after `record`, which has the frame of this number.
    fn log_digest(&self, before: Digest, record: &Record, number: usize) -> Digest {
        let mut sha = Sha256::new_with_prefix(before.0);
        sha.update(record.seq.to_le_bytes());
        sha.update(self.get(number));
        sha.update(&record.payload);
        Digest(sha.finalize().into())
    }
}

fn len_of(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("the broker's limit of a record is far below 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use angelia_shared::log::digest::Chain;
    use angelia_shared::subject::{BadSubject, Partition, Subject};
    use angelia_shared::units::UnixMillis;

    use super::*;

    #[test]
    fn both_chains_are_those_of_their_definition() {
        let subjects =
            [Ok(Subject::Checkpoint), Err(BadSubject("ev.later.x".to_owned())), Ok(Subject::Accepted(Partition(7)))];
        let texts = ["ev.checkpoint", "ev.later.x", "ev.accepted.7"];
        let records: Vec<_> = subjects
            .into_iter()
            .zip(1_u64..)
            .map(|(subject, seq)| {
                let payload = "a line".repeat(seq as usize).into();
                Record { seq, at: UnixMillis(0), subject, payload, pending: 0 }
            })
            .collect();
        let frames = Frames::of(&records);
        let mut chain = Chain::after(Digest([9; 32]));
        for (number, (record, text)) in records.iter().zip(texts).enumerate() {
            let mut sha = Sha256::new_with_prefix([7; 32]);
            sha.update(record.seq.to_le_bytes());
            for part in [text.as_bytes(), &record.payload] {
                sha.update((part.len() as u32).to_le_bytes());
                sha.update(part);
            }
            assert_eq!(frames.log_digest(Digest([7; 32]), record, number), Digest(sha.finalize().into()));
            if number > 0 {
                chain.record(text, &record.payload);
            }
        }
        assert_eq!(frames.link(Digest([9; 32]), &records[1..], 1), chain.finish());
    }
}
