//! Workspaces, webhooks, chats, messages: created, read, changed, removed.

use angelia_tests::client::Api;
use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use serde_json::{Value, json};

use crate::{has, installation, is_time};

#[tokio::test]
async fn a_workspace_is_made_by_the_operator_and_changed_by_its_owner() {
    let operator = installation().await.operator();
    let made = operator.post("/workspaces", json!({"name": "Äpfel & Co"})).await.expect(201);
    has(&made, &["id", "name", "owner_token"]);
    let owner = operator.as_token(Some(text(&made, "owner_token")));
    let path = format!("/workspaces/{}", text(&made, "id"));
    let seen = owner.get(&path).await.expect(200);
    assert_eq!((text(&seen, "name"), text(&seen, "unknown_policy")), ("Äpfel & Co", "refund"));
    assert!(seen.get("owner_token").is_none(), "a token is shown once: {seen}");
    let changed = owner.patch(&path, json!({"name": "Birnen", "unknown_policy": "charge"})).await.expect(200);
    assert_eq!((text(&changed, "name"), text(&changed, "unknown_policy")), ("Birnen", "charge"));
    assert_eq!(operator.get(&path).await.expect(200)["name"], "Birnen");
    let all = operator.list("/workspaces").await;
    assert!(all.iter().any(|workspace| workspace["id"] == made["id"]));
    for (wrong, field) in [(json!({}), "name"), (json!({"name": ""}), "name"), (json!({"name": 5}), "name")] {
        let problem = operator.post("/workspaces", wrong).await.problem(400);
        assert!(problem.to_string().contains(field), "{problem}");
    }
    owner.patch(&path, json!({"unknown_policy": "guess"})).await.problem(400);
}

#[tokio::test]
async fn a_webhook_is_made_listed_switched_replaced_and_removed() {
    let tenant = Tenant::new(installation().await, 1).await;
    let made = tenant.owner.post(&tenant.path("/webhooks"), json!({})).await.expect(201);
    has(&made, &["id", "url", "enabled", "created_at"]);
    assert_eq!(made["enabled"], json!(true));
    is_time(&made["created_at"]);
    assert!(text(&made, "url").starts_with(&format!("{}/hooks/", tenant.installation.url())));
    let listed = tenant.owner.list(&tenant.path("/webhooks")).await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|webhook| webhook["url"] == made["url"]), "the URL can be copied again: {listed:?}");
    let path = tenant.path(&format!("/webhooks/{}", text(&made, "id")));
    assert_eq!(tenant.owner.patch(&path, json!({"enabled": false})).await.expect(200)["enabled"], json!(false));
    let rotated = tenant.owner.post(&format!("{path}/rotate"), json!({})).await.expect(200);
    assert_ne!(rotated["url"], made["url"]);
    assert_eq!((&rotated["id"], &rotated["enabled"]), (&made["id"], &json!(false)));
    let removed = tenant.owner.delete(&path).await;
    assert!(removed.status == 200 || removed.status == 204, "{}", removed.text());
    tenant.owner.patch(&path, json!({"enabled": true})).await.problem(404);
    assert_eq!(tenant.owner.list(&tenant.path("/webhooks")).await.len(), 1);
}

#[tokio::test]
async fn a_chat_is_stored_found_replaced_and_removed() {
    let tenant = Tenant::new(installation().await, 1).await;
    let account = tenant.account(FAST).await;
    let path = tenant.path("/chats/c-1");
    let stored = json!({"account_id": account.id, "phone": "+14151231234", "name": "Ada Lovelace"});
    let answer = tenant.owner.put(&path, stored).await;
    assert!(answer.status == 200 || answer.status == 201, "{}", answer.text());
    let seen = tenant.owner.get(&path).await.expect(200);
    has(&seen, &["id", "account_id", "jid", "name"]);
    assert_eq!((text(&seen, "id"), text(&seen, "name")), ("c-1", "Ada Lovelace"));
    assert_eq!(text(&seen, "jid"), "14151231234@s.whatsapp.net");
    tenant.chat("c-2", &account, json!({"jid": "120363042222222222@g.us", "name": "Team"})).await;
    assert_eq!(tenant.owner.list(&tenant.path("/chats")).await.len(), 2);
    let found = tenant.owner.list(&tenant.path("/chats?q=lovelace")).await;
    assert_eq!(found.len(), 1, "{found:?}");
    tenant.chat("c-1", &account, json!({"phone": "+14151239999", "name": "Ada King"})).await;
    let replaced = tenant.owner.get(&path).await.expect(200);
    assert_eq!((text(&replaced, "name"), text(&replaced, "jid")), ("Ada King", "14151239999@s.whatsapp.net"));
    let removed = tenant.owner.delete(&path).await;
    assert!(removed.status == 200 || removed.status == 204, "{}", removed.text());
    tenant.owner.get(&path).await.problem(404);
    for wrong in [json!({"name": "x", "phone": "+1"}), json!({"account_id": account.id, "name": "x"})] {
        tenant.owner.put(&path, wrong).await.problem(400);
    }
    let nowhere = json!({"account_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "phone": "+14151231234", "name": "x"});
    let status = tenant.owner.put(&path, nowhere).await.status;
    assert!(status == 400 || status == 404, "a chat needs an account of the workspace: {status}");
}

#[tokio::test]
async fn a_message_shows_its_life_and_answers_to_both_forms_of_its_id() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(FAST).await;
    let phone = recipient("1234");
    let id = tenant.send(&account, &phone, "Hello").await;
    let message = tenant.until(&id, &["read"]).await;
    let fields = [
        "id",
        "state",
        "reason",
        "reason_text",
        "account_id",
        "to",
        "credits",
        "refunded",
        "accepted_at",
        "parts",
        "timeline",
        "position",
        "expected_at",
        "held_by",
    ];
    has(&message, &fields);
    assert_eq!(text(&message, "id"), id);
    assert!(message["to"].to_string().contains(phone.trim_start_matches('+')), "{message}");
    is_time(&message["accepted_at"]);
    for entry in message["timeline"].as_array().expect("a timeline") {
        has(entry, &["at", "event"]);
        is_time(&entry["at"]);
    }
    let bare = id.trim_start_matches("wa_backend:");
    assert_eq!(tenant.message(bare).await, message);
    tenant.owner.get(&tenant.path("/messages/wa_backend:3EB00000000000000000")).await.problem(404);
    let status = tenant.owner.get(&tenant.path("/messages/nonsense")).await.status;
    assert!(status == 404 || status == 400, "{status}");
}

#[tokio::test]
async fn messages_are_found_by_state_account_and_words() {
    let tenant = Tenant::new(installation().await, 100).await;
    let (fast, slow) = (tenant.account(FAST).await, tenant.account(NEVER).await);
    let phone = recipient("1234");
    let read = tenant.send(&fast, &phone, "first").await;
    let sent = tenant.send(&slow, &recipient("0202"), "second").await;
    let queued = tenant.send(&slow, &recipient("1234"), "third").await;
    tenant.until(&read, &["read"]).await;
    tenant.until(&sent, &["sent"]).await;
    let found = async |query: &str| -> Vec<String> {
        let items = tenant.owner.list(&tenant.path(&format!("/messages{query}"))).await;
        items.iter().map(|message| text(message, "id").to_owned()).collect()
    };
    assert_eq!(found("").await, [&*queued, &*sent, &*read], "newest first");
    for (state, id) in [("read", &read), ("sent", &sent), ("queued", &queued)] {
        assert_eq!(found(&format!("?state={state}")).await, [id.as_str()]);
    }
    assert_eq!(found(&format!("?account={}", slow.id)).await, [&*queued, &*sent]);
    assert_eq!(found(&format!("?account={}&state=sent", slow.id)).await, [sent.as_str()]);
    assert_eq!(found(&format!("?q={}", phone.trim_start_matches('+'))).await, [read.as_str()]);
    assert_eq!(found("?q=THIR").await, [queued.as_str()], "a part of a text");
    assert_eq!(found(&format!("?q={sent}")).await, [sent.as_str()]);
    let spaced = phone.chars().map(|c| format!("{c}%20")).collect::<String>().replace('+', "%2B");
    assert_eq!(found(&format!("?q={spaced}")).await, [read.as_str()], "a number as people write it");
    assert_eq!(found("?q=second&state=sent").await, [sent.as_str()]);
    assert_eq!(found(&format!("?q=second&account={}", fast.id)).await, <[&str; 0]>::default());
    assert_eq!(found("?q=nowhere").await, <[&str; 0]>::default());
    tenant.owner.get(&tenant.path("/messages?state=lost")).await.problem(400);
}

#[tokio::test]
async fn a_body_that_is_not_json_and_a_method_that_is_not_there_are_problems() {
    let tenant = Tenant::new(installation().await, 1).await;
    let url = format!("{}{}", tenant.installation.quickstart().api_url, tenant.path("/webhooks"));
    let request = angelia_tests::client::http().post(url).bearer_auth(&tenant.owner_token).body("{");
    let answer = angelia_tests::client::Answer::to(request.header("content-type", "application/json")).await;
    answer.expect("an answer").problem(400);
    let answer = tenant.owner.delete(&tenant.path("/credits")).await;
    answer.problem(405);
    let api: &Api = &tenant.owner;
    assert_eq!(api.get("/no-such-thing").await.status, 404);
    assert_eq!(api.put(&tenant.path(""), Value::Null).await.status, 405);
}
