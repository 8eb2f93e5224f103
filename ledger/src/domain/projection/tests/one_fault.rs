//! One small log, one fault in it: each is named, at its place, and stops what it must.

use super::*;

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
