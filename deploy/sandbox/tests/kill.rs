//! Kills a sandbox with SIGKILL in the middle of requests, and starts it again on the same data.
//!
//! Without a test harness: the program starts itself as the sandbox that it kills.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_sandbox::{Config, serve};
use axum::routing::post;
use axum::{Json, Router};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const SERVE: &str = "--serve-until-killed";
const SENDERS: usize = 8;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == SERVE) {
        return be_the_sandbox(&arguments[at + 1], &arguments[at + 2]).await;
    }
    timeout(Duration::from_secs(60), what_was_answered_survives_a_kill()).await.expect("it ends in time");
    println!("what_was_answered_survives_a_kill ... ok");
}

async fn be_the_sandbox(data_dir: &str, callback_url: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let config = Config {
        data_dir: data_dir.into(),
        callback_url: callback_url.into(),
        app_secret: "secret".into(),
        access_token: None,
    };
    serve(listener, config, CancellationToken::new()).await.expect("served until killed");
}

/// A sandbox process; killed when dropped.
struct Sandbox {
    child: Child,
    url: String,
}

impl Sandbox {
    fn start(data_dir: &Path, callback_url: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("a program"))
            .arg(SERVE)
            .arg(data_dir)
            .arg(callback_url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("an address");
        Self { child, url: format!("http://{}", address.trim()) }
    }

    async fn journal(&self, client: &Client) -> Vec<Value> {
        let response = client.get(format!("{}/sandbox/journal", self.url)).send().await.expect("an answer");
        let text = response.text().await.expect("a body");
        text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // On Unix this is SIGKILL.
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

/// Sends one message after the other until the sandbox is gone; returns tracker and wamid of what was answered.
async fn send(client: Client, url: String, name: String) -> Vec<(String, String)> {
    let mut answered = Vec::new();
    loop {
        let tracker = format!("{name}-{}", answered.len());
        let body = json!({"messaging_product": "whatsapp", "to": "14150000202", "type": "text",
                          "text": {"body": "hello"}, "biz_opaque_callback_data": tracker});
        let request = client.post(format!("{url}/v26.0/100/messages")).bearer_auth("t").json(&body);
        let Ok(response) = request.send().await else { return answered };
        let Ok(body) = response.json::<Value>().await else { return answered };
        answered.push((tracker, body["messages"][0]["id"].as_str().expect("a wamid").to_owned()));
    }
}

type Statuses = Arc<Mutex<Vec<String>>>;

async fn receiver(listener: TcpListener, seen: Statuses) {
    let take = move |Json(body): Json<Value>| async move {
        let statuses = body["entry"][0]["changes"][0]["value"]["statuses"].as_array().expect("statuses").clone();
        let ids = statuses.iter().map(|status| status["id"].as_str().expect("an id").to_owned());
        seen.lock().expect("no panic").extend(ids);
    };
    axum::serve(listener, Router::new().route("/callbacks", post(take))).await.expect("served");
}

async fn what_was_answered_survives_a_kill() {
    // The one for this process's client; the sandbox installs its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Nobody takes callbacks until the last start: all of them are due then.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let callback_url = format!("http://{}/callbacks", listener.local_addr().expect("an address"));
    drop(listener);

    let mut answered = HashMap::new();
    for round in 0..3 {
        let sandbox = Sandbox::start(dir.path(), &callback_url);
        let senders: Vec<_> = (0..SENDERS)
            .map(|n| tokio::spawn(send(client.clone(), sandbox.url.clone(), format!("{round}-{n}"))))
            .collect();
        // Any moment will do, as long as requests are under way.
        sleep(Duration::from_millis(300)).await;
        drop(sandbox);
        for sender in senders {
            answered.extend(sender.await.expect("no panic"));
        }
    }
    assert!(answered.len() > 100, "only {} answers", answered.len());

    let address = callback_url.trim_start_matches("http://").trim_end_matches("/callbacks");
    let seen = Statuses::default();
    tokio::spawn(receiver(TcpListener::bind(address).await.expect("the port again"), Arc::clone(&seen)));
    let sandbox = Sandbox::start(dir.path(), &callback_url);
    let lines = sandbox.journal(&client).await;
    assert!(lines.iter().zip(1_u64..).all(|(line, seq)| line["seq"] == seq), "seq has no gap");
    let journaled: HashMap<_, _> =
        lines.iter().map(|line| (line["tracker"].as_str().expect("a tracker"), line)).collect();
    assert_eq!(journaled.len(), lines.len(), "no message is in the journal twice");
    for (tracker, wamid) in &answered {
        assert_eq!(journaled[tracker.as_str()]["wamid"], *wamid, "what was answered is in the journal");
    }
    let mut due: Vec<_> = lines.iter().map(|line| line["wamid"].as_str().expect("a wamid").to_owned()).collect();
    due.sort();
    loop {
        let mut arrived = seen.lock().expect("no panic").clone();
        arrived.sort();
        arrived.dedup();
        if arrived == due {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
}
