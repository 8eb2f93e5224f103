//! Serves HTTP/1.1 with bounds on everything that a client could use up: places (see [`super::places`]), buffers, and time
//! for each thing that is waited for.
//!
//! A connection costs some 2 KiB until its first byte comes, then two buffers of 8 KiB, which grow to at most twice that.
//!
//! Not here: the size and the time of a body (see [`super::body`]), the routes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use super::attended::Attended;
use super::lingering::Lingering;
use super::places::{Place, Places, Taken};
use super::watched::Watched;
use crate::metrics as names;

/// Largest head of a request: room for long URLs and proxies' headers. A connection's buffers grow to no more than this, so
/// it is also what ten thousand clients can make us keep ten thousand times.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Pause after the system had no socket for us.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// Connections served at once.
    pub connections_max: usize,
    /// How long a head may take, or an idle connection stay.
    pub header_timeout: Duration,
    /// How long requests under way may take after the signal to stop.
    pub drain: Duration,
}

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What has requests answered.
pub trait Answering: Clone + Send + Sync + 'static {
    /// Answers a request.
    fn answer(self, request: http::Request<Body>) -> impl Future<Output = Response> + Send;
}

impl Answering for Router {
    async fn answer(self, request: http::Request<Body>) -> Response {
        self.oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// Serves until `shutdown`, then answers what is under way, within `options.drain`.
pub async fn serve(listener: TcpListener, routes: impl Answering, options: ServerOptions, shutdown: CancellationToken) {
    let places = Places::new(options.connections_max);
    let connections = TaskTracker::new();
    let give_up = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A client that hung up before it was taken, or no file descriptors left: both pass, the latter sooner if
                // somebody gives one up.
                warn!(error = %error, "cannot accept a connection");
                places.displace();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Only now: nobody is displaced before somebody has come.
        let taken = tokio::select! {
            taken = places.take() => taken,
            () = shutdown.cancelled() => break,
        };
        let connection = connection(stream, peer, taken, routes.clone(), options, shutdown.clone());
        let give_up = give_up.clone();
        connections.spawn(async move {
            tokio::select! {
                () = connection => {}
                () = give_up.cancelled() => metrics::counter!(names::CONNECTIONS_CUT).increment(1),
            }
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
async fn answer(
    routes: impl Answering,
    request: hyper::Request<hyper::body::Incoming>,
    place: Arc<Place>,
) -> Result<Response, Infallible> {
    place.begin_request();
    let (request, is_read) = Watched::request(request, &place);
    let mut response = routes.answer(request.map(Body::new)).await;
    if !is_read.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    place.begin_answer();
    Ok(response)
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    taken: Taken,
    routes: impl Answering,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    // Nothing is made for a client that says nothing.
    tokio::select! {
        // What was sent before the signal to stop is answered.
        biased;
        spoke = tokio::time::timeout(options.header_timeout, stream.readable()) => if !matches!(spoke, Ok(Ok(()))) { return },
        () = taken.place().wanted() => return taken.give_up(),
        () = shutdown.cancelled() => return,
    }
    // In a box: until here the task is small.
    Box::pin(served(stream, peer, taken, routes, options, shutdown)).await;
}

async fn served(
    stream: TcpStream,
    peer: SocketAddr,
    taken: Taken,
    routes: impl Answering,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    // Answers are small and leave in one piece: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let place = Arc::clone(taken.place());
    let stream = Lingering::new(Attended::new(stream, Arc::clone(&place)));
    let of_service = Arc::clone(&place);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        answer(routes.clone(), request, Arc::clone(&of_service))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            // It is this task that would begin a request, so none begins between this look and the end.
            () = place.wanted() => if place.is_waiting() { return taken.give_up() },
            () = shutdown.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "a connection ended early");
    }
}
