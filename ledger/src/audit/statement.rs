//! A workspace's statement from the log alone, told while it is read: nothing is kept but sums and the ids of its messages.
//!
//! Shape: batches in order -> lines. On a log that verifies they are the lines that a ledger has (see
//! [`crate::domain::statement`]).
//!
//! Not here: how a line is shown (see `angelia_shared::shown`).

use std::collections::HashSet;

use angelia_shared::event::{Event, KNOWN_VERSION, lines};
use angelia_shared::ids::{MessageId, Position, WorkspaceId};
use angelia_shared::log::{EventLog, Record};
use angelia_shared::query::{Moved, StatementKind, StatementLine};
use angelia_shared::subject::Subject;

use super::read::{Progress, ReadLogError, Stretch, WholeBatches};
use crate::domain::statement::Sums;

/// A statement under way.
pub struct Statement {
    workspace: WorkspaceId,
    sums: Sums,
    /// A message that is accepted again is no charge: it breaks IN-1.
    accepted: HashSet<MessageId>,
}

impl Statement {
    /// An empty one.
    pub fn of(workspace: WorkspaceId) -> Self {
        Self { workspace, sums: Sums::default(), accepted: HashSet::new() }
    }

    /// Tells the lines of a record, in order.
    pub fn record(&mut self, record: &Record, tell: &mut impl FnMut(StatementLine)) {
        match record.subject {
            Ok(Subject::Accepted(_)) => {}
            Ok(Subject::Wallet(workspace)) if workspace == self.workspace => {}
            _ => return,
        }
        for (number, line) in lines(&record.payload).enumerate() {
            let at = Position::new(record.seq, u16::try_from(number).unwrap_or(u16::MAX));
            match Event::from_line(line) {
                Ok(event) if event.version() <= KNOWN_VERSION => self.event(at, event, tell),
                // A ledger counts and names what it does not understand, and moves nothing.
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn event(&mut self, at: Position, event: Event, tell: &mut impl FnMut(StatementLine)) {
        match event {
            Event::MessageAccepted(fact) if fact.workspace == self.workspace && self.accepted.insert(fact.message) => {
                let (kind, message) = (StatementKind::Charge, Some(fact.message));
                let moved = Moved { at: fact.at, kind, credits: fact.credits, message, reason: None };
                self.line(at, moved, tell);
            }
            Event::CreditsGranted(fact) => {
                let (kind, reason) = (StatementKind::Grant, Some(fact.reason));
                self.line(at, Moved { at: fact.at, kind, credits: fact.credits, message: None, reason }, tell);
            }
            Event::CreditsRefunded(fact) => {
                for (number, item) in fact.items.into_iter().enumerate() {
                    let place = Position::new(at.seq, u16::try_from(number).unwrap_or(u16::MAX));
                    let (kind, message, reason) = (StatementKind::Refund, Some(item.message), Some(item.reason));
                    self.line(place, Moved { at: fact.at, kind, credits: item.credits, message, reason }, tell);
                }
            }
            // Draws and returns are the writers' business.
            _ => {}
        }
    }

    fn line(&mut self, at_position: Position, moved: Moved, tell: &mut impl FnMut(StatementLine)) {
        self.sums = self.sums.with(&moved);
        tell(StatementLine { at_position, balance: self.sums.available(), moved });
    }
}

/// Tells the lines of every whole batch up to a point, a batch's at a time. What `take` cannot take ends it.
///
/// # Errors
/// [`ReadLogError`]; inside, what `take` returns.
pub async fn tell<E>(
    log: &EventLog,
    workspace: WorkspaceId,
    stretch: Stretch,
    progress: impl FnMut(Progress),
    mut take: impl FnMut(Vec<StatementLine>) -> Result<(), E>,
) -> Result<Result<(), E>, ReadLogError> {
    let mut batches = WholeBatches::start(log, "statement", stretch, progress);
    let mut statement = Statement::of(workspace);
    while let Some(batch) = batches.next().await? {
        let mut told = Vec::new();
        batch.iter().for_each(|record| statement.record(record, &mut |line| told.push(line)));
        if !told.is_empty()
            && let Err(error) = take(told)
        {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::history::{World, steps};
    use crate::domain::statement::{Wanted, lines};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn what_is_told_is_what_a_ledger_has(steps in steps(150)) {
            let mut world = World::new();
            world.play(&steps);
            world.refund_everything();
            let workspaces = world.log.events.iter().filter_map(|(_, subject, _)| match subject {
                Subject::Wallet(workspace) => Some(*workspace),
                _ => None,
            });
            for workspace in workspaces.collect::<HashSet<_>>() {
                let mut told = Vec::new();
                let mut statement = Statement::of(workspace);
                for record in world.log.batches.iter().flatten() {
                    statement.record(record, &mut |line| told.push(line));
                }
                let wanted = Wanted { limit: usize::MAX, ..Wanted::default() };
                prop_assert_eq!(told, lines(&world.ledger.tables, workspace, wanted).unwrap());
            }
        }
    }
}
