//! The admission protocol, explored exhaustively: every order of everything that can happen in a small installation.
//!
//! Shape: [`machine`] says what may happen in a state and what comes of it, for the model checker `stateright`; one
//! workspace, two lanes, a broker that loses, delays and repeats, ledgers that lag, a dispatcher. Nothing is decided here
//! that the services decide: a lane is the real `Purse` and the real `Settlement`, its batches come from the real packer
//! and seal; a ledger is the real `Projection`, `dead_lanes` and `due`, on any prefix of the log. That is why it lives in
//! this package: it is the only one that may know several services.
//!
//! What bounds it: sizes (see the worlds below; larger ones by `ANGELIA_MODEL_MORE`), and that the checker tells states apart by
//! 64 bits, of which two of a million states share all with a chance of about one in thirty million.
//!
//! Invariants, in every state, and so at every prefix of the log: WA-1, WA-2, WA-3, WA-4, IN-1, LG-2. Each is judged by
//! plain sums of the model's own, and the ledger's projection must find a contradiction exactly where they do. Besides,
//! nobody is refused as too dear while the workspace has enough, in whatever purse; and no order and no idle credit is
//! forgotten: a lane that has any, and waits for nothing, gets on with it in its next round.
//!
//! The rules that they rest on. Those that the broker keeps, or whoever carries out what the pure code decides, can be left
//! out in [`rules`]; the test on the right shows what breaks then. The services themselves cannot be told to leave one out.
//!
//! | rule | shown by |
//! |---|---|
//! | a draw and its acceptances are one group | `a_draw_apart_from_its_acceptances_breaks_wa_2` |
//! | a seal is guarded by the writer's record before | `without_the_seals_guard_in_1_and_lg_2_break` |
//! | a wallet's entry is guarded by its head | `without_the_wallets_guard_wa_4_breaks` |
//! | the first record after one's own previous one decides | `settled_by_the_last_record_in_1_breaks` |
//! | an error after a second transmission is ambiguous | `trusting_a_late_error_in_1_breaks` |
//! | fenced before anything is returned | `without_a_fence_wa_2_breaks` |
//! | a return is computed when the projection has passed the fence | `returning_before_the_fence_is_projected_wa_2_breaks` |
//! | the ledger guards with the head in its projection | `guarding_with_a_head_that_was_read_wa_3_breaks` |
//! | the ledger refunds only what it has projected | `refunding_what_is_not_projected_wa_3_breaks` |
//! | frozen bytes, the digest check (each alone is enough) | `shared/src/log/settle/tests.rs`, `frozen_bytes_and_the_digest_check_stand_in_for_each_other` |
//! | IN-2: full read, head read, recheck, floor, in flight, guard | `ingress/src/domain/key_map/explorer.rs`, a test each |
//!
//! Not here: sending, which has a model of its own in `tests/tests/dispatch_model/`.

mod forms;
mod lane;
mod log;
mod machine;
mod rules;
mod services;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use log::{Broken, IN_1, LG_2, WA_2, WA_3, WA_4};
use machine::{
    Action, Admission, FENCED, FENCES_ITSELF, GUARD_LOST, LANE_RETURNED, LATE_COPY, LEDGER_RETURNED, NO_REASON,
    PAID_AHEAD, RECALLED, REFUNDED, SETTLED_LATE, STORED_BY_READING, TOO_DEAR,
};
use rules::{Budget, Rules, World};

/// More of everything, for those who have the time: how much is added to each count of a world.
const MORE: &str = "ANGELIA_MODEL_MORE";

/// Two lanes that compete for a wallet; batches, answers and lanes get lost.
const TROUBLE: World = World {
    granted: 2,
    orders: [&[1], &[1]],
    budget: Budget { silences: 2, refusals: 1, crashes: 1, fences: 1, reopenings: 1, ..Budget::NOTHING },
};

/// A lane draws ahead and spends from that; the other one needs what it holds. What is idle goes back, by its lane or, when
/// that is fenced, by the ledger.
const AHEAD: World = World {
    granted: 17,
    orders: [&[1, 1, 1], &[15]],
    budget: Budget { silences: 1, fences: 1, reopenings: 1, pauses: 1, ..Budget::NOTHING },
};

/// Messages fail or stay unknown, are reported as delivered, settled and refunded, by ledgers that lag, while lanes wait for
/// what is refunded.
const REFUNDS: World = World {
    granted: 1,
    orders: [&[1, 1], &[1]],
    budget: Budget { unknowns: 1, failures: 1, reports: 1, settlements: 1, ..Budget::NOTHING },
};

/// A lane that pays from what it holds, with a batch that no wallet guards, and sends that twice.
const TWICE: World =
    World { granted: 17, orders: [&[1, 1, 1], &[]], budget: Budget { silences: 1, ..Budget::NOTHING } };

/// Everything at once that touches a dead lane's credits: it drew ahead, it died or only paused, its message was refunded.
const DEAD: World = World {
    granted: 17,
    orders: [&[1, 1, 1], &[1]],
    budget: Budget { crashes: 1, fences: 1, failures: 1, ..Budget::NOTHING },
};

/// What broke first, and how.
struct Found {
    broken: Broken,
    story: Vec<Action>,
}

/// Explores a world to its end, or to the first violation. Returns what happened in it, too.
fn explore(rules: Rules, world: World) -> (Option<Found>, Vec<&'static str>) {
    let more = angelia_tests::process::environment(MORE).map_or(0, |more| more.parse().expect("a small number"));
    let world = World { budget: world.budget.larger(more), ..world };
    let checker = Admission::new(rules, world).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{} states, {} steps deep", checker.unique_state_count(), checker.max_depth());
    let found = checker.discoveries().into_iter().next();
    let found = found.map(|(broken, path)| Found { broken, story: path.into_actions() });
    if let Some(Found { broken, story }) = &found {
        println!("{broken}:");
        story.iter().for_each(|action| println!("  {}", checker.model().tell(*action)));
    }
    let happened = checker.model().with(|machine| machine.happened.iter().copied().collect());
    (found, happened)
}

#[track_caller]
fn holds(world: World, expected: &[&str]) {
    let (found, happened) = explore(Rules::ALL, world);
    assert!(found.is_none(), "the story is above");
    for what in expected {
        assert!(happened.contains(what), "it never happened that {what}");
    }
}

#[track_caller]
fn breaks(rules: Rules, world: World, expected: Broken) {
    let (found, _) = explore(rules, world);
    let Found { broken, story } = found.expect("the rule is needed");
    assert_eq!(broken, expected, "{story:?}");
}

#[test]
fn lanes_that_compete_and_fail_break_nothing() {
    let batches = [LATE_COPY, STORED_BY_READING, GUARD_LOST, NO_REASON, FENCED, FENCES_ITSELF];
    holds(TROUBLE, &batches);
}

#[test]
fn drawing_ahead_recalls_and_idle_returns_break_nothing() {
    holds(AHEAD, &[PAID_AHEAD, TOO_DEAR, LANE_RETURNED, RECALLED, LEDGER_RETURNED, FENCED, LATE_COPY]);
}

#[test]
fn refunds_and_settlements_break_nothing() {
    holds(REFUNDS, &[REFUNDED, SETTLED_LATE, TOO_DEAR, GUARD_LOST]);
}

#[test]
fn dead_and_paused_lanes_break_nothing() {
    holds(DEAD, &[PAID_AHEAD, LEDGER_RETURNED, REFUNDED, LATE_COPY, GUARD_LOST]);
}

#[test]
fn a_draw_apart_from_its_acceptances_breaks_wa_2() {
    breaks(Rules { one_group: false, ..Rules::ALL }, TROUBLE, WA_2);
}

#[test]
fn without_the_seals_guard_in_1_and_lg_2_break() {
    let rules = Rules { seal_guard: false, ..Rules::ALL };
    breaks(rules, TWICE, IN_1);
    breaks(rules, TROUBLE, LG_2);
}

#[test]
fn without_the_wallets_guard_wa_4_breaks() {
    breaks(Rules { wallet_guard: false, ..Rules::ALL }, TROUBLE, WA_4);
}

#[test]
fn settled_by_the_last_record_in_1_breaks() {
    breaks(Rules { first_record: false, ..Rules::ALL }, TROUBLE, IN_1);
}

#[test]
fn trusting_a_late_error_in_1_breaks() {
    breaks(Rules { late_errors_are_ambiguous: false, ..Rules::ALL }, TROUBLE, IN_1);
}

#[test]
fn without_a_fence_wa_2_breaks() {
    breaks(Rules { fence: false, ..Rules::ALL }, AHEAD, WA_2);
}

#[test]
fn returning_before_the_fence_is_projected_wa_2_breaks() {
    breaks(Rules { return_after_fence: false, ..Rules::ALL }, AHEAD, WA_2);
}

#[test]
fn guarding_with_a_head_that_was_read_wa_3_breaks() {
    breaks(Rules { projected_head: false, ..Rules::ALL }, REFUNDS, WA_3);
}

#[test]
fn refunding_what_is_not_projected_wa_3_breaks() {
    breaks(Rules { projected_refund: false, ..Rules::ALL }, REFUNDS, WA_3);
}
