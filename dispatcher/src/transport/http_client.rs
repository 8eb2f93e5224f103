//! Builds the HTTP clients of transports and attachments: one connection a request, nothing on its own initiative.
//!
//! Why no connection is used twice: a request on a connection that stood idle may meet the other side's close on its
//! way. It is then written, unanswered, and `unknown` for ever. A fresh connection has no such moment: an error before
//! the request is an error of connecting (`is_connect`), and so *certainly not accepted*. It also leaves the HTTP
//! library nothing to repeat: it repeats only requests that it had given to a reused connection.
//!
//! The price is a handshake a message, small beside a pace of seconds, and a bound: a closed connection keeps its port
//! for a minute, so Linux's 28,000 ports carry about 470 requests a second to one address of a provider. Beyond that
//! connecting fails, which is put off, not lost; a process that needs more needs a second address or a second process.
//!
//! HTTP/1.1 only, so that the end of one connection concerns one message.

use std::time::Duration;

use reqwest::{ClientBuilder, redirect, retry};

/// What peers see as the caller.
const USER_AGENT: &str = concat!("angelia/", env!("CARGO_PKG_VERSION"));

/// An HTTP client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("building an HTTP client (are the system's CA certificates installed?)")]
pub struct BuildClientError(#[from] reqwest::Error);

/// A client that connects anew for each request, repeats nothing, follows nothing, and asks no proxy.
///
/// The proxy variables of the environment are left alone: a proxy would connect to addresses that were not checked,
/// and answer in a provider's place.
pub(crate) fn one_shot(connect_timeout: Duration) -> ClientBuilder {
    install_tls();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .pool_max_idle_per_host(0)
        .http1_only()
        .connect_timeout(connect_timeout)
}

/// Makes `ring` the process's TLS provider, unless something else already chose one.
fn install_tls() {
    // An error means that one is installed, which is all that is needed.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}
