use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::dice;
use angelia_shared::directory::DirectoryView;
use angelia_shared::event::{Event, WriterFenced};
use angelia_shared::ids::{MemberId, MessageId, Position, WorkspaceId, WriterId};
use angelia_shared::log::{AppendError, Appender, AppenderOptions, Entry, EventLog, Group, Writer, WriterOptions};
use angelia_shared::members::{self, Members, Membership, Service};
use angelia_shared::query::{AskCredits, AskUnspent, CreditsView, Holder, UnspentLane};
use angelia_shared::subject::Subject;
use angelia_shared::units::Credits;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use super::acting::{behind, twin};
use super::town::{Pen, Town, workspace};
use crate::domain::dead_lanes;
use crate::domain::projection::Projection;
use crate::shell::actor::Actor;
use crate::shell::replay::replay;
use crate::shell::store::Overlay;

/// Long enough for a slow machine to renew in time, short enough to wait for.
const TTL: Duration = Duration::from_secs(2);

/// A town whose members expire soon.
async fn town() -> Town {
    let town = Town::new().await;
    Members::open_with_ttl(&town.log, 1, TTL).await.unwrap();
    town
}

/// A process of the ingress: a member with a writer.
struct Process {
    pen: Pen,
    renewing: JoinHandle<()>,
}

impl Process {
    async fn start(town: &Town) -> Self {
        let member = MemberId::generate();
        let log = town.broker.log().await;
        let members = Members::open(&log, 1).await.unwrap();
        let stop = CancellationToken::new();
        let (_own, renewing) = Membership::join(&members, Service::Ingress, member, stop).await.unwrap();
        Self { pen: Pen::open_as(log, "ingress", member).await, renewing }
    }

    /// It dies, or is suspended: nothing of it is heard any more.
    fn fall_silent(&self) {
        self.renewing.abort();
    }
}

/// Draws ten credits in each of some workspaces, granted before, and spends three.
async fn draw(pen: &mut Pen, workspaces: std::ops::RangeInclusive<u128>) {
    for n in workspaces {
        pen.grant(workspace(n), 10).await;
        let accepted: Vec<_> = (0..3).map(|_| pen.acceptance(workspace(n), MessageId::generate(), "sealed")).collect();
        pen.draw(workspace(n), 10, &accepted).await;
    }
}

/// Waits until the owner has so much left, and all of it can be drawn.
async fn until_whole(town: &Town, n: u128, left: u64) {
    let whole = |view: &CreditsView| view.available.0 == left && view.totals.available() == Some(Credits(left));
    town.until(AskCredits { workspace: workspace(n) }, whole).await;
}

/// What the log tells of ends and returns.
#[derive(Default)]
struct Told {
    fenced: BTreeMap<WriterId, Vec<Position>>,
    returned: BTreeMap<(WriterId, WorkspaceId), Vec<(Position, u64)>>,
}

impl Told {
    async fn of(town: &Town) -> Self {
        let mut told = Self::default();
        for (at, subject, event) in town.events().await {
            match (subject, event) {
                (Subject::Writer(writer), Event::WriterFenced(_)) => told.fenced.entry(writer).or_default().push(at),
                (Subject::Wallet(workspace), Event::CreditsReturned(fact)) => {
                    told.returned.entry((fact.writer, workspace)).or_default().push((at, fact.credits.0));
                }
                _ => {}
            }
        }
        assert_eq!(replay(&town.log, None).await.unwrap().contradictions, []);
        told
    }

    /// The writer was fenced once, and its rests were returned once, after that.
    #[track_caller]
    fn assert_settled(&self, writer: WriterId, workspaces: std::ops::RangeInclusive<u128>) {
        let [fence] = self.fenced[&writer][..] else { panic!("fenced at {:?}", self.fenced[&writer]) };
        for n in workspaces {
            let returned = &self.returned[&(writer, workspace(n))];
            assert!(matches!(returned[..], [(at, 7)] if at > fence), "{returned:?}, fenced at {fence}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_had_left_comes_back_and_a_living_one_keeps_its_own() {
    let town = town().await;
    let (mut living, mut dying) = (Process::start(&town).await, Process::start(&town).await);
    draw(&mut living.pen, 1..=1).await;
    draw(&mut dying.pen, 2..=5).await;
    let ledger = town.ledger("a", &[]).await;
    let unspent = |writer, holder| vec![UnspentLane { writer, credits: Credits(7), holder }];
    let ask = |n| AskUnspent { workspace: workspace(n) };
    let (lives, dies) = (living.pen.id(), dying.pen.id());
    town.until(ask(2), |told| *told == unspent(dies, Holder::Alive)).await;
    assert_eq!(town.ask(ask(9), 0).await, []);
    dying.fall_silent();
    town.until(ask(2), |told| *told == unspent(dies, Holder::Missing)).await;
    for n in 2..=5 {
        until_whole(&town, n, 7).await;
        assert_eq!(town.ask(ask(n), 0).await, []);
    }
    assert_eq!(town.ask(ask(1), 0).await, unspent(lives, Holder::Alive));
    let told = Told::of(&town).await;
    told.assert_settled(dies, 2..=5);
    assert_eq!((told.fenced.len(), told.returned.len()), (1, 4));
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_wakes_after_its_fence_stores_nothing_from_before_and_goes_on() {
    let town = town().await;
    let mut sleeper = Process::start(&town).await;
    draw(&mut sleeper.pen, 1..=1).await;
    let ledger = town.ledger("a", &[]).await;
    let before = sleeper.pen.id();
    sleeper.fall_silent();
    // What it decided before it slept: to spend of what it drew.
    let (subject, event) = sleeper.pen.acceptance(workspace(1), MessageId::generate(), "decided before");
    until_whole(&town, 1, 7).await;
    let woke = sleeper.pen.commit(Group::one(Entry::new(subject, &event))).await;
    assert_eq!(woke, Err(AppendError::NeverStored));
    // Its new writer draws before it spends.
    assert_ne!(sleeper.pen.id(), before);
    sleeper.pen.accept(workspace(1), 2).await;
    until_whole(&town, 1, 5).await;
    Told::of(&town).await.assert_settled(before, 1..=1);
    ledger.stop().await;
}

/// A fence as a writer appends it to itself, or another ledger did.
async fn fence(log: &EventLog, writer: WriterId) {
    let fence = WriterFenced { v: 1, writer, by: MemberId(1), reason: "a test".to_owned(), at: clock::now() };
    log.fence(fence, None).await.expect("the broker answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_cut_off_between_fence_and_return_returns_nothing_twice_and_nothing_less() {
    let town = town().await;
    let mut ended = Vec::new();
    for life in 0..8_u64 {
        for closes in [true, false] {
            let mut pen = Pen::open_as(town.log.clone(), "ingress", MemberId::generate()).await;
            draw(&mut pen, 1..=2).await;
            ended.push(pen.id());
            if closes { pen.close().await } else { fence(&town.log, pen.id()).await }
        }
        let mut ledger = town.ledger_begun(&format!("life{life}"), &[]).await;
        let _ready = tokio::time::timeout(PATIENCE, ledger.handle.ready()).await;
        tokio::time::sleep(Duration::from_millis(dice::u64() % 120)).await;
        ledger.task.abort();
    }
    let ledger = town.ledger("last", &[]).await;
    for n in 1..=2 {
        until_whole(&town, n, 16 * 7).await;
    }
    let told = Told::of(&town).await;
    for writer in &ended {
        for n in 1..=2 {
            let returned = &told.returned[&(*writer, workspace(n))];
            assert!(matches!(returned[..], [(_, 7)]), "{returned:?}");
        }
    }
    assert_eq!(told.returned.len(), 2 * ended.len());
    ledger.stop().await;
}

/// Writers of processes that are long gone, each with a rest in three workspaces.
async fn dead_writers(town: &Town, count: usize) -> Vec<WriterId> {
    let mut dead = Vec::new();
    for _ in 0..count {
        let mut pen = Pen::open_as(town.log.clone(), "ingress", MemberId::generate()).await;
        draw(&mut pen, 1..=3).await;
        dead.push(pen.id());
    }
    dead
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_that_act_at_once_fence_once_and_return_once() {
    let town = town().await;
    let dead = dead_writers(&town, 4).await;
    let stop = CancellationToken::new();
    // Both have one name, so each takes the other's claim for its own.
    let member = MemberId::generate();
    let twins = [twin(&town, "castor", member, &stop).await, twin(&town, "pollux", member, &stop).await];
    // Read from the log: a third ledger would take their claim.
    let returned = async {
        while Told::of(&town).await.returned.len() < 4 * 3 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, returned).await.expect("all of it is returned in time");
    stop.cancel();
    for twin in twins {
        tokio::time::timeout(PATIENCE, twin).await.unwrap().unwrap();
    }
    let told = Told::of(&town).await;
    for writer in dead {
        told.assert_settled(writer, 1..=3);
    }
    let ledger = town.ledger("later", &[]).await;
    for n in 1..=3 {
        until_whole(&town, n, 4 * 7).await;
    }
    ledger.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_ledgers_decide_from_one_view_is_done_once() {
    let town = town().await;
    let dead = dead_writers(&town, 2).await;
    let (open, ended) = (dead[0], dead[1]);
    fence(&town.log, ended).await;
    let live = behind(&town, "a").await;
    let decided = move |projection: &Projection<Overlay>| {
        let lost = dead_lanes::lost(&projection.tables, &BTreeSet::new())?;
        Ok((lost, dead_lanes::returns(&projection.tables, 10, clock::now())?))
    };
    let stop = CancellationToken::new();
    let mut acting = JoinSet::new();
    for _ in 0..2 {
        let (lost, returns) = live.ask(decided).await.unwrap();
        assert_eq!((lost.len(), returns.len()), (1, 3));
        let (log, member) = (town.broker.log().await, MemberId::generate());
        let members = members::join(&log, Service::Ledger, member, &stop).await.unwrap().unwrap().view;
        let (directory, _following) = DirectoryView::start(log.clone(), "a", stop.clone());
        let options = WriterOptions { role: "ledger".to_owned(), member, fails_fast: false };
        let writer = Writer::open(log.clone(), options).await.unwrap();
        let (appender, _writing) = Appender::start(writer, AppenderOptions::default(), stop.clone());
        let (live, config) = (Arc::clone(&live), town.config("a", &[]));
        let actor = Actor { live, log, directory, members, member, config };
        acting.spawn(async move {
            actor.fence(lost).await;
            actor.give_back(&appender, returns).await.unwrap();
        });
    }
    acting.join_all().await;
    let told = Told::of(&town).await;
    assert_eq!(told.fenced[&open].len(), 1);
    told.assert_settled(ended, 1..=3);
    assert_eq!(told.returned.len(), 3);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_broker_fences_nobody_who_lives() {
    let mut town = town().await;
    let mut living = Process::start(&town).await;
    draw(&mut living.pen, 1..=1).await;
    let ledger = town.ledger("a", &[]).await;
    let mut gone = Vec::new();
    for n in 2..=3 {
        // Of a process that is long gone: its fence shows that the ledger believes what it sees.
        let mut pen = Pen::open_as(town.broker.log().await, "ingress", MemberId::generate()).await;
        draw(&mut pen, n..=n).await;
        gone.push(pen.id());
        until_whole(&town, n, 7).await;
        town.broker.kill();
        // Every key would have expired.
        tokio::time::sleep(TTL + TTL / 2).await;
        town.broker.restart().await;
    }
    let mut pen = Pen::open_as(town.broker.log().await, "ingress", MemberId::generate()).await;
    draw(&mut pen, 4..=4).await;
    gone.push(pen.id());
    until_whole(&town, 4, 7).await;
    let told = Told::of(&town).await;
    for (writer, n) in gone.into_iter().zip(2..) {
        told.assert_settled(writer, n..=n);
    }
    assert!(!told.fenced.contains_key(&living.pen.id()));
    living.pen.grant(workspace(1), 1).await;
    ledger.stop().await;
}
