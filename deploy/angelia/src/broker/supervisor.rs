//! Watches the child: starts it again when it dies or stops storing, and gives up when it keeps dying.
//!
//! Shape: a loop over one [`Running`] after the other. It ends well when it is asked to, and with [`BrokerFailed`] when
//! `restarts.rs` says that it is enough.
//!
//! Not here: ending the process (that is for whoever waits for `Broker::wait_failed`).

use std::time::Duration;

use tokio::time::{self, Instant};
use tracing::{error, info, warn};

use super::LEAST_FREE_BYTES;
use super::child::Running;
use super::error::{BrokerFailed, EndOfChild};
use super::launch::{Launch, LaunchError};
use super::restarts::{MOST_DEATHS, Restarts, Verdict, WINDOW};
use crate::data_dir::DataDir;
use crate::metrics::BROKER_RESTARTED;

/// Somebody frees space by hand: a second or two do not matter.
const LOOK_FOR_SPACE_EVERY: Duration = Duration::from_secs(2);

/// Looks between two reminders, one a minute: the first line may have scrolled away.
const LOOKS_A_REMINDER: u32 = 30;

pub(super) struct Supervisor {
    launch: Launch,
    /// Also keeps the directory locked as long as a child may run.
    data_dir: DataDir,
    restarts: Restarts,
}

impl Supervisor {
    pub(super) fn new(launch: Launch, data_dir: DataDir) -> Self {
        Self { launch, data_dir, restarts: Restarts::default() }
    }

    /// Runs until it is asked to stop, or gives up. No child runs afterwards.
    pub(super) async fn run(mut self, mut running: Running) -> Result<(), BrokerFailed> {
        let stop = self.launch.stop.clone();
        loop {
            let store_stopped = running.store_stopped();
            // In this order: with the stop signal in hand, a death is no longer news.
            let end = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    running.stop().await;
                    return Ok(());
                }
                death = running.ended() => EndOfChild::Died(death),
                () = store_stopped => {
                    // Until there is room again, the old child can at least be read from.
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = self.wait_for_space() => {}
                    }
                    running.stop().await;
                    EndOfChild::StoreStopped
                }
            };
            match self.start_again(end).await? {
                Some(successor) => running = successor,
                None => return Ok(()),
            }
        }
    }

    /// Starts a successor, more than once if need be. Returns none when we were asked to stop.
    async fn start_again(&mut self, mut end: EndOfChild) -> Result<Option<Running>, BrokerFailed> {
        loop {
            let pause = match self.restarts.died(Instant::now()) {
                Verdict::StartAfter(pause) => pause,
                Verdict::GiveUp => {
                    return Err(BrokerFailed::KeepsDying { deaths: MOST_DEATHS, within: WINDOW, source: end });
                }
            };
            tokio::select! {
                () = self.launch.stop.cancelled() => return Ok(None),
                () = time::sleep(pause) => {}
            }
            warn!(reason = %end, "starting the embedded broker again");
            metrics::counter!(BROKER_RESTARTED).increment(1);
            match self.launch.start().await {
                Ok(successor) => {
                    info!("embedded broker is ready again");
                    return Ok(Some(successor));
                }
                Err(LaunchError::Cancelled) => return Ok(None),
                Err(error) => end = error.into(),
            }
        }
    }

    /// Returns when the disk has room. It may have it at once: a write can fail for other reasons.
    async fn wait_for_space(&self) {
        let mut every = time::interval(LOOK_FOR_SPACE_EVERY);
        for look in 0_u32.. {
            every.tick().await;
            // A disk that cannot even be asked is for the next start to complain about.
            let free_bytes = self.data_dir.free_bytes().unwrap_or(u64::MAX);
            if free_bytes >= LEAST_FREE_BYTES {
                return;
            }
            if look % LOOKS_A_REMINDER == 0 {
                error!(
                    path = %self.data_dir.path().display(),
                    free_bytes,
                    needed_bytes = LEAST_FREE_BYTES,
                    "the disk is full and nothing can be stored: free some space, and the broker goes on by itself"
                );
            }
        }
    }
}
