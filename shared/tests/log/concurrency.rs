//! Many callers, one writer.

use std::collections::BTreeSet;
use std::sync::Arc;

use angelia_shared::testing::TestBroker;
use tokio::task::JoinSet;

use crate::checker::{chains, read_all};
use crate::notes::{Notes, Running, some_group};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_64_callers_were_told_is_what_the_log_holds() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let notes = Arc::new(Notes::default());
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let (appender, notes) = (writer.appender.clone(), Arc::clone(&notes));
        callers.spawn(async move {
            for number in 0..50 {
                notes.append(&appender, some_group(number)).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    writer.stop().await;

    let records = read_all(&log).await;
    assert_eq!(notes.stored(), 64 * 50);
    notes.check(&records);
    let chains = chains(&records);
    let chain = chains.values().next().unwrap();
    assert!(chains.len() == 1 && chain.closed && !chain.fenced);
    assert!(chain.batches < 64 * 50 / 4, "groups gather while a batch is in flight: {} batches", chain.batches);
}

#[tokio::test]
async fn groups_of_one_batch_are_told_one_seal_and_follow_each_other() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let appends = (0..200).map(|number| writer.appender.append(some_group(number)));
    let told = futures_util::future::try_join_all(appends).await.unwrap();
    let seals: BTreeSet<_> = told.iter().map(|stored| stored.sealed_at).collect();
    assert!(seals.len() <= 2, "handed in at once, they share a batch: {seals:?}");
    let records = read_all(&log).await;
    for seal in seals {
        let of_batch = told.iter().filter(|stored| stored.sealed_at == seal).flat_map(|stored| &stored.positions);
        let lines: BTreeSet<_> = of_batch.map(|at| (at.seq, at.line)).collect();
        let first = lines.first().unwrap().0;
        let in_log = (first..seal).flat_map(|seq| {
            let lines = records[usize::try_from(seq - 1).unwrap()].lines().len() as u16;
            (0..lines).map(move |line| (seq, line))
        });
        assert!(in_log.eq(lines.iter().copied()), "a batch holds what was told, and nothing else");
    }
}
