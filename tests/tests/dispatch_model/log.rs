//! The broker's side: every log that can come about, what each of them says, and what a ledger that has read it would do.
//!
//! Shape: a log is a [`LogId`], its parent and the record that was appended last. The facts of each are folded once: by plain
//! rules of this model's own that judge it, and by the ledger's real projection, which says what is unknown and what is owed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use angelia_dispatcher::domain::ownership::Newest;
use angelia_ledger::domain::due;
use angelia_ledger::domain::projection::Projection;
use angelia_ledger::domain::refund::OUTCOME_UNKNOWN;
use angelia_ledger::domain::table::MemoryTables;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event};
use angelia_shared::log::Record;
use angelia_shared::units::UnixMillis;

use super::entries::{self, ACCOUNTS, Entries, EntryId};
use super::rules::World;

/// Names one log among all that were seen. 0 is the empty one.
pub(crate) type LogId = u32;

/// The invariant that does not hold.
pub(crate) type Broken = &'static str;

pub(crate) const DP_1: Broken = "DP-1 an attempt starts at least its floor after the end of the one before";
pub(crate) const DP_2: Broken = "DP-2 attempts of one account follow the order of acceptance";
pub(crate) const DP_3: Broken = "DP-3 every attempt was written under the newest claim of its partition";
pub(crate) const DP_4: Broken = "DP-4 no second attempt of what may have gone out, and nothing goes out twice";
pub(crate) const ENDS: Broken = "what has ended has ended, and has begun before";
pub(crate) const CANCEL: Broken = "a cancel is answered before its message could begin";
pub(crate) const MONEY: Broken = "no message is both sent and cancelled, failed or settled";
pub(crate) const LOST: Broken = "no accepted message is lost";
pub(crate) const AGREES: Broken = "the ledger finds no contradiction where there is none";

/// What the log says of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) is_accepted: bool,
    attempts: u32,
    /// The part that is next, and how many there are once that is known.
    part: u8,
    parts: u8,
    is_open: bool,
    /// An attempt of this part was never ended: it may have gone out.
    doubt: bool,
    /// Parts whose outcome nobody knew when they ended, as bits.
    unknown: u8,
    pub(crate) is_over: bool,
    /// Cancel requests.
    pub(crate) cancels: Vec<u64>,
}

impl Story {
    pub(crate) fn has_begun(&self) -> bool {
        self.attempts > 0
    }
}

/// What one log says.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) parent: LogId,
    /// Its records; the first has sequence 1.
    records: Vec<EntryId>,
    /// The newest record of the claims.
    pub(crate) claims: (u64, Newest),
    /// The newest event of each account.
    pub(crate) newest: [Option<EntryId>; ACCOUNTS],
    pub(crate) stories: Vec<Story>,
    last_end: [UnixMillis; ACCOUNTS],
    pub(crate) broken: Option<Broken>,
    projection: Arc<Projection<MemoryTables>>,
    /// Parts that a ledger would settle by the deadline.
    pub(crate) overdue: Vec<(u8, u8)>,
    /// Parts that were settled by the deadline.
    pub(crate) settled: BTreeSet<(u8, u8)>,
    /// Parts that a ledger would have refunded by now because they failed or were cancelled.
    pub(crate) owed: BTreeSet<(u8, u8)>,
}

impl Facts {
    fn empty(world: &World) -> Self {
        Self {
            parent: 0,
            records: Vec::new(),
            claims: (0, Newest::Free),
            newest: [None; ACCOUNTS],
            stories: vec![Story::default(); world.orders.len()],
            last_end: [UnixMillis(0); ACCOUNTS],
            broken: None,
            projection: Arc::default(),
            overdue: Vec::new(),
            settled: BTreeSet::new(),
            owed: BTreeSet::new(),
        }
    }

    pub(crate) fn last(&self) -> u64 {
        self.records.len() as u64
    }

    /// The first record from `seq` on that a partition's reader is given.
    pub(crate) fn next_record(&self, seq: u64, entries: &Entries) -> Option<(u64, EntryId)> {
        use angelia_shared::subject::Subject::{Attempt, Wallet};
        let from = seq.max(1) - 1;
        let records = (seq.max(1)..).zip(self.records.iter().skip(from as usize));
        let read = |entry: EntryId| !matches!(entries.get(entry).subject, Attempt(..) | Wallet(_));
        records.map(|(seq, entry)| (seq, *entry)).find(|(_, entry)| read(*entry))
    }

    /// Whether everything that was accepted has come to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.stories.iter().all(|story| story.is_over) && self.overdue.is_empty()
    }

    fn fold(&mut self, event: &Event, entry: EntryId, world: &World) -> Result<(), Broken> {
        self.records.push(entry);
        let seq = self.last();
        match event {
            Event::MessageAccepted(event) => self.story(event.message).is_accepted = true,
            Event::CancelRequested(event) => self.story(event.message).cancels.push(seq),
            Event::PartitionClaimed(event) => self.claims = (seq, Newest::Of(event.member)),
            Event::PartitionReleased(_) => self.claims = (seq, Newest::Free),
            Event::OutcomeSettled(event) => {
                self.settled.insert((entries::message_index(event.message), event.part));
            }
            Event::CreditsGranted(_) | Event::CreditsDrawn(_) | Event::MessageSent(_) | Event::MessageFailed(_) => {}
            _ => return self.attempt(event, entry, world),
        }
        Ok(())
    }

    fn story(&mut self, message: angelia_shared::ids::MessageId) -> &mut Story {
        &mut self.stories[usize::from(entries::message_index(message))]
    }

    fn attempt(&mut self, event: &Event, entry: EntryId, world: &World) -> Result<(), Broken> {
        let message = entries::message_of(event).expect("an owner's event is about a message");
        let account = usize::from(world.orders[usize::from(message)].account);
        self.newest[account] = Some(entry);
        let claim = *entries::memory_of(&mut event.clone()).0;
        if self.claims.0 != claim || self.claims.1 == Newest::Free {
            return Err(DP_3);
        }
        let before = world.orders.iter().zip(&self.stories).take(message.into());
        let waits = before
            .into_iter()
            .any(|(order, story)| usize::from(order.account) == account && story.is_accepted && !story.is_over);
        let story = &self.stories[usize::from(message)];
        if let Event::MessageCancelled(_) = event {
            if story.cancels.is_empty() {
                return Err(CANCEL);
            }
            if story.is_over || story.has_begun() {
                return Err(ENDS);
            }
            self.stories[usize::from(message)].is_over = true;
            return Ok(());
        }
        if waits {
            return Err(DP_2);
        }
        if !story.has_begun() && story.cancels.iter().any(|cancel| *cancel < claim) {
            return Err(CANCEL);
        }
        match event {
            Event::AttemptStarted(event) => self.started(event, account, world),
            Event::AttemptEnded(event) => self.ended(event, account),
            other => unreachable!("nobody writes {} here", other.name()),
        }
    }

    fn started(&mut self, started: &AttemptStarted, account: usize, world: &World) -> Result<(), Broken> {
        let free_at = self.last_end[account].plus_ms(started.floor_ms);
        let story = self.story(started.message);
        let again = started.part < story.part || story.is_over;
        if again && story.unknown >> started.part & 1 == 1 || story.is_open && !world.idempotent {
            return Err(DP_4);
        }
        if again || started.attempt != story.attempts + 1 || started.part != story.part {
            return Err(ENDS);
        }
        story.doubt |= story.is_open;
        (story.attempts, story.parts, story.is_open) = (started.attempt, started.parts, true);
        if started.at < free_at { Err(DP_1) } else { Ok(()) }
    }

    fn ended(&mut self, ended: &AttemptEnded, account: usize) -> Result<(), Broken> {
        self.last_end[account] = self.last_end[account].max(ended.at);
        let story = self.story(ended.message);
        let is_unknown = matches!(ended.outcome, AttemptOutcome::Unknown { .. });
        let was_begun = story.is_open || story.doubt && is_unknown;
        if story.is_over || !was_begun || (ended.attempt, ended.part) != (story.attempts, story.part) {
            return Err(ENDS);
        }
        story.is_open = false;
        match ended.outcome {
            AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => return Ok(()),
            AttemptOutcome::Unknown { .. } => story.unknown |= 1 << ended.part,
            AttemptOutcome::Sent { .. } | AttemptOutcome::Failed { .. } => {}
        }
        story.part += 1;
        story.doubt = false;
        story.is_over = story.part >= story.parts;
        Ok(())
    }

    /// The real ledger takes the record in.
    fn project(&mut self, entry: EntryId, entries: &Entries) {
        let (seq, at) = (self.last(), entries::at(0));
        let of = entries.get(entry);
        let record = Record { seq, at, subject: Ok(of.subject), payload: of.line.clone(), pending: 0 };
        let projection = Arc::make_mut(&mut self.projection);
        projection.fold(&[record]).expect("memory can be read");
        let (tables, late) = (&projection.tables, entries::at(Self::LATE));
        let overdue = due::overdue(tables, late, 0, usize::MAX).expect("memory can be read");
        self.overdue = overdue.iter().map(|due| (entries::message_index(due.message), due.part)).collect();
        for refund in due::refunds(tables, 1, at).expect("memory can be read") {
            let items = refund.event.items.iter().filter(|item| item.reason != OUTCOME_UNKNOWN);
            self.owed.extend(items.map(|item| (entries::message_index(item.message), item.part)));
        }
        if projection.head.counts.contradictions > 0 {
            self.broken = self.broken.or(Some(AGREES));
        }
    }

    /// After everything else.
    const LATE: entries::Now = 1_000_000_000;
}

/// All logs that were seen.
pub(crate) struct Logs {
    world: World,
    facts: Vec<Arc<Facts>>,
    appended: HashMap<(LogId, EntryId), LogId>,
}

impl Logs {
    pub(crate) fn new(world: World) -> Self {
        Self { world, facts: vec![Arc::new(Facts::empty(&world))], appended: HashMap::new() }
    }

    pub(crate) fn facts(&self, log: LogId) -> &Arc<Facts> {
        &self.facts[log as usize]
    }

    /// The log and every earlier one.
    pub(crate) fn prefixes(&self, log: LogId) -> impl Iterator<Item = LogId> {
        std::iter::successors(Some(log), |log| (*log != 0).then(|| self.facts(*log).parent))
    }

    /// The log with one record more.
    pub(crate) fn append(&mut self, log: LogId, entry: EntryId, entries: &Entries) -> LogId {
        if let Some(known) = self.appended.get(&(log, entry)) {
            return *known;
        }
        let mut facts = Facts::clone(self.facts(log));
        facts.parent = log;
        let folded = facts.fold(&entries.get(entry).event, entry, &self.world);
        facts.broken = facts.broken.or(folded.err());
        facts.project(entry, entries);
        self.facts.push(Arc::new(facts));
        let id = LogId::try_from(self.facts.len() - 1).expect("there are few logs");
        self.appended.insert((log, entry), id);
        id
    }
}
