//! Which refusal wins when several apply: method, token, enabled, size, JSON, fields, key, chat and account, the
//! transport's limits, credits.

use angelia_tests::client::{Answer, Hook};
use angelia_tests::tenant::{FAST, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{body, installation};

const TOO_LARGE: &str = "Request body is larger than 65536 bytes";

async fn keyed(hook: &Hook, key: &str, body: &Value) -> Answer {
    hook.call_keyed(key, body).await
}

#[tokio::test]
async fn the_method_and_the_token_come_before_everything() {
    let installation = installation().await;
    let nowhere = Hook::new(&format!("{}/hooks/no-such-token", installation.url()));
    let get = Answer::to(nowhere.request(Method::GET)).await.expect("an answer");
    get.refused_with(405, "Use POST");
    nowhere.call_bytes(vec![b' '; 70_000]).await.refused_with(404, "Webhook not found");
    nowhere.call_bytes("{").await.refused_with(404, "Webhook not found");
}

#[tokio::test]
async fn a_disabled_webhook_says_so_before_it_looks_at_the_body() {
    let tenant = Tenant::new(installation().await, 1).await;
    let path = tenant.path(&format!("/webhooks/{}", tenant.webhook_id));
    tenant.owner.patch(&path, json!({"enabled": false})).await.expect(200);
    tenant.hook.call_bytes(vec![b' '; 70_000]).await.refused_with(403, "Webhook is disabled");
    tenant.hook.call_bytes("{").await.refused_with(403, "Webhook is disabled");
    tenant.call(&body(json!({}))).await.refused_with(403, "Webhook is disabled");
    let get = Answer::to(tenant.hook.request(Method::GET)).await.expect("an answer");
    get.refused_with(405, "Use POST");
    tenant.owner.patch(&path, json!({"enabled": true})).await.expect(200);
    tenant.account(FAST).await;
    tenant.call(&body(json!({}))).await.accepted();
}

#[tokio::test]
async fn the_body_is_measured_then_parsed_then_read() {
    let tenant = Tenant::new(installation().await, 0).await;
    tenant.hook.call_bytes(vec![b'{'; 65_537]).await.refused_with(413, TOO_LARGE);
    let long_key = "k".repeat(256);
    let broken = tenant.hook.try_call("{", Some(&long_key)).await.expect("an answer").refused(400);
    assert!(broken.starts_with("Request body is not valid JSON"), "{broken}");
    // Fields before the key.
    let no_text = body(json!({"text": null, "phone": null, "chat_id": "404"}));
    let message = keyed(&tenant.hook, &long_key, &no_text).await.refused(400);
    assert!(message.contains("text") && !message.contains("Idempotency"), "{message}");
    // The key before the chat, and before the missing account and credits.
    let nobody = body(json!({"phone": null, "chat_id": "404"}));
    let message = keyed(&tenant.hook, &long_key, &nobody).await.refused(400);
    assert!(message.contains("Idempotency-Key"), "{message}");
}

#[tokio::test]
async fn chat_and_account_come_before_the_transports_limits_and_those_before_credits() {
    let tenant = Tenant::new(installation().await, 0).await;
    let long = "x".repeat(4_097);
    tenant.call(&body(json!({"text": long}))).await.refused(409);
    let account = tenant.account(FAST).await;
    tenant
        .call(&body(json!({"text": long, "phone": null, "chat_id": "404"})))
        .await
        .refused_with(404, "Chat not found");
    let stranger = json!({"text": long, "whatsapp account phone": "+19998887777"});
    tenant.call(&body(stranger)).await.refused_with(404, "WhatsApp account not found");
    let too_long = json!({"text": long, "whatsapp account phone": account.phone});
    let message = tenant.call(&body(too_long)).await.refused(400);
    assert!(message.contains("text"), "{message}");
    tenant.call(&body(json!({}))).await.refused_with(402, "Not enough message credits: 1 needed, 0 available");
}
