//! What this process knows of idempotency keys, and when that is enough to use one.
//!
//! Shape: records of `ev.key.{bucket}` in, [`Standing`] of one key out. Of every bucket the map holds *all* keys in
//! (floor, head], whoever wrote them; keys at or below the floor are the ledger's to answer. A key is used under a guard:
//! the bucket's head, up to which everything was read.
//!
//! Invariants:
//! - IN-2 one key, one message: a key is clear only if the ledger (up to its position, which is not below the floor) and
//!   this map (from the floor to the guard) do not have it, and the guard holds only if nothing came after.
//!
//! The rules that IN-2 rests on, each with a test that fails without it:
//! - The map takes every record of a bucket, not only its own process's (*full read*).
//! - After a lost guard the records up to the new head are read; the head's number alone is not enough (*head read*).
//! - A key is looked for again whenever it is handed in (*recheck*).
//! - A ledger's "not there" counts only at or above the floor, judged whenever the key is handed in (*floor*).
//! - A key in flight is in flight once (*in flight*).
//!
//! Not here: reading the log, asking the ledger (see `shell/keys.rs`).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::str::FromStr;

use angelia_shared::event::{Digest, KeyUsed};
use angelia_shared::ids::{MessageId, WorkspaceId};
use sha2::{Digest as _, Sha256};

/// An idempotency key of a workspace, as the log knows it: SHA-256 over the workspace's id (16 bytes, big-endian) and the
/// key. The key itself may hold personal data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of `key` in `workspace`.
    pub fn of(workspace: WorkspaceId, key: &str) -> Self {
        // The id has one length, so no two pairs run together into the same bytes.
        let hash = Sha256::new_with_prefix(workspace.0.to_be_bytes()).chain_update(key);
        Self(hash.finalize().into())
    }

    /// Its bucket, of 256.
    pub fn bucket(self) -> u8 {
        self.0[0]
    }
}

impl From<Digest> for KeyHash {
    fn from(Digest(hash): Digest) -> Self {
        Self(hash)
    }
}

impl From<KeyHash> for Digest {
    fn from(KeyHash(hash): KeyHash) -> Self {
        Self(hash)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Digest(self.0).fmt(f)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyHash {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        text.parse().map(|digest: Digest| Self(digest.0)).map_err(|_| NotADigest)
    }
}

/// A text is not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADigest;

/// What a key was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// SHA-256 of the body that it came with.
    pub fingerprint: Digest,
    /// The message that answered.
    pub message: MessageId,
}

impl Used {
    /// Reads an event of a bucket.
    ///
    /// # Errors
    /// [`NotADigest`] when its key or fingerprint cannot be one.
    pub fn read(event: &KeyUsed) -> Result<(KeyHash, Self), NotADigest> {
        let fingerprint = event.fingerprint.parse().map_err(|_| NotADigest)?;
        Ok((event.key.parse()?, Self { fingerprint, message: event.message }))
    }
}

/// How a key stands, as far as this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was used.
    Used(Used),
    /// It may have been used before everything that is in memory: a ledger must say, at this position or later.
    NeedsLookUp {
        /// The floor.
        floor: u64,
    },
    /// The bucket's head has not been read since the start.
    NeedsHead,
    /// The bucket has records that were not read yet.
    NeedsReading,
    /// It was not used before the bucket's next record, if that record is stored under this guard.
    Clear {
        /// The bucket's head, up to which everything is known.
        guard: u64,
    },
}

/// The keys in memory.
#[derive(Clone, Debug)]
pub struct KeyMap {
    floor: u64,
    /// Sequence of the newest record that was read, over all buckets.
    read: u64,
    used: HashMap<KeyHash, (u64, Used)>,
    /// The keys of `used`, about in the order of the log.
    ages: VecDeque<(u64, KeyHash)>,
    buckets: HashMap<u8, Bucket>,
    in_flight: HashSet<KeyHash>,
    keys_max: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket {
    /// Everything in (floor, head] is in the map.
    head: Option<u64>,
    /// A head that somebody saw; the bucket is behind until it is read.
    seen: u64,
}

impl KeyMap {
    /// An empty map above `floor`, a position that a ledger has reached. It keeps at most `keys_max` keys.
    pub fn new(floor: u64, keys_max: usize) -> Self {
        Self {
            floor,
            read: floor,
            used: HashMap::new(),
            ages: VecDeque::new(),
            buckets: HashMap::new(),
            in_flight: HashSet::new(),
            keys_max,
        }
    }

    /// Keys at or below this sequence are the ledger's to answer.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// How many keys are in memory.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether no key is in memory.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// What `key` was used for, if that is in memory.
    pub fn find(&self, key: KeyHash) -> Option<Used> {
        self.used.get(&key).map(|(_, used)| *used)
    }

    /// Marks `key` as in flight in this process; `false` when it already is.
    pub fn begin(&mut self, key: KeyHash) -> bool {
        self.in_flight.insert(key)
    }

    /// Ends what [`begin`](Self::begin) began.
    pub fn end(&mut self, key: KeyHash) {
        self.in_flight.remove(&key);
    }

    /// How `key` stands, when a ledger said at position `missed_at` that it did not know it.
    pub fn standing(&self, key: KeyHash, missed_at: Option<u64>) -> Standing {
        if let Some(used) = self.find(key) {
            return Standing::Used(used);
        }
        if missed_at.is_none_or(|position| position < self.floor) {
            return Standing::NeedsLookUp { floor: self.floor };
        }
        match self.buckets.get(&key.bucket()) {
            Some(Bucket { head: Some(head), seen }) if head >= seen => Standing::Clear { guard: *head },
            Some(Bucket { head: None, seen: 0 }) | None => Standing::NeedsHead,
            Some(_) => Standing::NeedsReading,
        }
    }

    /// Takes a whole record of a bucket, read in the order of the log. Returns how many of its keys were already used for
    /// another message, which IN-2 forbids.
    pub fn learn(&mut self, seq: u64, bucket: u8, keys: impl IntoIterator<Item = (KeyHash, Used)>) -> usize {
        let contradictions = keys.into_iter().filter(|(key, used)| !self.remember(seq, *key, *used)).count();
        self.passed(seq, bucket);
        contradictions
    }

    /// Passes over a record that this version cannot read. What is in it is the ledger's to answer from now on.
    pub fn skip(&mut self, seq: u64, bucket: u8) {
        self.floor = self.floor.max(seq);
        self.passed(seq, bucket);
    }

    /// Takes a head of a bucket that the leader told.
    pub fn told(&mut self, bucket: u8, seen: u64) {
        // Everything up to here was either read or is the ledger's.
        let reached = self.read.max(self.floor);
        let bucket = self.buckets.entry(bucket).or_default();
        bucket.seen = bucket.seen.max(seen);
        if seen <= reached {
            bucket.head = Some(bucket.head.unwrap_or(0).max(seen));
        }
    }

    /// Takes a key of this process that was stored at `seq`, under `guard`: nothing is between the two.
    pub fn stored(&mut self, guard: u64, seq: u64, key: KeyHash, used: Used) {
        self.remember(seq, key, used);
        let bucket = self.buckets.entry(key.bucket()).or_default();
        if bucket.head.is_some_and(|head| head >= guard) {
            bucket.head = bucket.head.max(Some(seq));
        }
    }

    /// Forgets what a ledger at `position` can answer.
    pub fn trim(&mut self, position: u64) {
        self.floor = self.floor.max(position.min(self.read));
        while let Some((seq, key)) = self.ages.front().copied()
            && seq <= self.floor
        {
            self.ages.pop_front();
            self.used.remove(&key);
        }
    }

    fn passed(&mut self, seq: u64, bucket: u8) {
        self.read = self.read.max(seq);
        let bucket = self.buckets.entry(bucket).or_default();
        bucket.head = bucket.head.max(Some(seq));
    }

    /// Returns whether this agrees with what was known.
    fn remember(&mut self, seq: u64, key: KeyHash, used: Used) -> bool {
        match self.used.entry(key) {
            Entry::Occupied(known) => return known.get().1.message == used.message,
            Entry::Vacant(_) if seq <= self.floor => return true,
            Entry::Vacant(place) => place.insert((seq, used)),
        };
        self.ages.push_back((seq, key));
        // Without a ledger nothing is trimmed. Then the oldest go, and asking for them is refused until one is back.
        while self.ages.len() > self.keys_max
            && let Some((seq, key)) = self.ages.pop_front()
        {
            self.used.remove(&key);
            self.floor = self.floor.max(seq);
        }
        true
    }
}

#[cfg(test)]
mod explorer;
#[cfg(test)]
mod tests;
