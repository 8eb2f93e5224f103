//! Two dispatchers at once. They share the partitions; the claims keep them apart.

use std::collections::HashMap;

use angelia_shared::clock;
use angelia_shared::event::{Event, PartitionClaimed};
use angelia_shared::ids::{MemberId, MessageId};
use angelia_shared::log::Entry;
use angelia_shared::rendezvous;
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::wamid::veiled;

use crate::harness::checker::exactly_once;
use crate::harness::{Account, Gate, Log, Proxy, World, config};

/// Who has each partition, by the newest record of its claim.
fn holders(log: &Log) -> HashMap<Partition, Option<MemberId>> {
    let mut holders = HashMap::new();
    for logged in &log.0 {
        match (logged.subject, &logged.event) {
            (Subject::PartitionClaim(part), Event::PartitionClaimed(claim)) => holders.insert(part, Some(claim.member)),
            (Subject::PartitionClaim(part), Event::PartitionReleased(_)) => holders.insert(part, None),
            _ => None,
        };
    }
    holders
}

/// How many partitions a member has.
fn has(log: &Log, member: MemberId) -> usize {
    holders(log).values().filter(|holder| **holder == Some(member)).count()
}

/// Whether every claim but the first of each partition follows a release.
fn only_planned_moves(log: &Log) -> bool {
    let mut before: HashMap<Partition, bool> = HashMap::new();
    log.0.iter().all(|logged| match (logged.subject, &logged.event) {
        (Subject::PartitionClaim(part), Event::PartitionClaimed(_)) => !before.insert(part, true).unwrap_or(false),
        (Subject::PartitionClaim(part), Event::PartitionReleased(_)) => before.insert(part, false) == Some(true),
        _ => true,
    })
}

async fn busy(world: &World, accounts: usize, messages: usize) -> Vec<(Account, Vec<MessageId>)> {
    let mut busy = Vec::new();
    for _ in 0..accounts {
        let account = world.account(|account| account.state.pace.gap_ms = (250, 350)).await;
        let messages = world.accept_texts(&account, messages).await;
        busy.push((account, messages));
    }
    busy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_joins_takes_its_share_and_one_that_leaves_gives_it_back_and_no_attempt_is_left_open() {
    let world = World::with(16, None).await;
    let first = world.dispatcher().await;
    let accounts = busy(&world, 12, 60).await;
    world.chronicle.until("the first one sends", |log| log.sent() >= 10).await;
    let second = world.dispatcher().await;
    let (one, other) = (first.member, second.member);
    let mine = (0..16).filter(|part| rendezvous::owner(*part, [one, other]) == Some(other)).count();
    let shared = |log: &Log| has(log, other) == mine && has(log, one) == 16 - mine;
    world.chronicle.until("both have their share", shared).await;
    let sent = world.chronicle.now().sent();
    world.chronicle.until("both send", |log| log.sent() >= sent + 30).await;

    first.stop().await;
    world.chronicle.until("the second has all", |log| has(log, other) == 16).await;

    let all: Vec<_> = accounts.iter().flat_map(|(_, messages)| messages.clone()).collect();
    // DP-1 to DP-4 are checked over the whole log here.
    let (log, journal) = world.all_over(&all).await;
    assert!(only_planned_moves(&log), "every owner was waited for");
    exactly_once(&log, &journal, &accounts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_one_had_is_taken_over() {
    let world = World::with(16, None).await;
    let first = world.dispatcher().await;
    let second = world.dispatcher().await;
    let (one, other) = (first.member, second.member);
    world.chronicle.until("both have some", |log| has(log, one) > 0 && has(log, other) > 0).await;
    let accounts = busy(&world, 12, 30).await;
    world.chronicle.until("they send", |log| log.sent() >= 30).await;
    first.kill().await;
    world.chronicle.until("the second has all", |log| has(log, other) == 16).await;

    let all: Vec<_> = accounts.iter().flat_map(|(_, messages)| messages.clone()).collect();
    let (log, journal) = world.all_over(&all).await;
    exactly_once(&log, &journal, &accounts, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_cut_off_sends_nothing_once_its_lease_is_over_and_gets_its_share_again() {
    let world = World::with(16, None).await;
    let wire = Proxy::to(world.broker.port()).await;
    let first = world.dispatcher_with(config(), wire.access()).await;
    let second = world.dispatcher().await;
    let (one, other) = (first.member, second.member);
    world.chronicle.until("both have some", |log| has(log, one) > 0 && has(log, other) > 0).await;
    // By rendezvous, since shares may still be on the move.
    let share = (0..16).filter(|part| rendezvous::owner(*part, [one, other]) == Some(one)).count();
    let accounts = busy(&world, 12, 50).await;
    world.chronicle.until("they send", |log| log.sent() >= 30).await;

    wire.stall();
    world.chronicle.until("the second has all", |log| has(log, other) == 16).await;
    wire.flow();
    // What it had is its own again after it left it alone for a while.
    world.chronicle.until("the first has its share again", |log| has(log, one) == share).await;

    let all: Vec<_> = accounts.iter().flat_map(|(_, messages)| messages.clone()).collect();
    let (log, journal) = world.all_over(&all).await;
    exactly_once(&log, &journal, &accounts, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_result_of_a_call_whose_partition_was_lost_becomes_a_receipt() {
    let world = World::start().await;
    let gate = Gate::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = gate.url().to_owned()).await;
    let messages = world.accept_texts(&account, 1).await;
    gate.has_seen(1).await;

    claim_for_a_stranger(&world, &account).await;
    gate.let_through(1);

    let reported = |log: &crate::harness::Log| !log.sent_receipts(messages[0]).is_empty();
    world.chronicle.until("the result is a receipt", reported).await;
    let (log, _) = world.all_over(&messages).await;
    assert_eq!(log.outcomes(messages[0]), ["unknown"], "written by the owner after it");
    let receipt = log.sent_receipts(messages[0])[0];
    assert_eq!(receipt.provider_id, Some(veiled(&format!("wamid.{}.0", messages[0]))));
    assert_eq!(gate.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_partition_is_left_alone_for_a_while_and_the_others_go_on() {
    let world = World::start().await;
    let dispatcher = world.dispatcher().await;
    world.ready().await;
    let lost = world.account(|_| {}).await;
    let kept = world.account_apart(&[&lost]).await;
    claim_for_a_stranger(&world, &lost).await;
    let lost_at = clock::monotonic();

    let waiting = world.accept_texts(&lost, 1).await;
    let going = world.accept_texts(&kept, 3).await;
    world.chronicle.over(&going).await;
    let claims_again = |log: &crate::harness::Log| {
        let mine = log.events().filter(|event| {
            matches!(event, Event::PartitionClaimed(claim)
                if claim.member == dispatcher.member && claim.part == Some(lost.part))
        });
        mine.count() == 2
    };
    world.chronicle.until("the partition is claimed again", claims_again).await;
    assert!(lost_at.elapsed().as_secs() >= 10, "{:?}", lost_at.elapsed());
    world.all_over(&waiting).await;
}

/// Claims an account's partition for a dispatcher that does nothing.
async fn claim_for_a_stranger(world: &World, account: &crate::harness::Account) {
    let claim = PartitionClaimed { v: 1, part: Some(account.part), member: MemberId::generate(), at: clock::now() };
    world.append([Entry::new(Subject::PartitionClaim(account.part), &Event::PartitionClaimed(claim))]).await;
}
