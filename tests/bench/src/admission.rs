//! Durable, credit-checked acceptance over HTTP against its baselines.
//!
//! The targets run one after the other in every round, each as a process of its own with its own broker: the whole
//! standalone installation (broker with `sync_interval: always`), the same HTTP server and parsing without any log, one
//! publish a call with a broker that syncs always, and with one that syncs as by default, and the log's writer alone, with
//! 500 acceptances a batch and no HTTP.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::log::Access;
use angelia_shared::testing::{free_port, server_binary};
use anyhow::bail;
use tempfile::TempDir;

use crate::baseline::Kind;
use crate::installation::Installation;
use crate::load::{self, Outcome, Target};
use crate::stats::{Spread, percentile_us};
use crate::verify::{self, Logged};
use crate::{machine, raw};

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
    /// Workspaces, called in zipf order; 1 is one hot wallet. More are made once, and the installation then serves all
    /// rounds.
    #[arg(long, default_value_t = 1)]
    workspaces: usize,
    /// Seed of everything that is drawn: which workspace is called, and with what text.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Pauses the accounts of many workspaces: what is accepted stays queued, so that accepting alone is measured. Else each
    /// sends at its pace meanwhile, thousands a second together.
    #[arg(long)]
    paused: bool,
    /// Measures only these targets: angelia, no-log, publish-always, publish-lazy, raw-writer.
    #[arg(long, value_delimiter = ',', default_values = ALL.map(|(what, _)| what.flag()))]
    only: Vec<String>,
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
    RawWriter,
}

impl What {
    const fn flag(self) -> &'static str {
        match self {
            Self::Angelia => "angelia",
            Self::NoLog => "no-log",
            Self::PublishAlways => "publish-always",
            Self::PublishLazy => "publish-lazy",
            Self::RawWriter => "raw-writer",
        }
    }
}

const ALL: [(What, &str); 5] = [
    (What::Angelia, "angelia"),
    (What::NoLog, "no log"),
    (What::PublishAlways, "publish, sync always"),
    (What::PublishLazy, "publish, lazy sync"),
    (What::RawWriter, "raw writer, 500 a batch"),
];

/// How long the load runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
const MANY_WARM_UP: Duration = Duration::from_secs(5);
/// Connections that the open loop sends over: enough for its answers to come late.
const OPEN_LOOP_CONNECTIONS: usize = 512;

/// Runs the benchmark and prints its tables.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    if let Some(unknown) = args.only.iter().find(|flag| ALL.iter().all(|(what, _)| what.flag() != **flag)) {
        bail!("--only does not know {unknown}");
    }
    let accounts = if args.paused { ", accounts paused" } else { "" };
    println!(
        "rounds {}, {} s each, workspaces {}{accounts}, seed {}\n",
        args.rounds, args.seconds, args.workspaces, args.seed
    );
    println!(
        "{:<24} {:>11} {:>24} {:>9} {:>9} {:>9}",
        "target", "connections", "accepted/s (spread)", "p50 ms", "p99 ms", "ratio"
    );
    let mut subject = Subject { args: &args, kept: None, attempts: 0 };
    let mut best = 0.0_f64;
    for &connections in &args.connections {
        let mut rates = [const { Vec::new() }; ALL.len()];
        let mut latencies = [const { Vec::new() }; ALL.len()];
        for _ in 0..args.rounds {
            for (at, (what, _)) in ALL.iter().enumerate() {
                if !args.only.iter().any(|flag| flag == what.flag()) {
                    continue;
                }
                let outcome = subject.measure(*what, connections).await?;
                rates[at].push(outcome.rate());
                latencies[at].extend(outcome.latencies_us);
            }
        }
        let angelia = Spread::of(&rates[0]).median;
        best = best.max(angelia);
        for (at, (_, name)) in ALL.iter().enumerate() {
            if rates[at].is_empty() {
                continue;
            }
            let spread = Spread::of(&rates[at]);
            let ratio = if spread.median > 0.0 { angelia / spread.median } else { 0.0 };
            println!(
                "{name:<24} {connections:>11} {:>9.0} ({:.0}–{:.0}) {:>9.2} {:>9.2} {ratio:>9.2}",
                spread.median,
                spread.low,
                spread.high,
                f64::from(percentile_us(&mut latencies[at], 0.5)) / 1_000.0,
                f64::from(percentile_us(&mut latencies[at], 0.99)) / 1_000.0,
            );
        }
    }
    println!("\nattempts to send in angelia's last log: {}", subject.attempts);
    println!(
        "ratio: angelia's rate against that target's; every call that was answered 200 is in its log once, and no other"
    );
    if !args.no_latency {
        subject.latency(best / 2.0).await?;
    }
    Ok(())
}

/// What is measured.
struct Subject<'a> {
    args: &'a Args,
    /// The installation of many workspaces, stopped, and how many calls it has accepted: it would take minutes to make one a
    /// round.
    kept: Option<(Installation, Target, u64)>,
    /// Attempts in its log by the end of the last measurement.
    attempts: u64,
}

impl Subject<'_> {
    async fn measure(&mut self, what: What, connections: usize) -> anyhow::Result<Outcome> {
        let (seed, duration) = (self.args.seed, Duration::from_secs(self.args.seconds));
        match what {
            What::Angelia => self.angelia(connections, duration).await,
            What::NoLog => baseline(Kind::NoLog, None, connections, duration, seed).await,
            What::PublishAlways => {
                baseline(Kind::Publish, Some(Broker::start(true)?), connections, duration, seed).await
            }
            What::PublishLazy => {
                baseline(Kind::Publish, Some(Broker::start(false)?), connections, duration, seed).await
            }
            What::RawWriter => {
                let broker = Broker::start(true)?;
                raw::write(&broker.access(), duration).await
            }
        }
    }

    async fn angelia(&mut self, connections: usize, duration: Duration) -> anyhow::Result<Outcome> {
        let (mut installation, target, before) = match self.kept.take() {
            Some(mut kept) => {
                kept.0.start_again().await?;
                kept
            }
            None => {
                let (installation, target) = angelia(self.args).await?;
                (installation, target, 0)
            }
        };
        // What comes first fills caches and connections, as in a server that has run for a while; the last of many workspaces
        // is called once in ten seconds.
        let warming = if self.args.workspaces > 1 { MANY_WARM_UP } else { WARM_UP };
        let warm = load::closed(&target, connections, warming).await?;
        let outcome = load::closed(&target, connections, duration).await?;
        let accepted = before + warm.accepted + outcome.accepted;
        self.attempts = check(&installation, accepted, warm.refused + outcome.refused).await?.attempts;
        if self.args.workspaces > 1 {
            installation.stop();
            self.kept = Some((installation, target, accepted));
        }
        Ok(outcome)
    }

    /// Latency at a rate that leaves room.
    async fn latency(&mut self, rate: f64) -> anyhow::Result<()> {
        let (installation, target) = match self.kept.take() {
            Some((mut installation, target, _)) => {
                installation.start_again().await?;
                (installation, target)
            }
            None => angelia(self.args).await?,
        };
        load::closed(&target, 64, Duration::from_secs(1)).await?;
        let duration = Duration::from_secs(self.args.seconds.max(10));
        let mut outcome = load::open(&target, OPEN_LOOP_CONNECTIONS, rate, duration).await?;
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
}

async fn angelia(args: &Args) -> anyhow::Result<(Installation, Target)> {
    let installation = Installation::start().await?;
    let credits = 100_000_000;
    let paths = if args.workspaces == 1 {
        installation.grant(credits).await?;
        vec![installation.hook_path()?]
    } else {
        installation.make_workspaces(args.workspaces, credits, args.paused).await?
    };
    let target = Target { addresses: vec![installation.address], paths: Arc::new(paths), seed: args.seed };
    Ok((installation, target))
}

/// Every 200 must be in the log, and nothing else.
pub(crate) async fn check(installation: &Installation, accepted: u64, refused: u64) -> anyhow::Result<Logged> {
    let logged = verify::logged(&installation.access()?).await?;
    if logged.accepted != accepted || refused > 0 {
        let found = logged.accepted;
        bail!("{accepted} calls were accepted and {refused} refused, but the log holds {found} acceptances");
    }
    Ok(logged)
}

async fn baseline(
    kind: Kind,
    broker: Option<Broker>,
    connections: usize,
    duration: Duration,
    seed: u64,
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
            let target = Target { addresses: vec![address], paths: Arc::new(vec!["/hooks/baseline".to_owned()]), seed };
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

    fn access(&self) -> Access {
        Access { url: format!("nats://127.0.0.1:{}", self.port), user: None, password: None }
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
