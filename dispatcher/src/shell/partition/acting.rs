//! What the owner of a partition begins when something is due: preparations, events to store, calls.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::Event;
use angelia_shared::ids::AccountId;
use angelia_shared::subject::Partition as Part;
use angelia_shared::units::UnixMillis;

use smallvec::SmallVec;

use super::super::ahead::{AHEAD_PER_ACCOUNT, AHEAD_WITHIN_MS};
use super::super::call::{self, Done, Under, Writes};
use super::super::look_up;
use super::super::prepare::{self, Order, Prepared, Tries};
use super::{Next, Owned, PREPARE_AGAIN_MS};
use crate::domain::account::{Account, Decision, Preparation, Write};
use crate::domain::partition::Partition;

/// Ends of waiting messages that are stored together, at most: a fourth of a batch, so that other accounts' events find
/// room in it.
const TOGETHER_MAX: usize = 250;
/// Such groups of a process at once: together they fill a batch. What begins or ends an attempt waits behind them, so where the
/// queues of many accounts end at the same time, those without a place end one by one meanwhile. Without this bound a thousand
/// queues of a hundred made other accounts 3.5 s late.
pub(in super::super) const GROUPS_OF_ENDS: usize = 4;
/// The bytes that they may have, roughly: each carries what a new owner must know.
const TOGETHER_BYTES: usize = 512 * 1024;

impl Owned {
    /// Does everything that is due.
    pub(super) fn act(&mut self) {
        self.reported.clear();
        // A call's time counts from the decision to make it: that is the time which its start tells to a new owner.
        let (decided, now) = (clock::uptime(), self.context.clock.now());
        while let Some(account) = self.rules.due(now) {
            match self.rules.next(account, now) {
                Decision::Wait(_) => {}
                Decision::Prepare(preparation) => self.prepare(account, preparation),
                Decision::Write(write) => {
                    let writes = self.together(account, *write, now);
                    self.write_all(account, writes, decided);
                }
            }
            self.look_ahead(account, now);
        }
    }

    /// Fetches the files of those behind the front, and lets go of those of messages that have left the queue.
    pub(super) fn look_ahead(&mut self, account: AccountId, now: UnixMillis) {
        let Some(rules) = self.rules.account(account) else { return };
        let next: SmallVec<[_; AHEAD_PER_ACCOUNT]> =
            rules.files_ahead(AHEAD_PER_ACCOUNT, AHEAD_WITHIN_MS, now).collect();
        if let Some(begin) = self.ahead.look(account, rules.front_message(), &next) {
            let kept = self.kept.get(begin.message);
            self.ahead.begin(account, begin, kept, &self.over, self.report.clone());
        }
    }

    /// Begins to look up what became of attempts of unknown outcome, where it is time and there is a place.
    pub(super) fn look_unknown_up(&mut self) {
        let Some(after) = self.context.look_up_after else { return };
        let (first_ms, now) = (after.as_millis() as u64, self.context.clock.now());
        let Self { rules, look_ups, .. } = self;
        let has_unknown =
            |account| rules.account(account).is_some_and(|account| !account.of_unknown_outcome().is_empty());
        look_ups.keep(has_unknown, now);
        for account in rules.accounts().filter(|account| !account.of_unknown_outcome().is_empty()) {
            // Who finds none is not kept in a line that grows: it is asked again in some seconds.
            let Ok(place) = Arc::clone(&self.context.look_ups).try_acquire_owned() else { return };
            let Some(look) = look_ups.due(account.id(), account.of_unknown_outcome(), first_ms, now) else { continue };
            let under = under(self.part, rules, account);
            let (context, report, over) = (Arc::clone(&self.context), self.report.clone(), self.over.clone());
            let stream_ahead_ms = self.stream_ahead_ms;
            self.context.tasks.start("looking up unknown outcomes", async move {
                let looking = look_up::look_up(&context, under, &look, stream_ahead_ms);
                // Whoever owns the partition then looks them up.
                let ended = over.run_until_cancelled(looking).await;
                drop(place);
                if let Some(ended) = ended {
                    let _gone = report.send(Done::LookedUp { account: under.account, ended }).await;
                }
            });
        }
    }

    /// Gathers what may be stored together with an event.
    fn together(&mut self, account: AccountId, first: Write, now: UnixMillis) -> Writes {
        let mut writes = Writes::one(first);
        if matches!(writes.first.event, Event::MessageExpired(_) | Event::MessageCancelled(_))
            && let Ok(place) = Arc::clone(&self.context.ends_together).try_acquire_owned()
        {
            // The others carry the same and little more.
            let room = TOGETHER_BYTES / (writes.first.event.to_line().len() + 1_024);
            while writes.more.len() + 1 < room.min(TOGETHER_MAX)
                && let Some(write) = self.rules.also(account, writes.more.last().unwrap_or(&writes.first), now)
            {
                writes.more.push(*write);
            }
            writes.place = Some(place).filter(|_| !writes.more.is_empty());
        }
        writes
    }

    fn prepare(&mut self, account: AccountId, preparation: Preparation) {
        let message = preparation.message;
        let before = self.next.get(&account).filter(|next| next.message == message);
        let tries = before.map_or(Tries::default(), |next| next.tries);
        self.next.insert(account, Next { message, tries, outgoing: None });
        let begun_ahead = self.ahead.running(account, message);
        let order = Order { preparation, kept: self.kept.take(message), tries, begun_ahead };
        let known = self.context.directory.read().any_account(account).cloned();
        let (context, report, over) = (Arc::clone(&self.context), self.report.clone(), self.over.clone());
        self.context.tasks.start("preparing a message", async move {
            let prepare = async {
                match known {
                    Some(known) => prepare::prepare(&context, known, order).await,
                    None => Prepared::Again(PREPARE_AGAIN_MS, tries),
                }
            };
            // Nobody listens when the partition is lost; a preparation has no effect.
            if let Some(prepared) = over.run_until_cancelled(prepare).await {
                let _gone = report.send(Done::Prepared { account, message, prepared }).await;
            }
        });
    }

    pub(super) fn write(&mut self, account: AccountId, write: Write) {
        self.write_all(account, Writes::one(write), clock::uptime());
    }

    fn write_all(&mut self, account: AccountId, writes: Writes, decided: Duration) {
        let Some(under) = self.rules.account(account).map(|account| under(self.part, &self.rules, account)) else {
            return;
        };
        let outgoing = writes.first.call.and_then(|(message, _)| {
            let next = self.next.get(&account).filter(|next| next.message == message)?;
            next.outgoing.clone()
        });
        let (count, _) = self.under_way.entry(account).or_insert_with(|| (0, clock::uptime()));
        *count += 1 + usize::from(writes.first.call.is_some());
        let task = call::write(Arc::clone(&self.context), (under, decided), writes, outgoing, self.report.clone());
        self.context.tasks.start("writing and calling", task);
    }
}

/// Whose events these are, and under which claim.
fn under(part: Part, rules: &Partition, account: &Account) -> Under {
    let idempotent = account.settings().idempotent;
    Under { part, claim: rules.claim(), workspace: account.workspace(), account: account.id(), idempotent }
}
