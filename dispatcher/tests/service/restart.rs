//! One dispatcher after the other: killed, and stopped in good order.

use std::collections::HashMap;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::Event;
use angelia_shared::subject::{Partition, Subject};

use crate::harness::checker::exactly_once;
use crate::harness::{Gate, Log, Message, SOMEBODY, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_everything_goes_out_once_in_order_and_at_the_old_pace() {
    let world = World::start().await;
    let dispatcher = world.dispatcher().await;
    let mut accounts = Vec::new();
    for _ in 0..6 {
        let account = world.account(|account| account.state.pace.gap_ms = (200, 400)).await;
        let messages = world.accept_texts(&account, 10).await;
        accounts.push((account, messages));
    }
    world.chronicle.until("some are sent", |log| log.sent() >= 12).await;
    dispatcher.kill().await;
    let before = world.sandbox.journal().await.0.len();
    let dispatcher = world.dispatcher().await;
    world.chronicle.until("more are sent", |log| log.sent() >= before + 12).await;
    dispatcher.kill().await;

    let _dispatcher = world.dispatcher().await;
    let all: Vec<_> = accounts.iter().flat_map(|(_, messages)| messages.clone()).collect();
    let (log, journal) = world.all_over(&all).await;

    exactly_once(&log, &journal, &accounts, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_was_open_at_the_crash_becomes_unknown_and_is_not_tried_again() {
    let world = World::start().await;
    let gate = Gate::start().await;
    let dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = gate.url().to_owned()).await;
    let messages = world.accept_texts(&account, 2).await;
    gate.has_seen(1).await;
    dispatcher.kill().await;
    let killed_at = clock::monotonic();

    let _dispatcher = world.dispatcher().await;
    gate.let_through(2);

    let (log, _) = world.all_over(&messages).await;
    assert_eq!(log.outcomes(messages[0]), ["unknown"]);
    assert_eq!(log.outcomes(messages[1]), ["sent"]);
    assert_eq!(gate.seen(), [format!("{}.0", messages[0]), format!("{}.0", messages[1])]);
    // The first call may have lasted until its time-out; the account waits for that.
    assert!(killed_at.elapsed() >= Duration::from_secs(10), "{:?}", killed_at.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_an_account_waits_a_whole_gap_from_the_takeover() {
    // Over by the time at which the crash is noticed.
    const GAP_MS: u64 = 3_000;
    let world = World::start().await;
    let dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.state.pace.gap_ms = (GAP_MS, GAP_MS)).await;
    let messages = world.accept_texts(&account, 2).await;
    world.chronicle.over(&messages[..1]).await;
    dispatcher.kill().await;

    let _dispatcher = world.dispatcher().await;
    let (log, _) = world.all_over(&messages).await;

    let claimed_at = log.0.iter().rev().find_map(|logged| match (logged.subject, &logged.event) {
        (Subject::PartitionClaim(part), Event::PartitionClaimed(claim)) if part == account.part => Some(claim.at),
        _ => None,
    });
    let waited_ms = log.starts(messages[1])[0].at.ms_since(claimed_at.expect("it was taken over"));
    assert!(waited_ms >= GAP_MS, "{waited_ms} ms after the claim");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_lets_the_call_end_and_releases_every_partition() {
    let world = World::with(64, None).await;
    let gate = Gate::start().await;
    let dispatcher = world.dispatcher().await;
    let slow = world.account(|account| account.cloud().base_url = gate.url().to_owned()).await;
    let waiting = world.accept_texts(&slow, 3).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        let account = world.account(|_| {}).await;
        let messages = world.accept_texts(&account, 40).await;
        others.push((account, messages));
    }
    world.chronicle.until("some are sent", |log| log.sent() >= 30).await;
    gate.has_seen(1).await;

    dispatcher.ask_to_stop();
    // A cancel that is answered while the call still runs must not keep its end from being written.
    world.cancel(&slow, waiting[2]).await;
    world.chronicle.until("the others are released", |log| log.count("PartitionReleased") >= 60).await;
    gate.let_through(1);
    dispatcher.stop().await;

    let (log, _) = world.check().await;
    assert_eq!(released(&log), 64);
    assert_eq!(log.outcomes(waiting[0]), ["sent"]);
    assert_eq!(log.count("AttemptStarted"), log.count("AttemptEnded"), "nothing is left open");

    gate.let_through(10);
    let _dispatcher = world.dispatcher().await;
    let all: Vec<_> = others.iter().flat_map(|(_, messages)| messages.clone()).chain(waiting.clone()).collect();
    let (log, journal) = world.all_over(&all).await;
    assert!(all.iter().all(|of| !log.outcomes(*of).contains(&"unknown")));
    exactly_once(&log, &journal, &others, 0);
}

/// Partitions whose newest claim is a release.
fn released(log: &Log) -> usize {
    let mut newest: HashMap<Partition, bool> = HashMap::new();
    for logged in &log.0 {
        if let Subject::PartitionClaim(part) = logged.subject {
            newest.insert(part, matches!(logged.event, Event::PartitionReleased(_)));
        }
    }
    newest.values().filter(|released| **released).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_graceful_stop_an_account_waits_only_for_the_rest_of_its_gap() {
    const GAP_MS: i64 = 12_000;
    let world = World::start().await;
    let dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.state.pace.gap_ms = (GAP_MS as u64, GAP_MS as u64)).await;
    let messages = world.accept_texts(&account, 2).await;
    world.chronicle.over(&messages[..1]).await;
    // So far into the gap that a full one would show.
    tokio::time::sleep(Duration::from_secs(5)).await;
    dispatcher.stop().await;
    let stopped_at = clock::now();

    let _dispatcher = world.dispatcher().await;
    let (_, journal) = world.all_over(&messages).await;

    assert!(journal.gaps_of(&account)[0] >= GAP_MS);
    let waited = journal.sends(messages[1])[0].received_at_ms - stopped_at.0;
    assert!(waited < GAP_MS - 2_000, "{waited} ms after the stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_though_the_broker_is_away() {
    let mut world = World::start().await;
    let dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let messages = world.accept_texts(&account, 200).await;
    world.chronicle.until("some are sent", |log| log.sent() >= 3).await;
    world.broker.kill();
    dispatcher.stop().await;

    world.broker.restart().await;
    let _dispatcher = world.dispatcher().await;
    let (log, journal) = world.all_over(&messages).await;
    exactly_once(&log, &journal, &[(account, messages)], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_put_off_before_a_crash_is_still_at_the_head_of_its_queue() {
    let world = World::start().await;
    let dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let texts = [Message::text("+14150000503", "not yet"), Message::text(SOMEBODY, "behind it")];
    let messages = world.accept_all(&account, texts).await;
    world.chronicle.until("it is put off", |log| log.outcomes(messages[0]) == ["deferred"]).await;
    dispatcher.kill().await;

    let _dispatcher = world.dispatcher().await;
    let (log, journal) = world.all_over(&messages).await;

    assert_eq!(log.outcomes(messages[0]), ["deferred", "deferred", "sent"]);
    let attempts: Vec<_> = log.starts(messages[0]).iter().map(|start| start.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(journal.messages_of(&account).last(), Some(&messages[1]));
}
