//! What holds a message and when it is expected to go, for what the other tests do not meet on their way: `cap`,
//! `quiet_hours`, `paused` and `behind` are in `limits`, `put_off`, `blocked` and `paused` by WhatsApp in `codes`.

use angelia_shared::clock;
use angelia_shared::event::directory::{AccountState, QuietHours, TimeOfDay};

use crate::harness::turns::{expected_at, held_by};
use crate::harness::{Account, Message, SOMEBODY, World};

const HOUR_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_and_a_recipients_gap_are_told_with_their_ends() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    for reason in ["account_gap", "recipient_gap"] {
        let account = world
            .account(|account| match reason {
                "account_gap" => account.state.pace.gap_ms = (HOUR_MS, HOUR_MS),
                _ => account.state.pace.recipient_gap_ms = Some(HOUR_MS),
            })
            .await;
        let messages = world.accept_all(&account, [(); 2].map(|()| Message::text(SOMEBODY, "hello"))).await;
        world.chronicle.over(&messages[..1]).await;
        let turn = held_by(&world, &account, &messages[1..], reason).await;
        let end = world.chronicle.look(|log| log.ends(messages[0])[0].at);
        assert_eq!(expected_at(&turn, 0), Some(end.plus_ms(HOUR_MS)), "{reason}");
        assert_eq!(turn.next_send_at, expected_at(&turn, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_without_an_end_is_told_without_a_time_and_ends_with_its_reason() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let mars = |account: &mut Account| {
        let time = |text| TimeOfDay::parse(text).expect("a time of day");
        let (from, to) = (time("21:00"), time("08:00"));
        account.state.pace.quiet_hours = Some(QuietHours { from, to, time_zone: "Mars/Olympus".to_owned() });
    };
    let mut held = vec![("not_in_directory", world.untold_account())];
    held.push(("disconnected", world.account(|account| account.is_now(AccountState::Disconnected)).await));
    held.push(("paused", world.account(|account| account.is_now(AccountState::Paused { until: None })).await));
    held.push(("blocked", world.account(|account| account.is_now(AccountState::Blocked)).await));
    held.push(("removed", world.account(|account| account.state.removed = true).await));
    held.push(("time_zone_not_known", world.account(mars).await));
    let mut all = Vec::new();
    for (reason, account) in &mut held {
        let messages = world.accept_texts(account, 2).await;
        let turn = held_by(&world, account, &messages, reason).await;
        // What holds the account holds each of its messages.
        let told: Vec<_> =
            turn.messages.iter().flatten().map(|told| (told.held_by.as_deref(), told.expected_at)).collect();
        assert_eq!(told, [(Some(*reason), None); 2], "{reason}");
        assert_eq!(turn.next_send_at, None, "{reason}");

        account.state.removed = false;
        account.state.pace.quiet_hours = None;
        account.is_now(AccountState::Connected);
        account.state.connected_at = Some(clock::now());
        world.say(account).await;
        all.extend(messages);
    }
    let (log, _) = world.all_over(&all).await;
    assert_eq!(log.sent(), all.len());
}
