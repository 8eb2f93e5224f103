//! The command `audit`: the log checked, replayed, questioned and handed out. Rules and reading are the ledger's.
//!
//! Shape: flags -> text or JSON on standard output, progress on standard error, and whether all is well. What is printed
//! comes from the log alone, so two runs over the same log print the same.

mod answers;
mod events;
pub(crate) mod place;
pub(crate) mod progress;
pub(crate) mod replay;
pub(crate) mod verify;

use std::io::Write as _;

use angelia_ledger::audit::point::Point;
use angelia_shared::clock;
use angelia_shared::log::EventLog;
use anyhow::bail;

use crate::cli::{AuditCommand, Audited};
use crate::settings::Config;
use place::Opened;

/// Runs one audit; says whether all is well with the log.
pub(crate) async fn run(command: AuditCommand) -> anyhow::Result<bool> {
    match command {
        AuditCommand::Verify { audited, live, record, by } => {
            let note = record.then_some(verify::Note { by });
            with_log(&audited, async |log, _| verify::run(log, live, note, audited.json).await).await
        }
        AuditCommand::Replay { audited, until } => {
            with_log(&audited, async |log, _| replay::run(log, until, audited.json).await).await
        }
        AuditCommand::Statement { audited, workspace, as_of } => {
            with_log(&audited, async |log, _| answers::statement(log, workspace, as_of, audited.json).await).await
        }
        AuditCommand::Message { audited, id, as_of } => {
            with_log(&audited, async |log, config| answers::message(log, config, id, as_of, audited.json).await).await
        }
        AuditCommand::Export { audited, from, to, workspace, format } => {
            with_log(&audited, async |log, _| events::export(log, from, to, workspace, format).await).await
        }
        AuditCommand::WhatIf { audited, policy } => {
            let policy = events::policy(&policy)?;
            with_log(&audited, async |log, _| events::what_if(log, policy, audited.json).await).await
        }
    }
}

/// Opens the log, has it looked at, and lets go of it, however that ends.
async fn with_log(
    audited: &Audited,
    look: impl AsyncFnOnce(&EventLog, &Config) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let config = place::settings(&audited.place)?;
    let opened = Opened::existing(&config).await?;
    let looked = match opened.log(&audited.stream).await {
        Ok(log) => look(&log, &config).await,
        Err(error) => Err(error),
    };
    opened.close().await;
    looked
}

/// Checks that a point lies in what the log knows: the future may still bring anything.
async fn check_point(log: &EventLog, point: Option<Point>) -> anyhow::Result<()> {
    match point {
        Some(Point::Seq(seq)) => {
            let end = log.last_sequence().await?;
            if seq > end {
                bail!("the log ends at {end}, before {seq}");
            }
        }
        Some(Point::Time(time)) if time > clock::now() => bail!("{} is in the future", time.to_rfc3339()),
        Some(Point::Time(_)) | None => {}
    }
    Ok(())
}

/// Whoever reads what is printed has seen enough and gone: there is nothing left to do, and nothing wrong.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
pub(crate) struct NobodyReads;

/// Writes to standard output.
///
/// # Errors
/// [`NobodyReads`], and when it cannot be written.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        written => Ok(written?),
    }
}

/// Prints a value as JSON, in lines that people can read.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}
