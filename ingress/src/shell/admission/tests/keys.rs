use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use angelia_shared::event::Event;
use angelia_shared::log::digest::sha256;
use angelia_shared::log::pack::Packer;
use angelia_shared::log::{Entry, Guard};
use angelia_shared::subject::Subject;
use angelia_shared::testing::TestBroker;
use futures_util::future::join_all;

use super::super::plan::BUCKET_KEYS_MAX;
use super::super::*;
use super::support::{Process, TestLedger, audit, grant, order, process, process_with_stuck_keys, until};
use crate::domain::key_map::KeyHash;

const W: WorkspaceId = WorkspaceId(7);

async fn keyed_process(broker: &TestBroker) -> Process {
    process(broker).await.knows_keys().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_sixty_four_times_at_once_in_two_processes_is_one_message_and_one_charge() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 100).await;
    let _ledger = TestLedger::start(&broker).await;
    let processes = [Arc::new(keyed_process(&broker).await), Arc::new(keyed_process(&broker).await)];
    for round in 0..8 {
        let key = format!("key-{round}");
        let callers = (0..64).map(|n| {
            let (process, key) = (Arc::clone(&processes[n % 2]), key.clone());
            tokio::spawn(async move { process.call(W, &key, "body").await })
        });
        let mut messages = BTreeSet::new();
        for answer in join_all(callers).await {
            match answer.unwrap() {
                Ok(message) => {
                    messages.insert(message);
                }
                Err(refusal) => assert_eq!(refusal, Refusal::KeyInFlight),
            }
        }
        assert_eq!(messages.len(), 1, "round {round}");
        for process in &processes {
            assert_eq!(process.call(W, &key, "body").await, Ok(*messages.first().unwrap()));
            assert_eq!(process.call(W, &key, "another body").await, Err(Refusal::KeyReused));
        }
    }
    let audit = audit(&log).await;
    assert_eq!((audit.accepted.len(), audit.keys.len(), audit.spent(W)), (8, 8, 8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_use_many_keys_of_one_bucket_and_none_is_lost() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1_000).await;
    let _ledger = TestLedger::start(&broker).await;
    let processes = [Arc::new(keyed_process(&broker).await), Arc::new(keyed_process(&broker).await)];
    let keys: Vec<String> =
        (0..).map(|n| format!("k{n}")).filter(|key| KeyHash::of(W, key).bucket() == 9).take(80).collect();
    let callers = keys.iter().enumerate().map(|(n, key)| {
        let (process, key) = (Arc::clone(&processes[n % 2]), key.clone());
        tokio::spawn(async move { process.call(W, &key, "body").await })
    });
    for answer in join_all(callers).await {
        answer.unwrap().unwrap();
    }
    let audit = audit(&log).await;
    assert_eq!((audit.accepted.len(), audit.keys.len(), audit.spent(W)), (80, 80, 80));
}

#[tokio::test]
async fn a_key_is_known_after_a_restart_from_the_ledger_and_without_a_ledger_from_memory() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let ledger = TestLedger::start(&broker).await;
    let first = keyed_process(&broker).await;
    let message = first.call(W, "old", "body").await.unwrap();
    first.stop().await;
    let last = log.last_sequence().await.unwrap();
    until("the ledger has the key", || ledger.position() >= last).await;

    let second = keyed_process(&broker).await;
    assert_eq!(second.call(W, "old", "body").await, Ok(message));
    assert_eq!(second.call(W, "old", "other").await, Err(Refusal::KeyReused));
    ledger.freeze();
    let recent = second.call(W, "recent", "body").await.unwrap();
    drop(ledger);
    assert_eq!(second.call(W, "recent", "body").await, Ok(recent), "in memory");
    assert_eq!(second.call(W, "old", "body").await, Err(UNAVAILABLE), "only a ledger knows");
    assert_eq!(second.call(W, "new", "body").await, Err(UNAVAILABLE), "nobody knows");
    assert_eq!(second.admit(W, 1).await.map(|_| ()), Ok(()), "calls without a key need no ledger");
    assert_eq!(audit(&log).await.spent(W), 3);
}

#[tokio::test]
async fn until_a_ledger_answers_keyed_calls_are_refused_and_the_process_is_not_ready() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let process = process(&broker).await;
    assert_eq!(process.call(W, "k", "body").await, Err(UNAVAILABLE));
    assert!(process.admission.is_ready().unwrap_err().contains("ledger"));
    process.admit(W, 1).await.unwrap();
    let _ledger = TestLedger::start(&broker).await;
    let process = process.knows_keys().await;
    process.call(W, "k", "body").await.unwrap();
}

#[tokio::test]
async fn a_key_is_in_flight_until_its_ticket_is_dropped_and_a_refusal_does_not_use_it_up() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    let process = keyed_process(&broker).await;
    let KeyStep::Fresh(ticket) = process.admission.key(W, "k", b"body").await.unwrap() else { panic!("fresh") };
    assert!(matches!(process.admission.key(W, "k", b"body").await, Err(Refusal::KeyInFlight)));
    assert!(matches!(process.admission.key(W, "k", b"other").await, Err(Refusal::KeyInFlight)));
    assert!(matches!(process.admission.key(WorkspaceId(8), "k", b"body").await, Ok(KeyStep::Fresh(_))));
    let refused = process.admission.admit(Order { key: Some(ticket), ..order(W, 1) }).await;
    assert!(matches!(refused, Err(Refusal::NotEnoughCredits { .. })));

    grant(&log, W, 1).await;
    let message = process.call(W, "k", "another body").await.unwrap();
    assert_eq!(process.call(W, "k", "another body").await, Ok(message));
    assert_eq!(audit(&log).await.spent(W), 1);
}

#[tokio::test]
async fn a_replay_costs_nothing_even_when_the_wallet_is_empty() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1).await;
    let _ledger = TestLedger::start(&broker).await;
    let [one, two] = [keyed_process(&broker).await, keyed_process(&broker).await];
    // Both hold the key in flight; the second to hand it in finds it used, in an empty wallet.
    let KeyStep::Fresh(first) = one.admission.key(W, "k", b"body").await.unwrap() else { panic!("fresh") };
    let KeyStep::Fresh(second) = two.admission.key(W, "k", b"body").await.unwrap() else { panic!("fresh") };
    let message = one.admission.admit(Order { key: Some(first), ..order(W, 1) }).await.unwrap();
    until("the other process has read it", || {
        matches!(two.admission.keys.standing(&second), crate::domain::key_map::Standing::Used(_))
    })
    .await;
    assert_eq!(two.admission.admit(Order { key: Some(second), ..order(W, 1) }).await, Ok(message));
    assert_eq!(audit(&log).await.accepted.len(), 1);
}

#[tokio::test]
async fn keys_that_a_ledger_has_are_forgotten_here_and_still_found() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 100).await;
    let _ledger = TestLedger::start(&broker).await;
    let process = keyed_process(&broker).await;
    let mut messages = Vec::new();
    for n in 0..20 {
        messages.push(process.call(W, &format!("k{n}"), "body").await.unwrap());
    }
    // The last one is what the reader has reached, and the floor goes up to it.
    until("the map is trimmed", || process.admission.keys.remembered() == 0).await;
    for (n, message) in messages.into_iter().enumerate() {
        assert_eq!(process.call(W, &format!("k{n}"), "body").await, Ok(message));
    }
    assert_eq!(audit(&log).await.spent(W), 20);
}

#[tokio::test]
async fn a_process_with_a_stuck_reader_uses_its_own_keys_but_never_one_that_it_cannot_have_seen() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 100).await;
    let _ledger = TestLedger::start(&broker).await;
    let floor = log.last_sequence().await.unwrap();
    let [one, two] = [process_with_stuck_keys(&broker, floor).await, process_with_stuck_keys(&broker, floor).await];
    let bucket: Vec<String> =
        (0..).map(|n| format!("k{n}")).filter(|key| KeyHash::of(W, key).bucket() == 9).take(10).collect();
    let fresh = |process: &Process, key: &str| {
        let (admission, key) = (process.admission.clone(), key.to_owned());
        async move {
            match admission.key(W, &key, b"body").await.unwrap() {
                KeyStep::Fresh(ticket) => Order { key: Some(ticket), ..order(W, 1) },
                KeyStep::Replay(message) => panic!("{message} was not used before"),
            }
        }
    };
    // Both know the bucket's head as it is before any key.
    let [first, second] = [fresh(&one, &bucket[0]).await, fresh(&two, &bucket[0]).await];
    let message = one.admission.admit(first).await.unwrap();
    // What was stored here moves the guard: no reader is needed for one's own keys.
    for key in &bucket[1..] {
        one.admission.admit(fresh(&one, key).await).await.unwrap();
    }
    assert_eq!(one.call(W, &bucket[0], "body").await, Ok(message));
    assert_eq!(two.admission.admit(second).await, Err(UNAVAILABLE), "the other one cannot know, and says so");
    assert_eq!(audit(&log).await.keys.len(), 10);
}

#[tokio::test]
async fn the_keys_that_a_round_takes_of_one_bucket_fit_into_its_record() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let keys = Keys::unfollowed(log.clone(), 0);
    let entries = (0..BUCKET_KEYS_MAX).map(|n| {
        let key = KeyHash::of(W, &n.to_string());
        let Ok(KeyStep::Fresh(ticket)) = keys.begin(W, key, sha256(b"body")) else { panic!("fresh") };
        let used = Event::KeyUsed(ticket.used_for(MessageId(u64::MAX)));
        Entry::new(Subject::Key(9), &used).guarded(Guard::Own(7))
    });
    let entries: Vec<_> = entries.collect();
    let mut packer = Packer::default();
    assert_eq!(packer.add(&entries), Ok(()));
    assert_eq!(packer.records(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_keys_of_one_bucket_than_a_round_takes_wait_for_the_next_ones_and_hold_no_others_up() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1_000).await;
    grant(&log, WorkspaceId(8), 1_000).await;
    let _ledger = TestLedger::start(&broker).await;
    let process = Arc::new(keyed_process(&broker).await);
    let of = |workspace| {
        let keys = (0..).map(|n| format!("k{n}"));
        keys.filter(move |key| KeyHash::of(workspace, key).bucket() == 9).map(move |key| (workspace, key))
    };
    let calls = of(W).take(5 * BUCKET_KEYS_MAX).chain(of(WorkspaceId(8)).take(BUCKET_KEYS_MAX));
    let callers = calls.map(|(workspace, key)| {
        let process = Arc::clone(&process);
        tokio::spawn(async move { process.call(workspace, &key, "body").await })
    });
    for answer in join_all(callers).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(audit(&log).await.keys.len(), 6 * BUCKET_KEYS_MAX);
}

/// Notes, at the moment in which an answer arrives, whether a key is still in flight.
struct Probe {
    admission: Admission,
    seen: Mutex<Option<bool>>,
}

impl Wake for Probe {
    fn wake(self: Arc<Self>) {
        let mut asked = Box::pin(self.admission.key(W, "k", b"body"));
        let answer = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let in_flight = matches!(answer, std::task::Poll::Ready(Err(Refusal::KeyInFlight)));
        *self.seen.lock().unwrap() = Some(in_flight);
    }
}

#[tokio::test]
async fn a_key_is_free_again_at_the_moment_in_which_its_refusal_arrives() {
    let broker = TestBroker::start().await;
    let _ledger = TestLedger::start(&broker).await;
    let process = keyed_process(&broker).await;
    let KeyStep::Fresh(ticket) = process.admission.key(W, "k", b"body").await.unwrap() else { panic!("fresh") };
    let (waiting, _bytes, mut answer) = Waiting::new(Order { key: Some(ticket), ..order(W, 1) }, WriterId(1));
    let probe = Arc::new(Probe { admission: process.admission.clone(), seen: Mutex::new(None) });
    let waker = Waker::from(Arc::clone(&probe));
    assert!(std::pin::pin!(&mut answer).poll(&mut Context::from_waker(&waker)).is_pending());
    waiting.answer(Err(UNAVAILABLE));
    assert_eq!(*probe.seen.lock().unwrap(), Some(false));
}
