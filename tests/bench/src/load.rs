//! The load: raw HTTP/1.1 over kept connections, cheap enough to share the machine with what it measures.
//!
//! Closed loop: each connection sends its next request when the answer has come. Open loop: requests are due at fixed
//! times, and a latency counts from when the request was due, not from when a free connection sent it (so a stall is
//! not hidden by the requests that it kept from being sent).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use angelia_shared::clock::monotonic;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What to call.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where to call: connections are shared out among them.
    pub(crate) addresses: Vec<std::net::SocketAddr>,
    /// Paths to spread the calls over, the first ones more often (see [`Target::pick`]).
    pub(crate) paths: Arc<Vec<String>>,
    /// The number of the first call: everything else follows from a call's number.
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) seconds: f64,
    pub(crate) latencies_us: Vec<u32>,
}

impl Outcome {
    /// Accepted calls a second.
    pub(crate) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.accepted as f64 / self.seconds } else { 0.0 }
    }
}

impl Target {
    fn request(&self, number: u64) -> Vec<u8> {
        let path = &self.paths[self.pick(number)];
        let body = format!(
            r#"{{"action":"send","phone":"+1415123{:04}","text":"Hello number {number}, this is a test."}}"#,
            number % 10_000
        );
        format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// Zipf's law with exponent 1, by the inverse of its approximate distribution: path k is called 1/k as often as the
    /// first.
    fn pick(&self, number: u64) -> usize {
        let n = self.paths.len();
        if n == 1 {
            return 0;
        }
        let dice = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64;
        (((n as f64 + 1.0).powf(dice)) as usize - 1).min(n - 1)
    }
}

/// Calls over `connections` for `duration`, each as fast as it is answered.
pub(crate) async fn closed(target: &Target, connections: usize, duration: Duration) -> anyhow::Result<Outcome> {
    let numbers = Arc::new(AtomicU64::new(target.seed << 32));
    let mut sockets = Vec::new();
    for number in 0..connections {
        sockets.push(connect(target.addresses[number % target.addresses.len()]).await?);
    }
    let began = monotonic();
    let until = began + duration;
    let tasks: Vec<_> = sockets
        .into_iter()
        .map(|mut connection| {
            let (target, numbers) = (target.clone(), Arc::clone(&numbers));
            tokio::spawn(async move {
                let mut outcome = Outcome::default();
                while monotonic() < until {
                    let request = target.request(numbers.fetch_add(1, Ordering::Relaxed));
                    let sent = monotonic();
                    count(&mut outcome, connection.call(&request).await?, sent);
                }
                anyhow::Ok(outcome)
            })
        })
        .collect();
    gather(tasks, began).await
}

/// Calls at `rate` a second for `duration` over `connections`, whatever the answers do.
pub(crate) async fn open(
    target: &Target,
    connections: usize,
    rate: f64,
    duration: Duration,
) -> anyhow::Result<Outcome> {
    let total = (rate * duration.as_secs_f64()) as u64;
    let next = Arc::new(AtomicU64::new(0));
    let mut sockets = Vec::new();
    for number in 0..connections {
        sockets.push(connect(target.addresses[number % target.addresses.len()]).await?);
    }
    let began = monotonic();
    let tasks: Vec<_> = sockets
        .into_iter()
        .map(|mut connection| {
            let (target, next) = (target.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut outcome = Outcome::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return anyhow::Ok(outcome);
                    }
                    let due = began + Duration::from_secs_f64(number as f64 / rate);
                    tokio::time::sleep_until(due.into()).await;
                    let accepted = connection.call(&target.request((target.seed << 32) + number)).await?;
                    count(&mut outcome, accepted, due);
                }
            })
        })
        .collect();
    gather(tasks, began).await
}

fn count(outcome: &mut Outcome, accepted: bool, since: Instant) {
    if accepted {
        outcome.accepted += 1;
    } else {
        outcome.refused += 1;
    }
    outcome.latencies_us.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
}

async fn gather(
    tasks: Vec<tokio::task::JoinHandle<anyhow::Result<Outcome>>>,
    began: Instant,
) -> anyhow::Result<Outcome> {
    let mut all = Outcome::default();
    for task in tasks {
        let one = task.await??;
        all.accepted += one.accepted;
        all.refused += one.refused;
        all.latencies_us.extend(one.latencies_us);
    }
    all.seconds = began.elapsed().as_secs_f64();
    Ok(all)
}

async fn connect(address: std::net::SocketAddr) -> anyhow::Result<Connection> {
    let socket = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    socket.set_nodelay(true)?;
    Ok(Connection { socket, buffer: Vec::with_capacity(1_024) })
}

struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends one request, reads its whole answer; true for 200.
    async fn call(&mut self, request: &[u8]) -> anyhow::Result<bool> {
        self.socket.write_all(request).await?;
        loop {
            if let Some((length, accepted)) = whole_answer(&self.buffer) {
                self.buffer.drain(..length);
                return Ok(accepted);
            }
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection: {}", String::from_utf8_lossy(&self.buffer));
            }
        }
    }
}

/// Length of the answer at the beginning of `bytes`, when all of it is there, and whether it is a 200.
fn whole_answer(bytes: &[u8]) -> Option<(usize, bool)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (bytes.len() >= head + length).then(|| (head + length, text.starts_with("HTTP/1.1 200")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!(whole_answer(answer), Some((answer.len(), true)));
        assert_eq!(whole_answer(&answer[..answer.len() - 1]), None);
        assert_eq!(whole_answer(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"), Some((37, false)));
    }

    #[test]
    fn the_first_path_is_called_most_in_zipf_order() {
        let paths = Arc::new((0..1_000).map(|n| format!("/{n}")).collect());
        let target = Target { addresses: vec![([127, 0, 0, 1], 1).into()], paths, seed: 1 };
        let mut calls = vec![0u32; 1_000];
        (0..100_000).for_each(|number| calls[target.pick(number)] += 1);
        assert!(calls[0] > calls[9] * 5 && calls[9] > calls[99] * 3, "{:?}", &calls[..10]);
        assert!(calls[999] < 100);
    }
}
