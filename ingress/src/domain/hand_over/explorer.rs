//! Explores every order of events of two calls with one key: an owner that may sleep at any moment, an asker that loses
//! patience, a wallet that is filled late. With all rules nothing is belied; without any one of them something is.

use std::collections::HashSet;

use angelia_shared::ids::MessageId;
use angelia_shared::units::Credits;

use super::*;

/// Which rules hold.
#[derive(Clone, Copy)]
struct Rules {
    /// A silence turns refusals into "nobody knows".
    doubts_refusals: bool,
    /// A key is stored only where the log does not have it.
    guard: bool,
    /// An order that was not answered is looked at again by whoever answers, instead of being believed stored.
    looks_itself: bool,
}

const ALL: Rules = Rules { doubts_refusals: true, guard: true, looks_itself: true };

const UNAVAILABLE: Refusal = Refusal::LogUnavailable { retry_after_s: 1 };
const POOR: Refusal = Refusal::NotEnoughCredits { needed: Credits(1), available: Credits(0) };

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Not made yet.
    Waiting,
    /// With the owner; the answer is still wanted.
    Asked,
    /// The asker has lost patience and decides itself.
    Doubted,
    /// The caller has its answer.
    Answered(Result<u64, u16>),
}

/// A call: its number is also its message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    body: u8,
    stage: Stage,
    /// Whether a copy lies with the owner.
    is_with_owner: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    calls: Vec<Call>,
    /// The key's uses in the log: body and message.
    log: Vec<(u8, u64)>,
    credits: u8,
    grants_left: u8,
}

impl World {
    fn new(bodies: [u8; 2], credits: u8) -> Self {
        let call = |body| Call { body, stage: Stage::Waiting, is_with_owner: false };
        Self { calls: bodies.map(call).into(), log: Vec::new(), credits, grants_left: 1 }
    }

    /// What whoever looks at the log now answers a call, storing it if it may.
    fn decide(&mut self, rules: Rules, call: usize) -> Result<u64, Refusal> {
        let body = self.calls[call].body;
        match self.log.first() {
            Some((used, message)) if rules.guard => {
                return if *used == body { Ok(*message) } else { Err(Refusal::KeyReused) };
            }
            Some(_) | None => {}
        }
        self.credits = self.credits.checked_sub(1).ok_or(POOR)?;
        self.log.push((body, call as u64));
        Ok(call as u64)
    }

    fn answered(&mut self, call: usize, answer: Result<u64, Refusal>) {
        self.calls[call].stage = Stage::Answered(answer.map_err(|refusal| refusal.status()));
    }

    fn successors(&self, rules: Rules) -> Vec<World> {
        let mut next = Vec::new();
        let mut step = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            next.push(world);
        };
        if self.grants_left > 0 {
            step(&|world| {
                world.grants_left -= 1;
                world.credits += 1;
            });
        }
        for (n, call) in self.calls.iter().enumerate() {
            if call.is_with_owner {
                // The owner may do this at any time, also long after everybody has given up.
                step(&|world| {
                    world.calls[n].is_with_owner = false;
                    let answer = world.decide(rules, n);
                    if world.calls[n].stage == Stage::Asked {
                        world.answered(n, answer);
                    }
                });
            }
            match call.stage {
                Stage::Waiting => step(&|world| {
                    world.calls[n].stage = Stage::Asked;
                    world.calls[n].is_with_owner = true;
                }),
                Stage::Asked => step(&|world| world.calls[n].stage = Stage::Doubted),
                Stage::Doubted => step(&|world| {
                    let own = if rules.looks_itself { world.decide(rules, n) } else { Ok(n as u64) };
                    let told = after_silence(own.clone().map(MessageId), UNAVAILABLE).map(|message| message.0);
                    world.answered(n, if rules.doubts_refusals { told } else { own });
                }),
                Stage::Answered(_) => {}
            }
        }
        next
    }

    /// What can be broken for good already now.
    fn broken(&self) -> Option<String> {
        if self.log.len() > 1 {
            return Some(format!("IN-2: {:?}", self.log));
        }
        self.calls.iter().enumerate().find_map(|(n, call)| {
            let Stage::Answered(answer) = &call.stage else { return None };
            let is_stored = self.log.iter().any(|(_, message)| *message == n as u64);
            let is_belied = match answer {
                Ok(message) => self.log.first() != Some(&(call.body, *message)),
                Err(503) => false,
                Err(_) => is_stored,
            };
            is_belied.then(|| format!("call {n} was told {answer:?}, and the log has {:?}", self.log))
        })
    }
}

fn explore(rules: Rules) -> Result<usize, String> {
    let mut seen = HashSet::new();
    for bodies in [[0, 0], [0, 1]] {
        for credits in 0..=2 {
            let mut open = vec![World::new(bodies, credits)];
            while let Some(world) = open.pop() {
                if let Some(broken) = world.broken() {
                    return Err(broken);
                }
                open.extend(world.successors(rules).into_iter().filter(|next| seen.insert(next.clone())));
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn with_all_rules_no_answer_is_ever_belied() {
    let states = explore(ALL).unwrap();
    assert!(states > 500, "only {states} states: the explorer does not explore");
}

#[test]
fn a_refusal_after_a_silence_would_be_belied_by_the_owner_that_wakes() {
    explore(Rules { doubts_refusals: false, ..ALL }).unwrap_err();
}

#[test]
fn without_the_guard_both_store_the_key() {
    explore(Rules { guard: false, ..ALL }).unwrap_err();
}

#[test]
fn believing_that_a_silent_owner_has_stored_it_would_be_a_false_success() {
    explore(Rules { looks_itself: false, ..ALL }).unwrap_err();
}
