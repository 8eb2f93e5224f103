//! Lets the queues of held accounts expire, and watches the others send meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::{Event, lines};
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::log::{EventLog, From, Reader, ReaderOptions};
use angelia_shared::subject::Subject;
use angelia_shared::units::UnixMillis;

use super::Args;
use super::lateness::{Journal, Lateness, attempts};
use super::rows::{MB, count, enough};
use super::world::World;
use crate::table::{Aim, Row};

/// After the expiry, until nothing is read that belongs to it any more.
const SETTLES: Duration = Duration::from_secs(5);

/// What came of one way to distribute the held messages.
#[derive(Default)]
struct Found {
    late_before_ms: Vec<f64>,
    late_meanwhile_ms: Vec<f64>,
    /// From when they were due to when the last end was stored.
    took_s: Vec<f64>,
    grew_mb: Vec<f64>,
    missing: usize,
    out_of_order: usize,
    floor_broken: usize,
}

/// All held messages on one account, and on a thousand.
pub(super) async fn run(args: &Args) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    println!("\nexpiry: {} messages of held accounts, {} others send", args.expiring, args.beside);
    for held in [1, 1_000] {
        let mut found = Found::default();
        for n in 0..args.rounds {
            round(args, args.seed + n as u64, held, &mut found).await?;
        }
        let on = if held == 1 { "one account".to_owned() } else { format!("{held} accounts") };
        rows.extend([
            Row::new(format!("{on}: all have expired after"), "s", 2, found.took_s, Aim::None),
            Row::new("  lateness p99 of the others before", "ms", 0, found.late_before_ms, Aim::None),
            Row::new("  lateness p99 of the others meanwhile", "ms", 0, found.late_meanwhile_ms, Aim::AtMost(100.0)),
            Row::new("  resident memory on top, at most", "MB", 1, found.grew_mb, Aim::None),
            count("  messages that did not expire", found.missing),
            count("  ends out of the order of acceptance", found.out_of_order),
            count("  sends of the others closer than the floor", found.floor_broken),
        ]);
    }
    Ok(rows)
}

async fn round(args: &Args, seed: u64, held: usize, found: &mut Found) -> anyhow::Result<()> {
    let mut world = World::start(seed).await?;
    world.add_accounts(args.beside + held).await?;
    let others: Vec<usize> = (0..args.beside).collect();
    let held: Vec<usize> = (args.beside..args.beside + held).collect();
    world.disconnect(&held).await?;
    let patience = Duration::from_secs(args.seconds);
    let queued = world.accept_patient(&held, args.expiring / held.len(), patience).await?;
    let (process, _) = world.dispatcher("dispatcher").await?;
    world.accept(&others, enough(args.warm_up + 2 * args.seconds)).await?;
    tokio::time::sleep(Duration::from_secs(args.warm_up)).await;

    // Held since now, and so all due at the same time.
    let from = clock::now();
    world.disconnect(&held).await?;
    let due = clock::now().plus_ms(patience.as_millis() as u64);
    while clock::now() < due {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    process.forget_peak();
    let before_mib = process.resident_mib();
    tokio::time::sleep(patience).await;
    found.grew_mb.push((process.peak_mib() - before_mib).max(0.0) * MB);
    tokio::time::sleep(SETTLES).await;
    process.stop().await?;
    world.verify().await?;

    let expired = Expired::read(&world.log).await?;
    for (account, messages) in held.iter().zip(&queued) {
        let ends = expired.of.get(&world.accounts[*account].id).map_or(&[][..], Vec::as_slice);
        found.missing += messages.len().saturating_sub(ends.len());
        found.out_of_order += ends.iter().zip(messages).filter(|(end, message)| end != message).count();
    }
    found.took_s.push(expired.last_at.ms_since(due) as f64 / 1_000.0);
    let (mut attempts, journal) = (attempts(&world.log, 0).await?, Journal::read(&world.sandbox_url, 0).await?);
    attempts.retain(|account, _| !expired.of.contains_key(account));
    let mut before = Lateness::between(&attempts, &journal, from..due);
    let mut meanwhile = Lateness::between(&attempts, &journal, due..expired.last_at.max(due.plus_ms(2_500)));
    found.late_before_ms.push(before.percentile_ms(0.99));
    found.late_meanwhile_ms.push(meanwhile.percentile_ms(0.99));
    found.floor_broken += meanwhile.floor_broken;
    Ok(())
}

/// What has expired, account by account, in the order of the log.
struct Expired {
    of: HashMap<AccountId, Vec<MessageId>>,
    last_at: UnixMillis,
}

impl Expired {
    async fn read(log: &EventLog) -> anyhow::Result<Self> {
        let name = "bench-expired".to_owned();
        let options = ReaderOptions { name, filters: vec!["ev.attempt.>".to_owned()], from: From::After(0) };
        let mut reader = Reader::new(log.clone(), options);
        let mut expired = Self { of: HashMap::new(), last_at: UnixMillis(0) };
        let mut pending = reader.open().await;
        while pending > 0 {
            let record = reader.next().await?;
            pending = record.pending;
            let Ok(Subject::Attempt(_, _, account)) = record.subject else { continue };
            for line in lines(&record.payload) {
                if let Ok(Event::MessageExpired(end)) = Event::from_line(line) {
                    expired.of.entry(account).or_default().push(end.message);
                    expired.last_at = record.at;
                }
            }
        }
        Ok(expired)
    }
}
