//! The webhook's URL: switched off, replaced, removed.

use angelia_tests::client::Hook;
use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, Tenant};
use angelia_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::{body, installation};

#[tokio::test]
async fn a_webhook_that_is_switched_off_refuses_from_the_answer_on_until_it_is_switched_on() {
    let tenant = Tenant::new(installation().await, 20).await;
    tenant.account(FAST).await;
    let path = tenant.path(&format!("/webhooks/{}", tenant.webhook_id));
    for _ in 0..3 {
        assert_eq!(tenant.owner.patch(&path, json!({"enabled": false})).await.expect(200)["enabled"], json!(false));
        tenant.call(&body(json!({}))).await.refused_with(403, "Webhook is disabled");
        assert_eq!(tenant.owner.patch(&path, json!({"enabled": true})).await.expect(200)["enabled"], json!(true));
        tenant.call(&body(json!({}))).await.accepted();
    }
    assert_eq!(tenant.wallet().await.consumed, 3);
}

#[tokio::test]
async fn a_replaced_url_stops_at_once() {
    let tenant = Tenant::new(installation().await, 20).await;
    tenant.account(FAST).await;
    let path = tenant.path(&format!("/webhooks/{}/rotate", tenant.webhook_id));
    let rotated = tenant.owner.post(&path, json!({})).await.expect(200);
    assert_eq!(text(&rotated, "id"), tenant.webhook_id);
    let fresh = Hook::new(text(&rotated, "url"));
    assert_ne!(fresh.url, tenant.hook.url);
    tenant.call(&body(json!({}))).await.refused_with(404, "Webhook not found");
    tenant.note(fresh.call(&body(json!({}))).await).accepted();
}

#[tokio::test]
async fn a_replaced_url_with_a_grace_works_until_that_is_over() {
    let tenant = Tenant::new(installation().await, 1_000).await;
    tenant.account(FAST).await;
    let path = tenant.path(&format!("/webhooks/{}/rotate", tenant.webhook_id));
    let rotated = tenant.owner.post(&path, json!({"grace_s": 2})).await.expect(200);
    tenant.call(&body(json!({}))).await.accepted();
    tenant.note(Hook::new(text(&rotated, "url")).call(&body(json!({}))).await).accepted();
    eventually("the grace is over", SOON, async || {
        let answer = tenant.call(&body(json!({}))).await;
        if answer.status == 404 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    tenant.call(&body(json!({}))).await.refused_with(404, "Webhook not found");
}

#[tokio::test]
async fn a_removed_webhook_and_a_token_nobody_has_are_not_found() {
    let tenant = Tenant::new(installation().await, 20).await;
    tenant.account(FAST).await;
    let path = tenant.path(&format!("/webhooks/{}", tenant.webhook_id));
    let answer = tenant.owner.delete(&path).await;
    assert!(answer.status == 200 || answer.status == 204, "{}", answer.text());
    tenant.call(&body(json!({}))).await.refused_with(404, "Webhook not found");
    let base = format!("{}/hooks", tenant.installation.url());
    for token in ["x", "0000000000000000000000000000000000000000000000000000000000000000", "%00", &"t".repeat(4_000)] {
        Hook::new(&format!("{base}/{token}")).call(&body(json!({}))).await.refused_with(404, "Webhook not found");
    }
}

#[tokio::test]
async fn a_token_cannot_be_guessed() {
    let tenant = Tenant::new(installation().await, 1).await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        let made = tenant.owner.post(&tenant.path("/webhooks"), json!({})).await.expect(201);
        let token = text(&made, "url").rsplit('/').next().expect("a URL has a last part").to_owned();
        // 22 characters of base 64 are the fewest that hold 128 bits.
        assert!(token.len() >= 22, "{token}");
        tokens.push(token);
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 5);
}
