//! The transport against servers that answer, delay, break off and mislead.

use angelia_shared::config::Value as _;
use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::transport::FailReason;
use crate::transport::test_server::{Reply, TestServer, answer, chunked, closed_port};

const SENT: &[u8] = br#"{"messages":[{"id":"wamid.A"}],"contacts":[{"wa_id":"14151231234"}]}"#;
const TRACKER: &str = "wa_backend:3EB0FFFFFFFFFFFFFFFF";

fn client() -> CloudClient {
    // Long enough for a loaded machine to answer on loopback, short enough to wait for in a test.
    let (connect, call) = (Duration::from_millis(700), Duration::from_millis(1500));
    idling(Timeouts { connect, call, upload: call, list: 2 * call, idle: Duration::from_secs(60) })
}

fn idling(timeouts: Timeouts) -> CloudClient {
    let rule = rule("loopback");
    let resolver = ProviderResolver::of_the_system(&rule);
    CloudClient::with(rule, resolver, timeouts).expect("TLS can be set up")
}

fn rule(text: &str) -> ProviderRule {
    ProviderRule::read(text).expect("a rule")
}

fn account(base_url: &str) -> CloudTransport {
    let access = CloudAccess::new(base_url, DEFAULT_VERSION, "15105566777", "EAABtoken").expect("plain settings");
    client().account(access)
}

fn person() -> Recipient {
    Recipient::Person { digits: "14151231234".into() }
}

async fn send_text(base_url: &str) -> Outcome {
    text_by(&account(base_url)).await
}

async fn text_by(transport: &CloudTransport) -> Outcome {
    text_while(transport, || true).await
}

async fn text_while(transport: &CloudTransport, permitted: impl Fn() -> bool + Send + Sync + 'static) -> Outcome {
    transport.send(&person(), &Part::Text { body: "hello".into() }, TRACKER, &Permit::new(permitted)).await
}

fn is_sent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Sent { .. })
}

fn file() -> OutgoingFile {
    OutgoingFile {
        bytes: Bytes::from_static(b"%PDF-1.7 contents"),
        content_type: "application/pdf".into(),
        file_name: "Lebenslauf \"Jörg\".pdf".into(),
    }
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. })
}

fn is_not_connected(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::PutOff { scope: PutOffScope::Connection, .. })
}

#[tokio::test]
async fn a_message_is_one_authorized_post_to_the_accounts_number() {
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "", SENT))).await;
    let outcome = send_text(&server.url("/graph")).await;

    assert!(
        matches!(outcome, Outcome::Sent { provider_id, .. } if provider_id == angelia_shared::wamid::veiled("wamid.A"))
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].head.starts_with("POST /graph/v26.0/15105566777/messages HTTP/1.1\r\n"));
    assert_eq!(requests[0].header("authorization"), Some("Bearer EAABtoken"));
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&requests[0].body).expect("JSON");
    assert_eq!(body["to"], "14151231234");
    assert_eq!(body["biz_opaque_callback_data"], TRACKER);
}

#[tokio::test]
async fn an_upload_is_a_form_with_the_file_and_its_type() {
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "", br#"{"id":"4242"}"#))).await;
    let uploaded = account(&server.url("")).upload(&file()).await;

    assert_eq!(uploaded, Ok(MediaId("4242".into())));
    let requests = server.requests();
    assert_eq!(requests[0].target(), "/v26.0/15105566777/media");
    let form = requests[0].text();
    assert!(form.contains("name=\"messaging_product\"\r\n\r\nwhatsapp\r\n"), "{form}");
    assert!(form.contains("name=\"type\"\r\n\r\napplication/pdf\r\n"), "{form}");
    assert!(form.contains("name=\"file\"; filename=\"Lebenslauf \\\"Jörg\\\".pdf\"\r\n"), "{form}");
    assert!(form.contains("Content-Type: application/pdf\r\n\r\n%PDF-1.7 contents\r\n"), "{form}");
}

#[tokio::test]
async fn a_port_that_refuses_is_put_off_for_the_connection() {
    let port = closed_port();
    let outcome = send_text(&format!("http://127.0.0.1:{port}")).await;
    assert!(is_not_connected(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_put_off_for_the_connection() {
    let outcome = send_text("http://no-such-host.invalid").await;
    assert!(is_not_connected(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn a_tls_handshake_that_fails_or_never_ends_is_put_off_for_the_connection() {
    // The server waits for the end of a request head, which a TLS greeting does not contain: silence.
    let server = TestServer::always(Reply::Close).await;
    let outcome = send_text(&format!("https://127.0.0.1:{}", server.port())).await;
    assert!(is_not_connected(&outcome), "{outcome:?}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let hanging_up = tokio::spawn(async move { listener.accept().await.map(drop) });
    let outcome = send_text(&format!("https://127.0.0.1:{port}")).await;
    assert!(is_not_connected(&outcome), "{outcome:?}");
    hanging_up.await.expect("no panic").expect("one connection");
}

#[tokio::test]
async fn a_connection_closed_after_the_request_is_unknown_and_nothing_is_written_again() {
    let server = TestServer::always(Reply::Close).await;
    let outcome = send_text(&server.url("")).await;
    assert!(is_unknown(&outcome), "{outcome:?}");
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn half_an_answer_is_unknown() {
    for half in [&b"HTTP/1.1 200 OK\r\ncontent-le"[..], b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"mess"] {
        let server = TestServer::always(Reply::Bytes(half.to_vec())).await;
        let outcome = send_text(&server.url("")).await;
        assert!(is_unknown(&outcome), "{outcome:?}");
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn what_is_not_http_is_unknown() {
    let server = TestServer::always(Reply::Bytes(b"220 mail.example ESMTP\r\n".to_vec())).await;
    assert!(is_unknown(&send_text(&server.url("")).await));
}

#[tokio::test]
async fn no_answer_a_slow_answer_and_an_endless_answer_end_as_unknown_within_the_calls_time() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let replies = [
        Reply::Silence,
        Reply::Endless(head.clone(), b"1\r\n \r\n".to_vec(), Duration::from_millis(50)),
        Reply::Endless(head, [b"4000\r\n", vec![b' '; 0x4000].as_slice(), b"\r\n"].concat(), Duration::ZERO),
    ];
    for reply in replies {
        let server = TestServer::always(reply).await;
        let outcome = tokio::time::timeout(Duration::from_secs(10), send_text(&server.url(""))).await;
        assert!(outcome.as_ref().is_ok_and(is_unknown), "{outcome:?}");
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound_and_not_beyond() {
    let mut fitting = SENT.to_vec();
    fitting.resize(ANSWER_BYTES_MAX, b' ');
    let mut over = fitting.clone();
    over.push(b' ');
    for make in [answer, chunked] {
        let server = TestServer::always(Reply::Bytes(make("200 OK", "", &fitting))).await;
        assert!(matches!(send_text(&server.url("")).await, Outcome::Sent { .. }));
        let server = TestServer::always(Reply::Bytes(make("200 OK", "", &over))).await;
        assert!(is_unknown(&send_text(&server.url("")).await));
    }
}

#[tokio::test]
async fn redirects_are_never_followed() {
    let elsewhere = TestServer::always(Reply::Bytes(answer("200 OK", "", SENT))).await;
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let location = format!("location: {}\r\n", elsewhere.url("/"));
        let server = TestServer::always(Reply::Bytes(answer(status, &location, b""))).await;
        let outcome = send_text(&server.url("")).await;
        assert!(is_unknown(&outcome), "{status}: {outcome:?}");
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_graph_error_is_put_off_and_its_retry_after_is_kept() {
    let body = br#"{"error":{"message":"rate","code":130429}}"#;
    let dated = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:44 GMT\r\n";
    for headers in ["retry-after: 7\r\n", dated] {
        let server = TestServer::always(Reply::Bytes(answer("429 Too Many Requests", headers, body))).await;
        let outcome = send_text(&server.url("")).await;
        let wait = Some(Duration::from_secs(7));
        assert!(
            matches!(&outcome, Outcome::PutOff { scope: PutOffScope::Throughput, retry_after, code: Some(130_429), .. } if *retry_after == wait),
            "{outcome:?}"
        );
        assert_eq!(server.connections(), 1, "the caller tries again, not the client");
    }
}

#[tokio::test]
async fn a_lost_upload_is_put_off_because_it_may_be_repeated() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_vec();
    for reply in [Reply::Close, Reply::Silence, Reply::Bytes(cut)] {
        let server = TestServer::always(reply).await;
        let outcome = account(&server.url("")).upload(&file()).await;
        assert!(matches!(outcome, Err(Outcome::PutOff { scope: PutOffScope::Provider, .. })), "{outcome:?}");
        assert_eq!(server.connections(), 1);
    }
    let port = closed_port();
    let outcome = account(&format!("http://127.0.0.1:{port}")).upload(&file()).await;
    assert!(matches!(outcome, Err(Outcome::PutOff { scope: PutOffScope::Connection, .. })), "{outcome:?}");
}

#[tokio::test]
async fn what_this_api_cannot_carry_fails_without_a_call() {
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "", SENT))).await;
    let transport = account(&server.url(""));
    let text = |body: String| Part::Text { body };
    let cases = [
        (Recipient::Hidden { id: "1".into() }, text("a".into()), FailReason::RecipientNotSupported),
        (person(), text("a".repeat(4097)), FailReason::MessageRejected),
        (person(), text(String::new()), FailReason::MessageRejected),
    ];
    for (to, part, expected) in cases {
        let outcome = transport.send(&to, &part, TRACKER, &Permit::new(|| true)).await;
        assert!(matches!(outcome, Outcome::Failed { reason, .. } if reason == expected));
    }
    assert_eq!(server.connections(), 0);
    let longest = transport.send(&person(), &text("€".repeat(4096)), TRACKER, &Permit::new(|| true)).await;
    assert!(matches!(longest, Outcome::Sent { .. }), "{longest:?}");
}

#[test]
fn media_is_shown_inline_only_where_the_api_can() {
    for (content_type, kind) in [
        ("image/jpeg", MediaKind::Image),
        ("image/png", MediaKind::Image),
        ("image/gif", MediaKind::Document),
        ("image/webp", MediaKind::Document),
        ("image/heif", MediaKind::Document),
        ("video/mp4", MediaKind::Video),
        ("video/quicktime", MediaKind::Document),
        ("audio/mpeg", MediaKind::Audio),
        ("audio/opus", MediaKind::Audio),
        ("audio/ogg", MediaKind::Document),
        ("application/pdf", MediaKind::Document),
    ] {
        assert_eq!(CAPABILITIES.kind_of(content_type), kind, "{content_type}");
    }
}

#[test]
fn connecting_ends_well_before_a_call_does() {
    // Otherwise a call that ends while connecting would be told as unknown.
    const { assert!(CONNECT_TIMEOUT.as_millis() < CALL_TIMEOUT.as_millis()) };
    const { assert!(CONNECT_TIMEOUT.as_millis() < UPLOAD_TIMEOUT.as_millis()) };
    assert_eq!(CAPABILITIES.call_timeout, Duration::from_secs(10));
}

mod connections;
mod history;
