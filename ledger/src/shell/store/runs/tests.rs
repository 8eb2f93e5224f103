use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::shell::store::LogIdentity;

/// So small that every size of log goes through all that can happen.
const TINY: Sizes = Sizes { freeze: 8, fan: 2, block: 3, merged_per_row: 6, removed_per_block: 2 };
const TABLE: u8 = 200;
const LOG: LogIdentity = LogIdentity { first: None, last: 0 };

struct Place {
    _folder: tempfile::TempDir,
    store: Arc<Store>,
    runs: Runs<2>,
    rows: Rows,
}

impl Place {
    fn new(sizes: Sizes) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(Store::open(&folder.path().join("ledger"), 1 << 20, LOG).expect("a store"));
        let runs = Runs::open(TABLE, sizes, &store).expect("empty");
        Self { _folder: folder, store, runs, rows: Rows::new() }
    }

    fn flush(&mut self, fails: bool) {
        self.runs.flush(&self.store, &mut self.rows).expect("readable");
        if !fails {
            self.store.commit(&self.rows).expect("writable");
            self.rows.clear();
        }
    }

    /// As after a crash: what was not flushed is gone.
    fn open_again(&mut self) {
        self.rows.clear();
        self.runs = Runs::open(TABLE, self.runs.sizes, &self.store).expect("readable");
    }

    fn get(&self, key: u16) -> Option<Vec<u8>> {
        let beneath = Beneath { store: &self.store, unwritten: &self.rows };
        self.runs.get(&key.to_be_bytes(), beneath).expect("readable")
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, Vec<u8>),
    Flush,
    FailedFlush,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0_u16..400, proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(key, value)| Step::Put(key, value)),
        6 => Just(Step::Flush),
        1 => Just(Step::FailedFlush),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_put_is_found_and_what_was_flushed_survives(steps in proptest::collection::vec(step(), 0..600)) {
        let mut place = Place::new(TINY);
        let (mut all, mut flushed) = (BTreeMap::new(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    if let Slot::Vacant(slot) = all.entry(key) {
                        place.runs.put(&key.to_be_bytes(), &value);
                        slot.insert(value);
                    }
                }
                Step::Flush => {
                    place.flush(false);
                    flushed.clone_from(&all);
                }
                Step::FailedFlush => place.flush(true),
                Step::Crash => {
                    place.open_again();
                    all.clone_from(&flushed);
                }
            }
        }
        for key in 0..400 {
            prop_assert_eq!(place.get(key), all.get(&key).cloned(), "{}", key);
        }
    }
}

#[test]
fn merging_and_removing_keep_up_with_what_is_added() {
    let mut place = Place::new(Sizes { fan: 4, merged_per_row: 8, ..TINY });
    // Every key once, in an order like dice.
    for number in 0..20_000_u32 {
        let key = (number.wrapping_mul(40_503) % 65_536) as u16;
        place.runs.put(&key.to_be_bytes(), &[1]);
        if number % 5 == 0 {
            place.flush(false);
        }
    }
    place.flush(false);
    let manifest = &place.runs.manifest;
    let rows: u64 = manifest.runs.iter().map(|run| run.count).sum();
    assert_eq!(rows + place.runs.recent.len() as u64, 20_000);
    // 2,500 runs of the lowest level became a few: three or four of each of six levels, and what is being merged.
    assert!(manifest.runs.len() <= 32, "{:?}", manifest.runs);
    assert!(manifest.garbage.len() <= 4, "{:?}", manifest.garbage);
    // What is stored is no more than what is needed: blocks of three, twice while they are merged.
    let blocks = place.store.range(&Space(TABLE).run(0)).count();
    assert_eq!(blocks, 0, "there is no run 0");
    let stored: usize = (1..=manifest.runs.iter().map(|run| run.number).max().unwrap_or(0))
        .map(|run| place.store.range(&Space(TABLE).run(run)).count())
        .sum();
    assert!(stored <= 2 * 20_000 / 3 + 200, "{stored} blocks");
}

#[test]
fn a_manifest_and_blocks_read_back_and_nothing_else_does() {
    let merging = manifest::Merging { sources: vec![1, 2], output: 3, level: 1, count: 9, cursor: vec![5, 6] };
    let mut manifest = Manifest::default();
    manifest.runs = vec![Run { number: manifest.new_run(), level: 2, count: 300 }];
    (manifest.merging, manifest.garbage, manifest.tails) = (Some(merging), vec![7], 4..9);
    let bytes = manifest.write();
    assert_eq!(Manifest::read(&bytes), Some(manifest));
    assert_eq!(Manifest::read(&bytes[..bytes.len() - 1]), None);
    let block = Block::<2>(vec![Entry { key: [1, 2], value: Value::from_slice(b"xyz") }]);
    assert_eq!(Block::read(&block.write()), Some(block.clone()));
    assert_eq!(Block::<2>::read(&block.write()[..4]), None);
}

#[test]
fn a_damaged_block_is_an_error_and_not_an_absent_row() {
    let mut place = Place::new(TINY);
    for key in 0..8_u16 {
        place.runs.put(&key.to_be_bytes(), &[1]);
    }
    place.flush(false);
    let first = place.store.range(&Space(TABLE).run(1)).next().expect("a block").expect("readable").0;
    place.store.commit(&Rows::from([(first.to_vec(), Some(vec![9]))])).expect("writable");
    let beneath = Beneath { store: &place.store, unwritten: &place.rows };
    assert!(place.runs.get(&1_u16.to_be_bytes(), beneath).is_err_and(|error| error.is_damage()));
}
