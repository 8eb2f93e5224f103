//! Reading the log again: how fast against a consumer that only counts, how long a check takes, how far the live ledger lags,
//! what it holds.
//!
//! One log is written first, with the services' own writer and a seed, into a broker with `sync_interval: always`. Then the
//! targets take turns in every round. The log is sound: every check of the audit passes.

mod author;
mod live;
mod targets;

use angelia_shared::log::{BatchOfRecords, EventLog};
use angelia_shared::testing::TestBroker;

use self::author::Author;
use crate::machine;
use crate::table::{self, Aim, Row};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Events of the log that is replayed; 0 leaves replays and the check out.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Rounds; the targets take turns in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Workspaces of every log that is written here.
    #[arg(long, default_value_t = 10_000)]
    workspaces: usize,
    /// How many of a hundred messages are sent, delivered and read; the others wait.
    #[arg(long, default_value_t = 50)]
    lived: u64,
    /// What the logs are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections of the admission load under which the lag is measured.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Length of that load in seconds, in each round; 0 leaves the lag out.
    #[arg(long, default_value_t = 10)]
    lag_seconds: u64,
    /// Messages at which the ledger's memory is measured; none leaves it out.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [1_000_000, 2_000_000, 4_000_000])]
    memory: Vec<u64>,
    /// Rounds of those: each is a ledger that reads the whole log.
    #[arg(long, default_value_t = 3)]
    memory_rounds: usize,
}

/// The size at which the ledger's memory has an aim.
const MEMORY_AIM_AT: u64 = 1_000_000;

/// Runs the benchmark and prints its figures.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    println!(
        "seed {}, {} workspaces, {} of 100 messages lived, rounds {} (memory {})",
        args.seed, args.workspaces, args.lived, args.rounds, args.memory_rounds
    );
    let mut rows = Vec::new();
    if args.events > 0 {
        rows.extend(rates(&args).await?);
    }
    if args.lag_seconds > 0 {
        rows.extend(live::lag(args.connections, args.lag_seconds, args.rounds).await?);
    }
    if !args.memory.is_empty() {
        rows.extend(memory(&args).await?);
    }
    table::print(&rows);
    Ok(())
}

/// What takes turns; each says how many seconds it took.
const TARGETS: usize = 5;

async fn measure(at: usize, log: &EventLog, end: u64, batches: &[BatchOfRecords]) -> anyhow::Result<f64> {
    match at {
        0 => targets::bare(log, end).await,
        1 => targets::replay(log, end).await,
        2 => targets::cold_ledger(log).await,
        3 => targets::fold(batches),
        _ => targets::verify(log).await,
    }
}

async fn rates(args: &Args) -> anyhow::Result<Vec<Row>> {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut author = Author::open(log.clone(), args.workspaces, args.seed).await?;
    while author.events < args.events {
        // An eighth at a time: how many events a message has depends on how many live.
        author.write((args.events - author.events).div_ceil(8), args.lived).await?;
    }
    let end = log.last_sequence().await?;
    let batches = targets::load(&log, end).await?;
    println!(
        "log to replay: {} events in {end} records (seals not counted), {} messages",
        author.events, author.messages
    );
    let mut seconds = [const { Vec::new() }; TARGETS];
    for _ in 0..args.rounds {
        for (at, seconds) in seconds.iter_mut().enumerate() {
            seconds.push(measure(at, &log, end, &batches).await?);
        }
    }
    let events = author.events as f64;
    let [bare, replay, cold, fold, verify] = seconds;
    let rate = |seconds: &[f64]| seconds.iter().map(|took| events / took).collect::<Vec<_>>();
    let share = |seconds: &[f64]| seconds.iter().zip(&bare).map(|(took, bare)| bare / took).collect::<Vec<_>>();
    let a_million = verify.iter().map(|took| took * 1_000_000.0 / events).collect();
    Ok(vec![
        Row::new("bare consumer that counts", "events/s", 0, rate(&bare), Aim::None),
        Row::new("replay without store", "events/s", 0, rate(&replay), Aim::None),
        Row::new("  of the bare consumer, same round", "times", 2, share(&replay), Aim::AtLeast(0.8)),
        Row::new("replay into sled, cold start", "events/s", 0, rate(&cold), Aim::None),
        Row::new("  of the bare consumer, same round", "times", 2, share(&cold), Aim::AtLeast(0.5)),
        Row::new("pure fold from memory, one core", "events/s", 0, rate(&fold), Aim::AtLeast(1_500_000.0)),
        Row::new("verify, of 1,000,000 events", "s", 2, a_million, Aim::AtMost(10.0)),
    ])
}

async fn memory(args: &Args) -> anyhow::Result<Vec<Row>> {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut author = Author::open(log.clone(), args.workspaces, args.seed).await?;
    let mut rows = Vec::new();
    for &messages in &args.memory {
        author.write(messages.saturating_sub(author.messages), args.lived).await?;
        let (mut resident, mut largest, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..args.memory_rounds {
            let folder = tempfile::tempdir()?;
            let measured = live::memory(&broker.access(), &log, folder.path()).await?;
            resident.push(measured.resident_mib);
            largest.push(measured.largest_mib);
            seconds.push(measured.seconds);
        }
        let what = |of: &str| format!("{} messages, {} events: {of}", author.messages, author.events);
        let aim = if messages == MEMORY_AIM_AT { Aim::AtMost(300.0) } else { Aim::None };
        rows.push(Row::new(what("ledger, caught up"), "MiB", 0, resident, aim));
        rows.push(Row::new("  at most on the way", "MiB", 0, largest, aim));
        rows.push(Row::new("  cold start", "s", 1, seconds, Aim::None));
        for command in ["verify", "replay"] {
            let (mut largest, mut seconds) = (Vec::new(), Vec::new());
            for _ in 0..args.memory_rounds {
                let measured = live::audit(&broker.access(), command).await?;
                largest.push(measured.largest_mib);
                seconds.push(measured.seconds);
            }
            rows.push(Row::new(format!("  audit {command}, at most"), "MiB", 0, largest, Aim::None));
            rows.push(Row::new(format!("  audit {command}"), "s", 1, seconds, Aim::None));
        }
    }
    Ok(rows)
}
