//! Credits that a lane holds: spent without the wallet, and given back when they are idle, needed elsewhere or left over.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use angelia_shared::event::{CreditsReturned, Event, WriterFenced};
use angelia_shared::ids::MemberId;
use angelia_shared::log::{Entry, Guard};
use angelia_shared::testing::TestBroker;
use angelia_shared::units::Credits;
use angelia_shared::{clock, subject::Subject};
use futures_util::StreamExt as _;
use futures_util::future::join_all;

use super::super::*;
use super::support::{Audit, Process, TestLedger, append, audit, grant, not_enough, order, process};

const W: WorkspaceId = WorkspaceId(7);

/// Calls one after the other until the process holds credits; returns how many it took.
async fn until_it_holds(process: &Process, log: &EventLog) -> u64 {
    for calls in 1..=60 {
        process.admit(W, 1).await.unwrap();
        if calls % 10 == 0 && held(&audit(log).await) > 0 {
            return calls;
        }
    }
    panic!("a process in use draws ahead");
}

/// Calls until it is paid: a caller that is told to come back does so.
async fn pay(process: &Process) {
    let paid = async {
        loop {
            match process.admit(W, 1).await {
                Ok(_) => return,
                Err(refusal) => assert_eq!(refusal, UNAVAILABLE),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), paid).await.expect("there are credits for it");
}

fn held(audit: &Audit) -> u64 {
    audit.rests.values().sum()
}

/// Waits until nothing is held.
async fn until_nothing_is_held(log: &EventLog) -> Audit {
    for _ in 0..200 {
        let audit = audit(log).await;
        if held(&audit) == 0 {
            return audit;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("something is held for good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_workspace_costs_few_draws_and_its_idle_credits_go_back() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 100_000).await;
    let process = process(&broker).await;
    for _ in 0..40 {
        for answer in join_all((0..50).map(|_| process.admit(W, 1))).await {
            answer.unwrap();
        }
    }
    let hot = audit(&log).await;
    assert_eq!(hot.accepted.len(), 2_000);
    assert!(hot.draws < 40 / 2, "{} draws for 40 rounds or more", hot.draws);
    let idle = until_nothing_is_held(&log).await;
    assert_eq!(idle.available(W), 98_000);
    process.admit(W, 1).await.unwrap();
    let after = audit(&log).await;
    assert_eq!((held(&after), after.available(W)), (0, 97_999), "a quiet workspace is debited exactly");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_credit_can_be_spent_from_any_process() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    grant(&log, W, 200).await;
    let processes = [process(&broker).await, process(&broker).await, process(&broker).await];
    let mut left = 200;
    for hot in &processes[..2] {
        left -= until_it_holds(hot, &log).await;
    }
    // The third takes everything, also what the first two hold.
    while left > 0 {
        pay(&processes[2]).await;
        left -= 1;
    }
    for process in &processes {
        assert_eq!(process.admit(W, 1).await, Err(not_enough(1, 0)));
    }
    let audit = audit(&log).await;
    assert_eq!((audit.accepted.len(), held(&audit), audit.available(W)), (200, 0, 0));
    assert!(audit.returns >= 1, "something was held elsewhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hot_processes_sell_what_there_is_no_more_and_no_less() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    grant(&log, W, 5_000).await;
    let processes = [process(&broker).await, process(&broker).await, process(&broker).await];
    let spent = Arc::new(AtomicUsize::new(0));
    let callers = (0..96).map(|n| {
        let (admission, spent) = (processes[n % 3].admission.clone(), Arc::clone(&spent));
        tokio::spawn(async move {
            let mut price = if n % 8 == 0 { 2 } else { 1 };
            loop {
                match admission.admit(order(W, price)).await {
                    Ok(_) => {
                        spent.fetch_add(price as usize, Ordering::Relaxed);
                    }
                    Err(Refusal::NotEnoughCredits { needed, available }) => {
                        assert!(available < needed);
                        if price == 1 {
                            return;
                        }
                        price = 1;
                    }
                    // Two recalls met: the caller comes back.
                    Err(refusal) => assert_eq!(refusal, UNAVAILABLE),
                }
            }
        })
    });
    join_all(callers).await.into_iter().for_each(|caller| caller.unwrap());
    assert_eq!(spent.load(Ordering::Relaxed), 5_000);
    let audit = audit(&log).await;
    assert_eq!((audit.spent(W), held(&audit), audit.available(W)), (5_000, 0, 0));
    assert!(audit.draws * 4 < audit.accepted.len(), "{} draws", audit.draws);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_gives_back_what_it_holds() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    for workspace in [W, WorkspaceId(8)] {
        grant(&log, workspace, 500).await;
    }
    let process = process(&broker).await;
    for _ in 0..10 {
        process.admit(WorkspaceId(8), 1).await.unwrap();
    }
    let calls = until_it_holds(&process, &log).await;
    // Its memory of the head is old: the return must find the wallet as it is.
    grant(&log, W, 1).await;
    process.stop().await;
    let audit = audit(&log).await;
    assert!(matches!(audit.writers[..], [(_, Some("closed"))]), "{:?}", audit.writers);
    assert_eq!((held(&audit), audit.available(W), audit.available(WorkspaceId(8))), (0, 501 - calls, 490));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_holds_is_a_503_until_it_is_settled_and_never_a_402() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let ledger = TestLedger::start(&broker).await;
    grant(&log, W, 100).await;
    let [dead, alive] = [process(&broker).await, process(&broker).await];
    let calls = until_it_holds(&dead, &log).await;
    let writer = dead.admission.face.writer();
    dead.task.abort();
    let dead = dead.task.await;
    assert!(dead.unwrap_err().is_cancelled());
    let lost = held(&audit(&log).await);
    assert!(lost > 0, "it held something and had no time to give it back");

    let left = 100 - calls - lost;
    for _ in 0..left {
        alive.admit(W, 1).await.unwrap();
    }
    // Nobody knows yet that it is dead; then the ledger does.
    assert_eq!(alive.admit(W, 1).await, Err(UNAVAILABLE));
    ledger.misses(writer);
    let answers = join_all((0..32).map(|_| alive.admit(W, 1))).await;
    assert!(answers.iter().all(|answer| *answer == Err(UNAVAILABLE)), "{answers:?}");
    assert_eq!(alive.admit(W, lost + 1).await, Err(not_enough(lost + 1, lost)), "not even with what is to come back");

    settle(&log, writer, lost).await;
    for _ in 0..lost {
        pay(&alive).await;
    }
    assert_eq!(alive.admit(W, 1).await, Err(not_enough(1, 0)));
    assert_eq!(audit(&log).await.accepted.len(), 100);
}

/// Fences a writer and gives back what it held, as a ledger does.
async fn settle(log: &EventLog, writer: WriterId, credits: u64) {
    let fence = WriterFenced { v: 1, writer, by: MemberId::generate(), reason: "test".to_owned(), at: clock::now() };
    append(log, vec![Entry::new(Subject::Writer(writer), &Event::WriterFenced(fence))]).await.unwrap();
    let (wallet, totals) = audit(log).await.wallets[&W];
    let totals = totals.returning(Credits(credits)).unwrap();
    let back = CreditsReturned { v: 1, writer, credits: Credits(credits), totals, at: clock::now() };
    let entry = Entry::new(Subject::Wallet(W), &Event::CreditsReturned(back));
    append(log, vec![entry.guarded(Guard::Own(wallet.head()))]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fenced_writer_held_is_not_its_successors() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    grant(&log, W, 100).await;
    let process = process(&broker).await;
    until_it_holds(&process, &log).await;
    let writer = process.admission.face.writer();
    let fence = WriterFenced { v: 1, writer, by: MemberId::generate(), reason: "test".to_owned(), at: clock::now() };
    append(&log, vec![Entry::new(Subject::Writer(writer), &Event::WriterFenced(fence))]).await.unwrap();
    let mut paid = 0;
    let refusal = loop {
        match process.admit(W, 1).await {
            Ok(_) => paid += 1,
            Err(refusal) => break refusal,
        }
        assert!(paid <= 100);
    };
    assert_eq!(refusal, UNAVAILABLE, "the workspace has more, but nobody can spend it yet");
    let audit = audit(&log).await;
    assert_eq!((audit.accepted.len() as u64 + held(&audit), audit.available(W)), (100, 0));
    assert!(audit.rests.iter().all(|((of, _), rest)| *of == writer || *rest == 0), "{:?}", audit.rests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_an_empty_wallet_trouble_no_other_process_and_ask_together() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let ledger = TestLedger::start(&broker).await;
    grant(&log, WorkspaceId(8), 1_000).await;
    let process = process(&broker).await;
    let mut recalls = log.client().subscribe("angelia.recall.>").await.unwrap();
    log.last_sequence().await.unwrap();
    let (asked_before, began) = (ledger.asked(), clock::monotonic());
    for _ in 0..5 {
        let poor = (0..400).map(|_| process.admit(W, 1));
        let rich = (0..20).map(|_| process.admit(WorkspaceId(8), 1));
        let (poor, rich) = tokio::join!(join_all(poor), join_all(rich));
        assert!(poor.iter().all(|answer| *answer == Err(not_enough(1, 0))), "{poor:?}");
        assert!(rich.iter().all(Result::is_ok), "{rich:?}");
    }
    let asked = ledger.asked() - asked_before;
    let bound = began.elapsed().as_millis() as usize / 20 + 20;
    assert!(asked <= bound, "{asked} questions for 2,000 calls, {bound} at most");
    log.last_sequence().await.unwrap();
    let recalled = tokio::time::timeout(Duration::from_millis(50), recalls.next()).await;
    assert!(recalled.is_err(), "an empty wallet is recalled from nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_are_short_recall_together() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    grant(&log, W, 100).await;
    let [dead, alive] = [process(&broker).await, process(&broker).await];
    let calls = until_it_holds(&dead, &log).await;
    dead.task.abort();
    assert!(dead.task.await.unwrap_err().is_cancelled());
    let left = 100 - calls - held(&audit(&log).await);
    for answer in join_all((0..left).map(|_| alive.admit(W, 1))).await {
        answer.unwrap();
    }
    let mut recalls = log.client().subscribe("angelia.recall.>").await.unwrap();
    log.last_sequence().await.unwrap();
    let began = clock::monotonic();
    let answers = join_all((0..300).map(|_| alive.admit(W, 1))).await;
    assert!(answers.iter().all(|answer| *answer == Err(UNAVAILABLE)), "{answers:?}");
    log.last_sequence().await.unwrap();
    let (bound, mut recalled) = (began.elapsed().as_millis() / 500 + 2, 0);
    while tokio::time::timeout(Duration::from_millis(50), recalls.next()).await.is_ok() {
        recalled += 1;
    }
    assert!((1..=bound).contains(&recalled), "{recalled} recalls for 300 calls at once, {bound} at most");
}

#[tokio::test]
async fn without_a_ledger_nobody_is_refused_for_the_price_and_who_can_pay_is_accepted() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 3).await;
    let process = process(&broker).await;
    assert_eq!(process.admit(W, 4).await, Err(UNAVAILABLE), "other processes may hold some");
    process.admit(W, 3).await.unwrap();
    assert_eq!(process.admit(W, 1).await, Err(UNAVAILABLE));
    let _ledger = TestLedger::start(&broker).await;
    assert_eq!(process.admit(W, 1).await, Err(not_enough(1, 0)));
}
