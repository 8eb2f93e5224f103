//! Credits at the webhook: the price, the last credit, never below zero.

use angelia_tests::tenant::{FAST, Tenant};
use futures_util::future::join_all;
use serde_json::json;

use crate::{body, installation};

#[tokio::test]
async fn a_text_with_a_file_needs_two_credits_and_the_last_one_is_usable() {
    let tenant = Tenant::new(installation().await, 1).await;
    tenant.account(FAST).await;
    let file = body(json!({"file_url": "https://127.0.0.1:9/a.pdf", "file_name": "a.pdf"}));
    tenant.call(&file).await.refused_with(402, "Not enough message credits: 2 needed, 1 available");
    tenant.call(&body(json!({}))).await.accepted();
    tenant.call(&body(json!({}))).await.refused_with(402, "Not enough message credits: 1 needed, 0 available");
    tenant.call(&file).await.refused_with(402, "Not enough message credits: 2 needed, 0 available");
    let wallet = tenant.wallet().await;
    assert_eq!((wallet.granted, wallet.consumed, wallet.available), (1, 1, 0));
}

#[tokio::test]
async fn callers_at_once_spend_every_credit_and_not_one_more() {
    let tenant = Tenant::new(installation().await, 25).await;
    tenant.account(FAST).await;
    let call = body(json!({}));
    let answers = join_all((0..60).map(|_| tenant.call(&call))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let message = answer.refused(402);
        assert!(message.starts_with("Not enough message credits: 1 needed, 0 available"), "{message}");
    }
    assert_eq!(accepted, 25);
    let wallet = tenant.wallet().await;
    assert_eq!((wallet.consumed, wallet.available), (25, 0));
    tenant.check_log().await;
}

#[tokio::test]
async fn a_read_after_each_200_includes_it() {
    let tenant = Tenant::new(installation().await, 30).await;
    tenant.account(FAST).await;
    for sent in 1..=20 {
        tenant.call(&body(json!({}))).await.accepted();
        assert_eq!(tenant.wallet().await.consumed, sent);
    }
    let statement = tenant.statement().await;
    assert_eq!(statement.iter().filter(|line| line["kind"] == "charge").count(), 20);
}
