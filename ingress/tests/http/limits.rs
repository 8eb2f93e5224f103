//! Rate limits: who is refused, in which order of checks, with which words, and what it costs.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, Ingress, Tenant, hello};

const A: &str = "+15105566777";
/// A window so long that nothing comes back during a test.
const THREE_A_DAY: &str = "3/86400";

/// Calls the webhook as `caller`, through a proxy that is trusted.
async fn call_from(tenant: &Tenant<'_>, caller: &str, body: &str) -> Answer {
    let request = tenant.ingress.http.post(&tenant.webhook_url).header("x-forwarded-for", caller);
    Answer::read(request.body(body.to_owned()).send().await.expect("an answer")).await
}

#[tokio::test]
async fn without_limits_no_answer_speaks_of_them() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.account(A).await;
    for _ in 0..10 {
        let answer = tenant.call(hello()).await;
        answer.message_id();
        assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""));
    }
}

#[tokio::test]
async fn a_webhook_over_its_limit_is_refused_and_charged_nothing_while_another_is_not() {
    let ingress = Ingress::with(&[("rate_per_webhook", THREE_A_DAY)]).await;
    let (tenant, other) = (Tenant::new(&ingress, 10).await, Tenant::new(&ingress, 10).await);
    tenant.account(A).await;
    other.account(A).await;
    for left in [2, 1, 0] {
        let answer = tenant.call(hello()).await;
        answer.message_id();
        assert_eq!(answer.header("ratelimit"), format!("\"webhook\";r={left};t=28800"));
        assert_eq!(answer.header("ratelimit-policy"), "\"webhook\";q=3;w=86400");
    }
    for _ in 0..3 {
        let answer = tenant.call(hello()).await;
        answer.is_refusal(429, "Too many requests");
        let wait: u32 = answer.header("retry-after").parse().expect("seconds");
        assert!((28_000..=28_800).contains(&wait), "{wait}");
        assert_eq!(answer.header("ratelimit"), format!("\"webhook\";r=0;t={wait}"));
        assert_eq!(answer.header("connection"), "", "its body was there, so the connection is kept");
    }
    other.call(hello()).await.message_id();
    assert_eq!((ingress.accepted().await.len(), tenant.available().await), (4, 7));
}

#[tokio::test]
async fn the_rate_comes_after_token_and_switch_and_before_everything_that_the_body_says() {
    let ingress = Ingress::with(&[("rate_per_webhook", THREE_A_DAY)]).await;
    let tenant = Tenant::new(&ingress, 10).await;
    let webhook = format!("/webhooks/{}", tenant.webhook_id);
    // What is refused before is not counted, and not told of limits either.
    tenant.patch(&webhook, json!({"enabled": false})).await.expect(200);
    for _ in 0..5 {
        let answer = tenant.call(hello()).await;
        answer.is_refusal(403, "Webhook is disabled");
        assert_eq!(answer.header("ratelimit"), "");
        let wrong = ingress.http.get(&tenant.webhook_url).send().await.expect("an answer");
        Answer::read(wrong).await.is_refusal(405, "Use POST");
    }
    tenant.patch(&webhook, json!({"enabled": true})).await.expect(200);
    // What is refused after it is counted.
    let bad = tenant.call_raw("no JSON").await;
    assert_eq!((bad.status, bad.header("ratelimit")), (400, "\"webhook\";r=2;t=28800"));
    let large = tenant.call_raw("x".repeat(70_000)).await;
    assert_eq!((large.status, large.header("ratelimit")), (413, "\"webhook\";r=1;t=28800"));
    tenant.call(hello()).await.is_refusal(409, "No active WhatsApp account to send from");
    // From here on it is the rate, whatever the body.
    for body in ["no JSON".to_owned(), "x".repeat(70_000), hello().to_string()] {
        tenant.call_raw(body).await.is_refusal(429, "Too many requests");
    }
    tenant.patch(&webhook, json!({"enabled": false})).await.expect(200);
    tenant.call(hello()).await.is_refusal(403, "Webhook is disabled");
}

#[tokio::test]
async fn a_caller_over_its_limit_is_refused_everywhere_and_others_are_not() {
    let flags = [("rate_per_caller", THREE_A_DAY), ("trusted_proxies", "127.0.0.0/8")];
    let ingress = Ingress::with(&flags).await;
    let (tenant, other) = (Tenant::new(&ingress, 50).await, Tenant::new(&ingress, 50).await);
    tenant.account(A).await;
    other.account(A).await;
    let body = hello().to_string();
    for (tenant, left) in [(&tenant, 2), (&other, 1), (&tenant, 0)] {
        let answer = call_from(tenant, "203.0.113.7", &body).await;
        answer.message_id();
        assert_eq!(answer.header("ratelimit"), format!("\"caller\";r={left};t=28800"));
    }
    // Neither another webhook, nor a forged entry before its own, nor another way to write it is a way out.
    for caller in ["203.0.113.7", "198.51.100.9, 203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7:4711"] {
        call_from(&other, caller, &body).await.is_refusal(429, "Too many requests");
    }
    call_from(&tenant, "203.0.113.8", &body).await.message_id();
    // All addresses of a /64 are one caller, and the next network is another.
    for last in 1..=3 {
        call_from(&tenant, &format!("2001:db8:0:7::{last}"), &body).await.message_id();
    }
    call_from(&tenant, "2001:db8:0:7:ffff::4", &body).await.is_refusal(429, "Too many requests");
    call_from(&tenant, "2001:db8:0:8::1", &body).await.message_id();
}

#[tokio::test]
async fn who_is_not_a_trusted_proxy_cannot_choose_as_whom_it_is_counted() {
    let ingress = Ingress::with(&[("rate_per_caller", THREE_A_DAY)]).await;
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.account(A).await;
    for last in 1..=3 {
        call_from(&tenant, &format!("203.0.113.{last}"), &hello().to_string()).await.message_id();
    }
    call_from(&tenant, "203.0.113.4", &hello().to_string()).await.is_refusal(429, "Too many requests");
}

#[tokio::test]
async fn a_flood_over_the_limit_shows_in_the_activation_log_and_leaves_the_rest_of_it_readable() {
    let ingress = Ingress::with(&[("rate_per_webhook", THREE_A_DAY)]).await;
    let tenant = Tenant::new(&ingress, 10).await;
    for _ in 0..3 {
        tenant.call_raw("no JSON").await.expect(400);
    }
    for _ in 0..300 {
        tenant.call(hello()).await.is_refusal(429, "Too many requests");
    }
    let shown = tenant.get(&format!("/webhooks/{}/activations", tenant.webhook_id)).await.expect(200);
    let of = |status: u16| {
        shown["items"].as_array().expect("a list").iter().filter(|item| item["status"] == status).collect::<Vec<_>>()
    };
    assert_eq!(of(400).len(), 3, "{shown}");
    // Ten at once, and one for each six seconds that the calls took.
    assert!((10..100).contains(&of(429).len()), "{shown}");
    assert_eq!((&of(429)[0]["error"], &of(429)[0]["body"]), (&"Too many requests".into(), &hello().to_string().into()));
}

#[tokio::test]
async fn a_refused_call_is_answered_before_its_body_has_come() {
    let ingress = Ingress::with(&[("rate_per_webhook", "1/86400")]).await;
    let tenant = Tenant::new(&ingress, 10).await;
    tenant.call_raw("no JSON").await.expect(400);
    let path = &tenant.webhook_url[ingress.url.len()..];
    for sent in ["", "{\"action\":"] {
        let mut stream = TcpStream::connect(ingress.url.trim_start_matches("http://")).await.expect("it listens");
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{sent}");
        stream.write_all(head.as_bytes()).await.expect("the head is taken");
        let mut answer = Vec::new();
        // It ends although the body never does: well before that would time out.
        stream.read_to_end(&mut answer).await.expect("no reset");
        let answer = String::from_utf8(answer).expect("text").to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 429 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}
