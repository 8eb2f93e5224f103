//! What must not get in: strangers, expired and revoked sessions, other sites' posts, scripts in what people wrote, line ends
//! in headers.

use angelia_shared::clock;
use angelia_shared::vault::MasterKey;
use angelia_tests::browser::Kind;
use angelia_tests::installation::text;
use angelia_tests::process;
use angelia_tests::tenant::{NEVER, Tenant, recipient};
use reqwest::header::SET_COOKIE;
use serde_json::json;

use crate::{Web, installation, place, signed_in};

#[tokio::test]
async fn strangers_see_nothing_but_the_page_to_sign_in() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 5).await;
    let stranger = Web::new(&installation.url());
    let base = format!("/console/w/{}", tenant.id);
    for rest in ["", "/webhooks", "/messages", "/credits", "/credits/statement.csv", "/audit", "/nothing"] {
        let answer = stranger.get(&format!("{base}{rest}")).await;
        assert_eq!(answer.status, 303, "{rest}");
        assert!(answer.header("location").is_some_and(|to| to.starts_with("/console/sign-in?back=")), "{rest}");
        assert!(answer.body.is_empty(), "{rest}");
    }
    assert_eq!(stranger.post(&format!("{base}/webhooks"), &[]).await.status, 401);
    for token in ["", "nonsense", &"x".repeat(10_000), "' OR 1=1 --"] {
        let answer = stranger.post("/console/sign-in", &[("token", token)]).await;
        assert_eq!(answer.status, 422, "{token}");
        assert!(answer.headers.get(SET_COOKIE).is_none());
        assert!(!answer.text().contains("nonsense"), "a token is never shown");
    }
}

#[tokio::test]
async fn another_workspaces_things_are_not_there() {
    let installation = installation().await;
    let (one, other) = (Tenant::new(installation, 5).await, Tenant::new(installation, 5).await);
    let account = one.account(NEVER).await;
    let message = one.send(&account, &recipient("1111"), "secret words").await;
    let message = message.trim_start_matches("wa_backend:");
    one.chat("friends", &account, json!({"phone": "+302101234567", "name": "Friends"})).await;
    let web = Web::signed_in(&installation.url(), &other.owner_token).await;
    let things = [
        format!("/webhooks/{}", one.webhook_id),
        format!("/webhooks/{}/activations.log", one.webhook_id),
        format!("/messages/{message}"),
        "/chats/friends".to_owned(),
        format!("/accounts/{}", account.id),
    ];
    // Under the other's workspace, and under one's own.
    let lists =
        ["/webhooks", "/messages", "/chats", "/accounts", "/credits", "/credits/statement.csv", "/audit", "/access"];
    let foreign = lists.iter().map(|rest| (*rest).to_owned()).chain(things.clone());
    let places = foreign.map(|rest| format!("/console/w/{}{rest}", one.id));
    let places = places.chain(things.iter().map(|rest| format!("/console/w/{}{rest}", other.id)));
    for place in places {
        let answer = web.get(&place).await;
        assert_eq!(answer.status, 404, "{place}");
        for secret in ["secret words", "Friends", &account.phone] {
            assert!(!answer.text().contains(secret), "{secret} at {place}");
        }
    }
    let posts = [
        format!("/webhooks/{}/switch", one.webhook_id),
        format!("/webhooks/{}/rotate", one.webhook_id),
        format!("/webhooks/{}/remove", one.webhook_id),
        format!("/webhooks/{}/try", one.webhook_id),
        format!("/messages/{message}/cancel"),
        "/chats/friends/remove".to_owned(),
        format!("/accounts/{}/disconnect", account.id),
        format!("/accounts/{}/purge", account.id),
        format!("/accounts/{}/remove", account.id),
    ];
    for rest in posts {
        for workspace in [&one.id, &other.id] {
            let place = format!("/console/w/{workspace}{rest}");
            assert_eq!(web.post(&place, &[("to", "off"), ("do", "send")]).await.status, 404, "{place}");
        }
    }
    for place in ["/console/installation/workspaces", &format!("/console/installation/{}/grant", other.id)] {
        let answer = web.post(place, &[("name", "x"), ("credits", "1000"), ("reason", "x")]).await;
        assert!([403, 404].contains(&answer.status), "{place}: {}", answer.status);
    }
    assert_eq!(other.wallet().await.granted, 5);
    let webhook = one.owner.get(&one.path(&format!("/webhooks/{}", one.webhook_id))).await.expect(200);
    assert_eq!(webhook["enabled"], json!(true));
}

#[tokio::test]
async fn a_session_ends_with_its_token_its_time_and_its_seal() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 5).await;
    let made = tenant.owner.post(&tenant.path("/tokens"), json!({"role": "owner"})).await.expect(201);
    let mut web = Web::signed_in(&installation.url(), text(&made, "token")).await;
    let page = format!("/console/w/{}/webhooks", tenant.id);
    assert_eq!(web.get(&page).await.status, 200);
    let cookie = web.cookie.clone().expect("it is signed in");
    assert!(!cookie.contains(text(&made, "token")), "the token is sealed");

    // Changed by one character.
    let mut other = cookie.clone();
    let last = if other.ends_with('A') { 'B' } else { 'A' };
    other.pop();
    other.push(last);
    web.cookie = Some(other);
    assert_eq!(web.get(&page).await.status, 303);

    // Sealed as it should be, and over since a second.
    let key = process::read(&installation.data().join("master-key"));
    let key = MasterKey::from_hex(&key).expect("the installation's master key");
    let sealed = |until: i64, owner: &[u8]| {
        let plain = json!({"v": 1, "token": text(&made, "token"), "until": until}).to_string();
        let sealed = serde_json::to_value(key.seal(owner, plain.as_bytes())).expect("text");
        format!("angelia_session={}", sealed.as_str().unwrap_or_default())
    };
    let now = clock::now().0;
    for (cookie, status) in [
        (sealed(now + 60_000, b"console session"), 200),
        (sealed(now - 1_000, b"console session"), 303),
        (sealed(now + 60_000, b"something else"), 303),
    ] {
        web.cookie = Some(cookie);
        assert_eq!(web.get(&page).await.status, status);
    }

    web.cookie = Some(cookie);
    assert_eq!(web.get(&page).await.status, 200);
    tenant.owner.delete(&tenant.path(&format!("/tokens/{}", text(&made, "id")))).await.expect(204);
    assert_eq!(web.get(&page).await.status, 303, "revoked: out at once");
    assert_eq!(web.post(&page, &[]).await.status, 401);
}

#[tokio::test]
async fn a_post_from_another_site_changes_nothing() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 5).await;
    let web = Web::signed_in(&installation.url(), &tenant.owner_token).await;
    let switch = format!("/console/w/{}/webhooks/{}/switch", tenant.id, tenant.webhook_id);
    let ours = installation.url();
    for headers in [
        vec![("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        vec![("sec-fetch-site", "same-site"), ("origin", ours.as_str())],
        vec![("sec-fetch-site", "none")],
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![],
    ] {
        let answer = web.post_from(&switch, &[("to", "off")], &headers).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        let sign_in = web.post_from("/console/sign-in", &[("token", &tenant.owner_token)], &headers).await;
        assert_eq!((sign_in.status, sign_in.headers.get(SET_COOKIE)), (403, None), "{headers:?}");
    }
    assert_eq!(web.get(&switch).await.status, 404, "a GET changes nothing either");
    let webhook = tenant.owner.get(&tenant.path(&format!("/webhooks/{}", tenant.webhook_id))).await.expect(200);
    assert_eq!(webhook["enabled"], json!(true));
    assert_eq!(web.post_from(&switch, &[("to", "off")], &[("origin", &ours)]).await.status, 303, "ours does");
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_scripts_and_frames_out() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 5).await;
    let web = Web::signed_in(&installation.url(), &tenant.owner_token).await;
    let base = format!("/console/w/{}", tenant.id);
    let page = web.get(&format!("{base}/webhooks")).await;
    let style = page
        .text()
        .split("href=\"")
        .find_map(|rest| rest.split('"').next().filter(|to| to.ends_with(".css")).map(str::to_owned));
    let style = style.expect("a page has a stylesheet");
    for place in [
        format!("{base}/webhooks"),
        format!("{base}/nothing"),
        "/console/sign-in".to_owned(),
        style.clone(),
        format!("{base}/credits/statement.csv"),
    ] {
        let answer = web.get(&place).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{place}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{place}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{place}");
        let cache = answer.header("cache-control").unwrap_or_default();
        assert_eq!(cache.contains("immutable"), place == style, "{place}: {cache}");
        assert_eq!(cache == "no-store", place != style, "{place}: {cache}");
    }
    let text = page.text();
    for inline in [" style=\"", " onclick", "<style", "javascript:", "<script>"] {
        assert!(!text.contains(inline), "{inline}");
    }
    let signed = Web::new(&installation.url()).post("/console/sign-in", &[("token", &tenant.owner_token)]).await;
    let cookie = signed.header("set-cookie").unwrap_or_default();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
}

#[tokio::test]
async fn no_line_end_gets_into_a_header() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 50).await;
    let account = tenant.account(NEVER).await;
    let text = "line\r\nset-cookie: stolen=1\r\n\r\n\u{2028}";
    let body =
        json!({"action": "send", "phone": recipient("1111"), "text": text, "whatsapp account phone": account.phone});
    tenant.call(&body).await.accepted();
    tenant.call(&json!({"action": "send", "chat_name": "a\r\nb: c", "text": "x"})).await.refused(404);
    let mut web = Web::signed_in(&installation.url(), &tenant.owner_token).await;
    let log = web.get(&format!("/console/w/{}/webhooks/{}/activations.log", tenant.id, tenant.webhook_id)).await;
    assert_eq!(log.status, 200);
    let name = format!("attachment; filename=\"activations-{}.log\"", tenant.webhook_id);
    assert_eq!(log.header("content-disposition"), Some(&*name));
    assert!(log.header("set-cookie").is_none() && log.header("b").is_none());
    assert_eq!(log.text().lines().count(), 2, "one line a call, whatever is in it: {}", log.text());
    for place in ["?from=%0d%0aset-cookie:%20x=1", "?to=2026-01-01%0d%0ax:%201"] {
        let answer = web.get(&format!("/console/w/{}/credits/statement.csv{place}", tenant.id)).await;
        assert!(answer.status == 400 && answer.header("set-cookie").is_none(), "{place}");
    }
    web.cookie = None;
    for back in ["/console\r\nset-cookie: x=1", "//evil.example", "https://evil.example", "/\\evil.example"] {
        let form = [("token", tenant.owner_token.as_str()), ("back", back)];
        let answer = web.post("/console/sign-in", &form).await;
        let to = answer.header("location").unwrap_or_default();
        assert!(to.starts_with("/console/w/"), "{back:?} leads to {to}");
        let look = web.post("/console/look", &[("language", "el"), ("theme", "x\r\ny: z"), ("back", back)]).await;
        assert_eq!((look.status, look.header("location")), (303, Some("/console")), "{back:?}");
        assert!(look.header("y").is_none());
    }
}

#[tokio::test]
async fn what_people_write_is_text_on_every_page() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 50).await;
    let account = tenant.account(NEVER).await;
    let evil = "<img src=x onerror=\"window.stolen=1\"><script>window.stolen=1</script>'\"><b id=injected>";
    tenant.chat("evil", &account, json!({"phone": "+302101234567", "name": evil})).await;
    let file = json!({"action": "send", "phone": recipient("1111"), "text": evil, "file_url": "https://example.com/",
                      "file_name": evil.replace('/', "|"), "whatsapp account phone": account.phone});
    let message = tenant.call(&file).await.accepted();
    tenant
        .call(&json!({"action": "send", "chat_name": format!("no {evil}"), "text": evil, evil: 1}))
        .await
        .refused(404);
    tenant
        .owner
        .post(&tenant.path("/tokens"), json!({"role": "auditor", "label": "<b id=injected>x"}))
        .await
        .expect(201);
    tenant.owner.patch(&tenant.path(""), json!({"name": "<b id=injected>\u{202e}evil"})).await.expect(200);

    let browser = signed_in(Kind::DESK, installation, &tenant.owner_token).await;
    let message = message.trim_start_matches("wa_backend:");
    let hook = format!("/webhooks/{}", tenant.webhook_id);
    for rest in [
        "/webhooks",
        &hook,
        "/messages?q=%3Cimg%20src%3Dx",
        &format!("/messages/{message}"),
        "/chats?q=%22%3E%3Cb%20id%3Dinjected%3E",
        "/chats",
        "/chats/evil",
        "/credits",
        "/audit?as_of=%3Cb%20id%3Dinjected%3E",
        "/access",
        "/%3Cb%20id%3Dinjected%3E",
    ] {
        browser.go(&place(installation, &tenant.id, rest)).await;
        browser.until("it is made", "return !!document.querySelector('#live h1')").await;
        let found = "return [window.stolen ?? null, document.querySelectorAll('#injected, main img').length]";
        assert_eq!(browser.run(found, json!([])).await, json!([null, 0]), "{rest}");
        let complaints = browser.complaints().await;
        let own = complaints.iter().filter(|said| !said.contains("404")).count();
        assert_eq!(own, 0, "{rest}: {complaints:?}");
    }
    browser.go(&place(installation, &tenant.id, &hook)).await;
    browser.fill("#try-to", "'\"><b id=injected>").await;
    browser.fill("#try-text", evil).await;
    browser.sees("#try-call", "onerror").await;
    let found = "return [window.stolen ?? null, document.querySelectorAll('#injected, main img').length]";
    assert_eq!(browser.run(found, json!([])).await, json!([null, 0]));
}
