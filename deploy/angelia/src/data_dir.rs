//! The directory that holds everything a standalone installation keeps: one process at a time, readable to one user.
//!
//! Shape: a path -> [`DataDir`], which is the lock. Whoever holds one may write; the last clone that is dropped gives
//! the directory up, and so does the end of the process, however it ends.
//!
//! Invariants:
//! - No two live processes hold the same directory.
//! - A file written here is seen whole or not at all, and has mode 0600.
//!
//! Not here: what the files mean (see `broker.rs` for the broker's).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use angelia_shared::dice;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Holds the lock, and the process id of the holder for the message to whoever comes second.
const LOCK_FILE: &str = "lock";

/// A predecessor that was killed holds the lock until the system has cleared it away, and a process that is being
/// started holds whatever its parent held until it runs its own program. A second is ample for both.
const LOCK_TRIES: u32 = 50;
const LOCK_TRY_EVERY: Duration = Duration::from_millis(20);

/// A data directory that this process holds alone. Clones share the lock.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory when it is missing, and locks it for as long as the result or a clone of it lives.
    ///
    /// A directory that is created is closed to other users. One that was there keeps its mode, since it may be
    /// shared on purpose; what is private in it lies in directories and files of its own. Blocks for up to a second
    /// when somebody else holds it.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] when another process holds it; [`DataDirError::Unusable`] when it cannot be created or
    /// written.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
        create_private(path).map_err(unusable)?;
        // Told to a child process and compared with what a leftover was told: it must not depend on where we started.
        let path = path.canonicalize().map_err(unusable)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(unusable)?;
        if !take(&lock).map_err(unusable)? {
            let holder = fs::read_to_string(&lock_path).ok().and_then(|text| text.trim().parse().ok());
            return Err(DataDirError::InUse { path, holder });
        }
        lock.set_len(0).and_then(|()| writeln!(&lock, "{}", std::process::id())).map_err(unusable)?;
        Ok(Self { held: Arc::new(Held { path, _lock: lock }) })
    }

    /// The absolute path, free of symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.held.path
    }

    /// Makes sure of a directory inside that other users cannot enter, and returns its path.
    ///
    /// # Errors
    /// [`DataDirError::Write`].
    pub(crate) fn private_dir(&self, name: &str) -> Result<PathBuf, DataDirError> {
        let path = self.path().join(name);
        let create = || {
            create_private(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            sync_parent(&path)
        };
        create().map_err(|source| DataDirError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    /// Replaces the file `name` (relative to the directory) as one step, on disk when this returns, with mode 0600.
    ///
    /// Not for two callers with the same name at once: they would share the temporary file beside it.
    ///
    /// # Errors
    /// [`DataDirError::Write`]; the file is then as it was.
    pub(crate) fn write_private(&self, name: &str, bytes: &[u8]) -> Result<(), DataDirError> {
        let path = self.path().join(name);
        replace(&path, bytes).map_err(|source| DataDirError::Write { path, source })
    }

    /// Reads the secret of `BYTES` bytes in the file `name`, or rolls it and stores it first. Returns lower-case hex.
    ///
    /// # Errors
    /// [`DataDirError::MalformedSecret`] when the file holds something else: it is never replaced, since what was
    /// sealed with it would be lost. [`DataDirError::Read`] and [`DataDirError::Write`].
    pub(crate) fn read_or_create_secret<const BYTES: usize>(&self, name: &str) -> Result<String, DataDirError> {
        let path = self.path().join(name);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let secret = text.trim();
                let is_hex = secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if secret.len() != 2 * BYTES || !is_hex {
                    return Err(DataDirError::MalformedSecret { path, digits: 2 * BYTES });
                }
                Ok(secret.to_owned())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = hex::encode(dice::bytes::<BYTES>());
                self.write_private(name, format!("{secret}\n").as_bytes())?;
                Ok(secret)
            }
            // Not UTF-8 is as malformed as a wrong length.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(DataDirError::MalformedSecret { path, digits: 2 * BYTES })
            }
            Err(source) => Err(DataDirError::Read { path, source }),
        }
    }

    /// Bytes that this user may still write on the directory's disk.
    ///
    /// # Errors
    /// [`DataDirError::Read`].
    pub(crate) fn free_bytes(&self) -> Result<u64, DataDirError> {
        let disk = nix::sys::statvfs::statvfs(self.path())
            .map_err(|errno| DataDirError::Read { path: self.path().to_owned(), source: errno.into() })?;
        // The width of both differs between systems.
        Ok((disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64))
    }
}

/// Why a data directory, or a file in it, cannot be used.
#[derive(Debug, Error)]
pub(crate) enum DataDirError {
    /// It cannot be created, opened or locked.
    #[error("cannot use data directory {}: {}", path.display(), advice(source))]
    Unusable {
        /// As it was asked for.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Another process holds it.
    #[error(
        "data directory {} is in use by another angelia{}: stop that one, or name another directory with --data",
        path.display(),
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that said it holds it.
        holder: Option<u32>,
    },
    /// A file in it cannot be written.
    #[error("cannot write {}: {}", path.display(), advice(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file in it cannot be read.
    #[error("cannot read {}: {}", path.display(), advice(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A secret's file holds something else.
    #[error(
        "{} does not hold {digits} hex digits: restore it from a backup, or start with an empty data directory",
        path.display()
    )]
    MalformedSecret {
        /// The file.
        path: PathBuf,
        /// How many hex digits it must hold.
        digits: usize,
    },
}

/// What to do about an error of the file system.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, or name another directory with --data"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "its disk is full, free some space and start again"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is in the way, move it or name another directory with --data"
        }
        _ => "check the directory and its disk",
    }
}

/// Takes the lock, unless somebody keeps it.
fn take(lock: &File) -> io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_TRY_EVERY),
            Err(TryLockError::Error(source)) => return Err(source),
        }
    }
    Ok(false)
}

/// Makes a directory, and those above it, that other users cannot enter. One that is there stays as it is.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    // The mode above counts only for a file that is created, and a crash may have left this one.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Makes a rename or a new name survive a power failure.
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
