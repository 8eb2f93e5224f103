//! `Idempotency-Key`: charged once, sent once, refused when the body differs.

use angelia_tests::tenant::{FAST, Tenant, recipient};
use futures_util::future::join_all;
use serde_json::json;

use crate::{body, installation};

#[tokio::test]
async fn the_same_key_and_body_is_one_message_charged_and_sent_once() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let call = body(json!({"phone": recipient("1234")}));
    let first = tenant.call_keyed("order-1", &call).await.accepted();
    for key in ["order-1", "\"order-1\""] {
        assert_eq!(tenant.call_keyed(key, &call).await.accepted(), first, "{key}");
    }
    tenant.until(&first, &["delivered", "read"]).await;
    assert_eq!(tenant.call_keyed("order-1", &call).await.accepted(), first, "also when it was sent long ago");
    assert_ne!(tenant.call_keyed("order-2", &call).await.accepted(), first);
    assert_ne!(tenant.call(&call).await.accepted(), first, "content alone is never a duplicate");
    assert_eq!(tenant.journal().await.sends_of(&first).len(), 1);
    assert_eq!(tenant.wallet().await.consumed, 3);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_key_belongs_to_the_workspace_not_to_the_webhook() {
    let installation = installation().await;
    let (one, other) = (Tenant::new(installation, 10).await, Tenant::new(installation, 10).await);
    one.account(FAST).await;
    other.account(FAST).await;
    let call = body(json!({}));
    let first = one.call_keyed("shared", &call).await.accepted();
    assert_ne!(other.call_keyed("shared", &call).await.accepted(), first);
    let second_hook = one.owner.post(&one.path("/webhooks"), json!({})).await.expect(201);
    let second_hook = angelia_tests::client::Hook::new(second_hook["url"].as_str().expect("a webhook has a URL"));
    assert_eq!(second_hook.call_keyed("shared", &call).await.accepted(), first);
    assert_eq!(one.wallet().await.consumed, 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_422_byte_by_byte() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let call = body(json!({})).to_string();
    let keyed = async |body: String| tenant.hook.try_call(&body, Some("k")).await.expect("the webhook answers");
    tenant.note(keyed(call.clone()).await).accepted();
    let others = [
        format!("{call} "),
        call.replace("Hello", "Hallo"),
        body(json!({"phone": null, "chat_id": "404"})).to_string(),
    ];
    for other in others {
        keyed(other).await.refused_with(422, "Idempotency-Key was used with another body");
    }
    assert_eq!(tenant.wallet().await.consumed, 1);
}

#[tokio::test]
async fn a_key_of_255_characters_is_taken_and_a_longer_one_refused() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let call = body(json!({}));
    let longest = "k".repeat(255);
    let first = tenant.call_keyed(&longest, &call).await.accepted();
    assert_eq!(tenant.call_keyed(&longest, &call).await.accepted(), first);
    let message = tenant.call_keyed(&"k".repeat(256), &call).await.refused(400);
    assert!(message.contains("Idempotency-Key"), "{message}");
}

#[tokio::test]
async fn a_refusal_does_not_use_the_key_up() {
    let tenant = Tenant::new(installation().await, 0).await;
    let call = body(json!({}));
    tenant.call_keyed("again", &call).await.refused(409);
    tenant.account(FAST).await;
    tenant.call_keyed("again", &call).await.refused_with(402, "Not enough message credits: 1 needed, 0 available");
    let grant = json!({"credits": 1, "reason": "paid"});
    let answer = tenant.installation.operator().post(&tenant.path("/credits"), grant).await;
    assert!(answer.status == 200 || answer.status == 201, "{}", answer.text());
    tenant.call_keyed("again", &body(json!({"text": ""}))).await.refused(400);
    let first = tenant.call_keyed("again", &call).await.accepted();
    // Now it is used up, also with the last credit gone.
    assert_eq!(tenant.call_keyed("again", &call).await.accepted(), first);
    assert_eq!(tenant.wallet().await.available, 0);
}

#[tokio::test]
async fn callers_at_once_with_one_key_get_one_message() {
    let tenant = Tenant::new(installation().await, 100).await;
    tenant.account(FAST).await;
    let call = body(json!({"phone": recipient("1234")}));
    let answers = join_all((0..24).map(|_| tenant.call_keyed("at-once", &call))).await;
    let mut ids = Vec::new();
    for answer in answers {
        if answer.status == 200 {
            ids.push(answer.accepted());
        } else {
            answer.refused(409);
        }
    }
    let first = tenant.call_keyed("at-once", &call).await.accepted();
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == first), "{ids:?}");
    tenant.until(&first, &["delivered", "read"]).await;
    assert_eq!(tenant.journal().await.sends_of(&first).len(), 1);
    assert_eq!(tenant.wallet().await.consumed, 1);
    tenant.check_log().await;
}
