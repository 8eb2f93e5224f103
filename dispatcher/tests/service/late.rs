//! A wire to the broker that stands still for a while: what was read late, and what was stored late.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::{Event, PartitionClaimed};
use angelia_shared::ids::MemberId;
use angelia_shared::log::Entry;
use angelia_shared::subject::Subject;

use crate::harness::checker::exactly_once;
use crate::harness::{Proxy, World, config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_reads_of_its_successor_too_late_sends_nothing_more() {
    let world = World::start().await;
    let wire = Proxy::to(world.broker.port()).await;
    let late = world.dispatcher_with(config(), wire.access()).await;
    let account = world.account(|account| account.state.pace.gap_ms = (300, 300)).await;
    let messages = world.accept_texts(&account, 30).await;
    world.chronicle.until("some are sent", |log| log.sent() >= 3).await;

    wire.stall();
    let claim = PartitionClaimed { v: 1, part: Some(account.part), member: MemberId::generate(), at: clock::now() };
    let stored = world.append([Entry::new(Subject::PartitionClaim(account.part), &Event::PartitionClaimed(claim))]);
    let claimed_at = stored.await.positions[0].seq;
    // A call that had begun may still reach WhatsApp; after that there is nothing.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = world.sandbox.journal().await.0.len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    wire.flow();
    let dispatcher = late.member;
    let again = |log: &crate::harness::Log| {
        log.0.iter().any(|logged| {
            logged.at.seq > claimed_at
                && matches!(&logged.event, Event::PartitionClaimed(claim)
                    if claim.member == dispatcher && claim.part == Some(account.part))
        })
    };
    let sent_before_again = |log: &crate::harness::Log| {
        !again(log)
            && log.0.iter().any(|logged| logged.at.seq > claimed_at && matches!(logged.subject, Subject::Attempt(..)))
    };
    world.chronicle.never("it writes under its old claim", Duration::from_secs(5), sent_before_again).await;
    assert_eq!(world.sandbox.journal().await.0.len(), before, "it sends nothing");

    let (log, journal) = world.all_over(&messages).await;
    exactly_once(&log, &journal, &[(account, messages)], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_was_stored_late_is_followed_by_no_call_but_by_another_start() {
    let world = World::start().await;
    let wire = Proxy::to(world.broker.port()).await;
    let _late = world.dispatcher_with(config(), wire.access()).await;
    let mut accounts = Vec::new();
    for _ in 0..6 {
        let account = world.account(|account| account.state.pace.gap_ms = (400, 400)).await;
        let messages = world.accept_texts(&account, 8).await;
        accounts.push((account, messages));
    }
    world.chronicle.until("some are sent", |log| log.sent() >= 12).await;

    wire.stall();
    tokio::time::sleep(Duration::from_secs(3)).await;
    wire.flow();

    let all: Vec<_> = accounts.iter().flat_map(|(_, messages)| messages.clone()).collect();
    let (log, journal) = world.all_over(&all).await;
    exactly_once(&log, &journal, &accounts, 0);
    // While nothing got through, one start or another was on its way.
    assert!(all.iter().any(|of| log.outcomes(*of) == ["not started", "sent"]));
}
