//! The dispatcher as a process of its own: killed with SIGKILL, and stopped in the middle of what it does.
//!
//! Without a test harness: the program starts itself as the dispatcher that it kills. It also measures one:
//! `cargo test -p angelia-dispatcher --test process -- --measure ACCOUNTS MESSAGES`.

#[expect(dead_code, unused_imports, reason = "the other test uses the rest")]
mod harness;

mod process {
    pub(crate) mod child;
    pub(crate) mod measure;
}

use std::time::Duration;

use harness::World;
use harness::checker::exactly_once;
use process::child::{self, Child};
use process::measure;

/// Longer than all of this takes on two busy cores.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [child::DISPATCH, url, partitions, master_hex] => child::be_the_dispatcher(url, partitions, master_hex).await,
        ["--measure", accounts, messages] => {
            measure::standing(accounts.parse().expect("a number"), messages.parse().expect("a number")).await;
        }
        _ => {
            let names: Vec<_> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
            tokio::join!(
                run(&names, "after_kill_9_everything_goes_out_once_in_order_and_at_its_pace", after_kill_9()),
                run(&names, "an_owner_that_was_suspended_sends_nothing_after_it_was_replaced", after_a_pause()),
            );
        }
    }
}

/// Runs a test, if no names were given or one of them is part of its own.
async fn run(names: &[&str], name: &str, test: impl Future<Output = ()>) {
    if names.is_empty() || names.iter().any(|part| name.contains(part)) {
        tokio::time::timeout(PATIENCE, test).await.expect("it ends in time");
        println!("test {name} ... ok");
    }
}

type Sender = (harness::Account, Vec<angelia_shared::ids::MessageId>);

async fn senders(world: &World, accounts: usize, messages: usize) -> Vec<Sender> {
    let mut senders = Vec::new();
    for _ in 0..accounts {
        let account = world.account(|account| account.state.pace.gap_ms = (200, 400)).await;
        let messages = world.accept_texts(&account, messages).await;
        senders.push((account, messages));
    }
    senders
}

async fn after_kill_9() {
    let world = World::with(16, None).await;
    let senders = senders(&world, 6, 12).await;
    for share in 1..=2 {
        let child = Child::start(&world);
        world.chronicle.until("some are sent", |log| log.sent() >= share * 18).await;
        child.kill();
    }
    let _last = Child::start(&world);
    let all: Vec<_> = senders.iter().flat_map(|(_, messages)| messages.clone()).collect();
    let (log, journal) = world.all_over(&all).await;
    exactly_once(&log, &journal, &senders, 2);
}

async fn after_a_pause() {
    let world = World::with(4, None).await;
    let senders = senders(&world, 6, 40).await;
    let suspended = Child::start(&world);
    world.chronicle.until("some are sent", |log| log.sent() >= 30).await;
    suspended.signal("STOP");
    let successor = world.dispatcher().await;
    let before = world.chronicle.look(harness::Log::sent);
    world.chronicle.until("the successor sends", |log| log.sent() >= before + 12).await;
    suspended.signal("CONT");

    let all: Vec<_> = senders.iter().flat_map(|(_, messages)| messages.clone()).collect();
    let (log, journal) = world.all_over(&all).await;
    exactly_once(&log, &journal, &senders, log.count("PartitionClaimed"));
    successor.stop().await;
}
