//! A WhatsApp that takes every message and answers when it is told to.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::wait::{SOON, eventually};
use super::web::{Reply, Web};

/// The gate. Closed at first.
pub(crate) struct Gate {
    web: Web,
    open: Arc<Semaphore>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    /// Starts it.
    pub(crate) async fn start() -> Self {
        let open = Arc::new(Semaphore::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (opened, known) = (Arc::clone(&open), Arc::clone(&seen));
        let web = Web::start(move |request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let tracker = body["biz_opaque_callback_data"].as_str().unwrap_or_default().to_owned();
            known.lock().expect("no holder panics").push(tracker.clone());
            let opened = Arc::clone(&opened);
            async move {
                opened.acquire().await.expect("it is never closed for good").forget();
                let answer = json!({"messaging_product": "whatsapp", "messages": [{"id": format!("wamid.{tracker}")}]});
                Reply::ok("application/json", answer.to_string())
            }
        })
        .await;
        Self { web, open, seen }
    }

    /// Where accounts find it.
    pub(crate) fn url(&self) -> &str {
        &self.web.url
    }

    /// The trackers of all requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no holder panics").clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn has_seen(&self, requests: usize) {
        eventually("requests wait at the gate", SOON, async || {
            let seen = self.seen().len();
            if seen >= requests { Ok(()) } else { Err(format!("{seen}")) }
        })
        .await;
    }

    /// Answers this many requests, those that wait and then those that come.
    pub(crate) fn let_through(&self, requests: usize) {
        self.open.add_permits(requests);
    }
}
