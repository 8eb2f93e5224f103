//! Accounts that may not send: disconnected, paused, blocked by WhatsApp.

use angelia_shared::event::Event;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::directory::AccountState;

use crate::harness::account::TOKEN;
use crate::harness::{Account, Log, Message, SOMEBODY, World};

/// The states that the directory gave an account, in order.
fn states(log: &Log, of: &Account) -> Vec<AccountState> {
    let states = log.events().filter_map(|event| match event {
        Event::AccountChanged(account) if account.id == of.id() => Some(account.state),
        _ => None,
    });
    states.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_of_a_disconnected_account_expires_in_order_and_nothing_goes_out() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.is_now(AccountState::Disconnected)).await;
    let texts = (0..3).map(|_| Message::text(SOMEBODY, "too late").expires_after_ms(2_000));
    let messages = world.accept_all(&account, texts).await;
    let patient = world.accept(&account, Message::text(SOMEBODY, "I can wait")).await;

    let (log, journal) = world.all_over(&messages).await;

    let expired: Vec<_> = messages.iter().filter_map(|of| log.expired(*of)).collect();
    assert!(expired.windows(2).all(|pair| pair[0].accepted < pair[1].accepted));
    for expired in expired {
        assert_eq!((expired.held_by.as_str(), expired.credits.0), ("disconnected", 1));
    }
    assert!(journal.0.is_empty());
    assert!(!log.is_over(patient));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_queue_expires_and_is_cancelled_in_few_batches() {
    const MANY: usize = 2_000;
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    for (reason, patience_ms) in [("MessageExpired", 2_000), ("MessageCancelled", 86_400_000)] {
        let account = world.account(|account| account.is_now(AccountState::Disconnected)).await;
        let texts = (0..MANY).map(|_| Message::text(SOMEBODY, "never").expires_after_ms(patience_ms));
        let messages = world.accept_all(&account, texts).await;
        if reason == "MessageCancelled" {
            world.cancel_all(&account, messages.iter().rev().copied()).await;
        }
        world.chronicle.until("all of them have ended", |log| log.count(reason) == MANY).await;
        let seals = world.chronicle.look(|log| {
            let ends: Vec<_> = log.0.iter().filter(|logged| logged.event.name() == reason).map(|end| end.at).collect();
            let between = ends[0]..=ends[MANY - 1];
            log.0.iter().filter(|logged| between.contains(&logged.at) && logged.event.name() == "BatchSealed").count()
        });
        // Eight are needed; while cancel requests are still being read there may be some more.
        assert!(seals <= MANY / 20, "{reason}: {seals} batches");
    }
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_queue_that_expires_at_once_does_so_in_order_while_others_of_its_partition_send_on() {
    const MANY: usize = 8_000;
    const GAP_MS: u64 = 250;
    let world = World::with(1, None).await;
    let _dispatcher = world.dispatcher().await;
    let mut held = world.account(|account| account.is_now(AccountState::Disconnected)).await;
    let texts = (0..MANY).map(|_| Message::text(SOMEBODY, "too late").expires_after_ms(8_000));
    let messages = world.accept_all(&held, texts).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let account = world.account(|account| account.state.pace.gap_ms = (GAP_MS, GAP_MS)).await;
        world.accept_texts(&account, 400).await;
        others.push(account);
    }
    world.chronicle.until("the others send", |log| log.sent() >= 8).await;
    // Held since now: all of them are due at the same time.
    held.is_now(AccountState::Disconnected);
    world.say(&held).await;
    let due_at_ms = held.state.state_since.plus_ms(8_000).0;

    world.chronicle.until("all of them have expired", |log| log.count("MessageExpired") == MANY).await;

    let log = world.chronicle.now();
    let expired: Vec<_> = log
        .events()
        .filter_map(|event| match event {
            Event::MessageExpired(expired) => Some(expired),
            _ => None,
        })
        .collect();
    assert!(expired.iter().all(|expired| expired.at.0 >= due_at_ms), "none of them before its time");
    let order: Vec<_> = expired.into_iter().map(|expired| expired.message).collect();
    assert!(order == messages, "in the order of acceptance");
    let (_, journal) = world.check().await;
    for other in &others {
        let sends = journal.sends_of(other);
        let meanwhile = sends.windows(2).filter(|pair| pair[1].received_at_ms >= due_at_ms);
        let longest = meanwhile.map(|pair| pair[1].received_at_ms - pair[0].received_at_ms).max();
        // Gap, call, and what an unoptimised program on a loaded machine adds; locked up it would be seconds.
        assert!(longest.is_some_and(|gap_ms| gap_ms < 1_500), "{longest:?} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_expire_at_once_and_find_no_place_in_a_group_expire_in_order_all_the_same() {
    // More of them than groups may be on their way at once.
    const QUEUES: usize = 12;
    const EACH: usize = 300;
    let world = World::start().await;
    let mut queues = Vec::new();
    for _ in 0..QUEUES {
        let account = world.account(|account| account.is_now(AccountState::Disconnected)).await;
        let texts = (0..EACH).map(|_| Message::text(SOMEBODY, "too late").expires_after_ms(1_000));
        let messages = world.accept_all(&account, texts).await;
        queues.push((account, messages));
    }
    // All of them have been due for a while when it begins.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let _dispatcher = world.dispatcher().await;

    world.chronicle.until("all have expired", |log| log.count("MessageExpired") == QUEUES * EACH).await;

    let log = world.chronicle.now();
    let expired: Vec<_> = log
        .events()
        .filter_map(|event| match event {
            Event::MessageExpired(expired) => Some(expired.message),
            _ => None,
        })
        .collect();
    for (_, messages) in &queues {
        let of_it: std::collections::HashSet<_> = messages.iter().collect();
        let order = expired.iter().filter(|message| of_it.contains(message));
        assert!(order.eq(messages), "in the order of acceptance");
    }
    let between = expired.windows(2).filter(|pair| {
        let queue_of = |message| queues.iter().position(|(_, messages)| messages.contains(message));
        queue_of(&pair[0]) != queue_of(&pair[1])
    });
    assert!(between.count() > QUEUES, "each in several turns");
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_behind_others_never_expires_a_message() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.state.pace.gap_ms = (700, 700)).await;
    let texts = (0..5).map(|_| Message::text(SOMEBODY, "in turn").expires_after_ms(1_000));
    let messages = world.accept_all(&account, texts).await;

    let (log, journal) = world.all_over(&messages).await;

    assert_eq!(log.count("MessageExpired"), 0);
    assert_eq!(journal.messages_of(&account), messages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_sends_while_it_is_connected_and_keeps_its_queue_while_it_is_not() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let mut account = world.account(|account| account.is_now(AccountState::Disconnected)).await;
    let messages = world.accept_texts(&account, 3).await;
    world.ready().await;
    assert!(world.sandbox.journal().await.0.is_empty());

    account.is_now(AccountState::Connected);
    world.say(&account).await;

    let (_, journal) = world.all_over(&messages).await;
    assert_eq!(journal.messages_of(&account), messages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_a_wrong_token_is_blocked_keeps_its_queue_and_goes_on_with_the_right_one() {
    let world = World::with(2, Some(TOKEN)).await;
    let _dispatcher = world.dispatcher().await;
    let mut account = world.account(|_| {}).await;
    world.give_token(&mut account, "a-token-of-yesterday");
    world.say(&account).await;
    let messages = world.accept_texts(&account, 3).await;
    let blocked = |log: &Log| states(log, &account).last() == Some(&AccountState::Blocked);
    world.chronicle.until("the account is blocked in the directory", blocked).await;
    world.chronicle.until("the attempt is put off", |log| log.outcomes(messages[0]) == ["deferred"]).await;
    let log = world.chronicle.now();
    let [end] = log.ends(messages[0])[..] else { panic!("one attempt") };
    assert!(matches!(&end.outcome, AttemptOutcome::Deferred { reason, .. } if reason == "blocked"), "{end:?}");
    assert!(log.starts(messages[1]).is_empty());

    // Whoever mends it takes the state from the directory, and so keeps nothing of it but what is said here.
    world.give_token(&mut account, TOKEN);
    account.is_now(AccountState::Connected);
    world.say(&account).await;

    let (log, journal) = world.all_over(&messages).await;
    assert_eq!(log.outcomes(messages[0]), ["deferred", "sent"]);
    let taken: Vec<_> = journal.0.iter().filter(|line| line.was_taken()).filter_map(|line| line.message()).collect();
    assert_eq!(taken, messages);
    assert_eq!(states(&log, &account).last(), Some(&AccountState::Connected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_mended_during_the_call_does_not_block_the_account() {
    let world = World::with(2, Some(TOKEN)).await;
    // The sandbox behind a door: the call under the old token ends when the new one is in the directory.
    let door = crate::harness::Proxy::to(port_of(&world.sandbox.url)).await;
    let _dispatcher = world.dispatcher().await;
    let mut account = world.account(|account| account.cloud().base_url = door.url()).await;
    world.give_token(&mut account, "a-token-of-yesterday");
    world.say(&account).await;
    door.stall();
    let messages = world.accept_texts(&account, 2).await;
    world.chronicle.until("the call has started", |log| !log.starts(messages[0]).is_empty()).await;

    world.give_token(&mut account, TOKEN);
    world.say(&account).await;
    let told = world.log.last_sequence().await.expect("the broker answers");
    world.chronicle.until("the change is in the log", |log| log.0.last().is_some_and(|last| last.at.seq >= told)).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    door.flow();

    let (log, _) = world.all_over(&messages).await;
    assert_eq!(log.outcomes(messages[0]), ["deferred", "sent"]);
    assert!(!states(&log, &account).contains(&AccountState::Blocked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_owner_decided_is_not_overwritten_by_what_whatsapp_says_later() {
    let world = World::with(2, Some(TOKEN)).await;
    let door = crate::harness::Proxy::to(port_of(&world.sandbox.url)).await;
    let _dispatcher = world.dispatcher().await;
    let mut account = world.account(|account| account.cloud().base_url = door.url()).await;
    world.give_token(&mut account, "a-token-of-yesterday");
    world.say(&account).await;
    door.stall();
    let messages = world.accept_texts(&account, 1).await;
    world.chronicle.until("the call has started", |log| !log.starts(messages[0]).is_empty()).await;

    account.is_now(AccountState::Disconnected);
    world.say(&account).await;
    door.flow();

    world.chronicle.until("the attempt is put off", |log| log.outcomes(messages[0]) == ["deferred"]).await;
    let patience = std::time::Duration::from_secs(1);
    let overwritten = |log: &Log| states(log, &account).last() != Some(&AccountState::Disconnected);
    world.chronicle.never("the owner's word stands", patience, overwritten).await;
}

fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("the URL ends in a port")
}
