//! A dispatcher stops and another one joins, then one is killed: how long does each account wait, as WhatsApp sees it?
//!
//! The bounds are the contract's: no account idles longer than 1 s beyond its gap at a planned move, and after a crash all send
//! again within 8 s (who had an attempt open: plus the call's time-out). What the machine adds by itself is measured while
//! nothing happens, and allowed for. That partitions really moved, and how, is counted in the log.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::{Event, lines};
use angelia_shared::ids::{AccountId, MemberId};
use angelia_shared::log::stream::DEFAULT_PARTITIONS;
use angelia_shared::log::{EventLog, From, Reader, ReaderOptions};
use angelia_shared::subject::{Partition, Subject};
use angelia_tests::fleet::{Fleet, Size};
use angelia_tests::journal::Journal;
use angelia_tests::wait::{LATER, eventually};

use crate::town::{Sent, Size as TownSize, Town};
use crate::truth;

const SIZE: Size = Size { ingresses: 1, ledgers: 1, dispatchers: 3, wired: false };
/// A gap that is always the same, so that whatever is longer was waited for.
const GAP_MS: u64 = 500;
const TOWN: TownSize = TownSize { accounts: 24, gap_ms: [GAP_MS, GAP_MS], scripts: &[] };
/// As long as all of it may take, with accounts sending all the while. What is left is purged.
const SECONDS: u64 = 90;
/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(6);

/// Between the planned moves and the crash: some gaps.
const BETWEEN: Duration = Duration::from_secs(3);

/// The most that an account idles beyond its gap at a planned move, in milliseconds.
const IDLE_MAX_MS: i64 = 1_000;
/// The most until all send again after a crash.
const TAKEOVER_MAX_MS: i64 = 8_000;
/// The time-out of a call: it may have been under way.
const CALL_TIMEOUT_MS: i64 = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_account_idles_long_at_a_planned_move_nor_after_a_crash() {
    let mut fleet = Fleet::start(SIZE, &[("ANGELIA_UNKNOWN_DEADLINE_S", "10")]).await;
    let town = Town::build(&fleet, TOWN).await;
    let sent = town.accept(1, SECONDS).await;
    truth::everybody_has_a_share(&fleet, 3).await;
    let log = fleet.event_log().await;

    let quiet = spell(async || tokio::time::sleep(QUIET).await).await;
    let settled = log.last_sequence().await.expect("the broker answers");
    let leaving = spell(async || {
        dispatcher(&mut fleet, 2).stop().await;
        truth::everybody_has_a_share(&fleet, 2).await;
    })
    .await;
    let joining = spell(async || {
        dispatcher(&mut fleet, 2).start();
        truth::everybody_has_a_share(&fleet, 3).await;
    })
    .await;
    // So that no account's wait is counted for both.
    tokio::time::sleep(BETWEEN).await;
    let moved = log.last_sequence().await.expect("the broker answers");
    let owners = truth::holders(&log).await;
    let crash = spell(async || {
        dispatcher(&mut fleet, 1).kill();
        truth::everybody_has_a_share(&fleet, 2).await;
    })
    .await;
    let orphans = orphans(&sent, &owners, &truth::holders(&log).await);
    all_send_again(&fleet, &orphans, crash.from).await;

    let journal = fleet.sandbox.journal().await;
    let noise_ms = idle_ms(&sent, &journal, quiet);
    let (leave_ms, join_ms) = (idle_ms(&sent, &journal, leaving), idle_ms(&sent, &journal, joining));
    println!("idle beyond the gap: {noise_ms} ms in quiet, {leave_ms} ms when one leaves, {join_ms} ms when one joins");
    assert!(leave_ms <= IDLE_MAX_MS + noise_ms, "{leave_ms} ms when one leaves, {noise_ms} ms in quiet");
    assert!(join_ms <= IDLE_MAX_MS + noise_ms, "{join_ms} ms when one joins, {noise_ms} ms in quiet");
    resumed_in_time(&log, &journal, &orphans, crash.from, noise_ms).await;
    how_they_moved(&log, settled, moved).await;

    dispatcher(&mut fleet, 1).start();
    town.purge().await;
    town.everything_has_ended(0).await;
    truth::check(&fleet, &sent, &town.notes.all()).await;
}

fn dispatcher(fleet: &mut Fleet, number: usize) -> &mut angelia_tests::fleet::Member {
    let name = format!("dispatcher-{number}");
    fleet.members.iter_mut().find(|member| member.name == name).expect("there are three")
}

/// From when until when something happened, Unix milliseconds.
#[derive(Clone, Copy)]
struct Spell {
    from: i64,
    to: i64,
}

async fn spell(happens: impl AsyncFnOnce()) -> Spell {
    let from = clock::now().0;
    happens().await;
    Spell { from, to: clock::now().0 }
}

/// The longest that any account waited beyond its gap between two requests in this time, in milliseconds.
fn idle_ms(sent: &[Sent], journal: &Journal, spell: Spell) -> i64 {
    let longest = sent.iter().map(|account| {
        let lines = journal.from_number(&account.phone_number_id);
        let pairs =
            lines.windows(2).filter(|pair| pair[1].received_at_ms > spell.from && pair[0].received_at_ms < spell.to);
        let longest = pairs.map(|pair| pair[1].received_at_ms - pair[0].received_at_ms).max();
        longest.expect("the account sends all the while") - account.floor_ms
    });
    longest.max().expect("there are accounts")
}

/// The accounts whose partition has another owner now.
fn orphans<'a>(
    sent: &'a [Sent],
    before: &HashMap<Partition, Option<MemberId>>,
    after: &HashMap<Partition, Option<MemberId>>,
) -> Vec<&'a Sent> {
    let moved = |account: &&Sent| {
        let part = Partition::of(account.account, DEFAULT_PARTITIONS);
        before[&part] != after[&part]
    };
    let orphans: Vec<_> = sent.iter().filter(moved).collect();
    assert!(!orphans.is_empty() && orphans.len() < sent.len(), "{} of {} moved", orphans.len(), sent.len());
    orphans
}

fn first_after(journal: &Journal, account: &Sent, time: i64) -> Option<i64> {
    let lines = journal.from_number(&account.phone_number_id);
    lines.iter().map(|line| line.received_at_ms).find(|at| *at > time)
}

async fn all_send_again(fleet: &Fleet, orphans: &[&Sent], since: i64) {
    eventually("every account of the dead one sends again", LATER, async || {
        let journal = fleet.sandbox.journal().await;
        let silent: Vec<_> =
            orphans.iter().filter(|account| first_after(&journal, account, since + 1_000).is_none()).collect();
        if silent.is_empty() { Ok(()) } else { Err(format!("{} are silent", silent.len())) }
    })
    .await;
}

/// Every orphan sends again in time; one that had an attempt open at the kill may wait for the call's end, too.
async fn resumed_in_time(log: &EventLog, journal: &Journal, orphans: &[&Sent], killed_at: i64, noise_ms: i64) {
    let mut open = open_at(log, killed_at).await;
    open.retain(|account| orphans.iter().any(|orphan| orphan.account == *account));
    let mut longest = [0, 0];
    for account in orphans {
        let had_open = open.contains(&account.account);
        // What the dead one sent last may have come in a moment after its end.
        let resumed = first_after(journal, account, killed_at + 1_000).expect("it was waited for") - killed_at;
        longest[usize::from(had_open)] = resumed.max(longest[usize::from(had_open)]);
    }
    println!(
        "{} accounts of the dead one, {} with an attempt open: sending again after {longest:?} ms",
        orphans.len(),
        open.len()
    );
    assert!(longest[0] <= TAKEOVER_MAX_MS + noise_ms, "{longest:?} ms after the crash");
    assert!(longest[1] <= TAKEOVER_MAX_MS + CALL_TIMEOUT_MS + noise_ms, "{longest:?} ms after the crash");
}

/// The accounts with an attempt that had begun by then and not ended.
async fn open_at(log: &EventLog, time: i64) -> HashSet<AccountId> {
    let mut open = HashSet::new();
    for (account, event) in events(log, "ev.attempt.>").await {
        let Subject::Attempt(_, _, account) = account else { continue };
        match event {
            Event::AttemptStarted(started) if started.at.0 <= time => drop(open.insert(account)),
            Event::AttemptEnded(ended) if ended.at.0 <= time => drop(open.remove(&account)),
            _ => {}
        }
    }
    open
}

async fn events(log: &EventLog, filter: &str) -> Vec<(Subject, Event)> {
    let name = "tests-moves".to_owned();
    let mut reader =
        Reader::new(log.clone(), ReaderOptions { name, filters: vec![filter.to_owned()], from: From::After(0) });
    let (mut events, mut left) = (Vec::new(), reader.open().await);
    while left > 0 {
        let record = reader.next().await.expect("the log has no gap");
        left = record.pending;
        let Ok(subject) = record.subject else { continue };
        events.extend(lines(&record.payload).map(|line| (subject, Event::from_line(line).expect("an event"))));
    }
    events
}

/// At planned moves every partition is claimed after it was released, and never taken from anybody; after a crash those of
/// the dead one are.
async fn how_they_moved(log: &EventLog, settled: u64, moved: u64) {
    let name = "tests-claims".to_owned();
    let filters = vec!["ev.claim.*".to_owned()];
    let mut reader = Reader::new(log.clone(), ReaderOptions { name, filters, from: From::After(0) });
    let (mut is_free, mut planned, mut after_crash) = (BTreeMap::new(), [0, 0], [0, 0]);
    let mut left = reader.open().await;
    while left > 0 {
        let record = reader.next().await.expect("the log has no gap");
        left = record.pending;
        let Ok(Subject::PartitionClaim(part)) = record.subject else { continue };
        let claimed = lines(&record.payload)
            .any(|line| matches!(Event::from_line(line).expect("an event"), Event::PartitionClaimed(_)));
        let was_free = is_free.insert(part, !claimed).unwrap_or(true);
        match record.seq {
            seq if !claimed || seq <= settled => {}
            seq if seq <= moved => planned[usize::from(was_free)] += 1,
            _ => after_crash[usize::from(was_free)] += 1,
        }
    }
    println!("claims (of taken, of free partitions): {planned:?} at planned moves, {after_crash:?} after the crash");
    assert!(planned[0] == 0 && planned[1] > 0, "{planned:?}");
    assert!(after_crash[0] > 0, "{after_crash:?}");
}
