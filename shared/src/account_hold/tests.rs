use super::*;
use crate::testing;

const NOW: UnixMillis = UnixMillis(10_000);
const HOLDS: [ProviderHold; 2] = [ProviderHold::ForNow, ProviderHold::UntilMended];

fn account(state: AccountState) -> AccountChanged {
    let state_reason = Some("before".to_owned());
    AccountChanged { state_reason, connected_at: Some(UnixMillis(1)), ..testing::account(1, state) }
}

fn state(account: &AccountChanged, hold: ProviderHold) -> Option<AccountState> {
    hold.put_on(account, String::new(), NOW).map(|held| held.state)
}

#[test]
fn each_code_of_the_account_holds_it_and_no_other_does() {
    for code in [131_048, 131_064] {
        assert_eq!(ProviderHold::of_code(code), Some(ProviderHold::ForNow), "{code}");
    }
    let until_mended =
        [190, 0, 3, 10, 200, 240, 299, 131_005, 368, 131_031, 130_497, 131_042, 131_037, 131_045, 133_010];
    for code in until_mended {
        assert_eq!(ProviderHold::of_code(code), Some(ProviderHold::UntilMended), "{code}");
    }
    let others = [130_429, 80_007, 4, 131_056, 131_057, 131_000, 1, 2, 131_026, 131_049, 131_051, 100, 33, 999_999];
    for code in others {
        assert_eq!(ProviderHold::of_code(code), None, "{code}");
    }
}

#[test]
fn the_provider_stops_an_account_that_sends() {
    let paused = Some(AccountState::Paused { until: Some(NOW.plus_ms(PAUSE_MS)) });
    let over = AccountState::Paused { until: Some(NOW) };
    let lasts = AccountState::Paused { until: Some(NOW.plus_ms(1)) };
    let connected = account(AccountState::Connected);
    assert_eq!(state(&connected, ProviderHold::UntilMended), Some(AccountState::Blocked));
    assert_eq!(state(&connected, ProviderHold::ForNow), paused);
    assert_eq!(state(&account(over), ProviderHold::ForNow), paused);
    assert_eq!(state(&account(over), ProviderHold::UntilMended), Some(AccountState::Blocked));
    assert_eq!(state(&account(lasts), ProviderHold::UntilMended), Some(AccountState::Blocked));
}

#[test]
fn a_hold_has_its_words_and_its_beginning_and_changes_nothing_else() {
    let before = account(AccountState::Connected);
    let held = ProviderHold::UntilMended.put_on(&before, "code 190".to_owned(), NOW).expect("it is held");
    assert_eq!((held.state_reason.as_deref(), held.state_since), (Some("code 190"), NOW));
    let AccountChanged { state, state_reason, state_since, .. } = before.clone();
    assert_eq!(AccountChanged { state, state_reason, state_since, ..held }, before);
}

#[test]
fn the_provider_loosens_nothing_that_the_owner_has_stopped() {
    let lasts = AccountState::Paused { until: Some(NOW.plus_ms(1)) };
    let for_good = AccountState::Paused { until: None };
    for stopped in [AccountState::Disconnected, AccountState::Blocked, for_good, lasts] {
        assert_eq!(state(&account(stopped), ProviderHold::ForNow), None, "{stopped:?}");
    }
    for hold in HOLDS {
        assert_eq!(state(&account(AccountState::Disconnected), hold), None);
        let removed = AccountChanged { removed: true, ..account(AccountState::Connected) };
        assert_eq!(state(&removed, hold), None);
    }
    assert_eq!(state(&account(AccountState::Blocked), ProviderHold::UntilMended), None);
}
