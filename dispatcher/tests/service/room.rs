//! More messages than may wait in memory.

use angelia_dispatcher::config::Config;
use angelia_shared::event::directory::AccountState;

use crate::harness::{LATER, World, config, eventually};

/// The least that can be set.
const MAX: u64 = 100;
/// Acceptances of one record: reading stops after the record that fills the room.
const RECORD: u64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_stops_its_own_partitions_reading_no_others_and_is_read_on_as_it_shrinks() {
    let world = World::start().await;
    let settings = Config { queued_in_memory_max: MAX as usize, ..config() };
    let _dispatcher = world.dispatcher_with(settings, world.broker.access()).await;
    world.ready().await;
    let mut crowded = world.account(|account| account.is_now(AccountState::Disconnected)).await;
    let many = world.accept_texts(&crowded, 400).await;
    let in_memory = async || world.health().await.and_then(|health| health["messages_in_memory"].as_u64());
    eventually("the room is full", LATER, async || match in_memory().await {
        Some(held) if held >= MAX => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    let other = world.account_apart(&[&crowded]).await;
    let few = world.accept_texts(&other, 5).await;
    world.all_over(&few).await;
    let held = in_memory().await.expect("it answers");
    assert!((MAX..MAX + RECORD).contains(&held), "{held} messages in memory");

    crowded.is_now(AccountState::Connected);
    crowded.state.pace.gap_ms = (1, 1);
    world.say(&crowded).await;
    let (_, journal) = world.all_over(&many).await;
    assert_eq!(journal.messages_of(&crowded), many);
}
