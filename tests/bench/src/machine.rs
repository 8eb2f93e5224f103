//! What the figures were measured on.

use angelia_shared::clock::monotonic;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use anyhow::Context as _;

use crate::stats::Spread;

/// Prints processor, kernel, versions and what a durable write costs here.
pub(crate) fn describe() -> anyhow::Result<()> {
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        text.lines().find_map(|line| {
            line.strip_prefix("model name").map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
        })
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "machine: {cores} cores, {}, Linux {}",
        processor.unwrap_or_else(|| "unknown processor".to_owned()),
        kernel.trim()
    );
    let nats = Command::new(angelia_shared::testing::server_binary()).arg("--version").output()?;
    println!("versions: angelia {}, {}", env!("CARGO_PKG_VERSION"), String::from_utf8_lossy(&nats.stdout).trim());
    let fsync = fsync_ms()?;
    println!("fsync of 4 KiB: median {:.2} ms ({:.2} to {:.2})", fsync.median, fsync.low, fsync.high);
    Ok(())
}

fn fsync_ms() -> anyhow::Result<Spread> {
    let mut file = tempfile::tempfile().context("cannot make a file to measure fsync")?;
    let mut took = Vec::new();
    for _ in 0..100 {
        let began = monotonic();
        file.write_all(&[7; 4_096])?;
        file.sync_all()?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(Spread::of(&took))
}

/// Processor time that a process has had, in milliseconds.
pub(crate) fn cpu_ms(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the numbers follow it. Ticks are a hundredth of a second.
    let numbers = stat.rsplit_once(") ").map_or("", |(_, numbers)| numbers);
    let ticks = |n: usize| numbers.split(' ').nth(n).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10
}

/// Resident memory of a process in MiB.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    memory_mib(pid, "VmRSS:")
}

/// The most that it was since the process began, or since [`forget_peak`].
pub(crate) fn peak_mib(pid: u32) -> f64 {
    memory_mib(pid, "VmHWM:")
}

/// Lets the peak begin anew. Where the system does not allow it, it goes on.
pub(crate) fn forget_peak(pid: u32) {
    let _not_allowed = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

fn memory_mib(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: f64 = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kib / 1_024.0
}
