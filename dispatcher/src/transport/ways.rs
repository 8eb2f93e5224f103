//! Every way to WhatsApp that this process has: the one place that knows transports by name.
//!
//! A new transport is a folder beside this file, a variant of the account's settings in the directory, and an arm in each
//! function here.

use std::time::Duration;

use angelia_shared::event::AccountChanged;
use angelia_shared::event::directory::TransportSettings;
use angelia_shared::vault::{MasterKey, secret_owner};

use super::cloud::{self, CloudAccess, CloudClient};
use super::sessions::AllSessions;
use super::{BuildClientError, Capabilities, ProviderRule, Transport};

/// What all accounts share of each transport.
pub struct Ways {
    cloud: CloudClient,
    /// Of the transports that stay connected.
    pub(crate) sessions: AllSessions,
}

impl Ways {
    /// The longest call of any transport.
    pub(crate) const SLOWEST_CALL: Duration = cloud::CAPABILITIES.call_timeout;

    /// Prepares all transports; connects to nothing.
    ///
    /// # Errors
    /// [`BuildClientError`] when TLS cannot be set up. Nothing to retry.
    pub fn new(providers: ProviderRule) -> Result<Ways, BuildClientError> {
        Ok(Ways { cloud: CloudClient::new(providers)?, sessions: AllSessions::default() })
    }

    /// What the transport of these settings can carry.
    pub fn capabilities(settings: &TransportSettings) -> &'static Capabilities {
        match settings {
            TransportSettings::Cloud(_) => &cloud::CAPABILITIES,
        }
    }

    /// An account's way to WhatsApp; `master` opens its credentials.
    ///
    /// # Errors
    /// A sentence for the account's owner, who must mend its settings.
    pub fn of(&self, account: &AccountChanged, master: &MasterKey) -> Result<Box<dyn Transport>, String> {
        match &account.transport {
            TransportSettings::Cloud(settings) => {
                let owner = secret_owner(account.id.0, "access_token");
                let token = master.open_text(&owner, &settings.access_token);
                let token = token.map_err(|_| "the account's access token does not open with this master key")?;
                let access = CloudAccess::new(&settings.base_url, &settings.version, &settings.phone_number_id, &token)
                    .map_err(|refusal| format!("the account's {} cannot be used", refusal.field()))?;
                Ok(Box::new(self.cloud.account(access)))
            }
        }
    }
}
