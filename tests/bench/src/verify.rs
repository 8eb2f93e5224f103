//! Checks the log after the load: every invariant holds, and every accepted call is there.

use angelia_ledger::audit::check;
use angelia_shared::log::{Access, EventLog, connect};
use anyhow::bail;

/// What the log holds.
pub(crate) struct Logged {
    pub(crate) accepted: u64,
    pub(crate) attempts: u64,
}

/// Counts what is in the log, which must be sound.
pub(crate) async fn logged(access: &Access) -> anyhow::Result<Logged> {
    let log = EventLog::open(connect(access, "bench-verify").await?, 1, 64).await?;
    let verdict = check::verify(&log, |_| ()).await?;
    match verdict.finding {
        None => {
            let count = |name| verdict.verified.events.get(name).copied().unwrap_or_default();
            Ok(Logged { accepted: count("MessageAccepted"), attempts: count("AttemptStarted") })
        }
        Some(found) => bail!("the log is not sound: {found}"),
    }
}
