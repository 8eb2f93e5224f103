//! The hammer: a deployment of several processes under load, while everything in it is killed, stopped and continued at
//! random times; then the log and every caller's notes are held against each other.
//!
//! Read in this order: `clients` (who calls, and what they write down), `angelia_tests::blows` (what is done to whom, planned
//! from a seed), `quiet` (what must be true afterwards).
//!
//! `ANGELIA_HAMMER_S` says how long it is hammered (25 s), `ANGELIA_HAMMER_SEED` gives the same faults and the same calls
//! again, `ANGELIA_HAMMER_CLIENTS` says how many call at once (200).

mod clients;
mod quiet;
mod town;

use std::time::Duration;

use angelia_shared::clock;
use angelia_tests::blows;
use angelia_tests::fleet::{Fleet, Size};
use angelia_tests::process::number;

use clients::Load;
use town::Town;

/// How long is hammered in the suite.
const SECONDS: u64 = 25;

/// How many call at once.
const CLIENTS: usize = 200;

/// Three that take calls, two ledgers so that acting moves, one that sends.
const SIZE: Size = Size { ingresses: 3, ledgers: 2, dispatchers: 1, wired: false };

/// Settings of every process. Whatever stays unknown is settled soon, and checkpoints are many, so that both are seen.
const SETTINGS: [(&str, &str); 4] = [
    ("ANGELIA_UNKNOWN_DEADLINE_S", "10"),
    ("ANGELIA_LEDGER_CHECKPOINT_S", "2"),
    ("ANGELIA_LEDGER_CHECKPOINT_RECORDS", "500"),
    ("ANGELIA_ATTACHMENTS_ALLOW_LOOPBACK", "1"),
];

/// How long a member is left alone on average. The broker's faults hit everybody, so they are rarer.
fn rest(name: &str) -> Duration {
    match name.split('-').next() {
        Some("ingress") => Duration::from_secs(6),
        Some("ledger") => Duration::from_secs(8),
        Some("dispatcher") => Duration::from_secs(9),
        _ => Duration::from_secs(11),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_random_faults_every_caller_was_told_the_truth_and_every_credit_is_accounted_for() {
    let seconds = number("ANGELIA_HAMMER_S").unwrap_or(SECONDS);
    let seed = number("ANGELIA_HAMMER_SEED").unwrap_or_else(angelia_shared::dice::u64);
    let clients = number("ANGELIA_HAMMER_CLIENTS").map_or(CLIENTS, |n| usize::try_from(n).expect("some clients"));
    println!("ANGELIA_HAMMER_SEED={seed} ANGELIA_HAMMER_S={seconds} ANGELIA_HAMMER_CLIENTS={clients}");

    let mut fleet = Fleet::start(SIZE, &SETTINGS).await;
    let town = Town::build(&fleet).await;
    let length = Duration::from_secs(seconds);
    let load = Load { town: &town, urls: &fleet.urls, seed, until: clock::monotonic() + length };
    let hammering = blows::hammer(&mut fleet.members, rest, seed, length);
    let granting = load.grants(&town.operator_token);
    let (calls, grants, ()) = tokio::join!(load.calls(clients), granting, hammering);
    quiet::check(&mut fleet, &town, calls, grants).await;
}
