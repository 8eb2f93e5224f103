//! Holds the accounts that WhatsApp reports to be held, so that their queues wait instead of failing one by one.
//!
//! Shape: what one callback says of each account -> one guarded change of it, or none.
//!
//! Invariants:
//! - A change of the account that this replica has not seen wins over the hold.
//! - The callback is answered whatever becomes of a hold: the next message that fails brings its account's next one.
//!
//! Not here: what the words make of an account (see `domain/callback/hold.rs`).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::directory::DirectoryView;
use angelia_shared::ids::AccountId;
use angelia_shared::log::{AppendError, Group};
use angelia_shared::telemetry::chain;
use futures_util::future;
use tracing::{error, warn};

use crate::domain::callback::hold::{Word, held};
use crate::metrics as names;
use crate::shell::api_log::{ApiLog, AppendFailed};
use crate::shell::directory_writer::entry;

/// How long a callback's answer waits for the holds that follow from it: a batch takes milliseconds, and the provider takes a
/// slow answer for none.
const WITHIN: Duration = Duration::from_secs(1);
/// How often a hold is handed in again after a fence.
const TRIES_MAX: usize = 3;

/// Puts the holds on that the words of one callback make, each account's for itself.
pub(super) async fn put_on(log: &ApiLog, directory: &DirectoryView, words: BTreeMap<AccountId, Vec<Word>>) {
    let holds = words.iter().map(|(account, words)| hold(log, directory, *account, words));
    if tokio::time::timeout(WITHIN, future::join_all(holds)).await.is_err() {
        error!(accounts = words.len(), "it is not known whether accounts that the provider holds are held here");
    }
}

async fn hold(log: &ApiLog, directory: &DirectoryView, id: AccountId, words: &[Word]) {
    let Some(known) = directory.read().any_account(id).cloned() else { return };
    let Some((hold, account)) = held(&known, words, clock::now()) else { return };
    let group = Group::one(entry(account, known.seq));
    for _ in 0..TRIES_MAX {
        match log.append(group.clone()).await {
            Ok(_) => {
                warn!(account.id = %id, state = hold.code(), "the provider reports that it holds an account");
                return metrics::counter!(names::ACCOUNTS_HELD, "state" => hold.code()).increment(1);
            }
            Err(AppendFailed::NotStored(AppendError::NeverStored)) => {}
            Err(AppendFailed::NotStored(AppendError::GuardLost(_))) => return,
            Err(failure) => {
                error!(account.id = %id, error = %chain(&failure), "an account's hold is not in the directory");
                return;
            }
        }
    }
    error!(account.id = %id, "an account's hold was never stored");
}
