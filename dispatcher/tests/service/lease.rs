//! A dispatcher whose place among the members is in doubt, while the log is there as ever.

use std::time::Duration;

use crate::harness::checker::exactly_once;
use crate::harness::{LATER, World, eventually};

/// At 50 ms each, longer than any lease.
const MESSAGES: usize = 400;

/// Lets the broker refuse every renewal, or no more.
async fn renewals_are_refused(world: &World, refused: bool) {
    let jetstream = world.log.jetstream();
    let bucket = jetstream.get_stream("KV_MEMBERS").await.expect("the members' bucket is there");
    let mut config = bucket.cached_info().config.clone();
    config.max_message_size = if refused { 1 } else { -1 };
    jetstream.update_stream(config).await.expect("the bucket can be changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_may_be_taken_for_dead_begins_no_attempt_and_goes_on_once_it_is_sure() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let messages = world.accept_texts(&account, MESSAGES).await;
    world.chronicle.until("some are sent", |log| log.sent() >= 3).await;

    renewals_are_refused(&world, true).await;
    let began = |log: &crate::harness::Log| log.count("AttemptStarted");
    eventually("it begins nothing any more", LATER, async || {
        let before = began(&world.chronicle.now());
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = began(&world.chronicle.now());
        if before == after { Ok(()) } else { Err(format!("{} more", after - before)) }
    })
    .await;
    assert!(began(&world.chronicle.now()) < MESSAGES, "most still wait");

    renewals_are_refused(&world, false).await;
    let (log, journal) = world.all_over(&messages).await;
    assert_eq!(log.count("PartitionClaimed"), 4, "nobody else wanted its partitions");
    exactly_once(&log, &journal, &[(account, messages)], 0);
}
