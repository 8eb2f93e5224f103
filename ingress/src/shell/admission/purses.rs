//! The purses of this lane, and when to look at those that hold something.
//!
//! What is remembered of a wallet only saves reads: a draw is guarded by the head that it was decided on, and nobody is
//! refused on a state that is older than the order. What a purse holds is not forgotten.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use angelia_shared::ids::WorkspaceId;
use angelia_shared::units::Credits;

use crate::domain::purse::{Moment, Purse};

/// Pause before a rest is looked at again that could not be returned.
const RETRY_MS: u64 = 1_000;

/// The purses, in two generations: what was not used during a whole generation, and holds nothing, is forgotten.
pub(super) struct Purses {
    young: HashMap<WorkspaceId, Purse>,
    old: HashMap<WorkspaceId, Purse>,
    generation_max: usize,
    /// How many young ones end the generation: those that could not be forgotten do not count.
    turn_at: usize,
}

impl Purses {
    /// Remembers about `purses_max` of them, and all that hold something.
    pub(super) fn new(purses_max: usize) -> Self {
        let generation_max = (purses_max / 2).max(1);
        Self { young: HashMap::new(), old: HashMap::new(), generation_max, turn_at: generation_max }
    }

    /// The purse of a workspace; an empty one at first.
    pub(super) fn of(&mut self, workspace: WorkspaceId) -> &mut Purse {
        if !self.young.contains_key(&workspace) {
            let purse = self.old.remove(&workspace).unwrap_or_default();
            if self.young.len() >= self.turn_at {
                self.turn();
            }
            self.young.insert(workspace, purse);
        }
        self.young.get_mut(&workspace).expect("it was just put there")
    }

    /// Begins a new generation.
    fn turn(&mut self) {
        let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        self.young.extend(forgotten.into_iter().filter(|(_, purse)| purse.is_in_use()));
        self.turn_at = self.young.len() + self.generation_max;
    }

    /// Takes in that the writer was fenced, which had drawn everything that is held.
    pub(super) fn fenced(&mut self) {
        self.young.values_mut().chain(self.old.values_mut()).for_each(Purse::fenced);
    }

    /// The workspaces for which something is held.
    pub(super) fn holding(&self) -> Vec<WorkspaceId> {
        let purses = self.young.iter().chain(&self.old);
        purses.filter(|(_, purse)| purse.rest() > Credits::ZERO).map(|(workspace, _)| *workspace).collect()
    }
}

/// When to look at purses that hold something. Each is here once.
#[derive(Default)]
pub(super) struct Watch {
    due: BinaryHeap<Reverse<(Moment, WorkspaceId)>>,
    watched: HashSet<WorkspaceId>,
}

impl Watch {
    /// Looks at a purse from now on, if it holds something.
    pub(super) fn keep(&mut self, workspace: WorkspaceId, purse: &Purse) {
        if purse.rest() > Credits::ZERO && self.watched.insert(workspace) {
            self.due.push(Reverse((purse.idle_at(), workspace)));
        }
    }

    /// The first purse that has something to give back by now, after a [`tick`](Purse::tick).
    pub(super) fn idle(&mut self, purses: &mut Purses, now: Moment) -> Option<WorkspaceId> {
        while let Some(Reverse((due, workspace))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            let purse = purses.of(workspace);
            if purse.rest() == Credits::ZERO {
                self.watched.remove(&workspace);
                continue;
            }
            let is_idle = purse.idle_at() <= now;
            let again = if is_idle { now.plus_ms(RETRY_MS) } else { purse.idle_at() };
            self.due.push(Reverse((again, workspace)));
            if is_idle {
                purse.tick(now);
                return Some(workspace);
            }
        }
        None
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::event::Totals;

    use super::*;
    use crate::domain::admission::Asked;
    use crate::domain::purse::{GiveBack, HOT_MS, IDLE_MS};
    use crate::domain::wallet::Wallet;

    const NOW: Moment = Moment(50_000);

    /// Makes the purse of a workspace hold one credit.
    fn fill(purses: &mut Purses, workspace: WorkspaceId) {
        let purse = purses.of(workspace);
        let totals = Totals { granted: Credits(1_000), ..Totals::default() };
        purse.read(Wallet::at(1, totals).unwrap(), 1);
        for head in 2..4 {
            let plan = purse.plan(&[Asked { price: Credits(1), arrival: 1 }], 1, NOW);
            purse.stored(&plan.spend.unwrap(), head, NOW);
        }
        assert_eq!(purse.rest(), Credits(1), "the second draw was ahead");
    }

    #[test]
    fn a_purse_that_holds_something_is_kept_and_an_unused_one_is_forgotten_in_time() {
        let mut purses = Purses::new(8);
        fill(&mut purses, WorkspaceId(0));
        purses.of(WorkspaceId(1)).read(Wallet::NEW, 1);
        for other in 2..400 {
            purses.of(WorkspaceId(other)).read(Wallet::NEW, 1);
            assert!(purses.young.len() + purses.old.len() <= 9, "after {other}");
        }
        assert_eq!(purses.of(WorkspaceId(0)).rest(), Credits(1));
        assert_eq!(*purses.of(WorkspaceId(1)), Purse::default());
        assert_eq!(purses.holding(), [WorkspaceId(0)]);
        purses.fenced();
        assert_eq!(purses.holding(), []);
    }

    #[test]
    fn many_that_hold_something_do_not_end_a_generation_each_time() {
        let mut purses = Purses::new(8);
        for workspace in 0..100 {
            fill(&mut purses, WorkspaceId(workspace));
        }
        assert_eq!(purses.holding().len(), 100);
    }

    #[test]
    fn an_idle_purse_is_shown_when_it_is_due_and_again_when_it_could_not_be_returned() {
        let (mut purses, mut watch) = (Purses::new(8), Watch::default());
        fill(&mut purses, WorkspaceId(1));
        watch.keep(WorkspaceId(1), purses.of(WorkspaceId(1)));
        watch.keep(WorkspaceId(1), purses.of(WorkspaceId(1)));
        watch.keep(WorkspaceId(2), purses.of(WorkspaceId(2)));
        let due = NOW.plus_ms(IDLE_MS);
        assert_eq!((watch.next(), watch.idle(&mut purses, NOW.plus_ms(HOT_MS))), (Some(due), None));
        assert_eq!(watch.idle(&mut purses, due), Some(WorkspaceId(1)));
        assert_eq!(watch.idle(&mut purses, due), None);
        assert_eq!(purses.of(WorkspaceId(1)).give_back(), GiveBack::Read);
        assert_eq!(watch.idle(&mut purses, due.plus_ms(RETRY_MS)), Some(WorkspaceId(1)));
        purses.fenced();
        assert_eq!(watch.idle(&mut purses, due.plus_ms(2 * RETRY_MS)), None);
        assert_eq!(watch.next(), None, "it holds nothing any more");
    }

    #[test]
    fn a_purse_that_was_spent_from_is_looked_at_later() {
        let (mut purses, mut watch) = (Purses::new(8), Watch::default());
        fill(&mut purses, WorkspaceId(1));
        watch.keep(WorkspaceId(1), purses.of(WorkspaceId(1)));
        let later = NOW.plus_ms(HOT_MS + 500);
        let purse = purses.of(WorkspaceId(1));
        let plan = purse.plan(&[Asked { price: Credits(3), arrival: 1 }], 1, NOW);
        purse.stored(&plan.spend.unwrap(), 4, later);
        let held = purse.rest();
        assert!(held > Credits::ZERO, "it drew ahead");
        assert_eq!(watch.idle(&mut purses, NOW.plus_ms(IDLE_MS)), None);
        assert_eq!(watch.next(), Some(later.plus_ms(IDLE_MS)));
    }
}
