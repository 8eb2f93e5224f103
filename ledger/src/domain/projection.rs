//! Folds the log: one batch of records in, changed rows out.
//!
//! Shape: ([`Tables`], [`Head`], batch) -> the same after it, and a [`Report`] of what could not be true or not be read.
//! The fold depends on nothing but the records: a replay gives the same rows and digests.
//!
//! Invariants:
//! - LG-1 the projection at a sequence equals a replay to that sequence.
//! - A batch that was folded already changes nothing.
//! - No fact is skipped in silence: what cannot be true is a contradiction, what cannot be read is counted and named.
//!
//! Not here: the rules (each has its module), storing (see `shell/store.rs`), acting on debts (see `shell/actor.rs`).

mod book_keeping;
mod messages;
mod money;
mod shared_rows;
mod spoken_of;

use angelia_shared::event::{BadLine, Digest, Event, KNOWN_VERSION, lines};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::log::Record;
use angelia_shared::log::digest::sha256;
use angelia_shared::subject::Subject;

use super::acceptance::{self, Acceptance};
use super::chain::Digests;
use super::contradiction::{Broken, Contradiction, Kept};
use super::digest::state_digest;
use super::head::{Head, is_fact};
use super::message::{Message, Report as Receipted};
use super::table::Tables;
use super::wallet::Wallet;
use shared_rows::SharedRows;

/// Contradictions that are kept in words. All are counted.
const CONTRADICTIONS_KEPT: u64 = 1_000;

/// The projection: rows, and where it is.
#[derive(Clone, Debug, Default)]
pub struct Projection<T> {
    /// The rows.
    pub tables: T,
    /// Where it is.
    pub head: Head,
}

/// Checkpoints that a batch brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// Compared with both digests of this projection.
    pub compared: u64,
    /// Not compared: what they cover is no mark, and more came between it and them. A replay compares those, too.
    pub passed: u64,
}

/// What a batch brought that someone should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records folded now.
    pub records: u64,
    /// Events folded now.
    pub events: u64,
    /// Facts that cannot be true.
    pub contradictions: Vec<Contradiction>,
    /// Lines that were not understood, with the type they name.
    pub unknown: Vec<(Position, String)>,
    /// Receipts about parts that were never attempted.
    pub stray_receipts: Vec<Position>,
    /// Checkpoints.
    pub checkpoints: Checkpoints,
}

impl<T: Tables> Projection<T> {
    /// Takes up what `tables` hold.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn resume(tables: T) -> Result<Self, T::Error> {
        let head = tables.get::<Head>(&())?.unwrap_or_default();
        Ok(Self { tables, head })
    }

    /// Folds a whole batch, ended by a record on a writer's subject. Records that were folded already change nothing.
    ///
    /// The rows may be written after any record, the cursor with them: a batch can hold more than should wait in memory.
    /// Whoever takes up rows from within a batch reads that batch again from [`Head::batch_end`] on.
    ///
    /// # Errors
    /// When the store cannot be used: the projection is then between two states and must be thrown away.
    pub fn fold(&mut self, batch: &[Record]) -> Result<Report, T::Error> {
        let digests = Digests::of(self.head.log_digest, self.folded(batch), batch);
        self.fold_digested(batch, &digests)
    }

    /// The same with digests that were made ahead.
    ///
    /// # Errors
    /// As [`fold`](Self::fold).
    pub fn fold_digested(&mut self, batch: &[Record], digests: &Digests) -> Result<Report, T::Error> {
        let folded = self.folded(batch);
        if !digests.fit(self.head.log_digest, folded, batch) {
            return self.fold(batch);
        }
        // Taken up from within a batch, what was before it is not known any more; its first record is folded then.
        let log_before = (self.head.seq == self.head.batch_end).then_some(self.head.log_digest);
        let mut fold = Fold {
            tables: &mut self.tables,
            head: &mut self.head,
            shared: SharedRows::default(),
            report: Report::default(),
            log_before,
            digests,
        };
        for (at, record) in batch.iter().enumerate().skip(folded) {
            fold.record(record, &batch[..at])?;
            if fold.tables.is_full() {
                fold.tables.put(&(), &*fold.head);
                fold.tables.relieve()?;
            }
        }
        let report = fold.report;
        // Also when its last record was the last that was written: then nothing but this was left to do.
        if self.head.batch_end < self.head.seq {
            self.head.batch_end = self.head.seq;
            if self.head.is_mark_due() {
                self.head.mark(state_digest(&self.tables, &self.head)?);
            }
            self.tables.put(&(), &self.head);
        }
        Ok(report)
    }

    /// How many of the batch's records were folded already.
    fn folded(&self, batch: &[Record]) -> usize {
        batch.iter().take_while(|record| record.seq <= self.head.seq).count()
    }
}

/// Whose a message must be for an event to be about it.
#[derive(Clone, Copy, Debug)]
struct Owner {
    workspace: WorkspaceId,
    account: AccountId,
}

/// A fold under way.
struct Fold<'a, T> {
    tables: &'a mut T,
    head: &'a mut Head,
    shared: SharedRows,
    report: Report,
    /// The log's digest at the end of the batch before.
    log_before: Option<Digest>,
    /// What both chains make of the batch.
    digests: &'a Digests,
}

impl<T: Tables> Fold<'_, T> {
    /// Folds one record; `before` are those that stand before it in its batch.
    fn record(&mut self, record: &Record, before: &[Record]) -> Result<(), T::Error> {
        self.head.log_digest = self.digests.log_after(before.len());
        if self.head.seq == 0 {
            self.head.first = sha256(&record.payload);
        }
        self.head.seq = record.seq;
        self.head.counts.records += 1;
        self.report.records += 1;
        for (line, bytes) in lines(&record.payload).enumerate() {
            let at = Position::new(record.seq, u16::try_from(line).unwrap_or(u16::MAX));
            self.report.events += 1;
            match (&record.subject, Event::from_line(bytes)) {
                // Its fields may mean something else: what was folded of it in the words of today could be wrong money.
                (_, Ok(event)) if event.version() > KNOWN_VERSION => {
                    self.unknown(at, &format!("{} v{}", event.name(), event.version()));
                }
                (Ok(subject), Ok(event)) => {
                    if self.event(at, *subject, &event, record, before)? {
                        self.head.counts.event(event.name());
                        if is_fact(&event) {
                            self.head.last_fact = record.seq;
                        }
                    } else {
                        self.unknown(at, &format!("{} out of place", event.name()));
                    }
                }
                (Err(_), Ok(event)) => self.unknown(at, &format!("{} out of place", event.name())),
                (_, Err(BadLine::UnknownType { name })) => self.unknown(at, &name),
                (_, Err(BadLine::BadFields { name, .. })) => self.unknown(at, &format!("{name} unreadable")),
                (_, Err(BadLine::NotAnEvent { .. })) => self.unknown(at, "not an event"),
            }
        }
        self.shared.put(self.tables, record.seq);
        Ok(())
    }

    /// Folds one event; says whether it stands where events of its type belong.
    fn event(
        &mut self,
        at: Position,
        subject: Subject,
        event: &Event,
        record: &Record,
        before: &[Record],
    ) -> Result<bool, T::Error> {
        match (subject, event) {
            (Subject::Accepted(_), Event::MessageAccepted(fact)) => self.accepted(at, fact)?,
            (Subject::Cancel(_), Event::CancelRequested(fact)) => self.cancel_requested(at, fact)?,
            (Subject::Attempt(_, workspace, account), event) => {
                return self.attempt(at, Owner { workspace, account }, event);
            }
            (Subject::Receipt(_), Event::MessageSent(fact)) => self.receipt(at, Receipted::Sent, event, fact)?,
            (Subject::Receipt(_), Event::MessageDelivered(fact)) => {
                self.receipt(at, Receipted::Delivered, event, fact)?
            }
            (Subject::Receipt(_), Event::MessageRead(fact)) => self.receipt(at, Receipted::Read, event, fact)?,
            (Subject::Receipt(_), Event::MessageFailed(fact)) => self.receipt(at, Receipted::Failed, event, fact)?,
            (Subject::Settlement(_), Event::OutcomeSettled(fact)) => self.settled(at, fact)?,
            (Subject::Wallet(workspace), Event::CreditsGranted(fact)) => self.granted(at, workspace, fact)?,
            (Subject::Wallet(workspace), Event::CreditsDrawn(fact)) => self.drawn(at, workspace, fact)?,
            (Subject::Wallet(workspace), Event::CreditsReturned(fact)) => self.returned(at, workspace, fact)?,
            (Subject::Wallet(workspace), Event::CreditsRefunded(fact)) => self.refunded(at, workspace, fact)?,
            (Subject::Key(bucket), Event::KeyUsed(fact)) => self.key_used(at, bucket, fact)?,
            // The directory is not the ledger's: it is read where it is needed.
            (
                Subject::Directory(..),
                Event::WorkspaceChanged(_)
                | Event::WebhookChanged(_)
                | Event::AccountChanged(_)
                | Event::TokenChanged(_),
            ) => {}
            // The partitions' claims are the dispatchers' business.
            (Subject::PartitionClaim(_), Event::PartitionClaimed(_) | Event::PartitionReleased(_)) => {}
            (Subject::LedgerClaim, Event::PartitionClaimed(fact)) => self.claim(at, fact.member, false),
            (Subject::LedgerClaim, Event::PartitionReleased(fact)) => self.claim(at, fact.member, true),
            (Subject::Writer(writer), Event::WriterOpened(fact)) => {
                self.writer_opened(at, writer, fact, record, before)?
            }
            (Subject::Writer(writer), Event::BatchSealed(seal)) => self.seal(at, writer, seal, before)?,
            (Subject::Writer(writer), Event::WriterClosed(seal)) => self.writer_closed(at, writer, seal, before)?,
            (Subject::Writer(writer), Event::WriterFenced(_)) => self.writer_fenced(writer, before)?,
            (Subject::Checkpoint, Event::LedgerCheckpointed(fact)) => self.checkpoint(at, fact, before)?,
            // Counted and named as out of place, never skipped in silence.
            (_, _) => return Ok(false),
        }
        Ok(true)
    }

    /// The message that an event is about, with its place; `None` when this owner never accepted it.
    fn find(&self, owner: Owner, id: MessageId) -> Result<Option<(Position, Message)>, T::Error> {
        let Some(Acceptance(at)) = self.tables.get(&id)? else { return Ok(None) };
        let message = acceptance::load(self.tables, at)?;
        let ours = |message: &Message| message.workspace == owner.workspace && message.account == owner.account;
        Ok(message.filter(ours).map(|message| (at, message)))
    }

    /// Counts, keeps and reports a fact that cannot be true, and stops what the ledger would do for its workspace.
    fn contradiction(
        &mut self,
        position: Position,
        workspace: Option<WorkspaceId>,
        broken: Broken,
    ) -> Result<(), T::Error> {
        let number = self.head.counts.contradictions;
        self.head.counts.contradictions += 1;
        if number < CONTRADICTIONS_KEPT {
            let kept = Kept { workspace, invariant: broken.invariant().id().to_owned(), what: broken.to_string() };
            self.tables.put(&(position, number as u16), &kept);
        }
        if let Some(workspace) = workspace {
            let mut wallet: Wallet = self.tables.get(&workspace)?.unwrap_or_default();
            wallet.stopped.get_or_insert(position);
            self.tables.put(&workspace, &wallet);
        }
        self.report.contradictions.push(Contradiction { position, workspace, broken });
        Ok(())
    }

    /// Counts and reports a line that this version does not understand. The log keeps it.
    fn unknown(&mut self, at: Position, name: &str) {
        self.head.counts.unknown(name);
        self.head.last_fact = at.seq;
        self.report.unknown.push((at, name.chars().take(64).collect()));
    }
}

#[cfg(test)]
mod tests;
