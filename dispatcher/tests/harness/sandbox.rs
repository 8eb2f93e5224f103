//! The real sandbox on a free port, with a receiver that counts its callbacks.

use std::sync::{Arc, Mutex};

use angelia_sandbox::{Config, ServeError, serve};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::journal::Journal;
use super::web::{Reply, Web};

/// A running sandbox.
pub(crate) struct Sandbox {
    /// Where accounts find it.
    pub(crate) url: String,
    statuses: Arc<Mutex<Vec<(String, String)>>>,
    _callbacks: Web,
    _folder: TempDir,
    _serving: JoinHandle<Result<(), ServeError>>,
}

impl Sandbox {
    /// Starts it. With `access_token` no other token is let in.
    pub(crate) async fn start(access_token: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let statuses = Arc::new(Mutex::new(Vec::new()));
        let counted = Arc::clone(&statuses);
        let callbacks = Web::start(move |request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let found = body["entry"][0]["changes"][0]["value"]["statuses"].as_array().cloned().unwrap_or_default();
            let text = |status: &Value, key: &str| status[key].as_str().unwrap_or_default().to_owned();
            let found = found.iter().map(|s| (text(s, "biz_opaque_callback_data"), text(s, "status")));
            counted.lock().expect("no holder panics").extend(found);
            async { Reply::status(200) }
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let config = Config {
            data_dir: folder.path().to_owned(),
            callback_url: format!("{}/callbacks", callbacks.url),
            app_secret: "a-secret-of-the-tests".to_owned(),
            access_token: access_token.map(str::to_owned),
        };
        let serving = tokio::spawn(serve(listener, config, CancellationToken::new()));
        Self { url, statuses, _callbacks: callbacks, _folder: folder, _serving: serving }
    }

    /// What it received.
    pub(crate) async fn journal(&self) -> Journal {
        Journal::read(&self.url).await
    }

    /// The statuses that it reported of a part, in order.
    pub(crate) fn statuses(&self, tracker: &str) -> Vec<String> {
        let all = self.statuses.lock().expect("no holder panics");
        all.iter().filter(|(of, _)| of == tracker).map(|(_, status)| status.clone()).collect()
    }
}
