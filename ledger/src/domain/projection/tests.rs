mod lean;
mod naive;
mod one_fault;
mod proofs;

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
use super::super::statement::{Passage, Sums};
use super::super::table::{Direction, MemoryTables, Row, Span, Tables, Unreadable, Visit};
use super::super::{answer, due, statement};
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
        let mut sums: BTreeMap<WorkspaceId, Sums> = BTreeMap::new();
        for ((workspace, seq), passage) in passages {
            let before = sums.entry(workspace).or_default();
            prop_assert_eq!(passage.before, *before, "a passage begins with what the one before ends with");
            for (_, line) in &passage.lines {
                *before = before.with(line);
                prop_assert!(before.consumed.0 <= before.granted.0 + before.refunded.0, "never negative");
            }
            let then = statement::wallet_at(&world.ledger.tables, workspace, seq).unwrap();
            prop_assert_eq!((then.consumed, then.available), (before.consumed, before.available()));
        }
        for (workspace, sums) in sums {
            let now = answer::credits(&world.ledger.tables, workspace).unwrap();
            let then = statement::wallet_at(&world.ledger.tables, workspace, u64::MAX).unwrap();
            prop_assert_eq!((then.granted, then.consumed, then.refunded), (now.granted, now.consumed, now.refunded));
            prop_assert_eq!(sums.available(), now.available);
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
