//! `POST /hooks/{token}`: every row of the tables of answers, and the order of checks.

use angelia_shared::event::message::To;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Ingress, Tenant, client, hello, until};

const A: &str = "+15105566777";
const B: &str = "+15105566888";

#[tokio::test]
async fn an_accepted_call_is_in_the_log_with_everything_that_was_decided() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    let account = tenant.account(A).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body = json!({"action": "send", "text": "Hi 👋\n", "phone": " +1 415 123-1234 ", "file_url": "https://example.com/a.pdf",
        "file_name": "a.pdf", "whatsapp account phone": "15105566777", "color": "red"});
    let request = ingress.http.post(&tenant.webhook_url).header("traceparent", trace).body(body.to_string());
    let id = Answer::read(request.send().await.unwrap()).await.message_id();

    let accepted = ingress.accepted().await;
    assert_eq!(accepted.len(), 1);
    let message = &accepted[0];
    assert_eq!((message.message, message.account.to_string()), (id, account));
    assert_eq!(
        (message.workspace.to_string(), message.webhook.to_string()),
        (tenant.id.clone(), tenant.webhook_id.clone())
    );
    assert_eq!((message.credits.0, message.has_text, message.has_file), (2, true, true));
    assert_eq!(message.expires_after_ms, 86_400_000);
    assert_eq!(message.traceparent.as_deref(), Some(trace));
    let content = ingress.content(message).await;
    assert_eq!((content.text.as_str(), content.to), ("Hi 👋\n", To::Phone("+1 415 123-1234".to_owned())));
    assert_eq!(content.address, "+1 415 123-1234");
    assert_eq!(content.file_url.as_deref(), Some("https://example.com/a.pdf"));
    assert_eq!(content.file_name.as_deref(), Some("a.pdf"));
    assert_eq!(content.caller, "127.0.0.1");
    assert_eq!(content.warnings, ["unknown field `color` is ignored"]);
    assert_eq!(tenant.available().await, 8);
}

#[tokio::test]
async fn each_refusal_has_its_status_and_words_and_costs_nothing() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    tenant.call(hello()).await.is_refusal(409, "No active WhatsApp account to send from");
    let account = tenant.account(A).await;
    for (chat, name) in [("1", "Anna"), ("2", "Anna")] {
        tenant.chat(chat, &account, "14151231234@s.whatsapp.net", name).await;
    }
    let with = |field: &str, value: Value| {
        let mut body = hello();
        body[field] = value;
        body
    };
    let without = |field: &str| {
        let mut body = hello();
        body.as_object_mut().unwrap().remove(field);
        body
    };
    let chat = |field: &str, value: Value| {
        let mut body = without("phone");
        body[field] = value;
        body
    };
    let four = "A recipient is required: exactly one of `chat_id`, `jid`, `phone`, `chat_name`";
    let rows = [
        (without("action"), 400, "`action` is required"),
        (with("action", json!("sent")), 400, "`action` must be \"send\""),
        (without("text"), 400, "`text` is required"),
        (with("text", json!(5)), 400, "`text` must be a string, not a number"),
        (with("text", json!("")), 400, "`text` may be empty only with `file_url`"),
        (without("phone"), 400, four),
        (with("jid", json!("1@g.us")), 400, "Exactly one recipient is allowed, but these were given: `jid`, `phone`"),
        (with("file_url", json!("https://example.com/a")), 400, "`file_name` is required with `file_url`"),
        (with("file_url", json!("ftp://a")), 400, "`file_url` must be an absolute http or https URL with a host"),
        (
            with("text", json!("x".repeat(4_097))),
            400,
            "`text` must have at most 4096 characters for the sending account",
        ),
        (json!([]), 400, "Request body must be a JSON object, not an array"),
        (chat("chat_id", json!("3")), 404, "Chat not found"),
        (chat("chat_id", json!("a.b")), 404, "Chat not found"),
        (chat("chat_name", json!("Berta")), 404, "Chat not found"),
        (chat("chat_name", json!("Anna")), 409, "`chat_name` matches several chats, use `chat_id`"),
        (with("whatsapp account phone", json!("+15105566999")), 404, "WhatsApp account not found"),
    ];
    for (body, status, message) in rows {
        tenant.call(body).await.is_refusal(status, message);
    }
    let broken = tenant.call_raw("{\"action\":\n 5x").await;
    broken.is_refusal(400, "Request body is not valid JSON: expected `,` or `}` at line 2 column 3");
    let mut two = hello();
    (two["file_url"], two["file_name"]) = (json!("https://example.com/a"), json!("a"));
    tenant.call(two).await.is_refusal(402, "Not enough message credits: 2 needed, 1 available");
    assert_eq!(tenant.available().await, 1);
    tenant.call(hello()).await.message_id();
    tenant.call(hello()).await.is_refusal(402, "Not enough message credits: 1 needed, 0 available");
    assert_eq!(ingress.accepted().await.len(), 1);
}

#[tokio::test]
async fn other_methods_are_refused_before_anything_else_is_looked_at() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    for url in [tenant.webhook_url.clone(), format!("{}/hooks/unknown", ingress.url), format!("{}/hooks/", ingress.url)]
    {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let answer = Answer::read(ingress.http.request(method.clone(), &url).send().await.unwrap()).await;
            answer.is_refusal(405, "Use POST");
            assert_eq!(answer.header("allow"), "POST", "{method}");
        }
    }
}

#[tokio::test]
async fn an_unknown_token_is_not_found_whatever_it_looks_like() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let known = tenant.webhook_url.rsplit('/').next().unwrap().to_owned();
    let other = |path: &str| format!("{}/hooks{path}", ingress.url);
    let upper = known.to_uppercase();
    for path in ["", "/", "/x", "/%FF%00", &format!("/{known}/"), &format!("/{known}x"), &format!("/{upper}"), "/a/b/c"]
    {
        let answer = Answer::read(ingress.http.post(other(path)).body("no JSON").send().await.unwrap()).await;
        answer.is_refusal(404, "Webhook not found");
    }
}

#[tokio::test]
async fn the_first_check_that_fails_is_the_answer() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let account = tenant.account(A).await;
    let huge = || "x".repeat(65_537);
    // Size before JSON, JSON before fields.
    tenant.call_raw(huge()).await.is_refusal(413, "Request body is larger than 65536 bytes");
    let answer = tenant.call_raw("{\"action\":\"other\"").await;
    assert!(answer.text().contains("not valid JSON"), "{}", answer.text());
    // Fields before the key, the key before chat and account.
    tenant.call_with_key("k", hello().to_string()).await.message_id();
    let faulty = json!({"action": "send", "text": "x"}).to_string();
    assert_eq!(tenant.call_with_key("k", faulty).await.status, 400);
    let lost = json!({"action": "send", "text": "x", "chat_id": "nowhere"}).to_string();
    tenant.call_with_key("k", lost).await.is_refusal(422, "Idempotency-Key was used with another body");
    // The account before the transport's limits, those before credits, of which none are left.
    let long = json!({"action": "send", "text": "x".repeat(5_000), "phone": "+14151231234"});
    assert_eq!(tenant.call(long.clone()).await.status, 400);
    tenant.post(&format!("/accounts/{account}/disconnect"), Value::Null).await.expect(200);
    assert_eq!(tenant.call(long).await.status, 409);
    // The switch before everything in the body.
    tenant.patch(&format!("/webhooks/{}", tenant.webhook_id), json!({"enabled": false})).await.expect(200);
    tenant.call_raw(huge()).await.is_refusal(403, "Webhook is disabled");
    tenant.call_raw("no JSON").await.is_refusal(403, "Webhook is disabled");
}

#[tokio::test]
async fn a_switched_off_or_replaced_webhook_stops_before_the_switch_is_answered() {
    let ingress = Ingress::start().await;
    let mut tenant = Tenant::new(&ingress, 30).await;
    tenant.account(A).await;
    let path = format!("/webhooks/{}", tenant.webhook_id);
    for enabled in [false, true].repeat(20) {
        let view = tenant.patch(&path, json!({"enabled": enabled})).await.expect(200);
        assert_eq!(view["enabled"], enabled);
        assert_eq!(tenant.call(hello()).await.status, if enabled { 200 } else { 403 });
    }
    let old = tenant.webhook_url.clone();
    let view = tenant.post(&format!("{path}/rotate"), Value::Null).await.expect(200);
    tenant.call(hello()).await.is_refusal(404, "Webhook not found");
    tenant.webhook_url = crate::support::text(&view, "url");
    assert_ne!(tenant.webhook_url, old);
    tenant.call(hello()).await.message_id();

    // With a grace both work; the one before them does not come back.
    let newer = tenant.post(&format!("{path}/rotate"), json!({"grace_s": 600})).await.expect(200);
    assert!(newer["previous_url_until"].is_string());
    tenant.call(hello()).await.message_id();
    tenant.webhook_url = crate::support::text(&newer, "url");
    tenant.call(hello()).await.message_id();
    tenant.webhook_url = old;
    tenant.call(hello()).await.is_refusal(404, "Webhook not found");

    let short = tenant.post(&format!("{path}/rotate"), json!({"grace_s": 1})).await.expect(200);
    tenant.webhook_url = crate::support::text(&newer, "url");
    tenant.call(hello()).await.message_id();
    until("the grace is over", async || tenant.call_raw("{}").await.status == 404).await;
    tenant.webhook_url = crate::support::text(&short, "url");
    assert_eq!(tenant.delete(&path).await.status, 204);
    tenant.call(hello()).await.is_refusal(404, "Webhook not found");
}

#[tokio::test]
async fn the_sending_account_is_the_named_one_or_the_most_recently_connected() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 20).await;
    let (first, second) = (tenant.account(A).await, tenant.account(B).await);
    let sender = async |body: Value| {
        let id = tenant.call(body).await.message_id();
        let accepted = ingress.accepted().await;
        accepted.iter().find(|message| message.message == id).unwrap().account.to_string()
    };
    let from = |phone: &str| {
        let mut body = hello();
        body["whatsapp account phone"] = json!(phone);
        body
    };
    assert_eq!(sender(hello()).await, second);
    assert_eq!(sender(from(A)).await, first);
    assert_eq!(sender(from("1 (510) 556-6888")).await, second);
    tenant.post(&format!("/accounts/{first}/connect"), Value::Null).await.expect(200);
    assert_eq!(sender(hello()).await, first);
    // A pause queues; only the owner's disconnecting takes an account out.
    tenant.patch(&format!("/accounts/{first}"), json!({"state": "paused"})).await.expect(200);
    assert_eq!(sender(hello()).await, first);
    tenant.post(&format!("/accounts/{first}/disconnect"), Value::Null).await.expect(200);
    assert_eq!(sender(hello()).await, second);
    tenant.call(from(A)).await.is_refusal(409, "No active WhatsApp account to send from");
    assert_eq!(tenant.delete(&format!("/accounts/{first}")).await.status, 204);
    tenant.call(from(A)).await.is_refusal(404, "WhatsApp account not found");
    assert_eq!(tenant.delete(&format!("/accounts/{second}")).await.status, 204);
    tenant.call(hello()).await.is_refusal(409, "No active WhatsApp account to send from");
}

#[tokio::test]
async fn chats_are_found_by_id_and_by_the_exact_name_and_their_account_sends() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 20).await;
    let (first, second) = (tenant.account(A).await, tenant.account(B).await);
    tenant.chat("17", &first, "14151231234@s.whatsapp.net", "Anna").await;
    tenant.chat("group-1", &first, "120363041234567890@g.us", "Team").await;
    tenant.chat("18", &second, "14151239999@s.whatsapp.net", "Anna").await;
    let sent = async |field: &str, value: Value| {
        let mut body = json!({"action": "send", "text": "x"});
        body[field] = value;
        let id = tenant.call(body).await.message_id();
        let accepted = ingress.accepted().await;
        let message = accepted.iter().find(|message| message.message == id).unwrap();
        (message.account.to_string(), ingress.content(message).await)
    };
    // The chat's account sends, whichever was connected last and whichever is named.
    for id in [json!(17), json!("17")] {
        let (account, content) = sent("chat_id", id).await;
        assert_eq!((account, content.address.as_str()), (first.clone(), "14151231234@s.whatsapp.net"));
        assert_eq!(content.to, To::ChatId("17".to_owned()));
    }
    let (account, content) = sent("chat_id", json!("group-1")).await;
    assert_eq!((account, content.address.as_str()), (first.clone(), "120363041234567890@g.us"));
    // Two accounts may each have an Anna.
    let (account, content) = sent("chat_name", json!("Anna")).await;
    assert_eq!((account, content.address.as_str()), (second.clone(), "14151239999@s.whatsapp.net"));
    for name in ["anna", "Anna ", "Ann"] {
        tenant.call(json!({"action": "send", "text": "x", "chat_name": name})).await.is_refusal(404, "Chat not found");
    }
    tenant.post(&format!("/accounts/{first}/disconnect"), Value::Null).await.expect(200);
    let by_id = json!({"action": "send", "text": "x", "chat_id": 17});
    tenant.call(by_id.clone()).await.is_refusal(409, "No active WhatsApp account to send from");
    tenant.delete(&format!("/accounts/{first}")).await.expect(204);
    tenant.call(by_id).await.is_refusal(409, "No active WhatsApp account to send from");
}

#[tokio::test]
async fn another_workspaces_chats_and_accounts_are_unknown() {
    let ingress = Ingress::start().await;
    let (tenant, other) = (Tenant::new(&ingress, 5).await, Tenant::new(&ingress, 5).await);
    let account = other.account(B).await;
    other.chat("17", &account, "14151231234@s.whatsapp.net", "Anna").await;
    tenant.account(A).await;
    for recipient in [json!({"chat_id": "17"}), json!({"chat_name": "Anna"})] {
        let mut body = json!({"action": "send", "text": "x"});
        body.as_object_mut().unwrap().extend(recipient.as_object().unwrap().clone());
        tenant.call(body).await.is_refusal(404, "Chat not found");
    }
    let mut body = hello();
    body["whatsapp account phone"] = json!(B);
    tenant.call(body).await.is_refusal(404, "WhatsApp account not found");
}

#[tokio::test]
async fn only_a_trusted_proxy_says_who_called() {
    let ingress = Ingress::with(&[("trusted_proxies", "127.0.0.0/8,10.0.0.0/8")]).await;
    let tenant = Tenant::new(&ingress, 5).await;
    tenant.account(A).await;
    let request = ingress.http.post(&tenant.webhook_url).header("x-forwarded-for", "1.1.1.1, 203.0.113.7, 10.0.0.9");
    Answer::read(request.body(hello().to_string()).send().await.unwrap()).await.message_id();
    let accepted = ingress.accepted().await;
    assert_eq!(ingress.content(&accepted[0]).await.caller, "203.0.113.7");
}

#[tokio::test]
async fn while_the_broker_is_away_the_answer_is_503_and_afterwards_all_is_well() {
    let mut ingress = Ingress::start().await;
    let (url, webhook) = {
        let tenant = Tenant::new(&ingress, 5).await;
        tenant.account(A).await;
        tenant.call(hello()).await.message_id();
        (ingress.url.clone(), tenant.webhook_url)
    };
    ingress.broker.kill();
    let answer = Answer::read(client().post(&webhook).body(hello().to_string()).send().await.unwrap()).await;
    answer.is_refusal(503, "Messages cannot be accepted right now, try again in 1 s");
    assert_eq!(answer.header("retry-after"), "1");
    ingress.broker.restart().await;
    until("calls are taken again", async || {
        let answer = client().post(&webhook).body(hello().to_string()).send().await.unwrap();
        answer.status() == 200
    })
    .await;
    assert_eq!(client().get(format!("{url}/livez")).send().await.unwrap().status(), 200);
}
