//! Kills the process that sends for the accounts, and watches another one go on.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::{Event, lines};
use angelia_shared::ids::{MemberId, MessageId};
use angelia_shared::log::{EventLog, From, Reader, ReaderOptions};
use angelia_shared::subject::Partition;
use angelia_shared::units::UnixMillis;

use super::Args;
use super::account::Account;
use super::lateness::{Attempts, Journal, Step, attempts};
use super::world::World;
use crate::table::{Aim, Row};

/// How long the processes may take to share the accounts, with accounts sending all the while.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);
/// How long the accounts are watched after the kill, at least.
const WATCHED_S: u64 = 30;
/// The lower end of the accounts' gaps.
const FLOOR_MS: u64 = 1_500;

/// What became of the accounts of a killed process.
#[derive(Default)]
struct Taken {
    accounts: usize,
    /// Seconds to the next send: of accounts without and with an attempt that was open at the kill.
    resumed_s: [Vec<f64>; 2],
    never_resumed: usize,
    floor_broken: usize,
    repeated: usize,
    /// Messages before the last sent one of their account that the sandbox never had, and that were not open.
    lost: usize,
}

/// Rounds of kills, each in a world of its own.
pub(super) async fn run(args: &Args) -> anyhow::Result<Vec<Row>> {
    let (mut longest, mut sum) = ([vec![], vec![]], Taken::default());
    for n in 0..args.rounds {
        let taken = round(args, args.seed + n as u64).await?;
        for (longest, resumed) in longest.iter_mut().zip(&taken.resumed_s) {
            longest.push(resumed.iter().copied().fold(0.0, f64::max));
        }
        sum.accounts += taken.accounts;
        sum.never_resumed += taken.never_resumed;
        sum.floor_broken += taken.floor_broken;
        sum.repeated += taken.repeated;
        sum.lost += taken.lost;
    }
    println!("\ntakeover: {} accounts, {} of them of killed processes over all rounds", args.taken, sum.accounts);
    let [all, open] = longest;
    let none = |what: &str, count: usize| Row::new(what, "", 0, vec![count as f64], Aim::AtMost(0.0));
    Ok(vec![
        Row::new("all send again after the kill, within", "s", 2, all, Aim::AtMost(8.0)),
        // The call's time-out on top.
        Row::new("those with an attempt open at the kill, within", "s", 2, open, Aim::AtMost(18.0)),
        none("accounts that did not send again in the time", sum.never_resumed),
        none("messages closer than their account's floor", sum.floor_broken),
        none("messages that came twice", sum.repeated),
        none("messages that were lost", sum.lost),
    ])
}

async fn round(args: &Args, seed: u64) -> anyhow::Result<Taken> {
    let mut world = World::start(seed).await?;
    world.add_accounts(args.taken).await?;
    let watched = args.seconds.max(WATCHED_S);
    let all: Vec<usize> = (0..args.taken).collect();
    let count = (SETTLES_WITHIN.as_secs() + watched) as usize;
    let accepted = world.accept(&all, count).await?;
    let (first, _) = world.dispatcher("first").await?;
    let own = claims(&world.log).await?.values().map(|claim| claim.member).collect::<HashSet<_>>();
    let second = world.start_dispatcher("second")?;
    tokio::time::sleep(SETTLES_WITHIN).await;

    // The one that has more of the accounts.
    let claims = claims(&world.log).await?;
    let is_firsts = |account: &Account| claims.get(&account.part).is_some_and(|claim| own.contains(&claim.member));
    let firsts = world.accounts.iter().filter(|account| is_firsts(account)).count();
    let kills_first = firsts * 2 >= args.taken;
    let (victim, survivor) = if kills_first { (first, second) } else { (second, first) };
    let killed_at = clock::now();
    victim.kill();
    tokio::time::sleep(Duration::from_secs(watched)).await;
    survivor.stop().await?;
    world.verify().await?;

    let (attempts, journal) = (attempts(&world.log, 0).await?, Journal::read(&world.sandbox_url, 0).await?);
    let mut taken = Taken::default();
    for (account, messages) in world.accounts.iter().zip(&accepted) {
        if is_firsts(account) == kills_first {
            let claim = claims.get(&account.part).map_or(0, |claim| claim.seq);
            taken.add(account, messages, claim, killed_at, &attempts, &journal);
        }
    }
    Ok(taken)
}

impl Taken {
    fn add(
        &mut self,
        account: &Account,
        messages: &[MessageId],
        claim: u64,
        killed_at: UnixMillis,
        attempts: &Attempts,
        journal: &Journal,
    ) {
        self.accounts += 1;
        let steps = attempts.get(&account.id).map_or(&[][..], Vec::as_slice);
        let (mut open, mut next) = (None, None);
        for step in steps {
            match step {
                Step::Started(started) if started.claim <= claim => open = Some(started.message),
                Step::Started(started) => next = next.or_else(|| journal.of(started.message).first().copied()),
                Step::Ended(ended) if ended.claim <= claim => open = None,
                Step::Ended(_) => {}
            }
        }
        match next {
            Some(at) => {
                let resumed = &mut self.resumed_s[usize::from(open.is_some())];
                resumed.push(at.ms_since(killed_at) as f64 / 1_000.0);
            }
            None => self.never_resumed += 1,
        }
        let received: Vec<&[UnixMillis]> = messages.iter().map(|message| journal.of(*message)).collect();
        let last = received.iter().rposition(|times| !times.is_empty()).unwrap_or(0);
        let sent = messages.iter().zip(&received).take(last);
        self.lost += sent.filter(|(message, times)| times.is_empty() && open != Some(**message)).count();
        self.repeated += received.iter().filter(|times| times.len() > 1).count();
        let times: Vec<UnixMillis> = received.into_iter().flatten().copied().collect();
        self.floor_broken += times.windows(2).filter(|pair| pair[1].ms_since(pair[0]) + 1 < FLOOR_MS).count();
    }
}

/// The newest claim of a partition.
struct Claim {
    seq: u64,
    member: MemberId,
}

async fn claims(log: &EventLog) -> anyhow::Result<HashMap<Partition, Claim>> {
    let mut claims = HashMap::new();
    let options =
        ReaderOptions { name: "bench-claims".to_owned(), filters: vec!["ev.claim.>".to_owned()], from: From::After(0) };
    let mut reader = Reader::new(log.clone(), options);
    let mut pending = reader.open().await;
    while pending > 0 {
        let record = reader.next().await?;
        pending = record.pending;
        for line in lines(&record.payload) {
            if let Ok(Event::PartitionClaimed(claim)) = Event::from_line(line)
                && let Some(part) = claim.part
            {
                claims.insert(part, Claim { seq: record.seq, member: claim.member });
            }
        }
    }
    Ok(claims)
}
