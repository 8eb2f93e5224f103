//! The ledger's folder: made, recognised, set aside. A folder that holds something else is never touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use angelia_shared::clock;

use super::StoreError;

/// Says whose folder it is. Written before anything else.
const MARKER: &str = "LEDGER";
const MARKER_TEXT: &str = "Angelia's ledger: a projection of the log. When this folder is missing, it is rebuilt.\n";
/// Says that rows were written. Without it, nobody could tell a lost store from a fresh one.
const BEGUN: &str = "BEGUN";
/// Files that sled makes: a ledger whose marker was lost is still one.
const STORE_FILES: [&str; 2] = ["db", "conf"];
/// Names that are tried for a folder that is set aside; two within a second are rare.
const ASIDE_NAMES_MAX: u32 = 100;

/// Says that the folder cannot be written, as a file system mounted read-only, or another user's.
pub(super) fn is_read_only(error: &StoreError) -> bool {
    match error {
        StoreError::Folder { source, .. } | StoreError::Io(source) => {
            matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
        }
        StoreError::NotOurs { .. } | StoreError::InUse { .. } | StoreError::Damaged { .. } => false,
    }
}

/// Where a folder is rebuilt while the one in `path` still answers.
pub(super) fn rebuilding(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("{name}.rebuilding"))
}

/// Removes a ledger's folder, and nothing else.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    prepare(path)?;
    fs::remove_dir_all(path).map_err(|source| StoreError::Folder { path: path.to_owned(), source })
}

/// Makes the folder, or checks that it is a ledger's and can be written.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    let unusable = |source| StoreError::Folder { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(unusable)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(unusable)? {
        found.push(entry.map_err(unusable)?.file_name());
    }
    let ours = |name: &std::ffi::OsString| name == MARKER || STORE_FILES.iter().any(|file| name == file);
    if !found.is_empty() && !found.iter().any(ours) {
        return Err(StoreError::NotOurs { path: path.to_owned() });
    }
    fs::write(path.join(MARKER), MARKER_TEXT).map_err(unusable)
}

/// Whether rows were ever written to the folder.
pub(super) fn is_begun(path: &Path) -> bool {
    path.join(BEGUN).exists()
}

/// Notes that rows were written.
pub(super) fn begin(path: &Path) -> Result<(), StoreError> {
    fs::write(path.join(BEGUN), "").map_err(|source| StoreError::Folder { path: path.to_owned(), source })
}

/// Renames the folder; returns its new name.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let unusable = |source| StoreError::Folder { path: path.to_owned(), source };
    let time: String = clock::now().to_rfc3339().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..ASIDE_NAMES_MAX {
        let suffix = if number == 0 { String::new() } else { format!("-{number}") };
        let aside = path.with_file_name(format!("{name}.damaged-{time}{suffix}"));
        if !aside.exists() {
            fs::rename(path, &aside).map_err(unusable)?;
            return Ok(aside);
        }
    }
    Err(unusable(io::Error::new(io::ErrorKind::AlreadyExists, "no free name to set it aside")))
}
