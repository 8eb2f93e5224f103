//! The rules in a simulated world: `world` is what can happen in it, `check` what must hold.

mod book;
mod check;
mod mark;
mod owner;
mod pacing;
mod provider;
mod scenario;
mod schedule;
mod world;

use proptest::prelude::*;

use check::Summary;
use scenario::{Rule, Scenario};
use world::World;

fn run(scenario: Scenario) -> Result<Summary, String> {
    World::new(scenario, &[]).run()
}

/// Runs a scenario that must hold; one that does not is told step by step.
fn must_hold(scenario: Scenario, what: &str) -> Summary {
    run(scenario).unwrap_or_else(|broken| {
        let _broken_again = World::new(scenario, &[]).traced().run();
        panic!("{broken}\n{what}\n{scenario:?}")
    })
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    let size = (1..=3usize, 0..8u8, 1..=12usize, 0..10usize);
    let troubles = (0..7usize, 0..4usize, 0..5usize, 0..4usize, 0..5usize);
    (any::<u64>(), size, troubles).prop_map(|(seed, size, troubles)| {
        let (accounts, linked, messages, cancels) = size;
        let (crashes, pauses, rivals, releases, changes) = troubles;
        Scenario { seed, accounts, linked, messages, cancels, crashes, pauses, rivals, releases, changes }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_property_holds_whatever_happens(scenario in any_scenario()) {
        let result = run(scenario);
        prop_assert!(result.is_ok(), "{result:?}");
    }
}

#[test]
fn every_property_holds_in_the_same_runs_each_time_and_much_happens_in_them() {
    let mut all = Summary::default();
    for seed in 0..500 {
        for scenario in [Scenario::eventful(seed), Scenario::rough(seed)] {
            all.add(must_hold(scenario, "a run that always held"));
        }
    }
    // A world in which nothing happens proves nothing.
    let Summary { takeovers, releases, attempts, sent, unknown, put_off, refused, expired, cancelled, .. } = all;
    assert!(takeovers > 3_000 && releases > 200, "{all:?}");
    assert!(attempts > 5_000 && sent > 2_000 && unknown > 1_000 && put_off > 1_000, "{all:?}");
    assert!(refused > 500 && expired > 200 && cancelled > 500, "{all:?}");
    assert!(all.fenced > 50 && all.not_started > 500 && all.sent_again > 200 && all.settled > 500, "{all:?}");
}

#[test]
fn runs_that_once_broke_a_property_hold() {
    for (scenario, what) in [
        (Scenario::eventful(95), "a floor that was raised during a gap did not count"),
        (Scenario::rough(766), "a floor that was raised during a gap did not count"),
        (Scenario::rough(474), "a release hid that a call of the owner before it might still run"),
        (Scenario::eventful(316), "a second crash forgot that the call of the first might still run"),
        (Scenario::rough(133), "a second crash forgot that the call of the first might still run"),
        (Scenario::eventful(6), "a repetition that reached nobody hid that the first attempt was open"),
        (Scenario::eventful(4), "what might have gone out expired, and its credits came back"),
    ] {
        must_hold(scenario, what);
    }
    let scenario = Scenario {
        seed: 10_041_048_248_373_759_636,
        accounts: 1,
        linked: 0,
        messages: 11,
        cancels: 3,
        crashes: 2,
        pauses: 3,
        rivals: 0,
        releases: 3,
        changes: 4,
    };
    must_hold(scenario, "a late end held an account that its owner had connected again");
    let scenario = Scenario {
        seed: 7_031_534_448_874_756_725,
        accounts: 3,
        linked: 2,
        messages: 7,
        cancels: 2,
        crashes: 5,
        pauses: 3,
        rivals: 4,
        releases: 3,
        changes: 2,
    };
    must_hold(scenario, "a short patience ended an open attempt whose call might still run");
}

#[test]
fn without_any_one_of_the_rules_a_property_breaks() {
    let broken_by: [(&'static [Rule], &str); 13] = [
        (&[Rule::EventsAreGuarded], "DP-3"),
        (&[Rule::SnapshotHasOwnClaim], "DP-4"),
        (&[Rule::CatchUpComesFirst], "CANCEL"),
        (&[Rule::MarkWaitsForTheLog], "DP-2"),
        (&[Rule::MarkWaitsForTheQueue], "LOST"),
        (&[Rule::EndedBeyondIsCarried], "ENDS"),
        (&[Rule::OpenIsCarried], "DP-4"),
        (&[Rule::MemoryIsEmpty], "DP-2"),
        (&[Rule::RestartClaimsAnew], "DP-4"),
        (&[Rule::StartIsDurable], "TWICE"),
        (&[Rule::CallStartsSoon], "DP-1"),
        (&[Rule::FencedReportsOnlySent], "MONEY"),
        (&[Rule::CrashCostsTheTimeout], "DP-1"),
    ];
    for (without, property) in broken_by {
        let breaks = |seed: &u64| {
            let result = World::new(Scenario::rough(*seed), without).run();
            result.is_err_and(|broken| broken.starts_with(property))
        };
        let seed = (0..5_000).find(breaks).unwrap_or_else(|| panic!("{property} holds without {without:?}"));
        println!("{property} breaks without {without:?} in run {seed}");
        must_hold(Scenario::rough(seed), "a run that breaks without a rule");
    }
}

#[test]
fn a_result_handed_to_a_later_claim_of_its_process_breaks_nothing() {
    // The rules wait until the earlier call must be over, and take a result only while their own call runs.
    for seed in 0..300 {
        let result = World::new(Scenario::rough(seed), &[Rule::ResultBelongsToItsClaim]).run();
        assert!(result.is_ok(), "run {seed}: {result:?}");
    }
}
