//! Folds the log's own book-keeping: writers and their seals, the ledger's claim, checkpoints.

use angelia_shared::event::{BatchSealed, LedgerCheckpointed, WriterOpened};
use angelia_shared::ids::{MemberId, Position, WriterId};
use angelia_shared::log::Record;

use super::super::chain::WriterChain;
use super::super::contradiction::Broken;
use super::super::head::{Checkpoint, Claim};
use super::super::lanes;
use super::super::table::Tables;
use super::Fold;

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
        // A batch is contiguous, so its records are the newest ones; what stands before them was slipped in.
        let count = usize::try_from(seal.count).unwrap_or(usize::MAX).min(before.len());
        let (strangers, covered) = before.split_at(before.len() - count);
        self.unsealed(strangers)?;
        let Some(chain) = self.tables.get::<WriterChain>(&writer)? else {
            return self.contradiction(at, None, Broken::SealBroken(writer));
        };
        let (chain, broken) = chain.sealed(writer, seal, at.seq, covered);
        self.tables.put(&writer, &chain);
        match broken {
            Some(broken) => self.contradiction(at, None, broken),
            None => Ok(()),
        }
    }

    fn unsealed(&mut self, records: &[Record]) -> Result<(), T::Error> {
        for record in records {
            self.contradiction(Position::new(record.seq, 0), None, Broken::Unsealed)?;
        }
        Ok(())
    }

    pub(super) fn claim(&mut self, at: Position, member: MemberId, released: bool) {
        self.head.claim = Some(Claim { seq: at.seq, member, released });
    }

    pub(super) fn checkpoint(&mut self, at: Position, fact: &LedgerCheckpointed) -> Result<(), T::Error> {
        let before = self.head.checkpoint;
        self.head.checkpoint = Checkpoint { at: at.seq, covers: fact.seq };
        let continues = fact.previous == before.at && fact.seq >= before.covers && fact.seq < at.seq;
        if continues { Ok(()) } else { self.contradiction(at, None, Broken::CheckpointBroken) }
    }
}
