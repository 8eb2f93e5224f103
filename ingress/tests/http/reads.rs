//! Reading through the API: a read after a 200 includes it.

use std::time::Duration;

use angelia_shared::query::READING_SUBJECT;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::ledger::TestLedger;
use crate::support::{Answer, Ingress, OPERATOR, Tenant, hello, text};

const A: &str = "+15105566777";

#[tokio::test]
async fn a_message_is_shown_with_its_recipient_place_and_timeline() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    let account = tenant.account(A).await;
    let first = tenant.call(hello()).await.message_id();
    let second = tenant.call(hello()).await.message_id();
    let shown = tenant.get(&format!("/messages/{}", second.public())).await.expect(200);
    let expected = json!({"id": second.public(), "state": "queued", "reason": null, "reason_text": null, "detail": null, "account_id": account,
        "webhook_id": tenant.webhook_id, "to": "+14151231234", "to_kind": "phone", "credits": 1, "refunded": 0,
        "accepted_at": shown["accepted_at"], "parts": [], "timeline": shown["timeline"], "position": 2,
        "expected_at": null, "held_by": null});
    assert_eq!(shown, expected);
    assert_eq!(shown["timeline"][0]["event"], "MessageAccepted");
    assert_eq!(shown["timeline"][0]["at"], shown["accepted_at"]);
    assert_eq!(tenant.get(&format!("/messages/{second}")).await.expect(200)["id"], second.public());
    assert_eq!(tenant.get(&format!("/messages/{first}")).await.expect(200)["position"], 1);
}

#[tokio::test]
async fn messages_are_listed_newest_first_by_pages_states_accounts_and_words() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 20).await;
    let (first, second) = (tenant.account(A).await, tenant.account("+15105566888").await);
    tenant.chat("anna-1", &first, "14151230001@s.whatsapp.net", "Anna").await;
    let mut ids = Vec::new();
    for at in 0..7 {
        let body = json!({"action": "send", "text": "x", "phone": format!("+1415123000{at}")});
        ids.push(tenant.call(body).await.message_id().public());
    }
    ids.push(tenant.call(json!({"action": "send", "text": "x", "chat_id": "anna-1"})).await.message_id().public());
    ids.reverse();
    let list = async |query: &str| {
        let page = tenant.get(&format!("/messages{query}")).await.expect(200);
        let listed: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| text(item, "id")).collect();
        (listed, page["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await, (ids.clone(), None));
    let mut paged = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let (listed, cursor) = list(&query).await;
        paged.extend(listed);
        let Some(cursor) = cursor else { break };
        query = format!("?limit=3&cursor={cursor}");
    }
    assert_eq!(paged, ids);
    assert_eq!(list(&format!("?account={first}")).await.0, ids[..1]);
    assert_eq!(list(&format!("?account={second}")).await.0, ids[1..]);
    assert_eq!(list("?state=queued").await.0, ids);
    assert_eq!(list("?state=sent").await.0, [""; 0]);
    // A part of a number, a chat's id or JID, or a message's id.
    assert_eq!(list("?q=1230003").await.0, [ids[4].clone()]);
    assert_eq!(list("?q=ANNA").await.0, [ids[0].clone()]);
    assert_eq!(list("?q=14151230001").await.0, [ids[0].clone(), ids[6].clone()]);
    assert_eq!(list(&format!("?q={}", ids[5])).await.0, [ids[5].clone()]);
    assert_eq!(list(&format!("?q={}&state=sent", ids[5])).await.0, [""; 0]);
    for query in ["?state=lost", "?account=x", "?q="] {
        tenant.get(&format!("/messages{query}")).await.is_problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn a_cancel_is_asked_for_once_it_is_queued() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    let account = tenant.account(A).await;
    let id = tenant.call(hello()).await.message_id();
    let asked = tenant.post(&format!("/messages/{id}/cancel"), Value::Null).await.expect(202);
    assert_eq!(asked["id"], id.public());
    let events = ingress.events().await;
    let (record, request) = events
        .iter()
        .find_map(|(record, event)| match event {
            angelia_shared::event::Event::CancelRequested(request) => Some((record, request)),
            _ => None,
        })
        .expect("the request is in the log");
    assert_eq!((request.message, request.account.to_string()), (id, account));
    let part = angelia_shared::subject::Partition::of(request.account, 64);
    assert_eq!(record.subject, Ok(angelia_shared::subject::Subject::Cancel(part)));
    tenant.post("/messages/3EB00000000000000000/cancel", Value::Null).await.is_problem(404, "not-found");
}

#[tokio::test]
async fn the_statement_is_pages_of_json_or_one_csv_file_without_formulas() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.account(A).await;
    let grant = json!({"credits": 5, "reason": "=HYPERLINK(\"x\"), \"bonus\""});
    ingress.post(&tenant.path("/credits"), OPERATOR, grant).await.expect(201);
    let id = tenant.call(hello()).await.message_id().public();
    let statement = tenant.get("/statement").await.expect(200);
    let lines = statement["items"].as_array().unwrap();
    let shown: Vec<_> =
        lines.iter().map(|line| (text(line, "kind"), line["credits"].clone(), line["balance"].clone())).collect();
    let line = |kind: &str, credits: u64, balance: u64| (kind.to_owned(), json!(credits), json!(balance));
    assert_eq!(shown, [line("grant", 10, 10), line("grant", 5, 15), line("charge", 1, 14)]);
    assert_eq!((&lines[2]["message_id"], &lines[1]["reason"]), (&json!(id), &json!("=HYPERLINK(\"x\"), \"bonus\"")));
    assert!(lines[2]["seq"].as_u64() > lines[1]["seq"].as_u64());

    let page = tenant.get("/statement?limit=2").await.expect(200);
    let rest = tenant.get(&format!("/statement?limit=2&cursor={}", text(&page, "next_cursor"))).await.expect(200);
    assert_eq!((&rest["items"][0], &rest["next_cursor"]), (&lines[2], &Value::Null));
    assert_eq!(tenant.get("/statement?to=2020-01-01T00:00:00Z").await.expect(200)["items"], json!([]));
    assert_eq!(
        tenant.get("/statement?from=2020-01-01T00:00:00Z").await.expect(200)["items"].as_array().unwrap().len(),
        3
    );
    tenant.get("/statement?from=yesterday").await.is_problem(400, "invalid-request");

    let url = format!("{}{}", ingress.url, tenant.path("/statement"));
    let request = ingress.http.get(url).bearer_auth(&tenant.owner).header("accept", "text/csv");
    let file = Answer::read(request.send().await.unwrap()).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"statement.csv\"");
    let text = file.text();
    let rows: Vec<_> = text.split_terminator("\r\n").collect();
    assert_eq!((rows.len(), rows[0]), (4, "seq,at,kind,credits,balance,message_id,reason"));
    assert!(rows[2].ends_with(",grant,5,15,,\"'=HYPERLINK(\"\"x\"\"), \"\"bonus\"\"\""), "{}", rows[2]);
    assert!(rows[3].ends_with(&format!(",charge,1,14,{id},")), "{}", rows[3]);
}

#[tokio::test]
async fn credits_can_be_read_as_they_were() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.account(A).await;
    tenant.call(hello()).await.message_id();
    let lines = tenant.get("/statement").await.expect(200)["items"].clone();
    let (granted, charged) = (lines[0]["seq"].as_u64().unwrap(), lines[1]["seq"].as_u64().unwrap());
    let available =
        async |as_of: &str| tenant.get(&format!("/credits?as_of={as_of}")).await.expect(200)["available"].clone();
    assert_eq!(available(&granted.to_string()).await, 10);
    assert_eq!(available(&(charged - 1).to_string()).await, 10);
    assert_eq!(available(&charged.to_string()).await, 9);
    assert_eq!(available("1").await, 0);
    let at = |seq| ingress.log.record_at(seq);
    let (before, after) = (at(granted).await.unwrap().unwrap().at, at(charged).await.unwrap().unwrap().at);
    assert_eq!(available(&after.to_rfc3339()).await, 9);
    if before < after {
        assert_eq!(available(&before.to_rfc3339()).await, 10);
    }
    for (as_of, why) in [
        ("0", "before the beginning"),
        ("2020-01-01T00:00:00Z", "before the beginning"),
        ("2100-01-01T00:00:00Z", "in the future"),
        ("1000000", "in the future"),
    ] {
        let answer = tenant.get(&format!("/credits?as_of={as_of}")).await;
        let detail = answer.text();
        answer.is_problem(400, "invalid-request");
        assert!(detail.contains("`as_of` is ") && detail.contains(why), "{as_of}: {detail}");
    }
    assert!(tenant.get("/credits").await.expect(200)["as_of_seq"].as_u64() >= Some(charged));
    tenant.get("/credits?as_of=now").await.is_problem(400, "invalid-request");
}

#[tokio::test]
async fn the_activation_log_has_accepted_and_refused_calls_newest_first() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 2).await;
    let path = format!("/webhooks/{}/activations", tenant.webhook_id);
    assert_eq!(tenant.get(&path).await.expect(200)["items"], json!([]));
    assert_eq!(tenant.call_raw("nonsense \u{1}").await.status, 400);
    tenant.account(A).await;
    let long = format!("{{\"pad\":\"{}\"}}", "p".repeat(10_000));
    assert_eq!(tenant.call_raw(long.clone()).await.status, 400);
    let body = json!({"action": "send", "text": "hi", "whatsapp_account_phone": A, "phone": "+14151231234", "note": 1});
    let id = tenant.call(body).await.message_id();
    assert_eq!(tenant.call_raw(b"\xff\xfe".to_vec()).await.status, 400);

    let shown = tenant.get(&path).await.expect(200)["items"].clone();
    let items = shown.as_array().unwrap();
    let statuses: Vec<_> = items.iter().map(|item| item["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [400, 200, 400, 400]);
    let accepted = &items[1];
    let rebuilt = r#"{"action":"send","phone":"+14151231234","text":"hi","whatsapp account phone":"+15105566777"}"#;
    assert_eq!(
        serde_json::from_str::<Value>(accepted["body"].as_str().unwrap()).unwrap(),
        serde_json::from_str::<Value>(rebuilt).unwrap()
    );
    let expected = json!({"id": accepted["id"], "at": accepted["at"], "caller": "127.0.0.1", "status": 200,
        "message_id": id.public(), "error": null, "warnings": ["unknown field `note` is ignored"], "body": accepted["body"]});
    assert_eq!(accepted, &expected);
    assert_eq!(text(&items[2], "body"), long[..4_096]);
    assert_eq!(text(&items[2], "error"), "`action` is required");
    assert_eq!(text(&items[3], "body"), "nonsense \u{1}");
    assert_eq!(items[3]["message_id"], Value::Null);
    assert_eq!(text(&items[0], "body"), "\u{fffd}\u{fffd}");
    assert_eq!(tenant.get(&format!("{path}?limit=1")).await.expect(200)["items"].as_array().unwrap().len(), 1);

    let file = tenant.get(&format!("{path}.log")).await;
    assert_eq!(file.header("content-type"), "application/x-ndjson");
    assert!(file.header("content-disposition").starts_with("attachment; filename=\"activations-"));
    let lines: Vec<Value> = file.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&lines, items);
    // Nothing of it is stored in clear.
    let mut stream = ingress.log.jetstream().get_stream("ANGELIA_REFUSALS").await.unwrap();
    let count = stream.info().await.unwrap().state.messages;
    assert_eq!(count, 3);
    for seq in 1..=count {
        let stored = stream.get_raw_message(seq).await.unwrap().payload;
        let stored = String::from_utf8_lossy(&stored).into_owned();
        assert!(!stored.contains("nonsense") && !stored.contains("127.0.0.1"), "{stored}");
    }
}

#[tokio::test]
async fn only_the_last_hundred_calls_are_shown_and_a_flood_slows_nobody() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    tenant.account(A).await;
    let flood = (0..400).map(|at| tenant.call_raw(format!("bad {at}")));
    let answers = futures_util::future::join_all(flood).await;
    assert!(answers.iter().all(|answer| answer.status == 400));
    tenant.call(hello()).await.message_id();
    let path = format!("/webhooks/{}/activations", tenant.webhook_id);
    crate::support::until("the flood is written down", async || {
        let items = tenant.get(&path).await.expect(200)["items"].clone();
        let items = items.as_array().unwrap();
        items.len() == 100 && items[0]["status"] == 200
    })
    .await;
}

#[tokio::test]
async fn without_a_ledger_reads_of_money_and_messages_are_503_and_the_rest_goes_on() {
    let mut ingress = Ingress::start().await;
    ingress.ledger = None;
    let ingress = ingress;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let id = tenant.call(hello()).await.message_id();
    let activations = format!("/webhooks/{}/activations", tenant.webhook_id);
    for route in ["/credits", "/credits?as_of=1", "/statement", "/messages", &format!("/messages/{id}"), &activations] {
        tenant.get(route).await.is_problem(503, "unavailable");
    }
    // One that is on its way says how far it is.
    let client = ingress.log.client().clone();
    let mut questions = client.subscribe(READING_SUBJECT).await.unwrap();
    ingress.log.last_sequence().await.unwrap();
    let telling = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            client.publish(question.reply.unwrap(), r#"{"at":5,"of":12}"#.into()).await.unwrap();
        }
    });
    let answer = tenant.get("/credits").await;
    answer.is_problem(503, "unavailable");
    assert!(answer.text().contains("5 of 12 records"), "{}", answer.text());
    telling.abort();
    let shown = tenant.get(&format!("/accounts/{account}")).await.expect(200);
    assert_eq!((&shown["state"], &shown["queued"]), (&json!("connected"), &Value::Null));
}

#[tokio::test]
async fn a_read_after_a_200_includes_it_also_from_a_ledger_that_lags() {
    let mut ingress = Ingress::start().await;
    ingress.ledger = Some(TestLedger::lagging(ingress.log.clone(), Duration::from_millis(15)).await);
    let ingress = ingress;
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.account(A).await;
    let activations = format!("/webhooks/{}/activations", tenant.webhook_id);
    for taken in 1..=3 {
        let id = tenant.call(hello()).await.message_id().public();
        assert_eq!(tenant.available().await, 10 - taken);
        assert_eq!(text(&tenant.get(&format!("/messages/{id}")).await.expect(200), "id"), id);
        let id = tenant.call(hello()).await.message_id().public();
        assert_eq!(text(&tenant.get("/messages?limit=1").await.expect(200)["items"][0], "id"), id);
        let id = tenant.call(hello()).await.message_id().public();
        assert_eq!(text(&tenant.get(&activations).await.expect(200)["items"][0], "message_id"), id);
        let grant = json!({"credits": 2, "reason": "test"});
        ingress.post(&tenant.path("/credits"), OPERATOR, grant).await.expect(201);
        let statement = tenant.get("/statement").await.expect(200)["items"].clone();
        assert_eq!(statement.as_array().unwrap().last().unwrap()["kind"], "grant");
    }
}
