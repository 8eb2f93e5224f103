//! `/livez`, `/readyz`, `/metrics`.

use angelia_shared::testing::TestBroker;
use serde_json::json;

use crate::support::{Ingress, Tenant, dispatcher, hello, until};

#[tokio::test]
async fn each_missing_part_is_named_until_all_are_there() {
    let mut ingress = Ingress::bare(TestBroker::start().await, &[]).await;
    ingress.ready().await;
    assert_eq!(ingress.get("/readyz", "").await.expect(200), json!({"status": "ready"}));

    ingress.ledger = None;
    let answer = ingress.get("/readyz", "").await.expect(503);
    assert_eq!(answer, json!({"status": "not ready", "reasons": ["no ledger answers"]}));
    ingress.dispatcher.take().expect("it runs").abort();
    until("the dispatcher is missed", async || {
        let reasons = ingress.get("/readyz", "").await.json()["reasons"].clone();
        reasons == json!(["no ledger answers", "no dispatcher answers"])
    })
    .await;
    assert_eq!(ingress.get("/livez", "").await.status, 200);

    ingress.gate.send_replace(false);
    let reasons = ingress.get("/readyz", "").await.expect(503)["reasons"].clone();
    assert_eq!(reasons[0], "the installation is still being prepared");

    ingress.broker.kill();
    let reasons = ingress.get("/readyz", "").await.expect(503)["reasons"].clone();
    assert!(reasons.as_array().unwrap().contains(&json!("the broker is not connected")), "{reasons}");
    assert_eq!(ingress.get("/livez", "").await.status, 200);
}

#[tokio::test]
async fn loopback_attachments_are_shown_while_they_are_allowed() {
    let mut ingress = Ingress::start().await;
    ingress.dispatcher.take().expect("it runs").abort();
    ingress.dispatcher = Some(dispatcher(&ingress.log, r#"{"attachments_allow_loopback":true,"more":1}"#).await);
    until("the new dispatcher answers", async || {
        ingress.get("/readyz", "").await.json() == json!({"status": "ready", "attachments_allow_loopback": true})
    })
    .await;
}

#[tokio::test]
async fn metrics_are_shown_and_their_labels_are_few() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    tenant.account("+15105566777").await;
    tenant.call(hello()).await.message_id();
    assert_eq!(tenant.call(hello()).await.status, 402);
    let shown = ingress.get("/metrics", "").await;
    assert!(shown.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = shown.text();
    for line in [
        "ingress_calls_answered_total{status=\"200\"} ",
        "ingress_calls_answered_total{status=\"402\"} ",
        "ingress_call_seconds_bucket{le=\"1\"} ",
        "log_batches_stored_total ",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    for secret in [&tenant.id, &tenant.webhook_id, "15105566777"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
