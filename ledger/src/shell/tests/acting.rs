use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::dice;
use angelia_shared::directory::DirectoryView;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{Digest, Event, LedgerCheckpointed, PartitionClaimed};
use angelia_shared::ids::{MemberId, MessageId};
use angelia_shared::members::{self, Service};
use angelia_shared::query::{AskCredits, AskMessage, MessageState};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::Credits;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use super::town::{Accepted, Pen, Town, receipt, sent, unknown, workspace};
use crate::domain::contradiction::Broken;
use crate::domain::overtake::STUCK_AFTER;
use crate::shell::actor::Actor;
use crate::shell::live::Live;
use crate::shell::replay::replay;
use crate::shell::store::{LogIdentity, Store};
use crate::shell::{consumer, run};

fn credits(n: u128) -> AskCredits {
    AskCredits { workspace: workspace(n) }
}

/// Accepts messages in several workspaces and makes each fail.
async fn failures(pen: &mut Pen, workspaces: u128, each: usize) -> Vec<Accepted> {
    let mut all = Vec::new();
    for n in 1..=workspaces {
        pen.grant(workspace(n), each as u64).await;
        all.extend(pen.accept(workspace(n), each).await);
    }
    for accepted in &all {
        pen.fail(*accepted).await;
    }
    all
}

async fn assert_each_refunded_once(town: &Town, failed: &[Accepted]) {
    let expected: BTreeMap<(MessageId, u8), Vec<u64>> =
        failed.iter().map(|accepted| ((accepted.message, 0), vec![1])).collect();
    assert_eq!(town.refunds().await, expected);
    assert_eq!(replay(&town.log, None).await.unwrap().contradictions, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_refunded_within_a_second_or_so_and_once() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let ledger = town.ledger("a", &[]).await;
    pen.grant(workspace(1), 10).await;
    let accepted = pen.accept(workspace(1), 3).await;
    pen.attempt(accepted[0], sent()).await;
    // Well within the promise, with room for a slow machine: seconds.
    let refunded = async {
        pen.fail(accepted[1]).await;
        town.until(credits(1), |view| view.refunded == Credits(1)).await;
    };
    tokio::time::timeout(Duration::from_secs(5), refunded).await.expect("refunded in time");
    assert_each_refunded_once(&town, &accepted[1..2]).await;
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_failures_are_paid_back_in_few_events_of_at_most_64_items() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let failed = failures(&mut pen, 2, 100).await;
    let ledger = town.ledger("a", &[]).await;
    for n in 1..=2 {
        town.until(credits(n), |view| view.refunded == Credits(100)).await;
    }
    assert_each_refunded_once(&town, &failed).await;
    let refunds = town.events().await.into_iter().filter_map(|(.., event)| match event {
        Event::CreditsRefunded(fact) => Some(fact.items.len()),
        _ => None,
    });
    assert_eq!(refunds.collect::<Vec<_>>(), [64, 64, 36, 36]);
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_cut_off_between_any_two_steps_pays_nothing_twice_and_nothing_less() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let mut failed = Vec::new();
    for life in 0..12_u64 {
        failed.extend(failures(&mut pen, 2, 10).await);
        // A folder a life: a task that is cut off may still hold the one before. It also replays each time.
        let mut ledger = town.ledger_begun(&format!("life{life}"), &[]).await;
        let _ready = tokio::time::timeout(PATIENCE, ledger.handle.ready()).await;
        tokio::time::sleep(Duration::from_millis(dice::u64() % 120)).await;
        ledger.task.abort();
    }
    let ledger = town.ledger("last", &[]).await;
    for n in 1..=2 {
        town.until(credits(n), |view| view.refunded == Credits(120)).await;
    }
    assert_each_refunded_once(&town, &failed).await;
    ledger.stop().await;
}

/// An actor with a projection of its own that believes it holds the claim.
pub(super) async fn twin(
    town: &Town,
    name: &str,
    member: MemberId,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let log = town.broker.log().await;
    let config = town.config(name, &[]);
    let store = Store::open(&config.ledger_dir, 8 << 20, LogIdentity { first: None, last: 0 }).unwrap();
    let live = Arc::new(Live::resume(store).unwrap());
    let (tell, _) = tokio::sync::watch::channel(consumer::Progress::default());
    let flush = Duration::from_millis(50);
    let consuming = tokio::spawn(consumer::run(Arc::clone(&live), log.clone(), 0, flush, tell, stop.clone()));
    let (directory, _following) = DirectoryView::start(log.clone(), name, stop.clone());
    let members = members::join(&log, Service::Ledger, member, stop).await.unwrap().unwrap().view;
    let actor = Actor { live, log, directory, members, member, config };
    let stop = stop.clone();
    tokio::spawn(async move {
        actor.run(stop).await.unwrap();
        consuming.await.unwrap().unwrap();
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_that_act_at_once_pay_once() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let mut failed = failures(&mut pen, 3, 40).await;
    let stop = CancellationToken::new();
    // Both have one name, so each takes the other's claim for its own.
    let member = MemberId::generate();
    let twins = [twin(&town, "castor", member, &stop).await, twin(&town, "pollux", member, &stop).await];
    for _ in 0..10 {
        failed.extend(failures(&mut pen, 3, 5).await);
    }
    let watcher = town.ledger("watcher", &[]).await;
    for n in 1..=3 {
        town.until(credits(n), |view| view.refunded == Credits(90)).await;
    }
    stop.cancel();
    for twin in twins {
        tokio::time::timeout(PATIENCE, twin).await.unwrap().unwrap();
    }
    assert_each_refunded_once(&town, &failed).await;
    watcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_moved_since_the_projection_is_not_paid_from_what_it_was() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let failed = failures(&mut pen, 1, 5).await;
    let member = MemberId::generate();
    let live = behind(&town, "a").await;
    let stop = CancellationToken::new();
    // The projection stands still from here, as one that lags does. The wallet moves on.
    pen.grant(workspace(1), 50).await;
    let (directory, _following) = DirectoryView::start(town.log.clone(), "a", stop.clone());
    let members = members::join(&town.log, Service::Ledger, member, &stop).await.unwrap().unwrap().view;
    let (log, config) = (town.log.clone(), town.config("a", &[]));
    let actor = Actor { live: Arc::clone(&live), log, directory, members, member, config };
    let acting = tokio::spawn(actor.run(stop.clone()));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(town.refunds().await.is_empty(), "nothing may be paid from a head that was lost");
    // Now it goes on, and the same debts are paid once, over the new totals.
    let (tell, _) = tokio::sync::watch::channel(consumer::Progress::default());
    let flush = Duration::from_millis(50);
    let consuming = tokio::spawn(consumer::run(live, town.log.clone(), 0, flush, tell, stop.clone()));
    let watcher = town.ledger("watcher", &[]).await;
    town.until(credits(1), |view| view.refunded == Credits(5) && view.granted == Credits(55)).await;
    stop.cancel();
    acting.await.unwrap().unwrap();
    consuming.await.unwrap().unwrap();
    assert_each_refunded_once(&town, &failed).await;
    watcher.stop().await;
}

/// A projection that was folded up to now and then left alone.
pub(super) async fn behind(town: &Town, name: &str) -> Arc<Live> {
    let path = town.config(name, &[]).ledger_dir;
    let store = Store::open(&path, 8 << 20, LogIdentity { first: None, last: 0 }).unwrap();
    let live = Arc::new(Live::resume(store).unwrap());
    let (stop, end) = (CancellationToken::new(), town.log.last_sequence().await.unwrap());
    let (tell, _) = tokio::sync::watch::channel(consumer::Progress::default());
    let flush = Duration::from_millis(50);
    let consuming = tokio::spawn(consumer::run(Arc::clone(&live), town.log.clone(), 0, flush, tell, stop.clone()));
    assert!(live.reached(end, PATIENCE).await);
    stop.cancel();
    consuming.await.unwrap().unwrap();
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_settled_by_policy_at_its_deadline_and_paid_in_a_later_batch() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    pen.policy(workspace(1), UnknownPolicy::Refund).await;
    pen.policy(workspace(2), UnknownPolicy::Charge).await;
    let mut accepted = Vec::new();
    for n in 1..=3 {
        pen.grant(workspace(n), 2).await;
        accepted.extend(pen.accept(workspace(n), 2).await);
    }
    for one in &accepted {
        pen.attempt(*one, unknown()).await;
    }
    // Of one, a receipt tells in time.
    let sent = receipt(accepted[0], 0);
    pen.write(vec![(Subject::Receipt(Partition(0)), Event::MessageSent(sent))]).await;
    let ledger = town.ledger("a", &[("unknown_deadline_s", "1")]).await;
    town.until(credits(1), |view| view.refunded == Credits(1)).await;
    town.until(credits(3), |view| view.refunded == Credits(2)).await;
    for (one, state) in accepted.iter().zip([
        MessageState::Sent,
        MessageState::Failed,
        MessageState::Sent,
        MessageState::Sent,
        MessageState::Failed,
        MessageState::Failed,
    ]) {
        let view = town.until(AskMessage { workspace: one.workspace, message: one.message }, |view| {
            view.as_ref().unwrap().state != MessageState::Unknown
        });
        assert_eq!(view.await.unwrap().state, state);
    }
    let (mut settled, mut refunded, mut mixed) = (0, 0, (false, false));
    for (_, subject, event) in town.events().await {
        match (subject, event) {
            (Subject::Settlement(_), Event::OutcomeSettled(_)) => (settled, mixed.0) = (settled + 1, true),
            (_, Event::CreditsRefunded(fact)) => (refunded, mixed.1) = (refunded + fact.items.len(), true),
            (Subject::Writer(_), _) => {
                assert_ne!(mixed, (true, true), "a settlement and a refund share a batch");
                mixed = (false, false);
            }
            _ => {}
        }
    }
    assert_eq!((settled, refunded), (5, 3));
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_go_on_when_the_broker_comes_back() {
    let mut town = Town::new().await;
    let mut pen = town.pen().await;
    let mut failed = failures(&mut pen, 2, 20).await;
    let ledger = town.ledger("a", &[]).await;
    for _ in 0..2 {
        town.broker.restart().await;
        failed.extend(failures(&mut pen, 2, 10).await);
    }
    for n in 1..=2 {
        town.until(credits(n), |view| view.refunded == Credits(40)).await;
    }
    assert_each_refunded_once(&town, &failed).await;
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_chained_true_and_only_written_when_something_changed() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    pen.grant(workspace(1), 5).await;
    let settings = [("ledger_checkpoint_s", "1"), ("ledger_checkpoint_records", "1000000")];
    let ledger = town.ledger("a", &settings).await;
    let checkpoints = async || {
        let events = town.events().await.into_iter();
        let checkpoints = events.filter_map(|(at, _, event)| match event {
            Event::LedgerCheckpointed(fact) => Some((at.seq, fact)),
            _ => None,
        });
        checkpoints.collect::<Vec<_>>()
    };
    let wait_for = async |count: usize| {
        let waiting = async {
            while checkpoints().await.len() < count {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("a checkpoint is written in time");
    };
    wait_for(1).await;
    // Quiet: three times the interval brings no other.
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    assert_eq!(checkpoints().await.len(), 1);
    pen.grant(workspace(1), 5).await;
    wait_for(2).await;
    ledger.stop().await;
    // Nothing had come since, so its end brings none. What comes before the next one's end is covered by a last one.
    assert_eq!(checkpoints().await.len(), 2);
    let ledger = town.ledger("a", &[("ledger_checkpoint_s", "86400")]).await;
    town.until(credits(1), |view| view.granted == Credits(10)).await;
    pen.grant(workspace(1), 5).await;
    town.until(credits(1), |view| view.granted == Credits(15)).await;
    ledger.stop().await;
    let found = checkpoints().await;
    assert_eq!(found.len(), 3);
    assert_eq!((found[0].1.previous, found[1].1.previous, found[2].1.previous), (0, found[0].0, found[1].0));
    let replayed = replay(&town.log, None).await.unwrap();
    assert_eq!((replayed.contradictions, replayed.checkpoints), (vec![], 3));
    for (_, checkpoint) in found {
        let replayed = replay(&town.log, Some(checkpoint.seq)).await.unwrap();
        assert_eq!(replayed.seq, checkpoint.seq);
        assert_eq!((replayed.log_digest, replayed.state_digest), (checkpoint.log_digest, checkpoint.state_digest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_names_a_checkpoint_that_tells_another_log_or_state() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    pen.grant(workspace(1), 5).await;
    let true_then = replay(&town.log, None).await.unwrap();
    // Too late for the fold to compare it.
    pen.grant(workspace(1), 5).await;
    let told = |previous, log_digest, state_digest| {
        let seq = true_then.seq;
        Event::LedgerCheckpointed(LedgerCheckpointed { v: 1, seq, log_digest, state_digest, previous })
    };
    let (log, state, wrong) = (true_then.log_digest, true_then.state_digest, Digest([7; 32]));
    let mut places = vec![0];
    for (log, state) in [(log, state), (wrong, state), (log, wrong)] {
        let stored = pen.write(vec![(Subject::Checkpoint, told(places[places.len() - 1], log, state))]).await;
        places.push(stored.positions[0].seq);
    }
    let replayed = replay(&town.log, None).await.unwrap();
    let named: Vec<_> =
        replayed.contradictions.iter().map(|found| (found.position.seq, found.broken.clone())).collect();
    assert_eq!(named, [(places[2], Broken::LogDiffers), (places[3], Broken::StateDiffers)]);
    assert_eq!(replayed.checkpoints, 3);
}

/// Who holds the claim.
async fn holder(town: &Town) -> Option<MemberId> {
    let mut claims = town.events().await.into_iter().filter_map(|(_, subject, event)| match (subject, event) {
        (Subject::LedgerClaim, Event::PartitionClaimed(fact)) => Some(Some(fact.member)),
        (Subject::LedgerClaim, Event::PartitionReleased(_)) => Some(None),
        _ => None,
    });
    claims.next_back().flatten()
}

/// Waits until this one holds the claim, or nobody.
async fn holds(town: &Town, member: Option<MemberId>) {
    let waiting = async {
        while holder(town).await != member {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the claim moves in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_acting_ledger_is_gone_the_other_one_acts_and_pays_once() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let first = town.ledger("a", &[]).await;
    let mut failed = failures(&mut pen, 1, 3).await;
    town.until(credits(1), |view| view.refunded == Credits(3)).await;
    let second = town.ledger("b", &[]).await;
    pen.grant(workspace(2), 3).await;
    let accepted = pen.accept(workspace(2), 3).await;
    pen.fail(accepted[0]).await;
    town.until(credits(2), |view| view.refunded == Credits(1)).await;
    // Without a word: it neither releases the claim nor its key.
    second.task.abort();
    for one in &accepted[1..] {
        pen.fail(*one).await;
    }
    failed.extend(accepted);
    town.until(credits(2), |view| view.refunded == Credits(3)).await;
    assert_each_refunded_once(&town, &failed).await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_lives_and_pays_nothing_loses_the_claim_within_seconds() {
    let town = Town::new().await;
    let mut pen = town.pen().await;
    let ledger = town.ledger("a", &[]).await;
    holds(&town, Some(ledger.member)).await;
    // It renews its key and holds the claim; that is all that it does.
    let (idle, stop) = (MemberId::generate(), CancellationToken::new());
    let _seat = members::join(&town.log, Service::Ledger, idle, &stop).await.unwrap().unwrap();
    let claimed = PartitionClaimed { v: 1, part: None, member: idle, at: clock::now() };
    let claimed = pen.write(vec![(Subject::LedgerClaim, Event::PartitionClaimed(claimed))]).await;
    town.ask(credits(1), claimed.sealed_at).await;
    let failed = failures(&mut pen, 2, 3).await;
    let paid = async {
        for n in 1..=2 {
            town.until(credits(n), |view| view.refunded == Credits(3)).await;
        }
    };
    // The promise is 10 s.
    tokio::time::timeout(STUCK_AFTER + Duration::from_secs(4), paid).await.expect("paid in time");
    assert_each_refunded_once(&town, &failed).await;
    assert_eq!(holder(&town).await, Some(ledger.member));
    ledger.stop().await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ledger_takes_the_claim_and_the_first_gets_it_back_when_it_is_released() {
    let town = Town::new().await;
    let holder = async || holder(&town).await;
    let until = async |member| holds(&town, member).await;
    let first = town.ledger("first", &[]).await;
    until(Some(first.member)).await;
    let second = town.ledger("second", &[]).await;
    until(Some(second.member)).await;
    // The first one stands by: it does not take the claim back from one that lives.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(holder().await, Some(second.member));
    second.stop().await;
    until(Some(first.member)).await;
    first.stop().await;
    assert_eq!(holder().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_ends_in_time_while_the_broker_is_away() {
    let mut town = Town::new().await;
    let ledger = town.ledger("a", &[]).await;
    town.broker.kill();
    ledger.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), ledger.task).await.expect("it ends in time");
    ended.unwrap().unwrap();
    // One that was never ready, too.
    let config = town.config("b", &[]);
    let shutdown = CancellationToken::new();
    let begun = tokio::spawn(run::run(config, town.log.clone(), MemberId::generate(), shutdown.clone()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(20), begun).await.expect("it ends in time").unwrap().unwrap();
}
