//! Keeps the batches that the broker is still gathering in memory.
//!
//! On a stream with one replica nats-server gathers each atomic batch in a file store of its own: some ten files are made,
//! brought to the disk and removed again, in `batches/` beside the stream's messages. None of that makes anything safer,
//! since a batch counts only once its records are among the messages; the server itself throws `batches/` away when it
//! starts. On replicated streams it gathers them in memory, and we have it do the same: `batches` is a link to a folder on
//! a file system in memory.
//!
//! Shape: a task that looks whether the link is there and sets it, since every start of the broker removes it.
//!
//! Invariants:
//! - Only an empty folder is ever replaced, so a batch that is being gathered is never touched.
//! - Without a file system in memory, or when anything goes wrong, everything works as before, only slower.
//!
//! Source: `newBatchStore` and the recovery of streams in nats-server 2.15.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use angelia_shared::dice;
use nix::sys::statvfs::statvfs;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info};

/// A file system in memory on every Linux.
const MEMORY: &str = "/dev/shm";
/// How the folder there is called, before some random digits.
const NAME: &str = "angelia-batches-";
/// Where the broker has its streams, under its directory. `$G` is its only account.
const STREAMS: &str = "store/jetstream/$G/streams";
/// The broker's folder for batches that it gathers.
const BATCHES: &str = "batches";
/// Less free memory than this there, and batches are gathered on the disk: a broker that cannot store a byte of a batch
/// takes the disk for full. It leaves room for a batch of each of its writers.
const LEAST_FREE_BYTES: u64 = 32 * 1024 * 1024;
/// How often is looked. A batch that is gathered on the disk until then is only slow.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A folder in memory, removed with this.
struct Folder(PathBuf);

impl Folder {
    fn make(memory: &Path) -> io::Result<Self> {
        let path = memory.join(format!("{NAME}{:016x}", dice::u64()));
        // For this user alone; a name that somebody has taken is an error.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            debug!(%error, "a folder in memory is left behind");
        }
    }
}

/// Keeps the link of `stream` set, until this is dropped. `dir` is the broker's directory.
pub(super) async fn keep_in_memory(dir: PathBuf, stream: &'static str) {
    let folder = match Folder::make(Path::new(MEMORY)) {
        Ok(folder) => folder,
        Err(error) => return info!(%error, "there is no folder in memory: the broker gathers batches on the disk"),
    };
    let batches = dir.join(STREAMS).join(stream).join(BATCHES);
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        // Two calls of the system that never wait for the disk: not worth a thread.
        let looked = if has_room(Path::new(MEMORY)) { link(&batches, &folder.0) } else { unlink(&batches, &folder.0) };
        match looked {
            Ok(true) => debug!("the broker gathers batches in memory"),
            Ok(false) => {}
            Err(error) => debug!(%error, "the broker gathers batches on the disk for now"),
        }
    }
}

/// Makes `batches` a link to `folder`, unless it is one, or there is no stream yet, or a batch is being gathered. Returns
/// whether it was set now.
fn link(batches: &Path, folder: &Path) -> io::Result<bool> {
    match fs::read_link(batches) {
        Ok(target) if target == folder => return Ok(false),
        // A link of an earlier run, whose folder may be gone.
        Ok(_) => fs::remove_file(batches)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // A folder: it goes only if it is empty.
        Err(_) => match fs::remove_dir(batches) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => return Ok(false),
            removed => removed?,
        },
    }
    match symlink(folder, batches) {
        Ok(()) => Ok(true),
        // There is no stream yet, or the broker was quicker with a folder of its own.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has the broker gather on the disk again, unless a batch is being gathered.
fn unlink(batches: &Path, folder: &Path) -> io::Result<bool> {
    let is_linked = fs::read_link(batches).is_ok_and(|target| target == folder);
    if is_linked && fs::read_dir(folder)?.next().is_none() {
        fs::remove_file(batches)?;
    }
    Ok(false)
}

fn has_room(memory: &Path) -> bool {
    statvfs(memory).is_ok_and(|found| found.blocks_available() * found.fragment_size() >= LEAST_FREE_BYTES)
}

/// Removes what an earlier run left in memory: the folder that its link names, if it is one of ours.
pub(super) fn remove_leftover(dir: &Path, stream: &str) {
    let batches = dir.join(STREAMS).join(stream).join(BATCHES);
    let Ok(target) = fs::read_link(batches) else { return };
    let is_ours = target.parent() == Some(Path::new(MEMORY))
        && target.file_name().is_some_and(|name| name.to_string_lossy().starts_with(NAME));
    if is_ours && let Err(error) = fs::remove_dir_all(&target) {
        debug!(%error, "cannot remove what an earlier run left in memory");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream's folder, and one in memory.
    fn place() -> (tempfile::TempDir, PathBuf, Folder) {
        let dir = tempfile::tempdir().expect("a folder");
        let batches = dir.path().join(BATCHES);
        let folder = Folder::make(dir.path()).expect("a folder");
        (dir, batches, folder)
    }

    #[test]
    fn an_empty_folder_and_a_missing_one_become_a_link_and_a_link_stays() {
        let (_dir, batches, folder) = place();
        assert!(link(&batches, &folder.0).expect("linked"));
        assert!(!link(&batches, &folder.0).expect("is one"));
        fs::remove_file(&batches).expect("a link");
        fs::create_dir(&batches).expect("a folder");
        assert!(link(&batches, &folder.0).expect("linked"));
        fs::create_dir(batches.join("a-batch")).expect("a batch");
        assert!(folder.0.join("a-batch").is_dir());
    }

    #[test]
    fn a_batch_that_is_being_gathered_is_left_alone() {
        let (_dir, batches, folder) = place();
        fs::create_dir_all(batches.join("a-batch")).expect("a batch");
        assert!(!link(&batches, &folder.0).expect("nothing done"));
        assert!(batches.join("a-batch").is_dir() && fs::read_link(&batches).is_err());
    }

    #[test]
    fn a_link_of_an_earlier_run_is_replaced() {
        let (dir, batches, folder) = place();
        symlink(dir.path().join("gone"), &batches).expect("a link");
        assert!(link(&batches, &folder.0).expect("linked"));
        assert_eq!(fs::read_link(&batches).expect("a link"), folder.0);
    }

    #[test]
    fn without_room_in_memory_the_link_goes_once_no_batch_is_gathered() {
        let (dir, batches, folder) = place();
        assert!(link(&batches, &folder.0).expect("linked"));
        let batch = batches.join("a-batch");
        fs::create_dir(&batch).expect("a batch");
        unlink(&batches, &folder.0).expect("nothing done");
        assert!(batch.is_dir());
        fs::remove_dir(&batch).expect("no batch");
        unlink(&batches, &folder.0).expect("removed");
        assert!(fs::read_link(&batches).is_err());
        assert!(has_room(dir.path()) && !has_room(Path::new("/proc")) && !has_room(&dir.path().join("missing")));
    }

    #[test]
    fn before_there_is_a_stream_nothing_is_done() {
        let (dir, _, folder) = place();
        assert!(!link(&dir.path().join("no-stream").join(BATCHES), &folder.0).expect("nothing done"));
    }

    #[test]
    fn only_a_folder_of_ours_is_removed_after_an_earlier_run() {
        let dir = tempfile::tempdir().expect("a folder");
        let stream = dir.path().join(STREAMS).join("S");
        fs::create_dir_all(&stream).expect("folders");
        let others = dir.path().join("precious");
        fs::create_dir(&others).expect("a folder");
        symlink(&others, stream.join(BATCHES)).expect("a link");
        remove_leftover(dir.path(), "S");
        assert!(others.is_dir());
        let Ok(ours) = Folder::make(Path::new(MEMORY)) else { return };
        fs::remove_file(stream.join(BATCHES)).expect("a link");
        symlink(&ours.0, stream.join(BATCHES)).expect("a link");
        remove_leftover(dir.path(), "S");
        assert!(!ours.0.exists());
    }
}
