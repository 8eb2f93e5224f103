//! Outcomes that neither an answer nor a receipt tells, at a WhatsApp that keeps a list of what it took.

use angelia_shared::wamid::veiled;
use angelia_tests::installation::text;
use angelia_tests::tenant::{Tenant, recipient};
use serde_json::{Value, json};

use crate::{events, looking, script};

/// What a message's timeline adds to an event.
fn added<'a>(message: &'a Value, event: &str) -> &'a Value {
    let entries = message["timeline"].as_array().expect("a message has a timeline");
    let entry = entries.iter().find(|entry| entry["event"] == event);
    &entry.unwrap_or_else(|| panic!("no {event} in {message}"))["detail"]
}

#[tokio::test]
async fn what_was_taken_without_an_answer_or_a_receipt_is_found_and_charged() {
    let tenant = Tenant::new(looking().await, 10).await;
    let (account, id) = script::sent(&tenant, "0410").await;
    tenant.until(&id, &["unknown"]).await;
    let behind = tenant.send(&account, &recipient("1234"), "behind").await;

    let message = tenant.until(&id, &["sent", "delivered"]).await;

    assert_eq!(
        (added(&message, "AttemptEnded"), added(&message, "MessageSent")),
        (&json!("unknown"), &json!("looked_up"))
    );
    assert_eq!(message["refunded"], json!(0));
    let journal = tenant.journal().await;
    let [send] = &journal.sends_of(&id)[..] else { panic!("it was sent once: {:?}", journal.answers(&id)) };
    assert_eq!(message["parts"][0]["provider_id"], json!(send.wamid.as_deref().map(veiled)));
    let other = tenant.until(&behind, &["read"]).await;
    assert_eq!(added(&other, "MessageSent"), &Value::Null, "what was reported was not looked up");
    assert_eq!(tenant.wallet().await.available, 8);
    tenant.check_log().await;
}

#[tokio::test]
async fn what_was_not_taken_stays_unknown_while_others_are_found() {
    let tenant = Tenant::new(looking().await, 10).await;
    let (account, lost) = script::sent(&tenant, "0409").await;
    tenant.until(&lost, &["unknown"]).await;
    // Nothing of it is on the list, and others are.
    let (_, found) = script::sent(&tenant, "0410").await;
    let other = tenant.send(&account, &recipient("0202"), "another").await;
    tenant.until(&other, &["sent"]).await;
    tenant.until(&found, &["sent", "delivered"]).await;

    let message = tenant.message(&lost).await;
    assert_eq!(text(&message, "state"), "unknown", "{message}");
    assert!(!events(&message).contains(&"MessageSent"), "{message}");
    tenant.check_log().await;
}
