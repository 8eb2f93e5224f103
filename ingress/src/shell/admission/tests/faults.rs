use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use angelia_shared::clock;
use angelia_shared::event::{Event, WriterFenced};
use angelia_shared::log::Entry;
use angelia_shared::subject::Subject;
use angelia_shared::testing::TestBroker;
use futures_util::future::join_all;

use super::super::*;
use super::support::{TestLedger, append, audit, call, grant, order, process, process_with, until};

const W: WorkspaceId = WorkspaceId(7);

fn signal(broker: &TestBroker, signal: &str) {
    let status = Command::new("kill").args([signal, &broker.pid().to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_broker_killed_and_restarted_every_accepted_message_is_in_the_log_once() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1_000_000).await;
    let ledger = TestLedger::start(&broker).await;
    let process = process(&broker).await.knows_keys().await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..32)
        .map(|caller| {
            let (admission, stop) = (process.admission.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let answer = match caller % 4 {
                        0 => call(&admission, W, &format!("{caller}-{n}"), "body").await,
                        _ => admission.admit(order(W, 1 + n % 2)).await,
                    };
                    match answer {
                        Ok(message) => accepted.push(message),
                        Err(refusal) => {
                            assert_eq!(refusal, UNAVAILABLE);
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    }
                }
                accepted
            })
        })
        .collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        broker.kill();
        tokio::time::sleep(Duration::from_millis(100)).await;
        broker.restart().await;
        until("admission is back", || process.admission.is_ready().is_ok()).await;
        process.admit(W, 1).await.expect("it is ready");
    }
    stop.store(true, Ordering::Relaxed);
    let accepted: Vec<MessageId> = join_all(callers).await.into_iter().flat_map(Result::unwrap).collect();
    process.stop().await;
    drop(ledger);

    let audit = audit(&log).await;
    assert!(accepted.len() > 100, "only {} were accepted: nothing was tested", accepted.len());
    assert_eq!(accepted.iter().collect::<BTreeSet<_>>().len(), accepted.len());
    assert!(accepted.iter().all(|message| audit.accepted.get(message) == Some(&1)), "IN-1");
    assert!(audit.accepted.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_lane_goes_on_under_a_new_writer() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1_000).await;
    let process = process(&broker).await;
    for _ in 0..3 {
        process.admit(W, 1).await.unwrap();
        let writer = process.admission.face.writer();
        let by = MemberId::generate();
        let fence = WriterFenced { v: 1, writer, by, reason: "test".to_owned(), at: clock::now() };
        append(&log, vec![Entry::new(Subject::Writer(writer), &Event::WriterFenced(fence))]).await.unwrap();
        let callers = (0..20).map(|_| process.admit(W, 1));
        for answer in join_all(callers).await {
            answer.unwrap();
        }
        assert_ne!(process.admission.face.writer(), writer);
    }
    process.stop().await;
    let audit = audit(&log).await;
    assert_eq!((audit.accepted.len(), audit.spent(W)), (63, 63));
    let ends: Vec<_> = audit.writers.iter().map(|(_, end)| end.unwrap()).collect();
    assert_eq!(ends, ["fenced", "fenced", "fenced", "closed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_caller_went_away_before_its_batch_is_not_charged() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let process = process(&broker).await;
    process.admit(W, 1).await.unwrap();
    signal(&broker, "-STOP");
    let in_flight = tokio::spawn({
        let admission = process.admission.clone();
        async move { admission.admit(order(W, 1)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The batch of the first is in flight; this one waits behind it when its caller leaves.
    let gone = tokio::time::timeout(Duration::from_millis(100), process.admit(W, 1)).await;
    assert!(gone.is_err());
    signal(&broker, "-CONT");
    in_flight.await.unwrap().unwrap();
    process.admit(W, 1).await.unwrap();
    assert_eq!(audit(&log).await.spent(W), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_callers_are_answered_503_and_do_not_wait() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let process = process(&broker).await;
    process.admit(W, 1).await.unwrap();
    broker.kill();
    until("the connection is lost", || !process.admission.log.is_connected()).await;
    assert!(process.admission.is_ready().unwrap_err().contains("not connected"));
    let answers = tokio::time::timeout(Duration::from_secs(5), join_all((0..10).map(|_| process.admit(W, 1)))).await;
    assert!(answers.expect("nobody waits for the broker").iter().all(|answer| *answer == Err(UNAVAILABLE)));
    broker.restart().await;
    until("the connection is back", || process.admission.log.is_connected()).await;
    process.admit(W, 1).await.unwrap();
    assert_eq!(audit(&log).await.spent(W), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_batch_without_an_answer_is_refused_after_a_while() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let process = process(&broker).await;
    process.admit(W, 1).await.unwrap();
    signal(&broker, "-STOP");
    let in_flight = tokio::spawn({
        let admission = process.admission.clone();
        async move { admission.admit(order(W, 1)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(process.admit(W, 1).await, Err(UNAVAILABLE));
    assert!(process.admission.is_ready().unwrap_err().contains("not answered"));
    assert!(!in_flight.is_finished(), "nobody knows yet what became of it");
    signal(&broker, "-CONT");
    in_flight.await.unwrap().unwrap();
    until("the lane is back", || process.admission.face.phase.load(Ordering::Relaxed) == Phase::Open as u8).await;
    process.admit(W, 1).await.unwrap();
    assert_eq!(audit(&log).await.spent(W), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_whose_batch_stays_undecided_is_answered_503_and_what_is_stored_later_counts_once() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let options = AdmissionOptions { answer_within: Duration::from_millis(200), ..Default::default() };
    let process = process_with(&broker, options).await;
    // The first one is in a batch that goes nowhere, so that it alone needs the bound.
    signal(&broker, "-STOP");
    assert_eq!(process.admit(W, 1).await, Err(UNAVAILABLE));
    signal(&broker, "-CONT");
    let mut accepted = None;
    for _ in 0..100 {
        accepted = process.admit(W, 1).await.ok();
        if accepted.is_some() {
            break;
        }
    }
    let accepted = accepted.expect("the broker is back");
    let audit = audit(&log).await;
    assert_eq!(audit.accepted.get(&accepted), Some(&1));
    assert!(audit.accepted.values().all(|times| *times == 1));
    assert_eq!(audit.spent(W), audit.accepted.len() as u64);
}
