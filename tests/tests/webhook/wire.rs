//! The bytes on the wire: methods, sizes, types, slow and broken connections.

use std::time::Duration;

use angelia_tests::client::Answer;
use angelia_tests::raw::{Raw, post_head};
use angelia_tests::tenant::{FAST, Tenant, recipient};
use angelia_tests::wait::{SOON, eventually};
use reqwest::Method;
use serde_json::json;

use crate::{body, installation};

const TOO_LARGE: &str = "Request body is larger than 65536 bytes";
const LIMIT: usize = 65_536;

/// The body, filled with white space to this size.
fn padded(bytes: usize) -> String {
    let body = body(json!({})).to_string();
    let fill = " ".repeat(bytes - body.len());
    body + &fill
}

#[tokio::test]
async fn every_other_method_is_405() {
    let tenant = Tenant::new(installation().await, 1).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = Answer::to(tenant.hook.request(method).body("{}")).await.expect("an answer");
        answer.refused_with(405, "Use POST");
    }
    assert_eq!(Answer::to(tenant.hook.request(Method::HEAD)).await.expect("an answer").status, 405);
}

#[tokio::test]
async fn any_content_type_and_none_is_read_as_json() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let kinds = [
        "application/json; charset=utf-16",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "nonsense",
    ];
    for kind in kinds {
        let request = tenant.hook.request(Method::POST).header("content-type", kind).body(body(json!({})).to_string());
        tenant.note(Answer::to(request).await.expect("an answer")).accepted();
    }
    let without = tenant.hook.request(Method::POST).body(body(json!({})).to_string());
    tenant.note(Answer::to(without).await.expect("an answer")).accepted();
}

#[tokio::test]
async fn a_body_of_64_kib_is_taken_and_one_byte_more_refused() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    tenant.note(tenant.hook.call_bytes(padded(LIMIT)).await).accepted();
    tenant.hook.call_bytes(padded(LIMIT + 1)).await.refused_with(413, TOO_LARGE);
    assert_eq!(tenant.wallet().await.consumed, 1);
}

#[tokio::test]
async fn a_chunked_body_is_measured_while_it_comes() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    for (size, status) in [(LIMIT, 200), (LIMIT + 1, 413), (4 * LIMIT, 413)] {
        let mut raw = Raw::to(&tenant.hook.url).await;
        raw.write(&post_head(&tenant.hook.url, &["Transfer-Encoding: chunked"])).await.expect("the head is taken");
        let body = padded(size);
        for chunk in body.as_bytes().chunks(4_000) {
            let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            // The server may have answered and closed.
            if raw.write(&chunk).await.is_err() {
                break;
            }
        }
        let _ = raw.write(b"0\r\n\r\n").await;
        let answer = raw.answer(SOON).await.expect("an answer");
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.body.contains(TOO_LARGE), status == 413, "{answer:?}");
    }
}

#[tokio::test]
async fn an_announced_size_over_the_limit_is_refused_before_the_body_comes() {
    let tenant = Tenant::new(installation().await, 10).await;
    let mut raw = Raw::to(&tenant.hook.url).await;
    raw.write(&post_head(&tenant.hook.url, &["Content-Length: 10000000000"])).await.expect("the head is taken");
    let answer = raw.answer(SOON).await.expect("an answer");
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(answer.body.contains(TOO_LARGE), "{answer:?}");
}

#[tokio::test]
async fn a_connection_that_is_closed_after_an_early_refusal_says_so() {
    let tenant = Tenant::new(installation().await, 10).await;
    let nowhere = format!("{}/hooks/no-such-token", tenant.installation.url());
    for (url, status) in [(&nowhere, 404), (&tenant.hook.url, 413)] {
        let mut raw = Raw::to(url).await;
        raw.write(&post_head(url, &["Content-Length: 70000"])).await.expect("the head is taken");
        raw.write(&[b' '; 70_000]).await.expect("the body is taken");
        let first = raw.answer(SOON).await.expect("an answer");
        assert_eq!(first.status, status, "{first:?}");
        if first.head.contains("connection: close") {
            continue;
        }
        // Clients keep such a connection and send their next call on it.
        raw.write(&post_head(url, &["Content-Length: 0"])).await.expect("the connection is kept");
        let second = raw.answer(SOON).await;
        assert!(second.is_some(), "the connection was closed, and the answer before did not say so: {first:?}");
    }
}

#[tokio::test]
async fn a_slow_body_is_taken_and_holds_nobody_up() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let body_text = body(json!({"phone": recipient("1234")})).to_string();
    let mut raw = Raw::to(&tenant.hook.url).await;
    let length = format!("Content-Length: {}", body_text.len());
    raw.write(&post_head(&tenant.hook.url, &[&length])).await.expect("the head is taken");
    for piece in body_text.as_bytes().chunks(8) {
        raw.write(piece).await.expect("a slow caller is not cut off");
        // Others are served between two bytes of a slow one.
        tenant.hook.call(&json!({})).await.refused(400);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = raw.answer(SOON).await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(tenant.wallet().await.consumed, 1);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up_and_never_accepted() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let body_text = body(json!({})).to_string();
    let mut raw = Raw::to(&tenant.hook.url).await;
    let length = format!("Content-Length: {}", body_text.len() + 1);
    raw.write(&post_head(&tenant.hook.url, &[&length])).await.expect("the head is taken");
    raw.write(body_text.as_bytes()).await.expect("the body is taken");
    let answer = raw.answer(SOON).await;
    assert!(answer.as_ref().is_none_or(|answer| (400..500).contains(&answer.status)), "{answer:?}");
    assert_eq!(tenant.wallet().await.consumed, 0);
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_never_accepted() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let body_text = body(json!({})).to_string();
    // More is announced than comes, although what came is JSON already.
    let length = format!("Content-Length: {}", body_text.len() + 1);
    for headers in [&[length.as_str()][..], &["Transfer-Encoding: chunked"][..]] {
        let mut raw = Raw::to(&tenant.hook.url).await;
        raw.write(&post_head(&tenant.hook.url, headers)).await.expect("the head is taken");
        let chunk = format!("{:x}\r\n{body_text}\r\n", body_text.len());
        let text = if headers[0].starts_with('C') { &body_text } else { &chunk };
        raw.write(text.as_bytes()).await.expect("the body is taken");
        raw.finish().await;
        let answer = raw.answer(SOON).await;
        assert!(answer.as_ref().is_none_or(|answer| (400..500).contains(&answer.status)), "{answer:?}");
    }
    tenant.call(&body(json!({}))).await.accepted();
    assert_eq!(tenant.wallet().await.consumed, 1);
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_breaks_nothing() {
    let tenant = Tenant::new(installation().await, 100).await;
    let account = tenant.account(FAST).await;
    let phone = recipient("1234");
    let body_text = body(json!({"phone": phone, "whatsapp account phone": account.phone})).to_string();
    let length = format!("Content-Length: {}", body_text.len());
    for _ in 0..20 {
        let mut raw = Raw::to(&tenant.hook.url).await;
        raw.write(&post_head(&tenant.hook.url, &[&length])).await.expect("the head is taken");
        raw.write(body_text.as_bytes()).await.expect("the body is taken");
        drop(raw);
    }
    tenant.call(&body(json!({"phone": phone, "whatsapp account phone": account.phone}))).await.accepted();
    // Each was taken or not; what was charged for goes out, once.
    eventually("everything that was charged for is sent", SOON, async || {
        let (wallet, journal) = (tenant.wallet().await, tenant.journal().await);
        let sends = journal.sends_to(&phone).len() as u64;
        if sends == wallet.consumed { Ok(()) } else { Err(format!("{sends} sent, {wallet:?}")) }
    })
    .await;
    tenant.check_log().await;
}

#[tokio::test]
async fn nonsense_on_the_wire_gets_400_or_is_cut_off() {
    let tenant = Tenant::new(installation().await, 10).await;
    tenant.account(FAST).await;
    let head = String::from_utf8(post_head(&tenant.hook.url, &["Transfer-Encoding: chunked"])).expect("a head is text");
    let both = head.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let cases = ["nonsense\r\n\r\n".to_owned(), format!("{head}zz\r\nhello\r\n"), format!("{head}-1\r\n"), both];
    for bytes in cases {
        let mut raw = Raw::to(&tenant.hook.url).await;
        raw.write(bytes.as_bytes()).await.expect("the bytes are taken");
        raw.finish().await;
        let answer = raw.answer(SOON).await;
        assert!(answer.as_ref().is_none_or(|answer| (400..500).contains(&answer.status)), "{bytes:?}: {answer:?}");
    }
    tenant.call(&body(json!({}))).await.accepted();
    assert_eq!(tenant.wallet().await.consumed, 1);
}
