//! What admission keeps of its speed when the load is spread over replicas, or when much is queued already.
//!
//! Both compare two installations in turns, with the same load: one ingress and three on one wallet, an empty log and one
//! that holds many messages which wait for their turn.

use std::time::Duration;

use crate::admission::check;
use crate::installation::Installation;
use crate::load::{self, Target};
use crate::machine;
use crate::stats::{Spread, percentile_us};

#[derive(clap::Args)]
pub(crate) struct ReplicasArgs {
    #[command(flatten)]
    turns: Turns,
    /// Replicas of the ingress that are held against one.
    #[arg(long, default_value_t = 3)]
    replicas: usize,
}

#[derive(clap::Args)]
pub(crate) struct BacklogArgs {
    #[command(flatten)]
    turns: Turns,
    /// Messages that are queued before the measurement.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
}

#[derive(clap::Args)]
struct Turns {
    /// Connections, over all replicas together.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Length of one measurement in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; the two installations take turns in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seed of the calls.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Credits that no measurement uses up.
const CREDITS: u64 = 100_000_000;

/// Three replicas against one.
pub(crate) async fn replicas(args: ReplicasArgs) -> anyhow::Result<()> {
    let turns = &args.turns;
    turns.describe()?;
    let mut measured = [Measured::default(), Measured::default()];
    for _ in 0..turns.rounds {
        for (count, measured) in [1, args.replicas].into_iter().zip(&mut measured) {
            let mut installation = Installation::start().await?;
            installation.grant(CREDITS).await?;
            let mut target = installation.target(turns.seed)?;
            for _ in 1..count {
                target.addresses.push(installation.add_ingress().await?);
            }
            turns.measure(&installation, &target, 0, measured).await?;
        }
    }
    let [one, many] = &mut measured;
    one.print("1 replica");
    many.print(&format!("{} replicas", args.replicas));
    println!("ratio {:.2}", many.rate() / one.rate());
    Ok(())
}

/// A long queue against an empty log.
pub(crate) async fn backlog(args: BacklogArgs) -> anyhow::Result<()> {
    let turns = &args.turns;
    turns.describe()?;
    let full = Installation::start().await?;
    full.grant(CREDITS).await?;
    let full_target = full.target(turns.seed)?;
    let mut queued = 0;
    while queued < args.messages {
        queued += load::closed(&full_target, turns.connections, Duration::from_secs(5)).await?.accepted;
    }
    let (program, broker) = full.resident_mib();
    println!("{queued} messages queued: program {program:.0} MiB, broker {broker:.0} MiB");
    let mut measured = [Measured::default(), Measured::default()];
    for _ in 0..turns.rounds {
        let [on_empty, on_full] = &mut measured;
        let empty = Installation::start().await?;
        empty.grant(CREDITS).await?;
        turns.measure(&empty, &empty.target(turns.seed)?, 0, on_empty).await?;
        drop(empty);
        queued += turns.measure(&full, &full_target, queued, on_full).await?;
    }
    let [empty, full] = &mut measured;
    empty.print("empty");
    full.print("with a queue");
    println!("ratio {:.2}", full.rate() / empty.rate());
    Ok(())
}

#[derive(Default)]
struct Measured {
    rates: Vec<f64>,
    latencies_us: Vec<u32>,
}

impl Measured {
    fn rate(&self) -> f64 {
        Spread::of(&self.rates).median
    }

    fn print(&mut self, name: &str) {
        let spread = Spread::of(&self.rates);
        println!(
            "{name:<16} {:>9.0}/s ({:.0}–{:.0}), p50 {:.2} ms, p99 {:.2} ms",
            spread.median,
            spread.low,
            spread.high,
            f64::from(percentile_us(&mut self.latencies_us, 0.5)) / 1_000.0,
            f64::from(percentile_us(&mut self.latencies_us, 0.99)) / 1_000.0,
        );
    }
}

impl Turns {
    fn describe(&self) -> anyhow::Result<()> {
        machine::describe()?;
        println!(
            "rounds {}, {} s each, {} connections, seed {}\n",
            self.rounds, self.seconds, self.connections, self.seed
        );
        Ok(())
    }

    /// One turn, after a second to warm up; `before` calls were accepted earlier. Returns how many were now.
    async fn measure(
        &self,
        installation: &Installation,
        target: &Target,
        before: u64,
        measured: &mut Measured,
    ) -> anyhow::Result<u64> {
        let warm = load::closed(target, self.connections, Duration::from_secs(1)).await?;
        let outcome = load::closed(target, self.connections, Duration::from_secs(self.seconds)).await?;
        let accepted = warm.accepted + outcome.accepted;
        check(installation, before + accepted, warm.refused + outcome.refused).await?;
        measured.rates.push(outcome.rate());
        measured.latencies_us.extend(outcome.latencies_us);
        Ok(accepted)
    }
}
