//! Used idempotency keys, and the ids that providers gave.
//!
//! Invariants:
//! - IN-2 one key, one accepted message.

use angelia_shared::event::{Digest, KeyUsed};
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::log::digest::sha256;
use angelia_shared::query::UsedKey;
use angelia_shared::wamid;

use super::contradiction::Broken;
use super::table::{Decoder, Encoder, Row, Scattered, Tables};

/// A used key. Keyed by its bucket and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    message: MessageId,
    fingerprint: String,
}

impl Used {
    /// As far as the rule needs it: without the fingerprint.
    pub(super) fn lean(message: MessageId) -> Self {
        Self { message, fingerprint: String::new() }
    }

    /// The message that it was used for.
    pub(super) fn message(&self) -> MessageId {
        self.message
    }
}

impl Scattered for Used {}

impl Row for Used {
    const TABLE: u8 = 13;
    type Key = (u8, [u8; 32]);

    fn write(&self, out: &mut Encoder) {
        out.wide(self.message.0);
        // A fingerprint is 64 hex digits in every event that this version writes: half the room as a digest.
        match self.fingerprint.parse::<Digest>() {
            Ok(digest) if digest.to_string() == self.fingerprint => {
                out.flag(true);
                out.digest(digest);
            }
            Ok(_) | Err(_) => {
                out.flag(false);
                out.text(&self.fingerprint);
            }
        }
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let message = MessageId(input.wide()?);
        let fingerprint = if input.flag()? { input.digest()?.to_string() } else { input.text()?.to_owned() };
        Some(Self { message, fingerprint })
    }
}

/// Folds the use of a key; the first use stands.
///
/// # Errors
/// When the store cannot be read; inside, IN-2 when the key was used for another message.
pub fn used<T: Tables>(tables: &mut T, bucket: u8, fact: &KeyUsed) -> Result<Result<(), Broken>, T::Error> {
    let key = (bucket, digest_of(&fact.key));
    if let Some(first) = tables.get::<Used>(&key)? {
        let same = first.message == fact.message;
        return Ok(if same { Ok(()) } else { Err(Broken::KeyUsedTwice(fact.message)) });
    }
    tables.put(&key, &Used { message: fact.message, fingerprint: fact.fingerprint.clone() });
    Ok(Ok(()))
}

/// The message that a key was used for.
///
/// # Errors
/// When the store cannot be read.
pub fn find<T: Tables>(tables: &T, bucket: u8, key: &str) -> Result<Option<UsedKey>, T::Error> {
    let used = tables.get::<Used>(&(bucket, digest_of(key)))?;
    Ok(used.map(|used| UsedKey { message: used.message, fingerprint: used.fingerprint }))
}

/// A key is the hex form of a digest; anything else is digested, so that no text is refused or mixed up.
fn digest_of(key: &str) -> [u8; 32] {
    match key.parse::<Digest>() {
        Ok(digest) if digest.to_string() == key => digest.0,
        Ok(_) | Err(_) => sha256(key.as_bytes()).0,
    }
}

/// Which message has a part with an id of the provider's. Keyed by half a digest over account and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provided {
    message: MessageId,
    part: u8,
}

impl Scattered for Provided {}

impl Row for Provided {
    const TABLE: u8 = 14;
    type Key = [u8; 16];

    fn write(&self, out: &mut Encoder) {
        out.wide(self.message.0);
        out.byte(self.part);
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self { message: MessageId(input.wide()?), part: input.byte()? })
    }
}

/// Keeps the provider's id of a part.
pub fn provided<T: Tables>(tables: &mut T, account: AccountId, provider_id: &str, message: MessageId, part: u8) {
    tables.put(&provider_key(account, provider_id), &Provided { message, part });
}

/// The message and part behind a provider's id.
///
/// # Errors
/// When the store cannot be read.
pub fn find_provided<T: Tables>(
    tables: &T,
    account: AccountId,
    provider_id: &str,
) -> Result<Option<(MessageId, u8)>, T::Error> {
    let found = tables.get::<Provided>(&provider_key(account, provider_id))?;
    Ok(found.map(|found| (found.message, found.part)))
}

fn provider_key(account: AccountId, provider_id: &str) -> [u8; 16] {
    // Events of earlier versions have it as the provider wrote it.
    let digest = sha256(format!("{account} {}", wamid::veiled(provider_id)).as_bytes());
    *digest.0.first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use angelia_shared::ids::WorkspaceId;

    use super::super::table::MemoryTables;
    use super::*;

    fn fact(key: &str, message: u64) -> KeyUsed {
        let message = MessageId(message);
        KeyUsed { v: 1, key: key.to_owned(), fingerprint: "f".to_owned(), workspace: WorkspaceId(1), message }
    }

    #[test]
    fn a_key_is_found_in_its_bucket_with_its_fingerprint() {
        let mut tables = MemoryTables::default();
        for key in ["ab".repeat(32), "AB".repeat(32), "a text".to_owned()] {
            let fact = KeyUsed { fingerprint: "0f".repeat(32), ..fact(&key, 7) };
            assert_eq!(used(&mut tables, 3, &fact), Ok(Ok(())));
            let found = UsedKey { message: MessageId(7), fingerprint: "0f".repeat(32) };
            assert_eq!(find(&tables, 3, &key), Ok(Some(found)));
            assert_eq!(find(&tables, 4, &key), Ok(None));
        }
    }

    #[test]
    fn a_key_used_for_a_second_message_breaks_in_2_and_the_first_stands() {
        let mut tables = MemoryTables::default();
        assert_eq!(used(&mut tables, 0, &fact("k", 1)), Ok(Ok(())));
        assert_eq!(used(&mut tables, 0, &fact("k", 1)), Ok(Ok(())));
        assert_eq!(used(&mut tables, 0, &fact("k", 2)), Ok(Err(Broken::KeyUsedTwice(MessageId(2)))));
        assert_eq!(find(&tables, 0, "k").unwrap().unwrap().message, MessageId(1));
    }

    #[test]
    fn a_providers_id_belongs_to_one_account() {
        let mut tables = MemoryTables::default();
        provided(&mut tables, AccountId(1), "wamid.X", MessageId(5), 1);
        assert_eq!(find_provided(&tables, AccountId(1), "wamid.X"), Ok(Some((MessageId(5), 1))));
        assert_eq!(find_provided(&tables, AccountId(2), "wamid.X"), Ok(None));
    }
}
