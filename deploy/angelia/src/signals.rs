//! Ctrl-C and SIGTERM become one shutdown token.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Starts listening for signals; the token is cancelled by the first one. A second one ends the process at once, as an
/// impatient operator expects: nothing that was answered is lost by it.
///
/// # Errors
/// When the system does not let this process listen.
pub(crate) fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        for signals in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if signals == 0 {
                info!("stopping");
                token.cancel();
            } else {
                std::process::exit(1);
            }
        }
    });
    Ok(shutdown)
}
