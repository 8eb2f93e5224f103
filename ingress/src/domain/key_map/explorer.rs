//! Explores every order of events of one bucket: two processes, two ledgers that lag and may be rebuilt, a crash.
//!
//! With all rules nothing breaks IN-2; without any one of them something does.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use angelia_shared::log::digest::sha256;

use super::*;

/// Which rules hold.
#[derive(Clone, Copy)]
struct Rules {
    full_read: bool,
    head_read: bool,
    recheck: bool,
    floor_at_answer: bool,
    floor_at_hand_in: bool,
    in_flight: bool,
    guard: bool,
}

const ALL: Rules = Rules {
    full_read: true,
    head_read: true,
    recheck: true,
    floor_at_answer: true,
    floor_at_hand_in: true,
    in_flight: true,
    guard: true,
};

/// What may go wrong on the way.
#[derive(Clone, Copy)]
struct Faults {
    /// Processes that start again.
    crashes: u8,
    /// Ledgers that begin again at the log's beginning.
    rebuilds: u8,
}

const CRASH: Faults = Faults { crashes: 1, rebuilds: 0 };
const REBUILD: Faults = Faults { crashes: 0, rebuilds: 1 };

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    key: u8,
    missed_at: Option<u64>,
    /// Whether it was found clear once; without the recheck that is enough.
    was_clear: bool,
}

#[derive(Clone)]
struct Process {
    map: KeyMap,
    calls: Vec<Call>,
}

#[derive(Clone)]
struct World {
    /// Who used which key; the sequence is the place, from 1, and also names the message.
    log: Vec<(u8, usize)>,
    processes: [Process; 2],
    ledgers: [u64; 2],
    calls_left: [u8; 2],
    crashes_left: u8,
    rebuilds_left: u8,
    answers: BTreeMap<u8, BTreeSet<u64>>,
}

const BUCKET: u8 = 0;

fn hash(key: u8) -> KeyHash {
    let mut bytes = [key; 32];
    bytes[0] = BUCKET;
    KeyHash(bytes)
}

fn used(seq: u64) -> Used {
    Used { fingerprint: sha256(b""), message: MessageId(seq) }
}

impl World {
    fn new(calls: [u8; 2], faults: Faults) -> Self {
        let process = || Process { map: KeyMap::new(0, 1_000), calls: Vec::new() };
        Self {
            log: Vec::new(),
            processes: [process(), process()],
            ledgers: [0, 0],
            calls_left: calls,
            crashes_left: faults.crashes,
            rebuilds_left: faults.rebuilds,
            answers: BTreeMap::new(),
        }
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn broken(&self) -> Option<String> {
        let mut first = BTreeMap::new();
        for (seq, (key, _)) in (1_u64..).zip(&self.log) {
            if let Some(earlier) = first.insert(*key, seq) {
                return Some(format!("key {key} was used at {earlier} and at {seq}"));
            }
        }
        let wrong = self.answers.iter().find(|(key, seqs)| seqs.iter().any(|seq| first.get(*key) != Some(seq)));
        wrong.map(|(key, seqs)| format!("key {key} was answered with {seqs:?}, the log has {:?}", first.get(key)))
    }

    /// Everything that tells this state from another, in a few bytes: all numbers here are small.
    fn signature(&self) -> Vec<u8> {
        let small = |number: u64| number.min(255) as u8;
        let mut text: Vec<u8> = self.log.iter().map(|(key, writer)| key * 2 + *writer as u8).collect();
        for process in &self.processes {
            let map = &process.map;
            let bucket = map.buckets.get(&BUCKET).copied().unwrap_or_default();
            text.extend([254, small(map.floor), small(map.read), bucket.head.map_or(255, small), small(bucket.seen)]);
            // A key stands in the log once, so keys and calls of a process are few enough for bits.
            text.push((0..2).filter(|key| map.used.contains_key(&hash(*key))).map(|key| 1 << key).sum());
            text.push((0..2).filter(|key| map.in_flight.contains(&hash(*key))).map(|key| 1 << key).sum());
            for call in &process.calls {
                text.extend([call.key, call.missed_at.map_or(254, small), u8::from(call.was_clear)]);
            }
        }
        let mut ledgers = self.ledgers;
        ledgers.sort_unstable();
        text.extend([253, small(ledgers[0]), small(ledgers[1]), self.calls_left[0], self.calls_left[1]]);
        text.extend([self.crashes_left, self.rebuilds_left]);
        for (key, seqs) in &self.answers {
            text.extend([252, *key]);
            text.extend(seqs.iter().copied().map(small));
        }
        text
    }

    /// Everything that can happen next.
    fn successors(&self, rules: Rules) -> Vec<World> {
        let mut next = Vec::new();
        for who in 0..2 {
            self.crash(who, &mut next);
            self.call(rules, who, &mut next);
            self.read(rules, who, &mut next);
            self.advance_calls(rules, who, &mut next);
            self.hand_in(rules, who, &mut next);
        }
        for ledger in 0..2 {
            if self.ledgers[ledger] < self.head() {
                next.push(self.with(|world| world.ledgers[ledger] += 1));
            }
            if self.rebuilds_left > 0 && self.ledgers[ledger] > 0 {
                next.push(self.with(|world| {
                    world.ledgers[ledger] = 0;
                    world.rebuilds_left -= 1;
                }));
            }
        }
        next
    }

    fn with(&self, change: impl FnOnce(&mut World)) -> World {
        let mut world = self.clone();
        change(&mut world);
        world
    }

    fn crash(&self, who: usize, next: &mut Vec<World>) {
        if self.crashes_left == 0 {
            return;
        }
        for floor in BTreeSet::from(self.ledgers) {
            next.push(self.with(|world| {
                world.crashes_left -= 1;
                world.processes[who] = Process { map: KeyMap::new(floor, 1_000), calls: Vec::new() };
            }));
        }
    }

    fn call(&self, rules: Rules, who: usize, next: &mut Vec<World>) {
        for key in 0..2 {
            if self.calls_left[usize::from(key)] == 0 {
                continue;
            }
            next.push(self.with(|world| {
                world.calls_left[usize::from(key)] -= 1;
                let process = &mut world.processes[who];
                if process.map.begin(hash(key)) || !rules.in_flight {
                    process.calls.push(Call { key, missed_at: None, was_clear: false });
                    process.calls.sort();
                }
            }));
        }
    }

    /// Reads the bucket's next record, or trims to a ledger's position.
    fn read(&self, rules: Rules, who: usize, next: &mut Vec<World>) {
        let at = self.processes[who].map.read;
        if at < self.head() {
            let (key, writer) = self.log[at as usize];
            let taken = rules.full_read || writer == who;
            next.push(self.with(|world| {
                let keys = taken.then(|| (hash(key), used(at + 1)));
                world.processes[who].map.learn(at + 1, BUCKET, keys);
            }));
        }
        for position in BTreeSet::from(self.ledgers) {
            if position.min(at) > self.processes[who].map.floor {
                next.push(self.with(|world| world.processes[who].map.trim(position)));
            }
        }
    }

    /// Answers from the map, questions to a ledger, reads of the bucket's head.
    fn advance_calls(&self, rules: Rules, who: usize, next: &mut Vec<World>) {
        for (at, call) in self.processes[who].calls.iter().enumerate() {
            match self.processes[who].map.standing(hash(call.key), call.missed_at) {
                Standing::Used(found) if !call.was_clear || rules.recheck => {
                    next.push(self.with(|world| world.answer(who, at, Some(found.message.0))));
                }
                Standing::NeedsLookUp { floor } => {
                    for ledger in BTreeSet::from(self.ledgers) {
                        let known = &self.log[..ledger as usize];
                        let found = known.iter().position(|(key, _)| *key == call.key);
                        next.push(self.with(|world| match found {
                            Some(place) => world.answer(who, at, Some(place as u64 + 1)),
                            None if rules.floor_at_answer && ledger < floor => world.answer(who, at, None),
                            None => {
                                let always = !rules.floor_at_answer || !rules.floor_at_hand_in;
                                let missed_at = if always { u64::MAX } else { ledger };
                                world.processes[who].calls[at].missed_at = Some(missed_at);
                            }
                        }));
                    }
                }
                Standing::NeedsHead => {
                    let head = self.head();
                    next.push(self.with(|world| world.processes[who].map.told(BUCKET, head)));
                }
                Standing::Used(_) | Standing::NeedsReading | Standing::Clear { .. } => {}
            }
        }
    }

    fn answer(&mut self, who: usize, at: usize, message: Option<u64>) {
        let call = self.processes[who].calls.remove(at);
        self.processes[who].map.end(hash(call.key));
        if let Some(message) = message {
            self.answers.entry(call.key).or_default().insert(message);
        }
    }

    /// Hands in one call that is clear, or all of them in one record.
    fn hand_in(&self, rules: Rules, who: usize, next: &mut Vec<World>) {
        let map = &self.processes[who].map;
        let clear = |call: &Call| match map.standing(hash(call.key), call.missed_at) {
            Standing::Clear { guard } => Some(guard),
            _ if call.was_clear && !rules.recheck => map.buckets[&BUCKET].head,
            _ => None,
        };
        let ready: Vec<(usize, u64)> =
            self.processes[who].calls.iter().enumerate().filter_map(|(at, call)| Some((at, clear(call)?))).collect();
        let mut choices: Vec<&[(usize, u64)]> = ready.chunks(1).collect();
        if ready.len() > 1 {
            choices.push(&ready);
        }
        for choice in choices {
            next.push(self.with(|world| world.commit(rules, who, choice)));
        }
    }

    fn commit(&mut self, rules: Rules, who: usize, choice: &[(usize, u64)]) {
        let guard = choice[0].1;
        let head = self.head();
        if rules.guard && guard != head {
            for (at, _) in choice {
                self.processes[who].calls[*at].was_clear = true;
            }
            let map = &mut self.processes[who].map;
            map.told(BUCKET, head);
            if !rules.head_read {
                map.buckets.entry(BUCKET).or_default().head = Some(head);
            }
            return;
        }
        // One record of several keys is modelled as several records that are stored at once.
        for (at, _) in choice.iter().rev() {
            let key = self.processes[who].calls[*at].key;
            self.log.push((key, who));
            let seq = self.head();
            self.processes[who].map.stored(guard.max(seq - 1), seq, hash(key), used(seq));
            self.answer(who, *at, Some(seq));
        }
    }
}

/// Returns what broke, or how many states were seen.
fn explore(rules: Rules, calls: [u8; 2], faults: Faults) -> Result<usize, String> {
    let mut seen = HashSet::new();
    let mut open = vec![World::new(calls, faults)];
    while let Some(world) = open.pop() {
        if let Some(broken) = world.broken() {
            return Err(broken);
        }
        let next = world.successors(rules);
        let stuck = world.processes.iter().any(|process| !process.calls.is_empty());
        if next.is_empty() && stuck {
            return Err("a call is never answered".to_owned());
        }
        open.extend(next.into_iter().filter(|world| seen.insert(world.signature())));
    }
    Ok(seen.len())
}

#[test]
fn with_all_rules_one_key_has_one_message_in_every_order_of_events() {
    for faults in [CRASH, REBUILD] {
        let states = explore(ALL, [2, 1], faults).unwrap();
        assert!(states > 10_000, "only {states} states: the explorer does not explore");
    }
}

#[test]
fn without_reading_other_processes_records_a_key_is_used_twice() {
    explore(Rules { full_read: false, ..ALL }, [2, 1], CRASH).unwrap_err();
}

#[test]
fn without_reading_up_to_the_new_head_a_key_is_used_twice() {
    explore(Rules { head_read: false, ..ALL }, [2, 1], CRASH).unwrap_err();
}

#[test]
fn without_looking_again_at_hand_in_a_key_is_used_twice() {
    explore(Rules { recheck: false, ..ALL }, [2, 1], CRASH).unwrap_err();
}

#[test]
fn with_an_answer_from_below_the_floor_a_key_is_used_twice() {
    explore(Rules { floor_at_answer: false, ..ALL }, [2, 1], CRASH).unwrap_err();
}

#[test]
fn with_an_answer_that_fell_below_the_floor_later_a_key_is_used_twice() {
    explore(Rules { floor_at_hand_in: false, ..ALL }, [2, 1], CRASH).unwrap_err();
}

#[test]
fn with_a_key_in_flight_twice_both_are_stored_in_one_batch() {
    explore(Rules { in_flight: false, ..ALL }, [2, 0], CRASH).unwrap_err();
}

#[test]
fn without_the_guard_a_key_is_used_twice() {
    explore(Rules { guard: false, ..ALL }, [2, 0], CRASH).unwrap_err();
}
