//! Resident memory of all services together after many messages.

use std::time::Duration;

use crate::installation::Installation;
use crate::load;
use crate::machine;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many messages to accept before measuring.
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
}

/// Accepts messages, waits until memory is settled, prints it.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    machine::describe()?;
    let installation = Installation::start().await?;
    installation.grant(args.messages * 2 + 100_000).await?;
    let (program, broker) = installation.resident_mib();
    println!("empty: program {program:.0} MiB, broker {broker:.0} MiB, together {:.0} MiB", program + broker);
    let target = installation.target(1)?;
    let mut accepted = 0;
    while accepted < args.messages {
        accepted += load::closed(&target, 256, Duration::from_secs(1)).await?.accepted;
    }
    for after_s in [0, 5, 10] {
        tokio::time::sleep(Duration::from_secs(if after_s == 0 { 0 } else { 5 })).await;
        let (program, broker) = installation.resident_mib();
        let sum = program + broker;
        println!(
            "{accepted} messages, {after_s} s later: program {program:.0} MiB, broker {broker:.0} MiB, together {sum:.0} MiB"
        );
    }
    Ok(())
}
