//! All accounts of a partition under one claim, and the low-water mark.
//!
//! Shape: records in ([`Partition::read`], …), then [`Partition::due`] and [`Partition::next`] say what to do.
//!
//! Invariants:
//! - The mark never passes an acceptance that has not ended, nor a cancel request that was not answered, *in the log*: what
//!   is on its way to the log still counts as not ended.
//! - Nothing is done before [`Partition::caught_up`]: an earlier owner's last cancel or receipt may still be unread.
//!
//! Not here: one account's rules (see [`super::account`]).

mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use angelia_shared::event::Event;
use angelia_shared::event::attempt::UploadedMedia;
use angelia_shared::ids::{AccountId, MessageId, WorkspaceId};
use angelia_shared::units::UnixMillis;

use super::account::{Account, CallResult, Decision, Settings, Takeover, Turn, Waiting, Write};
use super::plan::Plan;

/// The accounts of a partition, as the owner of one claim sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    claim: u64,
    /// Boxed: most accounts are known and idle, and a growing table would hold each of them up to twice.
    accounts: HashMap<AccountId, Box<Account>>,
    /// Messages that wait, of all accounts.
    queued: usize,
    /// For each account with messages: the sequence that the mark must not pass.
    pinned: HashMap<AccountId, u64>,
    pins: BTreeSet<(u64, AccountId)>,
    /// Sequences of cancel requests that wait for their answer, with how many each record holds.
    cancels: BTreeMap<u64, u32>,
    consumed: u64,
    recovered_mark: u64,
    caught_up: bool,
    timers: BTreeSet<(UnixMillis, AccountId)>,
    timer_of: HashMap<AccountId, UnixMillis>,
}

/// Of everything in it, in whatever order its tables are: a model tells states apart by it.
impl Hash for Partition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // What has a hash table besides is in `pins` and `timers`.
        let Self { claim, accounts, queued, pinned: _, pins, cancels, .. } = self;
        let accounts: BTreeMap<_, _> = accounts.iter().collect();
        (claim, accounts, queued, pins, cancels).hash(state);
        let Self { consumed, recovered_mark, caught_up, timers, timer_of: _, .. } = self;
        (consumed, recovered_mark, caught_up, timers).hash(state);
    }
}

impl Partition {
    /// A partition under the claim stored at sequence `claim`, with empty memory.
    pub fn new(claim: u64) -> Self {
        Self {
            claim,
            accounts: HashMap::new(),
            queued: 0,
            pinned: HashMap::new(),
            pins: BTreeSet::new(),
            cancels: BTreeMap::new(),
            consumed: 0,
            recovered_mark: 0,
            caught_up: false,
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
        }
    }

    /// Sequence of the claim: the guard of every write.
    pub fn claim(&self) -> u64 {
        self.claim
    }

    /// Takes up the newest event of an account's attempt subject.
    pub fn recover(
        &mut self,
        workspace: WorkspaceId,
        id: AccountId,
        settings: Settings,
        event: &Event,
        takeover: Takeover,
    ) {
        let mut account = Account::new(workspace, id, settings);
        self.recovered_mark = self.recovered_mark.max(account.recover(event, takeover));
        self.accounts.insert(id, Box::new(account));
    }

    /// Where to read the partition's records from, once every account was recovered: the first sequence that counts.
    pub fn read_from(&self) -> u64 {
        self.recovered_mark.max(1)
    }

    /// Everything below the claim has been read: sending may begin. Every account is due once.
    pub fn caught_up(&mut self, now: UnixMillis) {
        self.caught_up = true;
        let ids: Vec<_> = self.accounts.keys().copied().collect();
        for id in ids {
            self.set_timer(id, Some(now));
        }
    }

    /// An acceptance was read. `settings` is asked only for an account seen first.
    pub fn accepted(
        &mut self,
        workspace: WorkspaceId,
        id: AccountId,
        waiting: Waiting,
        settings: impl FnOnce() -> Settings,
    ) {
        let account = self.accounts.entry(id).or_insert_with(|| Box::new(Account::new(workspace, id, settings())));
        let before = account.queued();
        account.accept(waiting);
        self.queued += account.queued() - before;
        self.pin(id);
        self.wake(id);
    }

    /// The message of an account that was accepted last has a file.
    pub fn has_file(&mut self, id: AccountId, message: MessageId) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.has_file(message);
        }
    }

    /// A cancel request was read from record `seq`.
    pub fn cancel_requested(&mut self, seq: u64, id: AccountId, message: MessageId) {
        // A message of an account that is not known here has ended long ago.
        let Some(account) = self.accounts.get_mut(&id) else { return };
        account.cancel(seq, message);
        *self.cancels.entry(seq).or_default() += 1;
        self.wake(id);
    }

    /// A receipt or a settlement was read.
    pub fn reported(&mut self, id: AccountId, message: MessageId, part: u8) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.reported(message, part);
        }
    }

    /// Every line of record `seq` has been handed in.
    pub fn consumed(&mut self, seq: u64) {
        self.consumed = self.consumed.max(seq);
    }

    /// The directory says something new of an account.
    pub fn set(&mut self, id: AccountId, settings: Settings) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.set(settings);
            self.wake(id);
        }
    }

    /// The same, when it is not known whether there is anything new: an account that is as it was is not woken.
    pub fn set_if_changed(&mut self, id: AccountId, settings: Settings) {
        if self.accounts.get(&id).is_some_and(|account| *account.settings() != settings) {
            self.set(id, settings);
        }
    }

    /// The content of an account's next message was looked at.
    pub fn prepared(&mut self, id: AccountId, message: MessageId, plan: Plan) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.prepared(message, plan);
            self.wake(id);
        }
    }

    /// The file of an account's next message is at the provider.
    pub fn uploaded(&mut self, id: AccountId, message: MessageId, media: UploadedMedia) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.uploaded(message, media);
        }
    }

    /// The recipient of an account's next message has this mark.
    pub fn addressed(&mut self, id: AccountId, message: MessageId, recipient: u32) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.addressed(message, recipient);
        }
    }

    /// The content of an account's next message cannot be had yet.
    pub fn not_prepared(&mut self, id: AccountId, message: MessageId, now: UnixMillis, wait_ms: u64) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.not_prepared(message, now, wait_ms);
            self.wake(id);
        }
    }

    /// The provider holds an account, at `at`; says since when.
    pub fn provider_holds(&mut self, id: AccountId, at: UnixMillis) -> UnixMillis {
        self.accounts.get_mut(&id).map_or(at, |account| account.provider_holds(at))
    }

    /// A call has ended at `at`.
    pub fn call_ended(&mut self, id: AccountId, message: MessageId, result: CallResult, at: UnixMillis) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.call_ended(message, result, at);
            self.wake(id);
        }
    }

    /// An account's event is in the log.
    pub fn stored(&mut self, id: AccountId, answers_cancel: Option<u64>) {
        if let Some(seq) = answers_cancel {
            self.cancel_is_over(seq);
        }
        if let Some(account) = self.accounts.get_mut(&id) {
            account.stored();
            self.unpin(id);
            self.pin(id);
            self.wake(id);
        }
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<UnixMillis> {
        if self.caught_up { self.timers.first().map(|(at, _)| *at) } else { None }
    }

    /// Takes one account that is due at `now`.
    pub fn due(&mut self, now: UnixMillis) -> Option<AccountId> {
        let (_, id) = self.timers.first().copied().filter(|(at, _)| self.caught_up && *at <= now)?;
        self.set_timer(id, None);
        Some(id)
    }

    /// Says what to do now for an account; arms its timer when it is to wait.
    pub fn next(&mut self, id: AccountId, now: UnixMillis) -> Decision {
        let mark = self.mark();
        let mut dropped = Vec::new();
        let Some(account) = self.accounts.get_mut(&id) else { return Decision::Wait(None) };
        let before = account.queued();
        let decision = account.next(now, self.claim, mark, &mut dropped);
        self.queued -= before - account.queued();
        for seq in dropped {
            self.cancel_is_over(seq);
        }
        if let Decision::Wait(at) = &decision {
            self.set_timer(id, *at);
        }
        decision
    }

    /// What may be stored in one group with `last`, which `next` or this gave for the account just now: see
    /// [`Account::also`].
    pub fn also(&mut self, id: AccountId, last: &Write, now: UnixMillis) -> Option<Box<Write>> {
        let mark = self.mark();
        let mut dropped = Vec::new();
        let account = self.accounts.get_mut(&id)?;
        let before = account.queued();
        let write = account.also(last, now, self.claim, mark, &mut dropped);
        self.queued -= before - account.queued();
        for seq in dropped {
            self.cancel_is_over(seq);
        }
        write
    }

    /// The end of an account's call, if it is to be written down now: all that is done while nothing new may begin.
    pub fn finish(&mut self, id: AccountId, now: UnixMillis) -> Option<Box<Write>> {
        let mark = self.mark();
        let account = self.accounts.get_mut(&id)?;
        let before = account.queued();
        let write = account.finish(now, self.claim, mark);
        self.queued -= before - account.queued();
        write
    }

    /// An account.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id).map(Box::as_ref)
    }

    /// How many messages of all accounts wait; each takes [`super::account::BYTES_PER_MESSAGE`].
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// What an account does next, and what it is asked about its messages; none before everything below the claim was
    /// read: an earlier owner may have ended a message.
    pub fn turn(&self, id: AccountId, now: UnixMillis) -> Option<Turn<'_>> {
        self.accounts.get(&id).filter(|_| self.caught_up).map(|account| account.turn(now))
    }

    /// Whether everything below the claim has been read.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().map(Box::as_ref)
    }

    /// Forgets unknown messages since before `before`.
    pub fn forget_unknown(&mut self, before: UnixMillis) {
        for account in self.accounts.values_mut() {
            account.forget_unknown(before);
        }
    }

    /// The low-water mark: reading from here misses nothing that counts.
    ///
    /// In an event it never passes the event's own message, which is pinned until the event is stored, nor, with it, a cancel of
    /// what waits. How far was read decides only while nothing waits, and then nothing is written.
    pub fn mark(&self) -> u64 {
        let queue = self.pins.first().map(|(seq, _)| *seq);
        let cancel = self.cancels.keys().next().copied();
        let all = (self.consumed + 1).max(self.recovered_mark);
        [queue, cancel].into_iter().flatten().fold(all, u64::min)
    }

    fn cancel_is_over(&mut self, seq: u64) {
        if let Some(left) = self.cancels.get_mut(&seq) {
            *left -= 1;
            if *left == 0 {
                self.cancels.remove(&seq);
            }
        }
    }

    /// Pins the account's oldest acceptance, unless an older one of it is pinned already.
    fn pin(&mut self, id: AccountId) {
        if self.pinned.contains_key(&id) {
            return;
        }
        if let Some(seq) = self.account(id).and_then(Account::front_seq) {
            self.pinned.insert(id, seq);
            self.pins.insert((seq, id));
        }
    }

    fn unpin(&mut self, id: AccountId) {
        if let Some(seq) = self.pinned.remove(&id) {
            self.pins.remove(&(seq, id));
        }
    }

    fn wake(&mut self, id: AccountId) {
        self.set_timer(id, Some(UnixMillis(0)));
    }

    fn set_timer(&mut self, id: AccountId, at: Option<UnixMillis>) {
        if let Some(old) = self.timer_of.remove(&id) {
            self.timers.remove(&(old, id));
        }
        if let Some(at) = at {
            self.timer_of.insert(id, at);
            self.timers.insert((at, id));
        }
    }
}

#[cfg(test)]
mod tests;
