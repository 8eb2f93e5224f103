//! Cancelling: while it waits, and too late.

use crate::harness::{Gate, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_message_is_cancelled_and_a_started_one_is_not() {
    let world = World::start().await;
    let gate = Gate::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = gate.url().to_owned()).await;
    let messages = world.accept_texts(&account, 4).await;
    gate.has_seen(1).await;

    for message in [messages[0], messages[1], messages[3]] {
        world.cancel(&account, message).await;
    }
    let cancelled = [messages[1], messages[3]];
    world
        .chronicle
        .until("the queued ones are cancelled", |log| cancelled.iter().all(|of| log.is_cancelled(*of)))
        .await;
    gate.let_through(4);

    let (log, _) = world.all_over(&messages).await;
    assert_eq!(log.count("MessageCancelled"), 2);
    assert_eq!(log.outcomes(messages[0]), ["sent"]);
    assert_eq!(gate.seen(), [format!("{}.0", messages[0]), format!("{}.0", messages[2])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_of_a_sent_message_is_ignored_and_does_not_hold_the_low_water_mark() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let first = world.accept_texts(&account, 1).await;
    world.chronicle.over(&first).await;
    world.cancel(&account, first[0]).await;
    let asked_at = world.log.last_sequence().await.expect("the broker answers");

    let second = world.accept_texts(&account, 1).await;
    world.chronicle.over(&second).await;
    let third = world.accept_texts(&account, 1).await;

    let (log, journal) = world.all_over(&third).await;
    assert_eq!(log.count("MessageCancelled"), 0);
    assert_eq!(journal.messages_of(&account).len(), 3);
    let mark = log.ends(third[0])[0].carry.mark;
    assert!(mark > asked_at, "the mark {mark} has passed the cancel at {asked_at}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_behind_a_long_backlog_is_read_before_its_message_could_go_out() {
    let world = World::with(1, None).await;
    let account = world.account(|_| {}).await;
    let crowd = world.account(|account| account.state.pace.gap_ms = (3_600_000, 3_600_000)).await;
    let first = world.accept_texts(&account, 2).await;
    world.accept_texts(&crowd, 10_000).await;
    world.cancel(&account, first[0]).await;

    let _dispatcher = world.dispatcher().await;

    let (log, journal) = world.all_over(&first).await;
    assert!(log.is_cancelled(first[0]) && log.starts(first[0]).is_empty());
    assert_eq!(journal.messages_of(&account), [first[1]]);
}
