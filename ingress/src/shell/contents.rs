//! Reads and opens what is sealed in acceptances.

use angelia_shared::event::{Content, Sealed};
use angelia_shared::ids::{MessageId, Position, WorkspaceId};
use angelia_shared::query::{self, AskContents, AskError, SealedContent};
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

/// The sealed contents of messages of a workspace, by where they were accepted, in that order. Those that are not there are
/// left out.
///
/// # Errors
/// When no ledger answers.
pub(crate) async fn sealed(
    client: &async_nats::Client,
    workspace: WorkspaceId,
    mut places: Vec<Position>,
) -> Result<Vec<SealedContent>, AskError> {
    let mut all = Vec::with_capacity(places.len());
    while !places.is_empty() {
        let ask = AskContents { workspace, places: places.clone() };
        // What stands in the log does not change, so a ledger that is behind knows it as well.
        let (contents, _) = query::ask(client, ask, 0).await?;
        // An answer may be shorter than what was asked for; only an empty one is the end.
        let Some(last) = contents.last().map(|content| content.accepted) else { break };
        let done = places.iter().position(|place| *place == last).map_or(places.len(), |at| at + 1);
        places.drain(..done);
        all.extend(contents);
    }
    Ok(all)
}
