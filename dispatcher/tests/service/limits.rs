//! Limits of an account: they hold from owner to owner, are told to those who ask, and end when their owner says so.

use angelia_shared::clock;
use angelia_shared::event::directory::{AccountState, QuietHours, TimeOfDay};
use angelia_shared::turns::AccountTurn;

use crate::harness::turns::{expected_at, held_by};
use crate::harness::{Message, SOMEBODY, World};

const SOMEBODY_ELSE: &str = "+14151231235";
const HOUR_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_holds_from_owner_to_owner_until_it_is_lifted() {
    let world = World::start().await;
    let dispatcher = world.dispatcher().await;
    let mut account = world.account(|account| account.state.pace.hourly_cap = Some(2)).await;
    let messages = world.accept_texts(&account, 4).await;
    world.chronicle.over(&messages[..2]).await;
    let first_end = world.chronicle.look(|log| log.ends(messages[0])[0].at);
    let second_end = world.chronicle.look(|log| log.ends(messages[1])[0].at);
    let told = |turn: &AccountTurn| {
        assert_eq!(turn.messages[1].as_ref().and_then(|message| message.held_by.as_deref()), Some("behind 1"));
        assert_eq!(turn.next_send_at, expected_at(turn, 0));
        let at = turn.next_send_at.expect("a cap ends by itself");
        // From owner to owner it may get later by what it took to store things, and never earlier.
        assert!(at >= first_end.plus_ms(HOUR_MS) && at < second_end.plus_ms(HOUR_MS + 60_000), "{at:?}");
    };
    told(&held_by(&world, &account, &messages[2..], "cap").await);

    dispatcher.kill().await;
    let dispatcher = world.dispatcher().await;
    told(&held_by(&world, &account, &messages[2..], "cap").await);
    dispatcher.stop().await;
    let _dispatcher = world.dispatcher().await;
    told(&held_by(&world, &account, &messages[2..], "cap").await);
    assert_eq!(world.chronicle.now().sent(), 2);

    account.state.pace.hourly_cap = None;
    world.say(&account).await;
    let (_, journal) = world.all_over(&messages).await;
    assert_eq!(journal.messages_of(&account), messages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_is_not_sent_to_again_within_its_gap_and_nobody_overtakes() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.state.pace.recipient_gap_ms = Some(3_000)).await;
    let to = [SOMEBODY, SOMEBODY_ELSE, SOMEBODY, SOMEBODY_ELSE].map(|to| Message::text(to, "hello"));
    let messages = world.accept_all(&account, to).await;

    let (log, journal) = world.all_over(&messages).await;

    assert_eq!(journal.messages_of(&account), messages);
    let (start, end) = (|n: usize| log.starts(messages[n])[0].at, |n: usize| log.ends(messages[n])[0].at);
    for (earlier, later) in [(0, 2), (1, 3)] {
        assert!(start(later) >= end(earlier).plus_ms(3_000), "{:?}", (end(earlier), start(later)));
    }
    // The log shows no number: only marks.
    let carried = &log.ends(messages[3])[0].carry.sendings.recipients;
    assert_eq!(carried.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_quiet_hours_nothing_goes_out_until_they_are_moved() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let minute = |shift: i64| {
        let minutes = (clock::now().0 / 60_000 + shift).rem_euclid(1_440);
        TimeOfDay::parse(&format!("{:02}:{:02}", minutes / 60, minutes % 60)).expect("a time of day")
    };
    let (from, to) = (minute(-60), minute(120));
    let quiet = QuietHours { from, to, time_zone: "UTC".to_owned() };
    let mut account = world.account(|account| account.state.pace.quiet_hours = Some(quiet)).await;
    let messages = world.accept_texts(&account, 2).await;
    let turn = held_by(&world, &account, &messages, "quiet_hours").await;
    let over = turn.next_send_at.expect("a night ends by itself");
    assert_eq!((over.0 / 60_000).rem_euclid(1_440), i64::from(to.minutes()));
    assert!(world.sandbox.journal().await.0.is_empty());

    account.state.pace.quiet_hours =
        Some(QuietHours { from: minute(300), to: minute(360), time_zone: "UTC".to_owned() });
    world.say(&account).await;
    world.all_over(&messages).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_with_an_end_ends_by_itself() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    world.ready().await;
    let until = clock::now().plus_ms(20_000);
    let account = world.account(|account| account.is_now(AccountState::Paused { until: Some(until) })).await;
    let messages = world.accept_texts(&account, 2).await;
    let turn = held_by(&world, &account, &messages, "paused").await;
    assert_eq!((turn.next_send_at, expected_at(&turn, 0)), (Some(until), Some(until)));

    let (log, _) = world.all_over(&messages).await;
    assert!(log.starts(messages[0])[0].at >= until);
    // The directory still says what was said last: the end was part of it.
    assert_eq!(log.count("AccountChanged"), 1);
}
