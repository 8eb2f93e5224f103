//! Accounts that WhatsApp reports to be held: the reported message is given back, the queue behind it waits for its owner.

use angelia_shared::clock;
use angelia_tests::installation::text;
use angelia_tests::journal::Line;
use angelia_tests::tenant::{Tenant, recipient};
use angelia_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::patient;
use crate::receipts::{report, status};

/// Longer than everything takes between two messages here, so that the second one is still there to be held.
const GAP_MS: [u64; 2] = [10_000, 10_000];
const HOUR_MS: i64 = 3_600_000;

/// What WhatsApp reports of a message that it took before it held the account.
fn held_with(line: &Line, code: i64) -> Value {
    let mut failed = status(line, "failed");
    failed["timestamp"] = (clock::now().0 / 1_000).to_string().into();
    failed["errors"] = json!([{"code": code, "title": "Held", "error_data": {"details": "WhatsApp says why"}}]);
    failed
}

async fn a_reported_hold_keeps_the_queue(code: i64, state: &str) {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account(GAP_MS).await;
    let first = tenant.send(&account, &recipient("0202"), "goes out, and fails later").await;
    let second = tenant.send(&account, &recipient("1234"), "waits").await;
    tenant.until(&first, &["sent"]).await;
    let line = tenant.journal().await.sends_of(&first)[0].clone();
    let path = tenant.path(&format!("/accounts/{}", account.id));

    // WhatsApp tells whole seconds: what it says in the second of the connecting may be from before it.
    let said = eventually(&format!("the account is {state}"), SOON, async || {
        let said = held_with(&line, code);
        report(&tenant, &account, &account.phone_number_id, std::slice::from_ref(&said)).await;
        let seen = tenant.owner.get(&path).await.expect(200);
        if seen["state"] == state { Ok(said) } else { Err(seen.to_string()) }
    })
    .await;
    let seen = tenant.owner.get(&path).await.expect(200);
    assert_eq!(text(&seen, "state_reason"), format!("(#{code}) WhatsApp says why"));
    if state == "paused" {
        let until = angelia_shared::units::UnixMillis::from_rfc3339(text(&seen, "paused_until")).expect("a time");
        let left = until.0 - clock::now().0;
        assert!((HOUR_MS - 60_000..=HOUR_MS).contains(&left), "{left} ms");
    }
    let message = tenant.until(&first, &["failed"]).await;
    assert_eq!(text(&message, "reason"), "account_held", "{message}");
    assert!(text(&message, "reason_text").contains("account's state"), "{message}");
    tenant.until_refunded(&first, 1).await;
    eventually("the queue says what holds it", SOON, async || {
        let waiting = tenant.message(&second).await;
        if waiting["held_by"] == state { Ok(()) } else { Err(waiting.to_string()) }
    })
    .await;
    assert!(tenant.journal().await.sends_of(&second).is_empty());

    // Its owner has seen to it; what is reported again is of the time before.
    tenant.connect(&account).await;
    report(&tenant, &account, &account.phone_number_id, &[said]).await;
    tenant.until(&second, &["sent", "delivered", "read"]).await;
    assert_eq!(text(&tenant.owner.get(&path).await.expect(200), "state"), "connected");
    let wallet = tenant.wallet_with_refunds(1).await;
    assert_eq!((wallet.consumed, wallet.available), (2, 9), "repeated reports give nothing back twice");
    tenant.check_log().await;
}

#[tokio::test]
async fn an_account_that_is_reported_as_spam_pauses_and_its_queue_waits() {
    a_reported_hold_keeps_the_queue(131_048, "paused").await;
}

#[tokio::test]
async fn an_account_that_is_reported_as_unpaid_is_blocked_and_its_queue_waits() {
    a_reported_hold_keeps_the_queue(131_042, "blocked").await;
}
