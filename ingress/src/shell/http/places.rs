//! Who holds one of the server's places for connections, and who gives one up when there are not enough.
//!
//! A place is given up by whoever has kept us waiting the longest: for a request's first byte, for the rest of its head or
//! body. So somebody who holds thousands of connections open and says nothing on them takes nothing from those who do
//! speak. A connection whose request is being handled, or whose answer is on its way, keeps its place.
//!
//! Not here: accepting and serving (see [`super::server`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use angelia_shared::clock;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::metrics as names;

/// Nobody is displaced before: time for a client that has just connected to send its request.
const GRACE: Duration = Duration::from_secs(1);
/// How soon is looked again for somebody to displace when nobody could be.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How large a share of all places is freed at once, so that the search for them is rare: one in so many, and one.
const FREED_SHARE: usize = 256;

/// All places.
pub(super) struct Places {
    free: Arc<Semaphore>,
    held: Mutex<Held>,
    freed_at_once: usize,
    began: Instant,
}

#[derive(Default)]
struct Held {
    places: HashMap<u64, Arc<Place>>,
    next: u64,
}

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Doing {
    /// It waits for the client.
    Waiting,
    /// The client waits for us.
    Working,
    /// The answer is being sent.
    Answering,
}

/// One connection's place.
pub(super) struct Place {
    doing: AtomicU8,
    /// When its client last did what was waited for, in milliseconds since the server began.
    since_ms: AtomicU64,
    began: Instant,
    give_up: Notify,
}

/// A place that is held until this is dropped.
pub(super) struct Taken {
    place: Arc<Place>,
    id: u64,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn new(began: Instant) -> Self {
        let place = Self {
            doing: AtomicU8::new(Doing::Waiting as u8),
            since_ms: AtomicU64::new(0),
            began,
            give_up: Notify::new(),
        };
        place.touch();
        place
    }

    fn touch(&self) {
        self.since_ms.store(ms_since(self.began), Ordering::Relaxed);
    }

    fn set(&self, doing: Doing) {
        self.doing.store(doing as u8, Ordering::Relaxed);
    }

    /// A request's head has come.
    pub(super) fn begin_request(&self) {
        self.set(Doing::Working);
        self.touch();
    }

    /// The rest of the request has to be waited for, or not any more.
    pub(super) fn wait_for_body(&self, is_waiting: bool) {
        self.set(if is_waiting { Doing::Waiting } else { Doing::Working });
    }

    /// There is an answer to be sent.
    pub(super) fn begin_answer(&self) {
        self.set(Doing::Answering);
    }

    /// What there was to be sent is sent. Says nothing while there is no answer yet.
    pub(super) fn end_answer(&self) {
        if self.doing.load(Ordering::Relaxed) == Doing::Answering as u8 {
            self.set(Doing::Waiting);
            self.touch();
        }
    }

    /// Whether the client is waited for. Asked from the connection's own task, this is so until that task polls on.
    pub(super) fn is_waiting(&self) -> bool {
        self.doing.load(Ordering::Relaxed) == Doing::Waiting as u8
    }

    /// Ends when somebody else wants the place. By then it may be needed here again: see [`is_waiting`](Self::is_waiting).
    pub(super) async fn wanted(&self) {
        self.give_up.notified().await;
    }
}

fn ms_since(began: Instant) -> u64 {
    let passed = clock::monotonic().saturating_duration_since(began).as_millis();
    u64::try_from(passed).unwrap_or(u64::MAX)
}

impl Places {
    /// Places for `count` connections.
    pub(super) fn new(count: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count));
        let freed_at_once = 1 + count / FREED_SHARE;
        Arc::new(Self { free, held: Mutex::default(), freed_at_once, began: clock::monotonic() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; waits for one that somebody leaves or has to give up.
    pub(super) async fn take(self: &Arc<Self>) -> Taken {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.displace();
            if let Ok(permit) = tokio::time::timeout(LOOK_AGAIN, Arc::clone(&self.free).acquire_owned()).await {
                break permit.expect("the semaphore is never closed");
            }
        };
        let place = Arc::new(Place::new(self.began));
        let mut held = self.held();
        let id = held.next;
        held.next += 1;
        held.places.insert(id, Arc::clone(&place));
        Taken { place, id, places: Arc::clone(self), _permit: permit }
    }

    /// Asks those who have kept us waiting the longest for their places.
    pub(super) fn displace(&self) {
        let held = self.held();
        let Some(newest) = ms_since(self.began).checked_sub(GRACE.as_millis() as u64) else { return };
        let waiting = held.places.values().filter(|place| place.is_waiting());
        let mut waiting: Vec<_> = waiting
            .map(|place| (place.since_ms.load(Ordering::Relaxed), place))
            .filter(|(since, _)| *since <= newest)
            .collect();
        let count = self.freed_at_once.min(waiting.len());
        if count < waiting.len() {
            waiting.select_nth_unstable_by_key(count, |(since, _)| *since);
        }
        for (_, place) in waiting.into_iter().take(count) {
            place.give_up.notify_one();
        }
    }
}

impl Taken {
    /// The place.
    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// Counts that the place was given up for somebody else.
    pub(super) fn give_up(self) {
        metrics::counter!(names::CONNECTIONS_DISPLACED).increment(1);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.places.held().places.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a place look as if its client had been waited for since the server began, long ago.
    fn since(taken: &Taken, ms: u64) {
        taken.place.since_ms.store(ms, Ordering::Relaxed);
    }

    fn long_ago(count: usize) -> Arc<Places> {
        let places = Places::new(count);
        let began = places.began.checked_sub(Duration::from_secs(100)).expect("the machine runs for longer");
        let Ok(mut places) = Arc::try_unwrap(places) else { panic!("nobody else has it") };
        places.began = began;
        Arc::new(places)
    }

    async fn is_wanted(taken: &Taken) -> bool {
        tokio::time::timeout(Duration::from_millis(10), taken.place().wanted()).await.is_ok()
    }

    #[tokio::test]
    async fn whoever_kept_us_waiting_the_longest_is_asked_for_its_place() {
        let places = long_ago(3);
        let taken = [places.take().await, places.take().await, places.take().await];
        for (taken, ms) in taken.iter().zip([500, 200, 900]) {
            since(taken, ms);
        }
        places.displace();
        let mut wanted = Vec::new();
        for taken in &taken {
            wanted.push(is_wanted(taken).await);
        }
        assert_eq!(wanted, [false, true, false]);
    }

    #[tokio::test]
    async fn who_works_who_is_answered_and_who_has_just_come_keeps_the_place() {
        let places = long_ago(3);
        let (works, is_answered, has_just_come) = (places.take().await, places.take().await, places.take().await);
        works.place().begin_request();
        is_answered.place().begin_answer();
        for taken in [&works, &is_answered] {
            since(taken, 0);
        }
        places.displace();
        for taken in [&works, &is_answered, &has_just_come] {
            assert!(!is_wanted(taken).await);
        }
    }

    #[tokio::test]
    async fn a_newcomer_gets_the_place_that_is_given_up() {
        let places = long_ago(1);
        let first = places.take().await;
        since(&first, 0);
        let leaving = tokio::spawn(async move {
            first.place().wanted().await;
            assert!(first.place().is_waiting());
            first.give_up();
        });
        let second = tokio::time::timeout(Duration::from_secs(20), places.take()).await.expect("a place");
        leaving.await.expect("it was asked");
        assert_eq!((places.held().places.len(), second.id), (1, 1));
        drop(second);
        assert_eq!((places.held().places.len(), places.free.available_permits()), (0, 1));
    }

    #[test]
    fn an_answer_ends_only_after_it_began() {
        let place = Place::new(clock::monotonic());
        place.begin_request();
        place.end_answer();
        assert!(!place.is_waiting(), "a flush in the middle of a request is no end");
        place.wait_for_body(true);
        assert!(place.is_waiting());
        place.wait_for_body(false);
        place.begin_answer();
        assert!(!place.is_waiting());
        place.end_answer();
        assert!(place.is_waiting());
    }
}
