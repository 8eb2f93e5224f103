//! Where the projection is, and what it has counted on the way. One row; it moves with every batch.

use std::collections::BTreeMap;

use angelia_shared::event::{Digest, Event};
use angelia_shared::ids::MemberId;
use smallvec::SmallVec;

use super::table::{Decoder, Encoder, Row};

/// Names of unknown event types that are told apart; a log written by strangers must not fill the store.
const UNKNOWN_NAMES_MAX: usize = 64;
/// Characters of such a name.
const UNKNOWN_NAME_CHARS: usize = 64;
/// What the others are counted under.
const OTHERS: &str = "(others)";

/// The newest record of the ledger's claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its sequence: what the next claim is guarded with.
    pub seq: u64,
    /// Who wrote it.
    pub member: MemberId,
    /// Whether it gave the claim up.
    pub released: bool,
}

/// The newest checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Sequence of its record: what the next one names, and is guarded with.
    pub at: u64,
    /// What it covers.
    pub covers: u64,
}

/// Records from one mark to the next. A mark reads every wallet, so it must be rare against the fold; a checkpoint by
/// records (100,000 by default) then always finds a newer one. Tests have many in a short log.
pub const MARK_EVERY: u64 = if cfg!(test) { 16 } else { 65_536 };
/// Marks that are kept. A checkpoint names the newest; while it is stored and read back, one more may follow.
const MARKS_MAX: usize = 2;

/// Both digests at the end of a batch: what a later checkpoint that covers it is compared with. Where marks are depends on the
/// log alone, so every projection has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The last record of the batch.
    pub seq: u64,
    /// Chain over every record up to it.
    pub log: Digest,
    /// Digest over the state then.
    pub state: Digest,
}

/// What the projection has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records folded.
    pub records: u64,
    /// Events folded, by type.
    pub events: BTreeMap<String, u64>,
    /// Lines that this version cannot read as events of their subject, by the type they name.
    pub unknown: BTreeMap<String, u64>,
    /// Receipts about parts that were never attempted.
    pub stray_receipts: u64,
    /// Facts that cannot be true.
    pub contradictions: u64,
}

impl Counts {
    /// Counts an event of a known type.
    pub fn event(&mut self, name: &str) {
        count(&mut self.events, name);
    }

    /// Counts a line of an unknown type.
    pub fn unknown(&mut self, name: &str) {
        let name: String = name.chars().take(UNKNOWN_NAME_CHARS).collect();
        let told_apart = self.unknown.contains_key(&name) || self.unknown.len() < UNKNOWN_NAMES_MAX;
        count(&mut self.unknown, if told_apart { &name } else { OTHERS });
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

/// Whether an event says something of messages, money or the directory; the others are book-keeping of the log itself.
pub fn is_fact(event: &Event) -> bool {
    !matches!(
        event,
        Event::PartitionClaimed(_)
            | Event::PartitionReleased(_)
            | Event::WriterOpened(_)
            | Event::BatchSealed(_)
            | Event::WriterFenced(_)
            | Event::WriterClosed(_)
            | Event::LedgerCheckpointed(_)
    )
}

/// Where the projection is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last record folded.
    pub seq: u64,
    /// The last record of the last batch folded whole: where reading begins again.
    pub batch_end: u64,
    /// SHA-256 of the log's first payload: which log this is.
    pub first: Digest,
    /// Chain over every record folded.
    pub log_digest: Digest,
    /// Sequence of the newest fact that is not the log's own book-keeping.
    pub last_fact: u64,
    /// What was counted.
    pub counts: Counts,
    /// The ledger's claim.
    pub claim: Option<Claim>,
    /// The newest checkpoint.
    pub checkpoint: Checkpoint,
    /// The newest marks, oldest first.
    pub marks: SmallVec<[Mark; MARKS_MAX]>,
}

impl Head {
    /// Whether the batch that ends here is the first one in its stretch of [`MARK_EVERY`] records.
    pub fn is_mark_due(&self) -> bool {
        let marked = self.marks.last().map_or(0, |mark| mark.seq);
        self.seq / MARK_EVERY > marked / MARK_EVERY
    }

    /// Marks this place, with the state's digest at it.
    pub fn mark(&mut self, state: Digest) {
        if self.marks.len() == MARKS_MAX {
            self.marks.remove(0);
        }
        self.marks.push(Mark { seq: self.seq, log: self.log_digest, state });
    }
}

impl Row for Head {
    const TABLE: u8 = 1;
    type Key = ();

    fn write(&self, out: &mut Encoder) {
        out.number(self.seq);
        out.number(self.batch_end);
        out.digest(self.first);
        out.digest(self.log_digest);
        out.number(self.last_fact);
        let Counts { records, events, unknown, stray_receipts, contradictions } = &self.counts;
        for number in [records, stray_receipts, contradictions] {
            out.number(*number);
        }
        for counts in [events, unknown] {
            out.number(counts.len() as u64);
            for (name, count) in counts {
                out.text(name);
                out.number(*count);
            }
        }
        out.optional(self.claim, |out, claim| {
            out.number(claim.seq);
            out.id(claim.member.0);
            out.flag(claim.released);
        });
        out.number(self.checkpoint.at);
        out.number(self.checkpoint.covers);
        for mark in &self.marks {
            out.number(mark.seq);
            out.digest(mark.log);
            out.digest(mark.state);
        }
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let (seq, batch_end) = (input.number()?, input.number()?);
        let (first, log_digest) = (input.digest()?, input.digest()?);
        let last_fact = input.number()?;
        let (records, stray_receipts, contradictions) = (input.number()?, input.number()?, input.number()?);
        let (events, unknown) = (read_counts(input)?, read_counts(input)?);
        let counts = Counts { records, events, unknown, stray_receipts, contradictions };
        let claim = input.optional(|input| {
            Some(Claim { seq: input.number()?, member: MemberId(input.id()?), released: input.flag()? })
        })?;
        let checkpoint = Checkpoint { at: input.number()?, covers: input.number()? };
        let mut marks = SmallVec::new();
        while !input.0.is_empty() {
            marks.push(Mark { seq: input.number()?, log: input.digest()?, state: input.digest()? });
        }
        Some(Self { seq, batch_end, first, log_digest, last_fact, counts, claim, checkpoint, marks })
    }
}

fn read_counts(input: &mut Decoder<'_>) -> Option<BTreeMap<String, u64>> {
    (0..input.number()?).map(|_| Some((input.text()?.to_owned(), input.number()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_fill_the_counts_with_names() {
        let mut counts = Counts::default();
        for n in 0..1_000 {
            counts.unknown(&format!("{n}{}", "x".repeat(500)));
        }
        assert_eq!(counts.unknown.len(), UNKNOWN_NAMES_MAX + 1);
        assert_eq!(counts.unknown.values().sum::<u64>(), 1_000);
        assert!(counts.unknown.keys().all(|name| name.len() <= UNKNOWN_NAME_CHARS));
    }

    #[test]
    fn a_head_reads_back() {
        let mut head = Head { seq: 9, batch_end: 8, last_fact: 7, ..Head::default() };
        head.counts.event("KeyUsed");
        head.counts.unknown("Later");
        head.claim = Some(Claim { seq: 3, member: MemberId(8), released: true });
        for marks in 0..4 {
            let mut out = Encoder::default();
            head.write(&mut out);
            assert_eq!(Head::read(&mut Decoder(&out.0)).as_ref(), Some(&head), "{marks}");
            head.seq += MARK_EVERY;
            assert!(head.is_mark_due());
            head.mark(Digest([marks; 32]));
            assert!(!head.is_mark_due() && head.marks.len() <= MARKS_MAX);
        }
        assert_eq!(head.marks.last().map(|mark| mark.seq), Some(head.seq));
    }
}
