//! A small memory of recent answers: bounded in size and in age.
//!
//! Shape: two generations. What is asked for moves to the young one; when that is full it becomes the old one, and the
//! former old one is dropped. So each operation takes constant time, and at most twice the capacity is kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bounded cache that many tasks share.
pub(crate) struct Cache<K, V> {
    generations: Mutex<Generations<K, V>>,
    capacity: usize,
    age_max: Duration,
}

struct Generations<K, V> {
    young: HashMap<K, (Instant, V)>,
    old: HashMap<K, (Instant, V)>,
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    /// A cache of at most `2 * capacity` values, each good for `age_max`.
    pub(crate) fn new(capacity: usize, age_max: Duration) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), capacity, age_max }
    }

    /// The value of `key`, unless it is unknown or too old.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |(at, _): &&(Instant, V)| now.saturating_duration_since(*at) < self.age_max;
        if let Some((_, value)) = generations.young.get(key).filter(fresh) {
            return Some(value.clone());
        }
        let (at, value) = generations.old.get(key).filter(fresh)?.clone();
        generations.put(key.clone(), at, value.clone(), self.capacity);
        Some(value)
    }

    /// Remembers a value as of `now`.
    pub(crate) fn put(&self, key: K, value: V, now: Instant) {
        self.put_if(key, value, now, |_| true);
    }

    /// Remembers a value as of `now`, unless one is known, however old, that `replaces` does not give up.
    pub(crate) fn put_if(&self, key: K, value: V, now: Instant, replaces: impl Fn(&V) -> bool) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let known = generations.young.get(&key).or_else(|| generations.old.get(&key));
        if known.is_none_or(|(_, known)| replaces(known)) {
            generations.put(key, now, value, self.capacity);
        }
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn put(&mut self, key: K, at: Instant, value: V, capacity: usize) {
        if self.young.len() >= capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, (at, value));
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::clock;

    use super::*;

    #[test]
    fn a_value_is_forgotten_when_it_is_too_old_even_if_it_is_asked_for_often() {
        let (cache, start) = (Cache::new(4, Duration::from_millis(1_000)), clock::monotonic());
        cache.put("a", 1, start);
        for ms in [0, 400, 999] {
            assert_eq!(cache.get(&"a", start + Duration::from_millis(ms)), Some(1), "{ms}");
        }
        assert_eq!(cache.get(&"a", start + Duration::from_millis(1_000)), None);
    }

    #[test]
    fn at_most_twice_the_capacity_is_kept_and_what_is_used_stays() {
        let (cache, now) = (Cache::new(4, Duration::from_secs(1)), clock::monotonic());
        cache.put(0, 0, now);
        for key in 1..100 {
            cache.put(key, key, now);
            assert_eq!(cache.get(&0, now), Some(0));
        }
        let kept = (0..100).filter(|key| cache.get(key, now).is_some()).count();
        assert!(kept <= 8, "{kept}");
    }

    #[test]
    fn the_newest_value_wins() {
        let (cache, now) = (Cache::new(1, Duration::from_secs(1)), clock::monotonic());
        cache.put("a", 1, now);
        cache.put("b", 1, now);
        cache.put("a", 2, now);
        assert_eq!(cache.get(&"a", now), Some(2));
    }

    #[test]
    fn a_value_that_is_not_given_up_stays() {
        let (cache, now) = (Cache::new(4, Duration::from_secs(1)), clock::monotonic());
        cache.put("a", 5, now);
        cache.put_if("a", 3, now, |known| *known < 3);
        assert_eq!(cache.get(&"a", now), Some(5));
        cache.put_if("a", 7, now, |known| *known < 7);
        assert_eq!(cache.get(&"a", now), Some(7));
    }
}
