//! `Idempotency-Key` over HTTP.

use serde_json::json;

use crate::support::{Answer, Ingress, Tenant, hello};

const A: &str = "+15105566777";

#[tokio::test]
async fn the_same_key_and_body_are_one_message_and_one_charge() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    tenant.account(A).await;
    let body = hello().to_string();
    let first = tenant.call_with_key("k-1", body.clone()).await.message_id();
    // Bare and quoted are the same key.
    for key in ["k-1", "\"k-1\"", " k-1 "] {
        assert_eq!(tenant.call_with_key(key, body.clone()).await.message_id(), first, "{key}");
    }
    assert_ne!(tenant.call_with_key("k-2", body.clone()).await.message_id(), first);
    assert_ne!(tenant.call_with_key("", body.clone()).await.message_id(), first);
    assert_eq!(tenant.available().await, 2);
    tenant.call_with_key("k-1", format!("{body} ")).await.is_refusal(422, "Idempotency-Key was used with another body");
    assert_eq!(ingress.accepted().await.len(), 3);
}

#[tokio::test]
async fn a_refusal_does_not_use_the_key_up() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let body = hello().to_string();
    assert_eq!(tenant.call_with_key("k", body.clone()).await.status, 409);
    tenant.account(A).await;
    let lost = json!({"action": "send", "text": "x", "chat_id": "nowhere"}).to_string();
    assert_eq!(tenant.call_with_key("k", lost).await.status, 404);
    tenant.call_with_key("k", body).await.message_id();
    let poor = json!({"action": "send", "text": "y", "phone": "+14151231234"}).to_string();
    assert_eq!(tenant.call_with_key("k2", poor).await.status, 402);
}

#[tokio::test]
async fn a_key_of_another_workspace_is_another_key() {
    let ingress = Ingress::start().await;
    let (one, other) = (Tenant::new(&ingress, 1).await, Tenant::new(&ingress, 1).await);
    one.account(A).await;
    other.account("+15105566888").await;
    let first = one.call_with_key("k", hello().to_string()).await.message_id();
    assert_ne!(other.call_with_key("k", hello().to_string()).await.message_id(), first);
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_named() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    tenant.account(A).await;
    let long = "k".repeat(256);
    let refusal = "Idempotency-Key must have at most 255 characters";
    tenant.call_with_key(&long, hello().to_string()).await.is_refusal(400, refusal);
    tenant.call_with_key("\"\"", hello().to_string()).await.is_refusal(400, "Idempotency-Key must not be empty");
    let twice = ingress.http.post(&tenant.webhook_url).header("idempotency-key", "a").header("idempotency-key", "a");
    let answer = Answer::read(twice.body(hello().to_string()).send().await.unwrap()).await;
    answer.is_refusal(400, "Idempotency-Key must be given only once");
}

#[tokio::test]
async fn many_callers_with_one_key_get_one_message_or_are_told_to_wait() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 50).await;
    tenant.account(A).await;
    let calls = (0..40).map(|_| tenant.call_with_key("k", hello().to_string()));
    let answers = futures_util::future::join_all(calls).await;
    let mut ids = std::collections::BTreeSet::new();
    for answer in answers {
        match answer.status {
            200 => drop(ids.insert(answer.message_id())),
            _ => answer.is_refusal(409, "A request with the same Idempotency-Key is still in progress"),
        }
    }
    assert_eq!(ids.len(), 1);
    assert_eq!((ingress.accepted().await.len(), tenant.available().await), (1, 49));
}
