//! The broker goes away and comes back.

use std::time::Duration;

use crate::harness::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_costs_no_message_and_doubles_none() {
    let mut world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let mut accounts = Vec::new();
    for _ in 0..4 {
        let account = world.account(|account| account.state.pace.gap_ms = (100, 200)).await;
        let messages = world.accept_texts(&account, 20).await;
        accounts.push((account, messages));
    }
    for share in 1..=2 {
        world.chronicle.until("some are sent", |log| log.sent() >= share * 16).await;
        world.broker.kill();
        tokio::time::sleep(Duration::from_millis(700)).await;
        world.broker.restart().await;
    }

    let all: Vec<_> = accounts.iter().flat_map(|(_, messages)| messages.clone()).collect();
    let (log, journal) = world.all_over(&all).await;

    for (account, messages) in &accounts {
        assert_eq!(&journal.messages_of(account), messages, "each once, in order");
        assert!(journal.gaps_of(account).iter().all(|gap| *gap >= account.floor_ms()));
        // The dispatcher lived on and kept its claims, so it knows what became of every call.
        assert!(messages.iter().all(|of| log.outcomes(*of).last() == Some(&"sent")));
    }
}
