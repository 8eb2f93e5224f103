//! Reading the log again: how fast against a consumer that only counts, how long a check takes, how far the live ledger lags,
//! what it holds.
//!
//! One log is written first, with the services' own writer and a seed, into a broker with `sync_interval: always`. Then the
//! targets take turns in every round. The log is sound: every check of the audit passes.

mod author;
mod live;
mod stores;
mod targets;

use angelia_shared::log::{BatchOfRecords, EventLog};
use angelia_shared::testing::TestBroker;

use self::author::Author;
use crate::machine;
use crate::stats::Spread;
use crate::table::{self, Aim, Row};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Events of the log that is replayed; 0 leaves replays and the check out.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Rounds; the targets take turns in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Targets that take turns, beside the bare consumer; all of them when none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Target>,
    /// Stores into which the log is folded from memory, for comparison.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 0.., default_values_t = stores::Kind::ALL)]
    stores: Vec<stores::Kind>,
    /// How much gathers before it is written into one of those, in KiB.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 4096])]
    flush_kib: Vec<usize>,
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

/// What takes turns with the bare consumer; each says how many seconds it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// A replay in memory.
    Replay,
    /// A ledger that starts with an empty folder.
    Cold,
    /// The fold alone, over tables in memory.
    Fold,
    /// What of the fold is digests.
    Digests,
    /// What of the fold is reading lines and the rules.
    Rules,
    /// The audit's own check.
    Verify,
}

impl Target {
    const ALL: [Self; 6] = [Self::Replay, Self::Cold, Self::Fold, Self::Digests, Self::Rules, Self::Verify];

    async fn measure(self, written: &Written) -> anyhow::Result<f64> {
        let Written { log, end, batches, .. } = written;
        match self {
            Self::Replay => targets::replay(log, *end).await,
            Self::Cold => targets::cold_ledger(log).await,
            Self::Fold => targets::fold(batches),
            Self::Digests => targets::halves(batches).map(|[digests, _]| digests),
            Self::Rules => targets::halves(batches).map(|[_, rules]| rules),
            Self::Verify => targets::verify(log).await,
        }
    }

    /// The rows of what `took` so many seconds, beside the same rounds of the `bare` consumer.
    fn rows(self, events: f64, took: &[f64], bare: &[f64]) -> Vec<Row> {
        let rates = |what, aim| Row::new(what, "events/s", 0, took.iter().map(|took| events / took).collect(), aim);
        let share = |least| {
            let shares = took.iter().zip(bare).map(|(took, bare)| bare / took).collect();
            Row::new("  of the bare consumer, same round", "times", 2, shares, Aim::AtLeast(least))
        };
        match self {
            Self::Replay => vec![rates("replay without store", Aim::None), share(0.8)],
            Self::Cold => vec![rates("replay into sled, cold start", Aim::None), share(0.5)],
            Self::Fold => vec![rates("pure fold from memory, one core", Aim::AtLeast(1_500_000.0))],
            Self::Digests => vec![rates("  its digests of log and seals alone", Aim::None)],
            Self::Rules => vec![rates("  its lines and rules alone", Aim::None)],
            Self::Verify => {
                let a_million = took.iter().map(|took| took * 1_000_000.0 / events).collect();
                vec![Row::new("verify, of 1,000,000 events", "s", 2, a_million, Aim::AtMost(10.0))]
            }
        }
    }
}

/// The log that is read again and again.
struct Written {
    log: EventLog,
    end: u64,
    batches: Vec<BatchOfRecords>,
    events: f64,
}

async fn write(broker: &TestBroker, args: &Args) -> anyhow::Result<Written> {
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
    Ok(Written { log, end, batches, events: author.events as f64 })
}

async fn rates(args: &Args) -> anyhow::Result<Vec<Row>> {
    let broker = TestBroker::start().await;
    let written = write(&broker, args).await?;
    let named = |target: &Target| args.only.is_empty() || args.only.contains(target);
    let targets: Vec<_> = Target::ALL.into_iter().filter(named).collect();
    let stores: Vec<_> = args.stores.iter().flat_map(|store| store.flushes(&args.flush_kib)).collect();
    let (mut bare, mut seconds) = (Vec::new(), vec![Vec::new(); targets.len()]);
    let mut stored = vec![Vec::new(); stores.len()];
    for _ in 0..args.rounds {
        bare.push(targets::bare(&written.log, written.end).await?);
        for (target, seconds) in targets.iter().zip(&mut seconds) {
            seconds.push(target.measure(&written).await?);
        }
        for ((store, flush_kib), seconds) in stores.iter().zip(&mut stored) {
            seconds.push(store.fold(flush_kib * 1_024, &written.batches)?);
        }
    }
    let rate = bare.iter().map(|took| written.events / took).collect();
    let mut rows = vec![Row::new("bare consumer that counts", "events/s", 0, rate, Aim::None)];
    for (target, took) in targets.iter().zip(&seconds) {
        rows.extend(target.rows(written.events, took, &bare));
    }
    for ((store, flush_kib), took) in stores.iter().zip(&stored) {
        let what = store.label(*flush_kib);
        rows.push(Row::new(what, "events/s", 0, took.iter().map(|took| written.events / took).collect(), Aim::None));
    }
    Ok(rows)
}

async fn memory(args: &Args) -> anyhow::Result<Vec<Row>> {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let mut author = Author::open(log.clone(), args.workspaces, args.seed).await?;
    let mut rows = Vec::new();
    // The size before, and what the ledger took then.
    let mut smaller: Option<(u64, f64)> = None;
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
        let median = Spread::of(&resident).median;
        rows.push(Row::new(what("ledger, caught up"), "MiB", 0, resident, aim));
        if let Some((fewer, less)) = smaller.replace((author.messages, median)) {
            let bytes = (median - less) * f64::from(1 << 20) / (author.messages - fewer) as f64;
            rows.push(Row::new("  growth, for each message more", "bytes", 0, vec![bytes], Aim::None));
        }
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
