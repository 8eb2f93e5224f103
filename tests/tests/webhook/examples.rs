//! The two calls that the webhook's users make, as they make them.

use angelia_tests::files::FileServer;
use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, Tenant, recipient};
use angelia_tests::wait::{LATER, eventually};
use serde_json::json;

use crate::installation;

#[tokio::test]
async fn a_text_to_a_phone_goes_out_from_the_chosen_account() {
    let tenant = Tenant::new(installation().await, 10).await;
    let (chosen, _other) = (tenant.account(FAST).await, tenant.account(FAST).await);
    let phone = recipient("1234");
    let words = "Γειά σου 👋\nsecond line, *no markup*";
    let body = json!({"action": "send", "text": words, "phone": phone, "whatsapp account phone": chosen.phone});
    let id = tenant.call(&body).await.accepted();

    let message = tenant.until(&id, &["read"]).await;
    assert_eq!((text(&message, "account_id"), &message["credits"]), (chosen.id.as_str(), &json!(1)));
    let journal = tenant.journal().await;
    let sends = journal.sends_of(&id);
    assert_eq!(sends.len(), 1, "{sends:?}");
    assert_eq!(sends[0].phone_number_id, chosen.phone_number_id);
    assert_eq!(sends[0].to.as_deref(), Some(phone.trim_start_matches('+')));
    assert_eq!((sends[0].kind.as_str(), sends[0].text()), ("text", Some(words)));
    assert_eq!(sends[0].body["messaging_product"], "whatsapp");
    assert_eq!(sends[0].body["recipient_type"], "individual");
    assert_eq!(tenant.wallet().await.available, 9);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_text_and_a_file_go_to_a_person_and_to_a_group_by_chat_id() {
    let tenant = Tenant::new(installation().await, 10).await;
    let files = FileServer::start().await;
    let account = tenant.account(FAST).await;
    let phone = recipient("1234");
    tenant.chat("41001", &account, json!({"phone": phone, "name": "Ada"})).await;
    tenant.chat("41002", &account, json!({"jid": "120363041234567890@g.us", "name": "Team"})).await;

    // As text and as an integer: CRMs write both.
    let file = json!({"text": "Your offer", "file_url": files.url("/file/offer.pdf"), "file_name": "offer.pdf"});
    let mut ids = Vec::new();
    for chat_id in [json!("41001"), json!(41001), json!("41002"), json!(41002)] {
        let mut body = file.clone();
        body["action"] = json!("send");
        body["chat_id"] = chat_id;
        ids.push(tenant.call(&body).await.accepted());
    }
    for (n, id) in ids.iter().enumerate() {
        let message = tenant.until(id, &["delivered", "read"]).await;
        assert_eq!((&message["credits"], &message["refunded"]), (&json!(2), &json!(0)), "{message}");
        let journal = tenant.journal().await;
        let sends = journal.sends_of(id);
        assert_eq!(sends.len(), 1, "text and file travel as one: {sends:?}");
        assert_eq!(sends[0].kind, "document");
        assert_eq!(sends[0].body["document"]["caption"], "Your offer");
        assert_eq!(sends[0].body["document"]["filename"], "offer.pdf");
        let (to, kind) =
            if n < 2 { (phone.trim_start_matches('+'), "individual") } else { ("120363041234567890", "group") };
        assert_eq!(sends[0].to.as_deref().map(|to| to.trim_end_matches("@g.us")), Some(to));
        assert_eq!(sends[0].body["recipient_type"], kind);
    }
    assert_eq!(tenant.wallet().await.available, 2);
    tenant.check_log().await;
}

#[tokio::test]
async fn the_demo_workspace_sends_at_once_to_its_person_its_group_and_any_phone() {
    let installation = installation().await;
    let (hook, owner) = (installation.demo_hook(), installation.demo_owner());
    let quickstart = installation.quickstart();
    let bodies = [
        json!({"action": "send", "text": "one", "phone": "+14151231234", "whatsapp account phone": quickstart.account_phone}),
        json!({"action": "send", "text": "two", "chat_id": quickstart.chat_id}),
        json!({"action": "send", "text": "three", "chat_id": quickstart.group_chat_id}),
    ];
    for body in &bodies {
        let id = hook.call(body).await.accepted();
        let path = format!("/workspaces/{}/messages/{id}", quickstart.workspace_id);
        eventually("the message is delivered", LATER, async || {
            let message = owner.get(&path).await.expect(200);
            let state = text(&message, "state");
            if ["delivered", "read"].contains(&state) { Ok(()) } else { Err(message.to_string()) }
        })
        .await;
        let journal = installation.demo_journal().await;
        assert_eq!(journal.sends_of(&id).len(), 1);
        assert_eq!(journal.sends_of(&id)[0].text(), body["text"].as_str());
    }
}
