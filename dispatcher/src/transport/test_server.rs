//! A server for tests that misbehaves on purpose: it counts connections, records requests and answers raw bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does once it has read a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Writes these bytes and waits for the next request on the same connection.
    KeepOpen(Vec<u8>),
    /// Writes the first bytes, then the second ones for ever, with this pause before each.
    Endless(Vec<u8>, Vec<u8>, Duration),
    /// Closes without a word.
    Close,
    /// Says nothing and keeps the connection open.
    Silence,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method, target and headers; header names in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Default)]
struct Seen {
    connections: usize,
    bytes: usize,
    requests: Vec<Request>,
}

pub(crate) struct TestServer {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

impl TestServer {
    /// Starts on a free port of 127.0.0.1; stops when dropped.
    pub(crate) async fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound listener");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (reply, known) = (Arc::new(reply), Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                known.lock().expect("no panic while held").connections += 1;
                tokio::spawn(serve(stream, Arc::clone(&reply), Arc::clone(&known)));
            }
        });
        TestServer { addr, seen, accepting }
    }

    /// Starts a server that gives every request the same reply.
    pub(crate) async fn always(reply: Reply) -> TestServer {
        Self::start(move |_| reply.clone()).await
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().expect("no panic while held").connections
    }

    /// How many bytes have come, whether or not they are a request.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.lock().expect("no panic while held").bytes
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic while held").requests.clone()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A port of 127.0.0.1 that nobody listens on.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener").port()
}

/// An answer with a length.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// An answer of one chunk, without a length.
pub(crate) fn chunked(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    [head.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

async fn serve(mut stream: TcpStream, reply: Arc<impl Fn(&Request) -> Reply>, seen: Arc<Mutex<Seen>>) {
    while let Some(request) = read_request(&mut stream, &seen).await {
        seen.lock().expect("no panic while held").requests.push(request.clone());
        // Writing fails when the client has seen enough; that ends the connection.
        match reply(&request) {
            Reply::KeepOpen(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Bytes(bytes) => {
                let _gone = stream.write_all(&bytes).await;
                let _gone = stream.shutdown().await;
                return;
            }
            Reply::Endless(first, again, pause) => {
                let mut written = stream.write_all(&first).await;
                while written.is_ok() {
                    tokio::time::sleep(pause).await;
                    written = stream.write_all(&again).await;
                }
                return;
            }
            Reply::Close => return,
            Reply::Silence => {
                let mut ignored = [0];
                let _closed_by_client = stream.read(&mut ignored).await;
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, seen: &Mutex<Seen>) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let more = stream.read_buf(&mut bytes).await.ok()?;
        seen.lock().expect("no panic while held").bytes += more;
        if more == 0 {
            return None;
        }
    };
    let head: String = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(head_end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { head, body })
}
