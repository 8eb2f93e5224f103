//! A disk that a test can fill: a file system of its own, on any Linux machine, with or without privileges.
//!
//! Shape: [`on_a_small_disk`] runs a test a second time, as a process in a mount namespace of its own with a small tmpfs
//! in it. The disk vanishes with the last process that sees it, however that ends: there is nothing to unmount.
//!
//! Ways to such a namespace, tried in this order: as root, as an ordinary user through a user namespace, through `sudo`
//! without a password. Where none is open (some containers, other systems), `ANGELIA_TESTS_SMALL_DISK` names an empty
//! folder on a file system of 100 to 400 MiB, such as one of `docker run --tmpfs /small:size=160m`.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::{self, run_to_end};

/// Names the disk: to the test when it runs the second time, or by whoever runs the tests.
const DISK: &str = "ANGELIA_TESTS_SMALL_DISK";

/// More than the broker wants to find free (64 MiB), and what an installation with a small log needs besides.
const SIZE: &str = "160m";

/// How long a whole test may take.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

/// Ways to a mount namespace, the plainest first.
const WAYS: [&[&str]; 3] = [
    &["unshare", "--mount"],
    &["unshare", "--user", "--map-root-user", "--mount"],
    &["sudo", "-n", "-E", "unshare", "--mount"],
];

/// Mounts the disk on the folder `$0`, then runs the rest.
const MOUNTED: &str = r#"mount -t tmpfs -o "size=$1" tmpfs "$0" && shift && exec "$@""#;

/// A small disk, empty at first.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

/// Gives the small disk, or runs the test `name` on one and returns nothing when it has passed there.
///
/// # Panics
/// When the test failed there, or no disk can be arranged; the message says what to do.
pub async fn on_a_small_disk(name: &str) -> Option<SmallDisk> {
    if let Some(folder) = process::environment(DISK) {
        let disk = SmallDisk { folder: folder.into() };
        assert!(disk.free_bytes() < 500 << 20, "{DISK}: {} is not on a small file system", disk.folder.display());
        return Some(disk);
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let way = WAYS.iter().find(|way| mounted(way, folder.path(), &["true"]).status().is_ok_and(|done| done.success()));
    let way = way.unwrap_or_else(|| {
        panic!(
            "no small disk can be arranged here: neither root, a user namespace nor sudo may mount one. Set {DISK} to an \
             empty folder on a file system of 100 to 400 MiB"
        )
    });
    let test = std::env::current_exe().expect("a running program has a path");
    let test = test.to_str().expect("cargo's own paths are text");
    let mut again = mounted(way, folder.path(), &[test, "--exact", name, "--nocapture", "--test-threads=1"]);
    again.env(DISK, folder.path());
    let finished = run_to_end(again, ENDS_WITHIN).await;
    let ran = finished.stdout.contains("1 passed") || finished.stdout.contains("1 failed");
    assert!(ran, "there is no test {name}: {finished:?}");
    assert!(finished.status.success(), "on a small disk:\n{}\n{}", finished.stdout, finished.stderr);
    None
}

/// A command that runs `rest` with the small disk on `folder`.
fn mounted(way: &[&str], folder: &Path, rest: &[&str]) -> Command {
    let mut command = Command::new(way[0]);
    command.args(&way[1..]).args(["sh", "-c", MOUNTED]).arg(folder).arg(SIZE).args(rest);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl SmallDisk {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// What may still be written.
    ///
    /// # Panics
    /// When it cannot be asked.
    pub fn free_bytes(&self) -> u64 {
        let disk = nix::sys::statvfs::statvfs(&self.folder).expect("a disk can be asked");
        // The width of both differs between systems.
        (disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64)
    }

    /// Fills it to the last byte.
    ///
    /// # Panics
    /// When it cannot be filled.
    pub fn fill(&self) {
        let mut filler = File::create(self.filler()).expect("a file can be made");
        // Less and less at a time, so that nothing is left between two blocks.
        for bytes in [1 << 20, 4096, 1] {
            let block = vec![b'x'; bytes];
            loop {
                match filler.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("the disk cannot be filled: {error}"),
                }
            }
        }
    }

    /// Takes away what filled it.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("a file can be removed");
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}
