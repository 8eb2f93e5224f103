//! Serves HTTP/1.1 with bounds on everything that a client could use up.
//!
//! Not here: the size and the time of a body (see [`super::body`]), the routes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use super::lingering::Lingering;
use super::watched::Watched;
use crate::metrics as names;

/// Largest head of a request: room for long URLs and proxies' headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Pause after the system had no socket for us.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerOptions {
    /// Connections open at once.
    pub(crate) connections_max: usize,
    /// How long a head may take, or an idle connection stay.
    pub(crate) header_timeout: Duration,
    /// How long requests under way may take after the signal to stop.
    pub(crate) drain: Duration,
}

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `shutdown`, then answers what is under way, within `options.drain`.
pub(crate) async fn serve(listener: TcpListener, router: Router, options: ServerOptions, shutdown: CancellationToken) {
    let free = Arc::new(Semaphore::new(options.connections_max));
    let connections = TaskTracker::new();
    let give_up = CancellationToken::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&free).acquire_owned() => permit.expect("the semaphore is never closed"),
            () = shutdown.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A client that hung up before it was taken, or no file descriptors left: both pass.
                warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(stream, peer, router.clone(), options, shutdown.clone());
        let give_up = give_up.clone();
        connections.spawn(async move {
            tokio::select! {
                () = connection => {}
                () = give_up.cancelled() => metrics::counter!(names::CONNECTIONS_CUT).increment(1),
            }
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    info!(connections = connections.len(), "no more connections are taken");
    if tokio::time::timeout(options.drain, connections.wait()).await.is_err() {
        warn!(connections = connections.len(), "connections are cut: their requests took too long");
        give_up.cancel();
        connections.wait().await;
    }
}

/// Has a request answered. When its body was not read whole, the answer says that the connection will be closed: it is,
/// and a client that does not know would send its next call into nothing.
async fn answer(router: Router, request: hyper::Request<hyper::body::Incoming>) -> Result<Response, Infallible> {
    let (request, is_read) = Watched::request(request);
    let mut response = router.oneshot(request).await?;
    if !is_read.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    // Answers are small and leave in one piece: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        answer(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Lingering::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "a connection ended early");
    }
}
