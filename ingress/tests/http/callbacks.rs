//! Provider callbacks: what is believed, what is stored, and what the provider is told.

use angelia_shared::clock;
use angelia_shared::event::{Event, Receipt};
use angelia_shared::ids::MessageId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Answer, Ingress, Tenant, hello, until};

const A: &str = "+15105566777";
const SECRET: &str = "app-secret-15105566777";

fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn status(id: &str, status: &str, tracker: Option<String>) -> Value {
    let mut form = json!({"id": id, "status": status, "timestamp": "1700000000", "recipient_id": "14151231234"});
    if let Some(tracker) = tracker {
        form["biz_opaque_callback_data"] = tracker.into();
    }
    form
}

fn body(phone_number_id: &str, statuses: Value) -> String {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value":
        {"messaging_product": "whatsapp", "metadata": {"phone_number_id": phone_number_id}, "statuses": statuses}}]}]})
    .to_string()
}

async fn send(ingress: &Ingress, account: &str, secret: &str, body: String) -> Answer {
    let url = format!("{}/callbacks/cloud/{account}", ingress.url);
    let request = ingress.http.post(url).header("x-hub-signature-256", signature(secret, body.as_bytes()));
    Answer::read(request.body(body).send().await.expect("an answer")).await
}

async fn receipts(ingress: &Ingress) -> Vec<(&'static str, Receipt)> {
    let events = ingress.events().await.into_iter();
    events
        .filter_map(|(_, event)| match event {
            Event::MessageSent(receipt) => Some(("sent", receipt)),
            Event::MessageDelivered(receipt) => Some(("delivered", receipt)),
            Event::MessageRead(receipt) => Some(("read", receipt)),
            Event::MessageFailed(receipt) => Some(("failed", receipt)),
            _ => None,
        })
        .collect()
}

fn mark(message: MessageId) -> Option<String> {
    Some(format!("{message}.0"))
}

#[tokio::test]
async fn the_address_proves_itself_with_its_verify_token() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let account = tenant.account(A).await;
    let ask = async |account: &str, mode: &str, token: &str| {
        let query = format!("hub.mode={mode}&hub.verify_token={token}&hub.challenge=11%3C58");
        ingress.get(&format!("/callbacks/cloud/{account}?{query}"), "").await
    };
    let proved = ask(&account, "subscribe", "verify-me").await;
    assert_eq!((proved.status, proved.text().as_str()), (200, "11<58"));
    assert_eq!(proved.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(proved.header("x-content-type-options"), "nosniff");
    for (account, mode, token) in [
        (account.as_str(), "subscribe", "verify-him"),
        (&account, "subscribe", ""),
        (&account, "unsubscribe", "verify-me"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "subscribe", "verify-me"),
        ("x", "subscribe", "verify-me"),
    ] {
        assert_eq!(ask(account, mode, token).await.status, 403, "{mode} {token}");
    }
    assert_eq!(ingress.get(&format!("/callbacks/cloud/{account}"), "").await.status, 403);
    assert_eq!(tenant.delete(&format!("/accounts/{account}")).await.status, 204);
    assert_eq!(ask(&account, "subscribe", "verify-me").await.status, 403);
}

#[tokio::test]
async fn reports_become_receipts_before_they_are_answered_and_may_be_repeated() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    for fate in ["sent", "delivered", "played"] {
        let body = body("id-15105566777", json!([status("wamid.1", fate, mark(message))]));
        for _ in 0..2 {
            assert_eq!(send(&ingress, &account, SECRET, body.clone()).await.status, 200);
        }
    }
    let stored = receipts(&ingress).await;
    let fates: Vec<_> = stored.iter().map(|(fate, _)| *fate).collect();
    assert_eq!(fates, ["sent", "sent", "delivered", "delivered", "read", "read"]);
    for (_, receipt) in &stored {
        assert_eq!((receipt.message, receipt.part, receipt.account.to_string()), (message, 0, account.clone()));
        assert_eq!((receipt.workspace.to_string(), receipt.at.0), (tenant.id.clone(), 1_700_000_000_000));
        assert_eq!(receipt.provider_id, Some(angelia_shared::wamid::veiled("wamid.1")));
    }
    let part = angelia_shared::subject::Partition::of(account.parse().unwrap(), 64);
    let on_subject = ingress.events().await.into_iter().filter(|(_, event)| matches!(event, Event::MessageRead(_)));
    assert!(
        on_subject.map(|(record, _)| record.subject).all(|s| s == Ok(angelia_shared::subject::Subject::Receipt(part)))
    );
}

#[tokio::test]
async fn a_failure_is_stored_with_its_reason() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    let mut failed = status("wamid.1", "failed", mark(message));
    failed["errors"] = json!([{"code": 131026, "title": "Message undeliverable to +14151231234"}]);
    assert_eq!(send(&ingress, &account, SECRET, body("id-15105566777", json!([failed]))).await.status, 200);
    let stored = receipts(&ingress).await;
    assert_eq!((stored.len(), stored[0].0), (1, "failed"));
    assert_eq!(stored[0].1.reason.as_deref(), Some("recipient_not_on_whatsapp"));
    assert_eq!(stored[0].1.detail.as_deref(), Some("(#131026) Message undeliverable to …"));
}

/// A failure with that code, reported as of `at` seconds.
fn failed_with(code: i64, at: i64, message: MessageId) -> Value {
    let mut failed = status("wamid.1", "failed", mark(message));
    failed["timestamp"] = at.to_string().into();
    failed["errors"] = json!([{"code": code, "title": format!("Held by {code}")}]);
    failed
}

/// The seconds of a word that is true of an account changed before this call.
async fn later() -> i64 {
    let now = clock::now().0 / 1_000;
    until("the next second begins", async || clock::now().0 / 1_000 > now).await;
    now + 1
}

/// How often the account was changed, by whomever.
async fn changes(ingress: &Ingress, account: &str) -> usize {
    let events = ingress.events().await;
    let of = |event: &Event| matches!(event, Event::AccountChanged(changed) if changed.id.to_string() == account);
    events.iter().filter(|(_, event)| of(event)).count()
}

#[tokio::test]
async fn a_code_of_the_account_holds_it_once_and_fails_each_message() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let (account, other) = (tenant.account("+15105566888").await, tenant.account(A).await);
    let message = tenant.call(hello()).await.message_id();
    tenant.patch(&format!("/accounts/{account}"), json!({"app_secret": SECRET})).await.expect(200);
    let before = changes(&ingress, &other).await;
    let at = later().await;
    // One request with three words, at the address of another account of the same app: the firmest counts, once.
    let words =
        json!([failed_with(131_048, at, message), failed_with(190, at, message), failed_with(368, at, message)]);
    let said = body("id-15105566777", words);
    assert_eq!(send(&ingress, &account, SECRET, said.clone()).await.status, 200);
    let path = format!("/accounts/{other}");
    until("it is blocked", async || tenant.get(&path).await.expect(200)["state"] == "blocked").await;
    let seen = tenant.get(&path).await.expect(200);
    assert_eq!(seen["state_reason"], "(#190) Held by 190");
    assert_eq!(tenant.get(&format!("/accounts/{account}")).await.expect(200)["state"], "connected");
    let reasons =
        async || -> Vec<_> { receipts(&ingress).await.into_iter().map(|(_, receipt)| receipt.reason).collect() };
    assert_eq!(reasons().await, vec![Some("account_held".to_owned()); 3]);
    // Again, and once more after its owner has connected it: the messages' fate is stored, the account stays as it is.
    assert_eq!(send(&ingress, &account, SECRET, said.clone()).await.status, 200);
    tenant.post(&format!("{path}/connect"), Value::Null).await.expect(200);
    assert_eq!(send(&ingress, &account, SECRET, said).await.status, 200);
    assert_eq!(reasons().await.len(), 9);
    assert_eq!(tenant.get(&path).await.expect(200)["state"], "connected");
    assert_eq!(changes(&ingress, &other).await, before + 2, "one hold, and one connect");
}

#[tokio::test]
async fn a_word_that_is_old_or_not_of_a_message_of_ours_holds_nothing() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    let (before, at) = (changes(&ingress, &account).await, later().await);
    let mut timeless = failed_with(190, at, message);
    timeless.as_object_mut().expect("an object").remove("timestamp");
    let words = [
        failed_with(190, at - 3_600, message),
        failed_with(190, at + 3_600, message),
        failed_with(190, at, MessageId(message.0 ^ 1)),
        failed_with(131_026, at, message),
        failed_with(131_000, at, message),
        timeless,
    ];
    assert_eq!(send(&ingress, &account, SECRET, body("id-15105566777", json!(words))).await.status, 200);
    // New settings since: what was true of the old ones says nothing of these.
    tenant.patch(&format!("/accounts/{account}"), json!({"access_token": "EAABnew"})).await.expect(200);
    let word = failed_with(190, at, message);
    assert_eq!(send(&ingress, &account, SECRET, body("id-15105566777", json!([word]))).await.status, 200);
    assert_eq!(receipts(&ingress).await.len(), 6);
    assert_eq!(tenant.get(&format!("/accounts/{account}")).await.expect(200)["state"], "connected");
    assert_eq!(changes(&ingress, &account).await, before + 1);
}

#[tokio::test]
async fn an_account_is_held_only_after_its_messages_fate_is_stored() {
    let mut ingress = Ingress::start().await;
    let (account, message) = {
        let tenant = Tenant::new(&ingress, 5).await;
        (tenant.account(A).await, tenant.call(hello()).await.message_id())
    };
    let (before, at) = (changes(&ingress, &account).await, later().await);
    let said = body("id-15105566777", json!([failed_with(190, at, message)]));
    ingress.ledger = None;
    assert_eq!(send(&ingress, &account, SECRET, said.clone()).await.status, 503);
    assert_eq!(changes(&ingress, &account).await, before);
    ingress.ledger = Some(crate::ledger::TestLedger::start(ingress.log.clone()).await);
    assert_eq!(send(&ingress, &account, SECRET, said).await.status, 200);
    let events: Vec<_> = ingress.events().await.into_iter().map(|(_, event)| event).collect();
    let at = |name: &str| events.iter().rposition(|event| event.name() == name).expect("it is there");
    assert!(at("MessageFailed") < at("AccountChanged"));
    assert_eq!(changes(&ingress, &account).await, before + 1);
}

#[tokio::test]
async fn a_failure_without_a_code_is_stored_as_not_explained() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    for errors in [json!([{"title": "It broke"}]), json!([]), Value::Null] {
        let mut failed = status("wamid.1", "failed", mark(message));
        failed["errors"] = errors;
        assert_eq!(send(&ingress, &account, SECRET, body("id-15105566777", json!([failed]))).await.status, 200);
    }
    let stored = receipts(&ingress).await;
    let told: Vec<_> = stored.iter().map(|(_, r)| (r.reason.as_deref(), r.detail.as_deref())).collect();
    let silent = (Some("not_explained"), Some("no reason was given"));
    assert_eq!(told, [(Some("not_explained"), Some("It broke")), silent, silent]);
}

#[tokio::test]
async fn what_is_not_signed_with_that_accounts_secret_changes_nothing() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    let body = body("id-15105566777", json!([status("wamid.1", "sent", mark(message))]));
    assert_eq!(send(&ingress, &account, "other secret", body.clone()).await.status, 401);
    let url = format!("{}/callbacks/cloud/{account}", ingress.url);
    let unsigned = ingress.http.post(&url).body(body.clone()).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    // The signature is of the raw bytes: the same JSON written otherwise has another one.
    let respaced = body.replace("\":", "\": ");
    let request = ingress.http.post(&url).header("x-hub-signature-256", signature(SECRET, body.as_bytes()));
    assert_eq!(request.body(respaced).send().await.unwrap().status(), 401);
    assert_eq!(send(&ingress, "01ARZ3NDEKTSV4RRFFQ69G5FAV", SECRET, body.clone()).await.status, 404);
    assert_eq!(send(&ingress, "x", SECRET, body).await.status, 404);
    assert!(receipts(&ingress).await.is_empty());
}

#[tokio::test]
async fn what_is_not_understood_or_unknown_is_passed_over_with_200() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    let unknown = MessageId(message.0 ^ 1);
    let batch = json!([
        status("wamid.9", "sent", None),
        status("wamid.9", "sent", mark(unknown)),
        status("wamid.9", "sent", Some(format!("{message}.1"))),
        status("wamid.9", "sent", Some("order 17".to_owned())),
        status("wamid.9", "warned", mark(message)),
        {"strange": true},
        status("wamid.1", "delivered", mark(message)),
    ]);
    assert_eq!(send(&ingress, &account, SECRET, body("id-15105566777", batch)).await.status, 200);
    for odd in ["{}", "no JSON", "{\"entry\":[]}"] {
        assert_eq!(send(&ingress, &account, SECRET, odd.to_owned()).await.status, 200, "{odd}");
    }
    let elsewhere = body("id-0", json!([status("wamid.1", "read", mark(message))]));
    assert_eq!(send(&ingress, &account, SECRET, elsewhere).await.status, 200);
    let stored = receipts(&ingress).await;
    assert_eq!(stored.iter().map(|(fate, _)| *fate).collect::<Vec<_>>(), ["delivered"]);
}

#[tokio::test]
async fn a_report_without_our_mark_is_found_by_the_providers_id() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    let first = body("id-15105566777", json!([status("wamid.1", "sent", mark(message))]));
    assert_eq!(send(&ingress, &account, SECRET, first).await.status, 200);
    let second = body("id-15105566777", json!([status("wamid.1", "read", None)]));
    assert_eq!(send(&ingress, &account, SECRET, second).await.status, 200);
    let stored = receipts(&ingress).await;
    assert_eq!((stored[1].0, stored[1].1.message), ("read", message));
}

#[tokio::test]
async fn an_account_cannot_speak_for_anothers_messages_unless_they_share_the_secret_and_it_is_named() {
    let ingress = Ingress::start().await;
    let (tenant, other) = (Tenant::new(&ingress, 5).await, Tenant::new(&ingress, 5).await);
    let own = tenant.account(A).await;
    let second = tenant.account("+15105566888").await;
    other.account("+15105566999").await;
    let theirs = other.call(hello()).await.message_id();
    let of_second = tenant.call(hello()).await.message_id();
    // Signed by one account, about messages of others: in its own name, and in theirs.
    for (named, message) in [
        ("id-15105566777", theirs),
        ("id-15105566777", of_second),
        ("id-15105566888", of_second),
        ("id-15105566999", theirs),
    ] {
        let body = body(named, json!([status("wamid.1", "failed", mark(message))]));
        assert_eq!(send(&ingress, &own, SECRET, body).await.status, 200);
    }
    assert!(receipts(&ingress).await.is_empty());
    // One app with several numbers: one secret, one address.
    tenant.patch(&format!("/accounts/{second}"), json!({"app_secret": SECRET})).await.expect(200);
    let body = body("id-15105566888", json!([status("wamid.1", "sent", mark(of_second))]));
    assert_eq!(send(&ingress, &own, SECRET, body).await.status, 200);
    let stored = receipts(&ingress).await;
    assert_eq!((stored.len(), stored[0].1.account.to_string()), (1, second));
}

#[tokio::test]
async fn a_removed_account_still_hears_of_its_last_messages() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    assert_eq!(tenant.delete(&format!("/accounts/{account}")).await.status, 204);
    let body = body("id-15105566777", json!([status("wamid.1", "sent", mark(message))]));
    assert_eq!(send(&ingress, &account, SECRET, body).await.status, 200);
    assert_eq!(receipts(&ingress).await.len(), 1);
}

#[tokio::test]
async fn a_large_batch_is_stored_whole_and_a_larger_body_is_refused() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    let message = tenant.call(hello()).await.message_id();
    let statuses: Vec<_> = (0..1_500).map(|at| status(&format!("wamid.{at}"), "sent", mark(message))).collect();
    assert_eq!(send(&ingress, &account, SECRET, body("id-15105566777", json!(statuses))).await.status, 200);
    let stored = receipts(&ingress).await;
    assert_eq!(stored.len(), 1_500);
    // 5 MB of which little is a report, signed or not.
    let mut failed = status("wamid.long", "failed", mark(message));
    failed["errors"] = json!([{"code": 131026, "title": "x".repeat(5_000_000)}]);
    let long = body("id-15105566777", json!([failed]));
    assert_eq!(send(&ingress, &account, "another secret", long.clone()).await.status, 401);
    assert_eq!(send(&ingress, &account, SECRET, long).await.status, 200);
    let stored = receipts(&ingress).await;
    let (name, last) = stored.last().expect("there are some");
    let detail = last.detail.as_deref().expect("a failure has one");
    assert_eq!((stored.len(), *name), (1_501, "failed"));
    assert!(detail.len() < 1_000, "{} bytes", detail.len());
    let huge = " ".repeat(9 * 1024 * 1024);
    assert_eq!(send(&ingress, &account, SECRET, huge).await.status, 413);
}

#[tokio::test]
async fn what_cannot_be_matched_or_stored_now_is_asked_for_again() {
    let mut ingress = Ingress::start().await;
    let (account, message) = {
        let tenant = Tenant::new(&ingress, 5).await;
        (tenant.account(A).await, tenant.call(hello()).await.message_id())
    };
    let body = body("id-15105566777", json!([status("wamid.1", "sent", mark(message))]));
    ingress.ledger = None;
    let answer = send(&ingress, &account, SECRET, body.clone()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    ingress.ledger = Some(crate::ledger::TestLedger::start(ingress.log.clone()).await);
    assert_eq!(send(&ingress, &account, SECRET, body.clone()).await.status, 200);
    assert_eq!(receipts(&ingress).await.len(), 1);
    ingress.broker.kill();
    assert_eq!(send(&ingress, &account, SECRET, body).await.status, 503);
}
