//! The installation's things: workspaces, webhooks, accounts, tokens. Each event holds the thing's whole new state.

use serde::{Deserialize, Serialize};

use super::message::UnknownPolicy;
use super::v1;
use crate::ids::{AccountId, TokenId, WebhookId, WorkspaceId};
use crate::units::{Credits, UnixMillis};
use crate::vault::Secret;

pub use super::pace::{Pace, QuietHours, TimeOfDay, WarmUp};

/// A workspace was created or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceChanged {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// What becomes of messages whose outcome stays unknown.
    #[serde(default)]
    pub unknown_policy: UnknownPolicy,
    /// Below how many credits to warn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_balance: Option<Credits>,
    /// When it was created.
    pub created_at: UnixMillis,
}

/// A webhook was created, switched, given a new URL, or removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookChanged {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Whether calls are taken.
    pub enabled: bool,
    /// SHA-256 of the URL's token, hex: what a call is looked up by.
    pub token_hash: String,
    /// The token itself, sealed, since its URL can be shown again.
    pub token: Secret,
    /// The URL that was replaced, while its grace lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousToken>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// Whether it was removed.
    #[serde(default)]
    pub removed: bool,
}

/// A replaced URL that still works for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreviousToken {
    /// SHA-256 of its token, hex.
    pub token_hash: String,
    /// Until when it works.
    pub until: UnixMillis,
}

/// An account was added, changed, or removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountChanged {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its number, `+` and digits.
    pub phone: String,
    /// How it reaches WhatsApp.
    pub transport: TransportSettings,
    /// Whether it may send.
    pub state: AccountState,
    /// Why it is in that state, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    /// Since when it is in that state: what its queue waits for is counted from here.
    #[serde(default)]
    pub state_since: UnixMillis,
    /// When it was last connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<UnixMillis>,
    /// How fast it sends.
    pub pace: Pace,
    /// When it was added.
    pub created_at: UnixMillis,
    /// Whether it was removed.
    #[serde(default)]
    pub removed: bool,
}

impl AccountChanged {
    /// Whether the account may be chosen for new messages: added, once connected, and not removed, blocked or
    /// disconnected by the owner.
    pub fn is_active(&self) -> bool {
        !self.removed
            && self.connected_at.is_some()
            && match self.state {
                AccountState::Connected | AccountState::Paused { .. } => true,
                AccountState::Disconnected | AccountState::Blocked => false,
            }
    }
}

/// Whether an account may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// It sends.
    Connected,
    /// The owner disconnected it, or has not connected it yet.
    Disconnected,
    /// It waits by itself, or the owner paused it.
    Paused {
        /// Until when; none means until somebody resumes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<UnixMillis>,
    },
    /// WhatsApp refuses it until its settings are mended.
    Blocked,
}

/// How an account reaches WhatsApp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportSettings {
    /// The Cloud API.
    Cloud(CloudSettings),
}

/// An account's settings on the Cloud API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloudSettings {
    /// The number's id in the Graph.
    pub phone_number_id: String,
    /// Where the Graph is, without a version: `https://graph.facebook.com`.
    pub base_url: String,
    /// Version of the Graph: `v26.0`.
    pub version: String,
    /// Bearer token of calls.
    pub access_token: Secret,
    /// Signs callbacks.
    pub app_secret: Secret,
    /// Answers the callback's verification.
    pub verify_token: Secret,
}

/// A token was given or revoked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenChanged {
    /// Version of the event's form.
    #[serde(default = "v1")]
    pub v: u8,
    /// Its id.
    pub id: TokenId,
    /// What it opens.
    pub workspace: WorkspaceId,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token, hex.
    pub token_hash: String,
    /// A name for people.
    #[serde(default)]
    pub label: String,
    /// When it was given.
    pub created_at: UnixMillis,
    /// Whether it was revoked.
    #[serde(default)]
    pub revoked: bool,
}

/// What a token of a workspace may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything in its workspace.
    Owner,
    /// Reads what accounting needs.
    Auditor,
}
