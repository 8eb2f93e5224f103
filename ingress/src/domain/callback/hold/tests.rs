use std::sync::Arc;

use angelia_shared::account_hold::PAUSE_MS;
use angelia_shared::event::directory::AccountState;
use angelia_shared::testing;
use proptest::prelude::*;

use super::*;

/// Far enough from 0 for anything to be long ago.
const NOW: UnixMillis = UnixMillis(1_000_000_000);
const MINUTE: i64 = 60_000;
const PAUSED: AccountState = AccountState::Paused { until: Some(UnixMillis(NOW.0 + PAUSE_MS as i64)) };

fn before(ms: i64) -> UnixMillis {
    UnixMillis(NOW.0 - ms)
}

fn word(hold: ProviderHold, at: UnixMillis) -> Word {
    Word { hold, at, detail: format!("{hold:?}") }
}

/// A connected account in that state since `since`, last changed at `at`.
fn account(since: UnixMillis, at: UnixMillis) -> Versioned<AccountChanged> {
    let account = testing::account(1, AccountState::Connected);
    let state = AccountChanged { state_since: since, connected_at: Some(since), ..account };
    Versioned { seq: 7, at, state: Arc::new(state) }
}

fn state(account: &Versioned<AccountChanged>, words: &[Word]) -> Option<AccountState> {
    held(account, words, NOW).map(|(_, held)| held.state)
}

#[test]
fn a_fresh_word_holds_the_account_in_its_own_words() {
    let account = account(before(MINUTE), before(MINUTE));
    let (hold, blocked) = held(&account, &[word(ProviderHold::UntilMended, before(1_000))], NOW).expect("it is held");
    assert_eq!(hold, ProviderHold::UntilMended);
    assert_eq!((blocked.state, blocked.state_since), (AccountState::Blocked, NOW));
    assert_eq!(blocked.state_reason.as_deref(), Some("UntilMended"));
    assert_eq!(state(&account, &[word(ProviderHold::ForNow, before(1_000))]), Some(PAUSED));
    assert_eq!(state(&account, &[]), None);
}

#[test]
fn the_firmest_word_that_counts_holds_wherever_it_stands() {
    let account = account(before(MINUTE), before(MINUTE));
    let (calm, stop) = (word(ProviderHold::ForNow, NOW), word(ProviderHold::UntilMended, NOW));
    let late = word(ProviderHold::UntilMended, before(2 * MINUTE));
    assert_eq!(state(&account, &[calm.clone(), stop.clone(), calm.clone()]), Some(AccountState::Blocked));
    assert_eq!(state(&account, &[late.clone(), calm]), Some(PAUSED));
    assert_eq!(state(&account, &[late, stop]), Some(AccountState::Blocked));
}

#[test]
fn a_word_from_before_the_accounts_state_or_newest_settings_changes_nothing() {
    let long_ago = before(60 * MINUTE);
    for (since, at) in [(NOW, long_ago), (long_ago, NOW), (before(999), long_ago), (long_ago, before(999))] {
        let account = account(since, at);
        for hold in [ProviderHold::ForNow, ProviderHold::UntilMended] {
            assert_eq!(state(&account, &[word(hold, before(1_000))]), None, "{since:?} {at:?}");
        }
    }
    let account = account(before(1_000), before(1_000));
    assert_eq!(state(&account, &[word(ProviderHold::ForNow, before(1_000))]), Some(PAUSED));
}

#[test]
fn a_word_that_is_old_or_from_the_future_changes_nothing() {
    let account = account(UnixMillis(0), UnixMillis(0));
    let at = |ms: i64| state(&account, &[word(ProviderHold::UntilMended, before(ms))]);
    let fresh = FRESH_MS as i64;
    for ms in [0, 1, fresh, -fresh] {
        assert_eq!(at(ms), Some(AccountState::Blocked), "{ms}");
    }
    for ms in [fresh + 1, -fresh - 1, 7 * 24 * 60 * MINUTE, i64::MIN / 2] {
        assert_eq!(at(ms), None, "{ms}");
    }
}

proptest! {
    /// Whatever is said, and however often: once the account was changed, by the word itself or by its owner, it changes nothing.
    #[test]
    fn a_word_that_is_repeated_after_any_change_changes_nothing(
        age in 0..FRESH_MS as i64, changed in 1..FRESH_MS as i64, later in 0..FRESH_MS as i64, blocks in any::<bool>(),
    ) {
        let hold = if blocks { ProviderHold::UntilMended } else { ProviderHold::ForNow };
        let said = [word(hold, before(age))];
        let (_, first) = held(&account(UnixMillis(0), UnixMillis(0)), &said, NOW).expect("it is fresh");
        let at = NOW.plus_ms(changed as u64);
        let again = at.plus_ms(later as u64);
        let by_itself = Versioned { seq: 8, at, state: Arc::new(first.clone()) };
        prop_assert_eq!(held(&by_itself, &said, again), None);
        let connected = AccountChanged { state: AccountState::Connected, state_since: UnixMillis(0), ..first };
        let by_the_owner = Versioned { seq: 9, at, state: Arc::new(connected) };
        prop_assert_eq!(held(&by_the_owner, &said, again), None);
    }
}
