//! Whether an account's turn can come: the state that holds now.
//!
//! Not here: when its messages go (the dispatcher that owns the account knows).

use angelia_shared::event::AccountChanged;
use angelia_shared::event::directory::AccountState;
use angelia_shared::units::UnixMillis;

/// The state that holds now: a pause whose end has passed is over, although nobody has written so.
pub fn state_now(account: &AccountChanged, now: UnixMillis) -> AccountState {
    match account.state {
        AccountState::Paused { until: Some(until) } if until <= now => AccountState::Connected,
        state => state,
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::directory::{CloudSettings, Pace, TransportSettings};
    use angelia_shared::ids::{AccountId, WorkspaceId};
    use angelia_shared::vault::MasterKey;

    use super::*;

    fn account(state: AccountState) -> AccountChanged {
        let secret = MasterKey::from_hex(&"00".repeat(32)).expect("64 digits").seal(b"", b"");
        AccountChanged {
            v: 1,
            id: AccountId(1),
            workspace: WorkspaceId(1),
            phone: "+15105566777".to_owned(),
            transport: TransportSettings::Cloud(CloudSettings {
                phone_number_id: "1".to_owned(),
                base_url: String::new(),
                version: String::new(),
                access_token: secret.clone(),
                app_secret: secret.clone(),
                verify_token: secret,
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

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_pause_whose_end_has_passed_holds_nothing() {
        let paused = account(AccountState::Paused { until: Some(NOW) });
        assert_eq!(state_now(&paused, NOW), AccountState::Connected);
        assert_eq!(state_now(&paused, UnixMillis(NOW.0 - 1)), paused.state);
        for state in [AccountState::Paused { until: None }, AccountState::Disconnected, AccountState::Blocked] {
            assert_eq!(state_now(&account(state), NOW), state);
        }
    }
}
