//! The simulated log: records of one partition, several facts in a record where its subject is packed.

use angelia_shared::event::{Carry, Event};
use angelia_shared::ids::{AccountId, MessageId, WorkspaceId};
use angelia_shared::units::UnixMillis;

pub(super) const WORKSPACE: WorkspaceId = WorkspaceId(1);

/// A process: its name, and how often it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) owner: usize,
    pub(super) life: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Fact {
    Accepted { message: usize },
    CancelRequested { message: usize },
    Receipt { message: usize, part: u8, failed: bool, by_dispatcher: bool },
    Settled { message: usize, part: u8 },
    Attempt { account: usize, event: Box<Event> },
    Claimed { who: Who },
    Released,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) seq: u64,
    pub(super) at: UnixMillis,
    pub(super) facts: Vec<Fact>,
}

/// The newest record on the claim's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimHead {
    None,
    Claimed { seq: u64, who: Who },
    Released { seq: u64 },
}

impl ClaimHead {
    pub(super) fn seq(self) -> u64 {
        match self {
            ClaimHead::None => 0,
            ClaimHead::Claimed { seq, .. } | ClaimHead::Released { seq } => seq,
        }
    }
}

#[derive(Debug)]
pub(super) struct Book {
    pub(super) records: Vec<Record>,
    pub(super) head: ClaimHead,
}

impl Book {
    pub(super) fn new() -> Self {
        Self { records: vec![], head: ClaimHead::None }
    }

    /// Appends a record; `between` records of other subjects come before it.
    pub(super) fn append(&mut self, at: UnixMillis, between: u64, facts: Vec<Fact>) -> &Record {
        let seq = self.last_seq() + 1 + between;
        for fact in &facts {
            match fact {
                Fact::Claimed { who } => self.head = ClaimHead::Claimed { seq, who: *who },
                Fact::Released => self.head = ClaimHead::Released { seq },
                Fact::Accepted { .. }
                | Fact::CancelRequested { .. }
                | Fact::Receipt { .. }
                | Fact::Settled { .. }
                | Fact::Attempt { .. } => {}
            }
        }
        self.records.push(Record { seq, at, facts });
        self.records.last().expect("it was pushed just now")
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.records.last().map_or(0, |record| record.seq)
    }

    /// The newest event of an account, among records up to `seq`, as it reads back from its line, and when it was stored.
    pub(super) fn newest(&self, account: usize, seq: u64) -> Option<(Event, UnixMillis)> {
        self.records.iter().rev().filter(|record| record.seq <= seq).find_map(|record| match &record.facts[0] {
            Fact::Attempt { account: of, event } if *of == account => {
                Some((Event::from_line(&event.to_line()).expect("its own form"), record.at))
            }
            _ => None,
        })
    }

    /// The first record from `seq` on that a partition's reader is given.
    pub(super) fn next_record(&self, seq: u64) -> Option<&Record> {
        let from = self.records.partition_point(|record| record.seq < seq);
        self.records[from..].iter().find(|record| !matches!(record.facts[0], Fact::Attempt { .. }))
    }
}

pub(super) fn account_id(account: usize) -> AccountId {
    AccountId(account as u128 + 1)
}

pub(super) fn account_index(id: AccountId) -> usize {
    id.0 as usize - 1
}

pub(super) fn message_id(message: usize) -> MessageId {
    MessageId(message as u64 + 1)
}

pub(super) fn message_index(id: MessageId) -> usize {
    id.0 as usize - 1
}

/// What an event of an attempt's subject carries.
pub(super) fn carry_of(event: &mut Event) -> &mut Carry {
    match event {
        Event::AttemptStarted(event) => &mut event.carry,
        Event::AttemptEnded(event) => &mut event.carry,
        Event::PartRefused(event) => &mut event.carry,
        Event::MessageExpired(event) => &mut event.carry,
        Event::MessageCancelled(event) => &mut event.carry,
        other => panic!("{} is not written by an owner", other.name()),
    }
}
