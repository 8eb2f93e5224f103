//! Messages that wait: expiry, cancelling, and that waiting for one's turn never expires anything.

use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use angelia_tests::wait::{SOON, eventually};
use futures_util::stream::{self, StreamExt as _};
use serde_json::json;

use crate::{impatient, patient};

#[tokio::test]
async fn messages_held_by_a_disconnected_account_expire_and_are_refunded() {
    let tenant = Tenant::new(impatient().await, 10).await;
    let account = tenant.account(NEVER).await;
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let mut held = Vec::new();
    for n in 0..3 {
        held.push(tenant.send(&account, &recipient("1234"), &format!("held {n}")).await);
    }
    tenant.disconnect(&account).await;
    for id in &held {
        let message = tenant.until(id, &["failed"]).await;
        assert!(text(&message, "reason").contains("expired"), "{message}");
        tenant.until_refunded(id, 1).await;
        assert!(tenant.journal().await.sends_of(id).is_empty());
    }
    assert_eq!(tenant.wallet_with_refunds(3).await.available, 9);
    tenant.check_log().await;
}

#[tokio::test]
async fn the_queue_of_a_removed_account_expires_and_is_refunded() {
    let tenant = Tenant::new(impatient().await, 10).await;
    let account = tenant.account(NEVER).await;
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let mut held = Vec::new();
    for n in 0..2 {
        held.push(tenant.send(&account, &recipient("1234"), &format!("held {n}")).await);
    }
    let removed = tenant.owner.delete(&tenant.path(&format!("/accounts/{}", account.id))).await;
    assert!((200..300).contains(&removed.status), "{}", removed.text());
    for id in &held {
        let message = tenant.until(id, &["failed"]).await;
        assert_eq!((text(&message, "reason"), text(&message, "detail")), ("expired", "removed"), "{message}");
        tenant.until_refunded(id, 1).await;
        assert!(tenant.journal().await.sends_of(id).is_empty());
    }
    tenant.check_log().await;
}

#[tokio::test]
async fn a_second_pause_holds_from_its_own_beginning() {
    let tenant = Tenant::new(impatient().await, 10).await;
    let account = tenant.account(NEVER).await;
    let path = tenant.path(&format!("/accounts/{}", account.id));
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let waiting = tenant.send(&account, &recipient("1234"), "waits for its turn").await;
    let soon = angelia_shared::clock::now().plus_ms(500).to_rfc3339();
    tenant.owner.patch(&path, json!({"state": "paused", "paused_until": soon})).await.expect(200);
    // Longer than a held message lives here; it is held for half a second of it.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(text(&tenant.message(&waiting).await, "state"), "queued");
    tenant.owner.patch(&path, json!({"state": "paused"})).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let message = tenant.message(&waiting).await;
    assert_eq!(text(&message, "state"), "queued", "{message}");
    tenant.until(&waiting, &["failed"]).await;
}

#[tokio::test]
async fn a_long_queue_that_expires_at_once_is_refunded_whole_while_another_account_sends_on() {
    const MANY: u64 = 1_500;
    const AT_ONCE: usize = 32;
    let tenant = Tenant::new(impatient().await, 2 * MANY).await;
    let (account, other) = (tenant.account(NEVER).await, tenant.account([300, 300]).await);
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let phone = recipient("1234");
    let calls = (0..MANY).map(|n| {
        let (tenant, account, phone) = (&tenant, &account, &phone);
        async move { tenant.send(account, phone, &format!("held {n}")).await }
    });
    let held: Vec<String> = stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
    let mut sent_on = Vec::new();
    for n in 0..20 {
        sent_on.push(tenant.send(&other, &phone, &format!("goes on {n}")).await);
    }
    tenant.disconnect(&account).await;

    for id in &sent_on {
        tenant.until(id, &["sent", "delivered", "read"]).await;
    }
    let wallet = tenant.wallet_with_refunds(MANY).await;
    assert_eq!(wallet.available, 2 * MANY - 1 - sent_on.len() as u64);
    for id in held.iter().step_by(97) {
        let message = tenant.until(id, &["failed"]).await;
        assert_eq!((text(&message, "reason"), &message["refunded"]), ("expired", &json!(1)), "{message}");
    }
    let journal = tenant.journal().await;
    assert!(held.iter().all(|id| journal.sends_of(id).is_empty()));
    tenant.check_log().await;
}

#[tokio::test]
async fn a_message_that_waits_for_its_turn_never_expires() {
    let tenant = Tenant::new(impatient().await, 10).await;
    let account = tenant.account([1_500, 1_600]).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(tenant.send(&account, &recipient("1234"), &format!("{n}")).await);
    }
    // The last one waits for twice as long as a held message lives here.
    for id in &ids {
        tenant.until(id, &["sent", "delivered", "read"]).await;
    }
    assert_eq!(tenant.wallet().await.refunded, 0);
}

#[tokio::test]
async fn a_message_of_a_connection_that_comes_back_in_time_goes_out() {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account([1_500, 1_600]).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(tenant.send(&account, &recipient("1234"), &format!("{n}")).await);
    }
    tenant.until(&ids[0], &["sent", "delivered", "read"]).await;
    tenant.disconnect(&account).await;
    let waiting = eventually("the message says what holds it", SOON, async || {
        let message = tenant.message(&ids[2]).await;
        if message["held_by"] == "disconnected" { Ok(message) } else { Err(message.to_string()) }
    })
    .await;
    assert_eq!(text(&waiting, "state"), "queued", "{waiting}");
    tenant.connect(&account).await;
    for id in &ids {
        tenant.until(id, &["sent", "delivered", "read"]).await;
        assert_eq!(tenant.journal().await.sends_of(id).len(), 1);
    }
    tenant.check_log().await;
}

#[tokio::test]
async fn a_queued_message_can_be_cancelled_and_is_refunded_and_never_sent() {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account(NEVER).await;
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    let (two, three) = (
        tenant.send(&account, &recipient("1234"), "is cancelled").await,
        tenant.send(&account, &recipient("1234"), "stays").await,
    );
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let cancel = async |id: &str| tenant.owner.post(&tenant.path(&format!("/messages/{id}/cancel")), json!({})).await;
    let answer = cancel(&two).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    tenant.until(&two, &["cancelled"]).await;
    tenant.until_refunded(&two, 1).await;
    // Again, and for one that has gone out: nothing changes.
    cancel(&two).await;
    cancel(&first).await;
    let wallet = tenant.wallet_with_refunds(1).await;
    assert_eq!((wallet.consumed, wallet.available), (3, 8));
    assert_eq!(text(&tenant.message(&three).await, "state"), "queued");
    assert!(["sent", "delivered", "read"].contains(&text(&tenant.message(&first).await, "state")));
    assert!(tenant.journal().await.sends_of(&two).is_empty());
    tenant.check_log().await;
}

#[tokio::test]
async fn all_queued_messages_of_an_account_can_be_cancelled_at_once() {
    let tenant = Tenant::new(patient().await, 100).await;
    let (account, other) = (tenant.account(NEVER).await, tenant.account(NEVER).await);
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    // More than one record of the log holds.
    let mut queued = Vec::new();
    for n in 0..70 {
        queued.push(tenant.send(&account, &recipient("1234"), &format!("is cancelled {n}")).await);
    }
    let elsewhere = [
        tenant.send(&other, &recipient("1234"), "goes out, too").await,
        tenant.send(&other, &recipient("1234"), "waits on").await,
    ];
    let purge = tenant.path(&format!("/accounts/{}/purge", account.id));
    let answer = tenant.owner.post(&purge, json!({})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    for id in &queued {
        tenant.until(id, &["cancelled"]).await;
    }
    assert_eq!(tenant.wallet_with_refunds(70).await.available, 100 - 3);
    let stays = tenant.send(&account, &recipient("1234"), "comes later").await;
    let again = tenant.owner.post(&purge, json!({})).await;
    assert_eq!(again.status, 202, "{again:?}");
    tenant.until(&stays, &["cancelled"]).await;
    assert_eq!(text(&tenant.message(&elsewhere[1]).await, "state"), "queued", "another account's messages stay");
    for id in &queued {
        assert!(tenant.journal().await.sends_of(id).is_empty());
    }
    tenant.check_log().await;
}

#[tokio::test]
async fn the_queue_of_a_removed_account_can_be_cancelled_instead_of_waiting_for_its_end() {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account(NEVER).await;
    let first = tenant.send(&account, &recipient("1234"), "goes out").await;
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let mut queued = Vec::new();
    for n in 0..3 {
        queued.push(tenant.send(&account, &recipient("1234"), &format!("is cancelled {n}")).await);
    }
    let path = tenant.path(&format!("/accounts/{}", account.id));
    assert_eq!(tenant.owner.delete(&path).await.status, 204);
    let purged = tenant.owner.post(&format!("{path}/purge"), json!({})).await.expect(202);
    assert_eq!(purged["requested"], json!(3), "{purged}");
    for id in &queued {
        tenant.until(id, &["cancelled"]).await;
        assert!(tenant.journal().await.sends_of(id).is_empty());
    }
    assert_eq!(tenant.wallet_with_refunds(3).await.available, 9);
    tenant.owner.get(&path).await.problem(404);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_purge_during_the_sending_leaves_each_message_either_sent_or_cancelled_and_refunded() {
    const MESSAGES: usize = 60;
    let tenant = Tenant::new(patient().await, 100).await;
    let account = tenant.account(FAST).await;
    let mut ids = Vec::new();
    for n in 0..MESSAGES {
        ids.push(tenant.send(&account, &recipient("1234"), &format!("{n}")).await);
    }
    // Single cancels and a purge that ask for the same messages, while one after the other leaves.
    let cancel = async |id: &str| tenant.owner.post(&tenant.path(&format!("/messages/{id}/cancel")), json!({})).await;
    for id in ids.iter().skip(3).step_by(5) {
        let status = cancel(id).await.status;
        assert!(status == 202 || status == 409, "{status}");
    }
    let purge = tenant.path(&format!("/accounts/{}/purge", account.id));
    assert_eq!(tenant.owner.post(&purge, json!({})).await.status, 202);
    let mut cancelled = 0;
    for id in &ids {
        let message = tenant.until(id, &["sent", "delivered", "read", "cancelled"]).await;
        let is_cancelled = message["state"] == "cancelled";
        cancelled += u64::from(is_cancelled);
        let sends = tenant.journal().await.sends_of(id).len();
        assert_eq!(sends, usize::from(!is_cancelled), "{message}");
    }
    assert_eq!(tenant.wallet_with_refunds(cancelled).await.available, 100 - MESSAGES as u64 + cancelled);
    tenant.check_log().await;
}
