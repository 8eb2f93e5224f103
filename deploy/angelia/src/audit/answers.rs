//! `audit statement` and `audit message`: what the API would answer, from the log alone.

use angelia_ledger::audit::point::Point;
use angelia_ledger::audit::{message, statement};
use angelia_shared::csv;
use angelia_shared::event::{Content, Event, lines};
use angelia_shared::ids::{MessageId, WorkspaceId};
use angelia_shared::log::EventLog;
use angelia_shared::query::MessageView;
use angelia_shared::shown::{COLUMNS, LineShown, MessageShown};
use angelia_shared::telemetry::chain;
use angelia_shared::vault::{Vault, VaultError};
use anyhow::{Context as _, bail};

use super::progress::teller;
use super::replay::stretch;
use super::{place, print, print_json};
use crate::installation::read_master_key;
use crate::settings::Config;

/// Prints a statement: a table that spreadsheets open, or JSON lines.
pub(super) async fn statement(
    log: &EventLog,
    workspace: WorkspaceId,
    as_of: Option<Point>,
    json: bool,
) -> anyhow::Result<bool> {
    let stretch = stretch(log, as_of).await?;
    if !json {
        print(&csv::line(COLUMNS))?;
    }
    let told = statement::tell(log, workspace, stretch, teller("statement"), |lines| {
        let mut text = String::new();
        for line in &lines {
            let line = LineShown::of(line);
            text.push_str(&if json { format!("{}\n", serde_json::to_string(&line)?) } else { line.to_csv() });
        }
        print(&text)
    });
    told.await??;
    Ok(true)
}

/// Prints a message.
pub(super) async fn message(
    log: &EventLog,
    config: &Config,
    id: MessageId,
    as_of: Option<Point>,
    json: bool,
) -> anyhow::Result<bool> {
    let stretch = stretch(log, as_of).await?;
    let found = message::tell(log, id, stretch, teller("message")).await?;
    let Some(found) = found else { bail!("there is no message {}", id.public()) };
    let content = match open(log, config, &found).await {
        Ok(content) => content,
        Err(error) => {
            eprintln!("the recipient is not shown: {error:#}");
            None
        }
    };
    let shown = MessageShown::of(found, content);
    if json {
        print_json(&shown)?
    } else {
        print(&text(&shown))?
    }
    Ok(true)
}

/// Opens a message's content with the installation's keys; none when it was erased.
async fn open(log: &EventLog, config: &Config, message: &MessageView) -> anyhow::Result<Option<Content>> {
    let Some(master_key) = place::master_key(config) else {
        bail!("there is no master key at {}", crate::services::master_key_file(config).display());
    };
    let master = read_master_key(&master_key)?;
    let record = log.record_at(message.accepted.seq).await?.context("its acceptance cannot be read")?;
    let line = lines(&record.payload).nth(usize::from(message.accepted.line));
    let Some(Ok(Event::MessageAccepted(accepted))) = line.map(Event::from_line) else {
        bail!("its acceptance cannot be read")
    };
    let bucket = log.jetstream().get_key_value(Vault::BUCKET).await.context("the data keys cannot be read")?;
    let key = match Vault::new(master, bucket).key(accepted.sealed.key_id).await {
        Ok(key) => key,
        Err(VaultError::Gone(_)) => return Ok(None),
        Err(error) => bail!("{}", chain(&error)),
    };
    Ok(Some(key.open(message.message, &accepted.sealed)?))
}

fn text(message: &MessageShown) -> String {
    let none = || "-".to_owned();
    let state = serde_json::to_value(message.state).ok().and_then(|state| state.as_str().map(str::to_owned));
    let reason = message.reason.as_ref().zip(message.reason_text).map(|(code, text)| format!("{code}: {text}"));
    let mut out = format!(
        "message   {}\nstate     {}\nreason    {}\nto        {}\naccount   {}\ncredits   {}, of which {} were given back\naccepted  {}\n",
        message.id,
        state.unwrap_or_else(none),
        reason.unwrap_or_else(none),
        message.to.clone().unwrap_or_else(none),
        message.account_id,
        message.credits,
        message.refunded,
        message.accepted_at,
    );
    for entry in &message.timeline {
        let part = entry.part.filter(|_| message.parts.len() > 1).map(|part| format!(" part {}", part + 1));
        let (part, detail) = (part.unwrap_or_default(), entry.detail.as_deref().unwrap_or_default());
        out.push_str(&format!("  {}  {:>10}  {}{part} {detail}\n", entry.at, entry.id.to_string(), entry.event));
    }
    out
}
