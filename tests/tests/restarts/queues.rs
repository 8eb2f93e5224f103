//! Queues that are cut in the middle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_tests::client::Hook;
use angelia_tests::installation::{Installation, Setup, text};
use angelia_tests::tenant::{Tenant, recipient};
use angelia_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

use crate::{GAP, Work, accepted, call};

/// Messages an account in each of these tests: with three accounts, more than twenty in all.
const EACH: usize = 8;

/// Kills in one way, starts again with the same command, and expects everything to end well.
async fn survives(kill: fn(&mut Installation)) {
    let mut installation = Setup::new().start().await;
    let Work { tenant, accounts, queues } = Work::begin(&installation, EACH).await;
    let away = tenant.leave();
    kill(&mut installation);
    installation.start().await;
    Work { tenant: away.back(&installation), accounts, queues }.ends_well(1).await;
}

#[tokio::test]
async fn a_kill_of_the_whole_process_group_loses_and_doubles_nothing() {
    survives(Installation::kill_group).await;
}

#[tokio::test]
async fn a_kill_of_program_and_broker_loses_and_doubles_nothing() {
    survives(Installation::kill_everything).await;
}

#[tokio::test]
async fn a_kill_of_the_program_leaves_a_broker_that_the_next_start_stops() {
    let mut installation = Setup::new().start().await;
    let broker = installation.broker_pid();
    installation.kill_program();
    assert_eq!(installation.ward().broker_pid(), Some(broker), "the broker outlives a killed program");
    installation.start().await;
    assert_ne!(installation.broker_pid(), broker);
    assert!(!angelia_tests::process::runs(broker, "nats-server"), "the broker left over still runs");
}

#[tokio::test]
async fn a_kill_of_the_broker_alone_loses_and_doubles_nothing() {
    let installation = Setup::new().start().await;
    let mut work = Work::begin(&installation, EACH).await;
    let broker = installation.broker_pid();
    installation.ward().kill_broker();
    // Callers go on while it is away: told 200 or 503, never anything false.
    let (account, phone) = (work.accounts[0].clone(), recipient("1234"));
    let mut during = Vec::new();
    eventually("calls are accepted again", LATER, async || {
        let answer = work.tenant.hook.try_call(&call(&account, &phone, "meanwhile"), None).await;
        let id = accepted(answer).ok_or("503")?;
        work.tenant.notes.add(&id);
        during.push(id);
        if during.len() >= 3 && installation.ward().broker_pid().is_some() { Ok(()) } else { Err("200".to_owned()) }
    })
    .await;
    assert_ne!(installation.broker_pid(), broker, "the broker was started again");
    work.queues[0].extend(during);
    work.ends_well(1).await;
}

#[tokio::test]
async fn callers_during_a_kill_are_never_told_something_false() {
    let mut installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, 1_000).await;
    let account = tenant.account(GAP).await;
    let (url, body) = (tenant.hook.url.clone(), call(&account, &recipient("1234"), "in the storm"));
    let away = tenant.leave();
    let (noted, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let callers = (0..4).map(|_| {
        let (hook, body, noted, over) = (Hook::new(&url), body.clone(), Arc::clone(&noted), Arc::clone(&over));
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let id = accepted(hook.try_call(&body, None).await);
                noted.lock().expect("no holder panics").extend(id);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let answered = || noted.lock().expect("no holder panics").len();
    eventually(
        "calls are accepted",
        SOON,
        async || if answered() >= 20 { Ok(()) } else { Err(answered().to_string()) },
    )
    .await;
    installation.kill_everything();
    installation.start().await;
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("every answer was true");
    }
    let tenant = away.back(&installation);
    for id in noted.lock().expect("no holder panics").iter() {
        tenant.notes.add(id);
    }
    let report = tenant.check_log().await;
    let ours = report.accepted.values().filter(|accepted| accepted.workspace.to_string() == tenant.id).count();
    assert_eq!(tenant.wallet().await.consumed, ours as u64, "what is in the log is paid for, and nothing else");
}

#[tokio::test]
async fn the_demo_survives_a_kill_with_the_same_command() {
    let mut installation = Setup::new().start().await;
    let (hook, owner) = (installation.demo_hook(), installation.demo_owner());
    let quickstart = installation.quickstart().clone();
    let account = format!("/workspaces/{}/accounts/{}", quickstart.workspace_id, quickstart.account_id);
    owner.patch(&account, json!({"pace": {"gap_ms": GAP}})).await.expect(200);
    let phone = recipient("1234");
    let body = json!({"action": "send", "text": "Hello", "phone": phone});
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(hook.call_keyed(&format!("call {n}"), &body).await.accepted());
    }
    eventually("some messages are sent", SOON, async || {
        let sent = installation.demo_journal().await.sends_to(&phone).len();
        if sent >= 5 { Ok(()) } else { Err(format!("{sent} are")) }
    })
    .await;
    installation.kill_everything();
    installation.start().await;

    let again = installation.quickstart().clone();
    assert_eq!(again.owner_token, quickstart.owner_token);
    assert_eq!(again.webhook_url, quickstart.webhook_url);
    for (n, id) in ids.iter().enumerate() {
        let path = format!("/workspaces/{}/messages/{id}", quickstart.workspace_id);
        eventually("the message is over", LATER, async || {
            let message = owner.get(&path).await.expect(200);
            let state = text(&message, "state");
            if ["delivered", "read", "unknown"].contains(&state) { Ok(()) } else { Err(message.to_string()) }
        })
        .await;
        let key = format!("call {n}");
        assert_eq!(hook.call_keyed(&key, &body).await.accepted(), *id, "an idempotency key holds across a restart");
    }
    let journal = installation.demo_journal().await;
    let sends = journal.sends_to(&phone);
    for id in &ids {
        assert!(sends.iter().filter(|line| line.belongs_to(id)).count() <= 1, "{id} was sent twice");
    }
    assert!(sends.len() >= 19, "only the open attempt may be missing: {} of 20", sends.len());
    let credits = owner.get(&format!("/workspaces/{}/credits", quickstart.workspace_id)).await.expect(200);
    assert_eq!((&credits["consumed"], &credits["available"]), (&json!(20), &json!(980)), "{credits}");
}
