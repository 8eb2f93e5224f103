//! Attempts as they would have been: when each would have begun under another gap.

use std::collections::{HashMap, HashSet};

use angelia_shared::event::directory::Pace;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event};
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::subject::Subject;
use angelia_shared::units::UnixMillis;

use super::Days;
use super::money::Money;
use super::policy::Policy;

/// When something was, and when it would have been; milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
struct When {
    was: i64,
    would: i64,
}

#[derive(Default)]
struct Account {
    /// The range of its gap, as last set.
    range: Option<(u64, u64)>,
    /// When it was free again after its newest attempt.
    free: Option<When>,
    /// The attempt under way, when it would have been made.
    open: Option<(MessageId, u32, When)>,
}

/// Accounts as they would have been.
#[derive(Default)]
pub(super) struct Paces {
    accounts: HashMap<AccountId, Account>,
    begun: HashSet<MessageId>,
}

impl Paces {
    pub(super) fn event(&mut self, subject: Subject, event: &Event, policy: &Policy, money: &Money, days: &mut Days) {
        match (subject, event) {
            (_, Event::AccountChanged(e)) => {
                self.accounts.entry(e.id).or_default().range = Some(e.pace.gap_ms);
            }
            (Subject::Attempt(_, _, account), Event::AttemptStarted(e)) => self.started(account, e, money, days),
            (Subject::Attempt(_, _, account), Event::AttemptEnded(e)) => self.ended(account, e, policy, money),
            _ => {}
        }
    }

    fn started(&mut self, id: AccountId, e: &AttemptStarted, money: &Money, days: &mut Days) {
        let Some((workspace, accepted_at, is_accepted)) = money.message(e.message) else { return };
        let account = self.accounts.entry(id).or_default();
        let earliest = |free: Option<i64>| free.map_or(accepted_at.0, |free| free.max(accepted_at.0));
        let late = e.at.0.saturating_sub(earliest(account.free.map(|free| free.was)));
        let would = earliest(account.free.map(|free| free.would)).saturating_add(late);
        let is_first = self.begun.insert(e.message);
        days.of(workspace, e.at).attempts.was += 1;
        if is_first {
            days.of(workspace, accepted_at).waited_ms.was += e.at.ms_since(accepted_at);
        }
        // What would have been refused takes none of its account's time.
        account.open = is_accepted.then_some((e.message, e.attempt, When { was: e.at.0, would }));
        if is_accepted {
            days.of(workspace, UnixMillis(would)).attempts.would += 1;
            if is_first {
                days.of(workspace, accepted_at).waited_ms.would += UnixMillis(would).ms_since(accepted_at);
            }
        }
    }

    fn ended(&mut self, id: AccountId, e: &AttemptEnded, policy: &Policy, money: &Money) {
        let Some((_, _, is_accepted)) = money.message(e.message) else { return };
        let account = self.accounts.entry(id).or_default();
        let was = e.at.plus_ms(e.gap_ms).0;
        let open = account.open.take().filter(|(message, attempt, _)| (*message, *attempt) == (e.message, e.attempt));
        let later = match open {
            Some((_, _, begun)) => begun.would.saturating_sub(begun.was),
            // An end whose beginning is not there is as much later as its account.
            None => account.free.map_or(0, |free| free.would.saturating_sub(free.was)),
        };
        let would = if is_accepted {
            let gap_ms = gap_ms(e.gap_ms, account.range, policy.pace.gap_ms);
            UnixMillis(e.at.0.saturating_add(later)).plus_ms(gap_ms).0
        } else {
            account.free.map_or(i64::MIN, |free| free.would)
        };
        account.free = Some(When { was, would });
    }
}

/// The gap that would have been drawn: as far along the new range as the old one was along its own.
fn gap_ms(was: u64, range: Option<(u64, u64)>, wanted: Option<(u64, u64)>) -> u64 {
    let (floor, ceiling) = range.unwrap_or(Pace::default().gap_ms);
    let Some((new_floor, new_ceiling)) = wanted.filter(|wanted| *wanted != (floor, ceiling)) else { return was };
    let (width, new_width) = (ceiling.saturating_sub(floor), new_ceiling.saturating_sub(new_floor));
    let along = was.clamp(floor, ceiling.max(floor)) - floor;
    let new_along = if width == 0 {
        new_width / 2
    } else {
        u64::try_from(u128::from(along) * u128::from(new_width) / u128::from(width)).unwrap_or(new_width)
    };
    new_floor + new_along
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_new_gap_is_in_its_range_and_the_same_range_changes_nothing(
            was in 0_u64..100_000, floor in 0_u64..50_000, width in 0_u64..50_000,
            new_floor in 0_u64..50_000, new_width in 0_u64..50_000,
        ) {
            let range = (floor, floor + width);
            prop_assert_eq!(gap_ms(was, Some(range), Some(range)), was);
            prop_assert_eq!(gap_ms(was, Some(range), None), was);
            let wanted = (new_floor, new_floor + new_width);
            if wanted != range {
                prop_assert!((wanted.0..=wanted.1).contains(&gap_ms(was, Some(range), Some(wanted))));
            }
        }
    }
}
