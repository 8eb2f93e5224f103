//! `POST /hooks/{token}`: a call becomes a message, or a refusal.
//!
//! The checks come in one fixed order, and the first that fails is the answer: method, token, enabled, rate, size, JSON,
//! fields, idempotency key, chat and account, transport's limits, credits. A 200 is written only after the log has the
//! message (IN-1).
//!
//! Not here: the rules (see `domain/send_request.rs`, `domain/account_choice.rs`) and the shapes (see `domain/refusal.rs`).

use std::net::IpAddr;
use std::time::Instant;

use angelia_shared::clock;
use angelia_shared::event::message::To;
use angelia_shared::event::{Content, MessageAccepted, WebhookChanged};
use angelia_shared::ids::{AccountId, MessageId, WorkspaceId, WriterId};
use angelia_shared::log::digest::sha256;
use angelia_shared::subject::Partition;
use angelia_shared::telemetry::chain;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use tracing::{debug, warn};

use super::body::BodyFault;
use super::{Parts, caller_of};
use crate::domain::account_choice::check_of_chat;
use crate::domain::chat::ChatId;
use crate::domain::idempotency_key;
use crate::domain::key_map::KeyHash;
use crate::domain::refusal::{self, BODY_BYTES_MAX, Refusal};
use crate::domain::send_request::{self, Parsed, Recipient};
use crate::domain::{token, traceparent};
use crate::metrics as names;
use crate::shell::admission::{KeyStep, Order};
use crate::shell::chats::ChatsError;
use crate::shell::refusals::{BODY_BYTES_KEPT, RefusedCall};

/// The longest text that the Cloud API takes, in characters.
const CLOUD_TEXT_CHARS_MAX: usize = 4_096;
/// Where the token stands in the path, behind another slash.
const PATH: &str = "/hooks";
/// The answer when it cannot be known now what to answer.
const UNAVAILABLE: Refusal = Refusal::LogUnavailable { retry_after_s: 1 };

/// A refusal before it is written: its status, its words, and what it adds to the head.
struct Answer {
    status: u16,
    message: String,
    body: Vec<u8>,
    retry_after_s: Option<u32>,
}

impl From<&Refusal> for Answer {
    fn from(refusal: &Refusal) -> Self {
        Self {
            status: refusal.status(),
            message: refusal.message().into_owned(),
            body: refusal.body(),
            retry_after_s: refusal.retry_after_s(),
        }
    }
}

impl Answer {
    /// An answer to a request that was not received whole. It has no place in the order of checks: nothing was decided.
    fn not_received(status: StatusCode, message: &str) -> Self {
        let status = status.as_u16();
        let body = format!(r#"{{"status":{status},"data":{{}},"message":"{message}"}}"#).into_bytes();
        Self { status, message: message.to_owned(), body, retry_after_s: None }
    }

    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("a refusal has a status of HTTP");
        let mut response = json_response(status, self.body);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether a request to `path` is a webhook's, whatever its method: that is the webhook's own first check.
pub(super) fn is_called_by(path: &str) -> bool {
    token_in(path).is_some()
}

fn token_in(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(PATH)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Takes a call.
pub(super) async fn call(app: &Parts, request: Request<Body>) -> Response {
    let started = clock::monotonic();
    let response = answer(app, request, started).await;
    metrics::counter!(names::CALLS_ANSWERED, "status" => status_label(response.status())).increment(1);
    metrics::histogram!(names::CALL_SECONDS).record(started.elapsed().as_secs_f64());
    response
}

async fn answer(app: &Parts, request: Request<Body>, now: Instant) -> Response {
    if request.method() != Method::POST {
        return Answer::from(&Refusal::MethodNotAllowed).into_response();
    }
    let webhook = match webhook_of(app, request.uri().path()) {
        Ok(webhook) => webhook,
        Err(refusal) => return Answer::from(&refusal).into_response(),
    };
    let caller = caller_of(app, &request);
    let (head, body) = request.into_parts();
    let call = Call { app, webhook: &webhook, headers: &head.headers, caller };
    if !webhook.enabled {
        return call.refuse_disabled(body).await.into_response();
    }
    let Some(limits) = &app.rate_limits else { return call.take(body).await };
    let (mut response, standings) = match limits.take(webhook.id, caller, now) {
        Ok(standings) => (call.take(body).await, standings),
        Err((standings, retry_after_s)) => {
            let refusal = Refusal::TooManyRequests { retry_after_s };
            (call.refuse_early(&refusal, body).await.into_response(), standings)
        }
    };
    limits.show(standings, response.headers_mut());
    response
}

fn webhook_of(app: &Parts, path: &str) -> Result<std::sync::Arc<WebhookChanged>, Refusal> {
    // Before everything was read, "not found" would be a lie.
    if !app.directory.is_complete() {
        return Err(UNAVAILABLE);
    }
    let hash = token::hash(token_in(path).unwrap_or_default());
    let directory = app.directory.read();
    let webhook = directory.webhook_by_token(&hash, clock::now()).ok_or(Refusal::WebhookNotFound)?;
    Ok(std::sync::Arc::clone(&webhook.state))
}

impl BodyFault {
    fn answer(&self) -> Answer {
        match self {
            Self::TooLarge(_) => Answer::from(&Refusal::BodyTooLarge),
            Self::TooSlow(_) => {
                Answer::not_received(StatusCode::REQUEST_TIMEOUT, "Request body did not arrive in time")
            }
            Self::Broken => Answer::not_received(StatusCode::BAD_REQUEST, "Request body ended early"),
            Self::NoRoom => Answer::from(&UNAVAILABLE),
        }
    }

    fn into_head(self) -> Bytes {
        match self {
            Self::TooLarge(head) | Self::TooSlow(head) => head,
            Self::Broken | Self::NoRoom => Bytes::new(),
        }
    }
}

/// One call of a known webhook.
struct Call<'a> {
    app: &'a Parts,
    webhook: &'a WebhookChanged,
    headers: &'a HeaderMap,
    caller: IpAddr,
}

/// Where a message goes: from which account, to which address.
struct Route {
    account: AccountId,
    to: To,
    address: String,
}

impl Call<'_> {
    /// Everything after the rate.
    async fn take(&self, body: Body) -> Response {
        if !self.app.admission.has_room() {
            metrics::counter!(names::CALLS_SHED).increment(1);
            return self.refuse_early(&UNAVAILABLE, body).await.into_response();
        }
        let body = match self.app.bodies.read(self.headers, body, BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(fault) => {
                let answer = fault.answer();
                return self.refused(answer, Vec::new(), &fault.into_head()).into_response();
            }
        };
        match self.accept(&body.bytes).await {
            Ok(message) => json_response(StatusCode::OK, refusal::accepted_body(message)),
            Err((refusal, warnings)) => self.refused(Answer::from(&refusal), warnings, &body.bytes).into_response(),
        }
    }

    /// The body of a call to a disabled webhook is read: its activation log shows what would have been sent.
    async fn refuse_disabled(&self, body: Body) -> Answer {
        let read = self.app.bodies.read(self.headers, body, BODY_BYTES_MAX).await;
        let body = read.map_or_else(BodyFault::into_head, |read| read.bytes);
        self.refused(Answer::from(&Refusal::WebhookDisabled), Vec::new(), &body)
    }

    /// Refuses a call whatever its body says. What has come of it is taken along: for the activation log, and so that the
    /// connection can be kept; the rest is not waited for.
    async fn refuse_early(&self, refusal: &Refusal, body: Body) -> Answer {
        let body = self.app.bodies.arrived(body, BODY_BYTES_MAX).await;
        self.refused(Answer::from(refusal), Vec::new(), &body)
    }

    /// Everything from the body's JSON to the log. On refusal also what had been ignored.
    async fn accept(&self, body: &[u8]) -> Result<MessageId, (Refusal, Vec<String>)> {
        let parsed = send_request::parse(body).map_err(|refusal| (refusal, Vec::new()))?;
        self.order(&parsed, body).await.map_err(|refusal| (refusal, warnings(&parsed)))
    }

    async fn order(&self, parsed: &Parsed<'_>, body: &[u8]) -> Result<MessageId, Refusal> {
        let workspace = self.webhook.workspace;
        let keys = self.headers.get_all("idempotency-key").iter().map(HeaderValue::as_bytes);
        let Some(key) = idempotency_key::parse(keys)? else {
            return self.app.admission.admit(self.prepare(parsed).await?).await;
        };
        match self.app.admission.begin_key(workspace, KeyHash::of(workspace, key.as_str()), sha256(body))? {
            KeyStep::Replay(message) => Ok(message),
            // Nothing is known of the key here, but it may have been used: that answer comes before this refusal.
            KeyStep::Fresh(ticket) => self.app.keyed_calls.decide(ticket, self.prepare(parsed).await).await,
        }
    }

    /// Everything that a call's order needs but its key.
    async fn prepare(&self, parsed: &Parsed<'_>) -> Result<Order, Refusal> {
        let route = self.route(parsed).await?;
        send_request::check_limits(parsed, CLOUD_TEXT_CHARS_MAX)?;
        let part = Partition::of(route.account, self.app.log.partitions());
        Ok(Order { event: self.event(parsed, route).await?, part, key: None })
    }

    /// Chooses chat and account, once and for all: the event records what was chosen.
    async fn route(&self, parsed: &Parsed<'_>) -> Result<Route, Refusal> {
        let (app, workspace) = (self.app, self.webhook.workspace);
        let choose = || app.senders.get(&app.directory, workspace).choose(parsed.account_phone.as_deref());
        match &parsed.recipient {
            Recipient::ChatId(id) => {
                let chat_id = ChatId::parse(id).ok_or(Refusal::ChatNotFound)?;
                let chat = app.chats.get(workspace, &chat_id).await.map_err(unavailable)?;
                let chat = chat.ok_or(Refusal::ChatNotFound)?;
                check_of_chat(app.directory.read().account(workspace, chat.account_id).map(|account| &*account.state))?;
                Ok(Route { account: chat.account_id, to: To::ChatId(id.to_string()), address: chat.jid.clone() })
            }
            Recipient::ChatName(name) => {
                let account = choose()?;
                let mut chats = app.chats.named(workspace, account, name).await.map_err(unavailable)?;
                match (chats.pop(), chats.pop()) {
                    (None, _) => Err(Refusal::ChatNotFound),
                    (Some(_), Some(_)) => Err(Refusal::AmbiguousChatName),
                    (Some(named), None) => {
                        Ok(Route { account, to: To::ChatName(name.to_string()), address: named.chat.jid })
                    }
                }
            }
            Recipient::Jid(jid) => {
                Ok(Route { account: choose()?, to: To::Jid(jid.to_string()), address: jid.to_string() })
            }
            Recipient::Phone(phone) => {
                Ok(Route { account: choose()?, to: To::Phone(phone.to_string()), address: phone.to_string() })
            }
        }
    }

    async fn event(&self, parsed: &Parsed<'_>, route: Route) -> Result<MessageAccepted, Refusal> {
        let workspace = self.webhook.workspace;
        let content = Content {
            text: parsed.text.to_string(),
            file_url: parsed.file.as_ref().map(|file| file.url.to_string()),
            file_name: parsed.file.as_ref().map(|file| file.name.to_string()),
            to: route.to,
            address: route.address,
            account_phone: parsed.account_phone.as_ref().map(ToString::to_string),
            caller: self.caller.to_string(),
            warnings: warnings(parsed),
        };
        let message = MessageId::generate();
        let key = self.app.vault.current_key(workspace).await.map_err(|error| no_key(&error, workspace))?;
        Ok(MessageAccepted {
            v: 1,
            message,
            workspace,
            webhook: self.webhook.id,
            account: route.account,
            credits: parsed.price(),
            has_text: !parsed.text.is_empty(),
            has_file: parsed.file.is_some(),
            at: clock::now(),
            expires_after_ms: self.app.config.message_expires_after_s * 1_000,
            // Admission fills in the writer that pays.
            writer: WriterId(0),
            sealed: key.seal(message, &content),
            traceparent: self.traceparent(),
        })
    }

    fn traceparent(&self) -> Option<String> {
        let value = self.headers.get("traceparent")?;
        traceparent::valid(value.as_bytes()).map(str::to_owned)
    }

    /// Notes a refused call for the webhook's activation log.
    fn refused(&self, answer: Answer, warnings: Vec<String>, body: &Bytes) -> Answer {
        if !self.app.refusals.wants(self.webhook.id, answer.status) {
            return answer;
        }
        self.app.refusals.record(RefusedCall {
            workspace: self.webhook.workspace,
            webhook: self.webhook.id,
            at: clock::now(),
            status: answer.status,
            caller: self.caller,
            error: answer.message.clone(),
            warnings,
            // A copy: a slice would keep the whole body in memory.
            body: Bytes::copy_from_slice(&body[..body.len().min(BODY_BYTES_KEPT)]),
        });
        answer
    }
}

fn warnings(parsed: &Parsed<'_>) -> Vec<String> {
    parsed.warnings.iter().map(ToString::to_string).collect()
}

fn unavailable(error: ChatsError) -> Refusal {
    debug!(error = %chain(&error), "a chat could not be looked up");
    UNAVAILABLE
}

fn no_key(error: &angelia_shared::vault::VaultError, workspace: WorkspaceId) -> Refusal {
    warn!(workspace.id = %workspace, error = %chain(error), "a message cannot be sealed");
    UNAVAILABLE
}

/// The closed set of statuses that calls are answered with.
fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        400 => "400",
        402 => "402",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        422 => "422",
        429 => "429",
        503 => "503",
        _ => "other",
    }
}
