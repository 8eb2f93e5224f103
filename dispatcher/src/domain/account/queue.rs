//! The messages of one account that wait, in order of acceptance: positions, prices and patience, no contents.
//!
//! Bound: [`BYTES_PER_MESSAGE`] for each message and one segment's slack an account, whatever waits and however it came to
//! wait; what has left gives its memory back. One growing ring would take up to three times as much in the moment in
//! which it doubles, and would keep it.
//!
//! Not here: contents (the shell keeps those near the front and reads the others again by their position).

use std::collections::{HashMap, HashSet, VecDeque};

use angelia_shared::ids::{MessageId, Position};
use angelia_shared::units::UnixMillis;

use super::Waiting;

/// What a waiting message takes. A million of them are 32 MB.
pub const BYTES_PER_MESSAGE: usize = 32;
/// Messages of one segment: 16 KiB. Few in tests, so that small queues have several.
const SEGMENT: usize = if cfg!(test) { 4 } else { 512 };

/// A [`Waiting`], packed: its position's two halves are apart, so nothing is lost to alignment.
#[derive(Clone, Copy, Debug)]
struct Packed {
    seq: u64,
    message: MessageId,
    accepted_at: UnixMillis,
    expires_after_s: u32,
    line: u16,
    credits: u8,
    has_file: bool,
}

const _: () = assert!(size_of::<Packed>() <= BYTES_PER_MESSAGE);

impl Packed {
    fn of(waiting: Waiting) -> Self {
        let Waiting { at, message, accepted_at, expires_after_s, credits } = waiting;
        Self { seq: at.seq, message, accepted_at, expires_after_s, line: at.line, credits, has_file: false }
    }

    fn at(&self) -> Position {
        Position::new(self.seq, self.line)
    }

    fn unpacked(self) -> Waiting {
        let at = self.at();
        let Self { message, accepted_at, expires_after_s, credits, .. } = self;
        Waiting { at, message, accepted_at, expires_after_s, credits }
    }
}

/// Waiting messages, in order. No segment is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    segments: VecDeque<VecDeque<Packed>>,
    len: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn front(&self) -> Option<Waiting> {
        self.segments.front()?.front().map(|packed| packed.unpacked())
    }

    pub(super) fn back(&self) -> Option<Waiting> {
        self.segments.back()?.back().map(|packed| packed.unpacked())
    }

    /// The message at `index`, from 0. Quick near the front.
    pub(super) fn get(&self, index: usize) -> Option<Waiting> {
        let (segment, within) = self.find(index)?;
        self.segments.get(segment)?.get(within).map(|packed| packed.unpacked())
    }

    /// Finds those of these messages that wait here, in one walk.
    pub(super) fn find_all(&self, asked: impl Iterator<Item = MessageId>) -> HashMap<MessageId, Position> {
        let mut left: HashSet<MessageId> = asked.collect();
        let mut found = HashMap::new();
        for packed in self.segments.iter().flatten() {
            if left.is_empty() {
                break;
            }
            if left.remove(&packed.message) {
                found.insert(packed.message, packed.at());
            }
        }
        found
    }

    /// Those with a file among the first `count` messages behind the one at the front, in order.
    pub(super) fn files_behind_front(&self, count: usize) -> impl Iterator<Item = Waiting> + '_ {
        let next = self.segments.iter().flatten().skip(1).take(count);
        next.filter(|packed| packed.has_file).map(|packed| packed.unpacked())
    }

    /// Says that the last message has a file, if it is this one.
    pub(super) fn last_has_file(&mut self, message: MessageId) {
        let last = self.segments.back_mut().and_then(VecDeque::back_mut);
        if let Some(last) = last.filter(|last| last.message == message) {
            last.has_file = true;
        }
    }

    /// Where the message is whose acceptance is at `at`. Quick also in a long queue.
    pub(super) fn find_at(&self, at: Position) -> Option<usize> {
        let ends_before = |messages: &VecDeque<Packed>| messages.back().is_some_and(|last| last.at() < at);
        let segment = self.segments.partition_point(ends_before);
        let within = self.segments.get(segment)?.binary_search_by_key(&at, Packed::at).ok()?;
        Some(self.segments.range(..segment).map(VecDeque::len).sum::<usize>() + within)
    }

    pub(super) fn push_back(&mut self, waiting: Waiting) {
        if self.segments.back().is_none_or(|last| last.len() >= SEGMENT) {
            // The first segment grows as it is needed: most accounts never have another one.
            let room = if self.segments.is_empty() { 0 } else { SEGMENT };
            self.segments.push_back(VecDeque::with_capacity(room));
        }
        if let Some(last) = self.segments.back_mut() {
            last.push_back(Packed::of(waiting));
            self.len += 1;
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Waiting> {
        self.remove(0)
    }

    /// Takes the message at `index` out.
    pub(super) fn remove(&mut self, index: usize) -> Option<Waiting> {
        let (segment, within) = self.find(index)?;
        let messages = self.segments.get_mut(segment)?;
        let removed = messages.remove(within)?;
        if messages.is_empty() {
            self.segments.remove(segment);
        }
        self.len -= 1;
        Some(removed.unpacked())
    }

    fn find(&self, index: usize) -> Option<(usize, usize)> {
        let mut left = index;
        for (segment, messages) in self.segments.iter().enumerate() {
            if left < messages.len() {
                return Some((segment, left));
            }
            left -= messages.len();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waiting(n: u64) -> Waiting {
        Waiting {
            at: Position::new(n / 64, (n % 64) as u16),
            message: MessageId(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            accepted_at: UnixMillis(1_700_000_000_000 + n as i64),
            expires_after_s: u32::MAX - n as u32,
            credits: 1 + (n % 2) as u8,
        }
    }

    impl Queue {
        fn room(&self) -> usize {
            self.segments.iter().map(VecDeque::capacity).sum()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Pop,
        Remove(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![3 => Just(Step::Push), 2 => Just(Step::Pop), 1 => (0usize..40).prop_map(Step::Remove)];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn it_behaves_as_one_ring_and_keeps_to_its_bound(steps in steps()) {
            let (mut queue, mut ring, mut n) = (Queue::default(), VecDeque::new(), 0);
            for step in steps {
                match step {
                    Step::Push => {
                        n += 1;
                        queue.push_back(waiting(n));
                        ring.push_back(waiting(n));
                    }
                    Step::Pop => prop_assert_eq!(queue.pop_front(), ring.pop_front()),
                    Step::Remove(index) => prop_assert_eq!(queue.remove(index), ring.remove(index)),
                }
                prop_assert_eq!((queue.len(), queue.is_empty()), (ring.len(), ring.is_empty()));
                prop_assert_eq!((queue.front(), queue.back()), (ring.front().copied(), ring.back().copied()));
                for index in [0, 1, 5, ring.len()] {
                    prop_assert_eq!(queue.get(index), ring.get(index).copied());
                }
                prop_assert!(queue.segments.iter().all(|segment| !segment.is_empty()));
            }
            for (index, message) in ring.iter().enumerate() {
                prop_assert_eq!(queue.find_at(message.at), Some(index));
            }
            let found = queue.find_all((0..=n + 1).map(|n| waiting(n).message));
            prop_assert_eq!(found, ring.iter().map(|message| (message.message, message.at)).collect::<HashMap<_, _>>());
            for gone in (1..=n).map(|n| waiting(n).at).filter(|at| ring.iter().all(|message| message.at != *at)) {
                prop_assert_eq!(queue.find_at(gone), None);
            }
        }
    }

    #[test]
    fn files_are_told_of_those_next_and_of_no_other() {
        let mut queue = Queue::default();
        for n in 0..20 {
            queue.push_back(waiting(n));
            if n % 2 == 0 {
                queue.last_has_file(waiting(n).message);
            }
            queue.last_has_file(waiting(n + 1).message);
        }
        let files = |queue: &Queue, count| -> Vec<Waiting> { queue.files_behind_front(count).collect() };
        assert_eq!(files(&queue, 5), [2, 4].map(waiting), "the one at the front is not behind it");
        queue.pop_front();
        assert_eq!(files(&queue, 5), [2, 4, 6].map(waiting));
        assert_eq!(files(&queue, 0), []);
    }

    #[test]
    fn a_long_queue_takes_its_bytes_a_message_and_gives_them_back() {
        let (mut queue, many) = (Queue::default(), 1_000_000);
        for n in 0..many {
            queue.push_back(waiting(n));
        }
        assert!(queue.room() <= many as usize + SEGMENT, "{} places for {many} messages", queue.room());
        while queue.len() > 10 {
            queue.pop_front();
        }
        assert!(queue.room() <= 10 + 2 * SEGMENT, "{} places for 10 messages", queue.room());
    }
}
