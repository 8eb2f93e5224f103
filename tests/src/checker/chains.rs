//! LG-2: every batch ends in a seal that continues its writer's chain; every checkpoint names the one before, and the log
//! up to where it says is the log that it saw.

use std::collections::BTreeMap;

use angelia_shared::event::{BatchSealed, Digest, Event};
use angelia_shared::ids::WriterId;
use angelia_shared::log::Record;
use angelia_shared::subject::Subject;
use sha2::{Digest as _, Sha256};

#[derive(Debug)]
struct Chain {
    n: u64,
    digest: Digest,
    /// Why it goes no further, once it has ended.
    over: Option<&'static str>,
}

#[derive(Default)]
pub(super) struct Chains {
    writers: BTreeMap<WriterId, Chain>,
    /// Records since the last one on a writer's subject: the batch under way.
    batch: Vec<(String, Vec<u8>)>,
    checkpoint: (u64, u64),
    /// The digest of everything up to each record, since the newest that a checkpoint covers.
    logs: BTreeMap<u64, Digest>,
}

impl Chains {
    pub(super) fn record(&mut self, subject: Subject, record: &Record) -> Result<(), String> {
        let before = self.logs.last_key_value().map_or(Digest::default(), |(_, digest)| *digest);
        self.logs.insert(record.seq, log_with(before, subject, record));
        let event = Event::from_line(&record.payload);
        if let (Subject::Checkpoint, Ok(Event::LedgerCheckpointed(checkpoint))) = (subject, &event) {
            let (previous, covered) = self.checkpoint;
            if checkpoint.previous != previous {
                return Err(format!("a checkpoint names {}, but the one before is {previous}", checkpoint.previous));
            }
            if checkpoint.seq < covered || checkpoint.seq >= record.seq {
                return Err(format!("a checkpoint covers up to {}, after one up to {covered}", checkpoint.seq));
            }
            if self.logs.get(&checkpoint.seq) != Some(&checkpoint.log_digest) {
                return Err(format!("the log up to {} is not what a checkpoint saw", checkpoint.seq));
            }
            self.logs = self.logs.split_off(&checkpoint.seq);
            self.checkpoint = (record.seq, checkpoint.seq);
        }
        let Subject::Writer(writer) = subject else {
            self.batch.push((subject.to_string(), record.payload.to_vec()));
            return Ok(());
        };
        let batch = std::mem::take(&mut self.batch);
        match event.map_err(|bad| bad.to_string())? {
            Event::WriterOpened(_) => {
                alone(&batch, "WriterOpened")?;
                let digest = link(Digest::default(), &[(subject.to_string(), record.payload.to_vec())]);
                match self.writers.insert(writer, Chain { n: 0, digest, over: None }) {
                    None => Ok(()),
                    Some(_) => Err(format!("writer {writer} is opened a second time")),
                }
            }
            Event::WriterFenced(_) => {
                alone(&batch, "WriterFenced")?;
                self.chain(writer)?.over = Some("fenced");
                Ok(())
            }
            Event::BatchSealed(seal) => self.seal(writer, &seal, &batch),
            Event::WriterClosed(seal) => {
                self.seal(writer, &seal, &batch)?;
                self.chain(writer)?.over = Some("closed");
                Ok(())
            }
            other => Err(format!("{} on a writer's subject", other.name())),
        }
    }

    fn seal(&mut self, writer: WriterId, seal: &BatchSealed, batch: &[(String, Vec<u8>)]) -> Result<(), String> {
        let chain = self.chain(writer)?;
        if let Some(over) = chain.over {
            return Err(format!("writer {writer} is {over} and seals another batch"));
        }
        if seal.n != chain.n + 1 {
            return Err(format!("writer {writer} seals batch {} after {}", seal.n, chain.n));
        }
        if usize::try_from(seal.count) != Ok(batch.len()) {
            return Err(format!("writer {writer} seals {} records, but there are {}", seal.count, batch.len()));
        }
        if seal.previous_digest != chain.digest {
            return Err(format!("batch {} of writer {writer} does not continue its chain", seal.n));
        }
        let digest = link(chain.digest, batch);
        if seal.digest != digest {
            return Err(format!("batch {} of writer {writer} is not what was sealed", seal.n));
        }
        *chain = Chain { n: seal.n, digest, over: None };
        Ok(())
    }

    fn chain(&mut self, writer: WriterId) -> Result<&mut Chain, String> {
        self.writers.get_mut(&writer).ok_or_else(|| format!("writer {writer} was never opened"))
    }

    pub(super) fn finish(&self) -> Result<(), String> {
        if self.batch.is_empty() { Ok(()) } else { Err(format!("{} records have no seal", self.batch.len())) }
    }
}

fn alone(batch: &[(String, Vec<u8>)], name: &str) -> Result<(), String> {
    if batch.is_empty() { Ok(()) } else { Err(format!("{} records stand unsealed before {name}", batch.len())) }
}

/// SHA-256 over the digest before, then the record's sequence, its subject and its payload.
fn log_with(before: Digest, subject: Subject, record: &Record) -> Digest {
    let mut hash = Sha256::new_with_prefix(before.0);
    hash.update(record.seq.to_le_bytes());
    for text in [subject.to_string().as_bytes(), &record.payload] {
        hash.update(u32::try_from(text.len()).expect("a record is far below 4 GiB").to_le_bytes());
        hash.update(text);
    }
    Digest(hash.finalize().into())
}

/// SHA-256 over the digest before, then each record's subject and payload, each behind its length.
fn link(previous: Digest, records: &[(String, Vec<u8>)]) -> Digest {
    let mut hash = Sha256::new_with_prefix(previous.0);
    for text in records.iter().flat_map(|(subject, payload)| [subject.as_bytes(), payload]) {
        hash.update(u32::try_from(text.len()).expect("a record is far below 4 GiB").to_le_bytes());
        hash.update(text);
    }
    Digest(hash.finalize().into())
}
