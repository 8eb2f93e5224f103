use super::super::acceptance::Accepted;
use super::super::head::Checkpoint;
use super::super::history::{History, acceptance};
use super::super::projection::Projection;
use super::super::table::MemoryTables;
use super::*;

const ME: MemberId = MemberId(1);

fn claim(seq: u64, member: u128, released: bool) -> Option<Claim> {
    Some(Claim { seq, member: MemberId(member), released })
}

#[test]
fn a_process_claims_at_its_start_whoever_held_the_claim() {
    let alive = |_| false;
    assert_eq!(standing(None, ME, false, alive), Standing::Claim(0));
    assert_eq!(standing(claim(5, 2, false), ME, false, alive), Standing::Claim(5));
    assert_eq!(standing(claim(5, 1, false), ME, true, alive), Standing::Mine(5));
}

#[test]
fn a_lost_claim_is_taken_back_only_when_its_holder_released_it_or_is_gone() {
    assert_eq!(standing(claim(9, 2, false), ME, true, |_| false), Standing::Stand);
    assert_eq!(standing(claim(10, 2, true), ME, true, |_| false), Standing::Claim(10));
    assert_eq!(standing(claim(9, 2, false), ME, true, |member| member == MemberId(2)), Standing::Claim(9));
    assert_eq!(standing(claim(9, 2, false), ME, true, |member| member == MemberId(3)), Standing::Stand);
    assert_eq!(standing(claim(9, 1, false), ME, true, |_| true), Standing::Mine(9), "one does not miss oneself");
}

#[test]
fn a_checkpoint_is_due_after_enough_records_or_time_but_never_without_news() {
    let head = |seq, last_fact, covers| Head {
        seq,
        last_fact,
        checkpoint: Checkpoint { at: covers + 1, covers },
        ..Head::default()
    };
    assert!(is_checkpoint_due(&head(200, 150, 100), 100, false));
    assert!(!is_checkpoint_due(&head(199, 150, 100), 100, false));
    assert!(is_checkpoint_due(&head(199, 150, 100), 100, true));
    assert!(!is_checkpoint_due(&head(500, 100, 100), 100, true));
}

fn unknown_messages() -> MemoryTables {
    let mut tables = MemoryTables::default();
    for n in 1..=4_u64 {
        let place = Position::new(n, 0);
        let workspace = WorkspaceId(u128::from(n % 2));
        let writer = History::default().open();
        let event = acceptance(MessageId(n), workspace, AccountId(9), 1, writer, UnixMillis(0));
        let angelia_shared::event::Event::MessageAccepted(fact) = event else { unreachable!("an acceptance") };
        tables.put(&place, &Message::accepted(&Accepted::of(&fact, place.line, n), place));
        tables.put(&(UnixMillis(n as i64 * 100), place, 0), &UnknownSince);
    }
    tables
}

fn messages(due: &[Overdue]) -> Vec<u64> {
    due.iter().map(|due| due.message.0).collect()
}

#[test]
fn a_deadline_is_reached_exactly_and_the_oldest_comes_first() {
    let tables = unknown_messages();
    assert_eq!(messages(&overdue(&tables, UnixMillis(1_099), 1_000, 10).unwrap()), Vec::<u64>::new());
    assert_eq!(messages(&overdue(&tables, UnixMillis(1_100), 1_000, 10).unwrap()), [1]);
    assert_eq!(messages(&overdue(&tables, UnixMillis(9_000), 1_000, 2).unwrap()), [1, 2]);
}

#[test]
fn a_workspace_in_doubt_is_not_settled_and_holds_no_other_up() {
    let mut tables = unknown_messages();
    tables.put(&WorkspaceId(1), &Wallet { stopped: Some(Position::new(1, 0)), ..Wallet::default() });
    assert_eq!(messages(&overdue(&tables, UnixMillis(9_000), 0, 10).unwrap()), [2, 4]);
}

#[test]
fn nothing_is_due_in_an_empty_ledger() {
    let ledger = Projection::<MemoryTables>::default();
    assert!(refunds(&ledger.tables, 10, UnixMillis(0)).unwrap().is_empty());
    assert!(overdue(&ledger.tables, UnixMillis(i64::MAX), 0, 10).unwrap().is_empty());
    assert!(!is_checkpoint_due(&ledger.head, 1, true));
}
