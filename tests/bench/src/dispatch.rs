//! The dispatcher: what it takes at rest and at work, how late it sends, and how soon another one goes on in its place.
//!
//! Broker, sandbox and each dispatcher are processes of their own; this one writes what ingress would and compares the log
//! with the sandbox's journal, which is the truth. A send's lateness is the time at which the sandbox had it, less the time
//! for which the log planned it (the end of the account's attempt before, and the gap drawn then). After each row the log must
//! pass every check of the audit, and hold every message that was accepted.

mod account;
mod expiry;
mod lateness;
mod loops;
mod planning;
mod process;
mod rows;
mod takeover;
mod world;

use clap::ValueEnum;

use crate::{machine, table};

#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    /// Only these rows of the table.
    #[arg(long, value_enum)]
    row: Vec<Row>,
    /// Accounts that are known, of which `active` send.
    #[arg(long, default_value_t = 100_000)]
    known: usize,
    /// Accounts that send in the row `memory`.
    #[arg(long, default_value_t = 1_000)]
    active: usize,
    /// Accounts that send in the row `pace`.
    #[arg(long, default_value_t = 5_000)]
    paced: usize,
    /// Messages queued on one account in the row `backlog`.
    #[arg(long, default_value_t = 1_000_000)]
    backlog: usize,
    /// Accounts beside it.
    #[arg(long, default_value_t = 1_000)]
    beside: usize,
    /// Accounts in the row `takeover`.
    #[arg(long, default_value_t = 1_000)]
    taken: usize,
    /// Messages of held accounts that expire in the row `expiry`, beside those that `beside` says.
    #[arg(long, default_value_t = 100_000)]
    expiring: usize,
    /// Messages that the row `planning` plans.
    #[arg(long, default_value_t = 2_000_000)]
    planned: usize,
    /// Rounds of each row.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each round is measured, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How long it sends before that, in seconds: after a start all accounts begin together, which passes in some gaps.
    #[arg(long, default_value_t = 10)]
    warm_up: u64,
    /// Message ids, and with them every gap, come from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Memory and idle CPU with many accounts known.
    Memory,
    /// Lateness of many accounts at full pace, beside a bare loop without a log.
    Pace,
    /// Lateness of ordinary accounts with and without a long queue on another one; how long a start over it takes.
    Backlog,
    /// How soon a second process sends for the accounts of one that was killed.
    Takeover,
    /// Lateness of ordinary accounts while the queues of held ones expire.
    Expiry,
    /// The rules alone, beside a bare heap of timers.
    Planning,
}

/// Measures the rows that were asked for, all by default, and prints each beside its aim: of the sizes that are the defaults.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    println!("seed {}, {} rounds of {} s after {} s", args.seed, args.rounds, args.seconds, args.warm_up);
    let wanted = |row| args.row.is_empty() || args.row.contains(&row);
    if wanted(Row::Planning) {
        table::print(&planning::run(args.planned, args.rounds, args.seed));
    }
    if wanted(Row::Memory) {
        table::print(&rows::memory(&args).await?);
    }
    if wanted(Row::Pace) {
        table::print(&rows::pace(&args).await?);
    }
    if wanted(Row::Backlog) {
        table::print(&rows::backlog(&args).await?);
    }
    if wanted(Row::Expiry) {
        table::print(&expiry::run(&args).await?);
    }
    if wanted(Row::Takeover) {
        table::print(&takeover::run(&args).await?);
    }
    Ok(())
}
