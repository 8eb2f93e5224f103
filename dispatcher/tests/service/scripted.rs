//! Each recipient of the sandbox's script. One test, since several of them take half a minute by contract.

use std::time::Duration;

use angelia_shared::event::attempt::AttemptOutcome;
use serde_json::{Value, json};

use crate::harness::{LATER, Log, Message, SOMEBODY, World, eventually};

/// A row of the script and what must come of it.
struct Row {
    to: &'static str,
    outcomes: &'static [&'static str],
    answers: Vec<Value>,
    statuses: &'static [&'static str],
}

fn rows() -> Vec<Row> {
    let all = ["sent", "delivered", "read"].as_slice();
    let row = |to, outcomes, answers: &[Value], statuses| Row { to, outcomes, answers: answers.to_vec(), statuses };
    let closed = json!("closed");
    let failing = ["deferred", "deferred", "deferred", "deferred", "failed"].as_slice();
    vec![
        row("+14150000404", &["sent"], &[json!(200)], &["failed"]),
        row("+14150000500", failing, &[json!(500), json!(500), json!(500), json!(500), json!(500)], &[]),
        row("+14150000503", &["deferred", "deferred", "sent"], &[json!(503), json!(503), json!(200)], all),
        row("+14150000408", &["unknown"], std::slice::from_ref(&closed), &["sent", "delivered"]),
        row("+14150000409", &["unknown"], std::slice::from_ref(&closed), &[]),
        row("+14150000410", &["unknown"], &[closed], &[]),
        row("+14150000202", &["sent"], &[json!(200)], &["sent"]),
        row("+14150000429", &["deferred", "sent"], &[json!(429), json!(200)], all),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scripted_recipient_ends_as_the_contract_says_and_the_queue_goes_on() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let mut waiting = Vec::new();
    for row in rows() {
        let account = world.account(|_| {}).await;
        let texts = [Message::text(row.to, "scripted"), Message::text(SOMEBODY, "behind it")];
        let messages = world.accept_all(&account, texts).await;
        waiting.push((row, account, messages));
    }
    let everything: Vec<_> = waiting.iter().flat_map(|(_, _, messages)| messages.clone()).collect();

    let (log, journal) = world.all_over(&everything).await;

    for (row, account, messages) in &waiting {
        let Row { to, outcomes, answers, statuses } = row;
        assert_eq!(&log.outcomes(messages[0]), outcomes, "{to}");
        assert_eq!(log.outcomes(messages[1]), ["sent"], "behind {to}");
        let sends = journal.sends(messages[0]);
        let answered: Vec<_> = sends.iter().map(|send| send.answered.clone()).collect();
        assert_eq!(&answered, answers, "{to}");
        assert_eq!(journal.messages_of(account).last(), Some(&messages[1]), "nothing overtakes {to}");
        let tracker = format!("{}.0", messages[0]);
        eventually("the callbacks come", LATER, async || {
            let seen = world.sandbox.statuses(&tracker);
            if seen == *statuses { Ok(()) } else { Err(format!("{to}: {seen:?}")) }
        })
        .await;
    }
    let failing = waiting.iter().find(|(row, ..)| row.to.ends_with("0500")).expect("it is in the script");
    five_tries_end_as_a_provider_error(&log, &log.ends(failing.2[0])[4].outcome);
    a_throttled_account_waits_as_long_as_it_was_asked_to(&log, &waiting);
}

fn five_tries_end_as_a_provider_error(_: &Log, last: &AttemptOutcome) {
    assert!(matches!(last, AttemptOutcome::Failed { reason, .. } if reason == "provider_error"), "{last:?}");
}

type Waiting = (Row, crate::harness::Account, Vec<angelia_shared::ids::MessageId>);

fn a_throttled_account_waits_as_long_as_it_was_asked_to(log: &Log, waiting: &[Waiting]) {
    let (.., messages) = waiting.iter().find(|(row, ..)| row.to.ends_with("0429")).expect("it is in the script");
    let (ends, starts) = (log.ends(messages[0]), log.starts(messages[0]));
    let waited = starts[1].at.ms_since(ends[0].at);
    assert!(waited >= 1_000, "Retry-After: 1, and it waited {waited} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_takes_an_unknown_message_off_the_list_that_is_handed_on() {
    let world = World::start().await;
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let unknown = world.accept(&account, Message::text("+14150000409", "who knows")).await;
    let second = world.accept(&account, Message::text(SOMEBODY, "on we go")).await;
    let (log, _) = world.all_over(&[unknown, second]).await;
    let carried = |log: &Log, of| log.ends(of)[0].carry.open.iter().map(|open| open.message).collect::<Vec<_>>();
    assert_eq!(carried(&log, second), [unknown]);

    world.report_sent(&account, unknown).await;

    // The report is read some time; whatever is sent after that carries nothing any more.
    let patience = Duration::from_secs(30);
    eventually("the report is heeded", patience, async || {
        let next = world.accept(&account, Message::text(SOMEBODY, "and on")).await;
        let (log, _) = world.all_over(&[next]).await;
        if carried(&log, next).is_empty() { Ok(()) } else { Err("it is still carried".to_owned()) }
    })
    .await;
}
