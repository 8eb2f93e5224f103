//! Chats: what is kept of one, and under which keys.
//!
//! Shape: `{workspace}.{chat_id}` holds the [`Chat`]. Beside it `n.{account}.{hash of the name}.{chat_id}` says that a
//! chat of this account may have this name: a name is looked up there, and every hit is checked against the chat itself.
//!
//! Invariants:
//! - A chat is found by its name: its name entry is there before the chat has the name, and goes after it lost it.
//!
//! Not here: reading and writing them (see `shell/chats.rs`).

use std::fmt;

use angelia_shared::ids::{AccountId, WorkspaceId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Longest id of a chat, in characters: it is one token of a key.
const ID_CHARS_MAX: usize = 64;

/// The id of a chat, unique in its workspace: 1 to 64 of letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatId(String);

impl ChatId {
    /// Reads an id; `None` when no chat can have it.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let is_id = (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain);
        is_id.then(|| Self(text.to_owned()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A conversation of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The account that sends in it.
    pub account_id: AccountId,
    /// The person's or the group's JID.
    pub jid: String,
    /// Its name.
    pub name: String,
}

/// The key of a chat.
pub fn key(workspace: WorkspaceId, id: &ChatId) -> String {
    format!("{workspace}.{id}")
}

/// The filter that finds all chats of a workspace.
pub fn filter(workspace: WorkspaceId) -> String {
    format!("{workspace}.*")
}

/// The key of a chat's name entry.
pub fn name_key(account: AccountId, name: &str, id: &ChatId) -> String {
    format!("n.{account}.{}.{id}", name_hash(name))
}

/// The filter that finds all chats of an account that may have this name.
pub fn name_filter(account: AccountId, name: &str) -> String {
    format!("n.{account}.{}.*", name_hash(name))
}

/// The chat that a key is about: its last token.
pub fn id_in(key: &str) -> Option<ChatId> {
    ChatId::parse(key.rsplit_once('.')?.1)
}

/// 128 bits: two names of one account never meet by chance, and a hit is checked anyway.
fn name_hash(name: &str) -> String {
    hex::encode(&Sha256::digest(name.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_token_of_a_key() {
        for text in ["42", "chat_1", "A-b", &"x".repeat(64)] {
            assert!(ChatId::parse(text).is_some(), "{text}");
        }
        for text in ["", "a.b", "*", ">", "a b", "é", "a/b", &"x".repeat(65)] {
            assert_eq!(ChatId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_chat_is_found_in_both_of_its_keys() {
        let (workspace, account) = (WorkspaceId(1), AccountId(2));
        let id = ChatId::parse("c-7").expect("an id");
        assert_eq!(id_in(&key(workspace, &id)), Some(id.clone()));
        let name_key = name_key(account, "Anna. B*", &id);
        assert_eq!(id_in(&name_key), Some(id));
        assert_eq!(
            name_key.rsplit_once('.').map(|(start, _)| format!("{start}.*")),
            Some(name_filter(account, "Anna. B*"))
        );
    }

    #[test]
    fn names_and_accounts_have_filters_of_their_own() {
        let filters = [
            name_filter(AccountId(1), "Anna"),
            name_filter(AccountId(1), "anna"),
            name_filter(AccountId(1), "Anna "),
            name_filter(AccountId(2), "Anna"),
        ];
        let distinct: std::collections::BTreeSet<_> = filters.iter().collect();
        assert_eq!(distinct.len(), filters.len());
    }
}
