//! Bounds the messages that wait in the memory of a process.
//!
//! Shape: each partition tells its [`Share`] how many messages it holds; a share is full when the process holds too many
//! *and* this partition has more than its part of them. So a backlog stops the reading of those partitions that have it,
//! and of no other.
//!
//! Bound: the process holds at most twice its maximum: the partitions with more than their part stop at the maximum, the
//! others together cannot hold more than another one. Records that a paused reader was sent already come on top: one pull
//! of the broker's client a partition.
//!
//! Not covered: what waits when a partition is taken over. Nothing may be sent before it is read to the claim, since its
//! last record may be a cancel; so it is read, at 32 bytes a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all partitions of the process hold together.
pub(crate) struct Room {
    held: AtomicUsize,
    max: usize,
    partitions: usize,
}

impl Room {
    /// Room for `max` messages of `partitions`.
    pub(crate) fn new(max: usize, partitions: u16) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), max, partitions: usize::from(partitions).max(1) })
    }

    /// How many messages all partitions hold.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// A partition's share, with nothing in it.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { room: Arc::clone(self), held: 0, may_pause: false }
    }
}

/// What one partition holds. Dropped, it is given back.
pub(crate) struct Share {
    room: Arc<Room>,
    held: usize,
    may_pause: bool,
}

impl Share {
    /// The partition holds this many messages now; before it has caught up it reads whatever there is.
    pub(crate) fn holds(&mut self, messages: usize, caught_up: bool) {
        if messages >= self.held {
            self.room.held.fetch_add(messages - self.held, Ordering::Relaxed);
        } else {
            self.room.held.fetch_sub(self.held - messages, Ordering::Relaxed);
        }
        (self.held, self.may_pause) = (messages, caught_up);
    }

    /// Whether the partition must not read on, not even cancel requests.
    pub(crate) fn is_full(&self) -> bool {
        let part = self.room.max / self.room.partitions;
        self.may_pause && self.held > part && self.room.held() >= self.room.max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.holds(0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_partition_with_the_backlog_stops_reading() {
        let room = Room::new(1_000, 4);
        let (mut large, mut small) = (room.share(), room.share());
        large.holds(999, true);
        small.holds(0, true);
        assert!(!large.is_full(), "there is room for one");
        small.holds(1, true);
        assert!(large.is_full() && !small.is_full());
        small.holds(250, true);
        assert!(!small.is_full(), "a fourth is its part");
        small.holds(251, true);
        assert!(small.is_full());
        large.holds(748, true);
        assert!(!large.is_full() && !small.is_full());
    }

    #[test]
    fn a_partition_that_has_not_caught_up_reads_on() {
        let room = Room::new(1_000, 4);
        let mut share = room.share();
        share.holds(5_000, false);
        assert!(!share.is_full());
        share.holds(5_000, true);
        assert!(share.is_full());
    }

    #[test]
    fn a_partition_that_is_lost_gives_its_room_back() {
        let room = Room::new(1_000, 4);
        let (mut lost, mut kept) = (room.share(), room.share());
        lost.holds(900, true);
        kept.holds(300, true);
        assert!(kept.is_full());
        drop(lost);
        assert!(!kept.is_full());
        assert_eq!(room.held(), 300);
    }
}
