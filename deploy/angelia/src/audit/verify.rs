//! `audit verify`: what was checked, what was not understood, and the first event that breaks an invariant.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use angelia_ledger::audit::check::{self, Compared, Verdict};
use angelia_ledger::audit::verify::{Finding, LastCheckpoint, Verified};
use angelia_shared::clock;
use angelia_shared::event::Digest;
use angelia_shared::ids::Position;
use angelia_shared::log::EventLog;
use angelia_shared::verification::{self, Found, Verification};
use anyhow::Context as _;
use serde::Serialize;

use super::progress::teller;
use super::{print, print_json};

#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    ok: bool,
    finding: Option<FindingShown>,
    records: u64,
    last_seq: u64,
    log_digest: Digest,
    events: &'a BTreeMap<&'static str, u64>,
    /// Kept, and not checked: events of types or versions that only a later program knows.
    not_understood: Vec<NameShown<'a>>,
    checkpoints: u64,
    checkpoint: Option<CheckpointShown>,
    live: Option<LiveShown>,
}

#[derive(Serialize)]
struct FindingShown {
    invariant: &'static str,
    at: Position,
    what: String,
}

#[derive(Serialize)]
struct NameShown<'a> {
    name: &'a str,
    count: u64,
    first: Position,
}

#[derive(Serialize)]
struct CheckpointShown {
    at: u64,
    seq: u64,
    log_digest: Digest,
    state_digest: Digest,
}

#[derive(Serialize)]
struct LiveShown {
    seq: u64,
    state_digest: Digest,
    replayed_state_digest: Digest,
}

/// The result is to be recorded.
pub(super) struct Note {
    /// Who had it verified.
    pub(super) by: Option<String>,
}

pub(super) async fn run(log: &EventLog, live: bool, note: Option<Note>, json: bool) -> anyhow::Result<bool> {
    let mut verdict = check::verify(log, teller("verify")).await?;
    // A log that is broken is not compared: the ledger may well have stopped there.
    let mut compared = None;
    if live && verdict.finding.is_none() {
        let found = check::compare_live(log, verdict.verified.last, teller("replay")).await?;
        verdict.finding = found.finding();
        compared = Some(found);
    }
    show(&verdict, compared, json)?;
    if let Some(Note { by }) = note {
        let recorded = verification::record(log, &to_record(&verdict, compared.is_some(), by)).await;
        recorded.context("the log was verified, but the result is not recorded")?;
    }
    Ok(verdict.finding.is_none())
}

fn to_record(verdict: &Verdict, live: bool, by: Option<String>) -> Verification {
    let finding = verdict.finding.clone();
    Verification {
        v: 1,
        at: clock::now(),
        program: format!("angelia {}", env!("CARGO_PKG_VERSION")),
        by,
        last_seq: verdict.verified.last,
        log_digest: verdict.verified.log_digest,
        live,
        finding: finding.map(|Finding { invariant, at, what }| Found { invariant: invariant.to_owned(), at, what }),
    }
}

/// Prints a verdict.
pub(crate) fn show(verdict: &Verdict, compared: Option<Compared>, json: bool) -> anyhow::Result<()> {
    if json { print_json(&shown(verdict, compared)) } else { print(&text(verdict, compared)) }
}

/// A verdict as JSON.
pub(crate) fn shown(verdict: &Verdict, compared: Option<Compared>) -> Shown<'_> {
    let Verified { records, last, events, not_understood, log_digest, checkpoints, checkpoint } = &verdict.verified;
    let finding = verdict.finding.clone();
    let names = not_understood.iter().map(|(name, lines)| NameShown { name, count: lines.count, first: lines.first });
    Shown {
        ok: finding.is_none(),
        finding: finding.map(|Finding { invariant, at, what }| FindingShown { invariant, at, what }),
        records: *records,
        last_seq: *last,
        log_digest: *log_digest,
        events,
        not_understood: names.collect(),
        checkpoints: *checkpoints,
        checkpoint: checkpoint.map(|LastCheckpoint { at, seq, log_digest, state_digest }| CheckpointShown {
            at,
            seq,
            log_digest,
            state_digest,
        }),
        live: compared.map(|Compared { seq, live, replayed }| LiveShown {
            seq,
            state_digest: live.state,
            replayed_state_digest: replayed.state,
        }),
    }
}

/// A verdict for people.
pub(crate) fn text(verdict: &Verdict, compared: Option<Compared>) -> String {
    let Verified { records, last, events, not_understood, log_digest, checkpoints, checkpoint } = &verdict.verified;
    let mut out = String::new();
    let mut add = |line: std::fmt::Arguments<'_>| writeln!(out, "{line}").expect("a string takes any text");
    add(format_args!("records      {records}, the last one is {last}"));
    add(format_args!("events       {}", events.values().sum::<u64>()));
    add(format_args!("log digest   {log_digest}"));
    match checkpoint {
        Some(newest) => add(format_args!(
            "checkpoints  {checkpoints}, the newest at {} covers everything up to {}",
            newest.at, newest.seq
        )),
        None => add(format_args!("checkpoints  none")),
    }
    for (name, lines) in not_understood {
        add(format_args!(
            "not checked  {} of {name}, the first at {}: written by a later version",
            lines.count, lines.first
        ));
    }
    if let Some(Compared { seq, live, .. }) = compared {
        add(format_args!("live ledger  at {seq}, state digest {}", live.state));
    }
    match &verdict.finding {
        Some(finding) => add(format_args!("BROKEN       {finding}")),
        None if compared.is_some() => add(format_args!("OK           every invariant that a log can show, and LG-1")),
        None => add(format_args!("OK           every invariant that a log can show")),
    }
    out
}
