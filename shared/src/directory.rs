//! The installation's things in memory: what `ev.directory.>` says now.
//!
//! Shape: a fold of directory events ([`Directory::apply`], pure) behind a view that a task keeps up to date
//! ([`DirectoryView`]). Everything here is small (workspaces, webhooks, accounts, tokens); chats are not.
//!
//! Not here: whether a call is allowed (see the services).

mod view;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub use view::{AccountChange, AccountChanges, DirectoryView};

use crate::event::{AccountChanged, Event, TokenChanged, WebhookChanged, WorkspaceChanged};
use crate::ids::{AccountId, TokenId, WebhookId, WorkspaceId};
use crate::units::UnixMillis;

/// A thing with the sequence of the event that made it so; the sequence guards the next change.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// Sequence of its newest event.
    pub seq: u64,
    /// When the log took that event, by the stream's timestamp.
    pub at: UnixMillis,
    /// Its state.
    pub state: Arc<T>,
}

/// All things of the installation.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    workspaces: HashMap<WorkspaceId, Versioned<WorkspaceChanged>>,
    webhooks: HashMap<WebhookId, Versioned<WebhookChanged>>,
    webhooks_by_token: HashMap<String, WebhookId>,
    accounts: HashMap<AccountId, Versioned<AccountChanged>>,
    tokens: HashMap<TokenId, Versioned<TokenChanged>>,
    tokens_by_hash: HashMap<String, TokenId>,
    of_workspace: HashMap<WorkspaceId, Things>,
    position: u64,
}

#[derive(Clone, Debug, Default)]
struct Things {
    webhooks: BTreeSet<WebhookId>,
    accounts: BTreeSet<AccountId>,
    tokens: BTreeSet<TokenId>,
}

impl Directory {
    /// Folds one record, which the log took at `at`. An older state of a thing than the one known changes nothing, nor does any
    /// other kind of event.
    pub fn apply(&mut self, seq: u64, at: UnixMillis, event: &Event) {
        self.position = self.position.max(seq);
        match event {
            Event::WorkspaceChanged(new) => {
                put(&mut self.workspaces, new.id, (seq, at), new);
                self.of_workspace.entry(new.id).or_default();
            }
            Event::WebhookChanged(new) => self.put_webhook(seq, at, new),
            Event::AccountChanged(new) => {
                put(&mut self.accounts, new.id, (seq, at), new);
                self.of_workspace.entry(new.workspace).or_default().accounts.insert(new.id);
            }
            Event::TokenChanged(new) => {
                put(&mut self.tokens, new.id, (seq, at), new);
                self.tokens_by_hash.insert(new.token_hash.clone(), new.id);
                self.of_workspace.entry(new.workspace).or_default().tokens.insert(new.id);
            }
            _ => {}
        }
    }

    fn put_webhook(&mut self, seq: u64, at: UnixMillis, new: &WebhookChanged) {
        if let Some(old) = self.webhooks.get(&new.id) {
            if old.seq >= seq {
                return;
            }
            self.webhooks_by_token.remove(&old.state.token_hash);
            if let Some(previous) = &old.state.previous {
                self.webhooks_by_token.remove(&previous.token_hash);
            }
        }
        self.webhooks_by_token.insert(new.token_hash.clone(), new.id);
        if let Some(previous) = &new.previous {
            self.webhooks_by_token.insert(previous.token_hash.clone(), new.id);
        }
        put(&mut self.webhooks, new.id, (seq, at), new);
        self.of_workspace.entry(new.workspace).or_default().webhooks.insert(new.id);
    }

    /// The newest sequence folded.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// A workspace.
    pub fn workspace(&self, id: WorkspaceId) -> Option<&Versioned<WorkspaceChanged>> {
        self.workspaces.get(&id)
    }

    /// All workspaces, oldest first.
    pub fn workspaces(&self) -> Vec<&Versioned<WorkspaceChanged>> {
        let mut all: Vec<_> = self.workspaces.values().collect();
        all.sort_by_key(|workspace| workspace.state.id);
        all
    }

    /// The webhook that answers to a URL's token now: the current one, or the replaced one during its grace. Removed
    /// webhooks answer to nothing.
    pub fn webhook_by_token(&self, token_hash: &str, now: UnixMillis) -> Option<&Versioned<WebhookChanged>> {
        let webhook = self.webhooks.get(self.webhooks_by_token.get(token_hash)?)?;
        let in_grace = |previous: &crate::event::directory::PreviousToken| {
            previous.token_hash == token_hash && now < previous.until
        };
        let answers = webhook.state.token_hash == token_hash || webhook.state.previous.as_ref().is_some_and(in_grace);
        (answers && !webhook.state.removed).then_some(webhook)
    }

    /// A webhook of a workspace, unless removed.
    pub fn webhook(&self, workspace: WorkspaceId, id: WebhookId) -> Option<&Versioned<WebhookChanged>> {
        self.webhooks.get(&id).filter(|webhook| webhook.state.workspace == workspace && !webhook.state.removed)
    }

    /// The webhooks of a workspace, oldest first, but removed ones.
    pub fn webhooks_of(&self, workspace: WorkspaceId) -> Vec<&Versioned<WebhookChanged>> {
        let ids = self.of_workspace.get(&workspace).map(|things| &things.webhooks);
        ids.into_iter().flatten().filter_map(|id| self.webhook(workspace, *id)).collect()
    }

    /// An account of any workspace, removed ones too: their queues still end.
    pub fn any_account(&self, id: AccountId) -> Option<&Versioned<AccountChanged>> {
        self.accounts.get(&id)
    }

    /// All accounts, removed ones too.
    pub fn all_accounts(&self) -> impl Iterator<Item = &Versioned<AccountChanged>> {
        self.accounts.values()
    }

    /// An account of a workspace, unless removed.
    pub fn account(&self, workspace: WorkspaceId, id: AccountId) -> Option<&Versioned<AccountChanged>> {
        self.accounts.get(&id).filter(|account| account.state.workspace == workspace && !account.state.removed)
    }

    /// The accounts of a workspace, oldest first, but removed ones.
    pub fn accounts_of(&self, workspace: WorkspaceId) -> Vec<&Versioned<AccountChanged>> {
        let ids = self.of_workspace.get(&workspace).map(|things| &things.accounts);
        ids.into_iter().flatten().filter_map(|id| self.account(workspace, *id)).collect()
    }

    /// A token that is in force, by the SHA-256 of its text.
    pub fn token_by_hash(&self, hash: &str) -> Option<&Versioned<TokenChanged>> {
        self.tokens.get(self.tokens_by_hash.get(hash)?).filter(|token| !token.state.revoked)
    }

    /// The tokens of a workspace that are in force, oldest first.
    pub fn tokens_of(&self, workspace: WorkspaceId) -> Vec<&Versioned<TokenChanged>> {
        let ids = self.of_workspace.get(&workspace).map(|things| &things.tokens);
        let tokens = ids.into_iter().flatten().filter_map(|id| self.tokens.get(id));
        tokens.filter(|token| !token.state.revoked).collect()
    }
}

/// Where and when the log took an event: its sequence and the stream's timestamp.
type Taken = (u64, UnixMillis);

fn put<K: Eq + std::hash::Hash, T: Clone>(map: &mut HashMap<K, Versioned<T>>, id: K, (seq, at): Taken, new: &T) {
    if map.get(&id).is_none_or(|old| old.seq < seq) {
        map.insert(id, Versioned { seq, at, state: Arc::new(new.clone()) });
    }
}

#[cfg(test)]
mod tests;
