//! Puts the sandbox together and ends it.
//!
//! Invariants:
//! - A part that dies ends the whole: a sandbox that cannot keep its journal or its callbacks says so by returning.
//!
//! Not here: reading settings, signals (see the binary).

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::config::Config;
use crate::domain::delays::Delays;

use super::connections;
use super::courier::{CallbackError, Courier, Receiver};
use super::http::{App, router};
use super::journal;
use super::reader::Reader;
use super::recovery::{self, RecoverError};

/// Batches of promises on their way to the courier, which never waits for the network while taking them.
const PROMISES_WAITING: usize = 256;
/// How long the courier, and after it the journal's thread, get to end once all connections have ended.
const PART_TIMEOUT: Duration = Duration::from_millis(350);

/// Why the sandbox could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The callback URL cannot be used.
    #[error("preparing callbacks")]
    Callback(#[from] CallbackError),
    /// The data directory cannot be used.
    #[error("recovering the journal")]
    Recover(#[from] RecoverError),
    /// The journal's thread could not be started, or ended since half a line could not be taken back.
    #[error("writing the journal")]
    Journal(#[source] io::Error),
    /// A task ended that never should.
    #[error("the task of the {0} ended unexpectedly")]
    Ended(&'static str),
    /// A task panicked.
    #[error("a task of the sandbox failed")]
    Task(#[from] JoinError),
}

/// Serves until `shutdown` is cancelled, then finishes requests in progress and returns within 2 s.
///
/// Reads the journal once before it accepts connections. Callbacks still due are kept for the next start.
///
/// # Errors
/// [`ServeError`]: the settings or the data directory cannot be used, or the journal can no longer be written.
pub async fn serve(listener: TcpListener, config: Config, shutdown: CancellationToken) -> Result<(), ServeError> {
    serve_with(listener, config, Delays::default(), shutdown).await
}

/// [`serve`] with other delays, so that tests need not wait for seconds.
pub(crate) async fn serve_with(
    listener: TcpListener,
    config: Config,
    delays: Delays,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    // An installation that chose another provider keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Config { data_dir, callback_url, app_secret, access_token } = config;
    let receiver = Receiver::new(&callback_url, app_secret)?;
    let recovered = spawn_blocking(move || recovery::open(&data_dir, delays)).await??;
    let last_seq = recovered.position.last_seq;
    let reader = Reader::new(recovered.file.clone(), recovered.position.written.clone());
    let (promises, promised) = mpsc::channel(PROMISES_WAITING);
    let (journal, mut journal_end) =
        journal::start(recovered.file, recovered.position, delays, reader.clone(), promises)
            .map_err(ServeError::Journal)?;
    let stop = shutdown.child_token();
    let courier = Courier::new(recovered.timetable, receiver, reader, recovered.delivered);
    let courier_ended = CancellationToken::new();
    let ended = courier_ended.clone().drop_guard();
    let courier_stop = stop.clone();
    let courier = AbortOnDropHandle::new(tokio::spawn(async move {
        let _ended = ended;
        courier.run(promised, courier_stop).await;
    }));
    let app = App { journal, access_token: access_token.map(Into::into), delays };
    let connections = connections::run(listener, router(app), stop);
    tracing::info!(journal.seq = last_seq, "the sandbox takes requests");
    tokio::select! {
        () = connections => {}
        end = &mut journal_end => {
            return Err(end.ok().and_then(Result::err).map_or(ServeError::Ended("journal"), ServeError::Journal));
        }
        () = before_shutdown(&courier_ended, &shutdown) => return Err(ServeError::Ended("courier")),
    }
    let _ = timeout(PART_TIMEOUT, courier).await;
    match timeout(PART_TIMEOUT, journal_end).await {
        Ok(Ok(Err(error))) => Err(ServeError::Journal(error)),
        Ok(Ok(Ok(())) | Err(_)) | Err(_) => Ok(()),
    }
}

/// Resolves when a part ended although nobody asked for it.
async fn before_shutdown(ended: &CancellationToken, shutdown: &CancellationToken) {
    ended.cancelled().await;
    if shutdown.is_cancelled() {
        std::future::pending::<()>().await;
    }
}
