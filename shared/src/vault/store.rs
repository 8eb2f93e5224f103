//! Data keys at rest: the bucket `KEYS`, each key wrapped by the master key.
//!
//! Shape: `w.{workspace}` names the workspace's current key, `k.{key}` holds the wrapped key, `master` a word that only the
//! installation's master key opens.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use async_nats::jetstream::kv;
use zeroize::Zeroizing;

use super::{DataKey, MasterKey, OpenError, Secret};
use crate::dice;
use crate::ids::{KeyId, WorkspaceId};

/// A data key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The bucket could not be read or written.
    #[error("cannot reach the bucket of data keys")]
    Bucket(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key was destroyed, or never existed.
    #[error("data key {0} is gone")]
    Gone(KeyId),
    /// The key is there and does not open: the master key is another one.
    #[error("data key {0} does not open with this master key")]
    OtherMaster(KeyId, #[source] OpenError),
    /// An entry is not of the form that this version writes.
    #[error("the entry of data key {0} is damaged")]
    Damaged(String),
}

/// The master key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckMasterError {
    /// The bucket could not be read or written.
    #[error("cannot reach the bucket of data keys")]
    Bucket(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The installation has another one.
    #[error("this is not the master key of this installation; every process needs the same")]
    Another,
}

/// Entry whose value only the installation's master key opens.
const WORD_NAME: &str = "master";
/// What is found when it does.
const WORD: &[u8] = b"angelia";

/// Gives out data keys; keeps those it has seen in memory.
pub struct Vault {
    master: MasterKey,
    bucket: kv::Store,
    by_id: RwLock<HashMap<KeyId, Arc<DataKey>>>,
    current: RwLock<HashMap<WorkspaceId, Arc<DataKey>>>,
}

impl Vault {
    /// Name of the bucket.
    pub const BUCKET: &str = "KEYS";

    /// A vault over the bucket [`BUCKET`](Self::BUCKET).
    pub fn new(master: MasterKey, bucket: kv::Store) -> Self {
        Self { master, bucket, by_id: RwLock::default(), current: RwLock::default() }
    }

    /// Checks that the master key is this installation's. The first process ever to ask makes it so.
    ///
    /// # Errors
    /// [`CheckMasterError`]: retry on `Bucket`.
    pub async fn check_master(&self) -> Result<(), CheckMasterError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| CheckMasterError::Bucket(error);
        // A second look, for when another process is the first between ours and our own word.
        for _ in 0..2 {
            if let Some(word) = self.bucket.get(WORD_NAME).await.map_err(|error| failed(error.into()))? {
                let word = Secret(String::from_utf8_lossy(&word).into_owned());
                let opened = self.master.open(WORD_NAME.as_bytes(), &word);
                return opened.map(drop).map_err(|_| CheckMasterError::Another);
            }
            let Secret(sealed) = self.master.seal(WORD_NAME.as_bytes(), WORD);
            match self.bucket.create(WORD_NAME, sealed.into()).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == kv::CreateErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        Err(failed("the entry comes and goes".into()))
    }

    /// The master key, for credentials in the directory.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// The workspace's current data key; makes one on first use.
    ///
    /// # Errors
    /// [`VaultError`]: retry on `Bucket`, the others need an operator.
    pub async fn current_key(&self, workspace: WorkspaceId) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.current.read().expect("no holder panics").get(&workspace) {
            return Ok(Arc::clone(key));
        }
        let name = format!("w.{workspace}");
        let id = match self.bucket.get(&name).await.map_err(bucket_error)? {
            Some(id) => parse_key_id(&id)?,
            None => self.make_key(&name).await?,
        };
        let key = self.key(id).await?;
        self.current.write().expect("no holder panics").insert(workspace, Arc::clone(&key));
        Ok(key)
    }

    /// A data key by its id.
    ///
    /// # Errors
    /// [`VaultError`]; `Gone` when it was destroyed, and what it sealed with it.
    pub async fn key(&self, id: KeyId) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.by_id.read().expect("no holder panics").get(&id) {
            return Ok(Arc::clone(key));
        }
        let wrapped = self.bucket.get(format!("k.{id}")).await.map_err(bucket_error)?.ok_or(VaultError::Gone(id))?;
        let wrapped = String::from_utf8(wrapped.to_vec()).map_err(|_| VaultError::Damaged(id.to_string()))?;
        let plain =
            self.master.open(&id.0.to_be_bytes(), &Secret(wrapped)).map_err(|e| VaultError::OtherMaster(id, e))?;
        let plain: &[u8; 32] = plain.as_slice().try_into().map_err(|_| VaultError::Damaged(id.to_string()))?;
        let key = Arc::new(DataKey::new(id, plain));
        self.by_id.write().expect("no holder panics").insert(id, Arc::clone(&key));
        Ok(key)
    }

    /// Stores a fresh key, then names it; when two do so at once, the first name stands and the other key is unused.
    async fn make_key(&self, name: &str) -> Result<KeyId, VaultError> {
        let id = KeyId::generate();
        let plain = Zeroizing::new(dice::bytes::<32>());
        let Secret(wrapped) = self.master.seal(&id.0.to_be_bytes(), &plain[..]);
        self.bucket.put(format!("k.{id}"), wrapped.into()).await.map_err(bucket_error)?;
        match self.bucket.create(name, id.to_string().into()).await {
            Ok(_) => Ok(id),
            Err(error) if error.kind() == kv::CreateErrorKind::AlreadyExists => {
                let named = self.bucket.get(name).await.map_err(bucket_error)?;
                parse_key_id(&named.ok_or_else(|| VaultError::Damaged(name.to_owned()))?)
            }
            Err(error) => Err(bucket_error(error)),
        }
    }
}

fn parse_key_id(bytes: &[u8]) -> Result<KeyId, VaultError> {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| VaultError::Damaged(String::from_utf8_lossy(bytes).into_owned()))
}

fn bucket_error(error: impl std::error::Error + Send + Sync + 'static) -> VaultError {
    VaultError::Bucket(Box::new(error))
}
