//! Checks the log after the load: every invariant holds, and every accepted call is there.

use angelia_ledger::audit::check;
use angelia_shared::log::{Access, EventLog, connect};
use anyhow::bail;

/// Counts the acceptances in the log, which must be sound.
pub(crate) async fn accepted_in_log(access: &Access) -> anyhow::Result<u64> {
    let log = EventLog::open(connect(access, "bench-verify").await?, 1, 64).await?;
    let verdict = check::verify(&log, |_| ()).await?;
    match verdict.finding {
        None => Ok(verdict.verified.events.get("MessageAccepted").copied().unwrap_or_default()),
        Some(found) => bail!("the log is not sound: {found}"),
    }
}
