//! Durable, credit-checked acceptance over HTTP against its baselines.
//!
//! The targets run one after the other in every round, each as a process of its own with its own broker: the whole
//! standalone installation (broker with `sync_interval: always`), the same parsing without any log, and one publish a
//! call with a broker that syncs always, and with one that syncs as by default.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::testing::{free_port, server_binary};
use anyhow::bail;
use tempfile::TempDir;

use crate::baseline::Kind;
use crate::installation::Installation;
use crate::load::{self, Outcome, Target};
use crate::stats::{Spread, percentile_us};
use crate::{machine, verify};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Numbers of connections to measure with.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 1_024])]
    connections: Vec<usize>,
    /// Length of one measurement in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; the targets take turns in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Workspaces, called in zipf order; 1 is one hot wallet.
    #[arg(long, default_value_t = 1)]
    workspaces: usize,
    /// Leaves the latency at half of the maximum rate out.
    #[arg(long)]
    no_latency: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Angelia,
    NoLog,
    PublishAlways,
    PublishLazy,
}

const ALL: [(What, &str); 4] = [
    (What::Angelia, "angelia"),
    (What::NoLog, "no log"),
    (What::PublishAlways, "publish, sync always"),
    (What::PublishLazy, "publish, lazy sync"),
];

/// Runs the benchmark and prints its tables.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    println!("rounds {}, {} s each, workspaces {}\n", args.rounds, args.seconds, args.workspaces);
    println!(
        "{:<22} {:>11} {:>24} {:>9} {:>9} {:>9}",
        "target", "connections", "accepted/s (spread)", "p50 ms", "p99 ms", "ratio"
    );
    let mut best = 0.0_f64;
    for &connections in &args.connections {
        let mut rates = [const { Vec::new() }; ALL.len()];
        let mut latencies = [const { Vec::new() }; ALL.len()];
        for _ in 0..args.rounds {
            for (at, (what, _)) in ALL.iter().enumerate() {
                let outcome = measure(*what, &args, connections).await?;
                rates[at].push(outcome.rate());
                latencies[at].extend(outcome.latencies_us);
            }
        }
        let angelia = Spread::of(&rates[0]).median;
        best = best.max(angelia);
        for (at, (_, name)) in ALL.iter().enumerate() {
            let spread = Spread::of(&rates[at]);
            let ratio = if spread.median > 0.0 { angelia / spread.median } else { 0.0 };
            println!(
                "{name:<22} {connections:>11} {:>9.0} ({:.0}–{:.0}) {:>9.2} {:>9.2} {ratio:>9.2}",
                spread.median,
                spread.low,
                spread.high,
                f64::from(percentile_us(&mut latencies[at], 0.5)) / 1_000.0,
                f64::from(percentile_us(&mut latencies[at], 0.99)) / 1_000.0,
            );
        }
    }
    println!("\nratio: angelia's rate against that target's");
    if !args.no_latency {
        latency(&args, best / 2.0).await?;
    }
    Ok(())
}

async fn measure(what: What, args: &Args, connections: usize) -> anyhow::Result<Outcome> {
    let duration = Duration::from_secs(args.seconds);
    match what {
        What::Angelia => {
            let (installation, target) = angelia(args).await?;
            // The first second fills caches and connections, as in a server that has run for a while.
            let warm = load::closed(&target, connections, Duration::from_secs(1)).await?;
            let outcome = load::closed(&target, connections, duration).await?;
            check(&installation, warm.accepted + outcome.accepted, warm.refused + outcome.refused).await?;
            Ok(outcome)
        }
        What::NoLog => baseline(Kind::NoLog, None, connections, duration).await,
        What::PublishAlways => baseline(Kind::Publish, Some(Broker::start(true)?), connections, duration).await,
        What::PublishLazy => baseline(Kind::Publish, Some(Broker::start(false)?), connections, duration).await,
    }
}

async fn angelia(args: &Args) -> anyhow::Result<(Installation, Target)> {
    let installation = Installation::start().await?;
    let credits = 100_000_000;
    let paths = if args.workspaces == 1 {
        installation.grant(credits).await?;
        vec![installation.hook_path()?]
    } else {
        installation.make_workspaces(args.workspaces, credits).await?
    };
    let target = Target { address: installation.address, paths: Arc::new(paths) };
    Ok((installation, target))
}

/// Every 200 must be in the log, and nothing else.
async fn check(installation: &Installation, accepted: u64, refused: u64) -> anyhow::Result<()> {
    let logged = verify::accepted_in_log(&installation.access()?).await?;
    if logged != accepted || refused > 0 {
        bail!("{accepted} calls were accepted and {refused} refused, but the log holds {logged} acceptances");
    }
    Ok(())
}

async fn latency(args: &Args, rate: f64) -> anyhow::Result<()> {
    let (installation, target) = angelia(args).await?;
    load::closed(&target, 64, Duration::from_secs(1)).await?;
    let mut outcome = load::open(&target, 512, rate, Duration::from_secs(args.seconds.max(10))).await?;
    let ms = |us: u32| f64::from(us) / 1_000.0;
    println!(
        "open loop at {rate:.0}/s (half of the best rate), from the time when a call was due: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, {} refused",
        ms(percentile_us(&mut outcome.latencies_us, 0.5)),
        ms(percentile_us(&mut outcome.latencies_us, 0.99)),
        ms(percentile_us(&mut outcome.latencies_us, 0.999)),
        outcome.refused,
    );
    drop(installation);
    Ok(())
}

async fn baseline(
    kind: Kind,
    broker: Option<Broker>,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<Outcome> {
    let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let mut command = Command::new(std::env::current_exe()?);
    let name = if kind == Kind::NoLog { "no-log" } else { "publish" };
    command.args(["serve", "--kind", name, "--listen", &address.to_string()]);
    if let Some(broker) = &broker {
        command.args(["--nats", &format!("nats://127.0.0.1:{}", broker.port)]);
    }
    let _server = Killed(command.spawn()?);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            let target = Target { address, paths: Arc::new(vec!["/hooks/baseline".to_owned()]) };
            load::closed(&target, connections, Duration::from_secs(1)).await?;
            return load::closed(&target, connections, duration).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the baseline {name} does not answer")
}

/// A broker of the baseline's own.
struct Broker {
    _server: Killed,
    _folder: TempDir,
    port: u16,
}

impl Broker {
    fn start(sync_always: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port();
        let sync = if sync_always { "sync_interval: always, " } else { "" };
        let config = folder.path().join("nats.conf");
        let store = folder.path().join("store");
        let text = format!("listen: \"127.0.0.1:{port}\"\njetstream {{ {sync}store_dir: \"{}\" }}\n", store.display());
        std::fs::write(&config, text)?;
        let server =
            Command::new(server_binary()).arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { _server: Killed(server), _folder: folder, port })
    }
}

/// A child that ends with its owner.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}
