//! Ends of waiting messages that are stored together.
//!
//! A queue that expires or is purged ends message by message, and each end is an event of its own. One batch of the log for each
//! would take minutes for a long queue, so those that are due at once go there in one group. Each of them says what a new
//! owner must know after it; the group is stored whole or not at all.
//!
//! Invariants:
//! - Together they are what would have been stored one after the other.
//! - Nothing that begins or ends an attempt is among them.

use angelia_shared::event::Event;
use angelia_shared::units::UnixMillis;

use super::{Account, Write};

impl Account {
    /// What may go to the log in one group with `last`, which [`Account::next`] or this gave just now: another end of a
    /// message that waits. `stored` is said once for all of them.
    pub fn also(
        &mut self,
        last: &Write,
        now: UnixMillis,
        claim: u64,
        mark: u64,
        dropped: &mut Vec<u64>,
    ) -> Option<Box<Write>> {
        if !self.writing || !matches!(last.event, Event::MessageExpired(_) | Event::MessageCancelled(_)) {
            return None;
        }
        let (event, answers_cancel) = match self.answer_cancel(now, claim, mark, dropped) {
            Some((event, seq)) => (event, Some(seq)),
            None => (self.expire_next(now, claim, mark)?, None),
        };
        Some(Box::new(Write { event, call: None, answers_cancel }))
    }

    fn expire_next(&mut self, now: UnixMillis, claim: u64, mark: u64) -> Option<Event> {
        if self.attempt_is_open() {
            return None;
        }
        let front = self.queue.front()?;
        let (_, held_by) = self.expires_at(&front, now).filter(|(at, _)| *at <= now)?;
        Some(self.expire(&front, held_by, now, claim, mark))
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::account::{CallResult, Decision, Hold, Settings, Waiting};
    use crate::domain::limits::Limits;
    use crate::domain::plan::{self, File};

    const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);
    const CLAIM: u64 = 900;

    fn settings(hold: Option<Hold>) -> Settings {
        Settings { gap_ms: (1_500, 2_500), limits: Limits::default(), hold, idempotent: false }
    }

    fn held() -> Settings {
        settings(Some(Hold { reason: "disconnected", since: BEGIN, until: None }))
    }

    fn queue(patience_s: &[u32]) -> Account {
        let mut account = Account::new(WorkspaceId(1), AccountId(2), settings(None));
        for (n, expires_after_s) in (1..).zip(patience_s) {
            account.accept(Waiting {
                at: Position::new(n, 0),
                message: MessageId(n),
                accepted_at: BEGIN,
                expires_after_s: *expires_after_s,
                credits: 1,
            });
        }
        account
    }

    /// What is written at `now` until there is only waiting left, each group apart.
    fn written(account: &mut Account, now: UnixMillis, together: usize) -> Vec<Vec<Write>> {
        let (mut groups, mut dropped) = (Vec::new(), Vec::new());
        loop {
            match account.next(now, CLAIM, 1, &mut dropped) {
                Decision::Write(write) => {
                    let mut group = vec![*write];
                    while group.len() < together
                        && let Some(more) = account.also(group.last().expect("it has one"), now, CLAIM, 1, &mut dropped)
                    {
                        group.push(*more);
                    }
                    account.stored();
                    let started = group.iter().find_map(|write| write.call);
                    groups.push(group);
                    if let Some((message, _)) = started {
                        let sent = CallResult::Sent { provider_id: String::new() };
                        account.call_ended(message, sent, now.plus_ms(100));
                    }
                }
                Decision::Prepare(preparation) => {
                    let plan = plan::plan(angelia_shared::units::Credits(1), true, File::None);
                    account.prepared(preparation.message, plan);
                }
                Decision::Wait(_) => return groups,
            }
        }
    }

    fn flat(groups: Vec<Vec<Write>>) -> Vec<Write> {
        groups.into_iter().flatten().collect()
    }

    #[test]
    fn a_held_queue_expires_in_few_groups_in_order() {
        let mut account = queue(&[60; 1_000]);
        account.set(held());
        let groups = written(&mut account, BEGIN.plus_ms(60_000), 250);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [250; 4]);
        let expired = flat(groups).into_iter().map(|write| match write.event {
            Event::MessageExpired(expired) => (expired.message.0, expired.carry.done_through.seq),
            other => panic!("{other:?}"),
        });
        assert!(expired.eq((1..=1_000).map(|n| (n, n))));
        assert_eq!(account.queued(), 0);
    }

    #[test]
    fn a_purged_queue_ends_in_few_groups_and_every_request_is_answered() {
        let mut account = queue(&[60; 1_000]);
        // From the newest on, as a purge asks.
        for n in (1..=1_000).rev() {
            account.cancel(5_000 - n, MessageId(n));
        }
        let groups = written(&mut account, BEGIN, 250);
        assert!(groups.len() <= 4, "{} groups", groups.len());
        let mut answered: Vec<u64> = flat(groups).iter().filter_map(|write| write.answers_cancel).collect();
        answered.sort_unstable();
        assert!(answered.into_iter().eq(4_000..5_000));
        assert_eq!(account.queued(), 0);
    }

    #[test]
    fn an_attempt_never_shares_its_group() {
        let mut account = queue(&[60; 3]);
        let groups = written(&mut account, BEGIN, 250);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "a start, its end, and the gap");
        account.cancel(50, MessageId(2));
        account.cancel(51, MessageId(3));
        assert_eq!(written(&mut account, BEGIN, 250).iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    }

    proptest! {
        #[test]
        fn together_is_what_would_have_been_one_after_the_other(
            patience_s in prop::collection::vec(1u32..5, 1..40),
            cancels in prop::collection::vec(1u64..45, 0..40),
            begun in any::<bool>(),
            holds in any::<bool>(),
            later_ms in 0u64..6_000,
            together in 2usize..9,
        ) {
            let mut account = queue(&patience_s);
            if begun {
                written(&mut account, BEGIN, 1);
            }
            for (seq, message) in (100..).zip(cancels) {
                account.cancel(seq, MessageId(message));
            }
            if holds {
                account.set(held());
            }
            let (mut alone, now) = (account.clone(), BEGIN.plus_ms(later_ms));
            let groups = written(&mut account, now, together);
            prop_assert!(groups.iter().all(|group| group.len() <= together));
            prop_assert_eq!(flat(groups), flat(written(&mut alone, now, 1)));
            prop_assert_eq!(account.queued(), alone.queued());
        }
    }
}
