//! The only code that appends: one writer, one batch in flight.
//!
//! Shape: groups in, answers out, in batches of at most 999 records and a seal. A writer has an id of its own and one
//! subject, `ev.writer.{id}`; each seal there is guarded by the record before it, so whoever appends anything to that
//! subject stops this writer for good.
//!
//! Invariants: IN-1, LG-2, and DP-3 for groups that carry a claim as guard.
//!
//! Not here: the rules of one batch (see [`super::settle`]), a queue for many callers (see [`super::appender`]).

mod answer;

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tracing::{info, warn};

use super::digest::Chain;
use super::entry::{AppendError, Guard, Pending};
use super::heads::HeadError;
use super::pack::{Batch, OutRecord, Packer, Tip};
use super::settle::{FirstRecord, Seen, Settlement, Step, Verdict};
use super::stream::EventLog;
use super::transmit::Answer;
use crate::event::{Digest, Event, WriterFenced, WriterOpened};
use crate::ids::{MemberId, WriterId};
use crate::subject::Subject;
use crate::{clock, metrics as names};

/// Pauses between two questions to a leader that does not answer, doubled up to the second one.
const READ_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// Pause before a batch is tried again that was refused without a guard being lost.
const REFUSED_PAUSE: Duration = Duration::from_millis(5);

/// Heads read at once to find a lost guard: a batch may guard hundreds of subjects.
const HEADS_AT_ONCE: usize = 32;

/// Who writes.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// What it writes for: `ingress`, `dispatcher`, `ledger`, ….
    pub role: String,
    /// The process.
    pub member: MemberId,
    /// Whether groups are answered [`AppendError::Unavailable`] at once while the broker is away. Otherwise they wait.
    pub fails_fast: bool,
}

/// A writer could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open a writer: the log did not take its first record")]
pub struct OpenWriterError;

/// An open writer. Whoever holds it has the only batch in flight.
pub struct Writer {
    log: EventLog,
    options: WriterOptions,
    id: WriterId,
    /// Sequence of this writer's newest record on its own subject.
    head: u64,
    /// Number of its newest batch.
    n: u64,
    /// Digest of its newest record.
    digest: Digest,
}

impl Writer {
    /// Opens a writer: `WriterOpened` alone on a subject of its own.
    ///
    /// # Errors
    /// [`OpenWriterError`] when the broker did not acknowledge; try again, under another id.
    pub async fn open(log: EventLog, options: WriterOptions) -> Result<Self, OpenWriterError> {
        let id = WriterId::generate();
        let opened =
            WriterOpened { v: 1, writer: id, role: options.role.clone(), member: options.member, at: clock::now() };
        let subject = Subject::Writer(id);
        let payload = Event::WriterOpened(opened).to_line();
        let mut chain = Chain::after(Digest::default());
        chain.record(&subject.to_string(), &payload);
        let record = OutRecord { subject, payload: payload.into(), guard: Some(Guard::Own(0)) };
        let head = log.append_alone(&record).await.ok_or(OpenWriterError)?;
        Ok(Self { log, options, id, head, n: 0, digest: chain.finish() })
    }

    /// The id under which this writer writes now. It changes when the writer is fenced.
    pub fn id(&self) -> WriterId {
        self.id
    }

    /// The log.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// Whether groups are refused while the broker is away.
    pub(super) fn fails_fast(&self) -> bool {
        self.options.fails_fast
    }

    /// Commits one batch: as many groups from the front of `queue` as fit together. Every group taken is answered, but
    /// those that fell through no fault of their own: they are put back to the front.
    ///
    /// Does not return before what it took is settled, however long the broker is away. Dropping the future leaves the
    /// batch undecided and its callers without an answer; the writer must then be dropped, too.
    pub async fn commit(&mut self, queue: &mut VecDeque<Pending>) {
        self.append_batch(queue, false).await;
    }

    /// Commits what is left in `queue`; the last batch ends the chain with `WriterClosed` in place of a seal.
    ///
    /// Bounded by the caller's patience: what is not answered when the future is dropped stays unanswered.
    pub async fn close(mut self, mut queue: VecDeque<Pending>) {
        while !self.append_batch(&mut queue, true).await {}
        info!(writer.id = %self.id, batches = self.n, "closed a writer");
    }

    /// Appends one batch; returns whether it was the last. With `closing`, the batch that empties `queue` is the last.
    async fn append_batch(&mut self, queue: &mut VecDeque<Pending>, closing: bool) -> bool {
        self.wait_for_connection(queue).await;
        let mut packer = Packer::default();
        let taken = packer.take(queue);
        let closes = closing && queue.is_empty();
        if taken.is_empty() && !closes {
            return false;
        }
        let (records, places) = packer.finish();
        let batch = Batch::sealed(records, self.tip(), closes);
        let started = clock::monotonic();
        let (verdict, sealed_at, answer) = self.settle(&batch).await;
        metrics::histogram!(names::COMMIT_SECONDS).record(started.elapsed().as_secs_f64());
        match verdict {
            Verdict::Stored => {
                self.advance(&batch, sealed_at);
                answer::stored(taken, &places, sealed_at, batch.records.len());
                closes
            }
            Verdict::Refused => match self.refused(&batch, answer, taken, queue).await {
                Some(fenced) => self.fenced(fenced, closes).await,
                None => false,
            },
            Verdict::Fenced => self.fenced(taken, closes).await,
        }
    }

    /// Goes on under a new id, unless this one was only to be closed; returns whether it was.
    async fn fenced(&mut self, taken: Vec<Pending>, closes: bool) -> bool {
        if !closes {
            self.reopen().await;
        }
        for pending in taken {
            pending.answer(Err(AppendError::NeverStored));
        }
        closes
    }

    /// Waits until connected, or answers everything when this writer fails fast. Nothing was transmitted yet.
    async fn wait_for_connection(&self, queue: &mut VecDeque<Pending>) {
        while !self.log.is_connected() {
            if self.options.fails_fast {
                for pending in queue.drain(..) {
                    pending.answer(Err(AppendError::Unavailable));
                }
                return;
            }
            tokio::time::sleep(READ_PAUSE.0).await;
        }
    }

    fn tip(&self) -> Tip {
        Tip { writer: self.id, n: self.n, head: self.head, digest: self.digest }
    }

    /// Does what the rules say until the batch is decided.
    async fn settle(&self, batch: &Batch) -> (Verdict, u64, Option<Answer>) {
        let (mut rules, mut step) = Settlement::begin();
        let mut sealed_at = 0;
        let mut answer = None;
        let mut pause = READ_PAUSE.0;
        loop {
            let seen = match step {
                Step::Done(verdict) => return (verdict, sealed_at, answer),
                Step::Transmit => {
                    let got = self.log.transmit(batch).await;
                    answer = Some(got);
                    sealed_at = got.sealed_at;
                    if got.seen == Seen::Silence {
                        metrics::counter!(names::BATCHES_AMBIGUOUS).increment(1);
                    }
                    got.seen
                }
                Step::ReadFirst => match self.read_first(batch).await {
                    Ok((first, seq)) => {
                        sealed_at = seq;
                        Seen::First(first)
                    }
                    Err(error) => {
                        warn!(error = %crate::telemetry::chain(&error), "cannot settle a batch yet");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(READ_PAUSE.1);
                        continue;
                    }
                },
                Step::Fence => {
                    self.fence_myself().await;
                    tokio::time::sleep(READ_PAUSE.0).await;
                    Seen::FenceSent
                }
            };
            step = rules.step(seen);
        }
    }

    async fn read_first(&self, batch: &Batch) -> Result<(FirstRecord, u64), HeadError> {
        let found = self.log.first_from(Subject::Writer(self.id), self.head + 1).await?;
        let first = FirstRecord::of(found.as_ref().map(|found| &found.payload[..]), batch.digest);
        Ok((first, found.map_or(0, |found| found.seq)))
    }

    async fn fence_myself(&self) {
        let fence = WriterFenced {
            v: 1,
            writer: self.id,
            by: self.options.member,
            reason: "a batch stayed undecided".to_owned(),
            at: clock::now(),
        };
        // Whether it was stored is read afterwards; the answer proves nothing more.
        let _seen_by_reading = self.log.fence(fence, None).await;
    }

    fn advance(&mut self, batch: &Batch, sealed_at: u64) {
        self.head = sealed_at;
        self.n += 1;
        self.digest = batch.digest;
        metrics::counter!(names::BATCHES_STORED).increment(1);
        metrics::counter!(names::RECORDS_STORED).increment(batch.records.len() as u64 + 1);
    }

    /// Nothing was stored: finds out whose guard was lost, answers those groups, puts the others back. Gives the groups
    /// back when it was the writer's own.
    async fn refused(
        &mut self,
        batch: &Batch,
        answer: Option<Answer>,
        taken: Vec<Pending>,
        queue: &mut VecDeque<Pending>,
    ) -> Option<Vec<Pending>> {
        if answer.is_some_and(Answer::is_too_large) {
            for pending in taken {
                pending.answer(Err(AppendError::TooLarge));
            }
            return None;
        }
        let mut lost = Vec::new();
        if answer.is_some_and(Answer::is_guard_lost) {
            lost = self.lost_guards(batch).await;
        }
        if lost.iter().any(|(subject, _)| *subject == Subject::Writer(self.id)) {
            return Some(taken);
        }
        if lost.is_empty() {
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
        answer::guards_lost(taken, &lost, queue);
        None
    }

    /// Reads the head of everything that the batch guards; the writer's own subject is among them.
    async fn lost_guards(&self, batch: &Batch) -> Vec<(Subject, u64)> {
        let reads = batch.guards().into_iter().map(|(subject, expected)| async move {
            let head = self.head_of(subject).await;
            (head != expected).then_some((subject, head))
        });
        stream::iter(reads).buffer_unordered(HEADS_AT_ONCE).filter_map(std::future::ready).collect().await
    }

    async fn head_of(&self, subject: Subject) -> u64 {
        let mut pause = READ_PAUSE.0;
        loop {
            match self.log.head(subject).await {
                Ok(head) => return head.map_or(0, |head| head.seq),
                Err(error) => {
                    warn!(error = %crate::telemetry::chain(&error), "cannot find the lost guard yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(READ_PAUSE.1);
                }
            }
        }
    }

    /// Opens a new writer in place of this one, which was fenced.
    async fn reopen(&mut self) {
        metrics::counter!(names::WRITERS_FENCED).increment(1);
        warn!(writer.id = %self.id, "the writer was fenced; opening a new one");
        let mut pause = READ_PAUSE.0;
        loop {
            match Self::open(self.log.clone(), self.options.clone()).await {
                Ok(fresh) => {
                    *self = fresh;
                    return;
                }
                Err(OpenWriterError) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(READ_PAUSE.1);
                }
            }
        }
    }
}
