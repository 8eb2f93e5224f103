//! Measures Angelia against baselines that run in the same run on the same machine.
//!
//! ```text
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- admission
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- replicas
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- backlog
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- memory
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- connections
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- dispatch
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- replay
//! cargo build --release -p angelia && cargo run --release -p angelia-bench -- console
//! ```
//!
//! Every figure is a median with its spread over several rounds; the targets take turns, so that a slow minute of the
//! machine hits all of them.

mod admission;
mod baseline;
mod connections;
mod console;
mod dispatch;
mod installation;
mod load;
mod machine;
mod memory;
mod raw;
mod replay;
mod spread;
mod stats;
mod table;
mod verify;

use clap::{Parser, Subcommand};

/// The product's, or what is folded, read and counted here would cost more than there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "angelia-bench", about = "Benchmarks with their baselines in the same run")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Durable, credit-checked acceptance over HTTP, against servers that store nothing or publish one by one.
    Admission(admission::Args),
    /// Admission by several replicas of the ingress on one wallet, against one replica.
    Replicas(spread::ReplicasArgs),
    /// Admission while very many messages are queued, against an empty log.
    Backlog(spread::BacklogArgs),
    /// Resident memory of all services together after many messages.
    Memory(memory::Args),
    /// Memory and latency while very many connections are open that say nothing, half of a request, or a byte now and then.
    Connections(connections::Args),
    /// What the dispatcher takes, how late it sends, and how soon another one goes on in its place.
    Dispatch(dispatch::Args),
    /// Reading the log again: replays against a consumer that only counts, the live ledger's lag and memory.
    Replay(replay::Args),
    /// How soon the console's pages and the API's lists come, and how long they are, with very many messages.
    Console(console::Args),
    /// Serves a baseline; started by the other commands.
    #[command(hide = true)]
    Serve(baseline::Args),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // Only the first one is used; a library may have been quicker with the same.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Admission(args) => admission::run(args).await,
            Command::Replicas(args) => spread::replicas(args).await,
            Command::Backlog(args) => spread::backlog(args).await,
            Command::Memory(args) => memory::run(args).await,
            Command::Connections(args) => connections::run(args).await,
            Command::Dispatch(args) => dispatch::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Console(args) => console::run(args).await,
            Command::Serve(args) => baseline::serve(args).await,
        }
    })
}
