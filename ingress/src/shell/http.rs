//! Everything that the ingress says over HTTP: the webhook, provider callbacks, the API, health.
//!
//! Read in this order: [`server`] (connections and their bounds), [`body`] (a request's bytes), [`webhook`], then the rest.
//!
//! Not here: what a request means (see `domain/`), and storing it (see `shell/admission.rs` and `shell/directory_writer.rs`).

mod api;
mod attended;
mod body;
mod callbacks;
mod health;
mod lingering;
mod places;
pub mod server;
mod watched;
mod webhook;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::directory::DirectoryView;
use angelia_shared::log::EventLog;
use angelia_shared::vault::Vault;
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use http::{HeaderMap, Request};
use tokio::sync::watch;

use self::body::BodyReader;
use self::callbacks::KnownSenders;
use self::server::{Answering, Peer};
use super::admission::Admission;
use super::api_log::ApiLog;
use super::chats::Chats;
use super::directory_writer::DirectoryWriter;
use super::hand_over::KeyedCalls;
use super::rate_limits::RateLimits;
use super::refusals::RefusalLog;
use super::senders::SendersOf;
use crate::config::Config;
use crate::domain::caller;

/// What handlers need.
pub(crate) struct Parts {
    pub(crate) config: Config,
    /// What shown URLs begin with, without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) log: EventLog,
    pub(crate) vault: Arc<Vault>,
    pub(crate) directory: DirectoryView,
    pub(crate) api_log: ApiLog,
    pub(crate) writer: DirectoryWriter,
    pub(crate) admission: Admission,
    pub(crate) keyed_calls: KeyedCalls,
    pub(crate) chats: Chats,
    pub(crate) refusals: RefusalLog,
    pub(crate) gate: watch::Receiver<bool>,
    pub(crate) senders: SendersOf,
    pub(crate) bodies: BodyReader,
    pub(crate) known_senders: KnownSenders,
    /// None where nothing is limited.
    pub(crate) rate_limits: Option<RateLimits>,
}

/// What handlers share.
pub(crate) type App = Arc<Parts>;

/// The handles that [`app`] puts together.
pub(crate) struct Services {
    pub(crate) log: EventLog,
    pub(crate) vault: Arc<Vault>,
    pub(crate) directory: DirectoryView,
    pub(crate) api_log: ApiLog,
    pub(crate) admission: Admission,
    pub(crate) keyed_calls: KeyedCalls,
    pub(crate) chats: Chats,
    pub(crate) refusals: RefusalLog,
    pub(crate) gate: watch::Receiver<bool>,
}

/// Puts together what handlers share.
pub(crate) fn app(config: Config, public_url: String, services: Services) -> App {
    let Services { log, vault, directory, api_log, admission, keyed_calls, chats, refusals, gate } = services;
    Arc::new(Parts {
        bodies: BodyReader::new(Duration::from_secs(config.body_timeout_s)),
        writer: DirectoryWriter::new(api_log.clone(), directory.clone()),
        senders: SendersOf::default(),
        known_senders: callbacks::known_senders(),
        rate_limits: RateLimits::new(&config),
        config,
        public_url,
        log,
        vault,
        directory,
        api_log,
        admission,
        keyed_calls,
        chats,
        refusals,
        gate,
    })
}

/// All routes. Nearly every request is a webhook's: those do not walk through the tree of routes.
#[derive(Clone)]
pub(crate) struct Routes {
    app: App,
    others: Router,
}

impl Routes {
    /// The routes of `app`.
    pub(crate) fn of(app: App) -> Self {
        Self { others: others(Arc::clone(&app)), app }
    }
}

impl Answering for Routes {
    async fn answer(self, request: Request<Body>) -> Response {
        if webhook::is_called_by(request.uri().path()) {
            return webhook::call(&self.app, request).await;
        }
        self.others.answer(request).await
    }
}

fn others(app: App) -> Router {
    api::router(&app.public_url)
        // Each handler counts its own bytes, so that it can answer in its own form.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// Who sent a request, looking through trusted proxies.
fn caller_of<B>(app: &Parts, request: &Request<B>) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |Peer(peer)| peer.ip());
    let trusted = &app.config.trusted_proxies.0;
    caller::caller(peer, texts(request.headers(), "x-forwarded-for"), trusted)
}

/// The values of a header that are text.
fn texts<'a>(headers: &'a HeaderMap, name: &'static str) -> impl DoubleEndedIterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}
