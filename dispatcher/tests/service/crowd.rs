//! Many messages, many accounts.

use std::time::Duration;

use angelia_shared::clock;

use crate::harness::{Message, SOMEBODY, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_queued_messages_of_one_account_do_not_delay_another() {
    let world = World::with(1, None).await;
    let crowded = world.account(|_| {}).await;
    let quiet = world.account(|_| {}).await;
    let many = world.accept_texts(&crowded, 20_000).await;
    let _dispatcher = world.dispatcher().await;
    world.ready().await;
    world.chronicle.until("the crowded one sends", |log| log.sent() >= 3).await;

    let started = clock::monotonic();
    let message = world.accept(&quiet, Message::text(SOMEBODY, "me too")).await;
    world.chronicle.over(&[message]).await;

    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let (_, journal) = world.check().await;
    let sent = journal.messages_of(&crowded);
    assert_eq!(sent, many[..sent.len()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_are_created_by_the_hundred_do_not_slow_down_those_that_send() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let messages = world.accept_texts(&account, 30).await;

    let mut created = Vec::new();
    for _ in 0..1_000 {
        created.push(world.account(|_| {}).await);
    }
    let last = created.last().expect("there are some");
    let late = world.accept_texts(last, 1).await;

    let (_, journal) = world.all_over(&messages).await;
    assert_eq!(journal.messages_of(&account), messages);
    world.all_over(&late).await;
}
