//! Requests that no HTTP client would send: slow, cut off, malformed.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection on which bytes are written by hand.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects to the server of a URL such as `http://127.0.0.1:8080/hooks/…`.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub async fn to(url: &str) -> Self {
        let stream = TcpStream::connect(host_of(url)).await.expect("the server can be reached");
        stream.set_nodelay(true).expect("an open socket takes options");
        Self { stream }
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the server has closed the connection.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Says that nothing more will be written.
    pub async fn finish(&mut self) {
        // The server may have closed first.
        let _ = self.stream.shutdown().await;
    }

    /// Reads one answer, by its `Content-Length` or until the connection closes. `None` when the connection closed
    /// without one, or nothing came in time.
    pub async fn answer(&mut self, within: Duration) -> Option<RawAnswer> {
        let mut got = Vec::new();
        // An answer that has arrived counts, however the connection ended.
        let _ = timeout(within, async {
            let mut buffer = [0; 4096];
            while !is_whole(&got) {
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => got.extend_from_slice(&buffer[..n]),
                }
            }
        })
        .await;
        let text = String::from_utf8_lossy(&got).into_owned();
        let status = text.split(' ').nth(1)?.parse().ok()?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Some(RawAnswer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

/// What came back on a raw connection.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// HTTP status.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// Body.
    pub body: String,
}

/// `host:port` of a URL.
pub fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

/// The path of a URL.
pub fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or_else(|| "/".to_owned(), |at| rest[at..].to_owned())
}

/// The head of a `POST` to `url` with these further header lines.
pub fn post_head(url: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", path_of(url), host_of(url));
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn is_whole(got: &[u8]) -> bool {
    let text = String::from_utf8_lossy(got);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}
