//! Reading the log again: how fast against a consumer that only counts, how far the live ledger lags, what it holds.
//!
//! One log is written first, with the services' own writer and a seed, into a broker with `sync_interval: always`. Then the
//! targets take turns in every round.

mod author;
mod live;
mod targets;

use angelia_shared::log::{BatchOfRecords, EventLog};
use angelia_shared::testing::TestBroker;

use self::author::Author;
use crate::machine;
use crate::stats::Spread;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Events of the log that is replayed.
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
    /// Length of that load in seconds; 0 leaves the lag out.
    #[arg(long, default_value_t = 10)]
    lag_seconds: u64,
    /// Messages at which the ledger's memory is measured; none leaves it out.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [1_000_000, 2_000_000, 4_000_000])]
    memory: Vec<u64>,
}

const BARE: usize = 0;
/// What is measured, and the aim: its share of the bare consumer's rate.
const ALL: [(&str, &str); 4] = [
    ("a consumer that counts", ""),
    ("replay without store", "≥ 0.8 of it"),
    ("replay into sled, cold", "≥ 0.5 of it"),
    ("pure fold from memory", "≥ 1,500,000/s"),
];

/// Runs the benchmark and prints its figures.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    println!(
        "seed {}, {} workspaces, {} of 100 messages lived, rounds {}\n",
        args.seed, args.workspaces, args.lived, args.rounds
    );
    rates(&args).await?;
    if args.lag_seconds > 0 {
        live::lag(args.connections, args.lag_seconds).await?;
    }
    if !args.memory.is_empty() {
        memory(&args).await?;
    }
    Ok(())
}

async fn rates(args: &Args) -> anyhow::Result<()> {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut author = Author::open(log.clone(), args.workspaces, args.seed).await?;
    while author.events < args.events {
        // An eighth at a time: how many events a message has depends on how many live.
        author.write((args.events - author.events).div_ceil(8), args.lived).await?;
    }
    let end = log.last_sequence().await?;
    let batches = targets::load(&log, end).await?;
    println!("{} events in {end} records, {} messages", author.events, author.messages);
    let mut rates = [const { Vec::new() }; ALL.len()];
    for _ in 0..args.rounds {
        for (at, rates) in rates.iter_mut().enumerate() {
            rates.push(author.events as f64 / measure(at, &log, end, &batches).await?);
        }
    }
    println!("{:<24} {:>34} {:>7}  aim", "what", "events/s (spread)", "ratio");
    let bare = Spread::of(&rates[BARE]).median;
    for ((name, aim), rates) in ALL.iter().zip(&rates) {
        let Spread { median, low, high } = Spread::of(rates);
        let rate = format!("{median:.0} ({low:.0}–{high:.0})");
        println!("{name:<24} {rate:>34} {:>7.2}  {aim}", median / bare);
    }
    println!("ratio: against the consumer that counts; seals are not among the events\n");
    Ok(())
}

async fn measure(at: usize, log: &EventLog, end: u64, batches: &[BatchOfRecords]) -> anyhow::Result<f64> {
    match at {
        BARE => targets::bare(log, end).await,
        1 => targets::replay(log, end).await,
        2 => targets::cold_ledger(log).await,
        _ => targets::fold(batches),
    }
}

async fn memory(args: &Args) -> anyhow::Result<()> {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut author = Author::open(log.clone(), args.workspaces, args.seed).await?;
    println!("\nmemory of a ledger that started with an empty folder; aim at 1,000,000 messages: ≤ 300 MiB");
    for &messages in &args.memory {
        author.write(messages.saturating_sub(author.messages), args.lived).await?;
        let folder = tempfile::tempdir()?;
        let (caught_up, largest, seconds) = live::memory(&broker.access(), &log, folder.path()).await?;
        println!(
            "{} messages, {} events: {caught_up:.0} MiB when it had caught up, {largest:.0} MiB at most, {seconds:.0} s",
            author.messages, author.events
        );
    }
    Ok(())
}
