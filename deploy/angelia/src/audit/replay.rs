//! `audit replay`: the ledger made anew, and what it digests to.

use angelia_ledger::audit::point::Point;
use angelia_ledger::audit::read::Stretch;
use angelia_ledger::{Until, rebuild};
use angelia_shared::event::{Digest, Event, LedgerCheckpointed};
use angelia_shared::ids::Position;
use angelia_shared::log::{EventLog, From, Reader, ReaderOptions};
use angelia_shared::subject::Subject;
use serde::Serialize;

use super::progress::teller;
use super::{check_point, print, print_json};

#[derive(Serialize)]
struct Shown {
    seq: u64,
    records: u64,
    log_digest: Digest,
    state_digest: Digest,
    contradictions: Vec<Contradicted>,
    /// The newest checkpoint on the way, and whether this replay gives what the ledger saw then.
    checkpoint: Option<CheckpointShown>,
}

#[derive(Serialize)]
struct Contradicted {
    at: Position,
    invariant: &'static str,
    what: String,
}

#[derive(Serialize)]
struct CheckpointShown {
    at: u64,
    seq: u64,
    reproduced: bool,
}

pub(super) async fn run(log: &EventLog, until: Option<Point>, json: bool) -> anyhow::Result<bool> {
    check_point(log, until).await?;
    let end = end(log, until).await?;
    let point = until.unwrap_or(Point::Seq(end));
    let checkpoint = newest_checkpoint(log, point).await?;
    let passing = checkpoint.as_ref().map(|(_, checkpoint)| checkpoint.seq);
    let rebuilt = rebuild(log, Until { end, point: until, passing }, teller("replay")).await?;
    let digest = rebuilt.digest()?;
    let checkpoint = checkpoint.map(|(at, checkpoint)| CheckpointShown {
        at,
        seq: checkpoint.seq,
        reproduced: rebuilt.passed.as_ref().is_some_and(|passed| {
            (passed.log_digest, passed.state_digest) == (checkpoint.log_digest, checkpoint.state_digest)
        }),
    });
    let found = digest.contradictions.iter().map(|found| Contradicted {
        at: found.position,
        invariant: found.broken.invariant().id(),
        what: found.broken.to_string(),
    });
    let shown = Shown {
        seq: digest.seq,
        records: rebuilt.projection.head.counts.records,
        log_digest: digest.log_digest,
        state_digest: digest.state_digest,
        contradictions: found.collect(),
        checkpoint,
    };
    let is_well = shown.contradictions.is_empty() && shown.checkpoint.as_ref().is_none_or(|found| found.reproduced);
    if json {
        print_json(&shown)?
    } else {
        print(&text(&shown))?
    }
    Ok(is_well)
}

/// The log up to a point, or to its end.
pub(super) async fn stretch(log: &EventLog, until: Option<Point>) -> anyhow::Result<Stretch> {
    check_point(log, until).await?;
    Ok(Stretch { end: end(log, until).await?, point: until })
}

/// The last sequence that a replay to a point can need.
async fn end(log: &EventLog, until: Option<Point>) -> anyhow::Result<u64> {
    match until {
        Some(Point::Seq(seq)) => Ok(seq),
        Some(Point::Time(_)) | None => Ok(log.last_sequence().await?),
    }
}

/// The newest checkpoint up to a point, with its place.
pub(crate) async fn newest_checkpoint(
    log: &EventLog,
    up_to: Point,
) -> anyhow::Result<Option<(u64, LedgerCheckpointed)>> {
    let filters = vec![Subject::Checkpoint.to_string()];
    let options = ReaderOptions { name: "checkpoints".to_owned(), filters, from: From::After(0) };
    let mut reader = Reader::new(log.clone(), options);
    let mut waiting = reader.open().await;
    let mut newest = None;
    while waiting > 0 {
        let record = reader.next().await?;
        if up_to.is_before(record.seq, record.at) {
            break;
        }
        if let Ok(Event::LedgerCheckpointed(checkpoint)) = Event::from_line(&record.payload) {
            newest = Some((record.seq, checkpoint));
        }
        waiting = record.pending;
    }
    Ok(newest)
}

fn text(shown: &Shown) -> String {
    let Shown { seq, records, log_digest, state_digest, contradictions, checkpoint } = shown;
    let mut out = format!(
        "up to         {seq}\nrecords       {records}\nlog digest    {log_digest}\nstate digest  {state_digest}\n"
    );
    if let Some(CheckpointShown { at, seq, reproduced }) = checkpoint {
        let verdict = if *reproduced { "reproduced" } else { "NOT REPRODUCED" };
        out.push_str(&format!("checkpoint    at {at}, of everything up to {seq}: {verdict}\n"));
    }
    for Contradicted { at, invariant, what } in contradictions {
        out.push_str(&format!("CONTRADICTION {invariant} at {at}: {what}\n"));
    }
    out
}
