//! The check of a link before anything is sent: the same verdict as a message with that link would get.

use angelia_tests::files::{FileServer, PNG};
use angelia_tests::installation::text;
use angelia_tests::tenant::Tenant;
use serde_json::{Value, json};

use crate::{impatient, patient};

async fn checked(tenant: &Tenant<'_>, url: &str) -> Value {
    let checked = tenant.owner.post(&tenant.path("/link-check"), json!({"url": url})).await.expect(200);
    assert_eq!(checked["ok"] == json!(true), checked["reason"].is_null(), "{checked}");
    checked
}

#[tokio::test]
async fn a_link_to_a_file_is_good_and_says_what_it_is() {
    let tenant = Tenant::new(patient().await, 1).await;
    let files = FileServer::start().await;
    let picture = checked(&tenant, &files.url("/file/dot.png")).await;
    let nothing_wrong = json!({
        "ok": true, "content_type": "image/png", "bytes": PNG.len(), "reason": null, "detail": null, "advice": null,
    });
    assert_eq!(picture, nothing_wrong);
    assert_eq!(checked(&tenant, &files.url("/hops/3")).await["content_type"], "application/pdf");
    // Nothing was sent and nothing charged.
    assert_eq!(tenant.wallet().await.consumed, 0);
}

#[tokio::test]
async fn a_link_that_a_message_would_fail_with_says_why_and_what_to_do() {
    let tenant = Tenant::new(patient().await, 1).await;
    let files = FileServer::start().await;
    for (path, reason) in [
        ("/page", "attachment_is_a_web_page"),
        ("/disguised", "attachment_is_a_web_page"),
        ("/status/404", "attachment_link_refused"),
        ("/status/503", "attachment_unavailable"),
        ("/hops/4", "attachment_too_many_redirects"),
        ("/bytes/2097153", "attachment_too_large"),
        ("/stream/2097153", "attachment_too_large"),
        ("/to?http://10.0.0.1/a.pdf", "attachment_address_not_public"),
    ] {
        let found = checked(&tenant, &files.url(path)).await;
        assert_eq!(text(&found, "reason"), reason, "{path}: {found}");
        assert!(!text(&found, "advice").is_empty() && !text(&found, "detail").is_empty(), "{found}");
        assert_eq!((&found["bytes"], &found["content_type"]), (&Value::Null, &Value::Null), "{found}");
    }
    for url in ["not a link", "ftp://example.com/a.pdf", "http://user:secret@example.com/a.pdf"] {
        let found = checked(&tenant, url).await;
        assert_eq!(text(&found, "reason"), "attachment_link_not_valid", "{found}");
        assert!(!found.to_string().contains("secret"), "{found}");
    }
    assert_eq!(files.asked().iter().filter(|asked| asked.contains("503")).count(), 1, "one try, not five");
}

#[tokio::test]
async fn nobody_is_a_way_into_the_own_network() {
    let tenant = Tenant::new(impatient().await, 1).await;
    let files = FileServer::start().await;
    let port = files.url("").rsplit(':').next().expect("a URL with a port").to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "169.254.169.254"] {
        let found = checked(&tenant, &format!("http://{host}:{port}/file/a.pdf")).await;
        assert_eq!(text(&found, "reason"), "attachment_address_not_public", "{host}: {found}");
    }
    assert!(files.asked().is_empty(), "{:?}", files.asked());
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let tenant = Tenant::new(impatient().await, 1).await;
    let path = tenant.path("/link-check");
    let long = format!("http://example.com/{}", "x".repeat(2_048));
    for body in
        [json!({}), json!({"url": ""}), json!({"url": 5}), json!({"url": long}), json!({"url": "a", "uri": "b"})]
    {
        let problem = tenant.owner.post(&path, body).await.problem(400);
        assert!(text(&problem, "detail").contains("ur"), "{problem}");
    }
    let stranger = Tenant::new(impatient().await, 1).await;
    stranger.owner.post(&path, json!({"url": "http://example.com"})).await.problem(404);
}
