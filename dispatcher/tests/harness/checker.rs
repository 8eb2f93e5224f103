//! The dispatcher's invariants, from the log alone, at every place of it.

use std::collections::{HashMap, HashSet};

use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event};
use angelia_shared::ids::{AccountId, MessageId, Position};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::UnixMillis;

use super::account::Account as Sender;
use super::chronicle::{Log, Logged};
use super::journal::Journal;

/// Checks that of each account's messages everything went out once, in order and at its pace, but at most `crashes`
/// messages that the log calls unknown.
///
/// # Panics
/// When it is not so.
pub(crate) fn exactly_once(log: &Log, journal: &Journal, sent: &[(Sender, Vec<MessageId>)], crashes: usize) {
    for (account, messages) in sent {
        let went_out = journal.messages_of(account);
        let expected: Vec<_> = messages.iter().copied().filter(|of| went_out.contains(of)).collect();
        assert_eq!(went_out, expected, "each at most once, in order");
        let unknown: Vec<_> = messages.iter().filter(|of| log.outcomes(**of).contains(&"unknown")).collect();
        assert!(unknown.len() <= crashes, "{} unknown after {crashes} crashes", unknown.len());
        let missing: Vec<_> = messages.iter().filter(|of| !went_out.contains(of) && !unknown.contains(of)).collect();
        assert!(missing.is_empty(), "{missing:?} did not go out");
        for gap in journal.gaps_of(account) {
            assert!(gap >= account.floor_ms(), "DP-1: a gap of {gap} ms");
        }
    }
}

#[derive(Default)]
struct Account {
    /// The end of the last attempt.
    ended_at: Option<UnixMillis>,
    /// The newest acceptance that was attempted.
    reached: Position,
    /// Parts that are open, unknown or over: not to be started again.
    closed: HashSet<(MessageId, u8)>,
    open: Option<(MessageId, u8)>,
}

/// Checks DP-1 to DP-4.
///
/// # Panics
/// Names the first event that breaks one.
pub(crate) fn check(log: &Log) {
    let mut claims: HashMap<Partition, u64> = HashMap::new();
    let mut accounts: HashMap<AccountId, Account> = HashMap::new();
    for Logged { at, subject, event } in &log.0 {
        match (subject, event) {
            (Subject::PartitionClaim(part), _) => {
                claims.insert(*part, at.seq);
            }
            (Subject::Attempt(part, _, account), _) => {
                let claim = claim_of(event).unwrap_or_else(|| panic!("{at}: {} is no attempt", event.name()));
                assert_eq!(Some(&claim), claims.get(part), "DP-3: {at} was written under an older claim");
                let account = accounts.entry(*account).or_default();
                match event {
                    Event::AttemptStarted(started) => account.starts(*at, started),
                    Event::AttemptEnded(ended) => account.ends(*at, ended),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Account {
    fn starts(&mut self, at: Position, started: &AttemptStarted) {
        if let Some(ended) = self.ended_at {
            let gap = started.at.0 - ended.0;
            assert!(gap >= started.floor_ms as i64, "DP-1: {at} starts {gap} ms after the end before");
        }
        assert!(started.accepted >= self.reached, "DP-2: {at} starts {} after {}", started.accepted, self.reached);
        assert_eq!(self.open, None, "DP-4: {at} starts while an attempt is open");
        let part = (started.message, started.part);
        assert!(!self.closed.contains(&part), "DP-4: {at} starts what is unknown or over");
        self.reached = started.accepted;
        self.open = Some(part);
    }

    fn ends(&mut self, at: Position, ended: &AttemptEnded) {
        let part = (ended.message, ended.part);
        assert_eq!(self.open, Some(part), "{at} ends what was not open");
        self.open = None;
        self.ended_at = Some(ended.at);
        match ended.outcome {
            AttemptOutcome::Sent { .. } | AttemptOutcome::Failed { .. } | AttemptOutcome::Unknown { .. } => {
                self.closed.insert(part);
            }
            AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => {}
        }
    }
}

fn claim_of(event: &Event) -> Option<u64> {
    match event {
        Event::AttemptStarted(event) => Some(event.claim),
        Event::AttemptEnded(event) => Some(event.claim),
        Event::PartRefused(event) => Some(event.claim),
        Event::MessageExpired(event) => Some(event.claim),
        Event::MessageCancelled(event) => Some(event.claim),
        _ => None,
    }
}
