//! When the unknown outcomes of an account are looked up: first a while after the outcome, then ever more rarely, and all of an
//! account in one look.

use std::collections::HashMap;

use angelia_shared::event::OpenMessage;
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::units::UnixMillis;

/// Each look-up comes this many times as long after the unknown outcome as the one before.
const TIMES: u64 = 3;
/// No look-up comes later than this after the unknown outcome.
const LAST_AFTER_MS: u64 = 24 * 3_600_000;
/// How long an account is left alone whose provider does not give it the list.
const NOT_OFFERED_MS: u64 = 6 * 3_600_000;

/// When a message whose outcome is unknown since `since` is looked up next: `first_ms` after that, then three times as long
/// after it each time. `last` is when its account was looked up last.
pub fn next_look(since: UnixMillis, first_ms: u64, last: Option<UnixMillis>) -> Option<UnixMillis> {
    let mut after_ms = first_ms.max(1);
    while after_ms <= LAST_AFTER_MS {
        let at = since.plus_ms(after_ms);
        if last.is_none_or(|last| at > last) {
            return Some(at);
        }
        after_ms = after_ms.saturating_mul(TIMES);
    }
    None
}

/// What is looked up of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Parts of unknown outcome.
    pub sought: Vec<(MessageId, u8)>,
    /// When the first of their attempts began.
    pub since: UnixMillis,
}

/// What is remembered of the look-ups of one owner.
#[derive(Debug, Default)]
pub struct Schedule {
    accounts: HashMap<AccountId, Before>,
}

/// Earlier look-ups of an account.
#[derive(Debug)]
struct Before {
    last: UnixMillis,
    runs: bool,
    not_before: Option<UnixMillis>,
}

impl Schedule {
    /// What is looked up of an account now, if anything: everything of unknown outcome whose attempt's beginning is known, once
    /// one of them is due. It counts as under way until [`ended`](Self::ended).
    pub fn due(&mut self, account: AccountId, unknown: &[OpenMessage], first_ms: u64, now: UnixMillis) -> Option<Look> {
        let before = self.accounts.get(&account);
        if before.is_some_and(|before| before.runs || before.not_before.is_some_and(|until| now < until)) {
            return None;
        }
        let last = before.map(|before| before.last);
        // Events of earlier versions do not say when the attempt began.
        let seekable = || unknown.iter().filter_map(|open| Some((open, open.began?)));
        let is_due = seekable().any(|(open, began)| {
            next_look(open.held_since.unwrap_or(began), first_ms, last).is_some_and(|at| at <= now)
        });
        if !is_due {
            return None;
        }
        self.accounts.insert(account, Before { last: now, runs: true, not_before: None });
        let sought = seekable().map(|(open, _)| (open.message, open.part)).collect();
        let since = seekable().map(|(_, began)| began).min()?;
        Some(Look { sought, since })
    }

    /// The look-up of an account has ended at `now`; `offered` is whether its provider gives it the list.
    pub fn ended(&mut self, account: AccountId, offered: bool, now: UnixMillis) {
        if let Some(before) = self.accounts.get_mut(&account) {
            before.runs = false;
            before.not_before = (!offered).then(|| now.plus_ms(NOT_OFFERED_MS));
        }
    }

    /// Forgets accounts that have nothing unknown any more.
    pub fn keep(&mut self, has_unknown: impl Fn(AccountId) -> bool) {
        self.accounts.retain(|account, before| before.runs || before.not_before.is_some() || has_unknown(*account));
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::attempt::OpenStage;
    use angelia_shared::ids::Position;
    use angelia_shared::units::Credits;
    use proptest::prelude::*;

    use super::*;

    const FIRST_MS: u64 = 30_000;
    const ACCOUNT: AccountId = AccountId(1);

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(1_700_000_000_000).plus_ms(seconds * 1_000)
    }

    fn unknown(number: u64, since: u64) -> OpenMessage {
        OpenMessage {
            at: Position::new(number, 0),
            message: MessageId(number),
            stage: OpenStage::Unknown,
            attempt: 1,
            part: 0,
            parts: 1,
            credits: Credits(1),
            provider_errors: 0,
            held_since: Some(at(since)),
            not_before: None,
            media: None,
            began: Some(UnixMillis(at(since).0 - 1_000)),
        }
    }

    proptest! {
        #[test]
        fn looks_become_rarer_and_end(since in 0..1_000_000_u64, first_ms in 1..3_600_000_u64) {
            let (since, mut last, mut waits) = (at(since), None, Vec::new());
            while let Some(next) = next_look(since, first_ms, last) {
                waits.push(next.ms_since(last.unwrap_or(since)));
                last = Some(next);
            }
            prop_assert_eq!(waits[0], first_ms);
            prop_assert!(waits.is_sorted() && waits.len() <= 20, "{:?}", waits);
            prop_assert!(last.is_some_and(|last| last.ms_since(since) <= LAST_AFTER_MS));
        }
    }

    #[test]
    fn a_look_is_due_first_after_the_first_time_and_then_three_times_later() {
        let next =
            |last: Option<u64>| next_look(at(0), FIRST_MS, last.map(at)).map(|next| next.ms_since(at(0)) / 1_000);
        assert_eq!(next(None), Some(30));
        assert_eq!(next(Some(30)), Some(90));
        assert_eq!(next(Some(31)), Some(90));
        assert_eq!(next(Some(24 * 3_600)), None);
    }

    #[test]
    fn one_look_seeks_all_of_an_account_once_the_first_is_due() {
        let mut schedule = Schedule::default();
        let open = [unknown(1, 10), unknown(2, 35)];
        assert_eq!(schedule.due(ACCOUNT, &open, FIRST_MS, at(39)), None);
        let look = schedule.due(ACCOUNT, &open, FIRST_MS, at(40)).expect("due");
        assert_eq!(look.sought, [(MessageId(1), 0), (MessageId(2), 0)]);
        assert_eq!(look.since, at(9));
        assert_eq!(schedule.due(ACCOUNT, &open, FIRST_MS, at(500)), None, "it runs");
        schedule.ended(ACCOUNT, true, at(42));
        assert_eq!(schedule.due(ACCOUNT, &open, FIRST_MS, at(64)), None);
        assert!(schedule.due(ACCOUNT, &open, FIRST_MS, at(65)).is_some(), "the second one's first");
    }

    #[test]
    fn an_account_whose_provider_gives_no_list_is_left_alone_for_hours() {
        let mut schedule = Schedule::default();
        let open = [unknown(1, 0)];
        assert!(schedule.due(ACCOUNT, &open, FIRST_MS, at(30)).is_some());
        schedule.ended(ACCOUNT, false, at(30));
        schedule.keep(|_| false);
        let hours = NOT_OFFERED_MS / 1_000;
        assert_eq!(schedule.due(ACCOUNT, &open, FIRST_MS, at(29 + hours)), None);
        assert!(schedule.due(ACCOUNT, &open, FIRST_MS, at(30 + hours)).is_some());
    }

    #[test]
    fn what_is_not_known_to_have_begun_is_not_sought() {
        let mut schedule = Schedule::default();
        let of_an_earlier_version = OpenMessage { began: None, ..unknown(1, 0) };
        assert_eq!(schedule.due(ACCOUNT, &[of_an_earlier_version], FIRST_MS, at(100)), None);
        assert_eq!(schedule.due(ACCOUNT, &[], FIRST_MS, at(100)), None);
    }

    #[test]
    fn accounts_without_unknown_outcomes_are_forgotten_once_nothing_runs() {
        let mut schedule = Schedule::default();
        assert!(schedule.due(ACCOUNT, &[unknown(1, 0)], FIRST_MS, at(30)).is_some());
        schedule.keep(|_| false);
        assert_eq!(schedule.accounts.len(), 1);
        schedule.ended(ACCOUNT, true, at(31));
        schedule.keep(|_| false);
        assert_eq!(schedule.accounts.len(), 0);
    }
}
