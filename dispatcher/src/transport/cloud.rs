//! The WhatsApp Cloud API (Meta Graph) as a [`Transport`].
//!
//! Shape: one [`CloudClient`] a process, one [`CloudTransport`] an account with its [`CloudAccess`]. A call is one
//! request on a kept connection; its answer is judged in `answer.rs` by the table in `errors.rs`.
//!
//! Invariants:
//! - DP-4 there is no idempotency key, so nothing is written twice: no redirects, no retries; a request leaves a kept
//!   connection for a new one only unwritten (see `transport/http_client.rs`). What went wrong before the request was
//!   written is *put off*; what went wrong after is *unknown*.
//! - Nothing is written once the permit is over (see `body.rs`), and nothing that was written arrives after the call's time: not
//!   by this side's doing (see `transport/http_client.rs`).
//! - Nothing is written to an address that is not public, unless the operator allowed it (see `transport/providers.rs`).
//! - An answer is read up to [`ANSWER_BYTES_MAX`] and for the rest of the call's time, whatever it claims to be.
//!
//! Not here: callbacks (ingress), the pace, the count of tries.

mod access;
mod answer;
mod body;
mod detail;
mod errors;
mod history;
mod request;
mod retry_after;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::units::UnixMillis;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use url::Url;

pub use access::{AccessRefusal, CloudAccess, DEFAULT_BASE_URL, DEFAULT_VERSION};

use self::answer::Answer;
use self::body::{PermitOver, PermittedBody};
use super::http_client::{self, BuildClientError};
use super::providers::ProviderResolver;
use super::{
    Capabilities, History, MediaId, MediaKind, NoHistory, Outcome, OutgoingFile, Part, Permit, ProviderClock,
    ProviderHold, ProviderRule, PutOffScope, Recipient, Transport,
};
use crate::attachments::NotPublic;

/// The longest call to send. Design: an account waits this long after a crash in the middle of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest upload: 2 MiB at a modest 100 KB/s, and some.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest for the whole list of what was taken: others wait for their turn to be looked up.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest to look a name up, connect and shake hands. Less than a call, so that a host which cannot be reached
/// is told apart from one that does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read. Real ones have about 1 KB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What the Cloud API can carry.
///
/// Source: Meta, Cloud API reference v26.0: text 4,096 and caption 1,024 characters; supported media types.
pub const CAPABILITIES: Capabilities = Capabilities {
    client_chosen_id: false,
    history: true,
    groups: true,
    hidden_people: false,
    text_chars_max: 4096,
    caption_chars_max: 1024,
    caption_kinds: &[MediaKind::Image, MediaKind::Video, MediaKind::Document],
    inline_types: &[
        ("image/jpeg", MediaKind::Image),
        ("image/png", MediaKind::Image),
        ("video/mp4", MediaKind::Video),
        ("video/3gpp", MediaKind::Video),
        ("audio/aac", MediaKind::Audio),
        ("audio/amr", MediaKind::Audio),
        ("audio/mp4", MediaKind::Audio),
        ("audio/mpeg", MediaKind::Audio),
        // Ogg is playable only with Opus inside; other Ogg goes as a document.
        ("audio/opus", MediaKind::Audio),
    ],
    call_timeout: CALL_TIMEOUT,
};

/// How long calls may take. The defaults are the ones to use; tests shorten them.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    connect: Duration,
    call: Duration,
    upload: Duration,
    list: Duration,
    idle: Duration,
}

/// What all accounts on the Cloud API share. Cheap to clone.
#[derive(Clone)]
pub struct CloudClient {
    http: reqwest::Client,
    providers: ProviderRule,
    timeouts: Timeouts,
    capabilities: Capabilities,
}

/// One account on the Cloud API.
pub struct CloudTransport {
    client: CloudClient,
    access: CloudAccess,
}

impl CloudClient {
    /// Prepares calls to where `providers` allows them; connects to nothing.
    ///
    /// # Errors
    /// [`BuildClientError`] when TLS cannot be set up, for instance without any CA certificates. Nothing to retry.
    pub fn new(providers: ProviderRule) -> Result<CloudClient, BuildClientError> {
        let timeouts = Timeouts {
            connect: CONNECT_TIMEOUT,
            call: CALL_TIMEOUT,
            upload: UPLOAD_TIMEOUT,
            list: LIST_TIMEOUT,
            idle: http_client::IDLE,
        };
        let resolver = ProviderResolver::of_the_system(&providers);
        Self::with(providers, resolver, timeouts)
    }

    fn with(
        providers: ProviderRule,
        resolver: ProviderResolver,
        timeouts: Timeouts,
    ) -> Result<CloudClient, BuildClientError> {
        let http = http_client::pooled(timeouts.connect, timeouts.idle).dns_resolver(resolver);
        let http = http_client::drop_undelivered(http, timeouts.call).build()?;
        let capabilities = Capabilities { call_timeout: timeouts.call, ..CAPABILITIES };
        Ok(CloudClient { http, providers, timeouts, capabilities })
    }

    /// The transport of one account.
    pub fn account(&self, access: CloudAccess) -> CloudTransport {
        CloudTransport { client: self.clone(), access }
    }
}

impl CloudTransport {
    /// A request of this account, unless it must not leave.
    fn request(&self, method: Method, url: Url) -> Result<reqwest::RequestBuilder, Lost> {
        if self.client.providers.refuses(&url) {
            return Err(Lost::NotAllowed);
        }
        Ok(self.client.http.request(method, url).header(AUTHORIZATION, self.access.authorization()))
    }

    fn post(&self, url: Url) -> Result<reqwest::RequestBuilder, Lost> {
        self.request(Method::POST, url)
    }

    /// What the provider took since then, page by page.
    async fn list(&self, since: UnixMillis) -> Result<History, NoHistory> {
        let mut page = self.page(None).await?;
        let mut list = History { taken: Vec::new(), clock: page.clock };
        for _ in 1..history::PAGES_MAX {
            let is_last = history::ends_before(&page, since);
            list.taken.append(&mut page.taken);
            match page.next.filter(|_| !is_last) {
                Some(after) => page = self.page(Some(&after)).await?,
                None => return Ok(list),
            }
        }
        list.taken.append(&mut page.taken);
        Ok(list)
    }

    /// One page of what the provider took.
    async fn page(&self, after: Option<&str>) -> Result<history::Page, NoHistory> {
        let not_now = |lost: Lost| NoHistory::NotNow { detail: lost.detail().to_owned() };
        let get = self.request(Method::GET, history::page_url(self.access.history_url(), after)).map_err(not_now)?;
        let answer = within(self.client.timeouts.call, get.send()).await.map_err(not_now)?;
        history::page(&answer, self.access.secret())
    }
}

impl Transport for CloudTransport {
    fn capabilities(&self) -> &Capabilities {
        &self.client.capabilities
    }

    fn upload<'a>(&'a self, file: &'a OutgoingFile) -> BoxFuture<'a, Result<MediaId, Outcome>> {
        async move {
            let post = self.post(self.access.media_url()).map_err(Lost::upload_outcome)?;
            let answering = post.multipart(request::upload_form(file)).send();
            match within(self.client.timeouts.upload, answering).await {
                Ok(answer) => answer::of_upload(&answer, self.access.secret()),
                Err(lost) => Err(lost.upload_outcome()),
            }
        }
        .boxed()
    }

    fn taken_since(&self, since: UnixMillis) -> BoxFuture<'_, Result<History, NoHistory>> {
        async move {
            let reading = tokio::time::timeout(self.client.timeouts.list, self.list(since));
            let too_slow = || NoHistory::NotNow { detail: "the list took too long".to_owned() };
            reading.await.unwrap_or_else(|_| Err(too_slow()))
        }
        .boxed()
    }

    fn send<'a>(
        &'a self,
        to: &'a Recipient,
        part: &'a Part,
        tracker: &'a str,
        permit: &'a Permit,
    ) -> BoxFuture<'a, Outcome> {
        async move {
            if let Err((reason, detail)) = self.capabilities().check(to, part) {
                return Outcome::Failed { reason, detail: detail.to_owned() };
            }
            let Some(body) = request::message_body(to, part, tracker) else {
                let detail = "people without a number are not supported".to_owned();
                return Outcome::Failed { reason: super::FailReason::RecipientNotSupported, detail };
            };
            let post = match self.post(self.access.messages_url()) {
                Ok(post) => post.header(CONTENT_TYPE, "application/json"),
                Err(lost) => return lost.send_outcome(),
            };
            let body = reqwest::Body::wrap(PermittedBody::new(body, permit.clone()));
            match within(self.client.timeouts.call, post.body(body).send()).await {
                Ok(answer) => answer::of_send(&answer, self.access.secret()),
                Err(lost) => lost.send_outcome(),
            }
        }
        .boxed()
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Lost {
    /// The request could not even be built.
    NotBuilt,
    /// The provider's address is not public.
    NotAllowed,
    /// No connection stood, so nothing was written.
    NotConnected { timed_out: bool },
    /// The connection stood, and the time to write had passed, so nothing was written.
    PermitOver,
    /// The connection stood, then this happened.
    AfterConnecting(&'static str),
}

impl Lost {
    fn of(error: &reqwest::Error) -> Lost {
        if error.is_builder() {
            Lost::NotBuilt
        } else if NotPublic::caused(error) {
            Lost::NotAllowed
        } else if PermitOver::caused(error) {
            Lost::PermitOver
        } else if error.is_connect() {
            Lost::NotConnected { timed_out: error.is_timeout() }
        } else {
            Lost::AfterConnecting("the connection ended before the answer")
        }
    }

    fn detail(&self) -> &'static str {
        match self {
            Lost::NotBuilt => "the account's settings do not form a request",
            Lost::NotAllowed => "the account's base_url leads to an address that is not public",
            Lost::NotConnected { timed_out: true } => "connecting took too long",
            Lost::NotConnected { timed_out: false } => "could not connect",
            Lost::PermitOver => "the time to write was over",
            Lost::AfterConnecting(detail) => detail,
        }
    }

    fn send_outcome(self) -> Outcome {
        let detail = self.detail().to_owned();
        match self {
            Lost::NotBuilt | Lost::NotAllowed => {
                Outcome::AccountHeld { state: ProviderHold::UntilMended, code: None, detail }
            }
            Lost::NotConnected { .. } => put_off(PutOffScope::Connection, &detail),
            Lost::PermitOver => Outcome::NotStarted,
            Lost::AfterConnecting(_) => Outcome::Unknown { detail },
        }
    }

    fn upload_outcome(self) -> Outcome {
        match self {
            // Repeating an upload harms nobody, so there is nothing to be unsure about.
            Lost::AfterConnecting(detail) => put_off(PutOffScope::Provider, detail),
            Lost::NotBuilt | Lost::NotAllowed | Lost::NotConnected { .. } | Lost::PermitOver => self.send_outcome(),
        }
    }
}

fn put_off(scope: PutOffScope, detail: &str) -> Outcome {
    Outcome::PutOff { scope, retry_after: None, code: None, detail: detail.to_owned() }
}

/// Waits for the whole answer, at most `limit` from now.
async fn within<F>(limit: Duration, answering: F) -> Result<Answer, Lost>
where
    F: Future<Output = Result<reqwest::Response, reqwest::Error>> + Send,
{
    let reading = async {
        let response = answering.await.map_err(|error| Lost::of(&error))?;
        read(response).await
    };
    // Connecting has a shorter limit of its own, so when this one strikes the request may be out.
    tokio::time::timeout(limit, reading).await.unwrap_or(Err(Lost::AfterConnecting("no answer in time")))
}

async fn read(mut response: reqwest::Response) -> Result<Answer, Lost> {
    let status = response.status().as_u16();
    let asked = text(response.headers(), &RETRY_AFTER);
    let date = text(response.headers(), &DATE);
    let retry_after = asked.and_then(|asked| retry_after::parse(asked, date));
    let clock = date
        .and_then(retry_after::http_date)
        .map(|date| ProviderClock { at: UnixMillis(date.and_utc().timestamp_millis()), seen: clock::uptime() });
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => {
                return Err(Lost::AfterConnecting("the answer is too long to be one"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Answer { status, retry_after, clock, body }),
            Err(_) => return Err(Lost::AfterConnecting("the connection ended within the answer")),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
