//! Somebody stops a writer for good.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::event::{Event, WriterFenced};
use angelia_shared::ids::{MemberId, WriterId};
use angelia_shared::log::{AppendError, EventLog, Group, Pending, Writer};
use angelia_shared::subject::Subject;
use angelia_shared::testing::TestBroker;
use angelia_shared::units::UnixMillis;
use tokio::task::JoinSet;

use crate::checker::{chains, read_all};
use crate::notes::{Notes, Running, options, packed, some_group};

pub(crate) async fn fence(log: &EventLog, writer: WriterId) {
    let (by, reason) = (MemberId::generate(), "its member key expired".to_owned());
    let fence = Event::WriterFenced(WriterFenced { v: 1, writer, by, reason, at: UnixMillis(0) });
    let subject = Subject::Writer(writer).to_string();
    log.jetstream().publish(subject, fence.to_line().into()).await.unwrap().await.unwrap();
}

#[tokio::test]
async fn a_fenced_writer_answers_never_stored_and_goes_on_under_a_new_id() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut writer = Writer::open(log.clone(), options()).await.unwrap();
    let old = writer.id();
    let notes = Notes::default();
    let mut told = Vec::new();
    for round in 0..3 {
        if round == 1 {
            fence(&log, old).await;
        }
        let group = Group::from_iter([packed(), packed()]);
        let (pending, answer) = Pending::new(group.clone());
        writer.commit(&mut VecDeque::from([pending])).await;
        let answer = answer.await.unwrap();
        told.push(answer.as_ref().map(|_| ()).map_err(Clone::clone));
        notes.write(group, Some(answer));
    }
    assert_eq!(told, [Ok(()), Err(AppendError::NeverStored), Ok(())]);
    assert_ne!(writer.id(), old);
    let new = writer.id();
    writer.close(VecDeque::new()).await;
    let records = read_all(&log).await;
    notes.check(&records);
    let chains = chains(&records);
    let (old, new) = (&chains[&old.to_string()], &chains[&new.to_string()]);
    assert!(old.fenced && old.batches == 1 && !old.closed);
    assert!(!new.fenced && new.batches == 2 && new.closed);
}

#[tokio::test]
async fn a_fence_that_is_guarded_spares_a_writer_that_went_on() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut writer = Writer::open(log.clone(), options()).await.unwrap();
    let id = writer.id();
    let opened_at = log.last_sequence().await.unwrap();
    let (pending, answer) = Pending::new(Group::one(packed()));
    writer.commit(&mut VecDeque::from([pending])).await;
    let sealed_at = answer.await.unwrap().unwrap().sealed_at;
    let told = || WriterFenced { v: 1, writer: id, by: MemberId(1), reason: "a test".to_owned(), at: UnixMillis(0) };
    assert_eq!(log.fence(told(), Some(opened_at)).await, None);
    assert_eq!(log.last_sequence().await.unwrap(), sealed_at, "nothing was appended");
    assert_eq!(log.fence(told(), Some(sealed_at)).await, Some(sealed_at + 1));
    assert_eq!(log.fence(told(), Some(sealed_at)).await, None, "a second one says nothing new");
    assert!(chains(&read_all(&log).await)[&id.to_string()].fenced);
}

#[tokio::test]
async fn a_writer_that_was_fenced_while_idle_is_not_closed_again() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Writer::open(log.clone(), options()).await.unwrap();
    fence(&log, writer.id()).await;
    writer.close(VecDeque::new()).await;
    let chains = chains(&read_all(&log).await);
    assert_eq!(chains.len(), 1, "nobody needs a new writer in order to close it");
    assert!(chains.values().all(|chain| chain.fenced && !chain.closed));
}

/// The newest writer that is still open.
pub(crate) async fn open_writer(log: &EventLog) -> Option<WriterId> {
    let mut records = read_all(log).await;
    // The stream's state is told while a batch is being stored, so the newest records may still miss their seal.
    let sealed = records.iter().rposition(|record| record.subject.starts_with("ev.writer.")).map_or(0, |at| at + 1);
    records.truncate(sealed);
    let open = chains(&records).into_iter().filter(|(_, chain)| !chain.fenced && !chain.closed);
    open.map(|(id, _)| id.parse().unwrap()).max()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fences_in_the_middle_of_batches_lose_and_double_nothing() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let notes = Arc::new(Notes::default());
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let (appender, notes) = (writer.appender.clone(), Arc::clone(&notes));
        callers.spawn(async move {
            let mut fenced = 0;
            for number in 0..60 {
                // Another group each time, so that the notes show when one that was "never stored" is.
                while let Err(error) = notes.append(&appender, some_group(number)).await {
                    assert_eq!(error, AppendError::NeverStored);
                    fenced += 1;
                }
            }
            fenced
        });
    }
    let mut fences = 0;
    while fences < 5 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        if let Some(id) = open_writer(&log).await {
            fence(&log, id).await;
            fences += 1;
        }
    }
    let hit: usize = callers.join_all().await.into_iter().sum();
    writer.stop().await;
    let records = read_all(&log).await;
    notes.check(&records);
    assert_eq!(notes.stored(), 16 * 60);
    assert!(hit > 0, "no group was in flight when a writer was fenced");
    let chains = chains(&records);
    assert!(chains.values().filter(|chain| chain.fenced).count() >= 5);
}
