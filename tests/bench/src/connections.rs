//! What many connections cost, and what they do to somebody else's call.
//!
//! Each kind of connection is opened as often as asked, held for a while, and closed. Before, meanwhile and after: the
//! program's resident memory, and the latency of ordinary calls, each on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use angelia_shared::clock::monotonic;
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::installation::Installation;
use crate::{machine, stats};

/// Connections from one address: far below the ports that systems give out.
const PER_ADDRESS: usize = 20_000;
/// Connections that are opened at once: no more than the shortest queue of a listening socket.
const OPENED_AT_ONCE: usize = 100;
/// Pause between two ordinary calls.
const BETWEEN_CALLS: Duration = Duration::from_millis(50);
/// How long an ordinary call may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a slow client sends a byte.
const DRIP: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many connections.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// How many the program serves at once; by default all of them, and some more.
    #[arg(long)]
    connections_max: Option<usize>,
    /// How many seconds they are held; half-sent bodies are given up after ten.
    #[arg(long, default_value_t = 8)]
    hold_s: u64,
    /// Only these kinds.
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Nothing.
    Idle,
    /// One request, and then nothing.
    Kept,
    /// Half of a request's head.
    Head,
    /// Half of a body of 64 KiB.
    Body,
    /// A body, byte by byte.
    Drip,
}

/// Ordinary calls that were made.
#[derive(Default)]
struct Calls {
    latencies_us: Vec<u32>,
    lost: usize,
}

/// Measures each kind.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, files, files)?;
    if files < args.connections as u64 + 1_024 {
        bail!("{} connections need more open files than the {files} that are allowed: ulimit -Hn", args.connections);
    }
    let places = args.connections_max.unwrap_or(args.connections + 512);
    let installation = Installation::with(&[("connections_max", places.to_string())]).await?;
    installation.grant(1_000_000).await?;
    println!("{} connections, {places} places", args.connections);
    let kinds = if args.kind.is_empty() { Kind::value_variants() } else { &args.kind };
    for kind in kinds {
        measure(&installation, *kind, &args).await?;
    }
    Ok(())
}

async fn measure(installation: &Installation, kind: Kind, args: &Args) -> anyhow::Result<()> {
    let path = installation.hook_path()?;
    let calls = || call_for(installation.address, &path, Duration::from_secs(2));
    let quiet = calls().await;
    let before = installation.resident_mib().0;
    let began = monotonic();
    let crowd: Vec<TcpStream> = stream::iter(0..args.connections)
        .map(|number| open(installation.address, &path, kind, number))
        .buffer_unordered(OPENED_AT_ONCE)
        .try_collect()
        .await?;
    let opened_s = began.elapsed().as_secs_f64();
    let hold = Duration::from_secs(args.hold_s);
    let dripping = kind == Kind::Drip;
    let (meanwhile, crowd) = tokio::join!(call_for(installation.address, &path, hold), drip(crowd, dripping, hold));
    let during = installation.resident_mib().0;
    let still_open = crowd.iter().filter(|stream| is_open(stream)).count();
    drop(crowd);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = installation.resident_mib().0;
    let each = (during - before) * 1_024.0 / still_open.max(1) as f64;
    println!(
        "{kind:?}: opened in {opened_s:.1} s, {still_open} still open; memory {before:.0} MiB before, {during:.0} MiB meanwhile ({each:.1} KiB each), {after:.0} MiB after"
    );
    println!("  calls alone: {}", quiet.describe());
    println!("  calls meanwhile: {}", meanwhile.describe());
    Ok(())
}

async fn open(address: SocketAddr, path: &str, kind: Kind, number: usize) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // Other addresses only where there are too few ports: not every system has them.
    let from = u8::try_from(number / PER_ADDRESS).ok().and_then(|n| n.checked_add(1));
    let from = from.context("too many connections for the addresses of this machine")?;
    if from > 1 {
        socket.bind(([127, 0, 0, from], 0).into())?;
    }
    let mut stream = socket.connect(address).await.context("cannot connect")?;
    let head = |length: usize| format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n");
    let first = match kind {
        Kind::Idle => String::new(),
        Kind::Kept => "GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n".to_owned(),
        Kind::Head => format!("POST {path} HTTP/1.1\r\nHost:"),
        Kind::Body => head(65_536) + &"x".repeat(32_768),
        Kind::Drip => head(1_000),
    };
    // The program may close it at any time.
    let _closed = stream.write_all(first.as_bytes()).await;
    if kind == Kind::Kept {
        let _closed = stream.read(&mut [0; 1_024]).await;
    }
    Ok(stream)
}

/// Holds the connections; sends a byte on each every now and then, if asked.
async fn drip(mut crowd: Vec<TcpStream>, is_dripping: bool, hold: Duration) -> Vec<TcpStream> {
    let until = monotonic() + hold;
    while monotonic() < until {
        tokio::time::sleep(DRIP).await;
        if is_dripping {
            for stream in &mut crowd {
                // A socket that takes no byte now gets the next one.
                let _closed_or_full = stream.try_write(b"x");
            }
        }
    }
    crowd
}

/// Whether the other side has neither closed the connection nor answered.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Calls one after the other for a while.
async fn call_for(address: SocketAddr, path: &str, duration: Duration) -> Calls {
    let mut calls = Calls::default();
    let began = monotonic();
    while began.elapsed() < duration {
        let sent = monotonic();
        match tokio::time::timeout(PATIENCE, call(address, path)).await {
            Ok(Ok(())) => {
                calls.latencies_us.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok(Err(error)) => {
                println!("  a call was lost: {error:#}");
                calls.lost += 1;
            }
            Err(_) => calls.lost += 1,
        }
        tokio::time::sleep(BETWEEN_CALLS).await;
    }
    calls
}

/// One call on a connection of its own.
async fn call(address: SocketAddr, path: &str) -> anyhow::Result<()> {
    let body = r#"{"action":"send","phone":"+14151231234","text":"Hello from outside the crowd"}"#;
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        bail!("answered {}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

impl Calls {
    fn describe(&self) -> String {
        let mut latencies = self.latencies_us.clone();
        let mut ms = |share| f64::from(stats::percentile_us(&mut latencies, share)) / 1_000.0;
        let (half, most, all) = (ms(0.5), ms(0.99), ms(1.0));
        let count = self.latencies_us.len();
        format!("{count} accepted, {} lost; p50 {half:.1} ms, p99 {most:.1} ms, worst {all:.1} ms", self.lost)
    }
}
