//! Tables that keep only what rules look at give what all rows give, on sound logs and on broken ones.

use angelia_shared::log::Record;
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::super::chain::Digests;
use super::super::super::lean_tables::LeanTables;
use super::*;

/// Folds the same batches over both, and compares after each. The lean ones get their digests ahead, half of them of another
/// place in the log.
fn compare(batches: &[Vec<Record>]) -> Result<u64, TestCaseError> {
    let (mut whole, mut lean) = (Projection::<MemoryTables>::default(), Projection::<LeanTables>::default());
    for (number, batch) in batches.iter().enumerate() {
        let before = if number % 2 == 0 { lean.head.log_digest } else { Digest::default() };
        let digests = Digests::of(before, 0, batch);
        prop_assert_eq!(lean.fold_digested(batch, &digests).unwrap(), whole.fold(batch).unwrap());
        prop_assert_eq!(&lean.head, &whole.head);
        let digest = state_digest(&whole.tables, &whole.head).unwrap();
        prop_assert_eq!(state_digest(&lean.tables, &lean.head).unwrap(), digest);
    }
    Ok(whole.head.counts.contradictions)
}

/// The log with some batches left out and some facts told again at its end, as a broken writer would.
fn broken(log: &History, left_out: &[Index], told_again: &[Index]) -> Vec<Vec<Record>> {
    let mut batches = log.batches.clone();
    let mut seq = log.seq;
    for index in told_again {
        let mut again = index.get(&log.batches).clone();
        for record in &mut again {
            seq += 1;
            record.seq = seq;
        }
        batches.push(again);
    }
    for index in left_out {
        // What opens a writer stays, or nothing after it is sealed and every workspace stops at once.
        batches.remove(1 + index.index(batches.len() - 1));
    }
    batches
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_sound_log_folds_to_the_same_reports_heads_and_digests(steps in steps(150), pay in any::<bool>()) {
        let mut world = World::new();
        world.play(&steps);
        if pay {
            world.refund_everything();
            world.return_everything();
        }
        prop_assert_eq!(compare(&world.log.batches)?, 0);
    }

    #[test]
    fn a_broken_log_folds_to_the_same_contradictions(
        steps in steps(150),
        left_out in proptest::collection::vec(any::<Index>(), 0..4),
        told_again in proptest::collection::vec(any::<Index>(), 1..6),
    ) {
        let mut world = World::new();
        world.play(&steps);
        world.refund_everything();
        // A batch that says nothing of money or messages may be told again without harm.
        prop_assume!(compare(&broken(&world.log, &left_out, &told_again))? > 0);
    }
}
