//! What only the log has: sealed contents, and messages as they were at a sequence.

use std::collections::BTreeSet;

use angelia_shared::event::{Event, MessageAccepted, lines};
use angelia_shared::ids::{MessageId, Position, WorkspaceId};
use angelia_shared::log::{From, Reader, ReaderOptions, Record};
use angelia_shared::query::{AskContents, AskMessageThen, AskPlaces, MessageView, SealedContent};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::super::store::Overlay;
use super::answers::{halve, limit};
use super::{AnswerError, Answered, Desk};
use crate::audit::message::{Found, OneMessage};
use crate::domain::answer::{self, Places};
use crate::domain::projection::Projection;

/// Records that one answer reads at once: enough that the broker never waits for us.
const READ_AT_ONCE: usize = 64;
/// Places in one question.
const PLACES_MAX: usize = 1_001;
/// Records that are read to find what a timeline keeps no more: a fraction of a second. Beyond it there is no answer.
const GAP_RECORDS_MAX: u64 = 100_000;

impl Answered for AskPlaces {
    async fn answer(self, desk: &Desk) -> Result<(Vec<Position>, u64), AnswerError> {
        let Self { workspace, state, account, before, limit: asked } = self;
        let wanted = answer::Wanted { workspace, state, account, before, limit: limit(asked) };
        desk.read(move |projection| answer::message_places(&projection.tables, wanted)).await
    }
}

impl Answered for AskContents {
    async fn answer(mut self, desk: &Desk) -> Result<(Vec<SealedContent>, u64), AnswerError> {
        self.places.truncate(PLACES_MAX);
        let as_of_seq = desk.live.position();
        let of_records = self.places.chunk_by(|one, next| one.seq == next.seq);
        // In vectors of their own: what a stream borrows must live as long as it.
        let of_records: Vec<Vec<Position>> = of_records.map(<[Position]>::to_vec).collect();
        let read = futures_util::stream::iter(of_records).map(|places| async move {
            let record = desk.log.past_record(places[0].seq).await.map_err(AnswerError::Log)?;
            Ok::<_, AnswerError>(record.map(|record| contents(&record, &places, self.workspace)).unwrap_or_default())
        });
        let read: Vec<Vec<SealedContent>> = read.buffered(READ_AT_ONCE).try_collect().await?;
        Ok((read.into_iter().flatten().collect(), as_of_seq))
    }

    fn shorten(answer: &mut Vec<SealedContent>) -> bool {
        halve(answer)
    }
}

/// The contents of a record's lines, but for those that are no acceptances of the workspace.
fn contents(record: &Record, places: &[Position], workspace: WorkspaceId) -> Vec<SealedContent> {
    let all: Vec<&[u8]> = lines(&record.payload).collect();
    let found = places.iter().filter_map(|at| {
        let fact = acceptance(all.get(usize::from(at.line))?)?;
        let content =
            |fact: MessageAccepted| SealedContent { accepted: *at, message: fact.message, sealed: fact.sealed };
        Some(fact).filter(|fact| fact.workspace == workspace).map(content)
    });
    found.collect()
}

fn acceptance(line: &[u8]) -> Option<MessageAccepted> {
    match Event::from_line(line) {
        Ok(Event::MessageAccepted(fact)) => Some(*fact),
        Ok(_) | Err(_) => None,
    }
}

impl Answered for AskMessageThen {
    async fn answer(self, desk: &Desk) -> Result<(Option<MessageView>, u64), AnswerError> {
        let Self { workspace, message, as_of } = self;
        let read = move |projection: &Projection<Overlay>| answer::events_of(&projection.tables, workspace, message);
        let (found, as_of_seq) = desk.read(read).await?;
        let Some(places) = found else { return Ok((None, as_of_seq)) };
        Ok((desk.then(message, &places, as_of).await?, as_of_seq))
    }
}

impl Desk {
    /// The message as it was: its own records folded again, up to one.
    async fn then(&self, message: MessageId, places: &Places, as_of: u64) -> Result<Option<MessageView>, AnswerError> {
        let Some(accepted) = places.kept.first().copied().filter(|at| at.seq <= as_of) else { return Ok(None) };
        let seqs: BTreeSet<u64> = places.kept.iter().map(|at| at.seq).filter(|seq| *seq <= as_of).collect();
        let read = futures_util::stream::iter(seqs).map(|seq| async move {
            self.log.past_record(seq).await.map_err(AnswerError::Log)?.ok_or(AnswerError::NotAnAcceptance(seq))
        });
        let mut records: Vec<Record> = read.buffered(READ_AT_ONCE).try_collect().await?;
        let found = records.first().and_then(|record| Found::within(record, message));
        let found = found.ok_or(AnswerError::NotAnAcceptance(accepted.seq))?;
        if let Some((after, before)) = places.gap.filter(|(after, _)| after.seq < as_of) {
            records.extend(self.left_out(&found, after.seq, as_of.min(before.seq.saturating_sub(1))).await?);
            records.sort_by_key(|record| record.seq);
        }
        let sealed = records.first().and_then(|record| {
            acceptance(lines(&record.payload).nth(usize::from(accepted.line))?).map(|fact| fact.sealed)
        });
        let mut one = OneMessage::new(found);
        records.iter().try_for_each(|record| one.record(record)).map_err(AnswerError::Row)?;
        let view = one.view().map_err(AnswerError::Row)?;
        Ok(view.map(|view| MessageView { ahead: None, sealed, ..view }))
    }

    /// Records that may speak of a message, after one sequence and up to another.
    async fn left_out(&self, found: &Found, after: u64, through: u64) -> Result<Vec<Record>, AnswerError> {
        let options =
            ReaderOptions { name: "message-then".to_owned(), filters: found.subjects(), from: From::After(after) };
        let mut reader = Reader::new(self.log.clone(), options);
        let (mut pending, mut read, mut records) = (reader.open().await, 0, Vec::new());
        while pending > 0 {
            let record = reader.next().await.map_err(AnswerError::Read)?;
            (pending, read) = (record.pending, read + 1);
            if record.seq > through {
                break;
            }
            if read > GAP_RECORDS_MAX {
                return Err(AnswerError::TooFarApart);
            }
            records.push(record);
        }
        Ok(records)
    }
}
