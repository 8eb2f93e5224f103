//! Brings one child up: spawns it and waits until JetStream answers.
//!
//! Not here: choosing the port, starting again after a death.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::ConnectOptions;
use thiserror::Error;
use tokio::time::{self, Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::child::{Death, Running};
use super::settings::Address;

/// An empty store is up within milliseconds, and people wait for it.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A machine talks to itself in far less; longer, and the next question may do better.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Often enough to see that something goes on.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Everything that a start needs; the same at every start of one broker.
#[derive(Clone)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    /// The broker's directory, with the settings.
    pub(super) dir: PathBuf,
    pub(super) address: Address,
    pub(super) ready_within: Duration,
    /// Says that no broker is wanted any more.
    pub(super) stop: CancellationToken,
}

impl Launch {
    /// Starts a child and returns it when it answers.
    ///
    /// # Errors
    /// [`LaunchError`]; the child has ended then.
    pub(super) async fn start(&self) -> Result<Running, LaunchError> {
        let mut running = Running::spawn(&self.program, &self.dir)
            .map_err(|source| LaunchError::Spawn { program: self.program.clone(), source })?;
        let error = tokio::select! {
            death = running.ended() => return Err(LaunchError::Died(death)),
            () = until_ready(&self.address) => return Ok(running),
            () = time::sleep(self.ready_within) => {
                LaunchError::Silent { port: self.address.port, within: self.ready_within }
            }
            () = self.stop.cancelled() => LaunchError::Cancelled,
        };
        running.stop().await;
        Err(error)
    }
}

/// Why a child did not come up.
#[derive(Debug, Error)]
pub(crate) enum LaunchError {
    /// The system did not start it.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// It ended before it answered.
    #[error("nats-server ended before it was ready: {0}")]
    Died(Death),
    /// It neither ended nor answered.
    #[error(
        "nats-server on port {port} did not answer within {} s and was stopped: its log (level debug) says what it was \
         doing",
        within.as_secs()
    )]
    Silent {
        /// Where it should have answered.
        port: u16,
        /// How long it had.
        within: Duration,
    },
    /// We were asked to stop meanwhile.
    #[error("the start of nats-server was cancelled")]
    Cancelled,
}

/// Asks until JetStream answers; bounded by the caller.
async fn until_ready(address: &Address) {
    let started = Instant::now();
    let mut progress = time::interval_at(started + PROGRESS_EVERY, PROGRESS_EVERY);
    let mut ask = time::interval(ASK_EVERY);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ask.tick() => {
                // Cut off, so that one lost answer does not keep the progress from being told.
                match time::timeout(ANSWERS_WITHIN, jetstream_answers(address)).await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => debug!(error, "broker is not ready"),
                    Err(_) => debug!("broker does not answer"),
                }
            }
            _ = progress.tick() => {
                info!(waited_s = started.elapsed().as_secs(), "waiting for the broker, which recovers its store");
            }
        }
    }
}

/// Connects anew and asks JetStream for anything. The error is for the log.
async fn jetstream_answers(address: &Address) -> Result<(), String> {
    let client = ConnectOptions::with_user_and_password(Address::USER.to_owned(), address.password.clone())
        .name("angelia: is the broker ready")
        .connection_timeout(ANSWERS_WITHIN)
        .max_reconnects(1)
        // Its ups and downs are what we are here for.
        .event_callback(|_| async {})
        .connect(address.url())
        .await
        .map_err(|error| error.to_string())?;
    async_nats::jetstream::new(client).query_account().await.map(|_| ()).map_err(|error| error.to_string())
}
