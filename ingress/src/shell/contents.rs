//! Opens what is sealed in acceptances.

use angelia_shared::event::{Content, Sealed};
use angelia_shared::ids::MessageId;
use angelia_shared::vault::{Vault, VaultError};
use tracing::warn;

/// The content of a message; `None` when it was erased, or does not open.
///
/// # Errors
/// [`VaultError`] when the data key cannot be had now.
pub(crate) async fn open(vault: &Vault, message: MessageId, sealed: &Sealed) -> Result<Option<Content>, VaultError> {
    let key = match vault.key(sealed.key_id).await {
        Ok(key) => key,
        Err(VaultError::Gone(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let content = key.open(message, sealed);
    if content.is_err() {
        warn!(message.id = %message, "a message's content does not open");
    }
    Ok(content.ok())
}
