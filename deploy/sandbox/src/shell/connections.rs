//! Accepts connections and can close one without an answer, which axum's own `serve` cannot.
//!
//! Invariants:
//! - Closing ends one connection; all others go on.
//!
//! Not here: deciding what closes (see `domain/script.rs`); a handler says so by answering with [`closed`].

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::pin;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::clock;

/// Open connections at once; more wait in the system's queue. Below the usual limit of open files.
const CONNECTIONS_MOST: usize = 4_096;
/// Longer than clients keep idle connections in their pools: a server that hangs up first makes them guess whether
/// their last request was taken.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long requests in progress are waited for at the end.
const STOP_TIMEOUT: Duration = Duration::from_millis(1_200);
/// The pause after an accept that failed, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// When a request's headers were complete, Unix milliseconds; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived(pub(crate) u64);

#[derive(Debug, Clone, Copy)]
struct CloseNow;

/// The connection ends here; hyper drops it without writing a byte.
#[derive(Debug, thiserror::Error)]
#[error("closing the connection without an answer, as the script says")]
struct Closing;

/// The response of a handler that wants its connection closed instead.
pub(crate) fn closed() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(CloseNow);
    response
}

/// Serves until `stop`, then lets requests in progress finish, within a bound.
pub(crate) async fn run(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS_MOST => match accepted {
                Ok((stream, _)) => {
                    open.spawn(serve_one(stream, router.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let finished = timeout(STOP_TIMEOUT, async { while open.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        open.shutdown().await;
    }
}

async fn serve_one(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Answers are small and awaited: they must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Arrived(clock::now_ms()));
        let answer = router.clone().oneshot(request);
        async move {
            let response = answer.await.unwrap_or_else(|never: Infallible| match never {});
            if response.extensions().get::<CloseNow>().is_some() { Err(Closing) } else { Ok(response) }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn Error, "a connection ended early");
    }
}
