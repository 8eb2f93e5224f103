//! Three dispatchers that share the accounts, while each of them is killed, stopped, cut off and started again at random times;
//! then what WhatsApp received is held against what it should have.
//!
//! Read in this order: `town` (whose messages go out), `angelia_tests::blows` (what is done to whom, planned from a seed),
//! `truth` (what must be true afterwards, from the sandbox's journal).
//!
//! `ANGELIA_TAKEOVERS_S` says how long (20 s), `ANGELIA_TAKEOVERS_SEED` gives the same faults again.

mod town;
mod truth;

use std::time::Duration;

use angelia_tests::blows;
use angelia_tests::fleet::{Fleet, Size};
use angelia_tests::process::number;

use town::Town;

/// How long in the suite.
const SECONDS: u64 = 20;

/// How long each dispatcher is left alone on average.
const REST: Duration = Duration::from_secs(3);

const SIZE: Size = Size { ingresses: 1, ledgers: 1, dispatchers: 3, wired: true };

/// What stays unknown is settled soon.
const SETTINGS: [(&str, &str); 1] = [("ANGELIA_UNKNOWN_DEADLINE_S", "10")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_dispatchers_under_random_faults_keep_order_and_pace_and_lose_and_double_nothing() {
    let seconds = number("ANGELIA_TAKEOVERS_S").unwrap_or(SECONDS);
    let seed = number("ANGELIA_TAKEOVERS_SEED").unwrap_or_else(angelia_shared::dice::u64);
    println!("ANGELIA_TAKEOVERS_SEED={seed} ANGELIA_TAKEOVERS_S={seconds}");

    let mut fleet = Fleet::start(SIZE, &SETTINGS).await;
    let town = Town::build(&fleet).await;
    let sent = town.accept(seed, seconds).await;
    let dispatchers = fleet.members.iter_mut().filter(|member| member.name.starts_with("dispatcher"));
    blows::hammer(dispatchers, |_| REST, seed, Duration::from_secs(seconds)).await;
    // What is broken already is named at once: after a contradiction nothing comes to its end.
    truth::report(&fleet.event_log().await, &[]).await;
    town.everything_has_ended(seconds).await;
    truth::everybody_has_a_share(&fleet).await;
    truth::check(&fleet, &sent, &town.notes.all()).await;
}
