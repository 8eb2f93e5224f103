//! A network between client and broker that loses answers and delivers late.
//!
//! Shape: a TCP proxy. What clients send may be held back, and what the broker answers may be dropped; connections can
//! be cut on the client's side while the broker still gets what was held.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_shared::log::{Access, EventLog, connect};
use angelia_shared::testing::TestBroker;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What happens to bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Weather {
    #[default]
    Clear,
    /// The broker's answers are dropped.
    AnswersLost,
    /// What clients send waits in the network. Connections made meanwhile are clear: the trouble is with the old ones.
    Held,
    /// Batches wait in the network, on every connection; other requests pass.
    BatchesHeld,
}

/// What every record of a batch carries.
const BATCH_HEADER: &[u8] = b"Nats-Batch-Id";

struct Shared {
    weather: watch::Sender<Weather>,
    /// Cuts the clients' side of the connections that there are.
    cut: Mutex<CancellationToken>,
}

/// A proxy before a broker.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    stop: CancellationToken,
}

impl Proxy {
    pub(crate) async fn start(broker: &TestBroker) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Mutex::new(CancellationToken::new());
        let shared = Arc::new(Shared { weather: watch::Sender::new(Weather::Clear), cut });
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, broker.port(), Arc::clone(&shared), stop.clone()));
        Self { shared, port, stop }
    }

    /// The log through the proxy.
    pub(crate) async fn log(&self) -> EventLog {
        let access = Access { url: format!("nats://127.0.0.1:{}", self.port), user: None, password: None };
        EventLog::open(connect(&access, "test-proxied").await.unwrap(), 1, 64).await.unwrap()
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Ends the connections that there are, as their clients see it. What is held may still reach the broker.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut *self.shared.cut.lock().unwrap()).cancel();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut();
    }
}

async fn accept(listener: TcpListener, broker: u16, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let client = tokio::select! {
            client = listener.accept() => client.unwrap().0,
            () = stop.cancelled() => return,
        };
        let Ok(server) = TcpStream::connect(("127.0.0.1", broker)).await else { continue };
        let cut = shared.cut.lock().unwrap().clone();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut weather = shared.weather.subscribe();
        let clear = matches!(*weather.borrow_and_update(), Weather::AnswersLost | Weather::Held);
        tokio::spawn(carry_answers(from_server, to_client, weather.clone(), clear, cut.clone()));
        tokio::spawn(carry_requests(from_client, to_server, weather, clear, cut));
    }
}

async fn carry_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    weather: watch::Receiver<Weather>,
    clear: bool,
    cut: CancellationToken,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = cut.cancelled() => return,
        };
        let Ok(1..) = read else { return };
        if (clear || *weather.borrow() != Weather::AnswersLost) && to.write_all(&buffer[..read.unwrap()]).await.is_err()
        {
            return;
        }
    }
}

/// Goes on after a cut until everything that was read has been delivered.
async fn carry_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    clear: bool,
    cut: CancellationToken,
) {
    let mut held = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut open = true;
    loop {
        let now = *weather.borrow_and_update();
        let holds = move |bytes: &[u8]| match now {
            Weather::Held => !clear,
            Weather::BatchesHeld => bytes.windows(BATCH_HEADER.len()).any(|window| window == BATCH_HEADER),
            Weather::Clear | Weather::AnswersLost => false,
        };
        if !held.is_empty() && !holds(&held) {
            if to.write_all(&std::mem::take(&mut held)).await.is_err() {
                return;
            }
            continue;
        }
        if !open && held.is_empty() {
            // The broker drops an open batch with its connection, so it gets a moment to take in what was delivered.
            tokio::time::sleep(Duration::from_millis(200)).await;
            return;
        }
        tokio::select! {
            read = from.read(&mut buffer), if open => match read {
                Ok(1..) => {
                    let bytes = &buffer[..read.unwrap()];
                    if holds(bytes) {
                        held.extend_from_slice(bytes);
                    } else if to.write_all(bytes).await.is_err() {
                        return;
                    }
                }
                Ok(0) | Err(_) => open = false,
            },
            () = cut.cancelled(), if open => open = false,
            changed = weather.changed() => if changed.is_err() { return },
        }
    }
}
