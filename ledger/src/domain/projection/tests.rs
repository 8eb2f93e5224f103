mod naive;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{
    CancelRequested, CreditsDrawn, CreditsGranted, CreditsRefunded, Event, KeyUsed, LedgerCheckpointed,
    PartitionClaimed, PartitionReleased, RefundItem, Totals, WorkspaceChanged, WriterFenced,
};
use angelia_shared::ids::{AccountId, MemberId, MessageId, Position, WorkspaceId, WriterId};
use angelia_shared::query::MessageState;
use angelia_shared::subject::{DirectoryKind, Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};
use proptest::prelude::*;

use super::super::acceptance::Page;
use super::super::contradiction::Broken;
use super::super::digest::state_digest;
use super::super::history::{History, World, acceptance, receipt, steps};
use super::super::index::{InState, UnknownSince};
use super::super::message::rank;
use super::super::queue::Queue;
use super::super::refund::Debt;
use super::super::statement::Passage;
use super::super::table::{Direction, MemoryTables, Row, Span, Tables, Unreadable, Visit};
use super::super::{answer, due};
use super::*;

fn replay(log: &History) -> Projection<MemoryTables> {
    let mut ledger = Projection::default();
    for batch in &log.batches {
        ledger.fold(batch).unwrap();
    }
    ledger
}

fn rows<R: Row>(tables: &MemoryTables) -> Vec<(R::Key, R)> {
    let mut rows = Vec::new();
    let visit = |key, row| {
        rows.push((key, row));
        ControlFlow::Continue(())
    };
    tables.scan::<R>(&Span::all::<R>(), Direction::Up, visit).unwrap();
    rows
}

/// Every message, in whichever form it is kept.
fn messages(tables: &MemoryTables) -> Vec<(Position, Message)> {
    let pages = rows::<Page>(tables).into_iter();
    let places = pages.flat_map(|(seq, Page(page))| page.into_iter().map(move |one| Position::new(seq, one.line)));
    places.map(|at| (at, acceptance::load(tables, at).unwrap().unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_history_has_no_contradiction_and_adds_up(steps in steps(150)) {
        let mut world = World::new();
        world.play(&steps);
        for report in &world.reports {
            prop_assert_eq!(&report.contradictions, &vec![]);
            prop_assert_eq!(&report.unknown, &vec![]);
        }
        let expected = naive::wallets(&world.log.events);
        for (workspace, expected) in &expected {
            let view = answer::credits(&world.ledger.tables, *workspace).unwrap();
            prop_assert_eq!(view.granted.0, expected.granted);
            prop_assert_eq!(view.consumed.0, expected.consumed);
            prop_assert_eq!(view.refunded.0, expected.refunded);
            prop_assert_eq!(view.available.0 + expected.consumed, expected.granted + expected.refunded);
        }
        let passages = rows::<Passage>(&world.ledger.tables).into_iter();
        let lines = passages.flat_map(|((workspace, _), Passage(lines))| lines.into_iter().map(move |(_, line)| (workspace, line)));
        let mut balances: BTreeMap<WorkspaceId, u64> = BTreeMap::new();
        for (workspace, line) in lines {
            let before = balances.get(&workspace).copied().unwrap_or_default();
            let after = match line.kind {
                angelia_shared::query::StatementKind::Charge => before.checked_sub(line.credits.0),
                _ => before.checked_add(line.credits.0),
            };
            prop_assert_eq!(Some(line.balance.0), after, "a balance is never negative, and follows the one before");
            balances.insert(workspace, line.balance.0);
        }
    }

    #[test]
    fn states_debts_and_queues_are_what_a_naive_look_at_the_events_says(steps in steps(150), pay in any::<bool>()) {
        let mut world = World::new();
        world.play(&steps);
        if pay {
            world.refund_everything();
        }
        let tables = &world.ledger.tables;
        let expected = naive::messages(&world.log.events);
        let mut owed: BTreeMap<(MessageId, u8), u64> = BTreeMap::new();
        let mut waiting: BTreeMap<AccountId, u64> = BTreeMap::new();
        for (id, expected) in &expected {
            let view = answer::message(tables, expected.workspace, *id).unwrap().unwrap();
            prop_assert_eq!(view.state, expected.state(), "{:?}", expected);
            prop_assert_eq!(view.refunded.0, expected.refunded());
            prop_assert!(view.refunded <= view.credits, "WA-3");
            owed.extend(expected.owed().into_iter().map(|(part, credits)| ((*id, part), credits)));
            *waiting.entry(expected.account).or_default() += u64::from(expected.waits());
        }
        let debts: BTreeMap<_, _> =
            rows::<Debt>(tables).into_iter().map(|((_, _, part), debt)| ((debt.message, part), debt.credits.0)).collect();
        prop_assert_eq!(&debts, &owed);
        prop_assert!(!pay || debts.is_empty());
        for ((_, account), queue) in rows::<Queue>(tables) {
            prop_assert_eq!(queue.waiting(), waiting[&account]);
        }
    }

    #[test]
    fn derived_rows_are_what_the_messages_alone_would_give(
        steps in steps(150),
        before in any::<prop::sample::Index>(),
        limit in 1_usize..20,
    ) {
        let mut world = World::new();
        world.play(&steps);
        let tables = &world.ledger.tables;
        let messages = messages(tables);
        let in_state: Vec<_> = rows::<InState>(tables).into_iter().map(|(key, _)| key).collect();
        let begun = messages.iter().filter(|(_, m)| m.state != MessageState::Queued);
        let mut expected: Vec<_> = begun.map(|(at, m)| (m.workspace, rank(m.state), *at)).collect();
        expected.sort();
        prop_assert_eq!(in_state, expected);
        // Each list of messages is what a look at every message gives.
        let workspaces: BTreeSet<_> = messages.iter().map(|(_, m)| m.workspace).collect();
        let accounts: BTreeSet<_> = messages.iter().map(|(_, m)| m.account).collect();
        let before = messages.get(before.index(messages.len().max(1))).map(|(at, _)| *at);
        let states = [None, Some(MessageState::Queued), Some(MessageState::Sending), Some(MessageState::Cancelled)];
        for (workspace, state, account) in workspaces.iter().flat_map(|w| {
            let accounts = accounts.iter().copied().map(Some).chain([None]);
            accounts.flat_map(move |account| states.map(move |state| (*w, state, account)))
        }) {
            let wanted = answer::Wanted { workspace, state, account, before, limit };
            let found: Vec<_> = answer::messages(tables, wanted).unwrap().into_iter().map(|view| view.accepted).collect();
            let fits = |(at, m): &&(Position, Message)| {
                let of_owner = m.workspace == workspace && account.is_none_or(|account| m.account == account);
                of_owner && state.is_none_or(|state| m.state == state) && before.is_none_or(|before| *at < before)
            };
            let expected: Vec<_> = messages.iter().rev().filter(fits).map(|(at, _)| *at).take(limit).collect();
            prop_assert_eq!(found, expected, "{:?} {:?} {:?}", state, account, before);
        }
        let unknown: Vec<_> = rows::<UnknownSince>(tables).into_iter().map(|(key, _)| key).collect();
        let mut expected: Vec<_> = messages
            .iter()
            .flat_map(|(at, m)| m.parts.iter().enumerate().map(move |(n, part)| (*at, n, part)))
            .filter(|(_, _, part)| part.state == MessageState::Unknown)
            .map(|(at, n, part)| (part.unknown_since.unwrap(), at, n as u8))
            .collect();
        expected.sort();
        prop_assert_eq!(unknown, expected);
        for (_, message) in &messages {
            let position = tables.get::<Acceptance>(&message.id).unwrap().unwrap();
            prop_assert_eq!(acceptance::load(tables, position.0).unwrap().unwrap().id, message.id);
        }
    }

    #[test]
    fn two_replays_give_the_same_rows_and_digests_and_a_second_delivery_changes_nothing(
        steps in steps(120),
        again in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        world.play(&steps);
        let (one, mut two) = (replay(&world.log), replay(&world.log));
        prop_assert_eq!(&one.tables, &world.ledger.tables);
        prop_assert_eq!(one.head.log_digest, two.head.log_digest);
        prop_assert_eq!(state_digest(&one.tables, &one.head), state_digest(&two.tables, &two.head));
        let batch = &world.log.batches[again.index(world.log.batches.len())];
        prop_assert_eq!(two.fold(batch).unwrap(), Report::default());
        prop_assert_eq!(&one.tables, &two.tables);
        prop_assert_eq!(&one.head, &two.head);
    }

    #[test]
    fn a_projection_taken_up_from_its_rows_goes_on_as_if_never_stopped(
        steps in steps(120),
        stop in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        world.play(&steps);
        let stop = stop.index(world.log.batches.len());
        let mut ledger = Projection::<MemoryTables>::default();
        for batch in &world.log.batches[..stop] {
            ledger.fold(batch).unwrap();
        }
        let mut resumed = Projection::resume(ledger.tables).unwrap();
        for batch in &world.log.batches[stop..] {
            resumed.fold(batch).unwrap();
        }
        prop_assert_eq!(&resumed.tables, &world.ledger.tables);
        prop_assert_eq!(&resumed.head, &world.ledger.head);
    }

    #[test]
    fn rows_written_between_any_two_records_of_a_batch_are_taken_up_as_if_never_stopped(
        steps in steps(60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        world.play(&steps);
        let mut ledger = Projection::<Cutter>::default();
        for batch in &world.log.batches {
            ledger.fold(batch).unwrap();
        }
        let cuts = ledger.tables.1;
        prop_assert_eq!(cuts.len() as u64, world.log.seq);
        let mut resumed = Projection::resume(cuts[cut.index(cuts.len())].clone()).unwrap();
        let from = resumed.head.batch_end;
        for batch in world.log.batches.iter().filter(|batch| batch[0].seq > from) {
            prop_assert_eq!(resumed.fold(batch).unwrap().contradictions, vec![]);
        }
        prop_assert_eq!(&resumed.tables, &world.ledger.tables);
        prop_assert_eq!(&resumed.head, &world.ledger.head);
    }

    #[test]
    fn receipts_in_any_order_and_number_end_in_one_state(
        steps in steps(120),
        reports in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 1..8),
        order in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        world.play(&steps);
        let begun: Vec<_> = rows::<Message>(&world.ledger.tables)
            .into_iter()
            .flat_map(|(_, m)| (0..m.parts.len()).map(move |part| (m.id, m.workspace, m.account, part as u8, m.parts[part].begun)))
            .filter(|(.., begun)| *begun)
            .collect();
        prop_assume!(!begun.is_empty());
        let receipts: Vec<Event> = reports
            .iter()
            .map(|(pick, kind)| {
                let (message, workspace, account, part, _) = begun[pick.index(begun.len())];
                let receipt = receipt(message, workspace, account, part, UnixMillis(1));
                [Event::MessageSent, Event::MessageDelivered, Event::MessageRead, Event::MessageFailed][usize::from(*kind)](receipt)
            })
            .collect();
        let end = |receipts: Vec<Event>| {
            let (mut log, mut ledger) = (world.log.clone(), world.ledger.clone());
            let writer = log.open();
            log.commit(writer, &[(Subject::Receipt(Partition(0)), receipts)]);
            log.batches[world.log.batches.len()..].iter().for_each(|batch| drop(ledger.fold(batch).unwrap()));
            messages(&ledger.tables).into_iter().map(|(_, m)| (m.id, m.state)).collect::<Vec<_>>()
        };
        let mut turned = receipts.clone();
        turned.rotate_left(order.index(receipts.len()));
        let mut repeated: Vec<_> = receipts.iter().rev().cloned().collect();
        repeated.extend(receipts.clone());
        let first = end(receipts);
        prop_assert_eq!(&first, &end(turned));
        prop_assert_eq!(&first, &end(repeated));
    }

    #[test]
    fn a_state_only_moves_up(steps in steps(120)) {
        let mut world = World::new();
        let mut before: BTreeMap<MessageId, MessageState> = BTreeMap::new();
        for step in steps {
            world.play(&[step]);
            for (_, message) in messages(&world.ledger.tables) {
                let was = before.insert(message.id, message.state);
                prop_assert!(was.is_none_or(|was| was <= message.state));
                let from_queued = was.is_none_or(|was| was == MessageState::Queued || was == MessageState::Cancelled);
                prop_assert!(message.state != MessageState::Cancelled || from_queued);
            }
        }
    }
}

/// Tables that are full after every record, and keep what was written each time.
#[derive(Default)]
struct Cutter(MemoryTables, Vec<MemoryTables>);

impl Tables for Cutter {
    type Error = Unreadable;

    fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        self.0.get_bytes(key)
    }

    fn put_bytes(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.0.put_bytes(key, value);
    }

    fn scan_bytes(&self, span: &Span, direction: Direction, visit: &mut Visit<'_>) -> Result<(), Unreadable> {
        self.0.scan_bytes(span, direction, visit)
    }

    fn is_full(&self) -> bool {
        true
    }

    fn relieve(&mut self) -> Result<(), Unreadable> {
        self.1.push(self.0.clone());
        Ok(())
    }
}

const OURS: WorkspaceId = WorkspaceId(1);
const WALLET: Subject = Subject::Wallet(OURS);
const ACCOUNT: AccountId = AccountId(3);
const ACCEPTED: Subject = Subject::Accepted(Partition(0));

fn granted(credits: u64) -> Event {
    let totals = Totals::default().granting(Credits(credits)).unwrap();
    Event::CreditsGranted(CreditsGranted {
        v: 1,
        credits: Credits(credits),
        reason: "test".to_owned(),
        totals,
        at: UnixMillis(0),
    })
}

fn drawn(writer: WriterId, credits: u64, granted: u64) -> Event {
    let totals = Totals::default().granting(Credits(granted)).unwrap().drawing(Credits(credits)).unwrap();
    Event::CreditsDrawn(CreditsDrawn { v: 1, writer, credits: Credits(credits), totals, at: UnixMillis(0) })
}

/// A log with a writer, ten credits and one accepted message of price 1, as it should be.
fn small() -> (History, WriterId) {
    let mut log = History::default();
    let writer = log.open();
    log.commit(writer, &[(WALLET, vec![granted(10)])]);
    let accepted = acceptance(MessageId(1), OURS, ACCOUNT, 1, writer, UnixMillis(0));
    log.commit(writer, &[(WALLET, vec![drawn(writer, 1, 10)]), (ACCEPTED, vec![accepted])]);
    (log, writer)
}

/// What the last batch brings.
fn last_report(log: &History) -> Report {
    let mut ledger = Projection::<MemoryTables>::default();
    log.batches.iter().map(|batch| ledger.fold(batch).unwrap()).last().unwrap()
}

fn named(log: &History) -> Vec<(Position, Option<WorkspaceId>, Broken)> {
    let found = last_report(log).contradictions;
    found.into_iter().map(|found| (found.position, found.workspace, found.broken)).collect()
}

#[test]
fn the_small_log_is_sound() {
    assert_eq!(named(&small().0), []);
}

#[test]
fn a_message_accepted_twice_is_named() {
    let (mut log, writer) = small();
    let accepted = acceptance(MessageId(1), OURS, ACCOUNT, 1, writer, UnixMillis(0));
    log.commit(writer, &[(ACCEPTED, vec![accepted])]);
    assert_eq!(named(&log), [(Position::new(log.seq - 1, 0), Some(OURS), Broken::AcceptedTwice(MessageId(1)))]);
}

#[test]
fn a_writer_that_spends_what_it_did_not_draw_is_named() {
    let (mut log, writer) = small();
    let accepted = acceptance(MessageId(2), OURS, ACCOUNT, 1, writer, UnixMillis(0));
    log.commit(writer, &[(ACCEPTED, vec![accepted])]);
    assert_eq!(named(&log), [(Position::new(log.seq - 1, 0), Some(OURS), Broken::LaneOverspent(writer))]);
}

#[test]
fn wrong_totals_and_a_refund_of_nothing_are_named_and_stop_refunds_there_only() {
    let (mut log, writer) = small();
    let item = RefundItem { message: MessageId(1), part: 0, credits: Credits(1), reason: "x".to_owned() };
    let credits = Credits(1);
    let event = CreditsRefunded { v: 1, items: vec![item], credits, totals: Totals::default(), at: UnixMillis(0) };
    log.commit(writer, &[(WALLET, vec![Event::CreditsRefunded(event)])]);
    let at = Position::new(log.seq - 1, 0);
    let expected = [(at, Some(OURS), Broken::TotalsDiffer), (at, Some(OURS), Broken::RefundOfNothing(MessageId(1)))];
    assert_eq!(named(&log), expected);
    let ledger = replay(&log);
    assert_eq!(ledger.tables.get::<Wallet>(&OURS).unwrap().unwrap().stopped, Some(at));
    assert_eq!(ledger.head.counts.contradictions, 2);
    assert_eq!(rows::<Kept>(&ledger.tables).len(), 2);
}

#[test]
fn debts_of_a_workspace_in_doubt_are_left_and_others_are_paid() {
    let mut tables = MemoryTables::default();
    for workspace in 1..=3 {
        let stopped = (workspace == 2).then(|| Position::new(1, 0));
        tables.put(&WorkspaceId(workspace), &Wallet { stopped, ..Wallet::default() });
        let debt = Debt { message: MessageId(workspace as u64), credits: Credits(1), reason: String::new() };
        tables.put(&(WorkspaceId(workspace), Position::new(5, 0), 0), &debt);
    }
    let due: Vec<_> = due::refunds(&tables, 10, UnixMillis(0)).unwrap().iter().map(|r| r.workspace.0).collect();
    assert_eq!(due, [1, 3]);
    assert_eq!(due::refunds(&tables, 1, UnixMillis(0)).unwrap().len(), 1);
}

#[test]
fn a_key_used_for_two_messages_is_named() {
    let (mut log, writer) = small();
    let used = |message| {
        Event::KeyUsed(KeyUsed {
            v: 1,
            key: "k".to_owned(),
            fingerprint: "f".to_owned(),
            workspace: OURS,
            message: MessageId(message),
        })
    };
    log.commit(writer, &[(Subject::Key(0), vec![used(1), used(2)])]);
    assert_eq!(named(&log), [(Position::new(log.seq - 1, 1), Some(OURS), Broken::KeyUsedTwice(MessageId(2)))]);
}

#[test]
fn a_broken_chain_is_named_once_and_at_its_seal() {
    let (mut log, writer) = small();
    log.commit(writer, &[(ACCEPTED, vec![])]);
    // A stranger changes a payload after the seal was computed.
    let batch = log.batches.last_mut().unwrap();
    batch[0].payload = b"{}".to_vec().into();
    let sealed_at = Position::new(log.seq, 0);
    assert_eq!(named(&log), [(sealed_at, None, Broken::SealBroken(writer))]);
    log.commit(writer, &[]);
    assert_eq!(named(&log), []);
}

#[test]
fn a_record_slipped_in_before_a_batch_is_named_and_the_batch_is_sound() {
    let (mut log, writer) = small();
    let stranger = log.record(Subject::Key(0), &[granted(1)]);
    log.commit(writer, &[(WALLET, vec![])]);
    log.batches.last_mut().unwrap().insert(0, stranger.clone());
    assert_eq!(named(&log), [(Position::new(stranger.seq, 0), None, Broken::Unsealed)]);
}

#[test]
fn a_seal_of_a_closed_or_fenced_writer_is_named() {
    let (mut log, writer) = small();
    log.close(writer, &[]);
    assert_eq!(named(&log), []);
    log.commit(writer, &[]);
    assert_eq!(named(&log), [(Position::new(log.seq, 0), None, Broken::SealBroken(writer))]);
}

#[test]
fn a_checkpoint_that_skips_its_predecessor_is_named() {
    let (mut log, writer) = small();
    let checkpoint = |seq, previous| {
        let digest = angelia_shared::event::Digest::default();
        let (log_digest, state_digest) = (digest, digest);
        Event::LedgerCheckpointed(LedgerCheckpointed { v: 1, seq, log_digest, state_digest, previous })
    };
    log.commit(writer, &[(Subject::Checkpoint, vec![checkpoint(3, 0)])]);
    assert_eq!(named(&log), []);
    let first = log.seq - 1;
    log.commit(writer, &[(Subject::Checkpoint, vec![checkpoint(5, first)])]);
    assert_eq!(named(&log), []);
    log.commit(writer, &[(Subject::Checkpoint, vec![checkpoint(6, first)])]);
    assert_eq!(named(&log), [(Position::new(log.seq - 1, 0), None, Broken::CheckpointBroken)]);
}

#[test]
fn what_cannot_be_read_is_counted_and_named_and_changes_nothing_else() {
    let (mut log, writer) = small();
    let before = replay(&log);
    log.commit(writer, &[(ACCEPTED, vec![granted(5)]), (ACCEPTED, vec![])]);
    let batch = log.batches.last_mut().unwrap();
    batch[1].payload = b"{\"MessageTeleported\":{}}\n{\"KeyUsed\":{}}\nnonsense".to_vec().into();
    batch[1].subject = Err(angelia_shared::subject::BadSubject("ev.moon".to_owned()));
    let report = last_report(&log);
    let names: Vec<_> = report.unknown.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["CreditsGranted out of place", "MessageTeleported", "KeyUsed unreadable", "not an event"]);
    let after = replay(&log);
    assert_eq!(after.head.counts.unknown.len(), 4);
    assert_eq!(after.tables.get::<Wallet>(&OURS), before.tables.get::<Wallet>(&OURS));
}

#[test]
fn a_receipt_of_a_message_never_attempted_is_stray_and_no_contradiction() {
    let (mut log, writer) = small();
    let failed = |message| Event::MessageFailed(receipt(MessageId(message), OURS, ACCOUNT, 0, UnixMillis(0)));
    log.commit(writer, &[(Subject::Receipt(Partition(0)), vec![failed(1), failed(99)])]);
    let report = last_report(&log);
    assert_eq!((report.contradictions.len(), report.stray_receipts.len()), (0, 2));
    assert!(rows::<Debt>(&replay(&log).tables).is_empty());
}

#[test]
fn events_that_no_random_history_has_are_folded_where_they_belong_and_only_there() {
    let (mut log, writer) = small();
    let (id, at, by) = (WorkspaceId(1), UnixMillis(0), MemberId(4));
    let name = "w".to_owned();
    let (unknown_policy, low_balance) = (UnknownPolicy::Charge, None);
    let changed = WorkspaceChanged { v: 1, id, name, unknown_policy, low_balance, created_at: at };
    let cancel = CancelRequested { v: 1, message: MessageId(1), workspace: OURS, account: ACCOUNT, at };
    let claimed = |part| Event::PartitionClaimed(PartitionClaimed { v: 1, part, member: by, at });
    let released = |part| Event::PartitionReleased(PartitionReleased { v: 1, part, member: by, at });
    let fenced = WriterFenced { v: 1, writer, by, reason: "test".to_owned(), at };
    let mut places = vec![
        (Subject::Cancel(Partition(0)), Event::CancelRequested(cancel)),
        (Subject::Directory(OURS, DirectoryKind::Workspace, 1), Event::WorkspaceChanged(Box::new(changed))),
        (Subject::PartitionClaim(Partition(3)), claimed(Some(Partition(3)))),
        (Subject::PartitionClaim(Partition(3)), released(Some(Partition(3)))),
        (Subject::LedgerClaim, claimed(None)),
        (Subject::LedgerClaim, released(None)),
    ];
    let records: Vec<_> = places.iter().map(|(subject, event)| (*subject, vec![event.clone()])).collect();
    log.commit(writer, &records);
    let report = last_report(&log);
    assert_eq!((report.unknown, report.contradictions), (vec![], vec![]));
    let claim = replay(&log).head.claim.unwrap();
    assert_eq!((claim.seq, claim.member, claim.released), (log.seq - 1, by, true));
    places.push((Subject::Writer(writer), Event::WriterFenced(fenced)));
    log.commit(writer, &places.iter().map(|(_, event)| (WALLET, vec![event.clone()])).collect::<Vec<_>>());
    assert_eq!(last_report(&log).unknown.len(), places.len());
}
