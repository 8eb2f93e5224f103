use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::ids::{AccountId, WorkspaceId};
use crate::log::entry::{Group, Stored};
use crate::subject::Partition;

const PART: Subject = Subject::Accepted(Partition(1));
const WALLET: Subject = Subject::Wallet(WorkspaceId(1));
const CLAIM: Subject = Subject::PartitionClaim(Partition(1));
const BUCKET: Subject = Subject::Key(1);

fn entry(subject: Subject, line: &str) -> Entry {
    Entry { subject, line: line.into(), guard: None }
}

fn guarded(subject: Subject, line: &str, guard: Guard) -> Entry {
    entry(subject, line).guarded(guard)
}

fn of_bytes(subject: Subject, bytes: usize) -> Entry {
    Entry { subject, line: vec![b'x'; bytes], guard: None }
}

fn attempt(account: u128) -> Subject {
    Subject::Attempt(Partition(1), WorkspaceId(1), AccountId(account))
}

/// Packs groups that fit together.
fn packed(groups: &[&[Entry]]) -> Vec<OutRecord> {
    let mut packer = Packer::default();
    for group in groups {
        assert_eq!(packer.add(group), Ok(()));
    }
    packer.finish().0
}

fn text(record: &OutRecord) -> &str {
    std::str::from_utf8(&record.payload).unwrap()
}

#[test]
fn wallet_entries_stand_before_what_they_pay_for() {
    let draw = guarded(WALLET, "draw", Guard::Own(7));
    let records = packed(&[&[entry(PART, "a")], &[draw, entry(PART, "b")]]);
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["draw", "a\nb"]);
    assert_eq!(records[0].guard, Some(Guard::Own(7)));
}

#[test]
fn a_wallet_is_written_once_a_batch() {
    let draw = |head| [guarded(WALLET, "draw", Guard::Own(head))];
    let mut packer = Packer::default();
    assert_eq!(packer.add(&draw(7)), Ok(()));
    assert_eq!(packer.add(&draw(7)), Err(NoRoom::Conflict));
    assert_eq!(packer.add(&draw(8)), Err(NoRoom::Conflict));
    let elsewhere = guarded(Subject::Wallet(WorkspaceId(2)), "draw", Guard::Own(7));
    assert_eq!(packer.add(&[elsewhere]), Ok(()));
}

#[test]
fn keyed_entries_share_a_record_under_one_guard() {
    let key = |line| guarded(BUCKET, line, Guard::Own(3));
    let records = packed(&[&[key("a")], &[key("b")]]);
    assert_eq!(records.len(), 1);
    assert_eq!((text(&records[0]), records[0].guard), ("a\nb", Some(Guard::Own(3))));
}

#[test]
fn keyed_entries_that_do_not_fit_into_the_guarded_record_wait() {
    let mut packer = Packer::default();
    for _ in 0..LINES_MAX {
        assert_eq!(packer.add(&[guarded(BUCKET, "k", Guard::Own(3))]), Ok(()));
    }
    assert_eq!(packer.add(&[guarded(BUCKET, "k", Guard::Own(3))]), Err(NoRoom::Conflict));
    assert_eq!(packer.add(&[entry(BUCKET, "k")]), Err(NoRoom::Conflict), "it would move the guarded head");
}

#[test]
fn a_group_whose_last_key_does_not_fit_leaves_nothing_behind() {
    let key = || guarded(BUCKET, "k", Guard::Own(3));
    let mut packer = Packer::default();
    let mut plain = Packer::default();
    for packer in [&mut packer, &mut plain] {
        for _ in 0..LINES_MAX - 1 {
            packer.add(&[key()]).unwrap();
        }
        packer.add(&[entry(PART, "a")]).unwrap();
    }
    let watched = guarded(attempt(1), "w", Guard::Other(CLAIM, 1));
    let two_keys = [entry(PART, "b"), entry(attempt(2), "c"), watched, key(), key()];
    assert_eq!(packer.add(&two_keys), Err(NoRoom::Conflict));
    // Neither records nor the memory of what is written and watched remain.
    for packer in [&mut packer, &mut plain] {
        packer.add(&[guarded(attempt(2), "d", Guard::Own(1)), guarded(CLAIM, "e", Guard::Own(9)), key()]).unwrap();
    }
    assert_eq!(packer.finish(), plain.finish());
}

#[test]
fn a_read_only_guard_is_carried_once() {
    let watch = |account, line| guarded(attempt(account), line, Guard::Other(CLAIM, 5));
    let records = packed(&[&[watch(1, "a")], &[watch(2, "b")]]);
    assert_eq!(records[0].guard, Some(Guard::Other(CLAIM, 5)));
    assert_eq!(records[1].guard, None);
    let mut packer = Packer::default();
    packer.add(&[watch(1, "a")]).unwrap();
    assert_eq!(packer.add(&[guarded(attempt(2), "b", Guard::Other(CLAIM, 6))]), Err(NoRoom::Conflict));
}

#[test]
fn a_read_only_guard_is_not_lost_when_its_line_joins_a_record() {
    let records = packed(&[&[entry(PART, "a")], &[guarded(PART, "b", Guard::Other(CLAIM, 5))]]);
    assert_eq!(records.len(), 1);
    assert_eq!((text(&records[0]), records[0].guard), ("a\nb", Some(Guard::Other(CLAIM, 5))));
}

#[test]
fn a_record_carries_one_guard_so_a_second_one_opens_another() {
    let other = Subject::LedgerClaim;
    let first = guarded(PART, "a", Guard::Other(CLAIM, 5));
    let second = guarded(PART, "b", Guard::Other(other, 6));
    let records = packed(&[&[first], &[second], &[entry(PART, "c")]]);
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["a", "b\nc"]);
    assert_eq!(records[1].guard, Some(Guard::Other(other, 6)));
}

#[test]
fn what_a_batch_writes_it_does_not_guard() {
    let watch = || guarded(attempt(1), "a", Guard::Other(CLAIM, 5));
    let claims: [fn() -> Entry; 3] = [
        || entry(CLAIM, "claim"),
        || guarded(CLAIM, "claim", Guard::Own(5)),
        || guarded(CLAIM, "claim", Guard::Other(WALLET, 1)),
    ];
    for claim in claims {
        let mut packer = Packer::default();
        packer.add(&[claim()]).unwrap();
        assert_eq!(packer.add(&[watch()]), Err(NoRoom::Conflict));
        let mut packer = Packer::default();
        packer.add(&[watch()]).unwrap();
        assert_eq!(packer.add(&[claim()]), Err(NoRoom::Conflict));
    }
}

#[test]
fn a_group_that_contradicts_itself_fits_no_batch() {
    let own = |subject, head| guarded(subject, "x", Guard::Own(head));
    let watch = || guarded(attempt(1), "a", Guard::Other(CLAIM, 5));
    let contradictions = [
        vec![own(WALLET, 7), own(WALLET, 7)],
        vec![own(BUCKET, 7), own(BUCKET, 8)],
        vec![entry(WALLET, "x"), own(WALLET, 7)],
        vec![own(WALLET, 7), entry(WALLET, "x")],
        vec![watch(), entry(CLAIM, "x")],
        vec![entry(CLAIM, "x"), watch()],
        vec![guarded(CLAIM, "x", Guard::Other(CLAIM, 5))],
        vec![watch(), guarded(attempt(1), "b", Guard::Other(CLAIM, 6))],
        (0..=LINES_MAX).map(|_| own(BUCKET, 7)).collect(),
    ];
    for group in contradictions {
        assert_eq!(Packer::default().add(&group), Err(NoRoom::Never), "{group:?}");
    }
}

#[test]
fn a_batch_has_at_most_999_records() {
    let mut packer = Packer::default();
    for account in 0..RECORDS_MAX as u128 {
        assert_eq!(packer.add(&[entry(attempt(account), "a")]), Ok(()));
    }
    assert_eq!(packer.add(&[entry(attempt(5_000), "a")]), Err(NoRoom::Full));
    assert_eq!(packer.records(), 999);
    let too_many: Vec<_> = (0..=RECORDS_MAX as u128).map(|account| entry(attempt(account), "a")).collect();
    assert_eq!(Packer::default().add(&too_many), Err(NoRoom::Never));
}

#[test]
fn a_group_may_have_more_lines_than_a_batch_has_records() {
    let mut packer = Packer::default();
    let lines: Vec<_> = (0..5_000).map(|_| entry(PART, "a")).collect();
    assert_eq!(packer.add(&lines), Ok(()));
    assert_eq!(packer.records(), lines.len().div_ceil(LINES_MAX));
    let rest = RECORDS_MAX as u128 - packer.records() as u128;
    let too_many: Vec<_> = (0..=rest).map(|account| entry(attempt(account), "a")).collect();
    let before = packer.records();
    assert_eq!(packer.add(&too_many), Err(NoRoom::Full));
    assert_eq!(packer.records(), before, "it was taken out whole");
    assert_eq!(packer.add(&too_many[1..]), Ok(()));
}

#[test]
fn a_packed_record_has_at_most_64_lines_and_16_kib() {
    let lines: Vec<_> = (0..65).map(|_| entry(PART, "a")).collect();
    let records = packed(&[&lines]);
    let counts: Vec<_> = records.iter().map(|record| record.payload.split(|byte| *byte == b'\n').count()).collect();
    assert_eq!(counts, [64, 1]);
    let records = packed(&[&[of_bytes(PART, 8 * 1024)], &[of_bytes(PART, 8 * 1024 - 1)], &[of_bytes(PART, 1)]]);
    let sizes: Vec<_> = records.iter().map(|record| record.payload.len()).collect();
    assert_eq!(sizes, [RECORD_BYTES_MAX, 1], "the line feed counts");
}

#[test]
fn an_event_larger_than_a_record_stands_alone() {
    let records = packed(&[&[of_bytes(PART, 10)], &[of_bytes(PART, RECORD_BYTES_MAX + 1)], &[of_bytes(PART, 20)]]);
    let sizes: Vec<_> = records.iter().map(|record| record.payload.len()).collect();
    assert_eq!(sizes, [10, RECORD_BYTES_MAX + 1, 20]);
}

#[test]
fn a_batch_has_at_most_4_mib_and_an_event_what_the_broker_takes() {
    let mut packer = Packer::default();
    let large = [of_bytes(PART, EVENT_BYTES_MAX)];
    for _ in 0..4 {
        assert_eq!(packer.add(&large), Ok(()));
    }
    assert_eq!(packer.add(&large), Err(NoRoom::Full));
    assert_eq!(Packer::default().add(&[of_bytes(PART, EVENT_BYTES_MAX + 1)]), Err(NoRoom::Never));
    let five: Vec<_> = large.iter().cycle().take(5).cloned().collect();
    assert_eq!(Packer::default().add(&five), Err(NoRoom::Never));
}

type Answer = oneshot::Receiver<Result<Stored, AppendError>>;

fn queue_of(groups: Vec<Vec<Entry>>) -> (VecDeque<Pending>, Vec<Answer>) {
    groups.into_iter().map(|group| Pending::new(group.into_iter().collect())).unzip()
}

fn first_lines<'a>(groups: impl IntoIterator<Item = &'a Pending>) -> Vec<String> {
    let first = |pending: &Pending| String::from_utf8(pending.group.entries[0].line.clone()).unwrap();
    groups.into_iter().map(first).collect()
}

#[test]
fn groups_in_conflict_stay_in_order_before_those_for_which_there_was_no_room() {
    let draw = |line| vec![guarded(WALLET, line, Guard::Own(7))];
    let rest = || (0..RECORDS_MAX as u128 - 2).map(|account| entry(attempt(account), "rest")).collect();
    let groups = vec![
        draw("d1"),
        draw("d2"),
        vec![entry(PART, "a")],
        draw("d3"),
        rest(),
        vec![entry(attempt(5_000), "b")],
        draw("d4"),
    ];
    let (mut queue, _answers) = queue_of(groups);
    let mut packer = Packer::default();
    assert_eq!(first_lines(&packer.take(&mut queue)), ["d1", "a", "rest"]);
    assert_eq!(first_lines(&queue), ["d2", "d3", "b", "d4"]);
}

#[test]
fn a_group_that_fits_no_batch_is_answered_and_holds_nobody_up() {
    let twice = || guarded(WALLET, "x", Guard::Own(7));
    let groups = vec![vec![entry(PART, "a")], vec![twice(), twice()], vec![of_bytes(PART, EVENT_BYTES_MAX + 1)]];
    let (mut queue, mut answers) = queue_of(groups);
    assert_eq!(first_lines(&Packer::default().take(&mut queue)), ["a"]);
    // The second may only be in conflict with the first; alone in a batch it shows that it is with itself.
    assert_eq!(first_lines(&queue), ["x"]);
    assert_eq!(Packer::default().take(&mut queue).len(), 0);
    assert!(queue.is_empty());
    assert_eq!(answers.pop().unwrap().try_recv(), Ok(Err(AppendError::TooLarge)));
    assert_eq!(answers.pop().unwrap().try_recv(), Ok(Err(AppendError::TooLarge)));
}

fn any_subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        (0..3u16).prop_map(|part| Subject::Accepted(Partition(part))),
        (0..2u16).prop_map(|part| Subject::Settlement(Partition(part))),
        (0..2u8).prop_map(Subject::Key),
        (0..3u128).prop_map(|workspace| Subject::Wallet(WorkspaceId(workspace))),
        (0..3u128).prop_map(attempt),
        any_claim(),
    ]
}

fn any_claim() -> impl Strategy<Value = Subject> {
    (0..2u16).prop_map(|part| Subject::PartitionClaim(Partition(part)))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let guard = prop_oneof![
        3 => Just(None),
        2 => (0..2u64).prop_map(|head| Some(Guard::Own(head))),
        2 => (any_claim(), 0..2u64).prop_map(|(claim, head)| Some(Guard::Other(claim, head))),
    ];
    let bytes = prop_oneof![8 => 1..40usize, 1 => 4_000..20_000usize];
    (any_subject(), guard, bytes).prop_map(|(subject, guard, bytes)| Entry { subject, line: vec![b'x'; bytes], guard })
}

/// As many keys of one bucket as a record takes, and some more or less.
fn any_keys() -> impl Strategy<Value = Vec<Entry>> {
    (0..2u8, 0..2u64, LINES_MAX - 3..LINES_MAX + 4, 1..400usize).prop_map(|(bucket, head, keys, bytes)| {
        vec![guarded(Subject::Key(bucket), &"x".repeat(bytes), Guard::Own(head)); keys]
    })
}

fn any_groups() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let any_group = prop_oneof![30 => prop::collection::vec(any_entry(), 1..5), 1 => any_keys()];
    prop::collection::vec(any_group, 1..120).prop_map(|mut groups| {
        for (number, entry) in groups.iter_mut().flatten().enumerate() {
            entry.line.splice(..0, format!("{number:06}").into_bytes());
        }
        groups
    })
}

/// Each record's lines.
fn lines_of(records: &[OutRecord]) -> Vec<Vec<&[u8]>> {
    records.iter().map(|record| record.payload.split(|byte| *byte == b'\n').collect()).collect()
}

fn check_places(taken: &[Group], records: &[OutRecord], places: &Places) -> Result<(), TestCaseError> {
    let lines = lines_of(records);
    let mut positions = places.positions(100);
    for entry in taken.iter().flat_map(|group| &group.entries) {
        let at = positions.next().expect("each entry has a place");
        let record = (at.seq - 100) as usize;
        prop_assert_eq!(records[record].subject, entry.subject);
        prop_assert_eq!(lines[record][usize::from(at.line)], &entry.line[..]);
    }
    prop_assert!(positions.next().is_none());
    let entries: usize = taken.iter().map(|group| group.entries.len()).sum();
    prop_assert_eq!(lines.iter().map(Vec::len).sum::<usize>(), entries);
    Ok(())
}

fn check_limits(records: &[OutRecord]) -> Result<(), TestCaseError> {
    prop_assert!(records.len() <= RECORDS_MAX);
    for (record, lines) in records.iter().zip(lines_of(records)) {
        prop_assert!(record.subject.is_packed() || lines.len() == 1);
        prop_assert!(lines.len() <= LINES_MAX);
        prop_assert!(record.payload.len() <= RECORD_BYTES_MAX || lines.len() == 1);
    }
    prop_assert!(records.is_sorted_by_key(|record| record.subject.is_packed()), "unpacked ones first");
    Ok(())
}

/// Every condition that was asked for is on the wire, once, where it can hold; and no other.
fn check_guards(taken: &[Group], records: &[OutRecord], places: &Places) -> Result<(), TestCaseError> {
    let carried: Vec<_> = records.iter().filter_map(|r| r.guard.map(|guard| guard.on(r.subject))).collect();
    for (number, (subject, _)) in carried.iter().enumerate() {
        prop_assert!(carried[..number].iter().all(|(other, _)| other != subject), "{} is guarded twice", subject);
    }
    for record in records {
        let writers =
            records.iter().filter(|other| record.guard.is_some_and(|g| g.on(record.subject).0 == other.subject));
        let allowed = usize::from(matches!(record.guard, Some(Guard::Own(_))));
        prop_assert_eq!(writers.count(), allowed, "a guarded subject is written by its own record alone");
    }
    let entries = taken.iter().flat_map(|group| &group.entries);
    let asked: Vec<_> =
        entries.zip(places.positions(0)).filter_map(|(entry, at)| Some((entry, entry.guard?, at))).collect();
    for (entry, guard, at) in &asked {
        match guard {
            Guard::Own(_) => prop_assert_eq!(records[at.seq as usize].guard, Some(*guard)),
            Guard::Other(..) => prop_assert!(carried.contains(&guard.on(entry.subject))),
        }
    }
    prop_assert!(carried.iter().all(|on| asked.iter().any(|(entry, guard, _)| guard.on(entry.subject) == *on)));
    Ok(())
}

/// The lines of each subject follow each other in the order in which they were handed in.
fn check_order(records: &[OutRecord]) -> Result<(), TestCaseError> {
    let mut newest: HashMap<Subject, &[u8]> = HashMap::new();
    for (record, lines) in records.iter().zip(lines_of(records)) {
        for line in lines {
            let before = newest.insert(record.subject, &line[..6]);
            prop_assert!(before.is_none_or(|before| before < &line[..6]));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_handed_in_a_batch_keeps_its_rules(groups in any_groups()) {
        let (mut queue, answers) = queue_of(groups.clone());
        let mut batches = 0;
        let mut stored = 0;
        while !queue.is_empty() {
            let before = first_lines(&queue);
            let mut packer = Packer::default();
            let taken = packer.take(&mut queue);
            let (records, places) = packer.finish();
            let names = first_lines(&taken);
            let left = first_lines(&queue);
            prop_assert!(names.is_sorted() && left.is_sorted(), "order is kept");
            prop_assert!(left.first() != before.first(), "the first group is never left");
            stored += taken.len();
            let taken: Vec<_> = taken.into_iter().map(|pending| pending.group).collect();
            check_places(&taken, &records, &places)?;
            check_limits(&records)?;
            check_guards(&taken, &records, &places)?;
            check_order(&records)?;
            batches += 1;
        }
        prop_assert!(batches <= groups.len());
        let refused = answers.into_iter().filter_map(|mut answer| answer.try_recv().ok());
        let refused: Vec<_> = refused.collect();
        prop_assert!(refused.iter().all(|answer| *answer == Err(AppendError::TooLarge)));
        prop_assert_eq!(stored + refused.len(), groups.len());
        let alone = groups.iter().filter(|group| Packer::default().add(group) == Err(NoRoom::Never)).count();
        prop_assert_eq!(refused.len(), alone, "only what fits no batch is refused");
    }
}
