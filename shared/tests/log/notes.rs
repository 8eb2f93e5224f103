//! Callers' notes: what was handed in and what was told, held against the log.

use std::collections::HashMap;
use std::sync::Mutex;

use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{CancelRequested, CreditsDrawn, Event, Totals, WorkspaceChanged};
use angelia_shared::ids::{AccountId, MemberId, MessageId, WorkspaceId, WriterId};
use angelia_shared::log::{
    AppendError, Appender, AppenderOptions, Entry, EventLog, Group, Guard, Stored, Writer, WriterOptions,
};
use angelia_shared::subject::{DirectoryKind, Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::checker::Record;

pub(crate) type Answer = Result<Stored, AppendError>;

/// What one caller handed in, and the answer; none when nobody answered.
pub(crate) struct Note {
    group: Group,
    answer: Option<Answer>,
}

/// The notes of many callers.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<Note>>);

impl Notes {
    /// Hands a group in and notes the answer.
    pub(crate) async fn append(&self, appender: &Appender, group: Group) -> Answer {
        let at = {
            let mut notes = self.0.lock().unwrap();
            notes.push(Note { group: group.clone(), answer: None });
            notes.len() - 1
        };
        let answer = appender.append(group).await;
        self.0.lock().unwrap()[at].answer = Some(answer.clone());
        answer
    }

    pub(crate) fn write(&self, group: Group, answer: Option<Answer>) {
        self.0.lock().unwrap().push(Note { group, answer });
    }

    /// How many groups were answered as stored.
    pub(crate) fn stored(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|note| matches!(note.answer, Some(Ok(_)))).count()
    }

    /// Holds every note against the log. What was told as stored is exactly where it was told; what was told as not
    /// stored is not there; what was not answered is there whole, once, or not at all.
    pub(crate) fn check(&self, records: &[Record]) {
        let mut times: HashMap<(&str, &[u8]), usize> = HashMap::new();
        for record in records {
            for line in record.lines() {
                *times.entry((&record.subject, line)).or_default() += 1;
            }
        }
        for Note { group, answer } in self.0.lock().unwrap().iter() {
            let subjects: Vec<_> = group.entries.iter().map(|entry| entry.subject.to_string()).collect();
            let stored = |at: usize| times.get(&(&subjects[at], &group.entries[at].line)).copied().unwrap_or(0);
            let counts: Vec<usize> = (0..subjects.len()).map(stored).collect();
            match answer {
                Some(Ok(told)) => {
                    assert!(counts.iter().all(|count| *count == 1), "stored exactly once: {counts:?}");
                    check_place(group, told, records);
                }
                None | Some(Err(AppendError::Closed)) => {
                    assert!(counts[0] <= 1, "never twice");
                    assert!(counts.iter().all(|count| *count == counts[0]), "whole or not at all: {counts:?}");
                }
                Some(Err(error)) => assert!(counts.iter().all(|count| *count == 0), "{error}, and yet: {counts:?}"),
            }
        }
    }
}

fn check_place(group: &Group, told: &Stored, records: &[Record]) {
    assert_eq!(told.positions.len(), group.entries.len());
    for (entry, at) in group.entries.iter().zip(&told.positions) {
        let record = &records[usize::try_from(at.seq - 1).unwrap()];
        assert_eq!(record.subject, entry.subject.to_string());
        assert_eq!(record.lines()[usize::from(at.line)], entry.line);
        assert!(at.seq < told.sealed_at);
    }
    let seal = &records[usize::try_from(told.sealed_at - 1).unwrap()];
    assert!(seal.subject.starts_with("ev.writer."));
}

pub(crate) fn options() -> WriterOptions {
    WriterOptions { role: "test".to_owned(), member: MemberId::generate(), fails_fast: false }
}

/// A writer's task with its handle and its end.
pub(crate) struct Running {
    pub(crate) appender: Appender,
    pub(crate) task: JoinHandle<()>,
    pub(crate) shutdown: CancellationToken,
}

impl Running {
    pub(crate) async fn start(log: &EventLog) -> Self {
        Self::start_with(log, options(), AppenderOptions::default()).await
    }

    pub(crate) async fn start_with(log: &EventLog, writer: WriterOptions, queue: AppenderOptions) -> Self {
        let writer = Writer::open(log.clone(), writer).await.unwrap();
        let shutdown = CancellationToken::new();
        let (appender, task) = Appender::start(writer, queue, shutdown.clone());
        Self { appender, task, shutdown }
    }

    /// Closes the writer.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// An event of a subject whose records hold several; like no other.
pub(crate) fn packed() -> Entry {
    let (message, workspace, account) = (MessageId::generate(), WorkspaceId(1), AccountId(1));
    let event = Event::CancelRequested(CancelRequested { v: 1, message, workspace, account, at: NOW });
    Entry::new(Subject::Cancel(Partition((message.0 % 4) as u16)), &event)
}

/// An event that stands alone in its record; like no other.
pub(crate) fn unpacked() -> Entry {
    let id = WorkspaceId::generate();
    Entry::new(Subject::Directory(id, DirectoryKind::Workspace, id.0), &workspace(id, "a name"))
}

pub(crate) fn workspace(id: WorkspaceId, name: &str) -> Event {
    let (name, unknown_policy) = (name.to_owned(), UnknownPolicy::Refund);
    Event::WorkspaceChanged(Box::new(WorkspaceChanged {
        v: 1,
        id,
        name,
        unknown_policy,
        low_balance: None,
        created_at: NOW,
    }))
}

/// One to three events, packed and unpacked.
pub(crate) fn some_group(number: usize) -> Group {
    match number % 4 {
        0 => Group::one(unpacked()),
        1 => Group::from_iter([packed(), unpacked(), packed()]),
        _ => Group::one(packed()),
    }
}

/// A draw of one credit under the wallet's head.
pub(crate) fn draw(workspace: WorkspaceId, head: u64, before: Totals) -> Entry {
    let totals = before.drawing(Credits(1)).expect("enough was granted");
    let event = CreditsDrawn { v: 1, writer: WriterId::generate(), credits: Credits(1), totals, at: NOW };
    Entry::new(Subject::Wallet(workspace), &Event::CreditsDrawn(event)).guarded(Guard::Own(head))
}
