//! A sandbox on a port of its own, a receiver that checks what it gets, and a client.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::delays::Delays;
use crate::shell::serve::{ServeError, serve_with};

pub(super) const SECRET: &str = "the app's secret";
pub(super) const NORMAL: &str = "14151231234";

/// Short, but far enough apart that the order of statuses is no accident.
pub(super) const SHORT: Delays = Delays {
    sent_ms: 0,
    delivered_ms: 20,
    read_ms: 40,
    failed_ms: 10,
    gather_ms: 2,
    retry_first_ms: 5,
    retry_most_ms: 20,
};

/// How long anything may take before a test gives up; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `look` finds something.
pub(super) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            match look() {
                Some(found) => return found,
                None => sleep(Duration::from_millis(2)).await,
            }
        }
    };
    timeout(PATIENCE, waiting).await.expect("it happens in time")
}

/// Takes callbacks, as long as it is told to.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) url: String,
    state: Arc<ReceiverState>,
}

struct ReceiverState {
    answer: AtomicU16,
    taken: Mutex<Vec<Value>>,
    refused: Mutex<Vec<Value>>,
    forged: Mutex<usize>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/callbacks/cloud/a1", listener.local_addr().expect("an address"));
        let state = Arc::new(ReceiverState {
            answer: AtomicU16::new(200),
            taken: Mutex::default(),
            refused: Mutex::default(),
            forged: Mutex::default(),
        });
        let router = Router::new().route("/callbacks/cloud/a1", post(take)).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, state }
    }

    /// Answers with `status` from now on.
    pub(super) fn answer(&self, status: u16) {
        self.state.answer.store(status, Ordering::SeqCst);
    }

    /// Callbacks taken so far.
    pub(super) fn taken(&self) -> Vec<Value> {
        assert_eq!(*self.state.forged.lock().expect("no panic"), 0, "every signature is good");
        self.state.taken.lock().expect("no panic").clone()
    }

    /// Callbacks that were answered with something else than 2xx.
    pub(super) fn refused(&self) -> Vec<Value> {
        self.state.refused.lock().expect("no panic").clone()
    }

    /// Statuses taken of one message, in order.
    pub(super) fn words(&self, wamid: &str) -> Vec<String> {
        let all = self.taken();
        let statuses = all.iter().flat_map(statuses).filter(|status| status["id"] == wamid);
        statuses.map(|status| status["status"].as_str().expect("a word").to_owned()).collect()
    }

    /// Waits until a message has exactly these statuses.
    pub(super) async fn has(&self, wamid: &str, words: &[&str]) {
        until(|| (self.words(wamid).len() >= words.len()).then_some(())).await;
        assert_eq!(self.words(wamid), words);
    }
}

/// The statuses in one callback.
pub(super) fn statuses(callback: &Value) -> impl Iterator<Item = &Value> {
    callback["entry"][0]["changes"][0]["value"]["statuses"].as_array().expect("statuses").iter()
}

async fn take(State(state): State<Arc<ReceiverState>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(&body);
    let signature = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let hex = signature.strip_prefix("sha256=").unwrap_or_default();
    if mac.verify_slice(&hex::decode(hex).unwrap_or_default()).is_err() {
        *state.forged.lock().expect("no panic") += 1;
    }
    let body = serde_json::from_slice(&body).expect("json");
    let status = StatusCode::from_u16(state.answer.load(Ordering::SeqCst)).expect("a status");
    let seen = if status.is_success() { &state.taken } else { &state.refused };
    seen.lock().expect("no panic").push(body);
    status
}

/// A running sandbox and a client of it.
pub(super) struct Sandbox {
    pub(super) url: String,
    pub(super) client: Client,
    pub(super) shutdown: CancellationToken,
    pub(super) task: JoinHandle<Result<(), ServeError>>,
}

pub(super) fn config(dir: &Path, callback_url: &str) -> Config {
    Config {
        data_dir: dir.to_owned(),
        callback_url: callback_url.into(),
        app_secret: SECRET.into(),
        access_token: None,
    }
}

impl Sandbox {
    pub(super) async fn start(dir: &Path, callback_url: &str) -> Self {
        Self::start_with(config(dir, callback_url), SHORT).await
    }

    pub(super) async fn start_with(config: Config, delays: Delays) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve_with(listener, config, delays, shutdown.clone()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build().expect("a client");
        let sandbox = Self { url, client, shutdown, task };
        assert_eq!(sandbox.get("/healthz").await.status(), 200, "it has started");
        sandbox
    }

    /// Posts any body to the messages of phone number id 100.
    pub(super) async fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::Result<Response> {
        let url = format!("{}/v26.0/100/messages", self.url);
        self.client.post(url).bearer_auth("token").body(body).send().await
    }

    pub(super) async fn send(&self, to: &str, tracker: &str) -> reqwest::Result<Response> {
        self.post(text(to, tracker).to_string()).await
    }

    /// Sends a message that must be taken; returns its wamid.
    pub(super) async fn taken(&self, to: &str, tracker: &str) -> String {
        let response = self.send(to, tracker).await.expect("an answer");
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.expect("json");
        body["messages"][0]["id"].as_str().expect("a wamid").to_owned()
    }

    pub(super) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).bearer_auth("token").send().await.expect("an answer")
    }

    pub(super) async fn journal(&self) -> Vec<Value> {
        let text = self.get("/sandbox/journal").await.text().await.expect("a body");
        text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
    }

    /// Stops in the orderly way.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("no panic").expect("a clean end");
    }

    /// Drops the server where it stands.
    pub(super) async fn drop_dead(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("aborted").is_cancelled());
    }
}

pub(super) fn text(to: &str, tracker: &str) -> Value {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text",
           "text": {"preview_url": false, "body": "hello"}, "biz_opaque_callback_data": tracker})
}

/// A sandbox with a receiver, in a directory that goes away.
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) receiver: Receiver,
    pub(super) dir: TempDir,
}

pub(super) async fn world() -> World {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let receiver = Receiver::start().await;
    let sandbox = Sandbox::start(dir.path(), &receiver.url).await;
    World { sandbox, receiver, dir }
}

impl World {
    /// Drops the server and starts another on the same data.
    pub(super) async fn restart(self) -> Self {
        self.sandbox.drop_dead().await;
        let sandbox = Sandbox::start(self.dir.path(), &self.receiver.url).await;
        Self { sandbox, ..self }
    }

    pub(super) fn journal_path(&self) -> PathBuf {
        self.dir.path().join("journal.jsonl")
    }
}
