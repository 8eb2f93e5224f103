//! Receipts as providers really send them: late, repeated, out of order, in batches, for the wrong account.

use angelia_tests::client::{Answer, http};
use angelia_tests::installation::text;
use angelia_tests::journal::Line;
use angelia_tests::tenant::{Account, FAST, Tenant, recipient};
use angelia_tests::wait::{SOON, eventually};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{patient, script};

/// One status of a sent message, as the provider reports it.
pub(crate) fn status(line: &Line, status: &str) -> Value {
    let mut report = json!({
        "id": line.wamid, "status": status, "timestamp": "1698266945", "recipient_id": line.to,
        "biz_opaque_callback_data": line.tracker,
    });
    if status == "failed" {
        report["errors"] = json!([{"code": 131026, "title": "Message undeliverable", "message": "Message undeliverable",
            "error_data": {"details": "not on WhatsApp"}}]);
    }
    report
}

/// Reports statuses for the number `phone_number_id` at the address of `account`, signed with the sandbox's secret.
pub(crate) async fn report(tenant: &Tenant<'_>, account: &Account, phone_number_id: &str, statuses: &[Value]) {
    let value = json!({"messaging_product": "whatsapp", "metadata": {"phone_number_id": phone_number_id}, "statuses": statuses});
    let change = json!({"field": "messages", "value": value});
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).to_string();
    let secret = &tenant.installation.sandbox().await.app_secret;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any secret is a key");
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("{}/callbacks/cloud/{}", tenant.installation.url(), account.id);
    let request = http().post(url).header("x-hub-signature-256", format!("sha256={signature}")).body(body);
    let answer = Answer::to(request).await.expect("an answer");
    assert_eq!(answer.status, 200, "a report that is signed is taken: {}", answer.text());
}

/// A message that WhatsApp took and reports nothing more of than `sent`.
async fn silent(tenant: &Tenant<'_>) -> (Account, String, Line) {
    let (account, id) = script::sent(tenant, "0202").await;
    // With the sandbox's own report behind it, everything that follows is the test's.
    eventually("the sandbox's report has arrived", SOON, async || {
        let message = tenant.message(&id).await;
        let events = message["timeline"].to_string();
        if events.contains("MessageSent") { Ok(()) } else { Err(message.to_string()) }
    })
    .await;
    let line = tenant.journal().await.sends_of(&id)[0].clone();
    (account, id, line)
}

#[tokio::test]
async fn late_and_repeated_receipts_in_any_order_end_in_the_same_state() {
    let tenant = Tenant::new(patient().await, 100).await;
    let orders: [&[&str]; 4] = [
        &["read", "delivered", "sent"],
        &["delivered", "read", "delivered", "read"],
        &["sent", "read", "read", "sent", "delivered"],
        &["read"],
    ];
    for order in orders {
        let (account, id, line) = silent(&tenant).await;
        for name in order {
            report(&tenant, &account, &account.phone_number_id, &[status(&line, name)]).await;
        }
        tenant.until(&id, &["read"]).await;
        assert_eq!(tenant.message(&id).await["refunded"], json!(0), "{order:?}");
    }
    tenant.check_log().await;
}

#[tokio::test]
async fn a_failure_after_sent_is_refunded_once_and_stays_refunded_when_it_was_delivered_after_all() {
    let tenant = Tenant::new(patient().await, 100).await;
    let (account, id, line) = silent(&tenant).await;
    let failed = status(&line, "failed");
    for _ in 0..3 {
        report(&tenant, &account, &account.phone_number_id, &[failed.clone(), failed.clone()]).await;
    }
    let message = tenant.until(&id, &["failed"]).await;
    assert!(!text(&message, "reason").is_empty());
    tenant.until_refunded(&id, 1).await;
    report(&tenant, &account, &account.phone_number_id, &[status(&line, "delivered")]).await;
    let message = tenant.until(&id, &["delivered"]).await;
    assert_eq!(message["refunded"], json!(1), "a refund once given stays");
    let wallet = tenant.wallet_with_refunds(1).await;
    assert_eq!((wallet.consumed, wallet.available), (1, 100));
    let refunds = tenant.statement().await.into_iter().filter(|line| line["kind"] == "refund").count();
    assert_eq!(refunds, 1);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_failure_reported_after_the_delivery_takes_nothing_back() {
    let tenant = Tenant::new(patient().await, 100).await;
    let (account, id, line) = silent(&tenant).await;
    report(&tenant, &account, &account.phone_number_id, &[status(&line, "delivered"), status(&line, "failed")]).await;
    // The report of a second message, after the first one's: by then both have been folded.
    let (other, other_id, other_line) = silent(&tenant).await;
    report(&tenant, &other, &other.phone_number_id, &[status(&other_line, "read")]).await;
    tenant.until(&other_id, &["read"]).await;
    let message = tenant.message(&id).await;
    assert_eq!(
        (text(&message, "state"), &message["refunded"]),
        ("delivered", &json!(0)),
        "what was delivered is not refunded"
    );
    tenant.check_log().await;
}

#[tokio::test]
async fn a_failure_that_says_nothing_of_itself_is_a_failure_and_is_refunded() {
    let tenant = Tenant::new(patient().await, 100).await;
    for (errors, detail) in [
        (json!([{"title": "It broke"}]), "It broke"),
        (json!([]), "no reason was given"),
        (json!(null), "no reason was given"),
    ] {
        let (account, id, line) = silent(&tenant).await;
        let mut failed = status(&line, "failed");
        failed["errors"] = errors;
        report(&tenant, &account, &account.phone_number_id, &[failed]).await;
        let message = tenant.until(&id, &["failed"]).await;
        assert_eq!((text(&message, "reason"), text(&message, "detail")), ("not_explained", detail), "{message}");
        tenant.until_refunded(&id, 1).await;
    }
    tenant.check_log().await;
}

#[tokio::test]
async fn a_batch_of_reports_is_taken_whole_with_what_nobody_understands_in_it() {
    let tenant = Tenant::new(patient().await, 100).await;
    let (account, id, line) = silent(&tenant).await;
    let mut sparse = status(&line, "delivered");
    sparse.as_object_mut().expect("an object").remove("recipient_id");
    let strangers = [
        json!({"id": "wamid.unknown", "status": "delivered", "timestamp": "1"}),
        json!({"id": line.wamid, "status": "dancing", "timestamp": "1698266945"}),
        json!({"nonsense": true}),
        sparse,
    ];
    report(&tenant, &account, &account.phone_number_id, &strangers).await;
    tenant.until(&id, &["delivered"]).await;
    tenant.check_log().await;
}

#[tokio::test]
async fn a_report_counts_for_the_account_that_it_names() {
    let tenant = Tenant::new(patient().await, 100).await;
    let (account, id, line) = silent(&tenant).await;
    let door = tenant.account(FAST).await;
    // At another account's address, under the same secret: it belongs to the account that it names.
    report(&tenant, &door, &account.phone_number_id, &[status(&line, "delivered")]).await;
    tenant.until(&id, &["delivered"]).await;
    // In the name of an account that did not send it, it says nothing of this message.
    report(&tenant, &door, &door.phone_number_id, &[status(&line, "read")]).await;
    let later = tenant.send(&door, &recipient("1234"), "later").await;
    tenant.until(&later, &["read"]).await;
    assert_eq!(text(&tenant.message(&id).await, "state"), "delivered");
    tenant.check_log().await;
}
