//! What can go wrong with the broker, told to somebody who has to do something about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;

use super::child::Death;
use super::launch::LaunchError;
use super::version::{self, Version};
use super::{DataDirError, LEAST_FREE_BYTES};

const MIB: u64 = 1024 * 1024;

/// Why the broker could not be started.
#[derive(Debug, Error)]
pub(crate) enum StartBrokerError {
    /// Its files cannot be read or written.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is no such program.
    #[error(
        "found no {}: run deploy/nats.sh, which installs one and prints its path for --nats-server, or put nats-server \
         {} or newer on the PATH",
        program.display(),
        version::OLDEST
    )]
    NotFound {
        /// What was looked for.
        program: PathBuf,
    },
    /// There is a file, but it does not run.
    #[error("cannot run {}: name another nats-server with --nats-server", program.display())]
    NotRunnable {
        /// The file.
        program: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// It runs, and does not say that it is a nats-server.
    #[error("{} does not tell its version as nats-server does: name another with --nats-server", program.display())]
    NotNatsServer {
        /// The program.
        program: PathBuf,
    },
    /// It lacks what the log needs.
    #[error(
        "{} is version {found}, and {} or newer is needed: run deploy/nats.sh, which installs one and prints its path for \
         --nats-server",
        program.display(),
        version::OLDEST
    )]
    TooOld {
        /// The program.
        program: PathBuf,
        /// What it is.
        found: Version,
    },
    /// There is no room for the store.
    #[error(
        "the disk of {} is full ({} MiB free, {} MiB needed): free some space and start again",
        path.display(),
        free_bytes / MIB,
        LEAST_FREE_BYTES / MIB
    )]
    DiskFull {
        /// The broker's directory.
        path: PathBuf,
        /// What is free.
        free_bytes: u64,
    },
    /// A broker of an earlier run is alive and does not end.
    #[error("nats-server of an earlier run (process {pid}) does not end: end it and start again")]
    Leftover {
        /// That broker.
        pid: i32,
    },
    /// The system gave out no port.
    #[error("found no free port on 127.0.0.1")]
    NoFreePort(#[source] io::Error),
    /// The program started and did not come up.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// Why the broker ended for good.
#[derive(Debug, Error)]
pub(crate) enum BrokerFailed {
    /// It was started again, a few times, and did not stay.
    #[error("nats-server ended {deaths} times within {} s and is not started again", within.as_secs())]
    KeepsDying {
        /// How often.
        deaths: usize,
        /// In how long.
        within: Duration,
        /// The last time.
        source: EndOfChild,
    },
    /// Our own fault.
    #[error("the task that watches nats-server ended")]
    Supervisor(#[source] JoinError),
}

/// Why one child was no longer the broker.
#[derive(Debug, Error)]
pub(crate) enum EndOfChild {
    /// It ended by itself.
    #[error("nats-server ended: {0}")]
    Died(Death),
    /// It ran on and stored nothing more, so it was stopped.
    #[error("nats-server could no longer write to its store and was stopped")]
    StoreStopped,
    /// Its successor did not come up.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}
