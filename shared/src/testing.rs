//! A real broker for tests: a `nats-server` of its own, on a free port, that can be killed and started again; and a wire to it
//! that can be cut ([`Proxy`]). Beside it an [`account`] that means nothing.
//!
//! Only with the feature `testing`, which no installed program enables.

mod account;
mod proxy;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::log::stream::DEFAULT_PARTITIONS;
use crate::log::{Access, EventLog, connect};

pub use account::account;
pub use proxy::Proxy;

/// A running `nats-server` with JetStream and `sync_interval: always`. Dropping it kills the server and its data.
pub struct TestBroker {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
}

impl TestBroker {
    /// Starts a server with an empty store.
    ///
    /// # Panics
    /// When it cannot be started: the test cannot go on.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts a server with an empty store and these further settings; whoever gives no name must be let in.
    ///
    /// # Panics
    /// When it cannot be started: the test cannot go on.
    pub async fn start_with(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: test\njetstream {{ store_dir: \"{}\", sync_interval: always, \
             max_file_store: 20G }}\n{settings}\n",
            folder.path().join("store").display()
        );
        std::fs::write(folder.path().join("nats.conf"), config).expect("the configuration can be written");
        let mut broker = Self { child: None, folder, port };
        broker.restart().await;
        broker
    }

    /// How to reach it.
    pub fn access(&self) -> Access {
        Access { url: format!("nats://127.0.0.1:{}", self.port), user: None, password: None }
    }

    /// The server's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id of the server, for signals.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Connects and opens the log, making it on first use.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn log(&self) -> EventLog {
        let client = connect(&self.access(), "test").await.expect("the server answers");
        EventLog::open(client, 1, DEFAULT_PARTITIONS).await.expect("the stream can be opened")
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("an own child can be killed");
            child.wait().expect("an own child can be awaited");
        }
    }

    /// Starts the server on the same port and store; returns when it answers.
    ///
    /// # Panics
    /// When it does not answer within 20 s.
    pub async fn restart(&mut self) {
        self.kill();
        let log = std::fs::File::create(self.folder.path().join("server.log")).expect("its log can be written");
        let child = Command::new(server_binary())
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server can be started");
        self.child = Some(child);
        for _ in 0..200 {
            if let Ok(client) = connect(&self.access(), "test-probe").await
                && async_nats::jetstream::new(client).query_account().await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nats-server does not answer on port {}", self.port);
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on at this moment.
///
/// Below the range that systems use for outgoing connections: a client that polls a port of that range can be given the
/// same one and connect to itself.
///
/// # Panics
/// When a thousand ports in a row are taken.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let dice = std::iter::repeat_with(|| 20_000 + (crate::dice::u64() % 10_000) as u16);
    dice.take(1_000).find(free).expect("some port is free")
}

/// The server's program: `ANGELIA_NATS_SERVER`, which `tests/run.sh` sets, or what `deploy/nats.sh` installs.
///
/// # Panics
/// When it cannot be had.
pub fn server_binary() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "where the tests' tools are is not a setting of the program")]
    if let Some(path) = std::env::var_os("ANGELIA_NATS_SERVER") {
        return path.into();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nats.sh");
    let output = Command::new(script).output().expect("deploy/nats.sh can be run");
    assert!(output.status.success(), "deploy/nats.sh: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a path is text").trim().into()
}
