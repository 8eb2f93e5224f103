//! The service under test, on threads of its own, so that it can be killed where it stands.

use std::sync::Arc;
use std::time::Duration;

use angelia_dispatcher::config::Config;
use angelia_dispatcher::{RunDispatcherError, run};
use angelia_shared::ids::MemberId;
use angelia_shared::log::{Access, EventLog, connect};
use angelia_shared::vault::{MasterKey, Vault};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a graceful end may take: calls, the last batch, and some.
const STOPS_WITHIN: Duration = Duration::from_secs(40);

/// A running dispatcher. Dropping it kills it.
pub(crate) struct Dispatcher {
    runtime: Option<Runtime>,
    running: JoinHandle<Result<(), RunDispatcherError>>,
    shutdown: CancellationToken,
    /// Its name in the log.
    pub(crate) member: MemberId,
}

impl Dispatcher {
    /// Starts one with its own connection; returns before it has claimed anything.
    pub(crate) async fn start(access: Access, partitions: u16, master_hex: &str, config: Config) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had");
        let shutdown = CancellationToken::new();
        let member = MemberId::generate();
        let running = runtime.spawn(serve(access, partitions, master_hex.to_owned(), config, member, shutdown.clone()));
        Self { runtime: Some(runtime), running, shutdown, member }
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// When it takes too long or has failed.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(STOPS_WITHIN, &mut self.running).await;
        ended.expect("it stops in time").expect("it does not panic").expect("it stops without an error");
    }

    /// Asks it to stop; does not wait.
    pub(crate) fn ask_to_stop(&self) {
        self.shutdown.cancel();
    }

    /// Kills it where it stands: every task is dropped at its next pause, nothing is cleaned up.
    pub(crate) async fn kill(mut self) {
        let runtime = self.runtime.take().expect("it is killed once");
        // Waits until no thread runs on, so that what follows is really after its death.
        let killing = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5)));
        killing.await.expect("a runtime can be dropped");
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs the service as its program does.
pub(crate) async fn serve(
    access: Access,
    partitions: u16,
    master_hex: String,
    config: Config,
    member: MemberId,
    shutdown: CancellationToken,
) -> Result<(), RunDispatcherError> {
    let client = connect(&access, "dispatcher").await.expect("the broker answers");
    let log = EventLog::open(client, 1, partitions).await.expect("the log can be opened");
    let bucket = log.bucket(Vault::BUCKET, 1, None).await.expect("the bucket can be opened");
    let master = MasterKey::from_hex(&master_hex).expect("64 digits");
    run(config, log, Arc::new(Vault::new(master, bucket)), member, shutdown).await
}
