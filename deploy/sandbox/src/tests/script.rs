//! Each row of the script.

use std::io::ErrorKind;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::harness::{NORMAL, Sandbox, statuses, text, until, world};

/// Answered statuses and codes of the same message sent again and again.
async fn answers(sandbox: &Sandbox, to: &str, times: usize) -> Vec<(u16, Option<u64>)> {
    let mut answers = Vec::new();
    for _ in 0..times {
        let response = sandbox.send(to, "m1").await.expect("an answer");
        let status = response.status().as_u16();
        let body: Value = response.json().await.expect("json");
        answers.push((status, body["error"]["code"].as_u64()));
    }
    answers
}

/// Journal answers and whether a wamid was given.
async fn journaled(sandbox: &Sandbox) -> Vec<(Value, bool)> {
    sandbox.journal().await.iter().map(|line| (line["answered"].clone(), line["wamid"].is_string())).collect()
}

/// Nothing more comes: a later message of the same sender has all its statuses, and this one still has none.
async fn nothing_follows(world: &super::harness::World, wamid: &str, words: &[&str]) {
    let later = world.sandbox.taken(NORMAL, "later").await;
    world.receiver.has(&later, &["sent", "delivered", "read"]).await;
    assert_eq!(world.receiver.words(wamid), words);
}

#[tokio::test]
async fn a_normal_message_is_sent_delivered_and_read() {
    let world = world().await;
    let response = world.sandbox.send("+1 415 123 1234", "m1").await.expect("an answer");
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.expect("json");
    let wamid = body["messages"][0]["id"].as_str().expect("a wamid").to_owned();
    let bytes = STANDARD.decode(wamid.strip_prefix("wamid.").expect("its prefix")).expect("base64");
    assert_eq!(&bytes[..3 + NORMAL.len()], [b"\x1c\x18\x0b", NORMAL.as_bytes()].concat(), "it names the recipient");
    assert_eq!(
        body,
        json!({"messaging_product": "whatsapp", "contacts": [{"input": "+1 415 123 1234", "wa_id": NORMAL}],
               "messages": [{"id": wamid, "message_status": "accepted"}]})
    );
    world.receiver.has(&wamid, &["sent", "delivered", "read"]).await;
    let callbacks = world.receiver.taken();
    let value = &callbacks[0]["entry"][0]["changes"][0]["value"];
    assert_eq!(callbacks[0]["object"], "whatsapp_business_account");
    assert_eq!(value["metadata"]["phone_number_id"], "100");
    let sent = &value["statuses"][0];
    assert_eq!((&sent["recipient_id"], &sent["biz_opaque_callback_data"]), (&NORMAL.into(), &"m1".into()));
    let received_at_ms = world.sandbox.journal().await[0]["received_at_ms"].as_u64().expect("a time");
    assert_eq!(sent["timestamp"], (received_at_ms / 1_000).to_string());
}

#[tokio::test]
async fn a_group_is_normal_whatever_its_id_ends_in() {
    let world = world().await;
    let mut body = text("120363000000000404", "m1");
    body["recipient_type"] = "group".into();
    let answer: Value = world.sandbox.post(body.to_string()).await.expect("an answer").json().await.expect("json");
    let wamid = answer["messages"][0]["id"].as_str().expect("a wamid");
    world.receiver.has(wamid, &["sent", "delivered", "read"]).await;
    let callbacks = world.receiver.taken();
    let sent = statuses(&callbacks[0]).next().expect("a status");
    assert_eq!((&sent["recipient_id"], &sent["recipient_type"]), (&"120363000000000404".into(), &"group".into()));
}

#[tokio::test]
async fn row_0404_is_taken_and_fails_with_131026() {
    let world = world().await;
    let wamid = world.sandbox.taken("14150000404", "m1").await;
    world.receiver.has(&wamid, &["failed"]).await;
    let callbacks = world.receiver.taken();
    assert_eq!(statuses(&callbacks[0]).next().expect("a status")["errors"][0]["code"], 131_026);
    nothing_follows(&world, &wamid, &["failed"]).await;
}

#[tokio::test]
async fn row_0500_is_always_refused() {
    let world = world().await;
    assert_eq!(answers(&world.sandbox, "14150000500", 4).await, [(500, Some(131_000)); 4]);
    assert_eq!(journaled(&world.sandbox).await, vec![(json!(500), false); 4]);
}

#[tokio::test]
async fn row_0503_is_refused_twice_and_then_taken() {
    let world = world().await;
    let refused = (503, Some(131_016));
    assert_eq!(answers(&world.sandbox, "14150000503", 4).await, [refused, refused, (200, None), (200, None)]);
    let taken = (json!(200), true);
    assert_eq!(journaled(&world.sandbox).await, [(json!(503), false), (json!(503), false), taken.clone(), taken]);
    let lines = world.sandbox.journal().await;
    world.receiver.has(lines[2]["wamid"].as_str().expect("a wamid"), &["sent", "delivered", "read"]).await;
}

#[tokio::test]
async fn row_0429_is_throttled_once_and_says_when_to_come_back() {
    let world = world().await;
    let response = world.sandbox.send("14150000429", "m0").await.expect("an answer");
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"1".parse().expect("a value")));
    assert_eq!(answers(&world.sandbox, "14150000429", 2).await, [(429, Some(130_429)), (200, None)]);
}

#[tokio::test]
async fn row_0408_closes_before_the_answer_but_was_taken() {
    let world = world().await;
    let error = world.sandbox.send("14150000408", "m1").await.expect_err("no answer");
    assert!(error.status().is_none() && !error.is_timeout(), "{error:?}");
    assert_eq!(journaled(&world.sandbox).await, [(json!("closed"), true)]);
    let wamid = world.sandbox.journal().await[0]["wamid"].as_str().expect("a wamid").to_owned();
    world.receiver.has(&wamid, &["sent", "delivered"]).await;
    nothing_follows(&world, &wamid, &["sent", "delivered"]).await;
}

#[tokio::test]
async fn row_0409_closes_before_the_answer_and_nothing_follows() {
    let world = world().await;
    let error = world.sandbox.send("14150000409", "m1").await.expect_err("no answer");
    assert!(error.status().is_none() && !error.is_timeout(), "{error:?}");
    assert_eq!(journaled(&world.sandbox).await, [(json!("closed"), false)]);
    nothing_follows(&world, "none", &[]).await;
    let callbacks = world.receiver.taken();
    assert!(callbacks.iter().flat_map(statuses).all(|status| status["biz_opaque_callback_data"] == "later"));
}

#[tokio::test]
async fn row_0410_is_taken_and_nobody_is_ever_told() {
    let mut world = world().await;
    let error = world.sandbox.send("14150000410", "m1").await.expect_err("no answer");
    assert!(error.status().is_none() && !error.is_timeout(), "{error:?}");
    assert_eq!(journaled(&world.sandbox).await, [(json!("closed"), true)]);
    let wamid = world.sandbox.journal().await[0]["wamid"].as_str().expect("a wamid").to_owned();
    for _ in 0..2 {
        nothing_follows(&world, &wamid, &[]).await;
        world = world.restart().await;
    }
}

#[tokio::test]
async fn row_0202_is_sent_and_never_delivered() {
    let world = world().await;
    let wamid = world.sandbox.taken("14150000202", "m1").await;
    world.receiver.has(&wamid, &["sent"]).await;
    nothing_follows(&world, &wamid, &["sent"]).await;
}

#[tokio::test]
async fn each_tracker_sees_its_own_script() {
    let world = world().await;
    for tracker in ["a", "b"] {
        let status = world.sandbox.send("14150000429", tracker).await.expect("an answer").status();
        assert_eq!(status, 429, "{tracker}");
    }
    world.sandbox.taken("14150000429", "a").await;
}

fn raw(to: &str) -> Vec<u8> {
    let body = text(to, "m1").to_string();
    let head = format!(
        "POST /v26.0/100/messages HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer t\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

#[tokio::test]
async fn closing_sends_not_one_byte_and_ends_only_that_connection() {
    let world = world().await;
    let address = world.sandbox.url.strip_prefix("http://").expect("a url");
    let mut other = TcpStream::connect(address).await.expect("connected");
    other.write_all(&raw(NORMAL)[..40]).await.expect("written");
    for to in ["14150000408", "14150000409", "14150000410"] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(&raw(to)).await.expect("written");
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert_eq!(answer, b"", "{to}");
    }
    other.write_all(&raw(NORMAL)[40..]).await.expect("written");
    let mut answer = [0; 15];
    other.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn no_status_leaves_before_its_time() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let receiver = super::harness::Receiver::start().await;
    let mut delays = super::harness::SHORT;
    delays.read_ms = 3_600_000;
    let sandbox = Sandbox::start_with(super::harness::config(dir.path(), &receiver.url), delays).await;
    let wamid = sandbox.taken(NORMAL, "m1").await;
    receiver.has(&wamid, &["sent", "delivered"]).await;
    // Long enough for a status that is wrongly due to arrive; a right one is an hour away.
    sleep(Duration::from_millis(50)).await;
    assert_eq!(receiver.words(&wamid), ["sent", "delivered"]);
    until(|| (!receiver.taken().is_empty()).then_some(())).await;
}
