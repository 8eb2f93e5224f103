//! The message history.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::harness::{NORMAL, Receiver, SHORT, Sandbox, config, text, world};

const EVENTS: &str = "fields=id,message_id,events{delivery_status,timestamp,error_description}";

/// Asks for the history of number 100; returns status and answer.
async fn ask(sandbox: &Sandbox, query: &str) -> (u16, Value) {
    let response = sandbox.get(&format!("/v26.0/100/message_history?{query}")).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    (response.status().as_u16(), response.json().await.expect("json"))
}

async fn page(sandbox: &Sandbox, query: &str) -> Value {
    let (status, answer) = ask(sandbox, query).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Follows a link of a page, to the letter.
async fn follow(sandbox: &Sandbox, page: &Value, link: &str) -> Value {
    let url = page["paging"][link].as_str().expect("a link");
    assert!(url.starts_with(&format!("{}/v26.0/100/message_history?", sandbox.url)), "{url}");
    let response = sandbox.client.get(url).bearer_auth("token").send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    response.json().await.expect("json")
}

fn ids(page: &Value) -> Vec<&str> {
    let entries = page["data"].as_array().expect("data").iter();
    entries.map(|entry| entry["message_id"].as_str().expect("an id")).collect()
}

/// The events of a page's first entry.
fn events(page: &Value) -> Vec<(&str, u64)> {
    let events = page["data"][0]["events"]["data"].as_array().expect("events").iter();
    events
        .map(|event| {
            (event["delivery_status"].as_str().expect("a word"), event["timestamp"].as_u64().expect("seconds"))
        })
        .collect()
}

fn words(page: &Value) -> Vec<&str> {
    events(page).into_iter().map(|(word, _)| word).collect()
}

/// Waits until the one message of a query has exactly these events.
async fn has(sandbox: &Sandbox, query: &str, expected: &[&str]) -> Value {
    for _ in 0..2_000 {
        let answer = page(sandbox, query).await;
        if words(&answer).len() >= expected.len() {
            assert_eq!(words(&answer), expected);
            return answer;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("{expected:?} do not appear");
}

#[tokio::test]
async fn a_number_without_messages_has_an_empty_history() {
    let world = world().await;
    assert_eq!(page(&world.sandbox, "").await, json!({"data": []}));
}

#[tokio::test]
async fn pages_lead_through_all_messages_and_back_to_the_first() {
    let world = world().await;
    let sandbox = &world.sandbox;
    for n in 0..5 {
        let sends = (0..50).map(|m| async move { sandbox.taken(NORMAL, &format!("m{n}-{m}")).await });
        futures_util::future::join_all(sends).await;
    }
    let mut expected: Vec<String> =
        sandbox.journal().await.iter().map(|line| line["wamid"].as_str().expect("taken").to_owned()).collect();
    expected.reverse();
    assert_eq!(expected.len(), 250);

    let first = page(sandbox, "limit=100").await;
    assert_eq!(first["paging"]["previous"], Value::Null);
    let second = follow(sandbox, &first, "next").await;
    let third = follow(sandbox, &second, "next").await;
    assert_eq!(third["paging"]["next"], Value::Null);
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), expected);

    assert_eq!(follow(sandbox, &third, "previous").await, second);
    assert_eq!(follow(sandbox, &second, "previous").await, first);

    // The same by cursors, which are all that a careful client uses.
    let cursor = |page: &Value, name: &str| page["paging"]["cursors"][name].as_str().expect("a cursor").to_owned();
    let after = cursor(&first, "after").replace('=', "%3D");
    assert_eq!(ids(&page(sandbox, &format!("limit=100&after={after}")).await), ids(&second));
    assert_eq!(page(sandbox, &format!("after={}", cursor(&third, "after"))).await, json!({"data": []}));
    let newest = cursor(&first, "before");
    assert_eq!(page(sandbox, &format!("before={newest}")).await, json!({"data": []}));
    let wamid = sandbox.taken(NORMAL, "later").await;
    assert_eq!(ids(&page(sandbox, &format!("before={newest}")).await), [wamid]);
    assert_eq!(ids(&page(sandbox, "").await).len(), 25);
}

#[tokio::test]
async fn one_message_can_be_asked_for() {
    let world = world().await;
    let sandbox = &world.sandbox;
    sandbox.taken(NORMAL, "m1").await;
    let wamid = sandbox.taken(NORMAL, "m2").await;
    sandbox.taken(NORMAL, "m3").await;
    let found = page(sandbox, &format!("message_id={}", wamid.replace('=', "%3D"))).await;
    assert_eq!(ids(&found), [wamid.as_str()]);
    assert_eq!((&found["paging"]["next"], &found["paging"]["previous"]), (&Value::Null, &Value::Null));
    let (status, error) = ask(sandbox, "message_id=wamid.HBgL").await;
    assert_eq!((status, &error["error"]["code"]), (422, &100.into()));
    assert_eq!(error["error"]["type"], "GraphMethodException");
}

#[tokio::test]
async fn events_appear_as_time_passes_and_only_when_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let receiver = Receiver::start().await;
    let mut delays = SHORT;
    (delays.delivered_ms, delays.read_ms) = (3_600_000, 3_600_000);
    let sandbox = Sandbox::start_with(config(dir.path(), &receiver.url), delays).await;
    let wamid = sandbox.taken(NORMAL, "m1").await;
    receiver.has(&wamid, &["sent"]).await;
    assert_eq!(words(&page(&sandbox, EVENTS).await), ["SENT"], "what is an hour away is not told");
    sandbox.stop().await;
    delays.delivered_ms = 1_000;
    let sandbox = Sandbox::start_with(config(dir.path(), &receiver.url), delays).await;
    receiver.has(&wamid, &["sent", "delivered"]).await;
    let answer = page(&sandbox, EVENTS).await;
    let received_at_ms = sandbox.journal().await[0]["received_at_ms"].as_u64().expect("a time");
    let expected = [("SENT", received_at_ms / 1_000), ("DELIVERED", (received_at_ms + 1_000) / 1_000)];
    assert_eq!(events(&answer), expected, "it is told when it is called back");
    let entry = page(&sandbox, "").await["data"][0].clone();
    assert_eq!(entry, json!({"id": "10", "message_id": wamid}));
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason() {
    let world = world().await;
    world.sandbox.taken("14150000404", "m1").await;
    let answer = has(&world.sandbox, EVENTS, &["FAILED"]).await;
    assert!(answer["data"][0]["events"]["data"][0]["error_description"].is_string(), "{answer}");
}

#[tokio::test]
async fn row_0410_is_in_the_history_and_never_called_back() {
    let mut world = world().await;
    world.sandbox.send("14150000410", "m1").await.expect_err("no answer");
    let wamid = world.sandbox.journal().await[0]["wamid"].as_str().expect("a wamid").to_owned();
    let query = format!("{EVENTS}&message_id={}", wamid.replace('=', "%3D"));
    for round in 0..2 {
        let answer = has(&world.sandbox, &query, &["SENT", "DELIVERED"]).await;
        assert_eq!(ids(&answer), [wamid.as_str()]);
        // A later message of the same number has all its callbacks: this one's do not come.
        let later = world.sandbox.taken(NORMAL, &format!("later {round}")).await;
        world.receiver.has(&later, &["sent", "delivered", "read"]).await;
        assert_eq!(world.receiver.words(&wamid), Vec::<String>::new());
        world = world.restart().await;
    }
}

#[tokio::test]
async fn a_restart_tells_the_same_history() {
    let mut world = world().await;
    world.sandbox.taken(NORMAL, "m1").await;
    world.sandbox.taken("14150000404", "m2").await;
    world.sandbox.send("14150000408", "m3").await.expect_err("no answer");
    world.sandbox.taken("14150000202", "m4").await;
    // Whatever is older than a message that has all its callbacks has had its time, too.
    let last = world.sandbox.taken(NORMAL, "m5").await;
    world.receiver.has(&last, &["sent", "delivered", "read"]).await;
    let before = page(&world.sandbox, &format!("{EVENTS}&limit=3")).await;
    world = world.restart().await;
    let mut after = page(&world.sandbox, &format!("{EVENTS}&limit=3")).await;
    // Only the port has changed.
    let next = after["paging"]["next"].as_str().expect("a link").to_owned();
    assert!(next.starts_with(&world.sandbox.url), "{next}");
    after["paging"]["next"] = before["paging"]["next"].clone();
    assert_eq!(before, after);
}

#[tokio::test]
async fn only_what_was_taken_for_this_number_is_in_its_history() {
    let world = world().await;
    let sandbox = &world.sandbox;
    for to in ["nobody", "14150000500", "14150000503", "14150000429"] {
        assert_ne!(sandbox.send(to, "m1").await.expect("an answer").status(), 200, "{to}");
    }
    sandbox.send("14150000409", "m1").await.expect_err("no answer");
    let url = format!("{}/v26.0/1000/messages", sandbox.url);
    let body = text(NORMAL, "m1").to_string();
    let other = sandbox.client.post(url).bearer_auth("t").body(body).send().await.expect("an answer");
    assert_eq!(other.status(), 200);
    assert_eq!(page(sandbox, "").await["data"], json!([]));
    let taken = [sandbox.taken("14150000429", "m1").await];
    assert_eq!(ids(&page(sandbox, "").await), taken);
    let others: Value = sandbox.get("/v26.0/1000/message_history").await.json().await.expect("json");
    let all: HashSet<&str> = ids(&others).into_iter().chain(taken.iter().map(String::as_str)).collect();
    assert_eq!((ids(&others).len(), all.len()), (1, 2));
}

#[tokio::test]
async fn bad_parameters_are_refused_in_graphs_form() {
    let world = world().await;
    let sandbox = &world.sandbox;
    sandbox.taken(NORMAL, "m1").await;
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=",
        "after=x",
        "before=MAZDZD",
        // Well-formed, but nothing is there: lines 0 and 2.
        "after=MA==",
        "after=Mg==",
        "before=Mg==",
        "after=MQ==&before=MQ==",
        "message_id=X",
        "fields=status",
        "fields=events{",
    ] {
        let (status, answer) = ask(sandbox, query).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &100.into()), "{query}: {answer}");
        assert!(answer["error"]["fbtrace_id"].is_string(), "{answer}");
    }
    assert_eq!(ids(&page(sandbox, "limit=1&after=&before=&fields=&unknown=1").await).len(), 1);
    let response = sandbox.client.post(format!("{}/v26.0/100/message_history", sandbox.url)).send().await;
    assert_eq!(response.expect("an answer").status(), 405);
    assert_eq!(sandbox.get("/v26/100/message_history").await.status(), 404);
    assert_eq!(sandbox.journal().await.len(), 1, "looking is not in the journal");
}

#[tokio::test]
async fn only_the_configured_token_sees_the_history() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(dir.path(), "http://127.0.0.1:9/none");
    config.access_token = Some("right".into());
    let sandbox = Sandbox::start_with(config, SHORT).await;
    let url = format!("{}/v26.0/100/message_history?limit=x", sandbox.url);
    for (token, expected) in [(None, (401, 190)), (Some("wrong"), (401, 190)), (Some("right"), (400, 100))] {
        let mut request = sandbox.client.get(&url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let answer: Value = response.json().await.expect("json");
        assert_eq!((status, answer["error"]["code"].as_u64()), (expected.0, Some(expected.1)), "{token:?}");
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_is_a_server_error() {
    let world = world().await;
    world.sandbox.taken("14150000202", "m1").await;
    let file = OpenOptions::new().write(true).open(world.journal_path()).expect("opened");
    file.set_len(10).expect("cut");
    let (status, answer) = ask(&world.sandbox, "").await;
    assert_eq!((status, &answer["error"]["code"]), (503, &131_016.into()));
}

#[tokio::test]
async fn a_number_that_others_drown_out_has_short_pages_that_lead_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let line = |seq: u64, number: &str, wamid: Option<&str>, padding: usize| {
        let (wamid, answered) = (json!(wamid), if wamid.is_some() { 200 } else { 400 });
        let padding = "x".repeat(padding);
        format!(
            "{{\"seq\":{seq},\"received_at_ms\":5,\"phone_number_id\":\"{number}\",\"to\":null,\"type\":\"text\",\
             \"body\":{{\"p\":\"{padding}\"}},\"tracker\":null,\"wamid\":{wamid},\"answered\":{answered}}}\n"
        )
    };
    let mut journal = line(1, "100", Some("wamid.OLD"), 0);
    journal.extend((2..5_000).map(|seq| line(seq, "200", None, 1_000)));
    journal += &line(5_000, "100", Some("wamid.NEW"), 0);
    std::fs::write(dir.path().join("journal.jsonl"), journal).expect("written");
    let sandbox = Sandbox::start(dir.path(), "http://127.0.0.1:9/none").await;
    let first = page(&sandbox, "").await;
    assert_eq!(ids(&first), ["wamid.NEW"]);
    let second = follow(&sandbox, &first, "next").await;
    assert_eq!((ids(&second), &second["paging"]["next"]), (vec!["wamid.OLD"], &Value::Null));
    let missing = page(&sandbox, "message_id=wamid.OLD").await;
    assert_eq!(missing["data"], json!([]));
    assert_eq!(ids(&follow(&sandbox, &missing, "next").await), ["wamid.OLD"]);
}

/// A page asked for with these bytes as the request's headers.
async fn raw(sandbox: &Sandbox, query: &str, headers: &str) -> Value {
    let address = sandbox.url.strip_prefix("http://").expect("a url");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!(
        "GET /v26.0/100/message_history?{query} HTTP/1.1\r\n{headers}authorization: Bearer t\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("json")
}

#[tokio::test]
async fn links_repeat_what_was_asked_for_under_the_name_that_the_client_used() {
    let world = world().await;
    for tracker in ["m1", "m2", "m3"] {
        world.sandbox.taken("14150000202", tracker).await;
    }
    let query = "fields=id%2Cevents%7Bid%7D&after=Mw==&limit=1&x=a%26b";
    for (headers, origin) in [
        ("host: sandbox.example:8080\r\n", "http://sandbox.example:8080"),
        ("", "http://localhost"),
        ("host: no host\r\n", "http://localhost"),
    ] {
        let answer = raw(&world.sandbox, query, headers).await;
        let same = format!("{origin}/v26.0/100/message_history?fields=id%2Cevents%7Bid%7D&limit=1&x=a%26b");
        assert_eq!(answer["paging"]["next"], format!("{same}&after=Mg%3D%3D"), "{headers:?}");
        assert_eq!(answer["paging"]["previous"], format!("{same}&before=Mg%3D%3D"), "{headers:?}");
    }
}
