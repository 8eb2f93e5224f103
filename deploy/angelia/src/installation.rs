//! What every role needs of the installation: the log, the vault, a name of its own.

use std::path::Path;
use std::sync::Arc;

use angelia_shared::ids::MemberId;
use angelia_shared::log::{Access, EventLog, connect};
use angelia_shared::vault::{MasterKey, Vault};
use anyhow::Context as _;

use crate::settings::Config;

/// An open installation.
#[derive(Clone)]
pub(crate) struct Installation {
    pub(crate) log: EventLog,
    pub(crate) vault: Arc<Vault>,
    pub(crate) member: MemberId,
}

impl Installation {
    /// Connects to the broker and opens the log and the vault.
    ///
    /// # Errors
    /// Says what to do: broker away, too old, without JetStream, stream with wrong settings, master key missing or another's.
    pub(crate) async fn open(access: &Access, config: &Config, master_key: &Path) -> anyhow::Result<Self> {
        let member = MemberId::generate();
        let client = connect(access, &format!("angelia-{member}")).await?;
        let log = EventLog::open(client, config.replicas, config.partitions).await?;
        let master = read_master_key(master_key)?;
        let bucket = log.bucket(Vault::BUCKET, config.replicas, None).await?;
        let vault = Vault::new(master, bucket);
        vault.check_master().await.with_context(|| format!("cannot use the master key {}", master_key.display()))?;
        Ok(Self { vault: Arc::new(vault), log, member })
    }
}

/// Reads a master key's file.
///
/// # Errors
/// When it is not there or holds something else.
pub(crate) fn read_master_key(path: &Path) -> anyhow::Result<MasterKey> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("cannot read the master key {}; every process of an installation needs the same", path.display())
    })?;
    MasterKey::from_hex(&text)
        .with_context(|| format!("{} does not hold a master key of 64 hex digits", path.display()))
}
