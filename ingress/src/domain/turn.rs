//! When a queued message is likely to leave, and what holds it other than its turn.
//!
//! Shape: (place in the queue, account, when the account may send next, now) -> an estimate. Nothing is promised by it.

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

/// What holds an account's whole queue, as a stable code; `None` when only turns do.
pub fn held_by(account: Option<&AccountChanged>, now: UnixMillis) -> Option<&'static str> {
    let Some(account) = account else { return Some("account_removed") };
    match state_now(account, now) {
        AccountState::Connected => None,
        AccountState::Disconnected => Some("account_disconnected"),
        AccountState::Paused { .. } => Some("account_paused"),
        AccountState::Blocked => Some("account_blocked"),
    }
}

/// When a message with `ahead` others before it is likely to leave: the account's next turn and a mean gap for each of
/// them. `None` when something without a known end holds the queue.
pub fn expected_at(
    ahead: u64,
    account: &AccountChanged,
    next_send_at: Option<UnixMillis>,
    now: UnixMillis,
) -> Option<UnixMillis> {
    let from = match account.state {
        AccountState::Connected => now,
        AccountState::Paused { until } => until?.max(now),
        AccountState::Disconnected | AccountState::Blocked => return None,
    };
    let first = next_send_at.map_or(from, |next| next.max(from));
    let (low, high) = account.pace.gap_ms;
    Some(first.plus_ms(ahead.saturating_mul(low.midpoint(high))))
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
            pace: Pace { gap_ms: (1_500, 2_500) },
            created_at: UnixMillis(0),
            removed: false,
        }
    }

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn each_message_ahead_takes_a_mean_gap() {
        let account = account(AccountState::Connected);
        assert_eq!(expected_at(0, &account, None, NOW), Some(NOW));
        assert_eq!(expected_at(10, &account, None, NOW), Some(NOW.plus_ms(20_000)));
        assert_eq!(expected_at(1, &account, Some(NOW.plus_ms(700)), NOW), Some(NOW.plus_ms(2_700)));
        assert_eq!(expected_at(0, &account, Some(UnixMillis(5)), NOW), Some(NOW));
    }

    #[test]
    fn a_pause_with_an_end_delays_and_anything_without_one_gives_no_estimate() {
        let until = NOW.plus_ms(60_000);
        assert_eq!(expected_at(0, &account(AccountState::Paused { until: Some(until) }), None, NOW), Some(until));
        for state in [AccountState::Paused { until: None }, AccountState::Disconnected, AccountState::Blocked] {
            assert_eq!(expected_at(0, &account(state), None, NOW), None, "{state:?}");
            assert!(held_by(Some(&account(state)), NOW).is_some());
        }
        assert_eq!(held_by(Some(&account(AccountState::Connected)), NOW), None);
        assert_eq!(held_by(None, NOW), Some("account_removed"));
    }

    #[test]
    fn a_pause_whose_end_has_passed_holds_nothing() {
        let paused = account(AccountState::Paused { until: Some(NOW) });
        assert_eq!(state_now(&paused, NOW), AccountState::Connected);
        assert_eq!(held_by(Some(&paused), NOW), None);
        assert_eq!(expected_at(0, &paused, None, NOW), Some(NOW));
        let before = UnixMillis(NOW.0 - 1);
        assert_eq!(held_by(Some(&paused), before), Some("account_paused"));
    }
}
