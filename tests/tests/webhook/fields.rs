//! Each rule of the body's fields: the status, and a message that names the field.

use angelia_tests::tenant::{FAST, Tenant, recipient};
use serde_json::{Value, json};

use crate::{body, installation};

/// Refused with 400 and a message in which each of these words stands.
async fn refused(tenant: &Tenant<'_>, body: &Value, words: &[&str]) {
    let message = tenant.call(body).await.refused(400);
    for word in words {
        assert!(message.contains(word), "{body}: the message does not name {word}: {message}");
    }
}

#[tokio::test]
async fn a_wrong_action_or_text_is_refused_by_name() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    for wrong in [json!(null), json!("receive"), json!("SEND"), json!(""), json!(1), json!(["send"])] {
        refused(&tenant, &body(json!({"action": wrong})), &["action"]).await;
    }
    for wrong in [json!(null), json!(""), json!(5), json!(true), json!({"body": "x"}), json!(["x"])] {
        refused(&tenant, &body(json!({"text": wrong})), &["text"]).await;
    }
    let mut with_null = body(json!({}));
    with_null["text"] = Value::Null;
    refused(&tenant, &with_null, &["text"]).await;
    assert_eq!(tenant.wallet().await.consumed, 0, "a refusal costs nothing");
}

#[tokio::test]
async fn a_text_of_spaces_and_one_of_4096_characters_are_texts() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(FAST).await;
    let longest = "é".repeat(4_095) + "👋";
    for words in [" ", "\n", &longest] {
        let id = tenant.send(&account, &recipient("1234"), words).await;
        tenant.until(&id, &["sent", "delivered", "read"]).await;
        assert_eq!(tenant.journal().await.sends_of(&id)[0].text(), Some(words));
    }
    let too_long = json!({"text": format!("{longest}x"), "whatsapp account phone": account.phone});
    refused(&tenant, &body(too_long), &["text", "4096"]).await;
}

#[tokio::test]
async fn a_wrong_file_is_refused_by_name() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let url = "https://example.com/a.pdf";
    let file = |url: Value, name: Value| body(json!({"file_url": url, "file_name": name}));
    for wrong in [json!("ftp://example.com/a.pdf"), json!("a.pdf"), json!("http://"), json!("javascript:1"), json!(7)] {
        refused(&tenant, &file(wrong, json!("a.pdf")), &["file_url"]).await;
    }
    let names = [
        json!(null),
        json!(""),
        json!(7),
        json!("a".repeat(256)),
        json!("a/b.pdf"),
        json!("a\\b.pdf"),
        json!("a\nb"),
        json!("a\0b"),
    ];
    for wrong in names {
        refused(&tenant, &file(json!(url), wrong), &["file_name"]).await;
    }
    assert_eq!(tenant.wallet().await.consumed, 0);
}

#[tokio::test]
async fn a_file_name_may_have_255_characters_and_is_ignored_with_a_warning_without_a_url() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let longest = format!("{}.pdf", "é".repeat(251));
    tenant.call(&body(json!({"file_url": "https://127.0.0.1:9/a.pdf", "file_name": longest}))).await.accepted();
    let id = tenant.call(&body(json!({"file_name": "lonely.pdf"}))).await.accepted();
    assert_eq!(tenant.message(&id).await["credits"], json!(1));
    let path = tenant.path(&format!("/webhooks/{}/activations", tenant.webhook_id));
    let activations = tenant.owner.list(&path).await;
    let call =
        activations.iter().find(|call| call["message_id"] == json!(id)).expect("the call is in the activation log");
    assert!(call["warnings"].to_string().contains("file_name"), "{call}");
}

#[tokio::test]
async fn a_file_alone_costs_one_credit_and_needs_an_empty_text() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let file = json!({"text": "", "file_url": "https://127.0.0.1:9/a.pdf", "file_name": "a.pdf"});
    let id = tenant.call(&body(file)).await.accepted();
    assert_eq!(tenant.message(&id).await["credits"], json!(1));
    let no_text = json!({"text": null, "file_url": "https://127.0.0.1:9/a.pdf", "file_name": "a.pdf"});
    refused(&tenant, &body(no_text), &["text"]).await;
}

#[tokio::test]
async fn exactly_one_recipient_of_the_right_type_is_needed() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let all = ["chat_id", "jid", "phone", "chat_name"];
    refused(&tenant, &body(json!({"phone": null})), &all).await;
    for empty in [json!(""), Value::Null] {
        let mut none = body(json!({}));
        for name in all {
            none[name] = empty.clone();
        }
        refused(&tenant, &none, &all).await;
    }
    for (one, other) in [("chat_id", "phone"), ("jid", "chat_name"), ("phone", "jid"), ("chat_name", "chat_id")] {
        let mut two = body(json!({"phone": null}));
        two[one] = json!("1");
        two[other] = json!("2");
        refused(&tenant, &two, &[one, other]).await;
    }
    for name in ["jid", "phone", "chat_name"] {
        for wrong in [json!(4151231234u64), json!(true), json!([]), json!({})] {
            let mut body = body(json!({"phone": null}));
            body[name] = wrong;
            refused(&tenant, &body, &[name]).await;
        }
    }
    for wrong in [json!(1.5), json!(true), json!(["1"]), json!({"id": 1})] {
        refused(&tenant, &body(json!({"phone": null, "chat_id": wrong})), &["chat_id"]).await;
    }
}

#[tokio::test]
async fn null_and_empty_optional_fields_are_absent() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    for empty in [json!(""), Value::Null] {
        let mut call = body(json!({}));
        for name in ["file_url", "file_name", "chat_id", "jid", "chat_name", "whatsapp account phone"] {
            call[name] = empty.clone();
        }
        tenant.call(&call).await.accepted();
    }
    assert_eq!(tenant.wallet().await.consumed, 2);
}

#[tokio::test]
async fn both_spellings_of_the_account_field_are_one_and_must_agree() {
    let tenant = Tenant::new(installation().await, 10).await;
    let (one, two) = (tenant.account(FAST).await, tenant.account(FAST).await);
    for name in ["whatsapp account phone", "whatsapp_account_phone"] {
        let mut call = body(json!({}));
        call[name] = json!(one.phone);
        let id = tenant.call(&call).await.accepted();
        assert_eq!(tenant.message(&id).await["account_id"], json!(one.id));
        call[name] = json!(15105566777u64);
        refused(&tenant, &call, &["whatsapp"]).await;
    }
    let both =
        |first: &str, second: &str| body(json!({"whatsapp account phone": first, "whatsapp_account_phone": second}));
    tenant.call(&both(&one.phone, &one.phone)).await.accepted();
    refused(&tenant, &both(&one.phone, &two.phone), &["whatsapp"]).await;
}

#[tokio::test]
async fn a_repeated_key_is_refused_and_an_unknown_one_is_a_warning() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let repeated = [
        r#"{"action":"send","text":"a","text":"a","phone":"+14151231234"}"#,
        r#"{"action":"send","text":"a","phone":"+14151231234","phone":"+14151231235"}"#,
        r#"{"action":"send","text":"a","phone":"+14151231234","x":1,"x":1}"#,
    ];
    for (text, name) in repeated.into_iter().zip(["text", "phone", "x"]) {
        let message = tenant.hook.call_bytes(text).await.refused(400);
        assert!(message.contains(name), "{message}");
    }
    let id = tenant.call(&body(json!({"utm_source": "crm", "nested": {"a": [1, null]}}))).await.accepted();
    let path = tenant.path(&format!("/webhooks/{}/activations", tenant.webhook_id));
    let activations = tenant.owner.list(&path).await;
    let call =
        activations.iter().find(|call| call["message_id"] == json!(id)).expect("the call is in the activation log");
    let warnings = call["warnings"].to_string();
    assert!(warnings.contains("utm_source") && warnings.contains("nested"), "{warnings}");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_told_where_it_breaks() {
    let tenant = Tenant::new(installation().await, 10).await;
    let bodies: [&[u8]; 11] = [
        b"",
        b"{",
        b"hello",
        b"action=send&text=Hello",
        b"{\"action\":\"send\",}",
        b"{\"action\":\"send\"} {}",
        b"{'action':'send'}",
        b"{\"text\":\"\xff\xfe\"}",
        b"{\"text\":\"a\0b\"}",
        b"{\"text\":\"\\ud800\"}",
        b"\x1f\x8b\x08\x00",
    ];
    for bytes in bodies {
        let message = tenant.hook.call_bytes(bytes).await.refused(400);
        let place = message.strip_prefix("Request body is not valid JSON: ").unwrap_or_else(|| panic!("{message}"));
        let (what, place) = place.rsplit_once(" at line ").unwrap_or_else(|| panic!("no place in: {message}"));
        let (line, column) = place.split_once(" column ").unwrap_or_else(|| panic!("no column in: {message}"));
        assert!(!what.is_empty() && line.parse::<u64>().is_ok() && column.parse::<u64>().is_ok(), "{message}");
    }
    for bytes in ["[]", "\"send\"", "null", "42"] {
        tenant.hook.call_bytes(bytes).await.refused(400);
    }
}

#[tokio::test]
async fn deep_nesting_and_control_characters_get_a_clear_answer() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(FAST).await;
    for open in ["[", "{\"a\":"] {
        let deep = format!("{{\"action\":{}", open.repeat(60_000 / open.len()));
        tenant.hook.call_bytes(deep).await.refused(400);
    }
    let nested = format!("{{\"x\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    tenant.hook.call_bytes(nested).await.refused(400);
    // Whether such a text is taken is not promised; that a taken one is not lost is.
    for words in ["a\0b", "a\u{1}b", "\u{7f}\u{feff}\u{202e}"] {
        let answer = tenant.call(&body(json!({"text": words, "whatsapp account phone": account.phone}))).await;
        if answer.status == 200 {
            tenant.until(&answer.accepted(), &["delivered", "read", "failed"]).await;
        } else {
            answer.refused(400);
        }
    }
    tenant.check_log().await;
}
