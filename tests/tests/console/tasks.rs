//! What owners come for: a webhook, a first message, why another one failed, chats, accounts.

use angelia_tests::browser::Kind;
use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use angelia_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::{installation, place, signed_in};

#[tokio::test]
async fn an_owner_makes_a_webhook_sends_a_first_message_and_sees_it_being_read() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 10).await;
    tenant.account(FAST).await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.sees("h1", "Inbound webhooks").await;
    browser.click("main .head form button").await;
    browser.sees("#notices", "The webhook is made").await;
    assert!(!browser.place().await.contains("done="), "what was done is said once");
    browser.sees(".calls, .empty", "Nobody has called").await;

    let to = recipient("1234");
    browser.fill("#try-to", &to).await;
    browser.fill("#try-text", "It's a first \"message\"").await;
    // The call follows what is typed.
    let curl = browser.sees("#try-call", &to).await;
    assert!(curl.contains(r"It'\''s a first"), "{curl}");
    browser.click("button[value=send]").await;
    browser.sees("#try-answer", "Accepted").await;
    assert_eq!(browser.run("return document.querySelector('#try-to').value", json!([])).await, json!(to));
    browser.sees(".calls", "accepted").await;

    browser.click("#try-answer a").await;
    browser.sees("h1", "read").await;
    let timeline = browser.text(".timeline").await.unwrap_or_default();
    for step in ["Accepted and charged", "Sending began", "WhatsApp took it", "Delivered", "Read"] {
        assert!(timeline.contains(step), "{step} in {timeline}");
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_call_and_a_failed_message_say_why_and_what_to_do() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 10).await;
    let account = tenant.account(FAST).await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, &format!("/webhooks/{}", tenant.webhook_id))).await;
    browser.fill("#try-to", "nobody").await;
    browser.run("document.querySelector('#try-kind').value = 'chat_name'", json!([])).await;
    browser.fill("#try-text", "x").await;
    browser.click("button[value=send]").await;
    let said = browser.sees("#try-answer", "404").await;
    assert!(said.contains("Chat not found") && said.contains("is not here"), "{said}");
    let calls = browser.sees(".calls", "Chat not found").await;
    assert!(calls.contains("404 refused"), "{calls}");

    let id = tenant.send(&account, &recipient("0404"), "to nobody").await;
    tenant.until_refunded(&id, 1).await;
    browser.go(&place(installation, &tenant.id, "/messages")).await;
    browser.sees("tbody", "The number is not on WhatsApp").await;
    browser.click("tbody a").await;
    browser.sees(".notice.bad", "The number is not on WhatsApp").await;
    let facts = browser.sees(".pairs", "refunded 1").await;
    assert!(facts.contains(&account.phone), "{facts}");
    browser.sees(".timeline", "Credits given back").await;
}

#[tokio::test]
async fn a_link_is_checked_before_anything_is_sent() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 10).await;
    tenant.account(FAST).await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, &format!("/webhooks/{}", tenant.webhook_id))).await;
    browser.click("button[value=check]").await;
    browser.sees("#try-answer", "Enter a file link first").await;
    browser.fill("#try-file_url", "http://127.0.0.1:9/report.pdf").await;
    browser.click("button[value=check]").await;
    let said = browser.sees("#try-answer", "The link does not download a file").await;
    assert!(said.contains("an address that is not public"), "{said}");
    assert_eq!(tenant.wallet().await.consumed, 0);
}

#[tokio::test]
async fn a_webhook_is_switched_gets_a_new_url_with_a_grace_and_is_removed() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 10).await;
    tenant.account(FAST).await;
    let body = json!({"action": "send", "phone": recipient("1111"), "text": "x"});
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, &format!("/webhooks/{}", tenant.webhook_id))).await;
    browser.click("main .head form button").await;
    browser.sees("#notices", "answered with 403").await;
    tenant.hook.call(&body).await.refused_with(403, "Webhook is disabled");
    browser.sees(".calls", "Switch it on above").await;
    browser.click("main .head form button").await;
    browser.sees("#notices", "takes calls again").await;

    let url = browser.text(".copied code").await.unwrap_or_default();
    browser.click("#address ~ .confirms details:first-of-type summary").await;
    browser.sees("#address ~ .confirms", "The old URL stops at once").await;
    browser.run("document.querySelector('#grace').value = '3600'", json!([])).await;
    browser.click("#address ~ .confirms details[open] button").await;
    browser.sees("#notices", "new URL").await;
    let new = browser.text(".copied code").await.unwrap_or_default();
    assert_ne!(url, new);
    browser.sees("section", "The old URL works until").await;
    tenant.hook.call(&body).await.accepted();

    browser.click("#address ~ .confirms details:last-of-type summary").await;
    browser.click("#address ~ .confirms details[open] button").await;
    browser.sees("#notices", "The webhook is removed").await;
    browser.sees(".empty", "There is no webhook yet").await;
    tenant.hook.call(&body).await.refused_with(404, "Webhook not found");
}

#[tokio::test]
async fn chats_are_added_found_changed_and_removed() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 10).await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/chats")).await;
    browser.sees("main", "Add an account first").await;
    tenant.account(FAST).await;
    browser.go(&place(installation, &tenant.id, "/chats")).await;
    browser.fill("#chat-name", "Ελένη <b>שלום</b>").await;
    browser.fill("#chat-address", "not a number").await;
    browser.click("form.grid button").await;
    // What was typed stays where it is.
    browser.sees("#notices [role=alert]", "phone").await;
    assert_eq!(browser.run("return document.querySelector('#chat-address').value", json!([])).await, "not a number");
    browser.fill("#chat-address", "+30 210 1234567").await;
    browser.fill("#chat-id", "eleni").await;
    browser.click("form.grid button").await;
    browser.sees("#notices", "The chat is saved").await;
    browser.sees("#chat-eleni", "Ελένη <b>שלום</b>").await;

    browser.fill("#q", "ελένη").await;
    browser.click(".filters button").await;
    browser.sees("#chat-eleni", "302101234567@s.whatsapp.net").await;
    browser.click("#chat-eleni td:last-child a").await;
    browser.fill("#chat-name", "Renamed").await;
    browser.click("form.grid button").await;
    browser.sees("#chat-eleni", "Renamed").await;
    browser.click("#chat-eleni td:last-child a").await;
    browser.click("details.confirm summary").await;
    browser.click("details.confirm button").await;
    browser.sees(".empty", "There are no chats yet").await;
}

#[tokio::test]
async fn an_account_is_added_connected_paced_and_its_queue_cancelled() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 10).await;
    let sandbox = installation.sandbox().await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/accounts")).await;
    browser.sees(".empty", "There is no account yet").await;
    browser.click(".head a.button").await;
    let number = angelia_tests::tenant::unique();
    for (field, value) in [
        ("#new-phone", format!("+1510{number:07}")),
        ("#new-phone_number_id", format!("900{number:07}")),
        ("#new-access_token", "an-access-token".to_owned()),
        ("#new-app_secret", sandbox.app_secret.clone()),
        ("#new-verify_token", "a-verify-token".to_owned()),
        ("#new-base_url", sandbox.url.clone()),
    ] {
        browser.fill(field, &value).await;
    }
    browser.click("form.grid button").await;
    browser.sees("#notices", "The account is added").await;
    browser.click(".head .actions button").await;
    browser.sees("h1", "connected").await;

    browser.fill("#pace-gap_low", "3600").await;
    browser.fill("#pace-gap_high", "3600").await;
    browser.fill("#pace-hourly_cap", "7").await;
    browser.click("#pace ~ form button").await;
    browser.sees("#notices", "The pace is saved").await;
    let listed = tenant.owner.get(&tenant.path("/accounts")).await.expect(200);
    assert_eq!(listed["items"][0]["pace"]["gap_ms"], json!([3_600_000, 3_600_000]));
    assert_eq!(listed["items"][0]["pace"]["hourly_cap"], json!(7));

    for n in 0..3 {
        let body = json!({"action": "send", "phone": recipient("1111"), "text": format!("{n}")});
        tenant.call(&body).await.accepted();
    }
    browser.sees(".figures", "Next send\nin ").await;
    browser.click(".confirms details:nth-of-type(1) summary").await;
    browser.click(".confirms details[open] button").await;
    browser.sees("#notices", "cancel of the whole queue").await;
    browser.sees(".figures", "nothing waits").await;
    tenant.wallet_with_refunds(2).await;
}

#[tokio::test]
async fn messages_are_found_by_number_text_id_and_state_and_cancelled() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 20).await;
    let account = tenant.account(NEVER).await;
    let first = recipient("1111");
    let sent = tenant.send(&account, &first, "the first goes").await;
    tenant.until(&sent, &["read"]).await;
    let to = recipient("2222");
    let waiting = tenant.send(&account, &to, "Ραντεβού αύριο").await;
    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    browser.go(&place(installation, &tenant.id, "/messages")).await;
    for (query, expected, other) in
        [(to.as_str(), &to, &first), ("ΡΑΝΤΕΒΟΎ", &to, &first), (sent.as_str(), &first, &to)]
    {
        browser.fill("#q", query).await;
        browser.click(".filters button").await;
        eventually("the search narrows the list", SOON, async || {
            let found = browser.text("main").await.unwrap_or_default();
            if found.contains(expected.as_str()) && !found.contains(other.as_str()) { Ok(()) } else { Err(found) }
        })
        .await;
    }
    browser.go(&place(installation, &tenant.id, "/messages?state=queued")).await;
    browser.click("tbody a").await;
    browser.sees("h1", "queued").await;
    let facts = browser.sees(".pairs", "the account's gap").await;
    assert!(facts.contains("Expected to go\nin "), "{facts}");
    browser.click("details.confirm summary").await;
    browser.click("details.confirm button").await;
    browser.sees("h1", "cancelled").await;
    let message = tenant.until_refunded(&waiting, 1).await;
    assert_eq!(text(&message, "state"), "cancelled");
}
