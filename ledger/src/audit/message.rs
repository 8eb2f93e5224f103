//! One message from the log alone: what a ledger answers, without what it keeps of all others.
//!
//! Shape: the log is read twice. First only acceptances, until the message's is found. Then everything, narrowed: the
//! events of this message go through the ledger's own fold, those of earlier messages of its account through another one
//! that keeps only what rules look at, so that its place in the queue is known.
//!
//! Not here: opening its content (that needs keys).

use std::collections::HashSet;

use angelia_shared::event::{Event, KNOWN_VERSION, lines};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::log::{EventLog, From, Reader, ReaderOptions, Record};
use angelia_shared::query::{MessageState, MessageView};
use angelia_shared::subject::{Partition, Subject};

use super::read::{Progress, ReadLogError, Stretch, WholeBatches, missing};
use crate::domain::answer;
use crate::domain::lean_tables::LeanTables;
use crate::domain::message::Message;
use crate::domain::projection::Projection;
use crate::domain::table::{MemoryTables, Tables, Unreadable};

/// The subjects of all acceptances.
const ACCEPTANCES: &str = "ev.accepted.*";

/// Where a message was accepted, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    message: MessageId,
    at: Position,
    part: Partition,
    workspace: WorkspaceId,
    account: AccountId,
}

impl Found {
    /// The acceptance of a message in a record, if it is there.
    pub fn within(record: &Record, message: MessageId) -> Option<Self> {
        let Ok(Subject::Accepted(part)) = record.subject else { return None };
        let text = message.to_string();
        let mut numbered = lines(&record.payload).zip(0..);
        numbered.find_map(|(line, number)| {
            // Few lines hold the id: the others need not be read.
            if !line.windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
                return None;
            }
            match Event::from_line(line) {
                Ok(Event::MessageAccepted(fact)) if fact.message == message && fact.v <= KNOWN_VERSION => Some(Self {
                    message,
                    at: Position::new(record.seq, number),
                    part,
                    workspace: fact.workspace,
                    account: fact.account,
                }),
                Ok(_) | Err(_) => None,
            }
        })
    }

    /// The subjects whose records may speak of the message.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let Self { part, workspace, account, .. } = *self;
        let own = [
            Subject::Cancel(part),
            Subject::Receipt(part),
            Subject::Settlement(part),
            Subject::Attempt(part, workspace, account),
            Subject::Wallet(workspace),
        ];
        own.iter().map(ToString::to_string).collect()
    }

    /// Whether a record may speak of the message or of its account.
    fn may_be_in(&self, record: &Record) -> bool {
        match record.subject {
            Ok(
                Subject::Accepted(part) | Subject::Cancel(part) | Subject::Receipt(part) | Subject::Settlement(part),
            ) => part == self.part,
            Ok(Subject::Attempt(_, workspace, account)) => (workspace, account) == (self.workspace, self.account),
            Ok(Subject::Wallet(workspace)) => workspace == self.workspace,
            _ => false,
        }
    }
}

/// A message under way.
pub struct OneMessage {
    found: Found,
    own: Projection<MemoryTables>,
    /// The messages that were accepted before it on its account.
    earlier: Projection<LeanTables>,
    places: Vec<Position>,
    ids: HashSet<MessageId>,
}

impl OneMessage {
    /// Nothing of it is known yet but its acceptance's place.
    pub fn new(found: Found) -> Self {
        let (own, earlier) = (Projection::default(), Projection::default());
        Self { found, own, earlier, places: Vec::new(), ids: HashSet::new() }
    }

    /// Takes up a record. Records come in order.
    ///
    /// # Errors
    /// A row cannot be read back: a bug.
    pub fn record(&mut self, record: &Record) -> Result<(), Unreadable> {
        if !self.found.may_be_in(record) {
            return Ok(());
        }
        let mut own = Vec::new();
        let mut earlier = Vec::new();
        for (line, number) in lines(&record.payload).zip(0..) {
            let at = Position::new(record.seq, number);
            let event = Event::from_line(line).ok();
            let is_own = event.as_ref().is_some_and(|event| speaks_of(event, |id| id == self.found.message));
            if let Some(Event::MessageAccepted(fact)) = &event
                && (fact.workspace, fact.account) == (self.found.workspace, self.found.account)
                && at < self.found.at
                && self.ids.insert(fact.message)
            {
                self.places.push(at);
            }
            let is_earlier = event.as_ref().is_some_and(|event| speaks_of(event, |id| self.ids.contains(&id)));
            own.push(if is_own { line } else { NOTHING });
            earlier.push(if is_earlier { line } else { NOTHING });
        }
        // The fold looks at whole batches only for their seals, which a narrowed record has none of.
        if let Some(record) = narrowed(record, &own) {
            self.own.fold(&[record])?;
        }
        if let Some(record) = narrowed(record, &earlier) {
            self.earlier.fold(&[record])?;
        }
        Ok(())
    }

    /// The message, as a ledger would answer now; none before its acceptance was taken up.
    ///
    /// # Errors
    /// A row cannot be read back: a bug.
    pub fn view(&self) -> Result<Option<MessageView>, Unreadable> {
        let view = answer::message(&self.own.tables, self.found.workspace, self.found.message)?;
        let Some(view) = view else { return Ok(None) };
        let ahead = match view.state {
            MessageState::Queued => Some(self.ahead()?),
            _ => None,
        };
        Ok(Some(MessageView { ahead, ..view }))
    }

    fn ahead(&self) -> Result<u64, Unreadable> {
        let mut ahead = 0;
        for at in &self.places {
            let waits = self.earlier.tables.get::<Message>(at)?.is_some_and(|message| !message.left_queue);
            ahead += u64::from(waits);
        }
        Ok(ahead)
    }
}

/// What stands in a narrowed record where something else is spoken of, so that lines keep their numbers. It is no event.
const NOTHING: &[u8] = b"{}";

/// The record with only these lines; none when nothing is left.
fn narrowed(record: &Record, kept: &[&[u8]]) -> Option<Record> {
    let any = kept.iter().any(|line| *line != NOTHING);
    any.then(|| Record { payload: kept.join(&b'\n').into(), ..record.clone() })
}

/// Whether an event is about such a message.
fn speaks_of(event: &Event, is_wanted: impl Fn(MessageId) -> bool) -> bool {
    match event {
        Event::MessageAccepted(fact) => is_wanted(fact.message),
        Event::CancelRequested(fact) => is_wanted(fact.message),
        Event::AttemptStarted(fact) => is_wanted(fact.message),
        Event::AttemptEnded(fact) => is_wanted(fact.message),
        Event::PartRefused(fact) => is_wanted(fact.message),
        Event::MessageExpired(fact) => is_wanted(fact.message),
        Event::MessageCancelled(fact) => is_wanted(fact.message),
        Event::MessageSent(fact)
        | Event::MessageDelivered(fact)
        | Event::MessageRead(fact)
        | Event::MessageFailed(fact) => is_wanted(fact.message),
        Event::OutcomeSettled(fact) => is_wanted(fact.message),
        Event::CreditsRefunded(fact) => fact.items.iter().any(|item| is_wanted(item.message)),
        Event::CreditsGranted(_)
        | Event::CreditsDrawn(_)
        | Event::CreditsReturned(_)
        | Event::KeyUsed(_)
        | Event::WorkspaceChanged(_)
        | Event::WebhookChanged(_)
        | Event::AccountChanged(_)
        | Event::TokenChanged(_)
        | Event::PartitionClaimed(_)
        | Event::PartitionReleased(_)
        | Event::WriterOpened(_)
        | Event::BatchSealed(_)
        | Event::WriterFenced(_)
        | Event::WriterClosed(_)
        | Event::LedgerCheckpointed(_) => false,
    }
}

/// A message cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum TellMessageError {
    /// The log cannot be read.
    #[error("cannot read the log")]
    Read(#[from] ReadLogError),
    /// A row in memory cannot be read back: a bug.
    #[error("cannot read a row back")]
    Row(#[from] Unreadable),
}

/// Tells a message from every whole batch up to a point; none when it was not accepted there.
///
/// # Errors
/// [`TellMessageError`].
pub async fn tell(
    log: &EventLog,
    message: MessageId,
    stretch: Stretch,
    progress: impl FnMut(Progress),
) -> Result<Option<MessageView>, TellMessageError> {
    let Some(found) = find(log, message, stretch.end).await? else { return Ok(None) };
    let mut one = OneMessage::new(found);
    let mut batches = WholeBatches::start(log, "message", stretch, progress);
    while let Some(batch) = batches.next().await? {
        batch.iter().try_for_each(|record| one.record(record))?;
    }
    Ok(one.view()?)
}

async fn find(log: &EventLog, message: MessageId, end: u64) -> Result<Option<Found>, ReadLogError> {
    let filters = vec![ACCEPTANCES.to_owned()];
    let options = ReaderOptions { name: "message-acceptance".to_owned(), filters, from: From::After(0) };
    let mut reader = Reader::new(log.clone(), options);
    let mut pending = reader.open().await;
    while pending > 0 {
        let record = reader.next().await.map_err(missing)?;
        pending = record.pending;
        if record.seq > end {
            break;
        }
        if let Some(found) = Found::within(&record, message) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::domain::history::{World, steps};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn what_is_told_of_a_message_is_what_a_ledger_answers_at_any_point(steps in steps(150), stop in any::<Index>()) {
            let mut world = World::new();
            world.play(&steps);
            let batches = &world.log.batches[..=stop.index(world.log.batches.len())];
            let mut whole = Projection::<MemoryTables>::default();
            for batch in batches {
                whole.fold(batch).unwrap();
            }
            for (_, _, event) in &world.log.events {
                let Event::MessageAccepted(fact) = event else { continue };
                let records = || world.log.batches.iter().flatten();
                let found = records().find_map(|record| Found::within(record, fact.message)).expect("it was accepted");
                let mut one = OneMessage::new(found);
                for record in batches.iter().flatten() {
                    one.record(record).unwrap();
                }
                let answered = answer::message(&whole.tables, fact.workspace, fact.message).unwrap();
                prop_assert_eq!(one.view().unwrap(), answered);
            }
        }
    }
}
