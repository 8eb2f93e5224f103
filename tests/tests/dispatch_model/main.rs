//! Sending, explored exhaustively: every order of everything that can happen to the claim of a small partition, its takeover,
//! its hand-over, its cancels and its unknown outcomes.
//!
//! Shape: [`machine`] says what may happen in a state and what comes of it, for the model checker `stateright`; one partition,
//! two processes, a broker that delays, a provider that refuses, puts off, and loses requests and answers, callers who cancel, a
//! ledger that settles. Nothing is decided here that the services decide: an owner is the real `Partition` with its real
//! `recover`, `cancel` and `finish`, and goes by the real `Departure`; what a process claims is said by the real `Ownership`,
//! what it tells of a call whose claim is lost by the real `Fenced`; what is unknown and what is owed by the ledger's real
//! `Projection`. Every record is a real event in its wire form.
//!
//! Time passes only when an owner waits for it, to when that wait is over, or while nobody has the partition; but not while a
//! request could still be worked on that would be over by then. A call may have begun as late as the rule allows. Records and news
//! take any time.
//!
//! What bounds it: sizes (see the worlds below; larger ones by `ANGELIA_MODEL_MORE`), and that the checker tells states apart by
//! 64 bits. The broker is taken at its writer's word: what is handed in is stored once, or refused by its guard, and is
//! answered truly; that is shown for the writer by the model of admission, in `tests/tests/model/`.
//!
//! Invariants, in every state, and so at every prefix of the log: DP-1 to DP-4 by the log and by what the provider saw;
//! what has ended has ended; a cancel is answered before its message could begin; no message is both sent and cancelled, failed
//! or settled; and where nothing more can happen, every message has come to its end. Each is judged by plain rules of the
//! model's own, and the ledger must find no contradiction where they find none.
//!
//! The rules that they rest on. Those that the broker keeps, or whoever carries out what the pure code decides and stores what it
//! says, can be left out in [`rules`]; the test on the right shows what breaks then. The pure code itself cannot be told to leave
//! one out. Those with a † say what the design owes to a trace of such a model.
//!
//! | rule | shown by |
//! |---|---|
//! | † no attempt before everything below one's own claim was read | `without_catching_up_a_cancel_goes_unanswered` |
//! | † the mark passes nothing that has not ended, no cancel without an answer | `with_a_mark_that_passes_what_waits_a_message_is_lost` |
//! | … nor what has not ended in the log | `with_a_mark_that_passes_what_is_not_stored_a_message_is_lost` |
//! | † whoever claims again begins with empty memory | `with_memory_of_an_earlier_claim_dp_2_breaks` |
//! | † a restarted process claims anew | `under_the_claim_of_an_earlier_process_dp_4_breaks` |
//! | † a call's result belongs to the claim under which it started | `with_results_under_a_later_claim_what_is_sent_is_paid_back` |
//! | † where it may be sent again, a fenced owner tells only that it was sent | `with_failures_told_by_fenced_owners_what_is_sent_is_paid_back` |
//! | every event is guarded by its claim | `without_the_claims_guard_dp_3_breaks` |
//! | a snapshot is complete when one's own claim has come | `with_a_snapshot_that_lags_dp_4_breaks` |
//! | what was begun, and what ended out of turn, is carried | `without_what_is_open_dp_4_breaks`, `without_what_ended_out_of_turn_it_ends_again` |
//! | an unknown outcome is final for whoever sends | `sending_again_what_is_unknown_dp_4_breaks` |
//! | a start is durable before its call, which begins soon or never | `with_calls_before_their_start_is_stored_dp_1_breaks`, `with_calls_that_begin_late_dp_1_breaks` |
//! | a crash costs the time that a call may take | `without_waiting_for_an_earlier_owners_call_dp_1_breaks` |
//! | a partition is released after its last attempt | covered by the rule before: `a_release_during_a_call_breaks_nothing` |
//!
//! Not here: expiry, holds, limits, files, and several accounts in long runs, which have a world of dice in
//! `dispatcher/src/domain/partition/tests/`; who should own what, explored in `dispatcher/src/domain/ownership/tests/`.

mod entries;
mod log;
mod machine;
mod minds;
mod owner;
mod provider;
mod rules;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use log::{Broken, CANCEL, DP_1, DP_2, DP_3, DP_4, ENDS, LOST, MONEY};
use machine::{
    Action, CANCELLED, Dispatch, FENCED, GIVEN_AWAY, LATE, LOST_CLAIM, REPORTED, RESENT, SETTLED, STALE_WRITE,
    TAKEN_OVER, UNKNOWN, WAITED_FOR_THE_REST,
};
use rules::{Budget, Order, Rules, World};

/// More of everything, for those who have the time: how much is added to each count of a world.
const MORE: &str = "ANGELIA_MODEL_MORE";

const TEXT: Order = Order { account: 0, parts: 1 };
const OTHER: Order = Order { account: 1, parts: 1 };
const TWO_PARTS: Order = Order { account: 0, parts: 2 };

/// Owners that die or are taken for dead, while requests and answers get lost.
const TROUBLE: World = World {
    orders: &[TEXT, TEXT],
    later: 0,
    idempotent: false,
    budget: Budget { crashes: 1, rivals: 1, silences: 1, ..Budget::NOTHING },
};

/// The same, with a cancel at any moment.
const RACE: World = World { budget: Budget { crashes: 1, rivals: 1, cancels: 1, ..Budget::NOTHING }, ..TROUBLE };

/// Cancels in and out of turn.
const CANCELS: World = World {
    orders: &[TEXT, TEXT, TEXT],
    later: 0,
    idempotent: false,
    budget: Budget { crashes: 1, cancels: 2, ..Budget::NOTHING },
};

/// A cancel and a crash while messages still come.
const COMING: World = World { later: 1, budget: Budget { crashes: 1, cancels: 1, ..Budget::NOTHING }, ..CANCELS };

/// Two accounts of one partition: what is written of one tells how far the partition was read.
const ACCOUNTS: World = World {
    orders: &[TEXT, OTHER],
    later: 0,
    idempotent: false,
    budget: Budget { crashes: 1, cancels: 1, ..Budget::NOTHING },
};

/// A crash that is noticed only after a while: whoever takes over waits for the rest of a call, and not for all of one.
const NOTICED_LATE: World =
    World { budget: Budget { crashes: 1, silences: 1, orphaned: 1, ..Budget::NOTHING }, ..TROUBLE };

/// A partition that is given away, or should be.
const MOVES: World = World { budget: Budget { crashes: 1, rivals: 1, releases: 1, ..Budget::NOTHING }, ..TROUBLE };

/// Callbacks that come or do not, before and after a settlement.
const CALLBACKS: World = World {
    budget: Budget { crashes: 1, silences: 1, refusals: 1, callbacks: 1, failures: 1, ..Budget::NOTHING },
    ..TROUBLE
};

/// Every answer of a provider, and calls that are not begun.
const ANSWERS: World = World {
    budget: Budget { crashes: 1, silences: 1, refusals: 1, put_offs: 1, stale_leases: 1, ..Budget::NOTHING },
    ..TROUBLE
};

/// A transport that recognises what it has taken: what was left open is sent again.
const AGAIN: World = World {
    idempotent: true,
    budget: Budget { crashes: 1, rivals: 1, refusals: 1, put_offs: 1, ..Budget::NOTHING },
    ..TROUBLE
};

/// A message that goes out as two.
const PARTS: World = World {
    orders: &[TWO_PARTS, TEXT],
    budget: Budget { crashes: 1, silences: 1, refusals: 1, ..Budget::NOTHING },
    ..TROUBLE
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
    let checker = Dispatch::new(rules, world).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{} states, {} steps deep", checker.unique_state_count(), checker.max_depth());
    let found = checker.discoveries().into_iter().map(|(broken, path)| Found { broken, story: path.into_actions() });
    // The checker goes on for a while after the first one.
    let found = found.min_by_key(|found| (found.story.len(), found.broken));
    if let Some(Found { broken, story }) = &found {
        println!("{broken}:");
        story.iter().for_each(|action| println!("  {}", checker.model().tell(action)));
    }
    let happened = checker.model().with(|machine| machine.happened.iter().copied().collect());
    (found, happened)
}

#[track_caller]
fn holds(rules: Rules, world: World, expected: &[&str]) {
    let (found, happened) = explore(rules, world);
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
fn crashes_rivals_and_lost_answers_break_nothing() {
    holds(Rules::ALL, TROUBLE, &[TAKEN_OVER, LOST_CLAIM, FENCED, LATE, UNKNOWN, SETTLED, REPORTED, STALE_WRITE]);
}

#[test]
fn a_cancel_that_meets_crashes_and_rivals_breaks_nothing() {
    holds(Rules::ALL, RACE, &[CANCELLED, LOST_CLAIM, UNKNOWN, STALE_WRITE]);
}

#[test]
fn cancels_out_of_turn_break_nothing() {
    holds(Rules::ALL, CANCELS, &[CANCELLED, UNKNOWN, STALE_WRITE]);
    holds(Rules::ALL, COMING, &[CANCELLED]);
}

#[test]
fn accounts_that_share_a_mark_break_nothing() {
    holds(Rules::ALL, ACCOUNTS, &[CANCELLED, UNKNOWN, STALE_WRITE]);
}

#[test]
fn a_call_that_a_new_owner_waits_for_from_its_start_breaks_nothing() {
    holds(Rules::ALL, NOTICED_LATE, &[WAITED_FOR_THE_REST, TAKEN_OVER, UNKNOWN]);
    holds(Rules::ALL, World { idempotent: true, ..NOTICED_LATE }, &[WAITED_FOR_THE_REST, RESENT]);
}

#[test]
fn moves_break_nothing() {
    holds(Rules::ALL, MOVES, &[GIVEN_AWAY, LOST_CLAIM, FENCED, UNKNOWN, STALE_WRITE]);
}

#[test]
fn answers_callbacks_and_settlements_break_nothing() {
    holds(Rules::ALL, CALLBACKS, &[UNKNOWN, SETTLED, REPORTED]);
    holds(Rules::ALL, ANSWERS, &[RESENT, UNKNOWN, SETTLED]);
}

#[test]
fn sending_again_with_the_same_id_breaks_nothing() {
    holds(Rules::ALL, AGAIN, &[RESENT, FENCED, LOST_CLAIM, LATE]);
}

#[test]
fn messages_of_two_parts_break_nothing() {
    holds(Rules::ALL, PARTS, &[TAKEN_OVER, UNKNOWN, SETTLED]);
    holds(Rules::ALL, World { idempotent: true, ..PARTS }, &[RESENT, UNKNOWN]);
}

#[test]
fn without_catching_up_a_cancel_goes_unanswered() {
    breaks(Rules { catch_up_comes_first: false, ..Rules::ALL }, RACE, CANCEL);
}

#[test]
fn with_a_mark_that_passes_what_waits_a_message_is_lost() {
    breaks(Rules { mark_waits: false, ..Rules::ALL }, TROUBLE, LOST);
}

#[test]
fn with_a_mark_that_passes_what_is_not_stored_a_message_is_lost() {
    breaks(Rules { mark_waits_for_the_log: false, ..Rules::ALL }, ACCOUNTS, LOST);
}

#[test]
fn with_memory_of_an_earlier_claim_dp_2_breaks() {
    breaks(Rules { memory_is_empty: false, ..Rules::ALL }, RACE, DP_2);
}

#[test]
fn under_the_claim_of_an_earlier_process_dp_4_breaks() {
    breaks(Rules { restart_claims_anew: false, ..Rules::ALL }, RACE, DP_4);
}

#[test]
fn with_results_under_a_later_claim_what_is_sent_is_paid_back() {
    breaks(Rules { result_belongs_to_its_claim: false, ..Rules::ALL }, AGAIN, MONEY);
}

#[test]
fn with_failures_told_by_fenced_owners_what_is_sent_is_paid_back() {
    breaks(Rules { fenced_tells_only_sent: false, ..Rules::ALL }, AGAIN, MONEY);
}

#[test]
fn without_the_claims_guard_dp_3_breaks() {
    breaks(Rules { events_are_guarded: false, ..Rules::ALL }, TROUBLE, DP_3);
}

#[test]
fn with_a_snapshot_that_lags_dp_4_breaks() {
    breaks(Rules { snapshot_has_own_claim: false, ..Rules::ALL }, RACE, DP_4);
}

#[test]
fn without_what_is_open_dp_4_breaks() {
    breaks(Rules { open_is_carried: false, ..Rules::ALL }, TROUBLE, DP_4);
}

#[test]
fn without_what_ended_out_of_turn_it_ends_again() {
    breaks(Rules { ended_beyond_is_carried: false, ..Rules::ALL }, CANCELS, ENDS);
}

#[test]
fn sending_again_what_is_unknown_dp_4_breaks() {
    breaks(Rules { unknown_is_final: false, ..Rules::ALL }, World { idempotent: true, ..TROUBLE }, DP_4);
}

#[test]
fn with_calls_before_their_start_is_stored_dp_1_breaks() {
    breaks(Rules { start_is_durable: false, ..Rules::ALL }, TROUBLE, DP_1);
}

#[test]
fn with_calls_that_begin_late_dp_1_breaks() {
    breaks(Rules { call_starts_soon: false, ..Rules::ALL }, AGAIN, DP_1);
    // Where nothing is sent again, what was settled as not sent goes out before that.
    breaks(Rules { call_starts_soon: false, ..Rules::ALL }, TROUBLE, MONEY);
}

#[test]
fn without_waiting_for_an_earlier_owners_call_dp_1_breaks() {
    breaks(Rules { crash_costs_the_timeout: false, ..Rules::ALL }, AGAIN, DP_1);
    breaks(Rules { crash_costs_the_timeout: false, ..Rules::ALL }, TROUBLE, MONEY);
}

#[test]
fn a_release_during_a_call_breaks_nothing() {
    // It costs the next owner as much time as a crash, and the outcome stays unknown.
    let budget = Budget { releases: 2, ..Budget::NOTHING };
    holds(Rules { release_comes_last: false, ..Rules::ALL }, World { budget, ..MOVES }, &[GIVEN_AWAY, FENCED, UNKNOWN]);
}
