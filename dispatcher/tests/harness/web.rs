//! A small HTTP server: attachments, callbacks, and a WhatsApp that answers when it is told to.

use std::sync::Arc;

use angelia_shared::clock;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request, as far as the tests look at it.
pub(crate) struct Request {
    /// The path with its query.
    pub(crate) target: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// What is answered.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The media type.
    pub(crate) content_type: &'static str,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// How many seconds the server's clock is ahead.
    pub(crate) date_ahead_s: i64,
}

impl Reply {
    /// 200 with a body.
    pub(crate) fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type, body: body.into(), date_ahead_s: 0 }
    }

    /// A status without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, content_type: "text/plain", body: Vec::new(), date_ahead_s: 0 }
    }
}

type Handler = dyn Fn(Request) -> BoxFuture<'static, Reply> + Send + Sync;

/// A running server. Stops when dropped.
pub(crate) struct Web {
    /// Where it is, without a path.
    pub(crate) url: String,
    accepting: JoinHandle<()>,
}

impl Web {
    /// Starts on a free port.
    pub(crate) async fn start<F>(handler: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let handler: Arc<Handler> = Arc::new(move |request| Box::pin(handler(request)));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away in the middle is part of the tests.
                let handler = Arc::clone(&handler);
                tokio::spawn(async move { answer(stream, &*handler).await });
            }
        });
        Self { url, accepting }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One request a connection.
async fn answer(mut stream: TcpStream, handler: &Handler) -> Option<()> {
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(&mut stream, &mut read).await?;
    };
    let head = String::from_utf8_lossy(&read[..head_end]).into_owned();
    let target = head.split(' ').nth(1)?.to_owned();
    let header = |name: &str| {
        head.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)))
    };
    let length = header("content-length").and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    while read.len() < head_end + length {
        more(&mut stream, &mut read).await?;
    }
    let reply = handler(Request { target, body: read.split_off(head_end) }).await;
    let head = format!(
        "HTTP/1.1 {} X\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.status,
        date(reply.date_ahead_s),
        reply.content_type,
        reply.body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&reply.body).await.ok()?;
    stream.shutdown().await.ok()
}

fn date(ahead_s: i64) -> String {
    let now = chrono::DateTime::from_timestamp_millis(clock::now().0 + ahead_s * 1_000).expect("not so far ahead");
    now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(read).await {
        Ok(1..) => Some(()),
        Ok(0) | Err(_) => None,
    }
}
