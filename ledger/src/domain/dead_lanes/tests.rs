use angelia_shared::event::{CreditsDrawn, CreditsGranted, Event, Totals};
use angelia_shared::ids::{AccountId, MemberId, MessageId, Position};
use angelia_shared::members::Service;
use angelia_shared::subject::{Partition, Subject};
use proptest::prelude::*;

use super::super::history::{History, INGRESS, World, acceptance, steps};
use super::super::projection::Projection;
use super::super::table::{MemoryTables, Row};
use super::*;

const NOW: UnixMillis = UnixMillis(5);
const TTL: Duration = Duration::from_secs(5);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fold(log: &History) -> Projection<MemoryTables> {
    let mut ledger = Projection::default();
    for batch in &log.batches {
        assert_eq!(ledger.fold(batch).unwrap().contradictions, []);
    }
    ledger
}

/// Grants ten credits in each workspace, draws them, and spends three.
fn draw(log: &mut History, writer: WriterId, workspaces: std::ops::RangeInclusive<u128>) {
    for workspace in workspaces.map(WorkspaceId) {
        let (credits, wallet, at) = (Credits(10), Subject::Wallet(workspace), UnixMillis(0));
        let totals = Totals::default().granting(credits).unwrap();
        let granted = CreditsGranted { v: 1, credits, reason: "test".to_owned(), totals, at };
        log.commit(writer, &[(wallet, vec![Event::CreditsGranted(granted)])]);
        let totals = totals.drawing(credits).unwrap();
        let drawn = CreditsDrawn { v: 1, writer, credits, totals, at };
        let accepted = (0..3).map(|n| MessageId(log.seq * 10 + n));
        let accepted = accepted.map(|id| acceptance(id, workspace, AccountId(workspace.0), 1, writer, at)).collect();
        let drawn = (wallet, vec![Event::CreditsDrawn(drawn)]);
        log.commit(writer, &[drawn, (Subject::Accepted(Partition(0)), accepted)]);
    }
}

/// Folds a return as the ledger's writer would store it.
fn store(log: &mut History, by: WriterId, due: &[Return]) {
    let entries =
        due.iter().map(|due| (Subject::Wallet(due.workspace), vec![Event::CreditsReturned(due.event.clone())]));
    log.commit(by, &entries.collect::<Vec<_>>());
}

fn rests(due: &[Return]) -> Vec<(u128, WriterId, u64)> {
    due.iter().map(|due| (due.workspace.0, due.event.writer, due.event.credits.0)).collect()
}

fn count<R: Row>(ledger: &Projection<MemoryTables>) -> usize {
    let mut count = 0;
    let visit = |_, _| {
        count += 1;
        ControlFlow::Continue(())
    };
    ledger.tables.scan::<R>(&Span::all::<R>(), Direction::Up, visit).unwrap();
    count
}

#[test]
fn an_open_writer_is_lost_when_its_process_is_missing_and_only_then() {
    let mut log = History::default();
    let (alive, dead) = (MemberId(1), MemberId(2));
    let _living = log.open_as("ingress", alive);
    let lane = log.open_as("ingress", dead);
    let api = log.open_as("ingress-api", dead);
    let _keyless = log.open_as("dispatcher", dead);
    let ledger = log.open_as("ledger", dead);
    let (closed, fenced) = (log.open_as("ingress", dead), log.open_as("ingress", dead));
    log.close(closed, &[]);
    log.fence(fenced);
    draw(&mut log, lane, 1..=1);
    let projection = fold(&log);
    let alive = BTreeSet::from([Seat { service: Service::Ingress, member: alive }]);
    let found = lost(&projection.tables, &alive).unwrap();
    let seat = |service| Seat { service, member: dead };
    assert_eq!(
        found,
        [
            Lost { writer: lane, head: log.seq, seat: seat(Service::Ingress) },
            Lost { writer: api, head: 3, seat: seat(Service::Ingress) },
            Lost { writer: ledger, head: 5, seat: seat(Service::Ledger) },
        ]
    );
}

fn lost_at(head: u64) -> Vec<Lost> {
    vec![Lost { writer: WriterId(1), head, seat: INGRESS }]
}

#[test]
fn who_is_lost_for_a_ttl_in_a_view_unbroken_for_two_is_dead() {
    let mut watch = Watch::default();
    let mut look = |unbroken, now| watch.look(lost_at(3), unbroken, TTL, s(now)).len();
    assert_eq!(look(Some(s(9)), 100), 0);
    assert_eq!(look(Some(s(10)), 101), 0, "not missing for long enough");
    assert_eq!(look(Some(s(13)), 104), 0);
    assert_eq!(look(Some(s(14)), 105), 1);
    // The view breaks: everybody may have expired.
    assert_eq!(look(None, 106), 0);
    assert_eq!(look(Some(s(0)), 107), 0);
    assert_eq!(look(Some(s(9)), 116), 0, "a view that stands again is not believed at once");
    assert_eq!(look(Some(s(10)), 117), 1);
}

#[test]
fn who_writes_or_comes_back_is_looked_at_again() {
    let mut watch = Watch::default();
    let unbroken = Some(s(1_000));
    let mut look = |lost, now| watch.look(lost, unbroken, TTL, s(now)).len();
    assert_eq!(look(lost_at(3), 100), 0);
    assert_eq!(look(lost_at(9), 105), 0, "it wrote");
    assert_eq!(look(lost_at(9), 109), 0);
    assert_eq!(look(lost_at(9), 110), 1);
    assert_eq!(look(Vec::new(), 111), 0);
    assert_eq!(look(lost_at(9), 112), 0, "it was back in between");
}

#[test]
fn an_open_writers_rest_is_not_returned_whatever_became_of_its_process() {
    let mut log = History::default();
    let lane = log.open_as("ingress", MemberId(2));
    draw(&mut log, lane, 1..=2);
    assert_eq!(returns(&fold(&log).tables, 10, NOW).unwrap(), []);
}

#[test]
fn ended_writers_rests_are_returned_once_however_many_workspaces_and_however_they_ended() {
    for fence in [true, false] {
        let mut log = History::default();
        let (by, lane) = (log.open(), log.open_as("ingress", MemberId(2)));
        draw(&mut log, lane, 1..=5);
        if fence {
            log.fence(lane)
        } else {
            log.close(lane, &[])
        }
        // A fence of one that has ended, by itself or another ledger, changes nothing.
        log.fence(lane);
        let ledger = fold(&log);
        let due = returns(&ledger.tables, 3, NOW).unwrap();
        assert_eq!(rests(&due), [(1, lane, 7), (2, lane, 7), (3, lane, 7)], "in bounded batches");
        let head = ledger.tables.get::<Wallet>(&WorkspaceId(1)).unwrap().unwrap().head;
        assert_eq!((due[0].head, due[0].event.totals.available()), (head, Some(Credits(7))));
        store(&mut log, by, &due);
        let due = returns(&fold(&log).tables, 3, NOW).unwrap();
        assert_eq!(rests(&due), [(4, lane, 7), (5, lane, 7)]);
        store(&mut log, by, &due);
        let ledger = fold(&log);
        assert_eq!(returns(&ledger.tables, 3, NOW).unwrap(), []);
        assert_eq!((count::<Lane>(&ledger), count::<Unreturned>(&ledger)), (0, 0), "nothing is kept of it");
        assert_eq!(count::<WriterChain>(&ledger), 1, "but the ledger's own writer");
    }
}

#[test]
fn several_writers_of_one_wallet_are_returned_one_after_the_other() {
    let mut log = History::default();
    let (by, one, other) = (log.open(), log.open(), log.open());
    draw(&mut log, one, 1..=1);
    let ledger = fold(&log);
    let totals = ledger.tables.get::<Wallet>(&WorkspaceId(1)).unwrap().unwrap().totals;
    let (credits, at) = (Credits(4), UnixMillis(0));
    let granted = totals.granting(credits).unwrap();
    let reason = "test".to_owned();
    let grant = Event::CreditsGranted(CreditsGranted { v: 1, credits, reason, totals: granted, at });
    let totals = granted.drawing(credits).unwrap();
    let drawn = Event::CreditsDrawn(CreditsDrawn { v: 1, writer: other, credits, totals, at });
    log.commit(other, &[(Subject::Wallet(WorkspaceId(1)), vec![grant])]);
    log.commit(other, &[(Subject::Wallet(WorkspaceId(1)), vec![drawn])]);
    log.fence(one);
    log.fence(other);
    let mut returned = Vec::new();
    loop {
        let due = returns(&fold(&log).tables, 10, NOW).unwrap();
        if due.is_empty() {
            break;
        }
        assert_eq!(due.len(), 1, "one wallet entry a workspace");
        returned.extend(rests(&due));
        store(&mut log, by, &due);
    }
    assert_eq!(returned, [(1, one, 7), (1, other, 4)]);
}

#[test]
fn nothing_is_returned_or_waited_for_where_the_books_are_in_doubt_and_others_are_paid() {
    let mut log = History::default();
    let lane = log.open_as("ingress", MemberId(2));
    draw(&mut log, lane, 1..=3);
    log.fence(lane);
    let mut tables = fold(&log).tables;
    let doubted = Wallet { stopped: Some(Position::new(1, 0)), ..tables.get(&WorkspaceId(2)).unwrap().unwrap() };
    tables.put(&WorkspaceId(2), &doubted);
    assert_eq!(rests(&returns(&tables, 10, NOW).unwrap()), [(1, lane, 7), (3, lane, 7)]);
    assert_eq!(rests(&returns(&tables, 2, NOW).unwrap()), [(1, lane, 7), (3, lane, 7)]);
    assert_eq!(unspent(&tables, WorkspaceId(2), &BTreeSet::new()).unwrap(), []);
}

#[test]
fn a_workspaces_unspent_lanes_are_told_with_what_became_of_their_writers() {
    let mut log = History::default();
    let (by, ended) = (log.open(), log.open_as("ingress", MemberId(2)));
    draw(&mut log, ended, 1..=1);
    log.fence(ended);
    let missing = log.open_as("ingress", MemberId(3));
    draw(&mut log, missing, 2..=2);
    let living = log.open_as("ingress", INGRESS.member);
    draw(&mut log, living, 3..=3);
    let ledger = fold(&log);
    let alive = BTreeSet::from([INGRESS]);
    let told = |n| {
        let unspent = unspent(&ledger.tables, WorkspaceId(n), &alive).unwrap();
        unspent.into_iter().map(|lane| (lane.writer, lane.credits.0, lane.holder)).collect::<Vec<_>>()
    };
    assert_eq!(told(1), [(ended, 7, Holder::Ended)]);
    assert_eq!(told(2), [(missing, 7, Holder::Missing)]);
    assert_eq!(told(3), [(living, 7, Holder::Alive)]);
    assert_eq!(told(4), []);
    store(&mut log, by, &returns(&ledger.tables, 10, NOW).unwrap());
    assert_eq!(unspent(&fold(&log).tables, WorkspaceId(1), &alive).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn in_any_history_returns_make_every_wallet_whole_but_for_what_living_writers_hold(steps in steps(150)) {
        let mut world = World::new();
        world.play(&steps);
        world.return_everything();
        for report in &world.reports {
            prop_assert_eq!(&report.contradictions, &vec![]);
        }
        let mut wallets = Vec::new();
        let visit = |workspace: WorkspaceId, wallet: Wallet| {
            wallets.push((workspace, wallet));
            ControlFlow::Continue(())
        };
        world.ledger.tables.scan::<Wallet>(&Span::all::<Wallet>(), Direction::Up, visit).unwrap();
        for (workspace, wallet) in wallets {
            let held = world.rest(workspace);
            prop_assert_eq!(wallet.totals.available().unwrap().0 + held, wallet.available().0);
            let told = unspent(&world.ledger.tables, workspace, &BTreeSet::from([INGRESS])).unwrap();
            prop_assert_eq!(told.iter().map(|lane| lane.credits.0).sum::<u64>(), held);
            prop_assert!(told.iter().all(|lane| lane.holder == Holder::Alive));
        }
        prop_assert_eq!(count::<Unreturned>(&world.ledger), 0);
        // Of all the writers that there were, the two that are open.
        prop_assert_eq!(count::<WriterChain>(&world.ledger), 2);
    }

    #[test]
    fn at_every_prefix_what_is_unreturned_is_the_rest_of_writers_that_ended(steps in steps(100)) {
        let mut world = World::new();
        world.play(&steps);
        let mut ledger = Projection::<MemoryTables>::default();
        for batch in &world.log.batches {
            ledger.fold(batch).unwrap();
            let mut expected = BTreeSet::new();
            let visit = |(writer, workspace): (WriterId, WorkspaceId), lane: Lane| {
                let ended = ledger.tables.get::<WriterChain>(&writer).unwrap().is_none();
                if ended && lane.rest() != Some(Credits::ZERO) {
                    expected.insert((workspace, writer));
                }
                ControlFlow::Continue(())
            };
            ledger.tables.scan::<Lane>(&Span::all::<Lane>(), Direction::Up, visit).unwrap();
            let mut found = BTreeSet::new();
            let visit = |key, _| {
                found.insert(key);
                ControlFlow::Continue(())
            };
            ledger.tables.scan::<Unreturned>(&Span::all::<Unreturned>(), Direction::Up, visit).unwrap();
            prop_assert_eq!(&found, &expected);
        }
    }
}
