//! A ledger as a process of its own: how far it lags behind a writer, and how much memory it takes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use angelia_shared::clock::monotonic;
use angelia_shared::log::{Access, EventLog, connect};
use angelia_shared::query::{self, AskPosition};
use anyhow::{Context as _, bail};

use crate::installation::{Installation, program};
use crate::load;
use crate::machine::resident_mib;
use crate::stats::percentile_us;
use crate::table::{Aim, Row};

/// Credits that no measurement uses up.
const CREDITS: u64 = 100_000_000;
/// Pause between two looks at the lag.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Pause between two looks at a ledger that catches up.
const CATCH_UP_LOOK: Duration = Duration::from_millis(500);
/// Pause between two looks at an audit.
const AUDIT_LOOK: Duration = Duration::from_millis(20);
/// How long a ledger may take to catch up: an hour.
const CATCH_UP_LOOKS: u32 = 7_200;

/// Calls the webhook as fast as it answers and measures how long the ledger takes from the log's end to an answer that has
/// passed it. Two round trips to the broker are in it.
pub(super) async fn lag(connections: usize, seconds: u64, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let installation = Installation::start().await?;
    installation.grant(CREDITS).await?;
    let log = EventLog::open(connect(&installation.access()?, "bench-lag").await?, 1, 64).await?;
    load::closed(&installation.target(0)?, connections, Duration::from_secs(1)).await?;
    let (mut rates, mut half, mut most, mut worst) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let target = installation.target(round as u64 + 1)?;
        let calling =
            tokio::spawn(async move { load::closed(&target, connections, Duration::from_secs(seconds)).await });
        let mut lags = Vec::new();
        while !calling.is_finished() {
            let began = monotonic();
            let end = log.last_sequence().await?;
            query::ask(log.client(), AskPosition {}, end).await.context("the ledger is behind")?;
            lags.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        rates.push(calling.await??.rate());
        let mut ms = |share| f64::from(percentile_us(&mut lags, share)) / 1_000.0;
        half.push(ms(0.5));
        most.push(ms(0.99));
        worst.push(ms(1.0));
    }
    Ok(vec![
        Row::new(format!("accepted at full load, {connections} connections"), "calls/s", 0, rates, Aim::None),
        Row::new("  live lag behind the writer, p50", "ms", 1, half, Aim::None),
        Row::new("  live lag behind the writer, p99", "ms", 1, most, Aim::AtMost(250.0)),
        Row::new("  live lag behind the writer, worst", "ms", 1, worst, Aim::None),
    ])
}

/// What a process that read the whole log took.
pub(super) struct Measured {
    /// Resident when it had come to the end.
    pub(super) resident_mib: f64,
    /// The most on the way.
    pub(super) largest_mib: f64,
    /// Until it had come to the end.
    pub(super) seconds: f64,
}

/// Ends its process when dropped.
struct Ledger(Child);

impl Drop for Ledger {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Starts a ledger with an empty folder on this broker and waits until it has passed the log's end.
pub(super) async fn memory(access: &Access, log: &EventLog, folder: &Path) -> anyhow::Result<Measured> {
    let key = folder.join("master-key");
    std::fs::write(&key, "5a".repeat(32))?;
    let child = Command::new(program()?)
        .args(["ledger", "--log", "warn", "--nats", &access.url, "--master-key-file"])
        .arg(&key)
        .arg("--data")
        .arg(folder.join("data"))
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start a ledger")?;
    let mut ledger = Ledger(child);
    let began = monotonic();
    let end = log.last_sequence().await?;
    let mut largest_mib = 0.0_f64;
    for _ in 0..CATCH_UP_LOOKS {
        if let Some(status) = ledger.0.try_wait()? {
            bail!("the ledger ended with {status}");
        }
        let resident_mib = resident_mib(ledger.0.id());
        largest_mib = largest_mib.max(resident_mib);
        if query::ask(log.client(), AskPosition {}, end).await.is_ok() {
            return Ok(Measured { resident_mib, largest_mib, seconds: began.elapsed().as_secs_f64() });
        }
        tokio::time::sleep(CATCH_UP_LOOK).await;
    }
    bail!("the ledger did not catch up within an hour")
}

/// Runs an audit of everything that is in the log, as a process of its own.
pub(super) async fn audit(access: &Access, command: &str) -> anyhow::Result<Measured> {
    let mut child = Command::new(program()?)
        .args(["audit", command, "--nats", &access.url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start an audit")?;
    let began = monotonic();
    let (mut resident, mut largest_mib) = (0.0, 0.0_f64);
    loop {
        if let Some(status) = child.try_wait()? {
            let seconds = began.elapsed().as_secs_f64();
            if !status.success() {
                bail!("audit {command} ended with {status}");
            }
            return Ok(Measured { resident_mib: resident, largest_mib, seconds });
        }
        resident = resident_mib(child.id());
        largest_mib = largest_mib.max(resident);
        tokio::time::sleep(AUDIT_LOOK).await;
    }
}
