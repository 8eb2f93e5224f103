//! What these tests share: an ingress of one's own, a tenant in it, and calls with their answers.

use std::sync::Arc;
use std::time::Duration;

use angelia_ingress::{Config, RunIngressError, run_gated};
use angelia_shared::config::Source;
use angelia_shared::event::{Content, Event, MessageAccepted, lines};
use angelia_shared::ids::{MemberId, MessageId};
use angelia_shared::log::{EventLog, Reader, ReaderOptions, Record};
use angelia_shared::testing::TestBroker;
use angelia_shared::vault::{MasterKey, Vault};
use futures_util::StreamExt as _;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ledger::TestLedger;

pub(crate) const OPERATOR: &str = "operator-token-of-these-tests";

/// An ingress with everything around it. Dropping it ends it all.
pub(crate) struct Ingress {
    pub(crate) broker: TestBroker,
    pub(crate) log: EventLog,
    pub(crate) vault: Arc<Vault>,
    pub(crate) ledger: Option<TestLedger>,
    pub(crate) dispatcher: Option<JoinHandle<()>>,
    pub(crate) gate: watch::Sender<bool>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: Option<JoinHandle<Result<(), RunIngressError>>>,
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
}

impl Drop for Ingress {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.abort();
        }
    }
}

pub(crate) fn client() -> reqwest::Client {
    // A second test in this process finds it installed.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client without TLS")
}

pub(crate) fn config(flags: &[(&'static str, &str)]) -> Config {
    // Where the tests' accounts are.
    let operator = [("operator_token", OPERATOR.to_owned()), ("base_urls_allowed", "http://127.0.0.1:9".to_owned())];
    let flags = operator.into_iter().chain(flags.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Config::load(&Source::from_flags(flags)).expect("usable settings")
}

/// Answers as a dispatcher does.
pub(crate) async fn dispatcher(log: &EventLog, answer: &'static str) -> JoinHandle<()> {
    let client = log.client().clone();
    let mut questions = client.subscribe("angelia.dispatcher.health").await.expect("the broker answers");
    client.flush().await.expect("the broker answers");
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let reply = question.reply.expect("a question has a reply");
            client.publish(reply, answer.into()).await.expect("the broker answers");
        }
    })
}

impl Ingress {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(flags: &[(&'static str, &str)]) -> Self {
        let broker = TestBroker::start().await;
        let ingress = Self::bare(broker, flags).await;
        ingress.ready().await;
        ingress
    }

    /// One that may not be ready yet.
    pub(crate) async fn bare(broker: TestBroker, flags: &[(&'static str, &str)]) -> Self {
        let log = broker.log().await;
        let bucket = log.bucket(Vault::BUCKET, 1, None).await.expect("the broker answers");
        let master = MasterKey::from_hex(&"5a".repeat(32)).expect("64 digits");
        let vault = Arc::new(Vault::new(master, bucket));
        let ledger = Some(TestLedger::start(log.clone()).await);
        let dispatcher = Some(dispatcher(&log, "{}").await);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (gate, is_open) = watch::channel(true);
        let shutdown = CancellationToken::new();
        let own_log = broker.log().await;
        let (config, stop) = (config(flags), shutdown.clone());
        let vault_too = Arc::clone(&vault);
        let running = tokio::spawn(async move {
            run_gated(config, listener, own_log, vault_too, MemberId::generate(), is_open, stop).await
        });
        let running = Some(running);
        Self { broker, log, vault, ledger, dispatcher, gate, shutdown, running, http: client(), url }
    }

    pub(crate) async fn ready(&self) {
        until("the ingress is ready", async || self.get("/readyz", "").await.status == 200).await;
    }

    pub(crate) async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        Answer::read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, body).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, token, Value::Null).await
    }

    /// Everything in the log until now.
    pub(crate) async fn events(&self) -> Vec<(Record, Event)> {
        let last = self.log.last_sequence().await.expect("the broker answers");
        let mut reader = Reader::new(self.log.clone(), ReaderOptions::whole("test-events", 0));
        let mut events = Vec::new();
        for _ in 0..last {
            let record = reader.next().await.expect("no gap");
            let read: Vec<_> = lines(&record.payload).map(|line| Event::from_line(line).expect("an event")).collect();
            events.extend(read.into_iter().map(|event| (record.clone(), event)));
        }
        events
    }

    /// All acceptances in the log until now.
    pub(crate) async fn accepted(&self) -> Vec<MessageAccepted> {
        let events = self.events().await.into_iter();
        events.filter_map(|(_, event)| if let Event::MessageAccepted(m) = event { Some(*m) } else { None }).collect()
    }

    pub(crate) async fn content(&self, message: &MessageAccepted) -> Content {
        let key = self.vault.key(message.sealed.key_id).await.expect("its key is there");
        key.open(message.message, &message.sealed).expect("it opens")
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, bytes: response.bytes().await.expect("a body").to_vec() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("plain text"))
    }

    /// The body, if the status is this.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that this is a problem of that status and type.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["type"], format!("/problems/{name}"), "{document}");
        assert_eq!(document["status"], status);
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
    }

    /// Checks that this is the webhook's refusal with exactly these bytes.
    #[track_caller]
    pub(crate) fn is_refusal(&self, status: u16, message: &str) {
        let expected = format!(r#"{{"status":{status},"data":{{}},"message":{}}}"#, Value::from(message));
        assert_eq!((self.status, self.text()), (status, expected));
        assert_eq!(self.header("content-type"), "application/json");
    }

    /// The message's id, if the call was accepted.
    #[track_caller]
    pub(crate) fn message_id(&self) -> MessageId {
        assert_eq!(self.status, 200, "{}", self.text());
        let id = self.json()["data"]["message_id"].as_str().expect("an id").to_owned();
        assert_eq!(self.text(), format!(r#"{{"status":"success","data":{{"message_id":"{id}"}}}}"#));
        assert!(id.starts_with("wa_backend:3EB0"));
        id.parse().expect("an id")
    }
}

/// A workspace with an owner, a webhook and, on request, an account.
pub(crate) struct Tenant<'a> {
    pub(crate) ingress: &'a Ingress,
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) webhook_id: String,
    pub(crate) webhook_url: String,
}

impl<'a> Tenant<'a> {
    pub(crate) async fn new(ingress: &'a Ingress, credits: u64) -> Self {
        let made = ingress.post("/api/v1/workspaces", OPERATOR, json!({"name": "tenant"})).await.expect(201);
        let (id, owner) = (text(&made, "id"), text(&made, "owner_token"));
        if credits > 0 {
            let grant = json!({"credits": credits, "reason": "test"});
            ingress.post(&format!("/api/v1/workspaces/{id}/credits"), OPERATOR, grant).await.expect(201);
        }
        let path = format!("/api/v1/workspaces/{id}/webhooks");
        let webhook = ingress.post(&path, &owner, json!({})).await.expect(201);
        let (webhook_id, webhook_url) = (text(&webhook, "id"), text(&webhook, "url"));
        Self { ingress, id, owner, webhook_id, webhook_url }
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/v1/workspaces/{}{rest}", self.id)
    }

    pub(crate) async fn get(&self, rest: &str) -> Answer {
        self.ingress.get(&self.path(rest), &self.owner).await
    }

    pub(crate) async fn post(&self, rest: &str, body: Value) -> Answer {
        self.ingress.post(&self.path(rest), &self.owner, body).await
    }

    pub(crate) async fn patch(&self, rest: &str, body: Value) -> Answer {
        self.ingress.call(Method::PATCH, &self.path(rest), &self.owner, body).await
    }

    pub(crate) async fn put(&self, rest: &str, body: Value) -> Answer {
        self.ingress.call(Method::PUT, &self.path(rest), &self.owner, body).await
    }

    pub(crate) async fn delete(&self, rest: &str) -> Answer {
        self.ingress.delete(&self.path(rest), &self.owner).await
    }

    /// Adds an account without connecting it.
    pub(crate) async fn unconnected(&self, phone: &str) -> String {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        let account = json!({"phone": phone, "phone_number_id": format!("id-{digits}"), "access_token": "EAABtoken",
            "app_secret": format!("app-secret-{digits}"), "verify_token": "verify-me", "base_url": "http://127.0.0.1:9"});
        text(&self.post("/accounts", account).await.expect(201), "id")
    }

    pub(crate) async fn account(&self, phone: &str) -> String {
        let id = self.unconnected(phone).await;
        self.post(&format!("/accounts/{id}/connect"), Value::Null).await.expect(200);
        id
    }

    pub(crate) async fn chat(&self, chat: &str, account: &str, jid: &str, name: &str) {
        let body = json!({"account_id": account, "jid": jid, "name": name});
        let answer = self.put(&format!("/chats/{chat}"), body).await;
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    }

    /// Calls the webhook with a JSON body.
    pub(crate) async fn call(&self, body: Value) -> Answer {
        self.call_raw(body.to_string()).await
    }

    pub(crate) async fn call_raw(&self, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.ingress.http.post(&self.webhook_url).body(body);
        Answer::read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn call_with_key(&self, key: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.ingress.http.post(&self.webhook_url).header("idempotency-key", key).body(body);
        Answer::read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn available(&self) -> u64 {
        self.get("/credits").await.expect(200)["available"].as_u64().expect("a number")
    }
}

/// A body that is accepted when there is an account and a credit.
pub(crate) fn hello() -> Value {
    json!({"action": "send", "text": "hello", "phone": "+14151231234"})
}

#[track_caller]
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened: {what}");
}
