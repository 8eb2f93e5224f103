//! Readers: in order, each record once, nothing missing in silence.

use std::collections::BTreeMap;
use std::time::Duration;

use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::{EventLog, From, Group, ReadError, Reader, ReaderOptions, Record};
use angelia_shared::subject::{DirectoryKind, Partition, Subject};
use angelia_shared::testing::TestBroker;
use async_nats::jetstream::stream;
use futures_util::TryStreamExt as _;
use tokio::time::timeout;

use crate::checker::{self, chains, read_all};
use crate::notes::{Running, packed, some_group, workspace};

const STREAM: &str = "ANGELIA_EVENTS";
const PATIENCE: Duration = Duration::from_secs(15);

async fn read(reader: &mut Reader, number: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < number {
        let record = timeout(PATIENCE, reader.next()).await.expect("there is more to read").unwrap();
        records.push(record);
    }
    records
}

fn assert_same(read: &[Record], log: &[checker::Record]) {
    assert_eq!(read.len(), log.len());
    for (read, record) in read.iter().zip(log) {
        assert_eq!((read.seq, &read.payload[..]), (record.seq, &record.payload[..]));
        assert_eq!(read.subject.as_ref().unwrap().to_string(), record.subject);
        assert!(read.at.0 > 1_600_000_000_000);
    }
}

async fn write(writer: &Running, groups: usize) {
    let appends = (0..groups).map(|number| writer.appender.append(some_group(number)));
    futures_util::future::try_join_all(appends).await.unwrap();
}

#[tokio::test]
async fn a_reader_of_the_whole_log_gives_every_record_once_across_restarts_of_the_broker() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    write(&writer, 2_500).await;
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("a-reader", 0));
    let mut records = read(&mut reader, 300).await;
    for _ in 0..2 {
        // Once in the middle of what waits, once when it has read everything and is idle.
        broker.kill();
        broker.restart().await;
        write(&writer, 200).await;
        let waits = read_all(&log).await.len() - records.len();
        records.extend(read(&mut reader, waits).await);
    }
    assert_eq!(records.last().unwrap().pending, 0);
    assert_eq!(reader.position(), records.len() as u64);
    assert_same(&records, &read_all(&log).await);
    writer.stop().await;
}

#[tokio::test]
async fn a_reader_goes_on_from_where_it_is_told() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    write(&writer, 50).await;
    let all = read_all(&log).await;
    let after = all.len() / 2;
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("a-reader", after as u64));
    assert_eq!(reader.open().await, (all.len() - after) as u64);
    assert_same(&read(&mut reader, all.len() - after).await, &all[after..]);
    // At the end it waits, and gives what comes.
    assert!(timeout(Duration::from_millis(600), reader.next()).await.is_err());
    write(&writer, 1).await;
    assert_eq!(read(&mut reader, 1).await[0].seq, all.len() as u64 + 1);
}

/// Where a consumer that vanishes is made anew, the client's library begins at the beginning unless it has read something.
#[tokio::test]
async fn a_reader_whose_consumer_was_removed_goes_on_where_it_was() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    write(&writer, 20).await;
    let end = read_all(&log).await.len();
    for (after, first) in [(end, 0), (end - 5, 3)] {
        let mut reader = Reader::new(log.clone(), ReaderOptions::whole("removed", after as u64));
        reader.open().await;
        read(&mut reader, first).await;
        let stream = log.jetstream().get_stream(STREAM).await.unwrap();
        let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
        let name = names.iter().find(|name| name.starts_with("removed-")).unwrap();
        stream.delete_consumer(name).await.unwrap();
        write(&writer, 1).await;
        let all = read_all(&log).await;
        let given = reader.position() as usize;
        assert_same(&read(&mut reader, all.len() - given).await, &all[given..]);
    }
}

#[tokio::test]
async fn batches_are_read_whole() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    for groups in [1, 40, 3] {
        write(&writer, groups).await;
    }
    writer.stop().await;
    let all = read_all(&log).await;
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("a-reader", 0));
    let mut read = Vec::new();
    while read.len() < all.len() {
        let batch = timeout(PATIENCE, reader.next_batch()).await.unwrap().unwrap().records;
        let (end, before) = batch.split_last().unwrap();
        assert!(matches!(end.subject, Ok(Subject::Writer(_))));
        assert!(!before.iter().any(|record| matches!(record.subject, Ok(Subject::Writer(_)))));
        read.extend(batch);
    }
    assert_same(&read, &all);
}

#[tokio::test]
async fn filters_give_their_subjects_alone_in_order() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    write(&writer, 200).await;
    let filters = vec!["ev.cancel.1".to_owned(), "ev.directory.>".to_owned()];
    let options = ReaderOptions { name: "filtered".to_owned(), filters, from: From::After(0) };
    let mut reader = Reader::new(log.clone(), options);
    let mut wanted = read_all(&log).await;
    wanted.retain(|record| record.subject == "ev.cancel.1" || record.subject.starts_with("ev.directory."));
    assert_eq!(reader.open().await, wanted.len() as u64);
    assert_same(&read(&mut reader, wanted.len()).await, &wanted);
    assert!(timeout(Duration::from_millis(300), reader.next()).await.is_err());
}

#[tokio::test]
async fn last_per_subject_gives_the_newest_of_each_and_then_what_follows() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let change = async |number: u128, name: &str| {
        let id = WorkspaceId(number);
        let subject = Subject::Directory(id, DirectoryKind::Workspace, number);
        let entry = angelia_shared::log::Entry::new(subject, &workspace(id, name));
        writer.appender.append(Group::one(entry)).await.unwrap();
    };
    for round in ["old", "new"] {
        for number in 1..=20 {
            change(number, round).await;
        }
    }
    let filters = vec!["ev.directory.>".to_owned()];
    let options = ReaderOptions { name: "newest".to_owned(), filters, from: From::LastPerSubject };
    let mut reader = Reader::new(log.clone(), options);
    let mut newest = BTreeMap::new();
    // Interrupted in the middle of the newest ones, and again when it follows.
    for (until, then) in [(7, 21), (21, 22)] {
        while newest.len() < until {
            let record = read(&mut reader, 1).await.remove(0);
            assert!(String::from_utf8_lossy(&record.payload).contains("new"), "an old state was given out");
            assert!(newest.insert(record.seq, record.subject.unwrap()).is_none());
        }
        broker.kill();
        broker.restart().await;
        change(then, "new").await;
    }
    let record = read(&mut reader, 1).await.remove(0);
    newest.insert(record.seq, record.subject.unwrap());
    let subjects: std::collections::BTreeSet<_> = newest.values().collect();
    assert_eq!((newest.len(), subjects.len()), (22, 22));
}

#[tokio::test]
async fn the_broker_shows_who_reads() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("ledger-01", 0));
    reader.open().await;
    let stream = log.jetstream().get_stream(STREAM).await.unwrap();
    let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
    assert!(names.iter().any(|name| name.starts_with("ledger-01-")), "{names:?}");
}

/// Makes the stream anew under an open log, without what forbids to delete.
async fn lax_stream(log: &EventLog) -> stream::Stream {
    log.jetstream().delete_stream(STREAM).await.unwrap();
    let subjects = vec!["ev.>".to_owned()];
    let config = stream::Config { name: STREAM.to_owned(), subjects, allow_atomic_publish: true, ..Default::default() };
    // The server removes a stream's files after it has answered, and makes none of that name before.
    loop {
        match log.jetstream().create_stream(config.clone()).await {
            Ok(made) => return made,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test]
async fn a_missing_record_is_reported_and_not_skipped() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let lax = lax_stream(&log).await;
    for _ in 0..10 {
        log.jetstream().publish(Subject::Cancel(Partition(1)).to_string(), "x".into()).await.unwrap().await.unwrap();
    }
    for seq in [4, 5] {
        lax.delete_message(seq).await.unwrap();
    }
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("a-reader", 0));
    assert_eq!(read(&mut reader, 3).await.last().unwrap().seq, 3);
    let gap = timeout(PATIENCE, reader.next()).await.unwrap();
    assert!(matches!(gap, Err(ReadError::Gap { missing_from: 4, missing_to: 5 })), "{gap:?}");
    // Also where a reader begins.
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("a-reader", 3));
    let gap = timeout(PATIENCE, reader.next()).await.unwrap();
    assert!(matches!(gap, Err(ReadError::Gap { missing_from: 4, missing_to: 5 })), "{gap:?}");
    // A reader of some subjects cannot tell.
    let filters = vec!["ev.cancel.>".to_owned()];
    let options = ReaderOptions { name: "filtered".to_owned(), filters, from: From::After(0) };
    assert_eq!(read(&mut Reader::new(log, options), 8).await.last().unwrap().seq, 10);
}

#[tokio::test]
async fn a_log_that_ends_before_a_readers_position_is_reported() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    write(&writer, 10).await;
    writer.stop().await;
    chains(&read_all(&log).await);
    lax_stream(&log).await;
    for _ in 0..3 {
        log.jetstream().publish(Subject::Cancel(Partition(1)).to_string(), "x".into()).await.unwrap().await.unwrap();
    }
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("a-reader", 7));
    let gap = timeout(PATIENCE, reader.next()).await.expect("it does not wait for other records to take their place");
    assert!(matches!(gap, Err(ReadError::Gap { missing_from: 4, missing_to: 7 })), "{gap:?}");
    let mut reader = Reader::new(log, ReaderOptions::whole("a-reader", 3));
    assert!(timeout(Duration::from_millis(400), reader.next()).await.is_err(), "the end itself is no gap");
}

#[tokio::test]
async fn heads_are_read_from_the_log() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let subject = packed().subject;
    assert_eq!(log.head(subject).await.unwrap(), None);
    let writer = Running::start(&log).await;
    let entry = packed();
    let (subject, line) = (entry.subject, entry.line.clone());
    let at = writer.appender.append(Group::one(entry)).await.unwrap().positions[0].seq;
    let head = log.head(subject).await.unwrap().unwrap();
    assert_eq!((head.seq, &head.payload[..]), (at, &line[..]));
    assert_eq!(log.first_from(subject, 1).await.unwrap(), Some(head.clone()));
    assert_eq!(log.first_from(subject, at + 1).await.unwrap(), None);
    assert_eq!(log.record_at(at).await.unwrap(), Some(head.clone()));
    assert_eq!(log.record_at(1_000).await.unwrap(), None);
    let past = log.past_record(at).await.unwrap().unwrap();
    assert_eq!((past.seq, past.at, past.subject, past.payload), (at, head.at, Ok(subject), head.payload));
    assert_eq!(log.past_record(1_000).await.unwrap(), None);
}

#[tokio::test]
async fn a_head_is_not_known_while_the_broker_is_away() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    broker.kill();
    let asked = timeout(Duration::from_secs(2), log.head(Subject::Checkpoint)).await;
    assert!(asked.expect("it does not wait").is_err(), "\"nothing there\" would be a false answer");
}
