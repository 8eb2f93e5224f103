//! Several dispatchers, a log and a bucket of members, in simulated time: each is told late, claims take a while, processes are
//! killed, suspended, started and stopped at any moment.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

pub(super) const PARTS: u16 = 8;
/// How far apart two looks at the world are, in milliseconds.
pub(super) const STEP: u64 = 100;
const TTL: u64 = 5_000;
const RENEWS_EVERY: u64 = 1_700;
/// How late news are, at most.
const LATE: u64 = 300;
const CLAIM_TAKES: u64 = 200;
const RELEASE_TAKES: u64 = 200;
/// After this, everything is where it belongs: an expiry, the rest after force, and the moves.
pub(super) const SETTLES: u64 = 40_000;

#[derive(Clone, Debug)]
enum Hold {
    Claiming { until: u64, claim: Claim },
    Owned { claim: u64, leaves_at: Option<u64> },
}

#[derive(Clone, Debug)]
struct Process {
    id: MemberId,
    rules: Ownership,
    holds: BTreeMap<Part, Hold>,
    paused_until: u64,
    leaving: bool,
    renewed_at: u64,
    looks_at: u64,
    lost_at: BTreeMap<Part, u64>,
    /// Whether it was ever out of touch for so long that others may have thought it dead.
    was_away: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Start,
    Kill(u8),
    Pause(u8, u64),
    Stop(u8),
}

#[derive(Clone, Debug)]
pub(super) struct World {
    now: u64,
    next_id: u128,
    processes: Vec<Process>,
    /// Seats, when they expire, and whether they are leaving.
    bucket: BTreeMap<MemberId, (u64, bool)>,
    log: Vec<(u64, Newest)>,
    seq: u64,
    /// Since when nobody has it.
    free_since: Vec<Option<u64>>,
    /// Since when it is in dead hands.
    dead_since: Vec<Option<u64>>,
    pub(super) longest_free: u64,
    pub(super) longest_dead: u64,
    /// Whether claims and writes are guarded.
    pub(super) guard: bool,
    late: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let parts = usize::from(PARTS);
        let mut world = Self {
            now: 1_000,
            next_id: 1,
            processes: Vec::new(),
            bucket: BTreeMap::new(),
            log: vec![(0, Newest::Free); parts],
            seq: 0,
            free_since: vec![None; parts],
            dead_since: vec![None; parts],
            longest_free: 0,
            longest_dead: 0,
            guard: true,
            late: 7,
        };
        world.act(Act::Start);
        world
    }

    pub(super) fn act(&mut self, act: Act) {
        let count = self.processes.len();
        let pick = |n: u8| (count > 0).then(|| usize::from(n) % count);
        match act {
            Act::Start => {
                let id = MemberId(self.next_id);
                self.next_id += 1;
                self.processes.push(Process {
                    id,
                    rules: Ownership::new(id, PARTS),
                    holds: BTreeMap::new(),
                    paused_until: 0,
                    leaving: false,
                    renewed_at: self.now,
                    looks_at: self.now,
                    lost_at: BTreeMap::new(),
                    was_away: false,
                });
                self.bucket.insert(id, (self.now + TTL, false));
            }
            Act::Kill(n) => {
                let Some(n) = pick(n) else { return };
                let dead = self.processes.remove(n);
                for part in dead.holds.keys() {
                    self.dead_since[usize::from(part.0)] = Some(self.now);
                }
            }
            Act::Pause(n, ms) => {
                let Some(n) = pick(n) else { return };
                let process = &mut self.processes[n];
                process.paused_until = process.paused_until.max(self.now + ms);
            }
            Act::Stop(n) => {
                let Some(n) = pick(n) else { return };
                let process = &mut self.processes[n];
                process.leaving = true;
                process.rules.leave();
            }
        }
    }

    pub(super) fn pass(&mut self, ms: u64) -> Result<(), String> {
        let end = self.now + ms;
        while self.now < end {
            self.now += STEP;
            let now = self.now;
            self.bucket.retain(|_, (expires, _)| *expires > now);
            for n in 0..self.processes.len() {
                if self.processes[n].paused_until <= now {
                    self.run(n)?;
                }
            }
            let bucket = &mut self.bucket;
            self.processes.retain(|process| {
                let gone = process.leaving && process.holds.is_empty() && process.paused_until <= now;
                if gone {
                    bucket.remove(&process.id);
                }
                !gone
            });
            self.count();
        }
        Ok(())
    }

    fn run(&mut self, n: usize) -> Result<(), String> {
        let now = self.now;
        let process = &mut self.processes[n];
        process.was_away |= now >= process.renewed_at + TTL;
        self.write(n)?;
        let process = &mut self.processes[n];
        if process.renewed_at + RENEWS_EVERY <= now || process.leaving {
            process.renewed_at = now;
            self.bucket.insert(process.id, (now + TTL, process.leaving));
        }
        if process.looks_at <= now {
            self.late = self.late.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            process.looks_at = now + (self.late >> 33) % LATE;
            let time = Duration::from_millis(now);
            process.rules.members(self.bucket.iter().map(|(id, (_, leaving))| (*id, *leaving)), time);
            for (part, (seq, newest)) in (0..).map(Part).zip(&self.log) {
                process.rules.told(part, *seq, *newest);
            }
            process.rules.told_all();
        }
        let fresh = now < process.renewed_at + TTL;
        let steps = process.rules.steps(Duration::from_millis(now), fresh);
        for step in steps {
            match step {
                Step::Claim(claim) => {
                    if let Some(lost) = process.lost_at.get(&claim.part)
                        && now < lost + 10_000
                    {
                        return Err(format!("{:?} takes {:?} back after {} ms", process.id, claim.part, now - lost));
                    }
                    process.holds.insert(claim.part, Hold::Claiming { until: now + CLAIM_TAKES, claim });
                }
                Step::Release(part) => match process.holds.get_mut(&part) {
                    Some(Hold::Owned { leaves_at, .. }) => *leaves_at = Some(now + RELEASE_TAKES),
                    Some(Hold::Claiming { .. }) => {
                        process.holds.remove(&part);
                        process.rules.ended(part, Ended::Failed, Duration::from_millis(now));
                    }
                    None => return Err(format!("{part:?} is not there to be released")),
                },
            }
        }
        Ok(())
    }

    /// Ends what has to end, under the guard of the claim.
    fn write(&mut self, n: usize) -> Result<(), String> {
        let now = self.now;
        let process = &mut self.processes[n];
        let mut over = Vec::new();
        for (part, hold) in &mut process.holds {
            let (head, newest) = &mut self.log[usize::from(part.0)];
            match hold {
                Hold::Claiming { until, .. } if *until > now => {}
                Hold::Claiming { claim, .. } if self.guard && claim.after != *head => {
                    over.push((*part, Ended::Refused))
                }
                Hold::Claiming { .. } => {
                    self.seq += 1;
                    (*head, *newest) = (self.seq, Newest::Of(process.id));
                    *hold = Hold::Owned { claim: self.seq, leaves_at: None };
                }
                Hold::Owned { claim, .. } if *claim != *head => {
                    if !process.was_away {
                        return Err(format!("{:?} lost {part:?} though it was never away", process.id));
                    }
                    process.lost_at.insert(*part, now);
                    over.push((*part, Ended::Lost));
                }
                Hold::Owned { leaves_at: Some(at), .. } if *at <= now => {
                    self.seq += 1;
                    (*head, *newest) = (self.seq, Newest::Free);
                    over.push((*part, Ended::Released(self.seq)));
                }
                Hold::Owned { .. } => {}
            }
        }
        for (part, how) in over {
            process.holds.remove(&part);
            process.rules.ended(part, how, Duration::from_millis(now));
        }
        Ok(())
    }

    /// Measures how long partitions are out of work.
    fn count(&mut self) {
        let anybody = self.processes.iter().any(|process| !process.leaving && process.paused_until <= self.now);
        for (n, (_, newest)) in self.log.iter().enumerate() {
            let alive = |id: &MemberId| self.processes.iter().any(|process| process.id == *id);
            match newest {
                Newest::Free if anybody => {
                    let since = *self.free_since[n].get_or_insert(self.now);
                    self.longest_free = self.longest_free.max(self.now - since);
                }
                Newest::Free | Newest::Of(_) => self.free_since[n] = None,
            }
            match newest {
                Newest::Of(id) if !alive(id) => {
                    let since = *self.dead_since[n].get_or_insert(self.now);
                    if anybody {
                        self.longest_dead = self.longest_dead.max(self.now - since);
                    }
                }
                Newest::Free | Newest::Of(_) => self.dead_since[n] = None,
            }
        }
    }

    /// Whether every partition is with the member that it belongs to, after all has calmed down.
    pub(super) fn settled(&self) -> Result<(), String> {
        let staying: Vec<_> = self.processes.iter().filter(|process| !process.leaving).map(|p| p.id).collect();
        for (n, (_, newest)) in (0..).zip(&self.log) {
            let owner = rendezvous::owner(n, staying.iter().copied());
            let right = owner.map_or(Newest::Free, Newest::Of);
            if *newest != right && owner.is_some() {
                return Err(format!("partition {n} is {newest:?} and belongs to {owner:?}"));
            }
        }
        Ok(())
    }
}

fn any_act(faults: bool) -> BoxedStrategy<Act> {
    let calm = prop_oneof![Just(Act::Start), any::<u8>().prop_map(Act::Stop)];
    if !faults {
        return calm.boxed();
    }
    let pause = (any::<u8>(), 500u64..15_000).prop_map(|(n, ms)| Act::Pause(n, ms));
    prop_oneof![2 => calm, 2 => any::<u8>().prop_map(Act::Kill), 3 => pause].boxed()
}

fn any_history(faults: bool) -> impl Strategy<Value = Vec<(Act, u64)>> {
    prop::collection::vec((any_act(faults), prop_oneof![0u64..1_000, 0u64..12_000]), 1..12)
}

fn live_through(history: &[(Act, u64)]) -> Result<World, String> {
    let mut world = World::new();
    world.pass(2_000)?;
    world.longest_free = 0;
    for (act, ms) in history {
        if world.processes.len() < 6 || !matches!(act, Act::Start) {
            world.act(*act);
        }
        world.pass(*ms)?;
    }
    world.act(Act::Start);
    world.pass(SETTLES)?;
    world.settled()?;
    Ok(world)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_nobody_in_touch_loses_anything_and_in_the_end_all_is_in_its_place(history in any_history(true)) {
        let lived = live_through(&history);
        prop_assert!(lived.is_ok(), "{:?}", lived.err());
    }

    #[test]
    fn a_planned_move_leaves_nothing_out_of_work_for_a_second(history in any_history(false)) {
        let world = live_through(&history).map_err(TestCaseError::fail)?;
        prop_assert!(world.longest_free < 1_000, "{} ms", world.longest_free);
    }
}

#[test]
fn a_crash_is_taken_over_within_eight_seconds() {
    let mut world = World::new();
    world.act(Act::Start);
    world.act(Act::Start);
    world.pass(20_000).unwrap();
    for _ in 0..2 {
        world.act(Act::Kill(1));
        world.pass(20_000).unwrap();
    }
    assert!((1_000..8_000).contains(&world.longest_dead), "{} ms", world.longest_dead);
    world.settled().unwrap();
}

#[test]
fn a_process_that_comes_back_from_a_pause_gets_its_share_again_without_a_second_out_of_work() {
    for pause in (5_500..14_000).step_by(500) {
        let mut world = World::new();
        world.act(Act::Start);
        world.pass(20_000).unwrap();
        world.longest_free = 0;
        world.act(Act::Pause(0, pause));
        world.pass(pause + SETTLES).unwrap();
        world.settled().unwrap();
        assert!(world.longest_free < 1_000, "after {pause} ms: {} ms", world.longest_free);
    }
}
