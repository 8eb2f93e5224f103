//! What would have been: the same log under other prices, other rules of refund and another pace.
//!
//! Shape: (records, [`Policy`]) -> for each workspace and day (UTC) what was and what would have been, where they differ.
//!
//! Invariants:
//! - A policy that says what was in force gives no difference.
//! - What would have been charged was there: a message for which it was not would have been refused, and would neither
//!   be sent nor refunded.
//!
//! What is assumed: callers call as they did, WhatsApp answers as it did and takes as long. An attempt leaves as much later
//! than its account was free as it did then.
//!
//! Not here: reading the policy's file, and the log.

mod money;
mod pace;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use angelia_shared::event::{Event, lines};
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::Record;
use angelia_shared::units::UnixMillis;

use money::Money;
use pace::Paces;
pub use policy::{BadPolicy, Policy};

const DAY_MS: i64 = 86_400_000;

/// What was, and what would have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Both {
    /// What the log says.
    pub was: u64,
    /// What it would say.
    pub would: u64,
}

/// One workspace on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Day {
    /// Credits charged.
    pub charged: Both,
    /// Credits given back.
    pub refunded: Both,
    /// Messages refused because credits were missing. The log does not have those that were.
    pub refused: Both,
    /// Attempts begun.
    pub attempts: Both,
    /// How long messages waited for their first attempt, in milliseconds, on the day on which they were accepted.
    pub waited_ms: Both,
}

impl Day {
    fn differs(&self) -> bool {
        let all = [self.charged, self.refunded, self.refused, self.attempts, self.waited_ms];
        all.iter().any(|both| both.was != both.would)
    }
}

/// Rows by workspace and day since the epoch.
#[derive(Debug, Default)]
struct Days(BTreeMap<(WorkspaceId, i64), Day>);

impl Days {
    fn of(&mut self, workspace: WorkspaceId, at: UnixMillis) -> &mut Day {
        self.0.entry((workspace, at.0.div_euclid(DAY_MS))).or_default()
    }
}

/// A what-if in progress.
pub struct WhatIf {
    policy: Policy,
    days: Days,
    money: Money,
    paces: Paces,
}

impl WhatIf {
    /// Begins before the first record.
    pub fn new(policy: Policy) -> Self {
        Self { policy, days: Days::default(), money: Money::default(), paces: Paces::default() }
    }

    /// Goes through one more record. What cannot be read is left out on both sides.
    pub fn record(&mut self, record: &Record) {
        let Ok(subject) = record.subject else { return };
        for line in lines(&record.payload) {
            let Ok(event) = Event::from_line(line) else { continue };
            self.money.event(subject, &event, &self.policy, &mut self.days);
            self.paces.event(subject, &event, &self.policy, &self.money, &mut self.days);
        }
    }

    /// Every workspace and day on which something would have been different, with the day as `2026-01-31`.
    pub fn differences(&self) -> impl Iterator<Item = (WorkspaceId, String, &Day)> {
        self.days.0.iter().filter(|(_, day)| day.differs()).map(|((workspace, day), row)| {
            let date = UnixMillis(day * DAY_MS).to_rfc3339();
            (*workspace, date.chars().take_while(|letter| *letter != 'T').collect(), row)
        })
    }
}
