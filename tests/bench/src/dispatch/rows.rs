//! The rows that watch one dispatcher at work.

use std::time::Duration;

use super::Args;
use super::lateness::{Journal, Lateness, attempts};
use super::loops::{self, percentiles};
use super::world::World;
use crate::stats::Spread;

/// How long an idle process is watched.
const IDLE: Duration = Duration::from_secs(10);

/// Messages that keep an account busy for so long: more than one every 1.5 s.
fn enough(seconds: u64) -> usize {
    (seconds as usize * 2).div_ceil(3) + 3
}

pub(super) fn show(spread: Spread) -> String {
    format!("{:.1} ({:.1} to {:.1})", spread.median, spread.low, spread.high)
}

/// Memory and idle CPU.
pub(super) async fn memory(args: &Args) -> anyhow::Result<()> {
    let mut world = World::start(args.seed).await?;
    world.add_accounts(args.known).await?;
    let active: Vec<usize> = (0..args.active.min(args.known)).collect();
    let (mut ready, mut empty, mut idle, mut busy) = (vec![], vec![], vec![], vec![]);
    for _ in 0..args.rounds {
        let (process, took) = world.dispatcher("dispatcher").await?;
        ready.push(took.as_secs_f64());
        let before = process.cpu_ms();
        tokio::time::sleep(IDLE).await;
        idle.push((process.cpu_ms() - before) as f64 / IDLE.as_millis() as f64 * 100.0);
        empty.push(process.resident_mib());
        world.accept(&active, enough(args.seconds)).await?;
        tokio::time::sleep(Duration::from_secs(args.seconds)).await;
        busy.push(process.resident_mib());
        process.stop().await?;
        // What was left goes out, so that the next round is idle at first.
        drain(&world).await?;
    }
    println!("memory: {} accounts known, {} active", args.known, active.len());
    println!("  ready after {} s", show(Spread::of(&ready)));
    println!(
        "  resident, idle: {} MiB; while {} send: {} MiB",
        show(Spread::of(&empty)),
        active.len(),
        show(Spread::of(&busy))
    );
    println!("  idle CPU: {} % of a core", show(Spread::of(&idle)));
    Ok(())
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

/// One round: these accounts send for a while.
async fn round(world: &mut World, accounts: &[usize], seconds: u64) -> anyhow::Result<(Lateness, Duration, f64)> {
    let (log_end, journal_end) = (world.log.last_sequence().await?, Journal::read(&world.sandbox_url, 0).await?.last);
    world.accept(accounts, enough(seconds)).await?;
    let (process, ready) = world.dispatcher("dispatcher").await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let resident = process.resident_mib();
    process.stop().await?;
    let journal = Journal::read(&world.sandbox_url, journal_end).await?;
    let mut attempts = attempts(&world.log, log_end).await?;
    let of: std::collections::HashSet<_> = accounts.iter().map(|number| world.accounts[*number].id).collect();
    attempts.retain(|account, _| of.contains(account));
    Ok((Lateness::of(&attempts, &journal), ready, resident))
}

/// Many accounts at full pace, and the same without a log.
pub(super) async fn pace(args: &Args) -> anyhow::Result<()> {
    let mut world = World::start(args.seed).await?;
    world.add_accounts(args.paced).await?;
    let all: Vec<usize> = (0..args.paced).collect();
    let (mut ours, mut bare, mut rate, mut broken, mut repeated) = (vec![], vec![], vec![], 0, 0);
    for n in 0..args.rounds {
        let (lateness, _, _) = round(&mut world, &all, args.seconds).await?;
        rate.push(lateness.sent as f64 / args.seconds as f64);
        broken += lateness.floor_broken;
        repeated += lateness.repeated;
        ours.push(lateness.late_ms);
        let after = Journal::read(&world.sandbox_url, 0).await?.last;
        bare.push(loops::run(&world.sandbox_url, args.paced, args.seconds, args.seed + n as u64, after).await?);
    }
    println!("pace: {} accounts", args.paced);
    println!("  sends/s: {}; floor broken {broken} times, {repeated} messages repeated", show(Spread::of(&rate)));
    for (what, rounds) in [("lateness", &mut ours), ("the same of a loop without a log", &mut bare)] {
        let (p50, p99) = (percentiles(rounds, 0.5), percentiles(rounds, 0.99));
        println!("  {what}: p50 {} ms, p99 {} ms", show(p50), show(p99));
    }
    Ok(())
}

/// Ordinary accounts with and without a long queue on another one, in turns.
pub(super) async fn backlog(args: &Args) -> anyhow::Result<()> {
    let beside: Vec<usize> = (1..=args.beside).collect();
    let (mut without, mut with) = (World::start(args.seed).await?, World::start(args.seed).await?);
    for world in [&mut without, &mut with] {
        world.add_accounts(args.beside + 1).await?;
    }
    with.accept(&[0], args.backlog).await?;
    let (mut p99, mut ready, mut resident) = ([vec![], vec![]], [vec![], vec![]], [vec![], vec![]]);
    for _ in 0..args.rounds {
        for (n, world) in [&mut without, &mut with].into_iter().enumerate() {
            let (mut lateness, took, mib) = round(world, &beside, args.seconds).await?;
            p99[n].push(lateness.percentile_ms(0.99));
            ready[n].push(took.as_secs_f64());
            resident[n].push(mib);
        }
    }
    println!("backlog: {} accounts, {} messages on another one", args.beside, args.backlog);
    for (n, what) in ["without", "with"].into_iter().enumerate() {
        let (p99, ready, resident) = (Spread::of(&p99[n]), Spread::of(&ready[n]), Spread::of(&resident[n]));
        let (p99, ready, resident) = (show(p99), show(ready), show(resident));
        println!("  {what}: lateness p99 {p99} ms, ready after {ready} s, resident {resident} MiB");
    }
    println!("  ratio of the medians: {:.2}", Spread::of(&p99[1]).median / Spread::of(&p99[0]).median);
    Ok(())
}
