//! More clients than there is room for: who is served, who gives up a place, who is told to come back later.

use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Ingress, Tenant, hello};

const A: &str = "+15105566777";
/// Longer than anything here takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

async fn connect(ingress: &Ingress, first: &str) -> TcpStream {
    let mut stream = TcpStream::connect(ingress.url.trim_start_matches("http://")).await.expect("it listens");
    // It may have been displaced before this.
    let _displaced = stream.write_all(first.as_bytes()).await;
    stream
}

fn head(tenant: &Tenant<'_>, length: usize) -> String {
    let path = &tenant.webhook_url[tenant.ingress.url.len()..];
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
}

/// One call on a connection of its own, which it may have to wait for.
async fn fresh_call(tenant: &Tenant<'_>) -> String {
    let body = hello().to_string();
    let mut stream = connect(tenant.ingress, &format!("{}{body}", head(tenant, body.len()))).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.expect("an answer in time").expect("no reset");
    String::from_utf8(answer).expect("text")
}

/// Whether the other side has closed the connection, however.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_millis(1), stream.read_to_end(&mut rest)).await.is_ok()
}

fn signal(ingress: &Ingress, signal: &str) {
    let status = Command::new("kill").args([signal, &ingress.broker.pid().to_string()]).status();
    assert!(status.expect("the system has kill").success());
}

#[tokio::test]
async fn a_crowd_that_says_nothing_or_half_of_it_does_not_keep_calls_out() {
    let ingress = Ingress::with(&[("connections_max", "128")]).await;
    let tenant = Tenant::new(&ingress, 100).await;
    tenant.account(A).await;
    let half_head = "POST /hooks/x HTTP/1.1\r\nHost:";
    let half_body = format!("{}{}", head(&tenant, 65_536), "x".repeat(32_768));
    let mut crowd = Vec::new();
    for number in 0..300 {
        let first = ["", half_head, &half_body][number % 3];
        crowd.push(connect(&ingress, first).await);
    }
    for _ in 0..20 {
        let answer = fresh_call(&tenant).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    let mut closed = 0;
    for stream in &mut crowd {
        closed += usize::from(is_closed(stream).await);
    }
    assert!(closed >= 300 - 128, "{closed} of 300 connections are closed, of which 128 have a place");
    assert_eq!(ingress.accepted().await.len(), 20);
}

#[tokio::test]
async fn below_the_limit_nobody_is_displaced() {
    let ingress = Ingress::with(&[("connections_max", "64")]).await;
    let mut quiet = connect(&ingress, "").await;
    let mut slow = connect(&ingress, "GET /livez HTTP/1.1\r\nHost:").await;
    // Longer than the grace that everybody has.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for _ in 0..40 {
        drop(connect(&ingress, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await);
    }
    for (stream, rest) in [(&mut quiet, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), (&mut slow, " a\r\n\r\n")] {
        stream.write_all(rest.as_bytes()).await.expect("it is still open");
        let mut start = [0; 12];
        let read = tokio::time::timeout(DEADLINE, stream.read_exact(&mut start)).await;
        read.expect("an answer in time").expect("it is still open");
        assert_eq!(&start, b"HTTP/1.1 200");
    }
}

#[tokio::test]
async fn a_call_under_way_keeps_its_place_while_others_give_theirs_up() {
    let ingress = Ingress::with(&[("connections_max", "16")]).await;
    let tenant = Tenant::new(&ingress, 100).await;
    tenant.account(A).await;
    signal(&ingress, "-STOP");
    let calling = fresh_call(&tenant);
    let crowding = async {
        let mut crowd = Vec::new();
        for _ in 0..40 {
            crowd.push(connect(&ingress, "").await);
        }
        for displaced in &mut crowd[..10] {
            let read = tokio::time::timeout(DEADLINE, displaced.read(&mut [0; 1])).await;
            assert!(!matches!(read.expect("closed in time"), Ok(1..)), "it was answered");
        }
        signal(&ingress, "-CONT");
        crowd
    };
    let (answer, _crowd) = tokio::join!(calling, crowding);
    // Stored, or refused after the broker had been silent for too long, but not cut off.
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn when_too_many_calls_wait_for_the_log_the_next_is_refused_before_its_body_comes() {
    let ingress = Ingress::with(&[("waiting_calls_max", "16"), ("body_timeout_s", "300")]).await;
    let tenant = Tenant::new(&ingress, 1_000).await;
    tenant.account(A).await;
    tenant.call(hello()).await.message_id();
    signal(&ingress, "-STOP");
    let mut calls = Vec::new();
    let shed = async {
        loop {
            for _ in 0..64 {
                let body = hello().to_string();
                calls.push(connect(&ingress, &format!("{}{body}", head(&tenant, body.len()))).await);
            }
            let mut probe = connect(&ingress, &head(&tenant, 100)).await;
            let mut answer = Vec::new();
            // Its body never comes, so an answer is one from before it was read.
            if tokio::time::timeout(Duration::from_secs(1), probe.read_to_end(&mut answer)).await.is_ok() {
                return String::from_utf8(answer).expect("text").to_ascii_lowercase();
            }
        }
    };
    let answer = tokio::time::timeout(DEADLINE, shed).await.expect("there is no room at last");
    signal(&ingress, "-CONT");
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    crate::support::until("a call is accepted again", async || tenant.call(hello()).await.status == 200).await;
}

#[tokio::test]
async fn a_head_of_15_kib_is_taken_and_one_of_17_is_not() {
    let ingress = Ingress::start().await;
    for (padding, status) in [(15 * 1024, "200"), (17 * 1024, "431")] {
        let head =
            format!("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Pad: {}\r\n\r\n", "x".repeat(padding));
        let mut stream = connect(&ingress, &head).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        read.expect("an answer in time").expect("no reset");
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}
