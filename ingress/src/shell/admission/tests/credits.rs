use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use angelia_shared::event::{CreditsDrawn, Event};
use angelia_shared::ids::MemberId;
use angelia_shared::log::Entry;
use angelia_shared::subject::Subject;
use angelia_shared::testing::TestBroker;
use angelia_shared::units::Credits;
use angelia_shared::{clock, event::Totals};
use futures_util::future::join_all;

use super::super::*;
use super::support::{TestLedger, append, audit, grant, not_enough, order, process, process_with};

const W: WorkspaceId = WorkspaceId(7);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_at_once_share_fifty_credits_exactly() {
    let broker = TestBroker::start().await;
    let _ledger = TestLedger::start(&broker).await;
    let log = broker.log().await;
    grant(&log, W, 50).await;
    let process = Arc::new(process(&broker).await);
    let callers = (0..64).map(|_| {
        let process = Arc::clone(&process);
        tokio::spawn(async move { process.admit(W, 1).await })
    });
    let answers: Vec<_> = join_all(callers).await.into_iter().map(Result::unwrap).collect();

    let accepted: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(accepted.len(), 50);
    assert!(answers.iter().all(|answer| answer.is_ok() || *answer == Err(not_enough(1, 0))));
    let audit = audit(&log).await;
    assert!(accepted.iter().all(|message| audit.accepted[message] == 1));
    assert_eq!((audit.accepted.len(), audit.available(W)), (50, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_wallet_never_oversell_and_either_uses_the_last_credit() {
    let broker = TestBroker::start().await;
    let _ledger = TestLedger::start(&broker).await;
    let log = broker.log().await;
    grant(&log, W, 101).await;
    let processes = [Arc::new(process(&broker).await), Arc::new(process(&broker).await)];
    let callers = (0..160).map(|n| {
        let process = Arc::clone(&processes[n % 2]);
        let price = if n % 5 == 0 { 2 } else { 1 };
        tokio::spawn(async move { process.admit(W, price).await.map(|_| price) })
    });
    let mut spent = 0;
    for answer in join_all(callers).await {
        match answer.unwrap() {
            Ok(price) => spent += price,
            Err(Refusal::NotEnoughCredits { needed, available }) => assert!(needed > available),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(spent, 101, "all credits can be used, from either process");
    for process in processes.iter().chain(processes.iter().rev()) {
        assert_eq!(process.admit(W, 1).await, Err(not_enough(1, 0)));
        grant(&log, W, 1).await;
        process.admit(W, 1).await.unwrap();
    }
    assert_eq!(audit(&log).await.spent(W), 105);
}

#[tokio::test]
async fn a_grant_from_elsewhere_counts_at_once_although_the_wallet_is_remembered() {
    let broker = TestBroker::start().await;
    let _ledger = TestLedger::start(&broker).await;
    let log = broker.log().await;
    let process = process(&broker).await;
    assert_eq!(process.admit(W, 1).await, Err(not_enough(1, 0)), "a workspace without a wallet has nothing");
    for _ in 0..5 {
        grant(&log, W, 2).await;
        process.admit(W, 1).await.unwrap();
        assert_eq!(process.admit(W, 2).await, Err(not_enough(2, 1)));
        process.admit(W, 1).await.unwrap();
        assert_eq!(process.admit(W, 1).await, Err(not_enough(1, 0)));
    }
    assert_eq!(audit(&log).await.spent(W), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_workspaces_share_batches_and_keep_their_own_accounts() {
    let broker = TestBroker::start().await;
    let _ledger = TestLedger::start(&broker).await;
    let log = broker.log().await;
    for workspace in 1..=8 {
        grant(&log, WorkspaceId(workspace), 10 * workspace as u64).await;
    }
    let process = Arc::new(process(&broker).await);
    let callers = (0..8 * 100).map(|n: u128| {
        let process = Arc::clone(&process);
        tokio::spawn(async move { process.admit(WorkspaceId(n % 8 + 1), 1).await.is_ok() })
    });
    let accepted = join_all(callers).await.into_iter().filter(|answer| *answer.as_ref().unwrap()).count();
    assert_eq!(accepted, (1..=8).map(|n| 10 * n).sum::<usize>());
    let audit = audit(&log).await;
    assert!((1..=8).all(|workspace| audit.available(WorkspaceId(workspace)) == 0));
}

#[tokio::test]
async fn a_workspace_whose_wallet_moved_elsewhere_does_not_harm_others_in_its_batch() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let process = process(&broker).await;
    for workspace in 1..=4 {
        grant(&log, WorkspaceId(workspace), 1_000).await;
        process.admit(WorkspaceId(workspace), 1).await.unwrap();
    }
    for round in 0..5_u128 {
        // Remembered, and gone: this workspace's guard will be lost, and the whole batch with it.
        grant(&log, WorkspaceId(round % 4 + 1), 1).await;
        // One thread runs everything here, so all orders wait before the lane plans.
        let orders = (0..40_u128).map(|n| process.admit(WorkspaceId(n % 4 + 1), 1));
        for answer in join_all(orders).await {
            answer.unwrap();
        }
    }
    assert_eq!(audit(&log).await.accepted.len(), 4 + 5 * 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_never_pause_let_each_other_and_grants_in() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1_000_000).await;
    let processes = [process(&broker).await, process(&broker).await];
    let (stop, accepted) = (CancellationToken::new(), [(); 2].map(|()| Arc::new(AtomicUsize::new(0))));
    let callers: Vec<_> = (0..128)
        .map(|n| {
            let (admission, stop) = (processes[n % 2].admission.clone(), stop.clone());
            let accepted = Arc::clone(&accepted[n % 2]);
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    admission.admit(order(W, 1)).await.unwrap();
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // A lane that drew in every round would keep the wallet for good.
    for turn in 1..=3 {
        let both = tokio::time::timeout(Duration::from_secs(20), async {
            while accepted.iter().any(|accepted| accepted.load(Ordering::Relaxed) < turn * 300) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            grant(&log, W, 1).await;
        });
        both.await.unwrap_or_else(|_| panic!("turn {turn}: {accepted:?} accepted"));
    }
    stop.cancel();
    join_all(callers).await.into_iter().for_each(|caller| caller.unwrap());
    audit(&log).await;
}

#[tokio::test]
async fn a_broken_wallet_is_answered_503_and_charges_nothing() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let totals = Totals { drawn: Credits(5), ..Totals::default() };
    let (writer, credits) = (WriterId(1), Credits(5));
    let broken = Event::CreditsDrawn(CreditsDrawn { v: 1, writer, credits, totals, at: clock::now() });
    append(&log, vec![Entry::new(Subject::Wallet(W), &broken)]).await.unwrap();
    grant(&log, WorkspaceId(8), 1).await;
    let before = log.head(Subject::Wallet(W)).await.unwrap();

    let process = process(&broker).await;
    assert_eq!(process.admit(W, 1).await, Err(UNAVAILABLE));
    assert_eq!(process.admit(W, 1).await, Err(UNAVAILABLE));
    assert_eq!(log.head(Subject::Wallet(W)).await.unwrap(), before);
    process.admit(WorkspaceId(8), 1).await.unwrap();
}

#[tokio::test]
async fn more_bytes_or_orders_than_admission_holds_are_answered_503_at_once() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let process = process_with(&broker, AdmissionOptions { bytes_max: 4_000, ..Default::default() }).await;
    let mut large = order(W, 1);
    large.event.sealed.data = "x".repeat(4_000);
    assert_eq!(process.admission.admit(large).await, Err(UNAVAILABLE));
    process.admit(W, 1).await.unwrap();

    // Nobody takes orders out of this one's queue.
    let (log, member) = (broker.log().await, MemberId::generate());
    let options = AdmissionOptions { orders_max: 1, ..Default::default() };
    let (full, task) = Admission::start(log, member, options, CancellationToken::new());
    task.abort();
    let mut calls = Box::pin(join_all((0..3).map(|_| full.admit(order(W, 1)))));
    let answers = (&mut calls).await;
    assert!(answers.iter().all(|answer| *answer == Err(UNAVAILABLE)), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_at_shutdown_is_answered_and_the_writer_is_closed() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1_000).await;
    let process = process(&broker).await;
    let callers: Vec<_> = (0..200)
        .map(|_| {
            let admission = process.admission.clone();
            tokio::spawn(async move { admission.admit(order(W, 1)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let admission = process.admission.clone();
    process.stop().await;
    let mut accepted = Vec::new();
    for answer in join_all(callers).await {
        match answer.unwrap() {
            Ok(message) => accepted.push(message),
            Err(refusal) => assert_eq!(refusal, UNAVAILABLE),
        }
    }
    assert_eq!(admission.admit(order(W, 1)).await, Err(UNAVAILABLE));
    assert!(admission.is_ready().unwrap_err().contains("stopped"));
    let audit = audit(&log).await;
    assert_eq!(audit.accepted.keys().copied().collect::<Vec<_>>(), sorted(accepted));
    assert!(matches!(audit.writers[..], [(_, Some("closed"))]));
}

fn sorted(mut messages: Vec<MessageId>) -> Vec<MessageId> {
    messages.sort();
    messages
}
