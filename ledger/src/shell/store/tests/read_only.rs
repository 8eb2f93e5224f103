//! A folder that may be read and not written.

use super::*;

/// Opens the store as somebody whom permissions bind, which they do not bind root.
fn open_as_nobody(path: &Path) -> Result<u64, StoreError> {
    let path = path.to_owned();
    let opening = std::thread::spawn(move || {
        if nix::unistd::geteuid().is_root() {
            // Of this thread alone, and what it may do to files alone.
            nix::unistd::setfsuid(NOBODY);
        }
        let store = Store::open(&path, CACHE, LOG)?;
        Ok(store.head()?.map_or(0, |head| head.seq))
    });
    opening.join().unwrap()
}

const NOBODY: nix::unistd::Uid = nix::unistd::Uid::from_raw(65_534);

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// A ledger's folder that may be read and not written.
fn read_only() -> (TempDir, PathBuf) {
    let (parent, path) = folder();
    filled(&path);
    for entry in fs::read_dir(&path).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        permit(&entry.path(), 0o444);
    }
    permit(&path, 0o555);
    if nix::unistd::geteuid().is_root() {
        nix::unistd::chown(parent.path(), Some(NOBODY), None).unwrap();
    }
    (parent, path)
}

#[test]
fn a_folder_that_cannot_be_written_is_set_aside() {
    let (parent, path) = read_only();
    assert_eq!(open_as_nobody(&path).unwrap(), 0);
    assert_eq!(aside(&parent).len(), 1);
    permit(&parent.path().join(&aside(&parent)[0]), 0o755);
}

#[test]
fn a_folder_that_can_neither_be_written_nor_replaced_is_refused_and_left_alone() {
    let (parent, path) = read_only();
    permit(parent.path(), 0o555);
    let refused = open_as_nobody(&path);
    assert!(matches!(refused, Err(StoreError::Folder { .. } | StoreError::Io(_))), "{refused:?}");
    permit(parent.path(), 0o755);
    permit(&path, 0o755);
    assert!(aside(&parent).is_empty());
    for entry in fs::read_dir(&path).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        permit(&entry.path(), 0o644);
    }
    assert_eq!(cursor(&path, LOG), 900);
}
