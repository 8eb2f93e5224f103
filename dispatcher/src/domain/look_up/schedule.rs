//! When the unknown outcomes of an account are looked up: first a while after the outcome, then ever more rarely; all of an
//! account in one look, and looks of one account not too close.

use std::collections::HashMap;

use angelia_shared::event::OpenMessage;
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::units::UnixMillis;

/// Each look-up of an outcome comes this many times as long after it as the one before.
const TIMES: u64 = 3;
/// No look-up comes later than this after the unknown outcome.
const LAST_AFTER_MS: u64 = 24 * 3_600_000;
/// How many times the first wait lies between two looks at one account, at least: where every answer is lost, there is a new
/// unknown outcome every two seconds.
const APART: u64 = 2;
/// How long an account is left alone whose provider does not give it the list, unless its owner changes something.
const NOT_OFFERED_MS: u64 = 6 * 3_600_000;
/// How long an account is left alone whose provider was asked too often, unless it says so itself. Rates of a business or an
/// app are counted over minutes and hours, and its messages count among them.
const TOO_OFTEN_MS: u64 = 5 * 60_000;

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
    /// When the attempt in the middle of them began.
    middle: UnixMillis,
}

/// How a look has ended, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The list was read.
    Read,
    /// Not now.
    NotNow,
    /// The provider does not give this account the list.
    NotOffered,
    /// It was asked too often; what it wants to be left alone for, in milliseconds, if it says so.
    TooOften(Option<u64>),
    /// What is sought reaches too far back to be read: the older half of it is given up.
    TooMuch,
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
    runs: Option<Look>,
    not_before: Option<UnixMillis>,
    /// What began until then is not sought any more.
    given_up: UnixMillis,
}

impl Schedule {
    /// What is looked up of an account now, if anything: everything of unknown outcome whose attempt's beginning is known, once
    /// one of them is due. It counts as under way until [`ended`](Self::ended).
    pub fn due(&mut self, account: AccountId, unknown: &[OpenMessage], first_ms: u64, now: UnixMillis) -> Option<Look> {
        let before = self.accounts.get(&account);
        let too_early = |before: &Before| {
            let rests = before.not_before.is_some_and(|until| now < until);
            before.runs.is_some() || rests || now < before.last.plus_ms(first_ms.saturating_mul(APART))
        };
        if before.is_some_and(too_early) {
            return None;
        }
        let (last, given_up) =
            (before.map(|before| before.last), before.map_or(UnixMillis(0), |before| before.given_up));
        // Events of earlier versions do not say when the attempt began.
        let seekable = || unknown.iter().filter_map(|open| Some((open, open.began.filter(|began| *began > given_up)?)));
        let is_due = seekable().any(|(open, began)| {
            next_look(open.held_since.unwrap_or(began), first_ms, last).is_some_and(|at| at <= now)
        });
        if !is_due {
            return None;
        }
        let mut began: Vec<_> = seekable().map(|(_, began)| began).collect();
        began.sort_unstable();
        let sought = seekable().map(|(open, _)| (open.message, open.part)).collect();
        let look = Look { sought, since: began[0], middle: began[began.len() / 2] };
        self.accounts.insert(account, Before { last: now, runs: Some(look.clone()), not_before: None, given_up });
        Some(look)
    }

    /// The look-up of an account has ended at `now`.
    pub fn ended(&mut self, account: AccountId, ended: Ended, now: UnixMillis) {
        let Some(before) = self.accounts.get_mut(&account) else { return };
        let look = before.runs.take();
        match ended {
            Ended::Read | Ended::NotNow => {}
            Ended::NotOffered => before.not_before = Some(now.plus_ms(NOT_OFFERED_MS)),
            Ended::TooOften(asked_ms) => before.not_before = Some(now.plus_ms(asked_ms.unwrap_or(TOO_OFTEN_MS))),
            Ended::TooMuch => before.given_up = look.map_or(before.given_up, |look| look.middle),
        }
    }

    /// The directory says something new of an account: its provider may give it the list now.
    pub fn changed(&mut self, account: AccountId) {
        if let Some(before) = self.accounts.get_mut(&account) {
            before.not_before = None;
        }
    }

    /// Forgets accounts that have nothing unknown any more and need not be left alone at `now`.
    pub fn keep(&mut self, has_unknown: impl Fn(AccountId) -> bool, now: UnixMillis) {
        self.accounts.retain(|account, before| {
            before.runs.is_some() || before.not_before.is_some_and(|until| now < until) || has_unknown(*account)
        });
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

    /// An account with one unknown outcome since 0 s, whose first look has ended like that at 30 s.
    fn after_a_look(ended: Ended) -> (Schedule, [OpenMessage; 1]) {
        let (mut schedule, open) = (Schedule::default(), [unknown(1, 0)]);
        assert!(schedule.due(ACCOUNT, &open, FIRST_MS, at(30)).is_some());
        schedule.ended(ACCOUNT, ended, at(30));
        (schedule, open)
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
    }

    #[test]
    fn where_every_answer_is_lost_two_looks_are_still_apart() {
        let (mut schedule, mut looks) = (Schedule::default(), vec![]);
        for second in 0..600 {
            let open: Vec<_> = (0..=second / 2).map(|number| unknown(number, number * 2)).collect();
            if schedule.due(ACCOUNT, &open, FIRST_MS, at(second)).is_some() {
                schedule.ended(ACCOUNT, Ended::Read, at(second));
                looks.push(second);
            }
        }
        assert_eq!(looks, [30, 90, 150, 210, 270, 330, 390, 450, 510, 570]);
    }

    #[test]
    fn an_account_whose_provider_gives_no_list_is_left_alone_until_its_owner_changes_something() {
        let (mut schedule, open) = after_a_look(Ended::NotOffered);
        let hours = NOT_OFFERED_MS / 1_000;
        assert_eq!(schedule.due(ACCOUNT, &open, FIRST_MS, at(29 + hours)), None);
        assert!(schedule.due(ACCOUNT, &open, FIRST_MS, at(30 + hours)).is_some());
        let (mut schedule, open) = after_a_look(Ended::NotOffered);
        schedule.changed(ACCOUNT);
        assert!(schedule.due(ACCOUNT, &open, FIRST_MS, at(90)).is_some());
    }

    #[test]
    fn a_provider_that_was_asked_too_often_is_left_alone_as_long_as_it_wants() {
        for (asked_ms, seconds) in [(None, 300), (Some(1_000_000), 1_000)] {
            let (mut schedule, open) = after_a_look(Ended::TooOften(asked_ms));
            assert_eq!(schedule.due(ACCOUNT, &open, FIRST_MS, at(29 + seconds)), None);
            assert!(schedule.due(ACCOUNT, &open, FIRST_MS, at(30 + seconds)).is_some());
        }
    }

    #[test]
    fn what_reaches_too_far_back_is_given_up_half_by_half_and_the_rest_is_sought() {
        let mut schedule = Schedule::default();
        let open: Vec<_> = (0..8).map(|number| unknown(number, number * 1_000)).collect();
        let sought = [10_000, 30_000, 75_000, 90_000].map(|now| {
            let look = schedule.due(ACCOUNT, &open, FIRST_MS, at(now));
            schedule.ended(ACCOUNT, Ended::TooMuch, at(now));
            look.map_or(0, |look| look.sought.len())
        });
        assert_eq!(sought, [8, 3, 1, 0], "the newest last, then none");
    }

    #[test]
    fn what_is_not_known_to_have_begun_is_not_sought() {
        let mut schedule = Schedule::default();
        let of_an_earlier_version = OpenMessage { began: None, ..unknown(1, 0) };
        assert_eq!(schedule.due(ACCOUNT, &[of_an_earlier_version], FIRST_MS, at(100)), None);
        assert_eq!(schedule.due(ACCOUNT, &[], FIRST_MS, at(100)), None);
    }

    #[test]
    fn accounts_are_forgotten_once_nothing_runs_and_nobody_must_be_left_alone() {
        let mut schedule = Schedule::default();
        assert!(schedule.due(ACCOUNT, &[unknown(1, 0)], FIRST_MS, at(30)).is_some());
        schedule.keep(|_| false, at(30));
        assert_eq!(schedule.accounts.len(), 1, "it runs");
        schedule.ended(ACCOUNT, Ended::TooOften(None), at(31));
        schedule.keep(|_| false, at(330));
        assert_eq!(schedule.accounts.len(), 1, "it is left alone");
        schedule.keep(|_| false, at(331));
        assert_eq!(schedule.accounts.len(), 0);
    }
}
