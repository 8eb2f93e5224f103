//! LG-2: every batch ends in a seal that continues its writer's chain; every checkpoint names the one before, and the log
//! up to where it says is the log that it saw.

use std::collections::{HashMap, VecDeque};

use angelia_shared::event::Digest;
use angelia_shared::ids::{Position, WriterId};
use angelia_shared::log::Record;
use angelia_shared::subject::Subject;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::line::{Checkpoint, Fact, Seal};
use super::{Break, Finding};

/// Records of one batch, with its seal. Source: the broker's limit of an atomic batch.
const BATCH_MAX: usize = 1_000;

struct Chain {
    n: u64,
    digest: Digest,
    /// Why it goes no further, once it has ended.
    over: Option<&'static str>,
}

/// A record that waits for its seal.
struct Unsealed {
    seq: u64,
    subject: String,
    payload: Bytes,
}

/// The newest checkpoint of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastCheckpoint {
    /// Sequence of its record.
    pub at: u64,
    /// What it covers.
    pub seq: u64,
    /// Chain over every record up to `seq`.
    pub log_digest: Digest,
    /// What the ledger's state digested to there. Only a replay can check it.
    pub state_digest: Digest,
}

#[derive(Default)]
pub(super) struct Chains {
    writers: HashMap<WriterId, Chain>,
    /// Records since the last one on a writer's subject: the batch under way.
    batch: Vec<Unsealed>,
    pub(super) checkpoints: u64,
    pub(super) checkpoint: Option<LastCheckpoint>,
    /// The digest of the whole log so far.
    pub(super) log: Digest,
    /// The same at the end of each batch, since the newest that a checkpoint covers.
    ends: VecDeque<(u64, Digest)>,
}

impl Chains {
    /// Takes a record up, before its facts.
    pub(super) fn record(&mut self, subject: Option<Subject>, record: &Record) -> Result<(), Finding> {
        let text = match &record.subject {
            Ok(subject) => subject.to_string(),
            Err(bad) => bad.0.clone(),
        };
        self.log = log_with(self.log, &text, record);
        if matches!(subject, Some(Subject::Writer(_))) {
            self.ends.push_back((record.seq, self.log));
            return Ok(());
        }
        if self.batch.len() + 1 >= BATCH_MAX {
            return Err(self.unsealed("stands unsealed before more than a batch can hold"));
        }
        self.batch.push(Unsealed { seq: record.seq, subject: text, payload: record.payload.clone() });
        Ok(())
    }

    /// Checks a fact about the log itself.
    pub(super) fn fact(&mut self, subject: Subject, record: &Record, fact: &Fact<'_>) -> Result<(), Finding> {
        let here = |(invariant, what)| Finding { invariant, at: Position::new(record.seq, 0), what };
        match (subject, fact) {
            (Subject::Checkpoint, Fact::LedgerCheckpointed(checkpoint)) => {
                self.checkpointed(record.seq, checkpoint).map_err(here)
            }
            (Subject::Writer(writer), Fact::WriterOpened(_)) => {
                self.alone("stands unsealed before a writer was opened")?;
                let mut hash = Sha256::new_with_prefix(Digest::default().0);
                add(&mut hash, subject.to_string().as_bytes());
                add(&mut hash, &record.payload);
                let chain = Chain { n: 0, digest: Digest(hash.finalize().into()), over: None };
                match self.writers.insert(writer, chain) {
                    None => Ok(()),
                    Some(_) => Err(here(broken(format!("writer {writer} is opened a second time")))),
                }
            }
            (Subject::Writer(writer), Fact::WriterFenced(_)) => {
                self.alone("stands unsealed before a writer was fenced")?;
                self.chain(writer).map_err(here)?.over = Some("fenced");
                Ok(())
            }
            (Subject::Writer(writer), Fact::BatchSealed(seal)) => self.seal(writer, seal, record.seq),
            (Subject::Writer(writer), Fact::WriterClosed(seal)) => {
                self.seal(writer, seal, record.seq)?;
                self.chain(writer).map_err(here)?.over = Some("closed");
                Ok(())
            }
            (Subject::Writer(_) | Subject::Checkpoint, other) => {
                Err(here(broken(format!("{} on the subject {subject}", other.name()))))
            }
            (_, _) => Ok(()),
        }
    }

    fn checkpointed(&mut self, at: u64, checkpoint: &Checkpoint) -> Result<(), Break> {
        let (previous, covered) = self.checkpoint.map_or((0, 0), |last| (last.at, last.seq));
        let Checkpoint { seq, log_digest, state_digest, .. } = *checkpoint;
        if checkpoint.previous != previous {
            return Err(broken(format!(
                "a checkpoint names {}, but the one before is {previous}",
                checkpoint.previous
            )));
        }
        if seq < covered || seq >= at {
            return Err(broken(format!("a checkpoint covers up to {seq}, after one up to {covered}")));
        }
        while self.ends.front().is_some_and(|(end, _)| *end < seq) {
            self.ends.pop_front();
        }
        if self.ends.front() != Some(&(seq, log_digest)) {
            return Err(broken(format!("the log up to {seq} is not what a checkpoint saw")));
        }
        self.checkpoints += 1;
        self.checkpoint = Some(LastCheckpoint { at, seq, log_digest, state_digest });
        Ok(())
    }

    fn seal(&mut self, writer: WriterId, seal: &Seal, at: u64) -> Result<(), Finding> {
        let here = |what: String| Finding { invariant: "LG-2", at: Position::new(at, 0), what };
        let held = self.batch.len();
        let chain = self.chain(writer).map_err(|(_, what)| here(what))?;
        if let Some(over) = chain.over {
            return Err(here(format!("writer {writer} is {over} and seals another batch")));
        }
        if seal.n != chain.n + 1 {
            return Err(here(format!("writer {writer} seals batch {} after {}", seal.n, chain.n)));
        }
        let before = chain.digest;
        match usize::try_from(seal.count).unwrap_or(usize::MAX) {
            count if count > held => {
                return Err(here(format!("writer {writer} seals {count} records, but there are {held}")));
            }
            count if count < held => {
                return Err(self.unsealed(&format!("stands before a batch that does not seal it, which ends at {at}")));
            }
            _ => {}
        }
        if seal.previous_digest != before {
            return Err(here(format!("batch {} of writer {writer} does not continue its chain", seal.n)));
        }
        let mut hash = Sha256::new_with_prefix(before.0);
        for record in &self.batch {
            add(&mut hash, record.subject.as_bytes());
            add(&mut hash, &record.payload);
        }
        let digest = Digest(hash.finalize().into());
        if seal.digest != digest {
            let from = self.batch.first().map_or(at, |first| first.seq);
            let what =
                format!("batch {} of writer {writer} is not what was sealed: {from} to {at} were changed", seal.n);
            return Err(here(what));
        }
        self.batch.clear();
        self.writers.insert(writer, Chain { n: seal.n, digest, over: None });
        Ok(())
    }

    fn chain(&mut self, writer: WriterId) -> Result<&mut Chain, Break> {
        self.writers.get_mut(&writer).ok_or_else(|| broken(format!("writer {writer} was never opened")))
    }

    fn alone(&self, what: &str) -> Result<(), Finding> {
        if self.batch.is_empty() { Ok(()) } else { Err(self.unsealed(what)) }
    }

    /// Names the first record of the batch under way: no seal covers it.
    fn unsealed(&self, what: &str) -> Finding {
        let held = self.batch.len();
        let at = Position::new(self.batch.first().map_or(0, |record| record.seq), 0);
        Finding { invariant: "LG-2", at, what: format!("the first of {held} records {what}") }
    }

    pub(super) fn finish(&self) -> Result<(), Finding> {
        self.alone("stands unsealed at the log's end")
    }
}

fn broken(what: String) -> Break {
    ("LG-2", what)
}

/// SHA-256 over the digest before, then the record's sequence, its subject and its payload.
fn log_with(before: Digest, subject: &str, record: &Record) -> Digest {
    let mut hash = Sha256::new_with_prefix(before.0);
    hash.update(record.seq.to_le_bytes());
    add(&mut hash, subject.as_bytes());
    add(&mut hash, &record.payload);
    Digest(hash.finalize().into())
}

/// A text behind its length.
fn add(hash: &mut Sha256, text: &[u8]) {
    hash.update(u32::try_from(text.len()).expect("a record is far below 4 GiB").to_le_bytes());
    hash.update(text);
}
