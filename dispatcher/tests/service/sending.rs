//! Order, pace, and what is in the log when.

use angelia_shared::event::Event;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::subject::Subject;
use angelia_shared::wamid::{recipient, veiled};

use crate::harness::{Gate, Message, SOMEBODY, World};

/// How much later than its gap a send may be here: other tests share two cores. The floor has no such tolerance.
const LATE_MS: i64 = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_goes_out_and_its_end_in_the_log_has_whatsapps_id() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let message = world.accept(&account, Message::text(SOMEBODY, "Hello 👋")).await;

    let (log, journal) = world.all_over(&[message]).await;

    let sends = journal.sends(message);
    let [send] = sends[..] else { panic!("{sends:?}") };
    assert_eq!(send.tracker, Some(format!("{message}.0")));
    assert_eq!(send.body["text"]["body"], "Hello 👋");
    assert_eq!(send.body["to"], "14151231234");
    let ends = log.ends(message);
    let [end] = ends[..] else { panic!("{ends:?}") };
    let wamid = send.wamid.as_deref().expect("it was taken");
    // What stands outside of the seal tells nobody's number.
    assert_eq!(recipient(wamid).as_deref(), Some("14151231234"));
    let expected = AttemptOutcome::Sent { provider_id: veiled(wamid) };
    assert_eq!(end.outcome, expected);
    assert_eq!((end.attempt, end.part, end.parts, end.credits.0), (1, 0, 1, 1));
    let names: Vec<_> = log.events().map(Event::name).filter(|name| name.starts_with("Attempt")).collect();
    assert_eq!(names, ["AttemptStarted", "AttemptEnded"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_is_in_the_log_before_whatsapp_is_called() {
    let world = World::start().await;
    let gate = Gate::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = gate.url().to_owned()).await;
    let message = world.accept(&account, Message::text(SOMEBODY, "first things first")).await;

    gate.has_seen(1).await;
    let subject = Subject::Attempt(account.part, world.workspace, account.id());
    let newest = world.log.head(subject).await.expect("the broker answers").expect("there is an event");
    let event = Event::from_line(&newest.payload).expect("an event");
    assert!(matches!(event, Event::AttemptStarted(started) if started.message == message));

    gate.let_through(1);
    world.all_over(&[message]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_an_account_leave_in_order_with_a_gap_in_its_range() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let human = world.account(|account| account.state.pace.gap_ms = (1_500, 2_500)).await;
    let quick = world.account(|_| {}).await;
    let mut all = Vec::new();
    for account in [&human, &quick] {
        all.push((account, world.accept_texts(account, 15).await));
    }
    let everything: Vec<_> = all.iter().flat_map(|(_, messages)| messages.clone()).collect();

    let (_, journal) = world.all_over(&everything).await;

    for (account, messages) in all {
        assert_eq!(journal.messages_of(account), messages, "each once, in order");
        let (floor, ceiling) = account.state.pace.gap_ms;
        for gap in journal.gaps_of(account) {
            assert!(gap >= floor as i64, "{gap} ms is under the floor of {floor} ms");
            assert!(gap <= ceiling as i64 + LATE_MS, "{gap} ms is far over {ceiling} ms");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_waits_for_its_answer_holds_up_no_other_of_its_partition() {
    // One partition only: the two must share it.
    let world = World::with(1, None).await;
    let gate = Gate::start().await;
    let _dispatcher = world.dispatcher().await;
    let stuck = world.account(|account| account.cloud().base_url = gate.url().to_owned()).await;
    let free = world.account(|_| {}).await;
    let waiting = world.accept_texts(&stuck, 2).await;
    gate.has_seen(1).await;

    let messages = world.accept_texts(&free, 5).await;
    world.chronicle.over(&messages).await;

    assert_eq!(gate.seen().len(), 1, "one message at a time");
    assert!(world.chronicle.look(|log| log.ends(waiting[0]).is_empty()), "its call still runs");
    gate.let_through(2);
    let (_, journal) = world.all_over(&waiting).await;
    assert_eq!(journal.messages_of(&free), messages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_an_account_that_the_directory_does_not_know_yet_waits_for_it() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    world.ready().await;
    // Known to the tests, and made unknown to the directory by another workspace's eyes: it was never told.
    let account = world.untold_account();
    let message = world.accept(&account, Message::text(SOMEBODY, "early")).await;
    world.chronicle.until("it was read", |log| log.count("MessageAccepted") == 1).await;

    world.say(&account).await;

    let (log, _) = world.all_over(&[message]).await;
    assert_eq!(log.outcomes(message), ["sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_no_number_is_refused_without_any_call() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let wrong = world.accept(&account, Message::text("call me maybe", "hello")).await;
    let channel = world.accept(&account, Message::text("123456@newsletter", "hello")).await;
    let right = world.accept(&account, Message::text(SOMEBODY, "hello")).await;

    let (log, journal) = world.all_over(&[wrong, channel, right]).await;

    for (message, reason) in [(wrong, "recipient_not_a_number"), (channel, "recipient_not_supported")] {
        let refused = log.refused(message);
        let [refused] = refused[..] else { panic!("{refused:?}") };
        assert_eq!((refused.reason.as_str(), refused.credits.0), (reason, 1));
        assert!(log.starts(message).is_empty());
    }
    assert_eq!(journal.messages_of(&account), [right]);
    assert_eq!(journal.0.len(), 1);
}
