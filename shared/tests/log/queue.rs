//! The queue before the writer, and its end.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::log::{AppendError, AppenderOptions, Group};
use angelia_shared::testing::TestBroker;
use tokio::task::JoinSet;

use crate::checker::{chains, read_all};
use crate::notes::{Notes, Running, options, packed, unpacked};

#[tokio::test]
async fn a_full_queue_is_an_answer_at_once() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let queue = AppenderOptions { groups_max: 20, ..AppenderOptions::default() };
    let writer = Running::start_with(&log, options(), queue).await;
    broker.kill();
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        let appender = writer.appender.clone();
        waiting.spawn(async move { appender.append(Group::one(packed())).await });
        // What the writer has taken out of the channel still counts.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..50 {
        assert_eq!(writer.appender.append(Group::one(packed())).await, Err(AppendError::Full));
    }
    broker.restart().await;
    assert!(waiting.join_all().await.into_iter().all(|answer| answer.is_ok()));
    writer.appender.append(Group::one(packed())).await.expect("an answer makes room");
    writer.stop().await;
    assert_eq!(chains(&read_all(&log).await).len(), 1);
}

#[tokio::test]
async fn the_queue_is_bounded_in_bytes_too() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let group = Group::one(packed());
    let queue = AppenderOptions { bytes_max: 2 * group.bytes() + 1, ..AppenderOptions::default() };
    let writer = Running::start_with(&log, options(), queue).await;
    broker.kill();
    let mut waiting = JoinSet::new();
    for _ in 0..2 {
        let appender = writer.appender.clone();
        waiting.spawn(async move { appender.append(Group::one(packed())).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(writer.appender.append(group).await, Err(AppendError::Full));
    broker.restart().await;
    assert!(waiting.join_all().await.into_iter().all(|answer| answer.is_ok()));
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_under_load_ends_the_chain_and_answers_what_waits() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let notes = Arc::new(Notes::default());
    let mut callers = JoinSet::new();
    // Three times what a batch holds, so that there is always a next one.
    for _ in 0..3_000 {
        let (appender, notes) = (writer.appender.clone(), Arc::clone(&notes));
        callers.spawn(async move { while notes.append(&appender, Group::one(unpacked())).await.is_ok() {} });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = clock::monotonic();
    writer.stop().await;
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "callers that come back do not put it off: {:?}",
        asked.elapsed()
    );
    callers.join_all().await;
    let records = read_all(&log).await;
    notes.check(&records);
    assert!(notes.stored() > 100);
    let chains = chains(&records);
    assert!(chains.len() == 1 && chains.values().all(|chain| chain.closed));
}

#[tokio::test]
async fn the_last_handle_gone_the_writer_closes_itself() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let Running { appender, task, shutdown } = Running::start(&log).await;
    appender.append(Group::one(packed())).await.unwrap();
    drop(appender);
    task.await.unwrap();
    assert!(!shutdown.is_cancelled());
    let chains = chains(&read_all(&log).await);
    assert!(chains.values().all(|chain| chain.closed && chain.batches == 2));
}

#[tokio::test]
async fn what_still_waits_at_the_end_is_in_the_closing_batch() {
    use angelia_shared::log::{Pending, Writer};
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Writer::open(log.clone(), options()).await.unwrap();
    let (pending, answer) = Pending::new(Group::from_iter([packed(), packed()]));
    writer.close([pending].into()).await;
    let stored = answer.await.unwrap().unwrap();
    let records = read_all(&log).await;
    let chains = chains(&records);
    let chain = chains.values().next().unwrap();
    assert!(chain.closed && chain.batches == 1 && chain.records > 0);
    assert_eq!(stored.sealed_at, records.len() as u64);
}
