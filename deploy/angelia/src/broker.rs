//! The embedded broker: a `nats-server` of our own, for an installation on one machine.
//!
//! Shape: [`Broker::start`] returns when JetStream answers; from then on a task watches the child, starts it again when
//! it dies, and gives up when it keeps dying ([`Broker::wait_failed`]). [`Broker::stop`] ends it, last of all services.
//!
//! Invariants:
//! - At most one broker runs on a data directory: the directory is locked ([`DataDir`]), and a broker that outlived its
//!   parent is found by its pid file and stopped first.
//! - Address and credentials hold as long as the [`Broker`] does, over any number of restarts of the child.
//! - What was acknowledged is on disk (`sync_interval: always`), so that ending the child by force loses nothing.
//!
//! Everything lies in `nats/` under the data directory: `nats.conf` (written at each start), `port` and `password` (kept),
//! `nats-server.pid`, and the store. Batches that the broker gathers are in memory (see `staging.rs`).
//!
//! Not here: streams and their settings (see the log in `shared`), a broker that is run elsewhere (`--nats URL`).

mod child;
mod error;
mod launch;
mod leftover;
mod port;
mod restarts;
mod settings;
mod staging;
mod supervisor;
#[cfg(test)]
mod tests;
mod version;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, future, io};

use angelia_shared::log::Access;
use angelia_shared::log::stream::STREAM;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

pub(crate) use self::error::{BrokerFailed, StartBrokerError};
use self::launch::{Launch, LaunchError};
use self::settings::Address;
use self::supervisor::Supervisor;
use crate::data_dir::{DataDir, DataDirError};

/// Where the store is, relative to the data directory.
pub(crate) const STORE: &str = "nats/store";

/// Recovering the store of a long life takes a while after a crash; beyond this something is wrong.
pub(crate) const DEFAULT_READY_WITHIN: Duration = Duration::from_secs(120);

/// Another process may take the port between our look and the server's start. Twice in a row is not chance.
const PORT_TRIES: u32 = 3;

/// The broker stops storing when its disk is full, and needs to be started again to go on. Less than this is full: it
/// leaves room for the server's own files and for those of the ledger.
const LEAST_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// What a broker needs to start.
pub(crate) struct BrokerConfig {
    /// Where it keeps everything. The broker holds a clone, so that nobody else can take it while it runs.
    pub(crate) data_dir: DataDir,
    /// The program; without one, `nats-server` on the PATH.
    pub(crate) nats_server: Option<PathBuf>,
    /// How long a start may take until JetStream answers; see [`DEFAULT_READY_WITHIN`].
    pub(crate) ready_within: Duration,
}

/// A running broker. Dropped without [`Broker::stop`], the child is killed.
pub(crate) struct Broker {
    address: Address,
    stop: CancellationToken,
    /// Empty once the supervisor has ended.
    supervisor: Option<AbortOnDropHandle<Result<(), BrokerFailed>>>,
    /// Goes last: the broker's last batches may still need it.
    _staging: AbortOnDropHandle<()>,
}

impl Broker {
    /// Starts the broker and returns when it answers.
    ///
    /// # Errors
    /// [`StartBrokerError`]; nothing is left running then.
    pub(crate) async fn start(config: BrokerConfig) -> Result<Self, StartBrokerError> {
        let BrokerConfig { data_dir, nats_server, ready_within } = config;
        let program = absolute(nats_server.unwrap_or_else(|| PathBuf::from("nats-server")));
        let version = version::check(&program).await?;

        let (dir, password) = blocking(data_dir.clone(), prepare).await?;
        leftover::stop(&dir).await?;
        staging::remove_leftover(&dir, STREAM);

        let stop = CancellationToken::new();
        let mut tries = 1;
        let (launch, running) = loop {
            let address = choose_address(&data_dir, &password, tries > 1).await?;
            let launch =
                Launch { program: program.clone(), dir: dir.clone(), address, ready_within, stop: stop.clone() };
            match launch.start().await {
                Ok(running) => break (launch, running),
                Err(LaunchError::Died(death)) if death.port_was_taken() && tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        info!(nats_server.version = %version, port = launch.address.port, "embedded broker is ready");

        let address = launch.address.clone();
        let supervisor = Supervisor::new(launch, data_dir);
        let supervisor = Some(AbortOnDropHandle::new(tokio::spawn(supervisor.run(running))));
        let staging = AbortOnDropHandle::new(tokio::spawn(staging::keep_in_memory(dir, STREAM)));
        Ok(Self { address, stop, supervisor, _staging: staging })
    }

    /// Where clients connect, and as whom.
    pub(crate) fn access(&self) -> Access {
        self.address.access()
    }

    /// Resolves when the broker ended for good and will not be started again, never otherwise. May be dropped and
    /// called again.
    pub(crate) async fn wait_failed(&mut self) -> BrokerFailed {
        let Some(supervisor) = &mut self.supervisor else { return future::pending().await };
        let ended = supervisor.await;
        self.supervisor = None;
        match ended {
            Ok(Err(failed)) => failed,
            // It ends well only when `stop` asks for it, which takes the broker away from here.
            Ok(Ok(())) => future::pending().await,
            Err(panicked) => BrokerFailed::Supervisor(panicked),
        }
    }

    /// Stops the child: asks it to end, and after a while makes it. Returns when it has ended.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(supervisor) = self.supervisor.take() {
            // Whatever it ended with, the child is gone.
            let _ = supervisor.await;
        }
    }
}

/// How to reach the broker of an installation that another process runs.
///
/// # Errors
/// When its files cannot be read.
pub(crate) fn running(data_dir: &Path) -> io::Result<Access> {
    let read = |name| fs::read_to_string(data_dir.join(name)).map(|text| text.trim().to_owned());
    let port = read(settings::PORT_FILE)?.parse().map_err(io::Error::other)?;
    Ok(Address { port, password: read(settings::PASSWORD_FILE)? }.access())
}

/// The parts that need no port yet: directory, password, room on the disk.
fn prepare(data_dir: &DataDir) -> Result<(PathBuf, String), StartBrokerError> {
    let dir = data_dir.private_dir(settings::DIR)?;
    let password = data_dir.read_or_create_secret::<32>(settings::PASSWORD_FILE)?;
    let free_bytes = data_dir.free_bytes()?;
    if free_bytes < LEAST_FREE_BYTES {
        return Err(StartBrokerError::DiskFull { path: dir, free_bytes });
    }
    Ok((dir, password))
}

/// Finds a port, the remembered one if possible, and writes the server's settings for it.
async fn choose_address(data_dir: &DataDir, password: &str, forget: bool) -> Result<Address, StartBrokerError> {
    let password = password.to_owned();
    blocking(data_dir.clone(), move |data_dir| {
        let address = Address { port: port::choose(data_dir, forget)?, password };
        data_dir.write_private(settings::CONFIG_FILE, settings::render(&address).as_bytes())?;
        Ok(address)
    })
    .await
}

/// Runs file work, which waits for the disk, beside the async threads.
async fn blocking<T: Send + 'static>(
    data_dir: DataDir,
    work: impl FnOnce(&DataDir) -> Result<T, StartBrokerError> + Send + 'static,
) -> Result<T, StartBrokerError> {
    spawn_blocking(move || work(&data_dir)).await.expect("file work returns its errors and is never aborted")
}

/// The child starts in a directory of its own, so a path relative to ours must not stay relative. A bare name is
/// looked up on the PATH and stays as it is.
fn absolute(program: PathBuf) -> PathBuf {
    if program.parent().is_none_or(|parent| parent == Path::new("")) {
        return program;
    }
    std::path::absolute(&program).unwrap_or(program)
}
