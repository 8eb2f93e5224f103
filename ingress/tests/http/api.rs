//! Changing things through the API: shapes, rules, and what is never shown again.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Ingress, OPERATOR, Tenant, hello, text};

#[tokio::test]
async fn a_workspace_is_made_shown_listed_and_changed() {
    let ingress = Ingress::start().await;
    let answer = ingress.post("/api/v1/workspaces", OPERATOR, json!({"name": "Café"})).await;
    let location = answer.header("location").to_owned();
    let made = answer.expect(201);
    let (id, owner) = (text(&made, "id"), text(&made, "owner_token"));
    assert_eq!(location, format!("{}/api/v1/workspaces/{id}", ingress.url));
    assert_eq!((made["name"].as_str(), made["unknown_policy"].as_str()), (Some("Café"), Some("refund")));
    let path = format!("/api/v1/workspaces/{id}");
    let shown = ingress.get(&path, &owner).await.expect(200);
    assert_eq!((&shown["id"], &shown["low_balance"], shown.get("owner_token")), (&json!(id), &Value::Null, None));

    let change = json!({"name": "Bar", "unknown_policy": "charge", "low_balance": 50});
    let changed = ingress.call(Method::PATCH, &path, &owner, change).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["unknown_policy"], &changed["low_balance"]),
        (&json!("Bar"), &json!("charge"), &json!(50))
    );
    let changed = ingress.call(Method::PATCH, &path, OPERATOR, json!({"low_balance": 0})).await.expect(200);
    assert_eq!((&changed["name"], &changed["low_balance"]), (&json!("Bar"), &Value::Null));

    let mut ids = vec![id];
    for name in ["two", "three"] {
        let made = ingress.post("/api/v1/workspaces", OPERATOR, json!({"name": name})).await.expect(201);
        ids.push(text(&made, "id"));
    }
    let mut listed = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = ingress.get(&format!("/api/v1/workspaces{query}"), OPERATOR).await.expect(200);
        listed.extend(page["items"].as_array().unwrap().iter().map(|item| text(item, "id")));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    ids.sort();
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn problems_name_the_field_and_the_rule() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let rows: [(&str, &str, Value, &str); 11] = [
        ("PATCH", "", json!({"nmae": "x"}), "`nmae` is not known here"),
        ("PATCH", "", json!({"name": ""}), "`name` must not be empty"),
        ("PATCH", "", json!({"name": 5}), "`name` must be a text"),
        ("PATCH", "", json!({"name": "x".repeat(101)}), "`name` must have at most 100 characters"),
        ("PATCH", "", json!({"unknown_policy": "maybe"}), "`unknown_policy` must be \"refund\" or \"charge\""),
        ("PATCH", "", json!({"low_balance": -1}), "`low_balance` must be a whole number from 0 to 1000000000000"),
        ("POST", "/webhooks", json!({"enabled": "yes"}), "`enabled` must be true or false"),
        (
            "POST",
            "/accounts",
            json!({"phone": "12"}),
            "`phone` must be a number of 7 to 15 digits with its country code",
        ),
        ("PUT", "/chats/1", json!({"name": "x"}), "`account_id` is required"),
        ("PUT", "/chats/a.b", json!({}), "`chat_id` must be 1 to 64 of letters, digits, `_` and `-`"),
        (
            "PATCH",
            "",
            json!([1]),
            "the body is not a JSON object: invalid type: sequence, expected an object at line 1 column 0",
        ),
    ];
    for (method, route, body, detail) in rows {
        let answer = ingress.call(method.parse().unwrap(), &tenant.path(route), &tenant.owner, body).await;
        answer.is_problem(400, "invalid-request");
        assert_eq!(answer.json()["detail"], detail);
    }
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=!", "colour=red", "limit=1&limit=2"] {
        tenant.get(&format!("/webhooks?{query}")).await.is_problem(400, "invalid-request");
    }
    let large = json!({"name": "x".repeat(70_000)});
    ingress.call(Method::PATCH, &tenant.path(""), &tenant.owner, large).await.is_problem(413, "too-large");
}

#[tokio::test]
async fn webhooks_are_listed_with_their_urls_and_gone_when_removed() {
    let ingress = Ingress::with(&[("public_url", "https://angelia.example.com/")]).await;
    let tenant = Tenant::new(&ingress, 1).await;
    assert!(tenant.webhook_url.starts_with("https://angelia.example.com/hooks/"), "{}", tenant.webhook_url);
    let token = tenant.webhook_url.rsplit('/').next().unwrap();
    assert!(token.len() >= 32, "at least 128 bits");
    let second = tenant.post("/webhooks", json!({"enabled": false})).await.expect(201);
    assert_eq!(second["enabled"], false);
    let listed = tenant.get("/webhooks").await.expect(200);
    let items = listed["items"].as_array().unwrap();
    assert_eq!((items.len(), &listed["next_cursor"]), (2, &Value::Null));
    assert_eq!(
        (text(&items[0], "id"), text(&items[0], "url")),
        (tenant.webhook_id.clone(), tenant.webhook_url.clone())
    );
    assert_eq!(tenant.get(&format!("/webhooks/{}", text(&second, "id"))).await.expect(200), second);
    assert_eq!(tenant.delete(&format!("/webhooks/{}", text(&second, "id"))).await.status, 204);
    assert_eq!(tenant.get("/webhooks").await.expect(200)["items"].as_array().unwrap().len(), 1);
    tenant.get(&format!("/webhooks/{}", text(&second, "id"))).await.is_problem(404, "not-found");
    // The token is in the log only sealed and hashed.
    let written =
        serde_json::to_string(&ingress.events().await.into_iter().map(|(_, event)| event).collect::<Vec<_>>());
    let written = written.unwrap();
    assert!(!written.contains(token) && !written.contains(&tenant.owner));
}

#[tokio::test]
async fn an_account_goes_from_added_to_connected_to_removed_without_showing_its_secrets() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    let id = tenant.unconnected("+1 (510) 556-6777").await;
    let path = format!("/accounts/{id}");
    let added = tenant.get(&path).await.expect(200);
    let expected = json!({"id": id, "phone": "+15105566777", "transport": "cloud", "state": "disconnected",
        "state_reason": "not connected yet", "paused_until": null, "connected_at": null, "created_at": added["created_at"],
        "pace": {"gap_ms": [1500, 2500], "hourly_cap": null, "daily_cap": null, "quiet_hours": null,
        "recipient_gap_ms": null, "warm_up": null}, "phone_number_id": "id-15105566777", "base_url": "http://127.0.0.1:9",
        "version": "v26.0", "callback_url": format!("{}/callbacks/cloud/{id}", ingress.url), "queued": 0,
        "next_send_at": null});
    assert_eq!(added, expected);
    tenant
        .post(
            "/accounts",
            json!({"phone": "15105566777", "phone_number_id": "2", "access_token": "a", "app_secret": "b",
        "verify_token": "c"}),
        )
        .await
        .is_problem(409, "conflict");

    let connected = tenant.post(&format!("{path}/connect"), Value::Null).await.expect(200);
    assert_eq!((&connected["state"], &connected["state_reason"]), (&json!("connected"), &Value::Null));
    let at = text(&connected, "connected_at");
    let paused =
        json!({"state": "paused", "paused_until": "2030-01-01T00:00:00+02:00", "pace": {"gap_ms": [3000, 4000]}});
    let paused = tenant.patch(&path, paused).await.expect(200);
    assert_eq!((&paused["state"], &paused["paused_until"]), (&json!("paused"), &json!("2029-12-31T22:00:00.000Z")));
    assert_eq!(paused["pace"]["gap_ms"], json!([3000, 4000]));
    let over = json!({"state": "paused", "paused_until": "2020-01-01T00:00:00Z"});
    let over = tenant.patch(&path, over).await.expect(200);
    let shown = (&over["state"], &over["state_reason"], &over["paused_until"]);
    assert_eq!(shown, (&json!("connected"), &Value::Null, &Value::Null), "a pause that is over is none");
    tenant.call(hello()).await.message_id();
    let resumed = tenant.patch(&path, json!({"state": "connected", "access_token": "EAABother"})).await.expect(200);
    assert_eq!((&resumed["state"], &resumed["queued"]), (&json!("connected"), &json!(1)));
    assert_eq!(text(&resumed, "connected_at"), at, "the end of a pause is no new connection");
    let off = tenant.post(&format!("{path}/disconnect"), Value::Null).await.expect(200);
    assert_eq!((&off["state"], &off["state_reason"]), (&json!("disconnected"), &json!("disconnected by its owner")));
    assert_eq!(tenant.get("/accounts").await.expect(200)["items"][0], off);
    assert_eq!(tenant.delete(&path).await.status, 204);
    assert_eq!(tenant.get("/accounts").await.expect(200)["items"], json!([]));
    tenant.post(&format!("{path}/connect"), Value::Null).await.is_problem(404, "not-found");
    // The number is free again.
    tenant.account("+15105566777").await;

    let written =
        serde_json::to_string(&ingress.events().await.into_iter().map(|(_, event)| event).collect::<Vec<_>>());
    let written = written.unwrap();
    for secret in ["EAABtoken", "EAABother", "app-secret-", "verify-me"] {
        assert!(!written.contains(secret) && !off.to_string().contains(secret), "{secret} is in clear");
    }
}

#[tokio::test]
async fn changes_made_at_the_same_time_are_all_kept_or_told_apart() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let id = tenant.account("+15105566777").await;
    let path = format!("/accounts/{id}");
    let edits = (0..8).map(|at| {
        let edit = match at % 2 {
            0 => json!({"pace": {"gap_ms": [2000 + at, 9000]}}),
            _ => json!({"version": format!("v{at}.0")}),
        };
        tenant.patch(&path, edit)
    });
    let mut done = [0; 2];
    for (at, answer) in futures_util::future::join_all(edits).await.into_iter().enumerate() {
        match answer.status {
            200 => done[at % 2] += 1,
            _ => answer.is_problem(409, "conflict"),
        }
    }
    let shown = tenant.get(&path).await.expect(200);
    assert!(done[0] > 0 && done[1] > 0, "{done:?}");
    assert_eq!(shown["pace"]["gap_ms"][1], 9000);
    assert_ne!(shown["version"], "v26.0");
}

#[tokio::test]
async fn grants_add_up_also_while_the_wallet_is_busy() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 100).await;
    tenant.account("+15105566777").await;
    let path = tenant.path("/credits");
    let grant = |credits: u64| ingress.post(&path, OPERATOR, json!({"credits": credits, "reason": "=more"}));
    let calls = futures_util::future::join_all((0..50).map(|_| tenant.call(hello())));
    let grants = futures_util::future::join_all((0..5).map(|_| grant(10)));
    let (calls, grants) = tokio::join!(calls, grants);
    for answer in grants {
        let granted = answer.expect(201);
        assert_eq!(
            (&granted["kind"], &granted["credits"], &granted["reason"]),
            (&json!("grant"), &json!(10), &json!("=more"))
        );
    }
    assert!(calls.iter().all(|answer| answer.status == 200));
    let wallet = tenant.get("/credits").await.expect(200);
    let sums = ["granted", "consumed", "refunded", "available"].map(|field| wallet[field].as_u64().unwrap());
    assert_eq!(sums, [150, 50, 0, 100]);
    for body in [json!({"credits": 0, "reason": "x"}), json!({"credits": 5}), json!({"credits": 1.5, "reason": "x"})] {
        ingress.post(&path, OPERATOR, body).await.is_problem(400, "invalid-request");
    }
    let most = json!({"credits": 1_000_000_000_000_u64, "reason": "x"});
    ingress.post(&path, OPERATOR, most).await.is_problem(409, "conflict");
}

#[tokio::test]
async fn while_the_broker_is_away_changes_are_refused_with_503() {
    let mut ingress = Ingress::start().await;
    let (path, owner) = {
        let tenant = Tenant::new(&ingress, 1).await;
        (tenant.path(""), tenant.owner)
    };
    ingress.broker.kill();
    let request = ingress.http.patch(format!("{}{path}", ingress.url)).bearer_auth(&owner).json(&json!({"name": "x"}));
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    // What is in memory can still be read.
    assert_eq!(ingress.get(&path, &owner).await.expect(200)["name"], "tenant");
}
