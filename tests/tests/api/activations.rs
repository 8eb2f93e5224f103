//! The activation log: the last calls of a webhook, accepted and refused.

use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, Tenant};
use angelia_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::{has, installation, is_time};

#[tokio::test]
async fn accepted_and_refused_calls_are_shown_newest_first() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let good = json!({"action": "send", "text": "Hello", "phone": "+14151231234", "campaign": "x"});
    let id = tenant.call(&good).await.accepted();
    let refused = r#"{"action":"send","text":"no recipient"}"#;
    tenant.hook.call_bytes(refused).await.refused(400);
    tenant.hook.call_bytes("{ not json").await.refused(400);
    let path = tenant.path(&format!("/webhooks/{}/activations", tenant.webhook_id));
    let calls = eventually("three calls are shown", SOON, async || {
        let calls = tenant.owner.list(&path).await;
        if calls.len() == 3 { Ok(calls) } else { Err(format!("{calls:?}")) }
    })
    .await;
    for call in &calls {
        has(call, &["id", "at", "caller", "status", "message_id", "error", "warnings", "body"]);
        is_time(&call["at"]);
        assert!(text(call, "caller").contains("127.0.0.1"), "{call}");
    }
    let statuses: Vec<_> = calls.iter().map(|call| call["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(400), Some(400), Some(200)], "newest first");
    assert_eq!((&calls[2]["message_id"], &calls[2]["error"]), (&json!(id), &Value::Null));
    assert!(calls[2]["warnings"].to_string().contains("campaign"));
    let body = calls[2]["body"].to_string();
    assert!(body.contains("Hello") && body.contains("14151231234"), "rebuilt from its event: {body}");
    assert_eq!(text(&calls[1], "body"), refused, "as received");
    assert!(text(&calls[1], "error").contains("chat_id"), "{}", calls[1]);
    assert_eq!((text(&calls[0], "body"), &calls[0]["message_id"]), ("{ not json", &Value::Null));
}

#[tokio::test]
async fn a_refused_body_is_kept_up_to_4_kib_and_the_last_100_calls_are_kept() {
    let tenant = Tenant::new(installation().await, 10).await;
    let path = tenant.path(&format!("/webhooks/{}/activations", tenant.webhook_id));
    for n in 0..104 {
        tenant.hook.call(&json!({"a": n, "fill": "x".repeat(5_000)})).await.refused(400);
    }
    let calls = eventually("the last one is shown", SOON, async || {
        let calls = tenant.owner.list(&path).await;
        let newest = calls.first().map(Value::to_string).unwrap_or_default();
        if newest.contains("{\\\"a\\\":103,") { Ok(calls) } else { Err(newest) }
    })
    .await;
    assert_eq!(calls.len(), 100);
    assert!(calls.iter().all(|call| (4_000..=4_096).contains(&text(call, "body").len())));
}

#[tokio::test]
async fn the_log_can_be_downloaded_as_json_lines() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let id = tenant.call(&json!({"action": "send", "text": "Hello", "phone": "+14151231234"})).await.accepted();
    tenant.hook.call(&json!({})).await.refused(400);
    let path = tenant.path(&format!("/webhooks/{}/activations.log", tenant.webhook_id));
    eventually("both calls are in the file", SOON, async || {
        let file = tenant.owner.get(&path).await;
        assert_eq!(file.status, 200, "{}", file.text());
        let lines: Vec<Value> =
            file.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        let found = lines.len() == 2 && lines.iter().any(|line| line["message_id"] == json!(id));
        if found { Ok(()) } else { Err(file.text()) }
    })
    .await;
}

#[tokio::test]
async fn a_call_of_a_disabled_webhook_is_shown_and_one_webhooks_calls_are_not_anothers() {
    let tenant = Tenant::new(installation().await, 10).await;
    let other = tenant.owner.post(&tenant.path("/webhooks"), json!({})).await.expect(201);
    let path = tenant.path(&format!("/webhooks/{}", tenant.webhook_id));
    tenant.owner.patch(&path, json!({"enabled": false})).await.expect(200);
    tenant.hook.call(&json!({"action": "send"})).await.refused(403);
    eventually("the call is shown", SOON, async || {
        let calls = tenant.owner.list(&format!("{path}/activations")).await;
        if calls.len() == 1 && calls[0]["status"] == json!(403) { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
    let others = tenant.path(&format!("/webhooks/{}/activations", text(&other, "id")));
    assert!(tenant.owner.list(&others).await.is_empty());
}
