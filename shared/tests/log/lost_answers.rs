//! The network loses answers and delivers copies late.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::log::{AppendError, EventLog, Group};
use angelia_shared::testing::TestBroker;
use tokio::time::timeout;

use crate::checker::{chains, read_all};
use crate::fencing::{fence, open_writer};
use crate::notes::{Answer, Notes, Running, packed, some_group};
use crate::proxy::{Proxy, Weather};

const PATIENCE: Duration = Duration::from_secs(15);

/// Hands groups in, all at once.
fn hand_in(writer: &Running, notes: &Arc<Notes>, number: usize) -> tokio::task::JoinHandle<Vec<Answer>> {
    let (appender, notes) = (writer.appender.clone(), Arc::clone(notes));
    tokio::spawn(async move {
        futures_util::future::join_all((0..number).map(|at| notes.append(&appender, some_group(at)))).await
    })
}

async fn last(log: &EventLog) -> u64 {
    log.last_sequence().await.unwrap()
}

/// Waits until the log has grown past `seq`.
async fn grown(log: &EventLog, seq: u64) {
    while last(log).await <= seq {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn check(direct: &EventLog, notes: &Notes, stored: usize) {
    let records = read_all(direct).await;
    notes.check(&records);
    chains(&records);
    assert_eq!(notes.stored(), stored);
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_with_its_connection_is_settled_as_stored() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let writer = Running::start(&proxy.log().await).await;
    let notes = Arc::new(Notes::default());
    for round in 1..=3 {
        let before = last(&direct).await;
        proxy.set(Weather::AnswersLost);
        let told = hand_in(&writer, &notes, 40);
        grown(&direct, before).await;
        assert!(!told.is_finished(), "stored, and nobody knows");
        proxy.set(Weather::Clear);
        proxy.cut();
        let told = timeout(PATIENCE, told).await.expect("it is settled").unwrap();
        assert!(told.iter().all(Result::is_ok), "{told:?}");
        check(&direct, &notes, round * 40).await;
    }
    writer.stop().await;
    let chains = chains(&read_all(&direct).await);
    assert!(chains.values().all(|chain| !chain.fenced), "the first record settled it");
}

#[tokio::test]
async fn a_batch_whose_answer_never_came_is_settled_as_stored() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let writer = Running::start(&proxy.log().await).await;
    let notes = Arc::new(Notes::default());
    let before = last(&direct).await;
    proxy.set(Weather::AnswersLost);
    let told = hand_in(&writer, &notes, 40);
    grown(&direct, before).await;
    // Long enough for the answer to count as lost; the connection stands.
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    proxy.set(Weather::Clear);
    let told = timeout(PATIENCE, told).await.expect("it is settled").unwrap();
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    writer.stop().await;
    check(&direct, &notes, 40).await;
}

#[tokio::test]
async fn copies_delivered_after_their_answer_counted_as_lost_are_stored_once() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let writer = Running::start(&proxy.log().await).await;
    let notes = Arc::new(Notes::default());
    proxy.set(Weather::Held);
    let told = hand_in(&writer, &notes, 40);
    tokio::time::sleep(Duration::from_millis(2_300)).await;
    assert!(!told.is_finished());
    proxy.set(Weather::Clear);
    let told = timeout(PATIENCE, told).await.expect("it is settled").unwrap();
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    writer.stop().await;
    check(&direct, &notes, 40).await;
}

/// The first copy waits in the network while its connection is cut, the writer reads "nothing there" and sends again.
#[tokio::test]
async fn a_first_copy_that_arrives_after_the_second_is_not_stored() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let writer = Running::start(&proxy.log().await).await;
    let notes = Arc::new(Notes::default());
    for round in 1..=3 {
        proxy.set(Weather::Held);
        let told = hand_in(&writer, &notes, 40);
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.cut();
        let told = timeout(PATIENCE, told).await.expect("the second copy is stored").unwrap();
        assert!(told.iter().all(Result::is_ok), "{told:?}");
        let before = last(&direct).await;
        proxy.set(Weather::Clear);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(last(&direct).await, before, "the first copy comes too late");
        check(&direct, &notes, round * 40).await;
    }
    writer.stop().await;
}

/// The first copy arrives somewhere between the writer's reading, its second copy and what it makes of that.
#[tokio::test]
async fn a_first_copy_that_races_with_the_second_is_stored_once() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let writer = Running::start(&proxy.log().await).await;
    let notes = Arc::new(Notes::default());
    for round in 1..=12u64 {
        proxy.set(Weather::Held);
        let told = hand_in(&writer, &notes, 20);
        tokio::time::sleep(Duration::from_millis(30)).await;
        proxy.cut();
        // Within the few milliseconds that it takes to connect again, to read and to send again.
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        proxy.set(Weather::Clear);
        let told = timeout(PATIENCE, told).await.expect("it is settled").unwrap();
        assert!(told.iter().all(Result::is_ok), "{told:?}");
    }
    writer.stop().await;
    check(&direct, &notes, 12 * 20).await;
}

#[tokio::test]
async fn a_writer_goes_on_after_an_answer_was_lost() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let log = proxy.log().await;
    let writer = Running::start(&log).await;
    proxy.set(Weather::AnswersLost);
    let appender = writer.appender.clone();
    let lost = tokio::spawn(async move { appender.append(Group::one(packed())).await });
    grown(&direct, 1).await;
    proxy.set(Weather::Clear);
    proxy.cut();
    let first = timeout(PATIENCE, lost).await.unwrap().unwrap().unwrap();
    let second = writer.appender.append(Group::one(packed())).await.unwrap();
    assert!(second.positions[0].seq > first.sealed_at);
    writer.stop().await;
    assert_eq!(chains(&read_all(&direct).await).len(), 1, "under the same id");
}

#[tokio::test]
async fn a_batch_that_was_stored_before_its_writer_was_fenced_is_told_as_stored() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let writer = Running::start(&proxy.log().await).await;
    let id = open_writer(&direct).await.unwrap();
    let notes = Arc::new(Notes::default());
    proxy.set(Weather::AnswersLost);
    let told = hand_in(&writer, &notes, 40);
    grown(&direct, 1).await;
    fence(&direct, id).await;
    proxy.set(Weather::Clear);
    proxy.cut();
    let told = timeout(PATIENCE, told).await.expect("it is settled").unwrap();
    assert!(told.iter().all(Result::is_ok), "the first record counts, not the last: {told:?}");
    assert_eq!(notes.append(&writer.appender, some_group(0)).await, Err(AppendError::NeverStored));
    writer.stop().await;
    check(&direct, &notes, 40).await;
}

/// Both copies wait in the network; reads and the fence pass.
#[tokio::test]
async fn a_writer_whose_copies_are_all_late_fences_itself_and_they_are_never_stored() {
    let broker = TestBroker::start().await;
    let direct = broker.log().await;
    let proxy = Proxy::start(&broker).await;
    let writer = Running::start(&proxy.log().await).await;
    let id = open_writer(&direct).await.unwrap();
    let notes = Arc::new(Notes::default());
    proxy.set(Weather::BatchesHeld);
    let first = hand_in(&writer, &notes, 3);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let later = hand_in(&writer, &notes, 3);
    let told = timeout(PATIENCE, first).await.expect("it settles without the broker's answer").unwrap();
    assert!(told.iter().all(|answer| *answer == Err(AppendError::NeverStored)), "{told:?}");
    proxy.set(Weather::Clear);
    let told = timeout(PATIENCE, later).await.expect("the new writer goes on").unwrap();
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    writer.stop().await;
    let records = read_all(&direct).await;
    notes.check(&records);
    let chains = chains(&records);
    let old = &chains[&id.to_string()];
    assert!(old.fenced && old.batches == 0 && chains.len() == 2);
}
