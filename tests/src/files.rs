//! A file server for attachments, on the loopback interface.
//!
//! | path | answers |
//! |---|---|
//! | `/bytes/{n}` | a PDF of exactly `n` bytes, its length announced |
//! | `/stream/{n}` | the same without a length |
//! | `/file/{name}` | one of the small files below, by its ending |
//! | `/page` | a web page that says so |
//! | `/disguised` | a web page that calls itself a PDF |
//! | `/status/{code}` | that status |
//! | `/hops/{n}` | `n` redirects, then a PDF |
//! | `/to?url` | a redirect to `url` |

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A picture of one pixel.
pub const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00, 0x00, 0x00, 0x0b, 0x49,
    0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0x00, 0x02, 0x00, 0x00, 0x05, 0x00, 0x01, 0x7a, 0x5e, 0xab, 0x3f, 0x00,
    0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// The beginning of an MP3 file with an ID3 tag.
const MP3: &[u8] =
    b"ID3\x03\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00\x00\x00\x00\x00";

/// The beginning of a page.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Sign in to download</body></html>";

/// A PDF, as far as its first bytes go.
const PDF: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n";

/// A running file server; it ends with this value.
pub struct FileServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl FileServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let routes = Router::new()
            .route("/bytes/{n}", get(bytes))
            .route("/stream/{n}", get(stream))
            .route("/file/{name}", get(file))
            .route("/page", get(|| async { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE) }))
            .route("/disguised", get(|| async { ([(header::CONTENT_TYPE, "application/pdf")], PAGE) }))
            .route("/status/{code}", get(status))
            .route("/hops/{n}", get(hops))
            .route("/to", get(elsewhere))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&asked), note))
            .with_state(address);
        let task = tokio::spawn(async move {
            // It ends when it is dropped.
            let _ = axum::serve(listener, routes).await;
        });
        Self { address, asked, task }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn note(
    State(asked): State<Arc<Mutex<Vec<String>>>>,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.uri().to_string());
    next.run(request).await
}

/// A PDF of exactly this many bytes.
pub fn pdf_of(bytes: usize) -> Vec<u8> {
    let mut pdf = PDF.to_vec();
    pdf.resize(bytes, b' ');
    pdf
}

async fn bytes(Path(n): Path<usize>) -> Response {
    ([(header::CONTENT_TYPE, "application/pdf")], pdf_of(n)).into_response()
}

async fn stream(Path(n): Path<usize>) -> Response {
    let pdf = pdf_of(n);
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> = pdf.chunks(16 * 1024).map(|chunk| Ok(chunk.to_vec())).collect();
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    ([(header::CONTENT_TYPE, "application/pdf")], body).into_response()
}

async fn file(Path(name): Path<String>) -> Response {
    let (kind, bytes) = match name.rsplit('.').next() {
        Some("png") => ("image/png", PNG.to_vec()),
        Some("mp3") => ("audio/mpeg", MP3.to_vec()),
        _ => ("application/pdf", pdf_of(PDF.len())),
    };
    ([(header::CONTENT_TYPE, kind)], bytes).into_response()
}

async fn status(Path(code): Path<u16>) -> Response {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST).into_response()
}

async fn hops(Path(n): Path<usize>, State(address): State<SocketAddr>) -> Response {
    if n == 0 {
        return file(Path("end.pdf".to_owned())).await;
    }
    (StatusCode::FOUND, [(header::LOCATION, format!("http://{address}/hops/{}", n - 1))]).into_response()
}

async fn elsewhere(request: Request) -> Response {
    let target = request.uri().query().unwrap_or_default().to_owned();
    (StatusCode::FOUND, [(header::LOCATION, target)]).into_response()
}
