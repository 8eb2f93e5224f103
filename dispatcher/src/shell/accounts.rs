//! Accounts as the directory has them: whether they may send, and by which transport.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::event::directory::{AccountState, Pace};
use angelia_shared::event::{AccountChanged, Event};
use angelia_shared::ids::AccountId;
use angelia_shared::log::{AppendError, Entry, Group, Guard};
use angelia_shared::subject::{DirectoryKind, Subject};
use angelia_shared::units::UnixMillis;
use tracing::{error, warn};

use super::Context;
use crate::domain::account::{Hold, Settings};
use crate::domain::limits::Limits;
use crate::domain::limits::quiet::Quiet;
use crate::metrics as names;
use crate::transport::{ProviderHold, Transport, Ways};

/// Pause before a hold is handed in again that was certainly not stored.
const AGAIN: Duration = Duration::from_millis(50);

/// What the rules need to know of an account.
pub(super) fn settings(account: Option<&AccountChanged>, now: UnixMillis) -> Settings {
    let Some(account) = account else {
        // Its acceptance is in the log, its account is not in the directory yet: wait for it.
        let hold = Hold { reason: "not_in_directory", since: now, until: None };
        let Pace { gap_ms, .. } = Pace::default();
        return Settings { gap_ms, limits: Limits::default(), hold: Some(hold), idempotent: false };
    };
    let hold = |reason, until| Some(Hold { reason, since: account.state_since, until });
    let limits = limits(&account.pace);
    let hold = match account.state {
        _ if account.removed => hold("removed", None),
        _ if limits.is_none() => hold("time_zone_not_known", None),
        AccountState::Connected => None,
        AccountState::Disconnected => hold("disconnected", None),
        AccountState::Paused { until } => hold("paused", until),
        AccountState::Blocked => hold("blocked", None),
    };
    let idempotent = Ways::capabilities(&account.transport).client_chosen_id;
    Settings { gap_ms: account.pace.gap_ms, limits: limits.unwrap_or_default(), hold, idempotent }
}

/// An account's limits; `None` when its quiet hours are of a place that only a later version of this program knows: it must
/// not send in them.
fn limits(pace: &Pace) -> Option<Limits> {
    let quiet = match &pace.quiet_hours {
        Some(hours) => Some(Quiet::read(hours)?),
        None => None,
    };
    Some(Limits {
        hourly_cap: pace.hourly_cap,
        daily_cap: pace.daily_cap,
        quiet,
        recipient_gap_ms: pace.recipient_gap_ms,
        warm_up: pace.warm_up,
    })
}

/// Opens an account's transport. The error is a sentence for its owner.
pub(super) fn transport(context: &Context, account: &AccountChanged) -> Result<Box<dyn Transport>, String> {
    context.ways.of(account, context.vault.master())
}

/// How long a call of the account's transport may take; of the slowest, for an account that the directory does not have.
pub(super) fn call_timeout(context: &Context, id: AccountId) -> Duration {
    let known = context.directory.read().any_account(id).map(|known| Arc::clone(&known.state));
    known.map_or(Ways::SLOWEST_CALL, |account| Ways::capabilities(&account.transport).call_timeout)
}

/// The provider's word on an account.
pub(super) struct Held {
    /// What becomes of the account.
    pub(super) state: ProviderHold,
    /// The provider's words.
    pub(super) detail: String,
    /// Sequence of the account's settings under which the provider was asked.
    pub(super) settings_seq: u64,
}

/// Whether the account is still as it was when the provider was asked. If it is not, its word says nothing of it now.
pub(super) fn is_current(context: &Context, id: AccountId, settings_seq: u64) -> bool {
    context.directory.read().any_account(id).is_some_and(|known| known.seq == settings_seq)
}

/// Tells the directory that the provider holds the account, and since when, so that its owner sees the reason. Other changes win over
/// this one; the next attempt would find out again.
pub(super) async fn hold(context: &Context, id: AccountId, held: Held, since: UnixMillis) {
    let Some(known) = context.directory.read().any_account(id).cloned() else { return };
    if known.seq != held.settings_seq {
        return;
    }
    let Some(account) = held.state.put_on(&known.state, held.detail, context.clock.now()) else { return };
    let account = AccountChanged { state_since: since, ..account };
    warn!(account.id = %id, state = held.state.code(), "the provider holds an account");
    let subject = Subject::Directory(account.workspace, DirectoryKind::Account, id.0);
    let event = Event::AccountChanged(Box::new(account));
    loop {
        let entry = Entry::new(subject, &event).guarded(Guard::Own(known.seq));
        match context.appender.append(Group::one(entry)).await {
            Ok(_) => return metrics::counter!(names::ACCOUNTS_HELD, "state" => held.state.code()).increment(1),
            Err(AppendError::GuardLost(_)) => return,
            Err(AppendError::NeverStored | AppendError::Unavailable | AppendError::Full) => {
                tokio::time::sleep(AGAIN).await
            }
            Err(failure @ (AppendError::TooLarge | AppendError::Closed)) => {
                error!(account.id = %id, error = %failure, "an account's hold is not in the directory");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::directory::{QuietHours, TimeOfDay};
    use angelia_shared::testing;

    use super::*;

    const NOW: UnixMillis = UnixMillis(10_000);

    fn account(state: AccountState) -> AccountChanged {
        testing::account(1, state)
    }

    #[test]
    fn an_account_that_the_directory_does_not_know_is_held() {
        assert_eq!(settings(None, NOW).hold.map(|hold| hold.reason), Some("not_in_directory"));
    }

    #[test]
    fn an_account_with_quiet_hours_of_a_place_that_nobody_knows_is_held() {
        let of = |zone: &str| {
            let time = |text| TimeOfDay::parse(text).expect("a time of day");
            let hours = QuietHours { from: time("21:00"), to: time("08:00"), time_zone: zone.to_owned() };
            let pace = Pace { quiet_hours: Some(hours), daily_cap: Some(7), ..Pace::default() };
            settings(Some(&AccountChanged { pace, ..account(AccountState::Connected) }), NOW)
        };
        assert_eq!(of("Mars/Olympus").hold.map(|hold| hold.reason), Some("time_zone_not_known"));
        let known = of("Europe/Berlin");
        assert_eq!((known.hold, known.limits.daily_cap, known.limits.quiet.is_some()), (None, Some(7), true));
    }

    #[test]
    fn only_a_connected_account_is_not_held() {
        let reason = |state| settings(Some(&account(state)), NOW).hold.map(|hold| hold.reason);
        assert_eq!(reason(AccountState::Connected), None);
        assert_eq!(reason(AccountState::Disconnected), Some("disconnected"));
        assert_eq!(reason(AccountState::Paused { until: None }), Some("paused"));
        assert_eq!(reason(AccountState::Blocked), Some("blocked"));
        let removed = AccountChanged { removed: true, ..account(AccountState::Connected) };
        assert_eq!(settings(Some(&removed), NOW).hold.map(|hold| hold.reason), Some("removed"));
    }
}
