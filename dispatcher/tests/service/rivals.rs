//! Two dispatchers at once. They take partitions from each other; the claims keep them apart.

use angelia_shared::clock;
use angelia_shared::event::{Event, PartitionClaimed};
use angelia_shared::ids::MemberId;
use angelia_shared::log::Entry;
use angelia_shared::subject::Subject;

use crate::harness::checker::exactly_once;
use crate::harness::{Gate, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_dispatchers_send_nothing_twice_and_write_only_under_the_newest_claim() {
    let world = World::start().await;
    let first = world.dispatcher().await;
    let mut accounts = Vec::new();
    for _ in 0..6 {
        let account = world.account(|account| account.state.pace.gap_ms = (250, 350)).await;
        let messages = world.accept_texts(&account, 30).await;
        accounts.push((account, messages));
    }
    world.chronicle.until("the first one sends", |log| log.sent() >= 10).await;
    let second = world.dispatcher().await;

    let all: Vec<_> = accounts.iter().flat_map(|(_, messages)| messages.clone()).collect();
    // DP-1 to DP-4 are checked over the whole log here.
    let (log, journal) = world.all_over(&all).await;

    let members = |of: MemberId| {
        log.events().filter(|event| matches!(event, Event::PartitionClaimed(claim) if claim.member == of)).count()
    };
    assert!(members(first.member) >= 4 && members(second.member) >= 4, "both have claimed");
    // Each change of owner may leave one attempt of an account open.
    let changes = log.count("PartitionClaimed");
    exactly_once(&log, &journal, &accounts, changes);
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
    assert_eq!(receipt.provider_id, Some(format!("wamid.{}.0", messages[0])));
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
