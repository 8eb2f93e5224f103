//! How long a dispatcher takes to catch up, and what it costs when it has nothing to do.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::directory::AccountState;

use super::child::Child;
use crate::harness::World;

/// How long the idle process is watched.
const IDLE: Duration = Duration::from_secs(20);

/// Starts a dispatcher over the messages of disconnected accounts and prints what it took.
pub(crate) async fn standing(accounts: usize, messages: usize) {
    let world = World::with(64, None).await;
    for n in 0..accounts {
        let account = world.account(|account| account.is_now(AccountState::Disconnected)).await;
        let share = messages / accounts + usize::from(n < messages % accounts);
        world.accept_texts(&account, share).await;
    }
    println!("{accounts} accounts, {messages} messages, 64 partitions");
    let started = clock::monotonic();
    let child = Child::start(&world);
    world.ready().await;
    println!("all partitions caught up after {} ms", started.elapsed().as_millis());
    println!("memory then: {}", memory(&child));
    println!("CPU until then: {} ms", cpu_ms(&child));
    let before = cpu_ms(&child);
    tokio::time::sleep(IDLE).await;
    let spent = cpu_ms(&child) - before;
    println!(
        "CPU in {} s idle: {spent} ms ({:.2} % of a core)",
        IDLE.as_secs(),
        spent as f64 / IDLE.as_millis() as f64 * 100.0
    );
    println!("memory at the end: {}", memory(&child));
    let started = clock::monotonic();
    child.signal("TERM");
    let released = |log: &crate::harness::Log| log.count("PartitionReleased") == 64;
    world.chronicle.until("all partitions are released", released).await;
    println!("all partitions released {} ms after SIGTERM", started.elapsed().as_millis());
}

/// User and system time of a process, in milliseconds.
fn cpu_ms(child: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).expect("Linux tells of processes");
    // The name in parentheses may hold anything; the numbers follow it. Ticks are a hundredth of a second.
    let (_, numbers) = stat.rsplit_once(") ").expect("the name ends");
    let ticks = |n: usize| numbers.split(' ').nth(n).and_then(|text| text.parse::<u64>().ok()).expect("a number");
    (ticks(11) + ticks(12)) * 10
}

fn memory(child: &Child) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.pid())).expect("Linux tells of processes");
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    format!("{} {}", line("VmRSS"), line("VmHWM")).split_whitespace().collect::<Vec<_>>().join(" ")
}
