//! The broker dies, stops, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::log::{AppendError, Appender, AppenderOptions, Group, WriterOptions};
use angelia_shared::testing::TestBroker;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::checker::{chains, read_all};
use crate::notes::{Notes, Running, options, packed, some_group};

/// Callers that hand in one group after the other until told to stop; they end when their last one is answered.
struct Callers {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Callers {
    fn start(number: usize, appender: &Appender, notes: &Arc<Notes>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..number {
            let (appender, notes, stop) = (appender.clone(), Arc::clone(notes), Arc::clone(&stop));
            tasks.spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let _noted = notes.append(&appender, some_group(number)).await;
                }
            });
        }
        Self { tasks, stop }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_the_middle_of_batches_loses_and_doubles_nothing() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let notes = Arc::new(Notes::default());
    let callers = Callers::start(32, &writer.appender, &notes);
    for round in 0..5 {
        tokio::time::sleep(Duration::from_millis(150 + 37 * round)).await;
        let before = notes.stored();
        broker.kill();
        broker.restart().await;
        let progress = async {
            while notes.stored() < before + 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(15), progress).await.expect("it goes on after a restart");
    }
    callers.end().await;
    writer.stop().await;
    let records = read_all(&log).await;
    notes.check(&records);
    assert!(chains(&records).values().any(|chain| chain.closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stands_still_longer_than_an_answer_may_take_loses_and_doubles_nothing() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let notes = Arc::new(Notes::default());
    let callers = Callers::start(16, &writer.appender, &notes);
    let pid = Pid::from_raw(i32::try_from(broker.pid()).unwrap());
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = notes.stored();
        kill(pid, Signal::SIGSTOP).unwrap();
        tokio::time::sleep(Duration::from_millis(2_700)).await;
        kill(pid, Signal::SIGCONT).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(notes.stored() > before, "it goes on afterwards");
    }
    callers.end().await;
    writer.stop().await;
    let records = read_all(&log).await;
    notes.check(&records);
    chains(&records);
}

#[tokio::test]
async fn a_writer_that_fails_fast_refuses_at_once_while_the_broker_is_away() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let options = WriterOptions { fails_fast: true, ..options() };
    let writer = Running::start_with(&log, options, AppenderOptions::default()).await;
    writer.appender.append(Group::one(packed())).await.unwrap();
    broker.kill();
    while log.is_connected() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked = clock::monotonic();
    for _ in 0..100 {
        assert_eq!(writer.appender.append(Group::one(packed())).await, Err(AppendError::Unavailable));
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "it does not wait: {:?}", asked.elapsed());
    broker.restart().await;
    let stored = async {
        while writer.appender.append(Group::one(packed())).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), stored).await.expect("it stores again when the broker is back");
    writer.stop().await;
}

#[tokio::test]
async fn a_writer_that_fails_fast_refuses_at_once_while_it_has_a_batch_undecided() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let options = WriterOptions { fails_fast: true, ..options() };
    let writer = Running::start_with(&log, options, AppenderOptions::default()).await;
    kill(Pid::from_raw(i32::try_from(broker.pid()).unwrap()), Signal::SIGSTOP).unwrap();
    let appender = writer.appender.clone();
    let undecided = tokio::spawn(async move { appender.append(Group::one(packed())).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    broker.kill();
    while log.is_connected() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = timeout(Duration::from_secs(1), writer.appender.append(Group::one(packed())));
    assert_eq!(refused.await.expect("it does not wait for the batch"), Err(AppendError::Unavailable));
    assert!(!undecided.is_finished(), "what is not settled is not answered");
    broker.restart().await;
    let settled = timeout(Duration::from_secs(15), undecided).await.expect("it is settled").unwrap();
    assert!(settled.is_ok(), "{settled:?}");
    writer.stop().await;
}

#[tokio::test]
async fn a_writer_that_does_not_fail_fast_waits_for_the_broker() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    broker.kill();
    let appender = writer.appender.clone();
    let waiting = tokio::spawn(async move { appender.append(Group::one(packed())).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    broker.restart().await;
    timeout(Duration::from_secs(10), waiting).await.expect("it is stored when the broker is back").unwrap().unwrap();
    writer.stop().await;
}

#[tokio::test]
async fn a_shutdown_while_the_broker_is_away_is_bounded_and_leaves_callers_without_a_false_answer() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let queue = AppenderOptions { close_timeout: Duration::from_millis(300), ..AppenderOptions::default() };
    let writer = Running::start_with(&log, options(), queue).await;
    broker.kill();
    let appender = writer.appender.clone();
    let waiting = tokio::spawn(async move { appender.append(Group::one(packed())).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = clock::monotonic();
    timeout(Duration::from_secs(5), writer.stop()).await.expect("the task ends");
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(waiting.await.unwrap(), Err(AppendError::Closed));
}
