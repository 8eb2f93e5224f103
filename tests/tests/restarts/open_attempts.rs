//! A kill in the middle of a call to WhatsApp: nobody knows whether the message went out, so it is never sent again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_tests::installation::{Setup, text};
use angelia_tests::tenant::{FAST, Tenant, recipient};
use angelia_tests::wait::{SOON, eventually};
use axum::extract::State;
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A WhatsApp that keeps its first callers waiting, and notes every message it gets.
#[derive(Clone, Default)]
struct Slow {
    received: Arc<Mutex<Vec<String>>>,
    patience: Arc<AtomicUsize>,
}

impl Slow {
    async fn start() -> (Self, String) {
        let slow = Self::default();
        slow.patience.store(1, Ordering::SeqCst);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let routes = Router::new().fallback(any(answer)).with_state(slow.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (slow, url)
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().expect("no holder panics").clone()
    }
}

async fn answer(State(slow): State<Slow>, Json(body): Json<Value>) -> Json<Value> {
    slow.received.lock().expect("no holder panics").push(body["text"]["body"].to_string());
    if slow.patience.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        // Longer than the test: the caller is killed while it waits.
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    Json(json!({
        "messaging_product": "whatsapp", "contacts": [{"input": "1", "wa_id": "1"}],
        "messages": [{"id": format!("wamid.{}", slow.received().len()), "message_status": "accepted"}],
    }))
}

#[tokio::test]
async fn the_attempt_that_was_open_at_a_kill_is_unknown_and_the_queue_goes_on_behind_it() {
    let (slow, url) = Slow::start().await;
    let mut installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, 10).await;
    let account = tenant.account(FAST).await;
    let path = tenant.path(&format!("/accounts/{}", account.id));
    let changed = tenant.owner.patch(&path, json!({"base_url": url})).await.expect(200);
    assert_eq!(text(&changed, "base_url"), url);
    let mut ids = Vec::new();
    for words in ["open", "behind", "last"] {
        ids.push(tenant.send(&account, &recipient("1234"), words).await);
    }
    eventually("the first call is under way", SOON, async || {
        let received = slow.received();
        if received.len() == 1 { Ok(()) } else { Err(format!("{received:?}")) }
    })
    .await;
    tenant.until(&ids[0], &["sending"]).await;
    let away = tenant.leave();
    installation.kill_everything();
    installation.start().await;
    let tenant = away.back(&installation);

    for id in &ids[1..] {
        tenant.until(id, &["sent"]).await;
    }
    let open = tenant.until(&ids[0], &["unknown"]).await;
    assert_eq!(open["refunded"], json!(0));
    assert_eq!(slow.received(), ["\"open\"", "\"behind\"", "\"last\""], "nothing is sent twice, and in order");
    tenant.check_log().await;
}
