//! Files: how they travel, what they cost, and which are refused.

use angelia_shared::log::digest::sha256;
use angelia_tests::files::{FileServer, PNG};
use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, Tenant, recipient};
use serde_json::{Value, json};

use crate::{impatient, patient};

const LIMIT: usize = 2 * 1024 * 1024;

/// Sends a text with a file, waits for its end, and gives the message with the kinds of what WhatsApp took, in order.
async fn end_of(tenant: &Tenant<'_>, words: &str, url: &str, name: &str) -> (Value, Vec<String>) {
    let account = tenant.account(FAST).await;
    let id = tenant.send_file(&account, &recipient("1234"), words, url, name).await;
    let message = tenant.until(&id, &["delivered", "read", "failed"]).await;
    let journal = tenant.journal().await;
    let kinds = journal.sends_of(&id).iter().map(|line| line.kind.clone()).collect();
    (message, kinds)
}

/// Checks that such a file is refused: nothing goes out, and everything comes back.
async fn refused(tenant: &Tenant<'_>, url: &str) -> String {
    let (message, kinds) = end_of(tenant, "See the file", url, "file.pdf").await;
    assert_eq!((text(&message, "state"), kinds.len()), ("failed", 0), "{url}: {message}");
    tenant.until_refunded(text(&message, "id"), 2).await;
    text(&message, "reason").to_owned()
}

#[tokio::test]
async fn a_picture_travels_with_its_caption_as_one_message() {
    let tenant = Tenant::new(patient().await, 10).await;
    let files = FileServer::start().await;
    let account = tenant.account(FAST).await;
    let id = tenant.send_file(&account, &recipient("1234"), "Look", &files.url("/file/dot.png"), "dot.png").await;
    let message = tenant.until(&id, &["read"]).await;
    assert_eq!((&message["credits"], &message["refunded"]), (&json!(2), &json!(0)));
    let journal = tenant.journal().await;
    let lines = journal.from_number(&account.phone_number_id);
    let kinds: Vec<_> = lines.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(kinds, ["media", "image"], "an upload, then the message");
    let upload = lines[0].body.to_string();
    for told in [sha256(PNG).to_string(), PNG.len().to_string(), "dot.png".to_owned()] {
        assert!(upload.contains(&told), "the upload does not show {told}: {upload}");
    }
    assert_eq!(lines[1].body["image"]["caption"], "Look");
    assert_eq!(files.asked().len(), 1, "the file is fetched once");
    assert_eq!(tenant.wallet().await.available, 8);
    tenant.check_log().await;
}

#[tokio::test]
async fn a_file_alone_has_no_caption_and_costs_one() {
    let tenant = Tenant::new(patient().await, 10).await;
    let files = FileServer::start().await;
    let account = tenant.account(FAST).await;
    let id = tenant.send_file(&account, &recipient("1234"), "", &files.url("/file/a.pdf"), "Report 2026.pdf").await;
    let message = tenant.until(&id, &["delivered", "read"]).await;
    assert_eq!(message["credits"], json!(1));
    let journal = tenant.journal().await;
    let document = &journal.sends_of(&id)[0].body["document"];
    assert_eq!(document["filename"], "Report 2026.pdf");
    assert!(document["caption"].as_str().is_none_or(str::is_empty), "{document}");
}

#[tokio::test]
async fn a_caption_that_is_too_long_and_a_sound_go_out_as_two_messages() {
    let tenant = Tenant::new(patient().await, 10).await;
    let files = FileServer::start().await;
    let long = "x".repeat(1_025);
    let cases = [(long.as_str(), "/file/a.pdf", "a.pdf", "document"), ("Listen", "/file/a.mp3", "a.mp3", "audio")];
    for (words, path, name, kind) in cases {
        let (message, kinds) = end_of(&tenant, words, &files.url(path), name).await;
        assert_eq!((&message["credits"], &message["refunded"]), (&json!(2), &json!(0)), "{message}");
        assert_eq!(kinds, ["text", kind]);
        assert_eq!(message["parts"].as_array().map(Vec::len), Some(2), "{message}");
        let timeline = message["timeline"].as_array().expect("a message has a timeline");
        let of = |event: &str| -> Vec<Value> {
            timeline.iter().filter(|entry| entry["event"] == event).map(|entry| entry["part"].clone()).collect()
        };
        assert_eq!(of("AttemptEnded"), [json!(0), json!(1)], "{message}");
        assert_eq!(of("MessageAccepted"), [Value::Null], "{message}");
    }
    let (_, kinds) = end_of(&tenant, &"x".repeat(1_024), &files.url("/file/a.pdf"), "a.pdf").await;
    assert_eq!(kinds, ["document"], "1,024 characters are a caption");
    tenant.check_log().await;
}

#[tokio::test]
async fn a_text_that_went_out_without_its_file_gives_one_of_two_back() {
    let tenant = Tenant::new(patient().await, 10).await;
    let files = FileServer::start().await;
    let long = "x".repeat(1_025);
    let (message, kinds) = end_of(&tenant, &long, &files.url("/status/404"), "a.pdf").await;
    assert_eq!((text(&message, "state"), kinds), ("failed", vec!["text".to_owned()]), "{message}");
    tenant.until_refunded(text(&message, "id"), 1).await;
    let wallet = tenant.wallet_with_refunds(1).await;
    assert_eq!((wallet.consumed, wallet.available), (2, 9));
    tenant.check_log().await;
}

#[tokio::test]
async fn two_mebibytes_are_taken_and_one_byte_more_refused_counted_while_it_streams() {
    let tenant = Tenant::new(patient().await, 20).await;
    let files = FileServer::start().await;
    for kind in ["bytes", "stream"] {
        let exact = files.url(&format!("/{kind}/{LIMIT}"));
        let (message, kinds) = end_of(&tenant, "", &exact, "big.pdf").await;
        assert_eq!(kinds, ["document"], "{message}");
        refused(&tenant, &files.url(&format!("/{kind}/{}", LIMIT + 1))).await;
    }
    tenant.check_log().await;
}

#[tokio::test]
async fn a_web_page_is_refused_by_its_type_and_by_its_content() {
    let tenant = Tenant::new(patient().await, 20).await;
    let files = FileServer::start().await;
    for path in ["/page", "/disguised"] {
        assert_eq!(refused(&tenant, &files.url(path)).await, "attachment_is_a_web_page", "{path}");
    }
}

#[tokio::test]
async fn a_link_that_says_no_is_refused_at_once_and_one_that_fails_after_five_tries() {
    let tenant = Tenant::new(patient().await, 20).await;
    let files = FileServer::start().await;
    for code in [404, 403, 410] {
        refused(&tenant, &files.url(&format!("/status/{code}"))).await;
    }
    assert_eq!(files.asked().len(), 3, "each was asked for once: {:?}", files.asked());
    refused(&tenant, &files.url("/status/503")).await;
    let tries = files.asked().iter().filter(|asked| asked.contains("503")).count();
    assert_eq!(tries, 5);
    tenant.check_log().await;
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    let tenant = Tenant::new(patient().await, 20).await;
    let files = FileServer::start().await;
    let (message, kinds) = end_of(&tenant, "", &files.url("/hops/3"), "a.pdf").await;
    assert_eq!(kinds, ["document"], "{message}");
    refused(&tenant, &files.url("/hops/4")).await;
}

#[tokio::test]
async fn addresses_of_this_machine_and_its_network_are_refused_without_being_asked() {
    let tenant = Tenant::new(impatient().await, 100).await;
    let files = FileServer::start().await;
    let port = files.url("").rsplit(':').next().expect("a URL with a port").to_owned();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "2130706433",
        "10.0.0.1",
        "169.254.169.254",
    ];
    let urls: Vec<_> = hosts.iter().map(|host| format!("http://{host}:{port}/file/a.pdf")).collect();
    let ends = urls.iter().map(|url| refused(&tenant, url));
    futures_util::future::join_all(ends).await;
    assert!(files.asked().is_empty(), "{:?}", files.asked());
    tenant.check_log().await;
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused_where_only_this_machine_is_allowed() {
    let tenant = Tenant::new(patient().await, 100).await;
    let files = FileServer::start().await;
    for target in [
        "http://10.0.0.1/a.pdf",
        "http://169.254.169.254/latest/meta-data",
        "ftp://127.0.0.1/a.pdf",
        "file:///etc/hosts",
    ] {
        refused(&tenant, &files.url(&format!("/to?{target}"))).await;
    }
}
