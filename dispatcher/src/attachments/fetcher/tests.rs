//! Downloads from servers on loopback that redirect, lie, delay and break off.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::transport::test_server::{Reply, TestServer, answer, chunked, closed_port};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01";
const LOOPBACK: AddressRule = AddressRule { allow_loopback: true };

/// Names that resolve as the test says: each lookup takes the next answer, the last one stays.
#[derive(Default)]
struct Names {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn resolving_to(answers: &[&[&str]]) -> Arc<Names> {
        let parse = |address: &&str| address.parse().expect("an address");
        let answers = answers.iter().map(|addresses| addresses.iter().map(parse).collect()).collect();
        Arc::new(Names { answers: Mutex::new(answers), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic while held").clone()
    }
}

impl Lookup for Names {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.lock().expect("no panic while held").push(host);
        let mut answers = self.answers.lock().expect("no panic while held");
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        std::future::ready(next.ok_or_else(|| io::Error::other("no such name"))).boxed()
    }
}

fn fetcher() -> Fetcher {
    Fetcher::new(LOOPBACK).expect("TLS can be set up")
}

fn hasty_fetcher() -> Fetcher {
    Fetcher::with_timeout(LOOPBACK, Arc::new(SystemLookup), Duration::from_millis(700)).expect("TLS can be set up")
}

async fn fetch_from(reply: Reply, file_name: &str) -> Fetch {
    let server = TestServer::always(reply).await;
    fetcher().fetch(&server.url("/file"), file_name).await
}

fn refused(fetch: &Fetch) -> Option<FailReason> {
    match fetch {
        Fetch::Refused { reason, .. } => Some(*reason),
        Fetch::Fetched(_) | Fetch::Again { .. } => None,
    }
}

fn fetched(fetch: Fetch) -> Attachment {
    match fetch {
        Fetch::Fetched(attachment) => attachment,
        Fetch::Refused { .. } | Fetch::Again { .. } => panic!("no file: {fetch:?}"),
    }
}

fn is_again(fetch: &Fetch) -> bool {
    matches!(fetch, Fetch::Again { .. })
}

fn endless(pause: Duration, chunk: usize) -> Reply {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let piece = [format!("{chunk:x}\r\n").as_bytes(), &vec![b'a'; chunk], b"\r\n"].concat();
    Reply::Endless(head, piece, pause)
}

#[tokio::test]
async fn a_file_is_downloaded_as_it_is() {
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "content-type: image/png\r\n", PNG))).await;
    let file = fetched(fetcher().fetch(&server.url("/a/b.png?sig=1%2F2"), "b.png").await);
    assert_eq!((&file.bytes[..], file.content_type.as_str()), (PNG, "image/png"));

    let requests = server.requests();
    assert!(requests[0].head.starts_with("GET /a/b.png?sig=1%2F2 HTTP/1.1\r\n"));
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
    for name in ["referer", "cookie", "authorization"] {
        assert_eq!(requests[0].header(name), None);
    }
}

#[tokio::test]
async fn a_file_of_exactly_2_mib_is_taken_and_one_byte_more_is_not() {
    let exact = vec![b'a'; 2_097_152];
    let over = vec![b'a'; 2_097_153];
    let until_close = |body: &[u8]| [&b"HTTP/1.0 200 OK\r\n\r\n"[..], body].concat();
    for make in [&answer as &dyn Fn(&str, &str, &[u8]) -> Vec<u8>, &chunked, &|_, _, body| until_close(body)] {
        let taken = fetched(fetch_from(Reply::Bytes(make("200 OK", "", &exact)), "a.txt").await);
        assert_eq!(taken.bytes.len(), 2_097_152);
        let fetch = fetch_from(Reply::Bytes(make("200 OK", "", &over)), "a.txt").await;
        assert_eq!(refused(&fetch), Some(FailReason::AttachmentTooLarge), "{fetch:?}");
    }
}

#[tokio::test]
async fn a_length_over_the_cap_is_refused_before_any_of_it_is_read() {
    // Not one byte of the body ever comes: only the header can be the reason.
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2097153\r\n\r\n".to_vec();
    let fetch = fetch_from(Reply::Endless(head, vec![], Duration::from_secs(1)), "a").await;
    assert_eq!(refused(&fetch), Some(FailReason::AttachmentTooLarge), "{fetch:?}");
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_cap() {
    let fetch = fetch_from(endless(Duration::ZERO, 0x1_0000), "a.txt").await;
    assert_eq!(refused(&fetch), Some(FailReason::AttachmentTooLarge), "{fetch:?}");
}

#[tokio::test]
async fn a_slow_body_and_a_silent_server_end_at_the_trys_time_and_are_tried_again() {
    for reply in [endless(Duration::from_millis(20), 1), Reply::Silence] {
        let server = TestServer::always(reply).await;
        let (fetcher, link) = (hasty_fetcher(), server.url("/"));
        let fetch = tokio::time::timeout(Duration::from_secs(10), fetcher.fetch(&link, "a")).await;
        assert!(fetch.as_ref().is_ok_and(is_again), "{fetch:?}");
    }
}

#[tokio::test]
async fn the_trys_time_counts_over_all_redirects() {
    let server = TestServer::start(|request| match request.target() {
        "/3" => Reply::Silence,
        target => {
            let next = target[1..].parse::<u8>().map_or(1, |n| n + 1);
            Reply::Bytes(answer("302 Found", &format!("location: /{next}\r\n"), b""))
        }
    })
    .await;
    let fetch = hasty_fetcher().fetch(&server.url("/0"), "a").await;
    assert!(is_again(&fetch), "{fetch:?}");
    assert_eq!(server.requests().len(), 4);
}

/// Redirects `/n` to `/n-1` and serves the file at `/0`.
async fn countdown(status: &'static str) -> TestServer {
    TestServer::start(move |request| match request.target()[1..].parse::<u8>() {
        Ok(0) | Err(_) => Reply::Bytes(answer("200 OK", "", PNG)),
        Ok(n) => Reply::Bytes(answer(status, &format!("location: /{}\r\n", n - 1), b"moved")),
    })
    .await
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let server = countdown(status).await;
        assert_eq!(&fetched(fetcher().fetch(&server.url("/3"), "a.png").await).bytes[..], PNG);
        assert_eq!(server.requests().len(), 4);

        let server = countdown(status).await;
        let fetch = fetcher().fetch(&server.url("/4"), "a.png").await;
        assert_eq!(refused(&fetch), Some(FailReason::AttachmentTooManyRedirects), "{fetch:?}");
        assert_eq!(server.requests().len(), 4, "the fifth address is never asked");
    }
}

#[tokio::test]
async fn a_redirect_may_carry_letters_beyond_ascii() {
    let server = TestServer::start(|request| match request.target() {
        "/" => Reply::Bytes(answer("302 Found", "location: /Lebenslauf Jörg.png\r\n", b"")),
        _ => Reply::Bytes(answer("200 OK", "", PNG)),
    })
    .await;
    assert_eq!(&fetched(fetcher().fetch(&server.url("/"), "a.png").await).bytes[..], PNG);
    assert_eq!(server.requests()[1].target(), "/Lebenslauf%20J%C3%B6rg.png");
}

#[tokio::test]
async fn a_redirect_inside_is_refused_and_nobody_is_asked() {
    let cases = [
        ("http://10.0.0.1/", FailReason::AttachmentAddressNotPublic),
        ("http://169.254.169.254/latest/meta-data/", FailReason::AttachmentAddressNotPublic),
        ("//0xa9fea9fe/", FailReason::AttachmentAddressNotPublic),
        ("http://[::ffff:127.0.0.1]/", FailReason::AttachmentAddressNotPublic),
        ("file:///etc/passwd", FailReason::AttachmentLinkNotValid),
        ("http://user:password@example.com/", FailReason::AttachmentLinkNotValid),
    ];
    for (location, reason) in cases {
        let reply = Reply::Bytes(answer("302 Found", &format!("location: {location}\r\n"), b""));
        let fetch = fetch_from(reply, "a").await;
        assert_eq!(refused(&fetch), Some(reason), "{location}: {fetch:?}");
    }
}

#[tokio::test]
async fn loopback_is_refused_unless_it_was_allowed() {
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "", PNG))).await;
    let strict = Fetcher::new(AddressRule::default()).expect("TLS can be set up");
    let port = server.port();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let fetch = strict.fetch(&format!("http://{host}:{port}/"), "a.png").await;
        assert_eq!(refused(&fetch), Some(FailReason::AttachmentAddressNotPublic), "{host}: {fetch:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_is_connected_to_at_the_address_that_was_checked() {
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "", PNG))).await;
    // The second lookup would lead inside: there is none, and the private address beside the good one is not tried.
    let names = Names::resolving_to(&[&["10.255.255.1", "127.0.0.1"], &["10.255.255.1"]]);
    let fetcher = Fetcher::with_lookup(LOOPBACK, Arc::clone(&names) as Arc<dyn Lookup>).expect("TLS can be set up");
    let link = format!("http://files.example:{}/", server.port());
    assert_eq!(&fetched(fetcher.fetch(&link, "a.png").await).bytes[..], PNG);
    assert_eq!(names.asked(), ["files.example"]);
    assert_eq!(server.requests()[0].header("host"), Some(format!("files.example:{}", server.port()).as_str()));
}

#[tokio::test]
async fn a_name_that_changes_to_a_private_address_is_refused_at_the_next_hop() {
    let server = countdown("302 Found").await;
    let names = Names::resolving_to(&[&["127.0.0.1"], &["192.168.0.1"]]);
    let fetcher = Fetcher::with_lookup(LOOPBACK, Arc::clone(&names) as Arc<dyn Lookup>).expect("TLS can be set up");
    let fetch = fetcher.fetch(&format!("http://files.example:{}/1", server.port()), "a.png").await;
    assert_eq!(refused(&fetch), Some(FailReason::AttachmentAddressNotPublic), "{fetch:?}");
    assert_eq!(names.asked().len(), 2, "each hop is looked up and judged anew");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_name_with_only_private_addresses_is_refused_over_http_and_https() {
    for scheme in ["http", "https"] {
        let names = Names::resolving_to(&[&["10.0.0.1", "fd00::1", "::ffff:8.8.8.8"]]);
        let fetcher = Fetcher::with_lookup(AddressRule::default(), names).expect("TLS can be set up");
        let fetch = fetcher.fetch(&format!("{scheme}://files.example/"), "a").await;
        assert_eq!(refused(&fetch), Some(FailReason::AttachmentAddressNotPublic), "{fetch:?}");
    }
}

#[tokio::test]
async fn names_that_are_not_found_and_ports_that_refuse_are_tried_again() {
    let lost = Fetcher::with_lookup(LOOPBACK, Arc::new(Names::default())).expect("TLS can be set up");
    let again = lost.fetch("http://files.example/", "a").await;
    assert_eq!(again, Fetch::Again { detail: "the link's host name was not found".to_owned() });
    let empty = Fetcher::with_lookup(LOOPBACK, Names::resolving_to(&[&[]])).expect("TLS can be set up");
    assert!(is_again(&empty.fetch("http://files.example/", "a").await));
    let again = fetcher().fetch(&format!("http://127.0.0.1:{}/", closed_port()), "a").await;
    assert!(is_again(&again), "{again:?}");
}

#[tokio::test]
async fn a_connection_that_ends_early_is_tried_again() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n\x89PNG".to_vec();
    let cut_chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n\x89PNG".to_vec();
    for reply in [Reply::Close, Reply::Bytes(cut), Reply::Bytes(cut_chunk), Reply::Bytes(b"not http\r\n\r\n".to_vec())]
    {
        let server = TestServer::always(reply).await;
        let fetch = fetcher().fetch(&server.url("/"), "a.png").await;
        assert!(is_again(&fetch), "{fetch:?}");
        assert_eq!(server.connections(), 1, "the caller tries again, not the client");
    }
}

#[tokio::test]
async fn statuses_are_final_or_tried_again() {
    for status in [
        "408 Request Timeout",
        "425 Too Early",
        "429 Too Many Requests",
        "500 Error",
        "502 Bad",
        "503 Busy",
        "504 Late",
        "599 Odd",
    ] {
        let fetch = fetch_from(Reply::Bytes(answer(status, "", b"later")), "a").await;
        assert!(is_again(&fetch), "{status}: {fetch:?}");
    }
    for status in [
        "400 Bad",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "416 Range",
        "451 Law",
        "300 Choices",
        "304 Same",
    ] {
        let fetch = fetch_from(Reply::Bytes(answer(status, "", b"")), "a").await;
        assert_eq!(refused(&fetch), Some(FailReason::AttachmentLinkRefused), "{status}: {fetch:?}");
    }
    let nowhere = fetch_from(Reply::Bytes(answer("302 Found", "", b"")), "a").await;
    assert_eq!(refused(&nowhere), Some(FailReason::AttachmentLinkRefused), "{nowhere:?}");
}

#[tokio::test]
async fn a_web_page_is_refused_by_its_type_or_by_its_contents() {
    let page = b"<!DOCTYPE html><html><title>Sign in</title></html>";
    let cases: [(&str, &[u8]); 4] = [
        ("content-type: text/html; charset=utf-8\r\n", page),
        ("content-type: application/xhtml+xml\r\n", b"anything"),
        ("content-type: image/png\r\n", page),
        ("", page),
    ];
    for (headers, body) in cases {
        let fetch = fetch_from(Reply::Bytes(answer("200 OK", headers, body)), "photo.png").await;
        assert_eq!(refused(&fetch), Some(FailReason::AttachmentIsAWebPage), "{headers}: {fetch:?}");
    }
}

#[tokio::test]
async fn a_real_picture_is_one_whatever_its_server_calls_it() {
    for headers in
        ["content-type: text/plain\r\n", "content-type: application/octet-stream\r\n", "content-type: \r\n", ""]
    {
        let file = fetched(fetch_from(Reply::Bytes(answer("200 OK", headers, PNG)), "a.pdf").await);
        assert_eq!(file.content_type, "image/png", "{headers}");
    }
}

#[tokio::test]
async fn an_empty_file_is_refused() {
    for reply in [answer("200 OK", "", b""), answer("204 No Content", "", b"")] {
        let fetch = fetch_from(Reply::Bytes(reply), "a").await;
        assert_eq!(refused(&fetch), Some(FailReason::AttachmentEmpty), "{fetch:?}");
    }
}

#[tokio::test]
async fn an_encoded_file_is_not_decoded() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    let headers = "content-encoding: gzip\r\ncontent-type: text/plain\r\n";
    let file = fetched(fetch_from(Reply::Bytes(answer("200 OK", headers, gzip)), "a.txt").await);
    assert_eq!((&file.bytes[..], file.content_type.as_str()), (&gzip[..], "application/gzip"));
}

#[tokio::test]
async fn no_detail_repeats_the_link() {
    let server = TestServer::always(Reply::Close).await;
    let secret = "signature-7f3a";
    for link in [
        server.url(&format!("/{secret}")),
        format!("http://{secret}@h/"),
        format!("ftp://{secret}/"),
        format!("http://{secret}.invalid/"),
    ] {
        let shown = format!("{:?}", fetcher().fetch(&link, secret).await);
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Runs one test of this file again in a process whose environment names a proxy for everything.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    let proxy = TestServer::always(Reply::Bytes(answer("502 Bad Gateway", "", b""))).await;
    let url = proxy.url("");
    let run = tokio::task::spawn_blocking(move || {
        let mut again = Command::new(std::env::current_exe().expect("this test's program"));
        again.args(["--exact", "attachments::fetcher::tests::a_file_is_downloaded_as_it_is"]);
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            again.env(name, &url);
        }
        again.env_remove("NO_PROXY").env_remove("no_proxy").output()
    });
    let output = run.await.expect("no panic").expect("the program runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
    assert_eq!(proxy.connections(), 0);
}
