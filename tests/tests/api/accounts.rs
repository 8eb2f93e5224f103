//! Accounts: added, connected, paced, disconnected, removed; their secrets never come back.

use angelia_tests::client::{Answer, http};
use angelia_tests::installation::{cloud_account, text};
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient, unique};
use angelia_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::{has, installation, is_time};

#[tokio::test]
async fn an_account_is_added_connected_changed_disconnected_and_removed() {
    let tenant = Tenant::new(installation().await, 1).await;
    let (phone, number_id) = (format!("+1510{:07}", unique()), unique().to_string());
    let mut body = cloud_account(tenant.installation.sandbox().await, &phone, &number_id, FAST);
    body.as_object_mut().expect("an object").remove("pace");
    let made = tenant.owner.post(&tenant.path("/accounts"), body).await.expect(201);
    has(
        &made,
        &["id", "phone", "transport", "state", "state_reason", "connected_at", "pace", "queued", "next_send_at"],
    );
    assert_eq!((text(&made, "phone"), text(&made, "transport")), (phone.as_str(), "cloud"));
    assert_eq!(made["pace"]["gap_ms"], json!([1_500, 2_500]), "the default gap");
    assert_eq!((&made["connected_at"], &made["queued"]), (&Value::Null, &json!(0)));
    let path = tenant.path(&format!("/accounts/{}", text(&made, "id")));
    let connected = tenant.owner.post(&format!("{path}/connect"), json!({})).await;
    assert!((200..300).contains(&connected.status), "{}", connected.text());
    let seen = eventually("it is connected", SOON, async || {
        let seen = tenant.owner.get(&path).await.expect(200);
        if seen["state"] == "connected" { Ok(seen) } else { Err(seen.to_string()) }
    })
    .await;
    is_time(&seen["connected_at"]);
    for secret in ["an-access-token", "a-secret-of-the-tests", "a-verify-token"] {
        assert!(!seen.to_string().contains(secret) && !made.to_string().contains(secret), "{secret} is shown");
    }
    let slower = tenant.owner.patch(&path, json!({"pace": {"gap_ms": [3_000, 4_000]}})).await.expect(200);
    assert_eq!(slower["pace"]["gap_ms"], json!([3_000, 4_000]));
    for wrong in [json!([4_000, 3_000]), json!([1]), json!("fast"), json!([-1, 5]), json!([0.5, 1])] {
        tenant.owner.patch(&path, json!({"pace": {"gap_ms": wrong}})).await.problem(400);
    }
    tenant.owner.post(&format!("{path}/disconnect"), json!({})).await;
    assert_eq!(tenant.owner.get(&path).await.expect(200)["state"], "disconnected");
    let removed = tenant.owner.delete(&path).await;
    assert!(removed.status == 200 || removed.status == 204, "{}", removed.text());
    tenant.owner.get(&path).await.problem(404);
    assert!(tenant.owner.list(&tenant.path("/accounts")).await.is_empty());
}

#[tokio::test]
async fn an_account_with_missing_or_wrong_settings_is_refused_by_name() {
    let tenant = Tenant::new(installation().await, 1).await;
    let good = cloud_account(tenant.installation.sandbox().await, "+15105550000", "7", FAST);
    for field in ["phone", "phone_number_id", "access_token", "app_secret"] {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(field);
        let problem = tenant.owner.post(&tenant.path("/accounts"), body).await.problem(400);
        assert!(problem.to_string().contains(field), "{field}: {problem}");
    }
    for (field, wrong) in
        [("transport", json!("pigeon")), ("phone", json!("hello")), ("base_url", json!("ftp://x")), ("phone", json!(5))]
    {
        let mut body = good.clone();
        body[field] = wrong;
        let problem = tenant.owner.post(&tenant.path("/accounts"), body).await.problem(400);
        assert!(problem.to_string().contains(field), "{field}: {problem}");
    }
}

#[tokio::test]
async fn an_account_shows_its_queue_and_when_it_sends_next() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(NEVER).await;
    let first = tenant.send(&account, &recipient("1234"), "0").await;
    for n in 1..4 {
        tenant.send(&account, &recipient("1234"), &format!("{n}")).await;
    }
    tenant.until(&first, &["sent", "delivered", "read"]).await;
    let path = tenant.path(&format!("/accounts/{}", account.id));
    let seen = eventually("three wait", SOON, async || {
        let seen = tenant.owner.get(&path).await.expect(200);
        if seen["queued"] == json!(3) { Ok(seen) } else { Err(seen.to_string()) }
    })
    .await;
    is_time(&seen["next_send_at"]);
}

#[tokio::test]
async fn a_removed_account_takes_no_calls() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(NEVER).await;
    let removed = tenant.owner.delete(&tenant.path(&format!("/accounts/{}", account.id))).await;
    assert!((200..300).contains(&removed.status), "{}", removed.text());
    let body = json!({"action": "send", "text": "x", "phone": "+14151231234", "whatsapp account phone": account.phone});
    tenant.call(&body).await.refused_with(404, "WhatsApp account not found");
    let body = json!({"action": "send", "text": "x", "phone": "+14151231234"});
    tenant.call(&body).await.refused(409);
}

#[tokio::test]
async fn a_provider_callback_is_verified_by_token_and_by_signature() {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(FAST).await;
    let url = format!("{}/callbacks/cloud/{}", tenant.installation.url(), account.id);
    let get = async |query: &str| Answer::to(http().get(format!("{url}?{query}"))).await.expect("an answer");
    let good = get("hub.mode=subscribe&hub.verify_token=a-verify-token&hub.challenge=1158201444").await;
    assert_eq!((good.status, good.text().as_str()), (200, "1158201444"));
    assert!(good.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{:?}", good.headers);
    for wrong in ["hub.mode=subscribe&hub.verify_token=guess&hub.challenge=1", "hub.mode=subscribe&hub.challenge=1", ""]
    {
        assert_eq!(get(wrong).await.status, 403, "{wrong}");
    }

    // Without the account's secret nobody can report anything.
    let id = tenant.send(&account, &recipient("0202"), "Hello").await;
    tenant.until(&id, &["sent"]).await;
    let wamid = tenant.journal().await.sends_of(&id)[0].wamid.clone();
    let status = json!({"id": wamid, "status": "read", "timestamp": "1698266945", "recipient_id": "1"});
    let change = json!({"field": "messages", "value": {"messaging_product": "whatsapp",
        "metadata": {"phone_number_id": account.phone_number_id}, "statuses": [status]}});
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}).to_string();
    for signature in [None, Some("sha256=00".to_owned()), Some(format!("sha256={}", "0".repeat(64)))] {
        let mut request = http().post(&url).header("content-type", "application/json").body(body.clone());
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        let status = Answer::to(request).await.expect("an answer").status;
        assert!(status == 401 || status == 403, "{status}");
    }
    let later = tenant.send(&account, &recipient("1234"), "later").await;
    tenant.until(&later, &["read"]).await;
    assert_eq!(text(&tenant.message(&id).await, "state"), "sent");
}
