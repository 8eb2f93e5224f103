//! Errors in Graph's form.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::harness::{NORMAL, Sandbox, config, text, world};

/// Checks the form that all errors share; returns status and code.
async fn graph(response: reqwest::Response) -> (u16, u64) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.expect("json");
    let error = &body["error"];
    for key in ["message", "type", "fbtrace_id"] {
        assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {body}");
    }
    (status, error["code"].as_u64().expect("a code"))
}

async fn refused(sandbox: &Sandbox, body: impl Into<reqwest::Body>) -> (u16, u64) {
    graph(sandbox.post(body).await.expect("an answer")).await
}

fn changed(name: &str, value: Value) -> String {
    let mut body = text(NORMAL, "m1");
    body[name] = value;
    body.to_string()
}

fn group(id: String) -> String {
    let mut body = text(&id, "m1");
    body["recipient_type"] = "group".into();
    body.to_string()
}

#[tokio::test]
async fn bad_messages_are_refused_and_journaled() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let rows = [
        ("{\"to\":".to_owned(), (400, 100)),
        ("[]".to_owned(), (400, 100)),
        (String::new(), (400, 100)),
        (changed("to", Value::Null), (400, 100)),
        (changed("to", "nobody".into()), (400, 131_009)),
        (group("g".repeat(256)), (400, 131_009)),
        (changed("type", "template".into()), (400, 131_051)),
        (changed("text", json!({"body": "x".repeat(4_097)})), (400, 100)),
        (changed("messaging_product", "sms".into()), (400, 100)),
        (changed("padding", "x".repeat(300 * 1024).into()), (400, 100)),
        (changed("padding", "x".repeat(3 << 20).into()), (400, 100)),
        (
            "{\"type\":\"image\",\"image\":{\"id\":\"1\"},\"to\":\"1\",\"messaging_product\":\"whatsapp\"}".into(),
            (400, 100),
        ),
    ];
    let sent = rows.len();
    for (body, expected) in rows {
        let shown: String = body.chars().take(80).collect();
        assert_eq!(refused(sandbox, body).await, expected, "{shown}");
    }
    let lines = sandbox.journal().await;
    assert_eq!(lines.len(), sent);
    assert!(lines.iter().all(|line| line["answered"] == 400 && line["wamid"].is_null() && line["body"].is_object()));
    assert_eq!(lines[0]["body"], json!({"raw": "{\"to\":"}));
    assert_eq!(lines[0]["type"], Value::Null);
    assert_eq!((&lines[6]["type"], &lines[6]["to"]), (&"template".into(), &NORMAL.into()));
}

#[tokio::test]
async fn without_a_bearer_token_nothing_is_taken() {
    let world = world().await;
    let url = format!("{}/v26.0/100/messages", world.sandbox.url);
    for authorization in [None, Some(""), Some("Bearer"), Some("Bearer  "), Some("Basic abc"), Some("abc")] {
        let mut request = world.sandbox.client.post(&url).body(text(NORMAL, "m1").to_string());
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let answer = graph(request.send().await.expect("an answer")).await;
        assert_eq!(answer, (401, 190), "{authorization:?}");
    }
    let lines = world.sandbox.journal().await;
    assert!(lines.iter().all(|line| line["answered"] == 401 && line["to"] == NORMAL), "{lines:?}");
    assert_eq!(lines.len(), 6);
}

#[tokio::test]
async fn a_configured_token_is_the_only_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(dir.path(), "http://127.0.0.1:9/none");
    config.access_token = Some("right".into());
    let sandbox = Sandbox::start_with(config, super::harness::SHORT).await;
    let send = async |token: &str| {
        let url = format!("{}/v1.0/100/messages", sandbox.url);
        sandbox
            .client
            .post(url)
            .bearer_auth(token)
            .body(text(NORMAL, "m1").to_string())
            .send()
            .await
            .expect("an answer")
    };
    assert_eq!(graph(send("wrong").await).await, (401, 190));
    assert_eq!(send("right").await.status(), 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_graphs_form() {
    let world = world().await;
    let sandbox = &world.sandbox;
    for path in ["/nothing", "/26.0/100/messages", "/v26/100/messages", "/vx.y/100/media", "/v26.0//messages"] {
        let request = sandbox.client.post(format!("{}{path}", sandbox.url)).bearer_auth("t");
        assert_eq!(graph(request.send().await.expect("an answer")).await, (404, 2500), "{path}");
    }
    assert_eq!(graph(sandbox.get("/v26.0/100/messages").await).await, (405, 100));
    assert_eq!(sandbox.journal().await, Vec::<Value>::new(), "what names no phone number id is not in the journal");
}

async fn upload(sandbox: &Sandbox, form: Form) -> (u16, u64) {
    let url = format!("{}/v26.0/100/media", sandbox.url);
    let request = sandbox.client.post(url).bearer_auth("t").multipart(form);
    graph(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn bad_uploads_are_refused_and_journaled() {
    let world = world().await;
    let sandbox = &world.sandbox;
    let file = |size| Part::bytes(vec![7; size]).file_name("a.pdf");
    let whole = || Form::new().text("messaging_product", "whatsapp").text("type", "application/pdf");
    assert_eq!(upload(sandbox, whole()).await, (400, 100));
    assert_eq!(
        upload(sandbox, Form::new().text("messaging_product", "whatsapp").part("file", file(1))).await,
        (400, 100)
    );
    assert_eq!(upload(sandbox, Form::new().text("type", "a/b").part("file", file(1))).await, (400, 100));
    assert_eq!(upload(sandbox, whole().part("file", file((16 << 20) + 1))).await, (400, 131_053));
    assert_eq!(upload(sandbox, whole().part("file", file(1)).part("file", file(1))).await, (400, 100));
    let url = format!("{}/v26.0/100/media", sandbox.url);
    let no_form = sandbox.client.post(url).bearer_auth("t").body("{}").send().await.expect("an answer");
    assert_eq!(graph(no_form).await, (400, 100));
    let lines = sandbox.journal().await;
    assert_eq!(lines.len(), 6);
    assert!(lines.iter().all(|line| line["answered"] == 400 && line["type"] == "media" && line["to"].is_null()));
    assert_eq!((&lines[0]["body"]["size"], &lines[3]["body"]["size"]), (&Value::Null, &((16 << 20) + 1).into()));
}
