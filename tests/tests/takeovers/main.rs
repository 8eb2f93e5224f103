//! Three dispatchers that share the accounts, while each of them is killed, stopped, cut off and started again at random times;
//! then what WhatsApp received is held against what it should have.
//!
//! Read in this order: `town` (whose messages go out), `angelia_tests::blows` (what is done to whom, planned from a seed),
//! `truth` (what must be true afterwards, from the sandbox's journal), `moves` (how long a move and a crash may keep an account
//! waiting).
//!
//! `ANGELIA_TAKEOVERS_S` says how long (20 s), `ANGELIA_TAKEOVERS_SEED` gives the same faults again.

mod moves;
mod town;
mod truth;

use std::time::Duration;

use angelia_tests::blows;
use angelia_tests::fleet::{Fleet, Size};
use angelia_tests::process::number;

use town::{Size as TownSize, Town};

/// How long in the suite.
const SECONDS: u64 = 20;

/// How long each dispatcher is left alone on average.
const REST: Duration = Duration::from_secs(3);

const SIZE: Size = Size { ingresses: 1, ledgers: 1, dispatchers: 3, wired: true };

const TOWN: TownSize = TownSize {
    accounts: 18,
    gap_ms: [300, 500],
    scripts: &[("0408", 0.03), ("0409", 0.03), ("0410", 0.03), ("0503", 0.02)],
};

/// The share of the messages that somebody wants to cancel meanwhile.
const CANCELLED: f64 = 0.05;

/// What stays unknown is looked up, and settled soon.
const SETTINGS: [(&str, &str); 2] = [("ANGELIA_UNKNOWN_DEADLINE_S", "10"), ("ANGELIA_LOOK_UP_AFTER_S", "1")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_dispatchers_under_random_faults_keep_order_and_pace_and_lose_and_double_nothing() {
    let seconds = number("ANGELIA_TAKEOVERS_S").unwrap_or(SECONDS);
    let seed = number("ANGELIA_TAKEOVERS_SEED").unwrap_or_else(angelia_shared::dice::u64);
    println!("ANGELIA_TAKEOVERS_SEED={seed} ANGELIA_TAKEOVERS_S={seconds}");

    let mut fleet = Fleet::start(SIZE, &SETTINGS).await;
    let town = Town::build(&fleet, TOWN).await;
    let sent = town.accept(seed, seconds).await;
    let dispatchers = fleet.members.iter_mut().filter(|member| member.name.starts_with("dispatcher"));
    let length = Duration::from_secs(seconds);
    let hammer = blows::hammer(dispatchers, |_| REST, seed, length);
    tokio::join!(hammer, town.cancel_some(&sent, seed, CANCELLED, length));
    // What is broken already is named at once: after a contradiction nothing comes to its end.
    truth::report(&fleet.event_log().await, &[]).await;
    town.everything_has_ended(seconds).await;
    truth::everybody_has_a_share(&fleet, 3).await;
    let found = truth::check(&fleet, &sent, &town.notes.all()).await;
    assert!(found > 0, "nothing was looked up with success");
}
