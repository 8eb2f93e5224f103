use angelia_shared::log::digest::sha256;
use proptest::prelude::*;

use super::*;

fn key(bucket: u8, number: u8) -> KeyHash {
    let mut bytes = [number; 32];
    bytes[0] = bucket;
    KeyHash(bytes)
}

fn used(message: u64) -> Used {
    Used { fingerprint: sha256(b"body"), message: MessageId(message) }
}

#[test]
fn a_key_belongs_to_its_workspace() {
    let (a, b) = (KeyHash::of(WorkspaceId(1), "k"), KeyHash::of(WorkspaceId(2), "k"));
    assert_ne!(a, b);
    assert_ne!(a, KeyHash::of(WorkspaceId(1), "l"));
    assert_eq!(a.to_string().parse(), Ok(a));
    assert_eq!("xyz".parse::<KeyHash>(), Err(NotADigest));
}

#[test]
fn a_keys_hash_never_changes_because_the_log_is_kept_for_ever() {
    // sha256 of sixteen bytes, the last of them 7, and the letters `order-1`.
    let hash = KeyHash::of(WorkspaceId(7), "order-1");
    assert_eq!(hash.to_string(), sha256(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07order-1").to_string());
    assert_eq!(format!("{:02x}", hash.bucket()), hash.to_string()[..2]);
}

#[test]
fn an_event_with_a_key_that_is_no_digest_cannot_be_read() {
    let good = KeyUsed {
        v: 1,
        key: key(1, 2).to_string(),
        fingerprint: sha256(b"body").to_string(),
        workspace: WorkspaceId(1),
        message: MessageId(9),
    };
    assert_eq!(Used::read(&good), Ok((key(1, 2), used(9))));
    assert_eq!(Used::read(&KeyUsed { key: "k".into(), ..good.clone() }), Err(NotADigest));
    assert_eq!(Used::read(&KeyUsed { fingerprint: "f".into(), ..good }), Err(NotADigest));
}

#[test]
fn a_key_is_clear_once_the_ledger_missed_it_and_the_bucket_is_read() {
    let mut map = KeyMap::new(10, 100);
    let k = key(3, 1);
    assert_eq!(map.standing(k, None), Standing::NeedsLookUp { floor: 10 });
    assert_eq!(map.standing(k, Some(9)), Standing::NeedsLookUp { floor: 10 });
    assert_eq!(map.standing(k, Some(10)), Standing::NeedsHead);
    map.told(3, 7);
    assert_eq!(map.standing(k, Some(10)), Standing::Clear { guard: 7 });
}

#[test]
fn a_bucket_that_never_had_a_key_is_guarded_by_zero() {
    let mut map = KeyMap::new(10, 100);
    map.told(3, 0);
    assert_eq!(map.standing(key(3, 1), Some(10)), Standing::Clear { guard: 0 });
}

#[test]
fn a_head_beyond_what_was_read_is_waited_for() {
    let mut map = KeyMap::new(10, 100);
    map.told(3, 12);
    assert_eq!(map.standing(key(3, 1), Some(10)), Standing::NeedsReading);
    map.learn(12, 3, [(key(3, 2), used(1))]);
    assert_eq!(map.standing(key(3, 1), Some(10)), Standing::Clear { guard: 12 });
    map.told(3, 15);
    assert_eq!(map.standing(key(3, 1), Some(10)), Standing::NeedsReading, "a lost guard told of record 15");
    assert_eq!(map.standing(key(3, 2), Some(10)), Standing::Used(used(1)));
}

#[test]
fn an_own_stored_key_moves_the_guard_without_being_read() {
    let mut map = KeyMap::new(10, 100);
    map.told(3, 0);
    map.stored(0, 11, key(3, 1), used(1));
    assert_eq!(map.standing(key(3, 1), Some(10)), Standing::Used(used(1)));
    assert_eq!(map.standing(key(3, 2), Some(10)), Standing::Clear { guard: 11 });
    assert_eq!(map.learn(11, 3, [(key(3, 1), used(1))]), 0);
    assert_eq!(map.len(), 1);
}

#[test]
fn trimming_forgets_only_what_a_ledger_has_and_asks_again_for_it() {
    let mut map = KeyMap::new(10, 100);
    map.learn(12, 3, [(key(3, 1), used(1))]);
    map.learn(14, 3, [(key(3, 2), used(2))]);
    map.trim(12);
    assert_eq!(map.floor(), 12);
    assert_eq!(map.standing(key(3, 1), Some(11)), Standing::NeedsLookUp { floor: 12 });
    assert_eq!(map.standing(key(3, 2), None), Standing::Used(used(2)));
    map.trim(99);
    assert_eq!((map.floor(), map.len()), (14, 0), "never beyond what was read");
    map.trim(3);
    assert_eq!(map.floor(), 14, "a ledger that is rebuilt does not bring keys back");
}

#[test]
fn a_full_map_drops_the_oldest_and_sends_them_to_the_ledger() {
    let mut map = KeyMap::new(10, 2);
    for seq in 11..=14 {
        map.learn(seq, 3, [(key(3, seq as u8), used(seq))]);
    }
    assert_eq!((map.len(), map.floor()), (2, 12));
    assert_eq!(map.standing(key(3, 12), Some(11)), Standing::NeedsLookUp { floor: 12 });
    assert_eq!(map.standing(key(3, 13), None), Standing::Used(used(13)));
}

#[test]
fn a_record_that_cannot_be_read_becomes_the_ledgers_to_answer() {
    let mut map = KeyMap::new(10, 100);
    map.told(3, 0);
    map.skip(12, 3);
    assert_eq!(map.standing(key(3, 1), Some(11)), Standing::NeedsLookUp { floor: 12 });
    assert_eq!(map.standing(key(3, 1), Some(12)), Standing::Clear { guard: 12 });
}

#[test]
fn a_key_with_two_messages_is_reported_and_the_first_stands() {
    let mut map = KeyMap::new(10, 100);
    assert_eq!(map.learn(11, 3, [(key(3, 1), used(1))]), 0);
    assert_eq!(map.learn(12, 3, [(key(3, 1), used(2)), (key(3, 2), used(3))]), 1);
    assert_eq!(map.find(key(3, 1)), Some(used(1)));
}

#[test]
fn a_key_is_in_flight_once() {
    let mut map = KeyMap::new(10, 100);
    assert!(map.begin(key(3, 1)));
    assert!(!map.begin(key(3, 1)));
    assert!(map.begin(key(3, 2)));
    map.end(key(3, 1));
    assert!(map.begin(key(3, 1)));
}

proptest! {
    #[test]
    fn reading_a_record_twice_changes_nothing(seqs in proptest::collection::vec(11..40_u64, 1..20)) {
        let (mut once, mut twice) = (KeyMap::new(10, 100), KeyMap::new(10, 100));
        for seq in seqs {
            let entry = [(key(3, seq as u8), used(seq))];
            once.learn(seq, 3, entry);
            twice.learn(seq, 3, entry);
            twice.learn(seq, 3, entry);
        }
        prop_assert_eq!(once.ages, twice.ages);
        prop_assert_eq!(once.buckets, twice.buckets);
        prop_assert_eq!(once.used, twice.used);
    }

    #[test]
    fn whatever_is_trimmed_or_dropped_lies_at_or_below_the_floor(
        steps in proptest::collection::vec((0..3_u8, 1..30_u64), 1..60), keys_max in 1..8_usize,
    ) {
        let mut map = KeyMap::new(0, keys_max);
        let mut all = Vec::new();
        for (seq, (what, number)) in (1..).zip(steps) {
            match what {
                0 => map.trim(number),
                _ => {
                    map.learn(seq, 3, [(key(3, seq as u8), used(seq))]);
                    all.push(seq);
                }
            }
            prop_assert!(map.len() <= keys_max && map.len() == map.ages.len());
            for seq in &all {
                prop_assert!(*seq <= map.floor() || map.find(key(3, *seq as u8)) == Some(used(*seq)));
            }
        }
    }
}
