//! Who gets a message, and who sends it.

use angelia_tests::tenant::{FAST, Tenant, recipient};
use serde_json::{Value, json};

use crate::{body, installation};

/// The sending account of an accepted call.
async fn sender(tenant: &Tenant<'_>, body: &Value) -> Value {
    let id = tenant.call(body).await.accepted();
    tenant.message(&id).await["account_id"].clone()
}

#[tokio::test]
async fn unknown_chats_and_accounts_are_404_in_these_words() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    for chat_id in [json!("999999"), json!(999999), json!("no such"), json!(-1)] {
        tenant.call(&body(json!({"phone": null, "chat_id": chat_id}))).await.refused_with(404, "Chat not found");
    }
    tenant.call(&body(json!({"phone": null, "chat_name": "Nobody"}))).await.refused_with(404, "Chat not found");
    let stranger = body(json!({"whatsapp account phone": "+19998887777"}));
    tenant.call(&stranger).await.refused_with(404, "WhatsApp account not found");
}

#[tokio::test]
async fn another_workspaces_chats_and_accounts_do_not_exist_here() {
    let installation = installation().await;
    let (theirs, ours) = (Tenant::new(installation, 10).await, Tenant::new(installation, 10).await);
    let (their_account, _own) = (theirs.account(FAST).await, ours.account(FAST).await);
    theirs.chat("51001", &their_account, json!({"phone": "+14151231234", "name": "Theirs"})).await;
    ours.call(&body(json!({"phone": null, "chat_id": "51001"}))).await.refused_with(404, "Chat not found");
    ours.call(&body(json!({"phone": null, "chat_name": "Theirs"}))).await.refused_with(404, "Chat not found");
    let their_phone = body(json!({"whatsapp account phone": their_account.phone}));
    ours.call(&their_phone).await.refused_with(404, "WhatsApp account not found");
}

#[tokio::test]
async fn a_workspace_without_an_active_account_is_told_so() {
    let tenant = Tenant::new(installation().await, 10).await;
    let none = tenant.call(&body(json!({}))).await.refused(409);
    assert!(none.to_lowercase().contains("account"), "{none}");
    // Added, but never connected: not active.
    tenant.unconnected_account(FAST).await;
    tenant.call(&body(json!({}))).await.refused(409);
    let account = tenant.account(FAST).await;
    tenant.disconnect(&account).await;
    tenant.call(&body(json!({}))).await.refused(409);
    assert_eq!(tenant.wallet().await.consumed, 0);
}

#[tokio::test]
async fn without_a_choice_the_account_connected_last_sends() {
    let tenant = Tenant::new(installation().await, 20).await;
    let (first, second) = (tenant.account(FAST).await, tenant.account(FAST).await);
    let anyone = body(json!({}));
    assert_eq!(sender(&tenant, &anyone).await, json!(second.id));
    tenant.disconnect(&second).await;
    assert_eq!(sender(&tenant, &anyone).await, json!(first.id));
    tenant.connect(&second).await;
    assert_eq!(sender(&tenant, &anyone).await, json!(second.id));
    tenant.disconnect(&first).await;
    tenant.connect(&first).await;
    assert_eq!(sender(&tenant, &anyone).await, json!(first.id));
}

#[tokio::test]
async fn the_sending_number_may_be_written_as_people_write_numbers() {
    let tenant = Tenant::new(installation().await, 20).await;
    let (account, _other) = (tenant.account(FAST).await, tenant.account(FAST).await);
    let digits = account.phone.trim_start_matches('+');
    let spaced = format!("+{} ({}) {}-{}", &digits[..1], &digits[1..4], &digits[4..7], &digits[7..]);
    for written in [account.phone.as_str(), digits, &spaced] {
        let call = body(json!({"whatsapp account phone": written}));
        assert_eq!(sender(&tenant, &call).await, json!(account.id), "{written}");
    }
}

#[tokio::test]
async fn a_chat_belongs_to_one_account_whatever_the_caller_chooses() {
    let tenant = Tenant::new(installation().await, 20).await;
    let (owner, other) = (tenant.account(FAST).await, tenant.account(FAST).await);
    tenant.chat("52001", &owner, json!({"phone": "+14151231234", "name": "Ada"})).await;
    for phone in [other.phone.as_str(), "+19998887777"] {
        let call = body(json!({"phone": null, "chat_id": "52001", "whatsapp account phone": phone}));
        assert_eq!(sender(&tenant, &call).await, json!(owner.id));
    }
}

#[tokio::test]
async fn a_chat_name_is_exact_unique_and_of_the_sending_account() {
    let tenant = Tenant::new(installation().await, 20).await;
    let (one, two) = (tenant.account(FAST).await, tenant.account(FAST).await);
    let phone = recipient("1234");
    tenant.chat("53001", &one, json!({"phone": phone, "name": "Ada Λ"})).await;
    tenant.chat("53002", &one, json!({"phone": recipient("1234"), "name": "Twin"})).await;
    tenant.chat("53003", &one, json!({"phone": recipient("1234"), "name": "Twin"})).await;
    let named =
        |name: &str, phone: &str| body(json!({"phone": null, "chat_name": name, "whatsapp account phone": phone}));

    let id = tenant.call(&named("Ada Λ", &one.phone)).await.accepted();
    tenant.until(&id, &["sent", "delivered", "read"]).await;
    assert_eq!(tenant.journal().await.sends_of(&id)[0].to.as_deref(), Some(phone.trim_start_matches('+')));
    for (name, phone) in [("ada λ", &one.phone), ("Ada", &one.phone), ("Ada Λ", &two.phone)] {
        tenant.call(&named(name, phone)).await.refused_with(404, "Chat not found");
    }
    let several = tenant.call(&named("Twin", &one.phone)).await.refused(409);
    assert!(several.contains("Twin") || several.contains("chat"), "{several}");
}

#[tokio::test]
async fn a_jid_reaches_a_person_or_a_group() {
    let tenant = Tenant::new(installation().await, 20).await;
    tenant.account(FAST).await;
    let person = recipient("1234");
    let person = person.trim_start_matches('+');
    let cases = [
        (format!("{person}@s.whatsapp.net"), person, "individual"),
        (format!("{person}@c.us"), person, "individual"),
        ("120363049999999999@g.us".to_owned(), "120363049999999999", "group"),
    ];
    for (jid, to, kind) in cases {
        let id = tenant.call(&body(json!({"phone": null, "jid": jid}))).await.accepted();
        tenant.until(&id, &["sent", "delivered", "read"]).await;
        let journal = tenant.journal().await;
        let send = journal.sends_of(&id)[0];
        assert_eq!(send.to.as_deref().map(|to| to.trim_end_matches("@g.us")), Some(to));
        assert_eq!(send.body["recipient_type"], kind);
    }
}
