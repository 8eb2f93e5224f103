//! What a backup says of itself: `backup.json`, and `SHA256SUMS` in the form that `sha256sum -c` reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use angelia_shared::event::{Digest, LedgerCheckpointed};
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The description's name in a backup's folder.
pub(super) const MANIFEST: &str = "backup.json";
const SUMS: &str = "SHA256SUMS";
/// The form of a backup that this version writes and reads.
const VERSION: u8 = 1;
const READ_AT_ONCE: usize = 1024 * 1024;

/// What a backup holds, and what its log must be once it is restored.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Manifest {
    v: u8,
    /// The log's last sequence.
    pub(super) last_seq: u64,
    /// Chain over every record.
    pub(super) log_digest: Digest,
    /// The newest checkpoint, with the sequence of its record.
    pub(super) checkpoint: Option<(u64, LedgerCheckpointed)>,
    /// What broke an invariant when the backup was made.
    pub(super) finding: Option<String>,
    /// The streams, in the order in which they were read.
    pub(super) streams: Vec<StreamFile>,
}

/// One stream's file.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StreamFile {
    /// The stream's name.
    pub(super) stream: String,
    /// Its file in the folder.
    pub(super) file: String,
    /// Its settings, as the broker told them.
    pub(super) config: serde_json::Value,
    /// Its state, as the broker told it.
    pub(super) state: serde_json::Value,
}

impl Manifest {
    /// A description of what was backed up.
    pub(super) fn new(
        last_seq: u64,
        log_digest: Digest,
        checkpoint: Option<(u64, LedgerCheckpointed)>,
        finding: Option<String>,
        streams: Vec<StreamFile>,
    ) -> Self {
        Self { v: VERSION, last_seq, log_digest, checkpoint, finding, streams }
    }

    /// Writes the description, and then the sums that make the folder a backup.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let mut file = create(&folder.join(MANIFEST))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        let mut sums = String::new();
        for name in self.files() {
            sums.push_str(&format!("{}  {name}\n", sum_of(&folder.join(name))?));
        }
        let mut file = create(&folder.join(SUMS))?;
        file.write_all(sums.as_bytes())?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    /// Reads a backup's description, after every byte of the backup was checked.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let sums = fs::read_to_string(folder.join(SUMS))
            .with_context(|| format!("{} is no whole backup: its {SUMS} cannot be read", folder.display()))?;
        let mut named = Vec::new();
        for line in sums.lines() {
            let Some((sum, name)) = line.split_once("  ").filter(|(_, name)| !name.contains('/')) else {
                bail!("{SUMS} in {} was changed: {line:?} names no file", folder.display());
            };
            let found = sum_of(&folder.join(name)).with_context(|| format!("cannot read {name} of the backup"))?;
            if found != sum {
                bail!("{name} in {} was changed: its SHA-256 is {found}, and was {sum}", folder.display());
            }
            named.push(name);
        }
        if !named.contains(&MANIFEST) {
            bail!("{SUMS} in {} was changed: it does not name {MANIFEST}", folder.display());
        }
        let manifest: Self = serde_json::from_slice(&fs::read(folder.join(MANIFEST))?)
            .with_context(|| format!("cannot read {MANIFEST} of the backup"))?;
        if manifest.v != VERSION {
            bail!("the backup is of version {}, and this program reads version {VERSION}", manifest.v);
        }
        let unnamed = manifest.files().find(|name| !named.contains(name)).map(str::to_owned);
        match unnamed {
            None => Ok(manifest),
            Some(name) => bail!("{SUMS} in {} was changed: it does not name {name}", folder.display()),
        }
    }

    fn files(&self) -> impl Iterator<Item = &str> {
        std::iter::once(MANIFEST).chain(self.streams.iter().map(|stream| stream.file.as_str()))
    }
}

/// Makes a file that only this user can read: it holds sealed contents and wrapped keys.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn sum_of(path: &Path) -> io::Result<String> {
    let (mut file, mut sha, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; READ_AT_ONCE]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(sha.finalize())),
            read => sha.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("A.snapshot"), b"some bytes").expect("written");
        let stream = StreamFile {
            stream: "A".to_owned(),
            file: "A.snapshot".to_owned(),
            config: serde_json::json!({}),
            state: serde_json::json!({}),
        };
        let manifest = Manifest::new(7, Digest::default(), None, None, vec![stream]);
        manifest.write(folder.path()).expect("written");
        folder
    }

    #[test]
    fn a_backup_reads_back() {
        let manifest = Manifest::read(backup().path()).expect("whole");
        assert_eq!((manifest.last_seq, manifest.streams.len()), (7, 1));
    }

    #[test]
    fn a_changed_byte_in_any_file_is_found() {
        for name in ["A.snapshot", MANIFEST, SUMS] {
            let folder = backup();
            let path = folder.path().join(name);
            let bytes = fs::read(&path).expect("it is there");
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                fs::write(&path, &changed).expect("written");
                assert!(Manifest::read(folder.path()).is_err(), "byte {at} of {name}");
            }
        }
    }

    #[test]
    fn a_missing_file_or_missing_sums_are_found() {
        for name in ["A.snapshot", MANIFEST, SUMS] {
            let folder = backup();
            fs::remove_file(folder.path().join(name)).expect("it was there");
            assert!(Manifest::read(folder.path()).is_err(), "{name}");
        }
        let folder = backup();
        let sums = fs::read_to_string(folder.path().join(SUMS)).expect("it is there");
        for left in sums.lines() {
            fs::write(folder.path().join(SUMS), format!("{left}\n")).expect("written");
            assert!(Manifest::read(folder.path()).is_err(), "only {left}");
        }
    }
}
