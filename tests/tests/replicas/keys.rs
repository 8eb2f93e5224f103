//! One key, one message, whichever replica is called and whichever dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angelia_tests::client::Hook;
use angelia_tests::replicas::Replicas;
use angelia_tests::wait::{LATER, SOON, eventually};
use futures_util::future::join_all;

use crate::body;

const IN_PROGRESS: &str = "A request with the same Idempotency-Key is still in progress";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_sixty_four_times_at_once_is_one_message_one_charge_and_422_for_another_body() {
    let replicas = Replicas::start(3, 100).await;
    let mut messages = BTreeSet::new();
    for round in 0..5 {
        let (key, call) = (format!("round-{round}"), body());
        let calls = (0..64).map(|n| replicas.hooks[n % 3].call_keyed(&key, &call));
        let mut accepted = BTreeSet::new();
        for answer in join_all(calls).await {
            match answer.status {
                409 => answer.refused_with(409, IN_PROGRESS),
                _ => drop(accepted.insert(replicas.note(answer).accepted())),
            }
        }
        assert_eq!(accepted.len(), 1, "round {round}: {accepted:?}");
        for hook in &replicas.hooks {
            let again = replicas.note(hook.call_keyed(&key, &call).await).accepted();
            assert!(accepted.contains(&again));
            let other = hook.try_call(&format!("{call} "), Some(&key)).await.expect("an answer");
            other.refused_with(422, "Idempotency-Key was used with another body");
        }
        messages.append(&mut accepted);
    }
    assert_eq!(replicas.consumed().await, 5);
    replicas.were_sent_once(&messages).await;
    replicas.check_log().await;
}

/// Calls with `key` at one replica after the other until one takes it, as a caller behind a load balancer does.
async fn call_until_taken(hooks: &[Hook], first: usize, key: &str, call: &str) -> String {
    for attempt in first.. {
        match hooks[attempt % hooks.len()].try_call(call, Some(key)).await {
            Ok(answer) if answer.status == 200 => return answer.accepted(),
            Ok(answer) => assert!([409, 503].contains(&answer.status), "{}", answer.text()),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("attempts do not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_replica_is_killed_in_the_middle_every_key_has_one_message() {
    const KEYS: usize = 16;
    let mut replicas = Replicas::start(3, 1_000).await;
    let mut all: BTreeMap<String, (String, String)> = BTreeMap::new();
    for victim in 0..3 {
        let hooks = replicas.hooks.clone();
        let is_revived = AtomicBool::new(false);
        let (hooks, is_revived) = (&hooks, &is_revived);
        // Each key is called by two callers that go on until they are taken, one of them first at the victim.
        let callers = (0..2 * KEYS).map(async |n| {
            let (key, call) = (format!("victim-{victim}-{}", n / 2), body_of(n / 2));
            let message = call_until_taken(hooks, victim + n % 2, &key, &call).await;
            // And again after the restart.
            while !is_revived.load(Ordering::Relaxed) {
                assert_eq!(call_until_taken(hooks, n, &key, &call).await, message);
            }
            (key, call, message)
        });
        let killed = async {
            replicas.kill(victim);
            replicas.revive(victim).await;
            is_revived.store(true, Ordering::Relaxed);
        };
        let (answers, ()) = tokio::join!(join_all(callers), killed);
        for (key, call, message) in answers {
            replicas.notes.add(&message);
            let known = all.entry(key).or_insert((call, message.clone()));
            assert_eq!(known.1, message);
        }
    }
    for hook in &replicas.hooks {
        for (key, (call, message)) in &all {
            let again = hook.try_call(call, Some(key)).await.expect("an answer");
            assert_eq!(&replicas.note(again).accepted(), message);
        }
    }
    assert_eq!(all.values().map(|(_, message)| message).collect::<BTreeSet<_>>().len(), 3 * KEYS);
    assert_eq!(replicas.consumed().await, 3 * KEYS as u64);
    replicas.were_sent_once(all.values().map(|(_, message)| message)).await;
    replicas.check_log().await;
}

/// The same body whenever a key is called.
fn body_of(key: usize) -> String {
    format!(r#"{{"action":"send","text":"number {key}","phone":"+1415666{key:04}"}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_suspended_holds_nobody_up_and_doubles_nothing_when_it_wakes() {
    let replicas = Replicas::start(3, 100).await;
    // It has its share of these keys, and they are called before its member key has expired.
    replicas.pause(2);
    let calls: Vec<_> = (0..12).map(|n| (format!("k{n}"), body_of(n))).collect();
    let callers = calls
        .iter()
        .enumerate()
        .map(async |(n, (key, call))| call_until_taken(&replicas.hooks[..2], n, key, call).await);
    let messages = tokio::time::timeout(SOON, join_all(callers)).await.expect("nobody waits for the one that sleeps");
    replicas.resume(2);
    for ((key, call), message) in calls.iter().zip(&messages) {
        replicas.notes.add(message);
        // What was sent to it while it slept is decided by now, or will be: as a key that was used.
        let again = eventually("the one that slept answers", SOON, async || {
            let answer = replicas.hooks[2].try_call(call, Some(key)).await.map_err(|error| error.to_string())?;
            if answer.status == 200 { Ok(answer.accepted()) } else { Err(answer.text()) }
        })
        .await;
        assert_eq!(again, *message);
    }
    assert_eq!(replicas.consumed().await, 12);
    replicas.were_sent_once(&messages).await;
    replicas.check_log().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_one_replica_does_not_use_the_key_up_on_another() {
    let replicas = Replicas::start(3, 1).await;
    let call = body();
    replicas.note(replicas.hooks[0].call(&call).await).accepted();
    for n in 0..6 {
        let answer = replicas.hooks[n % 3].call_keyed(&format!("k{}", n / 3), &call).await;
        answer.refused_with(402, "Not enough message credits: 1 needed, 0 available");
    }
    replicas.grant(1, 2).await;
    for n in 0..2 {
        replicas.note(replicas.hooks[n].call_keyed(&format!("k{n}"), &call).await).accepted();
    }
    assert_eq!(replicas.consumed().await, 3);
    replicas.check_log().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_ledger_used_keys_are_answered_new_ones_put_off_and_calls_without_a_key_taken() {
    let mut replicas = Replicas::start(3, 100).await;
    let calls: Vec<_> = (0..6).map(|n| (format!("k{n}"), body_of(n))).collect();
    let mut messages = Vec::new();
    for (n, (key, call)) in calls.iter().enumerate() {
        messages.push(call_until_taken(&replicas.hooks, n, key, call).await);
    }
    replicas.kill_ledger();
    for hook in &replicas.hooks {
        for ((key, call), message) in calls.iter().zip(&messages) {
            let again = hook.try_call(call, Some(key)).await.expect("an answer");
            assert_eq!(replicas.note(again).accepted(), *message);
            let other = hook.try_call(&format!("{call} "), Some(key)).await.expect("an answer");
            other.refused_with(422, "Idempotency-Key was used with another body");
        }
        let new = hook.call_keyed("new", &body()).await;
        assert_eq!((new.status, new.header("retry-after")), (503, Some("1")), "{}", new.text());
        messages.push(replicas.note(hook.call(&body()).await).accepted());
    }
    replicas.launch_ledger();
    let call = body().to_string();
    let new = tokio::time::timeout(LATER, call_until_taken(&replicas.hooks, 0, "new", &call)).await;
    messages.push(new.expect("the ledger is back"));
    assert_eq!(messages.iter().collect::<BTreeSet<_>>().len(), 6 + 3 + 1);
    replicas.were_sent_once(&messages).await;
    replicas.check_log().await;
}
