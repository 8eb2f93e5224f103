//! What reads the log: each says how many seconds it took for all of it.

use std::time::Duration;

use angelia_ledger::audit::check;
use angelia_ledger::domain::chain::Digests;
use angelia_ledger::domain::lean_tables::LeanTables;
use angelia_ledger::domain::projection::{Projection, Report};
use angelia_shared::clock::monotonic;
use angelia_shared::config::Source;
use angelia_shared::event::Digest;
use angelia_shared::ids::MemberId;
use angelia_shared::log::stream::STREAM;
use angelia_shared::log::{BatchOfRecords, EventLog, Reader, ReaderOptions};
use anyhow::{Context as _, bail};
use async_nats::jetstream::consumer::pull::OrderedConfig;
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

/// How long a ledger may take to end.
const END_WITHIN: Duration = Duration::from_secs(60);

/// An ordered consumer that does nothing but count records.
pub(super) async fn bare(log: &EventLog, end: u64) -> anyhow::Result<f64> {
    let began = monotonic();
    let stream = log.jetstream().get_stream(STREAM).await?;
    // As many a pull as the services' reader asks for.
    let config = OrderedConfig { max_batch: 500, ..OrderedConfig::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    let mut counted = 0;
    while counted < end {
        messages.next().await.context("the consumer ended")??;
        counted += 1;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// A replay in memory, with everything that it checks.
pub(super) async fn replay(log: &EventLog, end: u64) -> anyhow::Result<f64> {
    let began = monotonic();
    let replayed = angelia_ledger::replay(log, Some(end)).await?;
    let took = began.elapsed().as_secs_f64();
    match replayed.contradictions.first() {
        None => Ok(took),
        Some(found) => bail!("the log is not sound: {found}"),
    }
}

/// A ledger that starts with an empty folder, until it answers.
pub(super) async fn cold_ledger(log: &EventLog) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let flags = [("ledger_dir", folder.path().join("ledger").display().to_string())];
    let config = angelia_ledger::config::Config::read(&Source::from_flags(flags))?;
    let shutdown = CancellationToken::new();
    let began = monotonic();
    let (mut handle, task) = angelia_ledger::start(config, log.clone(), MemberId::generate(), shutdown.clone());
    let is_ready = handle.ready().await;
    let took = began.elapsed().as_secs_f64();
    shutdown.cancel();
    tokio::time::timeout(END_WITHIN, task).await.context("the ledger did not end")???;
    if !is_ready {
        bail!("the ledger ended before it was ready");
    }
    Ok(took)
}

/// Every batch of the log, in memory.
pub(super) async fn load(log: &EventLog, end: u64) -> anyhow::Result<Vec<BatchOfRecords>> {
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("bench-load", 0));
    let mut batches = Vec::new();
    while reader.position() < end {
        batches.push(reader.next_batch().await?);
    }
    Ok(batches)
}

/// The fold alone, on one core: lines read, rules, both chains of digests.
pub(super) fn fold(batches: &[BatchOfRecords]) -> anyhow::Result<f64> {
    let began = monotonic();
    let mut projection = Projection::<LeanTables>::default();
    for batch in batches {
        sound(&projection.fold(&batch.records)?)?;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// The two halves of the fold, each alone: the chains of digests, and the rest of it.
pub(super) fn halves(batches: &[BatchOfRecords]) -> anyhow::Result<[f64; 2]> {
    let began = monotonic();
    let mut newest = Digest::default();
    let mut digests = Vec::with_capacity(batches.len());
    for batch in batches {
        let made = Digests::of(newest, 0, &batch.records);
        newest = made.after();
        digests.push(made);
    }
    let digesting = began.elapsed().as_secs_f64();
    let began = monotonic();
    let mut projection = Projection::<LeanTables>::default();
    for (batch, digests) in batches.iter().zip(&digests) {
        sound(&projection.fold_digested(&batch.records, digests)?)?;
    }
    Ok([digesting, began.elapsed().as_secs_f64()])
}

fn sound(report: &Report) -> anyhow::Result<()> {
    match report.contradictions.first() {
        None => Ok(()),
        Some(found) => bail!("the log is not sound: {found}"),
    }
}

/// The audit's own check of every invariant.
pub(super) async fn verify(log: &EventLog) -> anyhow::Result<f64> {
    let began = monotonic();
    let verdict = check::verify(log, |_| ()).await?;
    let took = began.elapsed().as_secs_f64();
    match verdict.finding {
        None => Ok(took),
        Some(found) => bail!("the log is not sound: {found}"),
    }
}
