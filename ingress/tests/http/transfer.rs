//! Bytes on the wire: sizes, slow and broken senders, many connections, the end of the server.

use std::time::{Duration, Instant};

use angelia_shared::clock;
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Ingress, Tenant, hello, until};

const A: &str = "+15105566777";

/// A valid body of exactly this size, padded with a field that is ignored.
fn of_size(bytes: usize) -> String {
    let frame = |pad: &str| format!(r#"{{"action":"send","text":"x","phone":"+14151231234","pad":"{pad}"}}"#);
    frame(&"p".repeat(bytes - frame("").len()))
}

fn path_of(tenant: &Tenant<'_>) -> String {
    tenant.webhook_url[tenant.ingress.url.len()..].to_owned()
}

async fn connect(ingress: &Ingress) -> TcpStream {
    TcpStream::connect(ingress.url.trim_start_matches("http://")).await.expect("it listens")
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an end").expect("no reset");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_body_of_64_kib_is_taken_and_one_byte_more_is_not_however_it_is_framed() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    tenant.account(A).await;
    let chunked = |body: String| {
        let pieces: Vec<_> =
            body.as_bytes().chunks(1_000).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        reqwest::Body::wrap_stream(stream::iter(pieces))
    };
    tenant.call_raw(of_size(65_536)).await.message_id();
    tenant.call_raw(chunked(of_size(65_536))).await.message_id();
    let words = "Request body is larger than 65536 bytes";
    tenant.call_raw(of_size(65_537)).await.is_refusal(413, words);
    tenant.call_raw(chunked(of_size(65_537))).await.is_refusal(413, words);
    tenant.call_raw(of_size(3_000_000)).await.is_refusal(413, words);
    assert_eq!(ingress.accepted().await.len(), 2);
}

#[tokio::test]
async fn a_client_that_sends_everything_before_it_reads_still_sees_the_refusal() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let path = path_of(&tenant);
    let piece = "x".repeat(100_000);
    for is_chunked in [false, true] {
        let mut stream = connect(&ingress).await;
        let framing = if is_chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 2000000" };
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        for _ in 0..20 {
            let framed = if is_chunked { format!("{:x}\r\n{piece}\r\n", piece.len()) } else { piece.clone() };
            stream.write_all(framed.as_bytes()).await.expect("no reset while it is sent");
            // Long enough for the answer, and for a reset after it.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = answer(stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("65536 bytes\"}"), "{answer}");
    }
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_the_body_comes() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let path = path_of(&tenant);
    let mut stream = connect(&ingress).await;
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the head is taken");
    let mut start = [0; 13];
    stream.read_exact(&mut start).await.expect("an answer without a body");
    assert_eq!(&start, b"HTTP/1.1 413 ");
}

#[tokio::test]
async fn any_content_type_and_odd_bytes_get_a_clear_answer() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.account(A).await;
    for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded", "x"] {
        let request = ingress.http.post(&tenant.webhook_url).header("content-type", content_type);
        let answer = request.body(hello().to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{content_type}");
    }
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    let bodies: [&[u8]; 8] = [
        b"",
        b"\0",
        b"\xff\xfe",
        b"\"\xc3\x28\"",
        deep.as_bytes(),
        b"{\"action\":\"send\",\"action\":\"send\"}",
        b"null",
        b"{\"action\":\"send\",\"text\":\"\\ud800\",\"phone\":\"1\"}",
    ];
    for body in bodies {
        let answer = tenant.call_raw(body.to_vec()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json()["status"], 400);
    }
    // NUL and control characters in a text are a text.
    tenant.call_raw("{\"action\":\"send\",\"text\":\"a\\u0000\\u0007\",\"phone\":\"1\"}").await.message_id();
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_given_up_and_its_beginning_logged() {
    let ingress = Ingress::with(&[("body_timeout_s", "1")]).await;
    let tenant = Tenant::new(&ingress, 5).await;
    let path = path_of(&tenant);
    let mut stream = connect(&ingress).await;
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{\"action\":");
    let started: Instant = clock::monotonic();
    stream.write_all(head.as_bytes()).await.expect("the head is taken");
    let answer = answer(stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.ends_with(r#"{"status":408,"data":{},"message":"Request body did not arrive in time"}"#),
        "{answer}"
    );
    assert!(started.elapsed() < Duration::from_secs(15));
    let shown = tenant.get(&format!("/webhooks/{}/activations", tenant.webhook_id)).await.expect(200);
    assert_eq!((&shown["items"][0]["status"], &shown["items"][0]["body"]), (&408.into(), &"{\"action\":".into()));
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_of_a_body_sends_nothing_and_harms_nobody() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    tenant.account(A).await;
    let (path, body) = (path_of(&tenant), hello().to_string());
    for _ in 0..20 {
        let mut stream = connect(&ingress).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", body.len(), &body[..10]);
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        drop(stream);
    }
    tenant.call(hello()).await.message_id();
    assert_eq!(ingress.accepted().await.len(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_before_its_answer_leaves_credits_and_log_in_step() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 100).await;
    tenant.account(A).await;
    let (path, body) = (path_of(&tenant), hello().to_string());
    for _ in 0..30 {
        let mut stream = connect(&ingress).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await.expect("the request is taken");
        drop(stream);
    }
    tenant.call(hello()).await.message_id();
    let accepted = ingress.accepted().await.len() as u64;
    assert!((1..=31).contains(&accepted), "{accepted}");
    until("what was accepted is charged", async || {
        tenant.available().await == 100 - ingress.accepted().await.len() as u64
    })
    .await;
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_cut_off() {
    let ingress = Ingress::with(&[("header_timeout_s", "1")]).await;
    let mut stream = connect(&ingress).await;
    stream.write_all(b"POST /hooks/x HTTP/1.1\r\nHost:").await.expect("some of a head");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn one_connection_carries_many_calls() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 50).await;
    tenant.account(A).await;
    let (path, body) = (path_of(&tenant), hello().to_string());
    let mut stream = connect(&ingress).await;
    for _ in 0..20 {
        let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.expect("the connection is kept");
        let mut answer = Vec::new();
        while !answer.ends_with(b"}}") {
            let mut piece = [0; 1_024];
            let count = stream.read(&mut piece).await.expect("the connection is kept");
            assert_ne!(count, 0, "closed after {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..count]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    }
    assert_eq!(ingress.accepted().await.len(), 20);
}

#[tokio::test]
async fn at_shutdown_calls_under_way_are_answered_and_run_returns() {
    let mut ingress = Ingress::start().await;
    let running = ingress.running.take().expect("it runs");
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.account(A).await;
    let (path, body) = (path_of(&tenant), hello().to_string());
    let mut stream = connect(&ingress).await;
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", body.len(), &body[..5]);
    stream.write_all(head.as_bytes()).await.expect("the head is taken");
    tokio::time::sleep(Duration::from_millis(100)).await;
    ingress.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(&body.as_bytes()[5..]).await.expect("it is still read");
    assert!(answer(stream).await.starts_with("HTTP/1.1 200 OK"));
    let ended = tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends");
    assert!(ended.expect("no panic").is_ok());
    assert_eq!(ingress.accepted().await.len(), 1);
    let refused = TcpStream::connect(ingress.url.trim_start_matches("http://")).await;
    assert!(refused.is_err(), "it still listens");
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_says_that_the_connection_ends() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account(A).await;
    for (path, length) in [("/hooks/unknown".to_owned(), 10), (path_of(&tenant), 70_000), ("/nothing".to_owned(), 10)] {
        let mut stream = connect(&ingress).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        let answer = answer(stream).await.to_ascii_lowercase();
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    // One that was read, or had no body, leaves the connection open; so does a call that takes nothing.
    tenant
        .post(&format!("/accounts/{account}/connect"), serde_json::json!({"now": true}))
        .await
        .is_problem(400, "invalid-request");
    for answer in [
        tenant.call_raw("no JSON").await,
        tenant.get("/accounts").await,
        tenant.post(&format!("/accounts/{account}/connect"), serde_json::json!({})).await,
    ] {
        assert_eq!(answer.header("connection"), "", "{}", answer.text());
    }
}
