//! An account's secrets: sealed under the master key, each bound to its account and its field.

use angelia_shared::event::AccountChanged;
use angelia_shared::event::directory::TransportSettings;
use angelia_shared::ids::AccountId;
use angelia_shared::vault::{MasterKey, OpenError, Secret, secret_owner};

/// A secret of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Bearer token of calls.
    AccessToken,
    /// Signs callbacks.
    AppSecret,
    /// Answers the callback's verification.
    VerifyToken,
}

impl Field {
    /// Its name, in the API and in what the secret is bound to.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::AppSecret => "app_secret",
            Self::VerifyToken => "verify_token",
        }
    }

    fn of(self, account: &AccountChanged) -> &Secret {
        let TransportSettings::Cloud(cloud) = &account.transport;
        match self {
            Self::AccessToken => &cloud.access_token,
            Self::AppSecret => &cloud.app_secret,
            Self::VerifyToken => &cloud.verify_token,
        }
    }
}

/// Seals a secret of an account: bound to the account and the field.
pub(crate) fn seal(master: &MasterKey, account: AccountId, field: Field, plain: &str) -> Secret {
    master.seal(&owner(account, field), plain.as_bytes())
}

/// Opens a secret of an account.
///
/// # Errors
/// [`OpenError`] when it was sealed under another master key.
pub(crate) fn open(master: &MasterKey, account: &AccountChanged, field: Field) -> Result<String, OpenError> {
    master.open_text(&owner(account.id, field), field.of(account))
}

/// Says whether every secret is there and opens.
///
/// # Errors
/// The first one that does not.
pub(crate) fn check(master: &MasterKey, account: &AccountChanged) -> Result<(), Field> {
    for field in [Field::AccessToken, Field::AppSecret, Field::VerifyToken] {
        if !open(master, account, field).is_ok_and(|plain| !plain.is_empty()) {
            return Err(field);
        }
    }
    Ok(())
}

fn owner(account: AccountId, field: Field) -> Vec<u8> {
    secret_owner(account.0, field.name())
}
