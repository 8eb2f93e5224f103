//! Accounts, as the directory has them.

use angelia_shared::clock;
use angelia_shared::event::AccountChanged;
use angelia_shared::event::directory::{AccountState, CloudSettings, Pace, TransportSettings};
use angelia_shared::ids::{AccountId, WorkspaceId};
use angelia_shared::subject::Partition;
use angelia_shared::vault::{MasterKey, secret_owner};

/// The token of an account that was not given another one.
pub(crate) const TOKEN: &str = "the-right-token";

/// An account of the tests, with the newest state that they gave it.
#[derive(Clone)]
pub(crate) struct Account {
    /// Its state in the directory.
    pub(crate) state: AccountChanged,
    /// Its partition.
    pub(crate) part: Partition,
}

impl Account {
    /// A connected account with a short gap, in one of `partitions`.
    pub(super) fn new(master: &MasterKey, workspace: WorkspaceId, base_url: &str, partitions: u16) -> Self {
        let id = AccountId::generate();
        let now = clock::now();
        let secret = |field: &str, plain: &str| master.seal(&secret_owner(id.0, field), plain.as_bytes());
        let cloud = CloudSettings {
            phone_number_id: format!("1{}", id.0 % 1_000_000_000_000),
            base_url: base_url.to_owned(),
            version: "v26.0".to_owned(),
            access_token: secret("access_token", TOKEN),
            app_secret: secret("app_secret", "a-secret-of-the-tests"),
            verify_token: secret("verify_token", "a-verify-token"),
        };
        let state = AccountChanged {
            v: 1,
            id,
            workspace,
            phone: "+15105566777".to_owned(),
            transport: TransportSettings::Cloud(cloud),
            state: AccountState::Connected,
            state_reason: None,
            state_since: now,
            connected_at: Some(now),
            pace: Pace { gap_ms: (50, 80), ..Pace::default() },
            created_at: now,
            removed: false,
        };
        Self { state, part: Partition::of(id, partitions) }
    }

    /// Its id.
    pub(crate) fn id(&self) -> AccountId {
        self.state.id
    }

    /// The sandbox's name for it.
    pub(crate) fn phone_number_id(&self) -> &str {
        let TransportSettings::Cloud(cloud) = &self.state.transport;
        &cloud.phone_number_id
    }

    /// Its settings on the Cloud API.
    pub(crate) fn cloud(&mut self) -> &mut CloudSettings {
        let TransportSettings::Cloud(cloud) = &mut self.state.transport;
        cloud
    }

    /// Changes its state, as its owner would.
    pub(crate) fn is_now(&mut self, state: AccountState) {
        self.state.state = state;
        self.state.state_since = clock::now();
    }

    /// The milliseconds of its shortest gap.
    pub(crate) fn floor_ms(&self) -> i64 {
        i64::try_from(self.state.pace.gap_ms.0).expect("a short time")
    }
}
