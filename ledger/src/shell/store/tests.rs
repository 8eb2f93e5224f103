use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use angelia_shared::ids::{Position, WorkspaceId};
use angelia_shared::units::Credits;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::domain::lanes::Lane;
use crate::domain::table::{MemoryTables, Row, Tables};
use crate::domain::wallet::Wallet;

const CACHE: u64 = 8 * 1024 * 1024;
const FIRST: Digest = Digest([7; 32]);
const LOG: LogIdentity = LogIdentity { first: Some(FIRST), last: 1_000 };

fn folder() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("ledger");
    (parent, path)
}

fn head(seq: u64) -> Head {
    Head { seq, first: FIRST, ..Head::default() }
}

/// Makes a ledger's folder that was folded up to 900, with many wallets.
fn filled(path: &Path) {
    let mut overlay = Overlay::open(Arc::new(Store::open(path, CACHE, LOG).unwrap())).unwrap();
    for id in 0..4_000_u64 {
        overlay.put(&WorkspaceId(u128::from(id)), &Wallet { head: id, ..Wallet::default() });
    }
    overlay.put(&(), &head(900));
    overlay.sync().unwrap();
}

fn aside(parent: &TempDir) -> Vec<String> {
    let names = fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("ledger.damaged-")).collect()
}

/// The cursor that a fresh look at the folder finds.
fn cursor(path: &Path, log: LogIdentity) -> u64 {
    let store = Store::open(path, CACHE, log).unwrap();
    store.head().unwrap().map_or(0, |head| head.seq)
}

#[test]
fn rows_and_cursor_are_there_after_opening_again() {
    let (parent, path) = folder();
    filled(&path);
    let overlay = Overlay::open(Arc::new(Store::open(&path, CACHE, LOG).unwrap())).unwrap();
    assert_eq!(overlay.get::<Head>(&()).unwrap().unwrap().seq, 900);
    assert_eq!(overlay.get::<Wallet>(&WorkspaceId(77)).unwrap().unwrap().head, 77);
    assert!(aside(&parent).is_empty());
}

#[test]
fn what_was_not_flushed_is_not_there() {
    let (_parent, path) = folder();
    filled(&path);
    {
        let mut overlay = Overlay::open(Arc::new(Store::open(&path, CACHE, LOG).unwrap())).unwrap();
        overlay.put(&(), &head(950));
        assert_eq!(overlay.get::<Head>(&()).unwrap().unwrap().seq, 950);
    }
    assert_eq!(cursor(&path, LOG), 900);
}

#[test]
fn a_folder_of_another_log_or_ahead_of_it_is_set_aside() {
    let others = [
        LogIdentity { first: Some(Digest([8; 32])), last: 1_000 },
        LogIdentity { first: Some(FIRST), last: 899 },
        LogIdentity { first: None, last: 0 },
    ];
    for other in others {
        let (parent, path) = folder();
        filled(&path);
        assert_eq!(cursor(&path, other), 0, "{other:?}");
        assert_eq!(aside(&parent).len(), 1);
    }
}

#[test]
fn a_folder_of_another_layout_or_without_its_cursor_is_set_aside() {
    let spoil: [fn(&Store); 3] = [
        |store| drop(store.db.insert(LAYOUT_KEY, &99_u32.to_be_bytes()).unwrap()),
        |store| drop(store.db.remove(LAYOUT_KEY).unwrap()),
        |store| drop(store.db.remove([Head::TABLE]).unwrap()),
    ];
    for spoil in spoil {
        let (parent, path) = folder();
        filled(&path);
        {
            let store = Store::open(&path, CACHE, LOG).unwrap();
            spoil(&store);
            store.sync().unwrap();
        }
        assert_eq!(cursor(&path, LOG), 0);
        assert_eq!(aside(&parent).len(), 1);
    }
}

#[test]
fn a_file_that_sled_cannot_read_is_set_aside() {
    let spoil: [fn(&Path); 3] = [
        |path| fs::write(path.join("db"), vec![0xA5; 1 << 20]).unwrap(),
        |path| fs::write(path.join("conf"), "segment_size: 7\nuse_compression: true\nversion: 9.9\n").unwrap(),
        |path| {
            // The middle of every 4 KiB is turned over: no page is left whole.
            let mut file = fs::OpenOptions::new().write(true).open(path.join("db")).unwrap();
            let len = file.metadata().unwrap().len();
            for at in (2_048..len).step_by(4_096) {
                file.seek(SeekFrom::Start(at)).unwrap();
                file.write_all(&[0xFF; 64]).unwrap();
            }
            for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
                if entry.file_name().to_string_lossy().starts_with("snap.") {
                    fs::remove_file(entry.path()).unwrap();
                }
            }
        },
    ];
    for (number, spoil) in spoil.into_iter().enumerate() {
        let (parent, path) = folder();
        filled(&path);
        spoil(&path);
        let seq = cursor(&path, LOG);
        assert_eq!((seq, aside(&parent).len()), (0, 1), "spoiled in way {number}");
    }
}

#[test]
fn a_truncated_file_is_set_aside() {
    for keep in [0, 1, 2, 3] {
        let (parent, path) = folder();
        filled(&path);
        let file = fs::OpenOptions::new().write(true).open(path.join("db")).unwrap();
        file.set_len(file.metadata().unwrap().len() * keep / 4).unwrap();
        let seq = cursor(&path, LOG);
        assert_eq!((seq, aside(&parent).len()), (0, 1), "kept {keep} of 4");
    }
}

#[test]
fn a_folder_that_is_a_file_or_cannot_be_made_is_refused() {
    let (_parent, path) = folder();
    fs::write(&path, "a file").unwrap();
    assert!(matches!(Store::open(&path, CACHE, LOG), Err(StoreError::Folder { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    assert!(matches!(Store::open(&path.join("below"), CACHE, LOG), Err(StoreError::Folder { .. })));
    assert!(matches!(Store::open(Path::new("/proc/ledger"), CACHE, LOG), Err(StoreError::Folder { .. })));
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let (parent, path) = folder();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("letters.txt"), "dear").unwrap();
    assert!(matches!(Store::open(&path, CACHE, LOG), Err(StoreError::NotOurs { .. })));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    assert!(aside(&parent).is_empty());
}

#[test]
fn a_folder_in_use_is_refused_and_not_set_aside() {
    let (parent, path) = folder();
    let first = Store::open(&path, CACHE, LOG).unwrap();
    assert!(matches!(Store::open(&path, CACHE, LOG), Err(StoreError::InUse { .. })));
    drop(first);
    assert!(Store::open(&path, CACHE, LOG).is_ok());
    assert!(aside(&parent).is_empty());
}

#[test]
fn two_folders_set_aside_within_a_second_have_two_names() {
    let (parent, path) = folder();
    for _ in 0..3 {
        filled(&path);
        Store::set_aside(&path, "test").unwrap();
    }
    assert_eq!(aside(&parent).len(), 3);
}

/// One change to the rows, or a flush.
#[derive(Clone, Debug)]
enum Change {
    Put(u8, u64),
    Remove(u8),
    Flush,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (0_u8..24, any::<u64>()).prop_map(|(key, value)| Change::Put(key, value)),
        2 => (0_u8..24).prop_map(Change::Remove),
        1 => Just(Change::Flush),
    ];
    proptest::collection::vec(change, 0..60)
}

fn scanned<T: Tables>(tables: &T, span: &Span, direction: Direction, limit: usize) -> Vec<(u128, u64)>
where
    T::Error: std::fmt::Debug,
{
    let mut rows = Vec::new();
    let visit = |(_, workspace): (_, WorkspaceId), lane: Lane| {
        rows.push((workspace.0, lane.drawn.0));
        if rows.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    tables.scan::<Lane>(span, direction, visit).unwrap();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn rows_over_the_store_look_like_one_table(changes in changes(), from in 0_u8..24, to in 0_u8..24, limit in 1_usize..9) {
        let (_parent, path) = folder();
        let mut overlay = Overlay::open(Arc::new(Store::open(&path, CACHE, LOG).unwrap())).unwrap();
        let mut memory = MemoryTables::default();
        let key = |key: u8| (angelia_shared::ids::WriterId(1), WorkspaceId(u128::from(key)));
        for change in changes {
            match change {
                Change::Put(at, value) => {
                    let lane = Lane { drawn: Credits(value), ..Lane::default() };
                    overlay.put(&key(at), &lane);
                    memory.put(&key(at), &lane);
                }
                Change::Remove(at) => {
                    overlay.remove::<Lane>(&key(at));
                    memory.remove::<Lane>(&key(at));
                }
                Change::Flush => overlay.flush().unwrap(),
            }
        }
        let span = Span::all::<Lane>().starting_at::<Lane>(&key(from)).before::<Lane>(&key(to));
        for span in [Span::all::<Lane>(), span] {
            for direction in [Direction::Up, Direction::Down] {
                prop_assert_eq!(scanned(&overlay, &span, direction, limit), scanned(&memory, &span, direction, limit));
            }
        }
        for at in 0..24 {
            prop_assert_eq!(overlay.get::<Lane>(&key(at)).unwrap(), memory.get::<Lane>(&key(at)).unwrap());
        }
    }
}

#[test]
fn a_row_that_cannot_be_read_is_damage() {
    let (_parent, path) = folder();
    let mut overlay = Overlay::open(Arc::new(Store::open(&path, CACHE, LOG).unwrap())).unwrap();
    overlay.put_bytes([&[Wallet::TABLE][..], &5_u128.to_be_bytes()].concat(), Some(vec![0xFF]));
    overlay.flush().unwrap();
    assert!(overlay.get::<Wallet>(&WorkspaceId(5)).unwrap_err().is_damage());
    assert_eq!(overlay.get::<crate::domain::message::Message>(&Position::new(1, 0)).unwrap(), None);
}
