//! Tells callers what became of their groups.

use std::collections::VecDeque;

use super::super::entry::{AppendError, Pending, Stored};
use super::super::pack::Places;
use crate::metrics as names;
use crate::subject::Subject;

/// Tells every group where it is. `records` is how many stand before the seal; a batch is contiguous.
pub(super) fn stored(taken: Vec<Pending>, places: &Places, sealed_at: u64, records: usize) {
    let first_seq = sealed_at - records as u64;
    let mut positions = places.positions(first_seq);
    for pending in taken {
        let positions = positions.by_ref().take(pending.group.entries.len()).collect();
        pending.answer(Ok(Stored { positions, sealed_at }));
    }
}

/// Answers the groups that hold a lost guard; the others go back to the front of `queue`, in order.
pub(super) fn guards_lost(taken: Vec<Pending>, lost: &[(Subject, u64)], queue: &mut VecDeque<Pending>) {
    for pending in taken.into_iter().rev() {
        let mine: Vec<_> = lost.iter().filter(|(subject, _)| pending.group.is_guarded_by(*subject)).copied().collect();
        if mine.is_empty() {
            queue.push_front(pending);
        } else {
            metrics::counter!(names::GUARDS_LOST).increment(1);
            pending.answer(Err(AppendError::GuardLost(mine)));
        }
    }
}
