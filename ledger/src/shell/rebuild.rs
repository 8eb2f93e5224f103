//! Checks a projection that is in doubt against one that is made from nothing, beside it, while it goes on answering.
//!
//! Shape: doubt -> an empty folder beside the ledger's, filled from the log -> both stand at one position -> their digests
//! say whether the folder is sound. If it is, it is believed and the other is thrown away; nobody has noticed anything. If
//! it is not, the new one takes its place: the old one is set aside, for a person to look at.
//!
//! A ledger that was interrupted in between begins again: a folder that was begun from nothing holds nothing that the log
//! does not say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::log::{EventLog, ReadError, Reader, ReaderOptions};
use angelia_shared::telemetry::chain;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::consumer::{self, RECORDS_AT_ONCE};
use super::live::Live;
use super::store::{LogIdentity, Store, StoreError};
use crate::config::Config;

/// How near the new projection comes before the old one stands still for it: more than one look at the log brings, since it
/// must not come past it. Folding so many takes a moment.
const NEAR: u64 = 2 * RECORDS_AT_ONCE as u64;
/// Pause before a check that failed begins again: it reads the whole log.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Pause before looking whether the old projection has come further.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The check was not finished.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    /// The new folder cannot be used.
    #[error("cannot use the folder beside the ledger's")]
    Store(#[from] StoreError),
    /// The log cannot be read.
    #[error("cannot read the log")]
    Read(#[from] ReadError),
}

/// Checks `live` whenever it is in doubt; returns when it is superseded, or told to stop.
pub(super) async fn watch(
    live: Arc<Live>,
    log: EventLog,
    config: Config,
    identity: LogIdentity,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = live.doubted() => {}
            () = stop.cancelled() => return,
        }
        warn!(
            folder = %config.ledger_dir.display(),
            "the ledger's folder and the log do not fit: it is checked by a rebuild beside it, and answers meanwhile"
        );
        let checked = tokio::select! {
            checked = check(&live, &log, &config, identity) => checked,
            () = stop.cancelled() => return,
        };
        match checked {
            Ok(true) => {
                info!("the ledger's folder is sound: what was found is in the log");
                live.believe();
                let path = config.ledger_dir.clone();
                if let Err(error) = off_the_async_threads(move || Store::remove_beside(&path)).await {
                    warn!(error = %chain(&error), "what was made for the check is left behind");
                }
            }
            Ok(false) => {
                live.supersede();
                return;
            }
            Err(failed) => {
                error!(error = %chain(&failed), "the ledger's folder could not be checked; it is tried again");
                tokio::select! {
                    () = tokio::time::sleep(AGAIN_AFTER) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

/// Puts the rebuilt folder in the place of the one that was found at fault.
///
/// # Errors
/// When a folder cannot be renamed.
pub(super) fn take_up(path: &Path) -> Result<(), StoreError> {
    Store::replace(path, "a rebuild from the log came to another state")
}

/// Says whether `live` is what the log makes, at one position of both.
async fn check(live: &Arc<Live>, log: &EventLog, config: &Config, identity: LogIdentity) -> Result<bool, CheckError> {
    let (path, cache_bytes) = (config.ledger_dir.clone(), config.ledger_cache_mib * 1024 * 1024);
    let begin = move || Live::in_the_background(Store::begin_beside(&path, cache_bytes, identity)?);
    let fresh = Arc::new(off_the_async_threads(begin).await?);
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("ledger-rebuild", 0));
    loop {
        while fresh.position() + NEAR < live.position() {
            fresh.fold(consumer::next_batches(&mut reader).await?).await?;
        }
        let still = live.stand_still().await;
        let at = live.position();
        if fresh.position() + NEAR < at {
            drop(still);
            continue;
        }
        if fresh.position() > at {
            // Not while it only moves on; but then it has to come here first.
            drop(still);
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        }
        while fresh.position() < at {
            fresh.fold(vec![reader.next_batch().await?]).await?;
        }
        let (ours, theirs) = (live.proof().await?, fresh.proof().await?);
        drop(still);
        if ours.seq == theirs.seq && ours != theirs {
            fresh.sync().await?;
            return Ok(false);
        }
        if ours == theirs {
            return Ok(true);
        }
        // One ended within a batch of the other's: only a reader at fault does that.
        return Err(StoreError::damaged("the two projections do not meet").into());
    }
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => Err(StoreError::damaged(format!("its work was cut off ({ended})"))),
    }
}
