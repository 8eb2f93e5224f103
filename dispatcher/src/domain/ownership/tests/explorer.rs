//! Tries every short history of a small world, not only those that dice find, and shows that the guard is what keeps two from
//! owning one partition.

use super::world::{Act, World};

/// What may happen at each moment.
const ACTS: [Option<Act>; 7] = [
    None,
    Some(Act::Start),
    Some(Act::Kill(0)),
    Some(Act::Pause(0, 3_000)),
    Some(Act::Pause(0, 8_000)),
    Some(Act::Pause(1, 6_000)),
    Some(Act::Stop(1)),
];
/// How long the moments are apart: in the middle of a move, within a lease, beyond it.
const WAITS_MS: [u64; 4] = [300, 2_500, 7_000, 1_200];

fn explore(world: &World, moment: usize, ends: &mut u64) -> Result<(), String> {
    let Some(wait) = WAITS_MS.get(moment) else {
        *ends += 1;
        let mut world = world.clone();
        world.act(Act::Start);
        world.pass(super::world::SETTLES)?;
        return world.settled();
    };
    for act in ACTS {
        let mut next = world.clone();
        if let Some(act) = act {
            next.act(act);
        }
        next.pass(*wait).map_err(|why| format!("{act:?} at {moment}: {why}"))?;
        explore(&next, moment + 1, ends).map_err(|why| format!("{act:?} at {moment}, {why}"))?;
    }
    Ok(())
}

fn begin(guard: bool) -> World {
    let mut world = World::new();
    world.guard = guard;
    world.act(Act::Start);
    world.pass(15_000).unwrap();
    world
}

#[test]
fn every_short_history_ends_with_all_in_its_place() {
    let mut ends = 0;
    explore(&begin(true), 0, &mut ends).unwrap();
    assert_eq!(ends, 7 * 7 * 7 * 7);
}

#[test]
fn without_the_guard_of_the_claim_somebody_in_touch_loses_its_partition() {
    // Two that start at once claim the same partitions, and the second claim takes what the first has.
    let mut world = World::new();
    world.guard = false;
    let told = world.pass(50).and_then(|()| {
        world.act(Act::Start);
        world.pass(30_000)
    });
    assert!(told.is_err_and(|why| why.contains("never away")));
}
