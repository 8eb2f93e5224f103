//! The provider's list, from servers that page, refuse, break off and mislead.

use super::super::history::PAGES_MAX;
use super::*;
use crate::transport::Taken;

const WAMID: &str = "wamid.HBgLNjAxNzM1MjYyMzMVAgARGBJCNkY5NTBENEU3ODYxQTM3RUQA";

/// A page with one message that was sent at `seconds`, and another page behind it.
fn page(seconds: i64, next: Option<&str>) -> Reply {
    let paging = next.map_or_else(
        || r#"{"cursors":{"after":"last"}}"#.to_owned(),
        |after| format!(r#"{{"cursors":{{"after":"{after}"}},"next":"https://elsewhere.example/"}}"#),
    );
    let events = format!(r#"{{"data":[{{"id":"2","delivery_status":"SENT","timestamp":{seconds}}}]}}"#);
    let entry = format!(r#"{{"id":"1","message_id":"{WAMID}","events":{events}}}"#);
    Reply::KeepOpen(answer("200 OK", "", format!(r#"{{"data":[{entry}],"paging":{paging}}}"#).as_bytes()))
}

async fn taken_from(base_url: &str) -> Result<Vec<Taken>, NoHistory> {
    account(base_url).taken_since(UnixMillis(1_000_000)).await.map(|list| list.taken)
}

fn is_not_now(result: &Result<Vec<Taken>, NoHistory>) -> bool {
    matches!(result, Err(NoHistory::NotNow { .. }))
}

#[tokio::test]
async fn the_list_is_read_page_by_page_from_the_accounts_number() {
    let server = TestServer::start(|request| match request.target() {
        target if target.contains("after=two") => page(1_001, None),
        target if target.contains("after=one") => page(1_002, Some("two")),
        _ => page(1_003, Some("one")),
    })
    .await;
    let taken = taken_from(&server.url("/graph")).await.expect("a list");
    let at: Vec<_> = taken.iter().filter_map(Taken::sent_at).map(|at| at.0 / 1_000).collect();
    assert_eq!(at, [1_003, 1_002, 1_001]);
    assert!(taken.iter().all(|taken| taken.to.as_deref() == Some("60173526233")));
    let requests = server.requests();
    assert_eq!(requests.len(), 3, "where a page says that the next one is elsewhere, nobody goes there");
    for request in requests {
        assert!(request.head.starts_with("GET /graph/v26.0/15105566777/message_history?fields="), "{}", request.head);
        assert_eq!(request.header("authorization"), Some("Bearer EAABtoken"));
    }
}

#[tokio::test]
async fn a_page_that_is_older_throughout_ends_the_list() {
    let server = TestServer::start(|request| match request.target() {
        target if target.contains("after=one") => page(999, Some("two")),
        _ => page(1_003, Some("one")),
    })
    .await;
    assert_eq!(taken_from(&server.url("")).await.map(|taken| taken.len()), Ok(2));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_list_without_end_is_read_for_so_many_pages() {
    let server = TestServer::always(page(1_003, Some("again"))).await;
    assert_eq!(taken_from(&server.url("")).await.map(|taken| taken.len()), Ok(PAGES_MAX));
    assert_eq!(server.requests().len(), PAGES_MAX);
}

#[tokio::test]
async fn one_page_that_fails_leaves_no_half_a_list() {
    let server = TestServer::start(|request| match request.target() {
        target if target.contains("after=one") => Reply::Close,
        _ => page(1_003, Some("one")),
    })
    .await;
    assert!(is_not_now(&taken_from(&server.url("")).await));
}

#[tokio::test]
async fn whatever_is_no_answer_is_not_now() {
    let longer = format!(r#"{{"data":[],"filler":"{}"}}"#, "x".repeat(ANSWER_BYTES_MAX));
    let endless = Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n{".to_vec(), b" ".to_vec(), Duration::from_millis(100));
    let replies = [
        Reply::Close,
        Reply::Silence,
        endless,
        Reply::Bytes(answer("200 OK", "", longer.as_bytes())),
        Reply::Bytes(answer("200 OK", "", b"<html>")),
        Reply::Bytes(answer("302 Found", "location: http://127.0.0.1:1/\r\n", b"")),
        Reply::Bytes(answer("503 Service Unavailable", "", br#"{"error":{"code":131016,"message":"m"}}"#)),
    ];
    for (case, reply) in replies.into_iter().enumerate() {
        let server = TestServer::always(reply).await;
        let result = taken_from(&server.url("")).await;
        assert!(is_not_now(&result), "case {case}: {result:?}");
        assert_eq!(server.requests().len(), 1, "case {case}");
    }
    assert!(is_not_now(&taken_from(&format!("http://127.0.0.1:{}", closed_port())).await));
}

#[tokio::test]
async fn a_token_without_the_right_is_told_apart() {
    let refused = br#"{"error":{"message":"(#200) no permission","type":"OAuthException","code":200}}"#;
    let server = TestServer::always(Reply::Bytes(answer("403 Forbidden", "", refused))).await;
    let result = taken_from(&server.url("")).await;
    assert_eq!(result, Err(NoHistory::NotOffered { detail: "code 200; (#200) no permission".to_owned() }));
}

#[tokio::test]
async fn a_list_at_an_address_that_is_not_public_is_not_asked_for() {
    let server = TestServer::always(page(1_003, None)).await;
    let rule = rule("");
    let resolver = ProviderResolver::of_the_system(&rule);
    let limit = Duration::from_secs(5);
    let timeouts = Timeouts { connect: limit, call: limit, upload: limit, list: limit, idle: limit };
    let client = CloudClient::with(rule, resolver, timeouts).expect("TLS can be set up");
    let access = CloudAccess::new(&server.url(""), DEFAULT_VERSION, "1", "EAABtoken").expect("plain settings");
    assert!(is_not_now(&client.account(access).taken_since(UnixMillis(0)).await.map(|list| list.taken)));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_list_that_comes_page_by_slow_page_ends_in_time() {
    let pause = Duration::from_millis(400);
    let server = TestServer::start(move |_| {
        std::thread::sleep(pause);
        page(1_003, Some("again"))
    })
    .await;
    let began = clock::monotonic();
    assert!(is_not_now(&taken_from(&server.url("")).await));
    // Each page is in time by itself, and all of them would take eight seconds.
    assert!(began.elapsed() < pause * 10);
}

#[tokio::test]
async fn the_list_says_what_the_providers_clock_showed() {
    let body = br#"{"data":[]}"#;
    for (header, at) in
        [("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Some(784_111_777_000)), ("", None), ("date: soon\r\n", None)]
    {
        let server = TestServer::always(Reply::Bytes(answer("200 OK", header, body))).await;
        let list = account(&server.url("")).taken_since(UnixMillis(0)).await.expect("a list");
        assert_eq!(list.clock.map(|clock| clock.at.0), at, "{header}");
    }
}
