//! Credits: granted, read, and told line by line.

use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, Tenant, recipient};
use serde_json::json;

use crate::{has, installation, is_time};

#[tokio::test]
async fn credits_are_granted_by_the_operator_and_read_by_all() {
    let tenant = Tenant::new(installation().await, 0).await;
    let operator = tenant.installation.operator();
    assert_eq!(tenant.wallet().await.granted, 0);
    for (credits, granted) in [(5, 5), (7, 12)] {
        let answer = operator.post(&tenant.path("/credits"), json!({"credits": credits, "reason": "invoice 1"})).await;
        assert!(answer.status == 200 || answer.status == 201, "{}", answer.text());
        assert_eq!(tenant.wallet().await.granted, granted, "a read after the answer includes it");
    }
    let seen = tenant.owner.get(&tenant.path("/credits")).await.expect(200);
    has(&seen, &["granted", "consumed", "refunded", "available", "as_of_seq"]);
    for wrong in [
        json!({}),
        json!({"credits": 0, "reason": "x"}),
        json!({"credits": -5, "reason": "x"}),
        json!({"credits": 1.5, "reason": "x"}),
        json!({"credits": 5}),
    ] {
        operator.post(&tenant.path("/credits"), wrong).await.problem(400);
    }
    let most = json!({"credits": u64::MAX, "reason": "too many"});
    let answer = operator.post(&tenant.path("/credits"), most).await;
    assert!((400..500).contains(&answer.status), "a sum that does not fit is refused: {}", answer.text());
    assert_eq!(tenant.wallet().await.granted, 12);
    tenant.check_log().await;
}

#[tokio::test]
async fn the_statement_is_json_or_csv_and_can_be_cut_by_time() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(FAST).await;
    let id = tenant.send(&account, &recipient("0404"), "x").await;
    tenant.until_refunded(&id, 1).await;
    tenant.wallet_with_refunds(1).await;
    let lines = tenant.statement().await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in &lines {
        has(line, &["seq", "at", "kind", "credits", "balance", "message_id", "reason"]);
        is_time(&line["at"]);
    }
    let csv =
        tenant.owner.call_with(reqwest::Method::GET, &tenant.path("/statement"), None, &[("accept", "text/csv")]).await;
    assert_eq!(csv.status, 200);
    assert!(csv.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")), "{:?}", csv.headers);
    let text_of = csv.text();
    let rows: Vec<&str> = text_of.lines().map(str::trim_end).collect();
    assert!(rows[0].ends_with("seq,at,kind,credits,balance,message_id,reason"), "{}", rows[0]);
    assert_eq!(rows.len(), 4, "{text_of}");
    assert!(rows[1].contains("grant") && rows[2].contains("charge") && rows[3].contains("refund"), "{text_of}");

    let (first, last) = (text(&lines[0], "at"), text(&lines[2], "at"));
    let cut = async |query: String| tenant.owner.list(&tenant.path(&format!("/statement?{query}"))).await.len();
    assert_eq!(cut(format!("from={first}")).await, 3);
    assert_eq!(cut(format!("to={first}")).await, 0);
    assert!((1..3).contains(&cut(format!("from={last}")).await));
    assert_eq!(cut("from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00%2B02:00".to_owned()).await, 0);
    tenant.owner.get(&tenant.path("/statement?from=yesterday")).await.problem(400);
}

#[tokio::test]
async fn a_reason_with_commas_quotes_and_lines_stays_one_csv_field() {
    let tenant = Tenant::new(installation().await, 0).await;
    let reason = "=1+1, \"quoted\"\nsecond line";
    let grant = json!({"credits": 3, "reason": reason});
    let answer = tenant.installation.operator().post(&tenant.path("/credits"), grant).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let csv =
        tenant.owner.call_with(reqwest::Method::GET, &tenant.path("/statement"), None, &[("accept", "text/csv")]).await;
    assert!(csv.text().contains("\"\"quoted\"\""), "{}", csv.text());
}

#[tokio::test]
async fn credits_can_be_asked_as_of_an_earlier_position_or_time() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(FAST).await;
    let before = tenant.owner.get(&tenant.path("/credits")).await.expect(200);
    let id = tenant.send(&account, &recipient("1234"), "x").await;
    tenant.until(&id, &["delivered", "read"]).await;
    let then = tenant.owner.get(&tenant.path(&format!("/credits?as_of={}", before["as_of_seq"]))).await.expect(200);
    assert_eq!((&then["consumed"], &then["available"]), (&json!(0), &json!(10)), "{then}");
    let now = tenant.owner.get(&tenant.path("/credits")).await.expect(200);
    assert_eq!(now["consumed"], json!(1));
}
