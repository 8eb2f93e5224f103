//! Seals and checkpoints: what each proves, and whom a broken one stops.

use super::*;

const OURS: WorkspaceId = WorkspaceId(1);
const THEIRS: WorkspaceId = WorkspaceId(2);

fn granted(times: u64) -> Event {
    let totals = (0..times).fold(Totals::default(), |totals, _| totals.granting(Credits(1)).unwrap());
    Event::CreditsGranted(CreditsGranted {
        v: 1,
        credits: Credits(1),
        reason: "test".to_owned(),
        totals,
        at: UnixMillis(0),
    })
}

/// A log with a writer and `grants` batches, each a grant to two workspaces.
fn log(grants: u64) -> (History, WriterId) {
    let mut log = History::default();
    let writer = log.open();
    for times in 1..=grants {
        log.commit(
            writer,
            &[(Subject::Wallet(OURS), vec![granted(times)]), (Subject::Wallet(THEIRS), vec![granted(times)])],
        );
    }
    (log, writer)
}

fn checkpoint(ledger: &Projection<MemoryTables>) -> LedgerCheckpointed {
    due::last_checkpoint(&ledger.tables, &ledger.head).unwrap()
}

/// What the fold says of a checkpoint that is appended now.
fn told(log: &mut History, writer: WriterId, fact: LedgerCheckpointed) -> (Checkpoints, Vec<Broken>) {
    let mut ledger = replay(log);
    log.commit(writer, &[(Subject::Checkpoint, vec![Event::LedgerCheckpointed(fact)])]);
    let report = ledger.fold(log.batches.last().unwrap()).unwrap();
    (report.checkpoints, report.contradictions.into_iter().map(|found| found.broken).collect())
}

const COMPARED: Checkpoints = Checkpoints { compared: 1, passed: 0 };

#[test]
fn a_checkpoint_of_the_batch_before_it_is_compared() {
    let (mut log, writer) = log(2);
    let sound = checkpoint(&replay(&log));
    assert_eq!(told(&mut log.clone(), writer, sound.clone()), (COMPARED, vec![]));
    let other_log = LedgerCheckpointed { log_digest: Digest([7; 32]), ..sound.clone() };
    assert_eq!(told(&mut log.clone(), writer, other_log), (COMPARED, vec![Broken::LogDiffers]));
    let other_state = LedgerCheckpointed { state_digest: Digest([7; 32]), ..sound };
    assert_eq!(told(&mut log, writer, other_state), (COMPARED, vec![Broken::StateDiffers]));
}

#[test]
fn a_checkpoint_of_a_mark_is_compared_whatever_came_since_and_is_what_the_ledger_writes() {
    let (mut log, writer) = log(12);
    let ledger = replay(&log);
    let mark = *ledger.head.marks.last().unwrap();
    assert!(mark.seq >= crate::domain::head::MARK_EVERY && mark.seq < log.seq, "{mark:?}");
    let sound = due::checkpoint(&ledger.tables, &ledger.head).unwrap();
    assert_eq!((sound.seq, sound.log_digest, sound.state_digest), (mark.seq, mark.log, mark.state));
    assert_eq!(told(&mut log.clone(), writer, sound.clone()), (COMPARED, vec![]));
    let other_state = LedgerCheckpointed { state_digest: Digest([7; 32]), ..sound.clone() };
    assert_eq!(told(&mut log.clone(), writer, other_state), (COMPARED, vec![Broken::StateDiffers]));
    // The next one, without a newer mark, covers everything.
    assert_eq!(told(&mut log, writer, sound), (COMPARED, vec![]));
    let ledger = replay(&log);
    assert_eq!(due::checkpoint(&ledger.tables, &ledger.head).unwrap(), checkpoint(&ledger));
}

#[test]
fn a_checkpoint_that_nobody_can_compare_any_more_is_passed() {
    let (mut log, writer) = log(1);
    let fact = checkpoint(&replay(&log));
    log.commit(writer, &[(Subject::Wallet(OURS), vec![granted(2)])]);
    assert_eq!(told(&mut log, writer, fact), (Checkpoints { compared: 0, passed: 1 }, vec![]));
}

#[test]
fn marks_are_where_they_are_also_after_the_ledger_was_taken_up_again() {
    let (log, _) = log(30);
    let whole = replay(&log);
    let mut ledger = Projection::<MemoryTables>::default();
    for batch in &log.batches {
        ledger.fold(batch).unwrap();
        ledger = Projection::resume(ledger.tables).unwrap();
    }
    assert_eq!(ledger.head, whole.head);
}

#[test]
fn a_changed_byte_stops_the_workspaces_of_its_batch_and_no_other() {
    let (mut log, writer) = log(1);
    log.commit(writer, &[(Subject::Wallet(OURS), vec![granted(2)])]);
    let record = &mut log.batches.last_mut().unwrap()[0];
    record.payload = String::from_utf8(record.payload.to_vec()).unwrap().replace("test", "tost").into();
    log.commit(writer, &[(Subject::Wallet(THEIRS), vec![granted(2)])]);
    let ledger = replay(&log);
    let sealed_at = Position::new(log.seq - 2, 0);
    let stopped = |workspace: WorkspaceId| ledger.tables.get::<Wallet>(&workspace).unwrap().unwrap().stopped;
    assert_eq!((stopped(OURS), stopped(THEIRS)), (Some(sealed_at), None));
    let found = answer::findings(&ledger.tables, &ledger.head).unwrap();
    let named: Vec<_> = found.first.iter().map(|one| (one.position, one.workspace, &*one.invariant)).collect();
    assert_eq!((found.contradictions, named), (1, vec![(sealed_at, Some(OURS), "LG-2")]));
}

#[test]
fn an_unsealed_record_of_a_shared_subject_stops_whom_its_events_name() {
    let (mut log, writer) = log(1);
    let used = |workspace, message| {
        let (key, fingerprint) = (format!("{message}"), "f".to_owned());
        Event::KeyUsed(KeyUsed { v: 1, key, fingerprint, workspace, message: MessageId(message) })
    };
    let stranger = log.record(Subject::Key(0), &[used(OURS, 1), used(THEIRS, 2)]);
    log.commit(writer, &[]);
    log.batches.last_mut().unwrap().insert(0, stranger);
    let ledger = replay(&log);
    for workspace in [OURS, THEIRS] {
        assert!(ledger.tables.get::<Wallet>(&workspace).unwrap().unwrap().stopped.is_some());
    }
    assert_eq!(ledger.head.counts.contradictions, 2);
}

#[test]
fn an_event_of_a_newer_version_is_counted_and_named_and_moves_nothing() {
    let (mut log, writer) = log(1);
    let newer = String::from_utf8(granted(2).to_line()).unwrap().replace("\"v\":1", "\"v\":2");
    let record = log.record(Subject::Wallet(OURS), &[granted(2)]);
    log.commit(writer, &[]);
    log.batches.last_mut().unwrap().insert(0, Record { payload: newer.into(), ..record });
    let ledger = replay(&log);
    assert_eq!(ledger.head.counts.unknown.get("CreditsGranted v2"), Some(&1));
    assert_eq!(ledger.tables.get::<Wallet>(&OURS).unwrap().unwrap().totals.granted, Credits(1));
}
