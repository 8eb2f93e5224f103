//! What an owner knows and decides: the dispatcher's real `Partition`, nothing else. Equal ones are one [`MindId`], and what one
//! makes of an input is worked out once.

use std::collections::HashMap;
use std::sync::Arc;

use angelia_dispatcher::domain::account::{CallResult, Decision, Settings, Takeover, Write};
use angelia_dispatcher::domain::limits::Limits;
use angelia_dispatcher::domain::partition::Partition;
use angelia_dispatcher::domain::plan::{self, File};
use angelia_dispatcher::transport::{FailReason, PutOffScope};
use angelia_shared::ids::Position;
use angelia_shared::units::Credits;

use super::entries::{self, ACCOUNTS, Entries, EntryId, Now};
use super::rules::World;

/// The gap and the floor. Longer than a call may wait for its beginning, so that a late one meets a later owner.
pub(crate) const GAP_MS: Now = 2_000;
/// How long a call may take.
pub(crate) const TIMEOUT_MS: Now = 3_000;

/// Names one state of an owner's memory among all that were seen.
pub(crate) type MindId = u32;

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    Sent,
    Refused,
    PutOff,
    Silence,
    NotStarted,
}

impl Answer {
    pub(crate) fn result(self) -> CallResult {
        let detail = String::new();
        match self {
            Self::Sent => CallResult::Sent { provider_id: "answer".to_owned() },
            Self::Refused => CallResult::Failed { reason: FailReason::MessageRejected, detail },
            Self::PutOff => CallResult::PutOff { scope: PutOffScope::Throughput, asked_ms: None, detail },
            Self::Silence => CallResult::Unknown { detail },
            Self::NotStarted => CallResult::NotStarted,
        }
    }
}

/// How a partition came to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) claim: u64,
    pub(crate) snapshot: [Option<EntryId>; ACCOUNTS],
    pub(crate) released: bool,
    pub(crate) timeout_ms: Now,
    pub(crate) now: Now,
}

/// Something that an owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    /// The record at a sequence.
    Read {
        seq: u64,
        entry: EntryId,
    },
    /// Everything below the claim was read.
    CaughtUp {
        now: Now,
    },
    Stored {
        account: usize,
        answers_cancel: Option<u64>,
    },
    Called {
        account: usize,
        message: u8,
        answer: Answer,
        now: Now,
    },
    /// It is to do what is due.
    Act {
        now: Now,
    },
    /// It is to write down what has ended.
    Finish {
        now: Now,
    },
    /// Whatever it had handed in is forgotten: only for an owner that keeps its memory.
    Forget,
}

/// What an owner hands in.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) account: usize,
    pub(crate) write: Write,
}

/// What an owner knows once it was told something, and what it hands in.
type Told = (MindId, Arc<[Written]>);

pub(crate) struct Minds {
    world: World,
    minds: Vec<Arc<Partition>>,
    known: HashMap<Arc<Partition>, MindId>,
    origins: HashMap<Origin, MindId>,
    told: HashMap<(MindId, Input), Told>,
}

impl Minds {
    pub(crate) fn new(world: World) -> Self {
        Self { world, minds: Vec::new(), known: HashMap::new(), origins: HashMap::new(), told: HashMap::new() }
    }

    pub(crate) fn get(&self, mind: MindId) -> &Partition {
        &self.minds[mind as usize]
    }

    fn keep(&mut self, partition: Partition) -> MindId {
        let partition = Arc::new(partition);
        if let Some(known) = self.known.get(&partition) {
            return *known;
        }
        let id = MindId::try_from(self.minds.len()).expect("there are few minds");
        self.known.insert(Arc::clone(&partition), id);
        self.minds.push(partition);
        id
    }

    /// A new owner, with empty memory but for the newest event of each account.
    pub(crate) fn recovered(&mut self, origin: Origin, entries: &Entries) -> MindId {
        if let Some(known) = self.origins.get(&origin) {
            return *known;
        }
        let Origin { claim, snapshot, released, timeout_ms, now } = origin;
        let mut partition = Partition::new(claim);
        let call_timeout_ms = timeout_ms.into();
        // Clocks that are right, and a start that is stored at once: nothing lets an owner go on earlier.
        let takeover = Takeover { released, now: entries::at(now), call_timeout_ms, shift_ms: 0, doubt_ms: 0 };
        for (account, entry) in snapshot.into_iter().enumerate() {
            if let Some(entry) = entry {
                let event = &entries.get(entry).event;
                let (id, settings) = (entries::account_id(account), settings(&self.world));
                partition.recover(entries::WORKSPACE, id, settings, event, takeover);
            }
        }
        let id = self.keep(partition);
        self.origins.insert(origin, id);
        id
    }

    /// Tells an owner something. Returns what it knows then, and what it hands in.
    pub(crate) fn tell(&mut self, mind: MindId, input: Input, entries: &Entries) -> Told {
        if let Some(known) = self.told.get(&(mind, input)) {
            return known.clone();
        }
        let mut partition = Partition::clone(self.get(mind));
        let written = self.take(&mut partition, input, entries);
        let told = (self.keep(partition), Arc::from(written));
        self.told.insert((mind, input), told.clone());
        told
    }

    fn take(&self, partition: &mut Partition, input: Input, entries: &Entries) -> Vec<Written> {
        match input {
            Input::Read { seq, entry } => {
                let settings = |_| settings(&self.world);
                partition.read(Position::new(seq, 0), &entries.get(entry).event, settings);
                partition.consumed(seq);
            }
            Input::CaughtUp { now } => partition.caught_up(entries::at(now)),
            Input::Stored { account, answers_cancel } => partition.stored(entries::account_id(account), answers_cancel),
            Input::Called { account, message, answer, now } => {
                let (account, message) = (entries::account_id(account), entries::message_id(message));
                partition.call_ended(account, message, answer.result(), entries::at(now));
            }
            Input::Act { now } => return self.act(partition, now),
            Input::Finish { now } => {
                let finish =
                    |account| Some((account, partition.finish(entries::account_id(account), entries::at(now))?));
                let finished: Vec<_> = (0..ACCOUNTS).filter_map(finish).collect();
                return finished.into_iter().map(|(account, write)| Written { account, write: *write }).collect();
            }
            Input::Forget => (0..ACCOUNTS).for_each(|account| partition.stored(entries::account_id(account), None)),
        }
        Vec::new()
    }

    /// Does everything that is due. Contents are at hand at once.
    fn act(&self, partition: &mut Partition, now: Now) -> Vec<Written> {
        let mut written = Vec::new();
        let mut rounds = 0;
        while let Some(id) = partition.due(entries::at(now)) {
            rounds += 1;
            assert!(rounds < 100, "an owner goes round in circles");
            match partition.next(id, entries::at(now)) {
                Decision::Wait(_) => {}
                Decision::Prepare(preparation) => {
                    let order = self.world.orders[usize::from(entries::message_index(preparation.message))];
                    let file = if order.parts > 1 { File::Here { carries: false } } else { File::None };
                    let plan = plan::plan(Credits(order.parts.into()), true, file);
                    partition.prepared(id, preparation.message, plan);
                }
                Decision::Write(write) => {
                    written.push(Written { account: entries::account_index(id), write: *write });
                }
            }
        }
        written
    }
}

fn settings(world: &World) -> Settings {
    let gap_ms = (GAP_MS.into(), GAP_MS.into());
    Settings { gap_ms, limits: Limits::default(), hold: None, idempotent: world.idempotent }
}
