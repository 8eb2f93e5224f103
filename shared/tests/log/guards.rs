//! Conditions: what is stored, what is refused, and who is told.

use std::collections::VecDeque;
use std::time::Duration;

use angelia_shared::event::{CreditsGranted, Event, KeyUsed, PartitionClaimed, Totals};
use angelia_shared::ids::{MemberId, MessageId, WorkspaceId};
use angelia_shared::log::{AppendError, Appender, Entry, EventLog, Group, Guard, Pending, Writer};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::testing::TestBroker;
use angelia_shared::units::{Credits, UnixMillis};
use tokio::task::JoinSet;

use crate::checker::{chains, read_all};
use crate::notes::{Answer, Notes, Running, draw, options, packed, unpacked};

const W: WorkspaceId = WorkspaceId(7);
const CLAIM: Subject = Subject::PartitionClaim(Partition(3));

/// Hands groups to a writer as one queue and commits until all are answered.
async fn commit_all(writer: &mut Writer, groups: Vec<Group>) -> Vec<Answer> {
    let (mut queue, answers): (VecDeque<_>, Vec<_>) = groups.into_iter().map(Pending::new).unzip();
    let all = async {
        while !queue.is_empty() {
            writer.commit(&mut queue).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), all).await.expect("every group is answered");
    futures_util::future::join_all(answers).await.into_iter().map(|answer| answer.unwrap()).collect()
}

async fn granted(log: &EventLog, appender: &Appender, workspace: WorkspaceId, credits: u64) -> (u64, Totals) {
    let totals = Totals::default().granting(Credits(credits)).unwrap();
    let credits = Credits(credits);
    let grant = CreditsGranted { v: 1, credits, reason: String::new(), totals, at: UnixMillis(0) };
    let entry = Entry::new(Subject::Wallet(workspace), &Event::CreditsGranted(grant)).guarded(Guard::Own(0));
    let stored = appender.append(Group::one(entry)).await.unwrap();
    let head = log.head(Subject::Wallet(workspace)).await.unwrap().unwrap();
    assert_eq!(head.seq, stored.positions[0].seq);
    (head.seq, totals)
}

fn claim(part: Subject) -> Entry {
    let event = PartitionClaimed { v: 1, part: Some(Partition(3)), member: MemberId::generate(), at: UnixMillis(0) };
    Entry::new(part, &Event::PartitionClaimed(event))
}

fn key() -> Entry {
    let message = MessageId::generate();
    let (key, fingerprint) = (message.public(), String::new());
    Entry::new(Subject::Key(9), &Event::KeyUsed(KeyUsed { v: 1, key, fingerprint, workspace: W, message }))
}

#[tokio::test]
async fn a_lost_guard_is_told_to_the_group_that_holds_it_and_the_others_are_stored() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let running = Running::start(&log).await;
    let (head, totals) = granted(&log, &running.appender, W, 10).await;
    let (other_head, other_totals) = granted(&log, &running.appender, WorkspaceId(8), 10).await;

    let mut writer = Writer::open(log.clone(), options()).await.unwrap();
    let stale = Group::from_iter([draw(W, head - 1, totals), packed(), unpacked()]);
    let good = Group::from_iter([draw(WorkspaceId(8), other_head, other_totals), packed()]);
    let groups = vec![Group::one(packed()), stale, good, Group::one(unpacked())];
    let answers = commit_all(&mut writer, groups.clone()).await;
    assert_eq!(answers[1], Err(AppendError::GuardLost(vec![(Subject::Wallet(W), head)])));
    assert!([0, 2, 3].iter().all(|at| answers[*at].is_ok()), "{answers:?}");
    let seals: Vec<_> = [0, 2, 3].iter().map(|at| answers[*at].as_ref().unwrap().sealed_at).collect();
    assert!(seals.iter().all(|seal| *seal == seals[0]), "what fell with another's guard is retried together");

    let notes = Notes::default();
    for (group, answer) in groups.into_iter().zip(answers) {
        notes.write(group, Some(answer));
    }
    running.stop().await;
    let records = read_all(&log).await;
    notes.check(&records);
    chains(&records);
}

#[tokio::test]
async fn a_claim_guards_all_groups_of_a_batch_until_it_moves() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut writer = Writer::open(log.clone(), options()).await.unwrap();
    let claimed = commit_all(&mut writer, vec![Group::one(claim(CLAIM).guarded(Guard::Own(0)))]).await;
    let at = claimed[0].as_ref().unwrap().positions[0].seq;
    let attempts = |entry: fn() -> Entry| {
        let guarded = move |_| Group::one(entry().guarded(Guard::Other(CLAIM, at)));
        // Unguarded ones before them, whose records the packed ones join.
        (0..8).map(|_| Group::one(packed())).chain((0..50).map(guarded)).collect::<Vec<_>>()
    };
    let groups = [attempts(packed), attempts(unpacked)].concat();
    let answers = commit_all(&mut writer, groups).await;
    let seal = answers[0].as_ref().unwrap().sealed_at;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|stored| stored.sealed_at == seal)), "one batch");

    let mut successor = Writer::open(log.clone(), options()).await.unwrap();
    let again = commit_all(&mut successor, vec![Group::one(claim(CLAIM).guarded(Guard::Own(at)))]).await;
    let moved = again[0].as_ref().unwrap().positions[0].seq;
    let notes = Notes::default();
    for entry in [packed as fn() -> Entry, unpacked] {
        let groups = attempts(entry);
        let answers = commit_all(&mut writer, groups.clone()).await;
        assert!(answers[..8].iter().all(Result::is_ok));
        for answer in &answers[8..] {
            assert_eq!(*answer, Err(AppendError::GuardLost(vec![(CLAIM, moved)])));
        }
        for (group, answer) in groups.into_iter().zip(answers) {
            notes.write(group, Some(answer));
        }
    }
    notes.check(&read_all(&log).await);
}

#[tokio::test]
async fn keyed_groups_share_a_record_and_its_guard() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut writer = Writer::open(log.clone(), options()).await.unwrap();
    let keyed = |head| Group::from_iter([key().guarded(Guard::Own(head)), packed()]);
    let answers = commit_all(&mut writer, (0..70).map(|_| keyed(0)).collect()).await;
    let (first, rest) = answers.split_at(64);
    let record = first[0].as_ref().unwrap().positions[0].seq;
    for (answer, line) in first.iter().zip(0u16..) {
        assert_eq!(
            (answer.as_ref().unwrap().positions[0].seq, answer.as_ref().unwrap().positions[0].line),
            (record, line)
        );
    }
    // The record was full; in the next batch the head has moved.
    for answer in rest {
        assert_eq!(*answer, Err(AppendError::GuardLost(vec![(Subject::Key(9), record)])));
    }
    assert!(commit_all(&mut writer, vec![keyed(record)]).await[0].is_ok());
}

#[tokio::test]
async fn a_group_with_several_lost_guards_is_told_all_of_them() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut writer = Writer::open(log.clone(), options()).await.unwrap();
    let two = || {
        let watched = unpacked().guarded(Guard::Other(CLAIM, 5));
        Group::from_iter([key().guarded(Guard::Own(4)), watched])
    };
    let Err(AppendError::GuardLost(mut lost)) = commit_all(&mut writer, vec![two()]).await.remove(0) else {
        panic!("neither subject was ever written")
    };
    lost.sort();
    assert_eq!(lost, [(Subject::Key(9), 0), (CLAIM, 0)]);
}

#[tokio::test]
async fn a_group_that_fits_no_batch_is_told_so_and_holds_nobody_up() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut writer = Writer::open(log.clone(), options()).await.unwrap();
    let twice = Group::from_iter([draw(W, 0, granted_totals()), draw(W, 0, granted_totals())]);
    let mut huge = packed();
    huge.line = vec![b'x'; 2 * 1024 * 1024];
    let id = writer.id();
    let answers = commit_all(&mut writer, vec![twice, Group::one(huge), Group::one(packed())]).await;
    assert_eq!(answers[..2], [Err(AppendError::TooLarge), Err(AppendError::TooLarge)]);
    assert!(answers[2].is_ok());
    assert_eq!(writer.id(), id, "no writer had to be given up for it");
}

fn granted_totals() -> Totals {
    Totals::default().granting(Credits(5)).unwrap()
}

/// Draws until `times` draws were stored; a lost guard tells the head to decide again from.
async fn draws(log: EventLog, appender: Appender, times: usize) -> Vec<Group> {
    let mut stored = Vec::new();
    while stored.len() < times {
        let head = log.head(Subject::Wallet(W)).await.unwrap().unwrap();
        let before = match Event::from_line(&head.payload).unwrap() {
            Event::CreditsGranted(event) => event.totals,
            Event::CreditsDrawn(event) => event.totals,
            other => panic!("{} in the wallet", other.name()),
        };
        let group = Group::from_iter([draw(W, head.seq, before), packed()]);
        match appender.append(group.clone()).await {
            Ok(_) => stored.push(group),
            Err(AppendError::GuardLost(lost)) => assert!(lost.iter().all(|(_, seq)| *seq > head.seq), "{lost:?}"),
            Err(error) => panic!("{error}"),
        }
    }
    stored
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_race_for_one_wallet_and_never_draw_on_one_head() {
    let broker = TestBroker::start().await;
    let (log_a, log_b) = (broker.log().await, broker.log().await);
    let (a, b) = (Running::start(&log_a).await, Running::start(&log_b).await);
    granted(&log_a, &a.appender, W, 1_000).await;
    let mut callers = JoinSet::new();
    for number in 0..6 {
        let (log, writer) = if number % 2 == 0 { (&log_a, &a) } else { (&log_b, &b) };
        callers.spawn(draws(log.clone(), writer.appender.clone(), 20));
    }
    let stored: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(stored.len(), 120);
    a.stop().await;
    b.stop().await;
    let records = read_all(&log_a).await;
    chains(&records);
    let wallet = Subject::Wallet(W).to_string();
    let mut totals = Totals::default();
    for record in records.iter().filter(|record| record.subject == wallet) {
        match Event::from_line(&record.payload).unwrap() {
            Event::CreditsGranted(event) => totals = event.totals,
            Event::CreditsDrawn(event) => {
                totals = totals.drawing(event.credits).unwrap();
                assert_eq!(event.totals, totals, "each draw continues the one before");
            }
            other => panic!("{} in the wallet", other.name()),
        }
    }
    assert_eq!(totals.drawn, Credits(120));
}
