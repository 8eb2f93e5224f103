//! `send` and `tail`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use angelia_tests::installation::text;
use angelia_tests::tenant::recipient;
use angelia_tests::wait::{LATER, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::{Typed, installation};

#[tokio::test]
async fn a_message_is_sent_and_its_id_printed() {
    let phone = recipient("1234");
    let id = Typed::at_demo(&["send", "Hello", "--to", &phone]).await.prints().await;
    let owner = installation().await.demo_owner();
    let path = format!("/workspaces/{}/messages/{}", installation().await.quickstart().workspace_id, id.trim());
    assert_eq!(owner.get(&path).await.expect(200)["to"], phone);
}

#[tokio::test]
async fn one_key_sends_one_message_however_often_it_is_typed() {
    let phone = recipient("1234");
    let words = ["send", "Hello", "--phone", &phone, "--key", "typed twice", "--json"];
    let first = Typed::at_demo(&words).await.json().await;
    assert_eq!(text(&first, "idempotency_key"), "typed twice");
    assert_eq!(Typed::at_demo(&words).await.json().await, first);
    let other = ["send", "Bye", "--phone", &phone, "--key", "typed twice"];
    let (_, said) = Typed::at_demo(&other).await.ends_with(1).await;
    assert!(said.contains("422") && said.contains("Idempotency-Key"), "{said}");
    // Without a key each line is a message of its own.
    let words = ["send", "Hello", "--phone", &phone];
    assert_ne!(Typed::at_demo(&words).await.prints().await, Typed::at_demo(&words).await.prints().await);
}

#[tokio::test]
async fn whoever_waits_is_told_what_became_of_it() {
    let good = recipient("1234");
    let sent = Typed::at_demo(&["send", "Hello", "--to", &good, "--wait", "--json"]).await.json().await;
    assert!(["sent", "delivered", "read"].contains(&text(&sent, "state")), "{sent}");
    // No number at all: it fails without a call.
    let (_, said) = Typed::at_demo(&["send", "Hello", "--to", "12", "--wait"]).await.ends_with(1).await;
    assert!(said.contains("was not sent"), "{said}");
    let demo = installation().await.quickstart();
    let account = format!("/workspaces/{}/accounts/{}", demo.workspace_id, demo.account_id);
    let chats = Typed::at_demo(&["send", "Hello", "--chat-id", &demo.chat_id, "--wait"]).await.prints().await;
    assert!(chats.starts_with("wa_backend:3EB0"), "{chats}");
    installation().await.demo_owner().get(&account).await.expect(200);
}

#[tokio::test]
async fn a_text_comes_from_standard_input_and_what_is_refused_says_why() {
    let mut typed = Typed::at_demo(&["send", "-", "--to", &recipient("1234")]).await;
    typed.0.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = typed.0.spawn().expect("the program can be started");
    child.stdin.take().expect("it is piped").write_all("two\nlines\n".as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let (_, said) = Typed::at_demo(&["send", "", "--to", "+14151231234"]).await.ends_with(1).await;
    assert!(said.contains("400") && said.contains("`text`"), "{said}");
    let (_, said) = Typed::at_demo(&["send", "Hello", "--chat-id", "no-such-chat"]).await.ends_with(1).await;
    assert!(said.contains("404") && said.contains("Chat not found"), "{said}");
    // Two recipients, or none, are no command.
    Typed::at_demo(&["send", "Hello"]).await.ends_with(64).await;
    Typed::at_demo(&["send", "Hello", "--to", "1", "--chat-id", "1"]).await.ends_with(64).await;
    Typed::at_demo(&["send", "--to", "1"]).await.ends_with(64).await;
}

#[tokio::test]
async fn what_happens_to_messages_is_printed_as_it_happens() {
    let phone = recipient("1234");
    let before = Typed::at_demo(&["send", "before", "--to", &phone, "--wait"]).await.prints().await;
    let before = before.split_whitespace().next().expect("an id").to_owned();
    let newest = Typed::at_demo(&["tail", "-n", "100", "--no-follow", "--json"]).await.json_lines().await;
    let of_before = newest.iter().filter(|event| event["message_id"] == before.as_str());
    let events: Vec<_> = of_before.map(|event| text(event, "event").to_owned()).collect();
    assert_eq!(events[..3], ["MessageAccepted", "AttemptStarted", "AttemptEnded"], "{events:?}");
    let demo = installation().await;
    let path = format!("/workspaces/{}/messages/{before}", demo.quickstart().workspace_id);
    // From then on nothing happens to it any more.
    eventually("the first message is read", LATER, async || {
        let seen = demo.demo_owner().get(&path).await.expect(200);
        if seen["state"] == "read" { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    assert!(Typed::at_demo(&["tail", "-n", "0", "--no-follow"]).await.prints().await.is_empty());

    let mut typed = Typed::at_demo(&["tail", "-n", "0", "--json"]).await;
    let mut child = typed.0.stdout(Stdio::piped()).spawn().expect("the program can be started");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let (lines, mut printed) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    // It has to know what was there before.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let id = Typed::at_demo(&["send", "after", "--to", &phone]).await.prints().await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event| event != "MessageRead") {
        let next = tokio::time::timeout(crate::WITHIN, printed.recv()).await;
        let line = next.unwrap_or_else(|_| panic!("only {seen:?}")).expect("it goes on");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_ne!(event["message_id"], json!(before), "what was there before is not news: {event}");
        if event["message_id"] == id.trim() {
            assert_eq!(event["to"], phone.as_str());
            seen.push(text(&event, "event").to_owned());
        }
    }
    assert_eq!(seen.iter().filter(|event| *event == "MessageAccepted").count(), 1, "each once: {seen:?}");
    assert_eq!(seen.first().map(String::as_str), Some("MessageAccepted"), "in order: {seen:?}");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), Signal::SIGINT).expect("it runs");
    let ended = child.wait().expect("it ends");
    assert!(ended.success(), "Ctrl-C is the way to end it: {ended}");
}

/// A server that answers a call with each of these statuses in turn, then with what `body` says; gives its URL and what it
/// was asked: method, path and idempotency key.
async fn server(statuses: &'static [u16], body: serde_json::Value) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    let noted = Arc::clone(&asked);
    let answer = async move |request: axum::extract::Request| {
        let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        let status = statuses.get(noted.len()).copied().unwrap_or(200);
        noted.push(format!("{} {} {key}", request.method(), request.uri().path()));
        (axum::http::StatusCode::from_u16(status).expect("a status"), axum::Json(body.clone()))
    };
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_not_answered_is_repeated_with_the_same_key() {
    let success = json!({"status": "success", "data": {"message_id": "wa_backend:3EB00000000000000001"}});
    let (url, asked) = server(&[503, 500], success).await;
    let sent = Typed::bare(&["send", "Hello", "--to", "1", "--webhook-url", &format!("{url}/hooks/x")]).prints().await;
    assert_eq!(sent, "wa_backend:3EB00000000000000001\n");
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[0].starts_with("POST /hooks/x cli-") && asked.iter().all(|call| *call == asked[0]), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_repeated_and_a_redirect_not_followed() {
    for status in [&[402_u16][..], &[307][..]] {
        let (url, asked) = server(status, json!({"message": "no\u{1b}[2J"})).await;
        let typed = Typed::bare(&["send", "Hello", "--to", "1", "--webhook-url", &url]);
        let (_, said) = typed.ends_with(1).await;
        assert!(said.contains(&status[0].to_string()) && !said.contains('\u{1b}'), "{said}");
        assert_eq!(asked.lock().unwrap_or_else(PoisonError::into_inner).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_stays_while_the_server_is_away_and_goes_when_it_refuses() {
    let (url, asked) = server(&[200, 503, 503, 401], json!({"items": [], "next_cursor": null})).await;
    let words = ["tail", "--api-url", &url, "--token", "x", "--workspace", "y"];
    let (_, said) = Typed::bare(&words).ends_with(1).await;
    assert_eq!(said.matches("trying again").count(), 2, "{said}");
    assert!(said.lines().last().is_some_and(|last| last.contains("401")), "{said}");
    assert_eq!(asked.lock().unwrap_or_else(PoisonError::into_inner).len(), 4);
}
