//! Each recipient of the sandbox's script: the end state, what is given back, and what WhatsApp really received.

use angelia_tests::installation::text;
use angelia_tests::tenant::{Account, FAST, Tenant, recipient};
use angelia_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use crate::{events, impatient, patient};

/// A message to a scripted recipient, from an account of its own, so that none waits for another.
pub(crate) async fn sent(tenant: &Tenant<'_>, script: &str) -> (Account, String) {
    let account = tenant.account(FAST).await;
    let id = tenant.send(&account, &recipient(script), "Hello").await;
    (account, id)
}

#[tokio::test]
async fn a_recipient_who_is_not_on_whatsapp_fails_and_is_refunded() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (_, id) = sent(&tenant, "0404").await;
    let message = tenant.until(&id, &["failed"]).await;
    let message = if message["refunded"] == json!(1) { message } else { tenant.until_refunded(&id, 1).await };
    assert_eq!(text(&message, "reason"), "recipient_not_on_whatsapp", "{message}");
    assert!(text(&message, "reason_text").ends_with("cannot be reached there."), "{message}");
    assert_eq!(tenant.journal().await.answers(&id), [json!(200)]);
    let wallet = tenant.wallet_with_refunds(1).await;
    assert_eq!((wallet.consumed, wallet.available), (1, 10));
    tenant.check_log().await;
}

#[tokio::test]
async fn a_server_error_is_tried_five_times_then_failed_and_refunded() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (_, id) = sent(&tenant, "0500").await;
    let message = tenant.until(&id, &["failed"]).await;
    assert_eq!(text(&message, "reason"), "provider_error");
    tenant.until_refunded(&id, 1).await;
    assert_eq!(tenant.journal().await.answers(&id), vec![json!(500); 5]);
    assert_eq!(tenant.wallet_with_refunds(1).await.available, 10);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_recipient_whose_server_fails_does_not_block_the_account() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (account, blocked) = sent(&tenant, "0500").await;
    let next = tenant.send(&account, &recipient("1234"), "Next").await;
    tenant.until(&next, &["delivered", "read"]).await;
    assert_eq!(text(&tenant.message(&blocked).await, "state"), "failed", "nothing overtakes the head of a queue");
    let journal = tenant.journal().await;
    assert!(journal.sends_of(&blocked).iter().all(|line| line.seq < journal.sends_of(&next)[0].seq));
    tenant.check_log().await;
}

#[tokio::test]
async fn a_temporary_error_is_tried_again_and_costs_once() {
    let tenant = Tenant::new(patient().await, 10).await;
    for (script, answers) in
        [("0503", vec![json!(503), json!(503), json!(200)]), ("0429", vec![json!(429), json!(200)])]
    {
        let (account, id) = sent(&tenant, script).await;
        let behind = tenant.send(&account, &recipient("1234"), "behind").await;
        let message = tenant.until(&id, &["read"]).await;
        assert_eq!((&message["refunded"], &message["reason"]), (&json!(0), &Value::Null), "{message}");
        tenant.until(&behind, &["sent", "delivered", "read"]).await;
        let journal = tenant.journal().await;
        assert_eq!(journal.answers(&id), answers, "{script}");
        let last = journal.sends_of(&id).last().expect("it was sent").seq;
        assert!(last < journal.sends_of(&behind)[0].seq, "the message kept its place at the head");
    }
    assert_eq!(tenant.wallet().await.available, 6);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_settled_by_the_receipt() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (_, id) = sent(&tenant, "0408").await;
    let message = tenant.until(&id, &["delivered"]).await;
    assert_eq!(message["refunded"], json!(0));
    assert!(events(&message).iter().any(|event| event.contains("AttemptEnded")), "{message}");
    assert_eq!(tenant.journal().await.answers(&id), [json!("closed")], "what may have gone out is never sent again");
    assert_eq!(tenant.wallet().await.available, 9);
    tenant.check_log().await;
}

#[tokio::test]
async fn an_unknown_outcome_does_not_hold_up_the_account() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (account, lost) = sent(&tenant, "0409").await;
    let next = tenant.send(&account, &recipient("1234"), "Next").await;
    tenant.until(&next, &["delivered", "read"]).await;
    let message = tenant.until(&lost, &["unknown"]).await;
    assert_eq!(message["refunded"], json!(0), "nothing is given back before it is settled");
    assert_eq!(tenant.journal().await.answers(&lost), [json!("closed")]);
    tenant.check_log().await;
}

#[tokio::test]
async fn an_unknown_outcome_is_refunded_at_the_deadline_by_default() {
    let tenant = Tenant::new(impatient().await, 10).await;
    let (_, id) = sent(&tenant, "0409").await;
    let message = tenant.until(&id, &["failed"]).await;
    assert_eq!(text(&message, "reason"), "outcome_unknown");
    tenant.until_refunded(&id, 1).await;
    assert_eq!(tenant.journal().await.answers(&id), [json!("closed")]);
    assert_eq!(tenant.wallet_with_refunds(1).await.available, 10);
    tenant.check_log().await;
}

#[tokio::test]
async fn an_unknown_outcome_is_charged_at_the_deadline_where_the_workspace_says_so() {
    let tenant = Tenant::new(impatient().await, 10).await;
    let changed = tenant.owner.patch(&tenant.path(""), json!({"unknown_policy": "charge"})).await.expect(200);
    assert_eq!(changed["unknown_policy"], "charge");
    let (_, id) = sent(&tenant, "0409").await;
    let message = tenant.until(&id, &["sent"]).await;
    assert_eq!(message["refunded"], json!(0));
    assert_eq!(tenant.journal().await.answers(&id), [json!("closed")]);
    assert_eq!(tenant.wallet().await.available, 9);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_message_that_is_never_delivered_stays_sent() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (_, id) = sent(&tenant, "0202").await;
    // One that is delivered and read was sent after it: by its end, whatever was to come has come.
    let (_, later) = sent(&tenant, "1234").await;
    tenant.until(&later, &["read"]).await;
    let message = tenant.until(&id, &["sent"]).await;
    assert_eq!(message["refunded"], json!(0));
    assert_eq!(tenant.journal().await.answers(&id), [json!(200)]);
}

#[tokio::test]
async fn anybody_else_gets_reads_and_costs_one_credit() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (account, id) = sent(&tenant, "1234").await;
    let message = tenant.until(&id, &["read"]).await;
    assert_eq!((&message["credits"], &message["refunded"], &message["reason"]), (&json!(1), &json!(0), &Value::Null));
    assert_eq!(text(&message, "account_id"), account.id);
    let events = events(&message);
    assert_eq!(events[..3], ["MessageAccepted", "AttemptStarted", "AttemptEnded"], "{message}");
    assert_eq!(events.last(), Some(&"MessageRead"), "{message}");
    assert!(events.contains(&"MessageDelivered"), "{message}");
    assert_eq!(tenant.journal().await.answers(&id), [json!(200)]);
    assert_eq!(tenant.wallet().await.available, 9);
}

#[tokio::test]
async fn what_is_no_number_fails_and_is_refunded_without_a_call() {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account(FAST).await;
    let mut ids = Vec::new();
    for phone in ["hello", "+", "12", "+1415123123412341234123", "+1 (415) CALL-ME"] {
        ids.push(tenant.send(&account, phone, "Hello").await);
    }
    for id in &ids {
        let message = tenant.until(id, &["failed"]).await;
        assert!(!text(&message, "reason").is_empty());
        tenant.until_refunded(id, 1).await;
    }
    assert_eq!(tenant.wallet_with_refunds(5).await.available, 10);
    let journal = tenant.journal().await;
    assert!(journal.from_number(&account.phone_number_id).is_empty(), "no transport call is made");
    tenant.check_log().await;
}

#[tokio::test]
async fn a_number_written_as_people_write_it_is_reached() {
    let tenant = Tenant::new(patient().await, 10).await;
    let account = tenant.account(FAST).await;
    for phone in ["+1 (415) 123-1234", "14151231234"] {
        let id = tenant.send(&account, phone, "Hello").await;
        tenant.until(&id, &["sent", "delivered", "read"]).await;
        assert_eq!(tenant.journal().await.sends_of(&id)[0].to.as_deref(), Some("14151231234"), "{phone}");
    }
}

#[tokio::test]
async fn the_statement_tells_every_grant_charge_and_refund_with_a_running_balance() {
    let tenant = Tenant::new(patient().await, 10).await;
    let (_, failed) = sent(&tenant, "0404").await;
    tenant.until_refunded(&failed, 1).await;
    let (_, good) = sent(&tenant, "1234").await;
    let lines = eventually("the statement has four lines", LATER, async || {
        let lines = tenant.statement().await;
        if lines.len() == 4 { Ok(lines) } else { Err(format!("{lines:?}")) }
    })
    .await;
    let told: Vec<_> =
        lines.iter().map(|l| (text(l, "kind"), l["credits"].as_i64().map(i64::abs), l["balance"].as_i64())).collect();
    assert_eq!(
        told,
        [
            ("grant", Some(10), Some(10)),
            ("charge", Some(1), Some(9)),
            ("refund", Some(1), Some(10)),
            ("charge", Some(1), Some(9)),
        ]
    );
    let messages: Vec<_> = lines.iter().map(|line| line["message_id"].as_str().unwrap_or_default()).collect();
    assert_eq!(messages, ["", failed.as_str(), failed.as_str(), good.as_str()]);
    assert_eq!(lines[0]["reason"], "for a test");
    assert!(!text(&lines[2], "reason").is_empty());
}
