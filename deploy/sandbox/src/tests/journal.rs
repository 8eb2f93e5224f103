//! What the journal shows, and uploads.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::harness::{NORMAL, Sandbox, text, world};

async fn upload(sandbox: &Sandbox, phone_number_id: &str, bytes: &[u8]) -> String {
    let form = Form::new()
        .text("messaging_product", "whatsapp")
        .text("type", "image/png")
        .part("file", Part::bytes(bytes.to_vec()).file_name("plän.png").mime_str("image/png").expect("a type"));
    let url = format!("{}/v26.0/{phone_number_id}/media", sandbox.url);
    let response = sandbox.client.post(url).bearer_auth("t").multipart(form).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.expect("json");
    assert_eq!(body.as_object().expect("an object").len(), 1);
    body["id"].as_str().expect("an id").to_owned()
}

fn image(media_id: &str) -> String {
    let mut body = text(NORMAL, "m1");
    body["type"] = "image".into();
    body["image"] = json!({"id": media_id, "caption": "look"});
    body.to_string()
}

#[tokio::test]
async fn a_line_has_the_promised_keys_in_their_order_and_the_body_as_it_was() {
    let world = world().await;
    let pretty = "{\n  \"type\": \"text\",\r\n \"to\": \"14151231234\", \"text\": {\"body\": \"a\\n\\u0062 \"},\n \"n\": 1.50,\
                  \"messaging_product\": \"whatsapp\"}";
    let response = world.sandbox.post(pretty).await.expect("an answer");
    let answer: Value = response.json().await.expect("json");
    let text = world.sandbox.get("/sandbox/journal").await.text().await.expect("a body");
    let line: Value = serde_json::from_str(&text).expect("one line");
    let expected = format!(
        "{{\"seq\":1,\"received_at_ms\":{},\"phone_number_id\":\"100\",\"to\":\"14151231234\",\"type\":\"text\",\
         \"body\":{{\"type\":\"text\",\"to\":\"14151231234\",\"text\":{{\"body\":\"a\\n\\u0062 \"}},\"n\":1.50,\
         \"messaging_product\":\"whatsapp\"}},\"tracker\":null,\"wamid\":{},\"answered\":200}}\n",
        line["received_at_ms"], answer["messages"][0]["id"]
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn after_a_seq_only_later_lines_are_shown() {
    let world = world().await;
    for n in 1..=5 {
        world.sandbox.taken(NORMAL, &format!("m{n}")).await;
    }
    for (after, expected) in [(0, vec![1, 2, 3, 4, 5]), (3, vec![4, 5]), (5, vec![]), (99, vec![])] {
        let response = world.sandbox.get(&format!("/sandbox/journal?after={after}")).await;
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let text = response.text().await.expect("a body");
        let seqs: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line")["seq"].as_u64().expect("a seq"))
            .collect();
        assert_eq!(seqs, expected, "after {after}");
    }
    assert_eq!(world.sandbox.get("/sandbox/journal?after=x").await.status(), 400);
}

#[tokio::test]
async fn an_upload_is_hashed_journaled_and_can_be_sent() {
    let world = world().await;
    let sandbox = &world.sandbox;
    // Larger than any buffer on the way.
    let bytes: Vec<u8> = (0..2 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let media_id = upload(sandbox, "100", &bytes).await;
    assert_eq!(sandbox.post(image(&media_id)).await.expect("an answer").status(), 200);
    let lines = sandbox.journal().await;
    assert_eq!(
        lines[0]["body"],
        json!({"messaging_product": "whatsapp", "type": "image/png", "file_name": "plän.png", "size": 2 << 20, "sha256": sha256})
    );
    assert_eq!((&lines[0]["type"], &lines[0]["to"], &lines[0]["wamid"]), (&"media".into(), &Value::Null, &Value::Null));
    assert_eq!(lines[1]["body"]["image"]["id"], media_id);
    let shown: Value = sandbox.get(&format!("/v26.0/{media_id}")).await.json().await.expect("json");
    assert_eq!(
        shown,
        json!({"messaging_product": "whatsapp", "mime_type": "image/png", "sha256": sha256, "file_size": 2 << 20, "id": media_id})
    );
}

#[tokio::test]
async fn media_that_was_not_uploaded_for_this_number_is_unknown() {
    let world = world().await;
    let foreign = upload(&world.sandbox, "200", b"x").await;
    for id in [foreign.as_str(), "17537000001230", "nothing"] {
        let response = world.sandbox.post(image(id)).await.expect("an answer");
        assert_eq!(response.status(), 400, "{id}");
        let body: Value = response.json().await.expect("json");
        assert_eq!(body["error"]["code"], 100);
    }
    assert_eq!(world.sandbox.get("/v26.0/nothing").await.status(), 400);
}

#[tokio::test]
async fn an_upload_outlives_a_restart() {
    let world = world().await;
    world.sandbox.taken(NORMAL, "m0").await;
    let media_id = upload(&world.sandbox, "100", b"x").await;
    let world = world.restart().await;
    assert_eq!(world.sandbox.post(image(&media_id)).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn many_at_once_get_each_a_line_and_an_id_of_their_own() {
    let world = world().await;
    let sends = (0..200).map(|n| {
        let sandbox = &world.sandbox;
        async move { (n, sandbox.taken(NORMAL, &format!("m{n}")).await) }
    });
    let sent = futures_util::future::join_all(sends).await;
    let lines = world.sandbox.journal().await;
    assert!(lines.iter().zip(1_u64..).all(|(line, seq)| line["seq"] == seq));
    for (n, wamid) in sent {
        let of_tracker: Vec<_> = lines.iter().filter(|line| line["tracker"] == format!("m{n}")).collect();
        assert_eq!(of_tracker.len(), 1);
        assert_eq!(of_tracker[0]["wamid"], wamid);
    }
}

#[tokio::test]
async fn the_page_lists_the_script_and_health_is_ok() {
    let world = world().await;
    let page = world.sandbox.get("/").await.text().await.expect("a body");
    for ending in ["0404", "0500", "0503", "0408", "0409", "0410", "0202", "0429"] {
        assert!(page.contains(ending), "{ending}");
    }
    assert_eq!(world.sandbox.get("/healthz").await.text().await.expect("a body"), "ok\n");
}
