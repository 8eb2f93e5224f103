//! Builds the HTTP clients of transports and attachments: nothing on their own initiative.
//!
//! A file's server is asked once, on a connection of its own ([`one_shot`]). A provider is asked thousands of times a
//! second, so its connections are kept ([`pooled`]): with a connection a message Linux's 28,000 ports, each held for a
//! minute after its close, carried about 470 requests a second to one address.
//!
//! What a kept connection may not cost is certainty. A request that was given to a connection which turns out to be closed
//! comes back *unwritten*, and the HTTP library then connects anew; that is the only thing it repeats, and it is not a
//! second writing. What was written, even one byte, is never written again. So the only doubt is a close that is on its
//! way to us in the very moment of writing, which looks like an answer that was lost; it is made rare by [`IDLE`], which
//! is shorter than what servers allow, so that it is nearly always this side that closes an idle connection.
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

/// How long a connection without a request is kept. Common servers close theirs after 5 s (Node), 60 s (load balancers)
/// or 75 s (nginx); at a pace of seconds a busy provider's connections are never idle for so long.
pub(crate) const IDLE: Duration = Duration::from_secs(3);
/// Idle connections that are kept to one provider. 2,500 calls a second of 100 ms need 250 at once.
const IDLE_MAX: usize = 512;

/// A client that keeps its connections for [`IDLE`] or another time.
pub(crate) fn pooled(connect_timeout: Duration, idle: Duration) -> ClientBuilder {
    one_shot(connect_timeout).pool_max_idle_per_host(IDLE_MAX).pool_idle_timeout(idle)
}

/// Lets the system give up what it could not get across for so long, and with it the connection.
///
/// It goes on trying by itself after a call was given up, and after its process has died: without this (the HTTP library
/// says 30 s) a request that met a broken wire was seen to arrive 27 s after it was written, in the middle of later ones.
pub(crate) fn drop_undelivered(client: ClientBuilder, after: Duration) -> ClientBuilder {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let client = client.tcp_user_timeout(after);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _not_offered = after;
    client
}

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
