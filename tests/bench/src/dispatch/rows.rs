//! The rows that watch one dispatcher at work.

use std::time::Duration;

use angelia_shared::clock;

use super::Args;
use super::lateness::{Journal, Lateness, attempts};
use super::loops::{self, percentiles};
use super::world::World;
use crate::stats::Spread;
use crate::table::{Aim, Row};

/// How long an idle process is watched, some time after its start.
const IDLE: Duration = Duration::from_secs(10);
const SETTLES: Duration = Duration::from_secs(2);
/// The mean of the default gap, in seconds.
const MEAN_GAP_S: f64 = 2.0;
/// Megabytes of a MiB.
pub(super) const MB: f64 = 1.048_576;
/// How long a start may take, whatever is queued, in seconds.
const READY_MAX_S: f64 = 15.0;

/// Messages that keep an account busy for so long: more than one every 1.5 s.
pub(super) fn enough(seconds: u64) -> usize {
    (seconds as usize * 2).div_ceil(3) + 3
}

/// Memory and idle CPU.
pub(super) async fn memory(args: &Args) -> anyhow::Result<Vec<Row>> {
    let mut world = World::start(args.seed).await?;
    world.add_accounts(args.known).await?;
    let active: Vec<usize> = (0..args.active.min(args.known)).collect();
    let (mut ready, mut empty, mut idle, mut busy) = (vec![], vec![], vec![], vec![]);
    for _ in 0..args.rounds {
        let (process, took) = world.dispatcher("dispatcher").await?;
        ready.push(took.as_secs_f64());
        tokio::time::sleep(SETTLES).await;
        let before = process.cpu_ms();
        tokio::time::sleep(IDLE).await;
        idle.push((process.cpu_ms() - before) as f64 / IDLE.as_millis() as f64 * 100.0);
        empty.push(process.resident_mib() * MB);
        world.accept(&active, enough(args.seconds)).await?;
        tokio::time::sleep(Duration::from_secs(args.seconds)).await;
        busy.push(process.resident_mib() * MB);
        process.stop().await?;
        // What was left goes out, so that the next round is idle at first.
        drain(&world).await?;
    }
    world.verify().await?;
    println!("\nmemory: {} accounts known, {} active", args.known, active.len());
    Ok(vec![
        Row::new("ready after", "s", 2, ready, Aim::AtMost(READY_MAX_S)),
        Row::new("resident, idle", "MB", 1, empty, Aim::None),
        Row::new("resident, while the active ones send", "MB", 1, busy, Aim::AtMost(200.0)),
        Row::new("processor time, idle, of a core", "%", 2, idle, Aim::AtMost(3.0)),
    ])
}

/// Runs a dispatcher until no account has sent for three gaps.
async fn drain(world: &World) -> anyhow::Result<()> {
    let (process, _) = world.dispatcher("draining").await?;
    let mut last = Journal::read(&world.sandbox_url, 0).await?.last;
    loop {
        tokio::time::sleep(Duration::from_secs(8)).await;
        let now = Journal::read(&world.sandbox_url, last).await?.last;
        if now == last {
            return process.stop().await;
        }
        last = now;
    }
}

/// What came of a round.
struct Round {
    lateness: Lateness,
    ready_s: f64,
    resident_mb: f64,
}

/// One round: these accounts send for a while, and then for a while that is measured.
async fn round(world: &mut World, accounts: &[usize], args: &Args) -> anyhow::Result<Round> {
    let (log_end, journal_end) = (world.log.last_sequence().await?, Journal::read(&world.sandbox_url, 0).await?.last);
    world.accept(accounts, enough(args.warm_up + args.seconds)).await?;
    let (process, ready) = world.dispatcher("dispatcher").await?;
    tokio::time::sleep(Duration::from_secs(args.warm_up)).await;
    let from = clock::now();
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let resident_mb = process.resident_mib() * MB;
    process.stop().await?;
    let journal = Journal::read(&world.sandbox_url, journal_end).await?;
    let mut attempts = attempts(&world.log, log_end).await?;
    let of: std::collections::HashSet<_> = accounts.iter().map(|number| world.accounts[*number].id).collect();
    attempts.retain(|account, _| of.contains(account));
    let lateness = Lateness::of(&attempts, &journal, from);
    Ok(Round { lateness, ready_s: ready.as_secs_f64(), resident_mb })
}

pub(super) fn count(what: &str, count: usize) -> Row {
    Row::new(what, "", 0, vec![count as f64], Aim::AtMost(0.0))
}

/// Many accounts at full pace, and the same without a log.
pub(super) async fn pace(args: &Args) -> anyhow::Result<Vec<Row>> {
    let mut world = World::start(args.seed).await?;
    world.add_accounts(args.paced).await?;
    let all: Vec<usize> = (0..args.paced).collect();
    let (mut ours, mut bare, mut rate, mut broken, mut repeated) = (vec![], vec![], vec![], 0, 0);
    for n in 0..args.rounds {
        let Round { lateness, .. } = round(&mut world, &all, args).await?;
        rate.push(lateness.sent as f64 / args.seconds as f64);
        broken += lateness.floor_broken;
        repeated += lateness.repeated;
        ours.push(lateness.late_ms);
        let after = Journal::read(&world.sandbox_url, 0).await?.last;
        let times = (args.warm_up, args.seconds);
        bare.push(loops::run(&world.sandbox_url, args.paced, times, args.seed + n as u64, after).await?);
    }
    world.verify().await?;
    println!("\npace: {} accounts", args.paced);
    let full = args.paced as f64 / MEAN_GAP_S;
    let late =
        |what: &str, rounds: &mut [Vec<u32>], share, aim| Row::new(what, "ms", 0, percentiles(rounds, share), aim);
    Ok(vec![
        // A call takes some time, too, so the pace is a little under one send a gap.
        Row::new("sends a second", "", 0, rate, Aim::AtLeast(full * 0.95)),
        late("lateness, p50", &mut ours, 0.5, Aim::None),
        late("lateness, p99", &mut ours, 0.99, Aim::AtMost(100.0)),
        late("baseline: p50 of loops without a log", &mut bare, 0.5, Aim::None),
        late("baseline: p99 of loops without a log", &mut bare, 0.99, Aim::None),
        count("sends closer than the floor", broken),
        count("messages that came twice", repeated),
    ])
}

/// Ordinary accounts with and without a long queue on another one, in turns.
pub(super) async fn backlog(args: &Args) -> anyhow::Result<Vec<Row>> {
    let beside: Vec<usize> = (1..=args.beside).collect();
    let (mut without, mut with) = (World::start(args.seed).await?, World::start(args.seed).await?);
    for world in [&mut without, &mut with] {
        world.add_accounts(args.beside + 1).await?;
    }
    with.accept(&[0], args.backlog).await?;
    let (mut p99, mut ready, mut resident) = ([vec![], vec![]], [vec![], vec![]], [vec![], vec![]]);
    let mut broken = 0;
    for _ in 0..args.rounds {
        for (n, world) in [&mut without, &mut with].into_iter().enumerate() {
            let mut round = round(world, &beside, args).await?;
            p99[n].push(round.lateness.percentile_ms(0.99));
            broken += round.lateness.floor_broken;
            ready[n].push(round.ready_s);
            resident[n].push(round.resident_mb);
        }
    }
    without.verify().await?;
    with.verify().await?;
    println!("\nbacklog: {} accounts, {} messages on another one", args.beside, args.backlog);
    let ratio = Spread::of(&p99[1]).median / Spread::of(&p99[0]).median;
    let ([late, late_with], [ready, ready_with], [resident, resident_with]) = (p99, ready, resident);
    Ok(vec![
        Row::new("lateness p99 without the backlog", "ms", 0, late, Aim::None),
        Row::new("lateness p99 with it", "ms", 0, late_with, Aim::None),
        Row::new("ratio of the medians", "", 2, vec![ratio], Aim::AtMost(1.1)),
        Row::new("ready after, without", "s", 2, ready, Aim::None),
        Row::new("ready after, with", "s", 2, ready_with, Aim::AtMost(READY_MAX_S)),
        Row::new("resident without", "MB", 1, resident, Aim::None),
        Row::new("resident with", "MB", 1, resident_with, Aim::None),
        count("sends closer than the floor", broken),
    ])
}
