//! Callbacks to receivers that are slow, down or unwilling, and the end of the server.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::harness::{NORMAL, Sandbox, config, statuses, until, world};
use crate::shell::courier::CallbackError;
use crate::shell::serve::{ServeError, serve};

#[tokio::test]
async fn a_refused_callback_is_sent_again_until_it_is_taken_and_keeps_its_order() {
    let world = world().await;
    world.receiver.answer(500);
    let wamid = world.sandbox.taken(NORMAL, "m1").await;
    until(|| (world.receiver.refused().len() >= 4).then_some(())).await;
    let refused = world.receiver.refused();
    assert!(refused.iter().flat_map(statuses).all(|status| status["status"] == "sent"), "nothing overtakes");
    assert!(refused.iter().all(|body| *body == refused[0]), "a repeated callback says the same");
    world.receiver.answer(204);
    world.receiver.has(&wamid, &["sent", "delivered", "read"]).await;
}

#[tokio::test]
async fn a_redirect_is_no_delivery() {
    let world = world().await;
    world.receiver.answer(307);
    let wamid = world.sandbox.taken("14150000202", "m1").await;
    until(|| (world.receiver.refused().len() >= 2).then_some(())).await;
    world.receiver.answer(200);
    world.receiver.has(&wamid, &["sent"]).await;
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_everything_when_it_comes_up() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let sandbox = Sandbox::start(dir.path(), &format!("http://{address}/callbacks")).await;
    sandbox.taken("14150000202", "m1").await;
    let listener = TcpListener::bind(address).await.expect("the port again");
    let (mut stream, _) = timeout(Duration::from_secs(20), listener.accept()).await.expect("in time").expect("a call");
    let mut head = [0; 22];
    stream.read_exact(&mut head).await.expect("a request");
    assert_eq!(&head, b"POST /callbacks HTTP/1");
}

#[tokio::test]
async fn what_waits_together_leaves_in_batches_of_one_phone_number_id() {
    let world = world().await;
    world.receiver.answer(500);
    for n in 0..120 {
        world.sandbox.taken("14150000202", &format!("m{n}")).await;
    }
    let url = format!("{}/v26.0/200/messages", world.sandbox.url);
    let body = super::harness::text("14150000202", "other").to_string();
    let other = world.sandbox.client.post(url).bearer_auth("t").body(body).send().await.expect("an answer");
    assert_eq!(other.status(), 200);
    // Once a full batch was refused, the next one is full too.
    until(|| world.receiver.refused().iter().any(|body| statuses(body).count() == 100).then_some(())).await;
    world.receiver.answer(200);
    until(|| (world.receiver.taken().iter().flat_map(statuses).count() == 121).then_some(())).await;
    let taken = world.receiver.taken();
    assert!(taken.iter().all(|body| statuses(body).count() <= 100));
    assert!(taken.len() < 30, "{} requests", taken.len());
    for body in &taken {
        let of_other = body["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] == "200";
        assert!(statuses(body).all(|status| (status["biz_opaque_callback_data"] == "other") == of_other));
    }
}

#[tokio::test]
async fn a_bad_callback_url_is_refused_at_start() {
    for url in ["", "nothing", "ftp://example.org/", "/callbacks"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ended = serve(listener, config(dir.path(), url), Default::default()).await;
        assert!(matches!(ended, Err(ServeError::Callback(CallbackError::Url))), "{url}");
    }
}

#[tokio::test]
async fn stopping_finishes_requests_in_progress_and_does_not_wait_for_idle_or_hanging_ones() {
    let world = world().await;
    let address = world.sandbox.url.strip_prefix("http://").expect("a url");
    let body = super::harness::text(NORMAL, "m1").to_string();
    let head = |length| {
        format!(
            "POST /v26.0/100/messages HTTP/1.1\r\nhost: s\r\nauthorization: Bearer t\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let _idle = world.sandbox.taken(NORMAL, "m0").await;
    let mut hanging = TcpStream::connect(address).await.expect("connected");
    hanging.write_all(head(100).as_bytes()).await.expect("written");
    let mut finishing = TcpStream::connect(address).await.expect("connected");
    finishing.write_all((head(body.len()) + &body[..10]).as_bytes()).await.expect("written");
    // The server has begun with all of them when a later one was answered.
    let wamid = world.sandbox.taken(NORMAL, "m2").await;
    world.receiver.has(&wamid, &["sent", "delivered", "read"]).await;
    world.sandbox.shutdown.cancel();
    finishing.write_all(&body.as_bytes()[10..]).await.expect("written");
    let mut answer = String::new();
    finishing.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    timeout(Duration::from_secs(2), world.sandbox.task)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("a clean end");
}

#[tokio::test]
async fn callbacks_still_due_at_the_end_are_kept_for_the_next_start() {
    let mut world = world().await;
    world.receiver.answer(503);
    let wamid = world.sandbox.taken(NORMAL, "m1").await;
    until(|| (!world.receiver.refused().is_empty()).then_some(())).await;
    world.sandbox.stop().await;
    world.receiver.answer(200);
    world.sandbox = Sandbox::start(world.dir.path(), &world.receiver.url).await;
    world.receiver.has(&wamid, &["sent", "delivered", "read"]).await;
    let trackers: Vec<Value> = world.receiver.taken().iter().flat_map(statuses).cloned().collect();
    assert!(trackers.iter().all(|status| status["biz_opaque_callback_data"] == "m1"));
}
