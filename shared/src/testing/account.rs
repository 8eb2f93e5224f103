//! An account of the Cloud API, where a test needs one and does not care which.

use crate::event::AccountChanged;
use crate::event::directory::{AccountState, CloudSettings, Pace, TransportSettings};
use crate::ids::{AccountId, WorkspaceId};
use crate::units::UnixMillis;
use crate::vault::MasterKey;

/// Account `id` of workspace 1 in that state, since 1970, with credentials that only the key of zeros opens.
pub fn account(id: u128, state: AccountState) -> AccountChanged {
    let secret = || MasterKey::from_hex(&"00".repeat(32)).expect("64 digits").seal(b"", b"");
    AccountChanged {
        v: 1,
        id: AccountId(id),
        workspace: WorkspaceId(1),
        phone: "+15105566777".to_owned(),
        transport: TransportSettings::Cloud(CloudSettings {
            phone_number_id: "1".to_owned(),
            base_url: "http://127.0.0.1:1".to_owned(),
            version: "v26.0".to_owned(),
            access_token: secret(),
            app_secret: secret(),
            verify_token: secret(),
        }),
        state,
        state_reason: None,
        state_since: UnixMillis(0),
        connected_at: None,
        pace: Pace::default(),
        created_at: UnixMillis(0),
        removed: false,
    }
}
