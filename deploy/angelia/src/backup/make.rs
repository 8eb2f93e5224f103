//! `backup`: snapshots, then what proves them.

use std::path::Path;
use std::time::Duration;

use angelia_ledger::audit::check;
use angelia_ledger::audit::point::Point;
use angelia_shared::event::Event;
use angelia_shared::log::EventLog;
use angelia_shared::log::stream::STREAM;
use anyhow::{Context as _, bail};
use async_nats::Client;
use serde::Serialize;

use super::manifest::{Manifest, StreamFile};
use super::{STREAMS, snapshot};
use crate::audit::place::{self, Opened};
use crate::audit::progress::teller;
use crate::audit::replay::newest_checkpoint;
use crate::audit::{print, print_json};
use crate::cli::BackupArgs;
use crate::data_dir;

/// A snapshot may end within a batch that is being stored at that moment. The next one ends elsewhere.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct Shown<'a> {
    ok: bool,
    folder: &'a Path,
    last_seq: u64,
    log_digest: String,
    checkpoint: Option<u64>,
    finding: Option<&'a str>,
}

/// Makes a backup; says whether its log is well.
pub(crate) async fn run(args: BackupArgs) -> anyhow::Result<bool> {
    let config = place::settings(&args.place)?;
    let opened = Opened::existing(&config).await?;
    let made = make(&opened, &args.to).await;
    opened.close().await;
    let manifest = made?;
    let finding = manifest.finding.as_deref();
    let shown = Shown {
        ok: finding.is_none(),
        folder: &args.to,
        last_seq: manifest.last_seq,
        log_digest: manifest.log_digest.to_string(),
        checkpoint: manifest.checkpoint.as_ref().map(|(at, _)| *at),
        finding,
    };
    if args.json {
        print_json(&shown)?;
    } else {
        let proof = shown.checkpoint.map_or("no checkpoint yet".to_owned(), |at| format!("the checkpoint at {at}"));
        let mut text = format!(
            "backup      {}\nlast record {}\nlog digest  {}, proven by the seals and {proof}\n",
            shown.folder.display(),
            shown.last_seq,
            shown.log_digest
        );
        text.push_str("not in it   the master key: keep it elsewhere, no content opens without it\n");
        if let Some(finding) = shown.finding {
            text.push_str(&format!("BROKEN      {finding}\n"));
        }
        print(&text)?;
    }
    Ok(shown.ok)
}

async fn make(opened: &Opened, folder: &Path) -> anyhow::Result<Manifest> {
    let log = opened.log(STREAM).await?;
    let client = opened.connect("angelia-backup").await?;
    data_dir::create_private(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if std::fs::read_dir(folder)?.next().is_some() {
        bail!("{} is not empty; name a folder of its own for each backup", folder.display());
    }
    let mut streams = Vec::new();
    for stream in STREAMS {
        let taken = match stream {
            STREAM => Some(take_log(&client, &log, folder).await?),
            _ => snapshot::take(&client, stream, folder).await?,
        };
        streams.extend(taken);
    }
    let last_seq = last_seq(&streams[0])?;
    let verdict = check::verify_until(&log, last_seq, teller("verify")).await?;
    let checkpoint = newest_checkpoint(&log, Point::Seq(last_seq)).await?;
    let finding = verdict.finding.map(|finding| finding.to_string());
    let manifest = Manifest::new(last_seq, verdict.verified.log_digest, checkpoint, finding, streams);
    manifest.write(folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    Ok(manifest)
}

/// Takes the log, up to the end of a batch.
async fn take_log(client: &Client, log: &EventLog, folder: &Path) -> anyhow::Result<StreamFile> {
    for _ in 0..TRIES {
        let taken = snapshot::take(client, STREAM, folder).await?.context("the log is gone")?;
        if ends_a_batch(log, last_seq(&taken)?).await? {
            return Ok(taken);
        }
        std::fs::remove_file(folder.join(&taken.file))?;
        tokio::time::sleep(PAUSE).await;
    }
    bail!("the log does not come to the end of a batch; verify it")
}

async fn ends_a_batch(log: &EventLog, seq: u64) -> anyhow::Result<bool> {
    if seq == 0 {
        return Ok(true);
    }
    let record = log.record_at(seq).await?.with_context(|| format!("record {seq} cannot be read"))?;
    Ok(matches!(
        Event::from_line(&record.payload),
        Ok(Event::BatchSealed(_) | Event::WriterClosed(_) | Event::WriterOpened(_) | Event::WriterFenced(_))
    ))
}

fn last_seq(taken: &StreamFile) -> anyhow::Result<u64> {
    taken.state["last_seq"].as_u64().context("the broker does not say where the log ends")
}
