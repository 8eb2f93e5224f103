//! Folds the log's own book-keeping: writers and their seals, the ledger's claim, checkpoints.
//!
//! A broken seal stops the workspaces that its batch speaks of. A broken checkpoint is the whole log's matter: it is told and
//! counted, and stops nobody.

use angelia_shared::event::{BatchSealed, Digest, LedgerCheckpointed, WriterOpened};
use angelia_shared::ids::{MemberId, Position, WriterId};
use angelia_shared::log::Record;

use super::super::chain::{WriterChain, covered};
use super::super::contradiction::Broken;
use super::super::digest::state_digest;
use super::super::head::{Checkpoint, Claim};
use super::super::lanes;
use super::super::table::Tables;
use super::Fold;
use super::spoken_of::spoken_of;

impl<T: Tables> Fold<'_, T> {
    pub(super) fn writer_opened(
        &mut self,
        at: Position,
        writer: WriterId,
        fact: &WriterOpened,
        record: &Record,
        before: &[Record],
    ) -> Result<(), T::Error> {
        self.unsealed(before)?;
        let known = self.tables.get::<WriterChain>(&writer)?.is_some();
        self.tables.put(&writer, &WriterChain::opened(record, fact));
        if known { self.contradiction(at, None, Broken::SealBroken(writer)) } else { Ok(()) }
    }

    pub(super) fn writer_fenced(&mut self, writer: WriterId, before: &[Record]) -> Result<(), T::Error> {
        self.unsealed(before)?;
        self.ended(writer)
    }

    pub(super) fn writer_closed(
        &mut self,
        at: Position,
        writer: WriterId,
        seal: &BatchSealed,
        before: &[Record],
    ) -> Result<(), T::Error> {
        self.seal(at, writer, seal, before)?;
        self.ended(writer)
    }

    /// Nothing of the writer may follow: a seal of one that is not known continues nothing.
    fn ended(&mut self, writer: WriterId) -> Result<(), T::Error> {
        self.tables.remove::<WriterChain>(&writer);
        lanes::end(self.tables, writer)
    }

    pub(super) fn seal(
        &mut self,
        at: Position,
        writer: WriterId,
        seal: &BatchSealed,
        before: &[Record],
    ) -> Result<(), T::Error> {
        // What stands before the records of its batch was slipped in.
        let (strangers, covered) = before.split_at(before.len() - covered(seal, before));
        self.unsealed(strangers)?;
        let Some(chain) = self.tables.get::<WriterChain>(&writer)? else {
            return self.broken_batch(at, covered, &Broken::SealBroken(writer));
        };
        let (chain, broken) = chain.sealed(writer, seal, at.seq, self.digests.link(seal, before));
        self.tables.put(&writer, &chain);
        match broken {
            Some(broken) => self.broken_batch(at, covered, &broken),
            None => Ok(()),
        }
    }

    fn unsealed(&mut self, records: &[Record]) -> Result<(), T::Error> {
        for record in records {
            let at = Position::new(record.seq, 0);
            self.broken_batch(at, std::slice::from_ref(record), &Broken::Unsealed)?;
        }
        Ok(())
    }

    /// What is wrong with these records is wrong for every workspace that they speak of.
    fn broken_batch(&mut self, at: Position, records: &[Record], broken: &Broken) -> Result<(), T::Error> {
        let workspaces = spoken_of(records);
        if workspaces.is_empty() {
            return self.contradiction(at, None, broken.clone());
        }
        for workspace in workspaces {
            self.contradiction(at, Some(workspace), broken.clone())?;
        }
        Ok(())
    }

    pub(super) fn claim(&mut self, at: Position, member: MemberId, released: bool) {
        self.head.claim = Some(Claim { seq: at.seq, member, released });
    }

    /// Folds a checkpoint; `before` are the records that stand before it in its batch.
    pub(super) fn checkpoint(
        &mut self,
        at: Position,
        fact: &LedgerCheckpointed,
        before: &[Record],
    ) -> Result<(), T::Error> {
        let last = self.head.checkpoint;
        self.head.checkpoint = Checkpoint { at: at.seq, covers: fact.seq };
        let continues = fact.previous == last.at && fact.seq >= last.covers && fact.seq < at.seq;
        if !continues {
            return self.contradiction(at, None, Broken::CheckpointBroken);
        }
        let Some((log, state)) = self.digests_at(fact.seq, before)? else {
            self.report.checkpoints.passed += 1;
            return Ok(());
        };
        self.report.checkpoints.compared += 1;
        if log != fact.log_digest {
            return self.contradiction(at, None, Broken::LogDiffers);
        }
        if state != fact.state_digest {
            return self.contradiction(at, None, Broken::StateDiffers);
        }
        Ok(())
    }

    /// Both digests at `seq`, where they are known: at a mark, and right before this batch.
    fn digests_at(&self, seq: u64, before: &[Record]) -> Result<Option<(Digest, Digest)>, T::Error> {
        if let Some(mark) = self.head.marks.iter().find(|mark| mark.seq == seq) {
            return Ok(Some((mark.log, mark.state)));
        }
        match self.log_before.filter(|_| before.is_empty() && seq == self.head.batch_end) {
            // Nothing of this batch has moved the state yet.
            Some(log) => Ok(Some((log, state_digest(self.tables, self.head)?))),
            None => Ok(None),
        }
    }
}
