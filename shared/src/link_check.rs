//! Asks a dispatcher whether a link downloads a file that it would send. Over core NATS.
//!
//! Shape: a JSON [`AskLink`] to [`SUBJECT`], a JSON [`Reply`] back from one of the dispatchers, which makes one try by the
//! same checks as before a send: only they may connect to what a user names.
//!
//! Not here: the checks (the dispatcher's `attachments`), who may ask (the API).

use std::time::Duration;

use async_nats::RequestErrorKind;
use serde::{Deserialize, Serialize};

use crate::ids::WorkspaceId;

/// The subject; the dispatchers answer it in one queue group.
pub const SUBJECT: &str = "angelia.dispatcher.link_check";
/// The queue group.
pub const GROUP: &str = "dispatchers";
/// Longer than any try takes (20 s), with what the way there and back needs.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// A link that is asked about.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskLink {
    /// Who asks: each has some checks at once, so that nobody keeps the others waiting.
    pub workspace: WorkspaceId,
    /// The link.
    pub url: String,
    /// The name that the file would be sent under; its ending helps to tell what the file is. May be empty.
    #[serde(default)]
    pub file_name: String,
}

// By hand: links carry signatures.
impl std::fmt::Debug for AskLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskLink").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

/// What a dispatcher says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It tried.
    Checked(LinkChecked),
    /// It makes as many checks as it may, or as this workspace may. Nothing was tried.
    Busy,
}

/// What came of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LinkChecked {
    /// Whether it downloads a file that would be sent now.
    pub ok: bool,
    /// The file's media type, as WhatsApp would be told.
    pub content_type: Option<String>,
    /// The file's length.
    pub bytes: Option<u64>,
    /// Why not, as the reason code that a message with this link would fail with.
    pub reason: Option<String>,
    /// What was seen, in words. Holds no part of the link.
    pub detail: Option<String>,
    /// What to do about it, in words.
    pub advice: Option<String>,
}

/// No dispatcher said anything of a link.
#[derive(Debug, thiserror::Error)]
pub enum AskLinkError {
    /// None is there, or none answered in time.
    #[error("no dispatcher answers")]
    NoDispatcher(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too many checks at once.
    #[error("too many links are being checked")]
    Busy,
    /// The answer cannot be read.
    #[error("the dispatcher's answer cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

/// Asks any dispatcher; takes as long as the link's server, up to 20 s.
///
/// # Errors
/// [`AskLinkError`]; retry on the first two.
pub async fn ask(client: &async_nats::Client, ask: &AskLink) -> Result<LinkChecked, AskLinkError> {
    let payload = serde_json::to_vec(ask).expect("questions have only plain values");
    let request = async_nats::Request::new().payload(payload.into()).timeout(Some(PATIENCE));
    // The bound holds also while the request itself waits for a connection.
    let answer = tokio::time::timeout(PATIENCE, client.send_request(SUBJECT, request)).await;
    let answer = answer.unwrap_or_else(|_| Err(RequestErrorKind::TimedOut.into()));
    let answer = answer.map_err(|error| AskLinkError::NoDispatcher(Box::new(error)))?;
    match serde_json::from_slice(&answer.payload).map_err(AskLinkError::Unreadable)? {
        Reply::Checked(checked) => Ok(checked),
        Reply::Busy => Err(AskLinkError::Busy),
    }
}
