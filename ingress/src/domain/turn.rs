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
    use angelia_shared::testing;

    use super::*;

    fn account(state: AccountState) -> AccountChanged {
        testing::account(1, state)
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
