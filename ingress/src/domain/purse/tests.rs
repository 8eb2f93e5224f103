mod world;

use angelia_shared::event::Totals;
use proptest::prelude::*;

use super::super::refusal::Refusal;
use super::*;
use world::World;

const START: Moment = Moment(10_000);

/// A wallet with so many credits, at a head.
fn wallet(head: u64, credits: u64) -> Wallet {
    Wallet::at(head, Totals { granted: Credits(credits), ..Totals::default() }).unwrap()
}

/// A purse that has just read a wallet, after 100 arrivals.
fn purse(credits: u64) -> Purse {
    let mut purse = Purse::default();
    purse.read(wallet(1, credits), 100);
    purse
}

fn asked(prices: &[u64]) -> Vec<Asked> {
    prices.iter().map(|price| Asked { price: Credits(*price), arrival: 100 }).collect()
}

/// Plans one order, stores its group, and returns what was drawn for it.
fn pay(purse: &mut Purse, price: u64, now: Moment) -> Option<Credits> {
    let head = purse.wallet.map_or(1, |wallet| wallet.value.head());
    let plan = purse.plan(&asked(&[price]), 100, now);
    assert_eq!(plan.verdicts, [Verdict::Pay]);
    let spend = plan.spend.unwrap();
    purse.stored(&spend, head + 1, now);
    spend.draw.map(|draw| draw.credits)
}

#[test]
fn a_quiet_workspace_is_debited_exactly() {
    let mut purse = purse(1_000);
    for n in 0..5 {
        assert_eq!(pay(&mut purse, 1 + n % 2, START.plus_ms(n * HOT_MS)), Some(Credits(1 + n % 2)));
        assert_eq!(purse.rest(), Credits::ZERO);
    }
}

#[test]
fn a_hot_workspace_is_drawn_for_in_doubling_steps_and_then_not_at_all_for_long() {
    let mut purse = purse(1_000_000);
    let mut draws = Vec::new();
    for n in 0..20_000 {
        draws.extend(pay(&mut purse, 1, START.plus_ms(n / 100)));
    }
    assert_eq!(draws[..5], [1, 2, 4, 8, 16].map(Credits));
    assert!(draws.len() < 16, "{draws:?}");
}

#[test]
fn a_draw_ahead_leaves_seven_eighths_and_is_never_less_than_needed() {
    let mut purse = purse(80);
    assert_eq!(pay(&mut purse, 40, START), Some(Credits(40)));
    assert_eq!(pay(&mut purse, 1, START), Some(Credits(5)), "an eighth of 40");
    assert_eq!(pay(&mut purse, 30, START), Some(Credits(26)), "30 without the 4 that are held, more than an eighth");
}

#[test]
fn what_is_idle_goes_back_on_a_state_that_was_read_for_it() {
    let mut purse = purse(1_000);
    pay(&mut purse, 10, START);
    pay(&mut purse, 1, START);
    let held = purse.rest();
    assert!(held > Credits::ZERO);
    purse.tick(START.plus_ms(IDLE_MS - 1));
    assert_eq!(purse.give_back(), GiveBack::Done);
    purse.tick(START.plus_ms(IDLE_MS));
    assert_eq!(purse.give_back(), GiveBack::Read);
    assert_eq!(purse.give_back(), GiveBack::Later);
    purse.read(wallet(9, 50), 100);
    let GiveBack::Return(back) = purse.give_back() else { panic!("it is known where to return to") };
    assert_eq!((back.credits, back.guard, back.totals.returned), (held, 9, held));
    assert_eq!(purse.plan(&asked(&[1]), 100, START).verdicts, [Verdict::Wait], "nothing is spent meanwhile");
    purse.returned(&back, 10);
    assert_eq!((purse.rest(), purse.give_back()), (Credits::ZERO, GiveBack::Done));
    assert_eq!(pay(&mut purse, 1, START), Some(Credits(1)), "the next draw is exact");
}

#[test]
fn a_return_that_lost_its_guard_reads_again_and_one_that_was_not_stored_waits() {
    let mut purse = purse(1_000);
    pay(&mut purse, 10, START);
    pay(&mut purse, 1, START);
    purse.recall();
    assert_eq!(purse.give_back(), GiveBack::Read);
    purse.read(wallet(9, 50), 100);
    assert!(matches!(purse.give_back(), GiveBack::Return(_)));
    purse.guard_lost();
    assert_eq!(purse.give_back(), GiveBack::Read);
    purse.read(wallet(11, 50), 100);
    assert!(matches!(purse.give_back(), GiveBack::Return(_)));
    purse.not_returned();
    assert_eq!(purse.give_back(), GiveBack::Done);
    purse.tick(START.plus_ms(IDLE_MS));
    assert_eq!(purse.give_back(), GiveBack::Read);
}

#[test]
fn a_fence_takes_what_was_held() {
    let mut purse = purse(1_000);
    pay(&mut purse, 10, START);
    pay(&mut purse, 1, START);
    purse.recall();
    purse.fenced();
    assert_eq!((purse.rest(), purse.give_back()), (Credits::ZERO, GiveBack::Done));
    purse.read(wallet(30, 50), 100);
    assert_eq!(pay(&mut purse, 1, START), Some(Credits(1)));
}

#[test]
fn one_that_is_short_asks_for_the_balance_and_is_refused_with_it() {
    let mut purse = Purse::default();
    let plan = purse.plan(&asked(&[2]), 100, START);
    assert_eq!((plan.verdicts, plan.reads, plan.question), (vec![Verdict::Read], true, None));
    assert!(!purse.plan(&asked(&[2]), 100, START).reads, "it is being read");
    purse.read(wallet(1, 1), 100);
    let plan = purse.plan(&asked(&[2]), 100, START);
    assert_eq!((plan.verdicts, plan.question), (vec![Verdict::Ask], Some(Question::Balance { at: START })));
    assert_eq!(purse.plan(&asked(&[2]), 100, START).question, None, "it is being asked");
    purse.told(Credits(1), 100);
    let refusal = Refusal::NotEnoughCredits { needed: Credits(2), available: Credits(1) };
    assert_eq!(purse.plan(&asked(&[2]), 100, START).verdicts, [Verdict::Refuse(refusal)]);
    let later = [Asked { price: Credits(2), arrival: 101 }];
    assert_eq!(purse.plan(&later, 101, START).verdicts, [Verdict::Read], "a grant may have come in between");
}

#[test]
fn one_whose_credits_are_elsewhere_recalls_them_and_is_put_off_only_then() {
    let mut purse = purse(1);
    purse.plan(&asked(&[3]), 100, START);
    purse.told(Credits(5), 100);
    let plan = purse.plan(&asked(&[3]), 100, START);
    let recall = Question::Recall { at: START, missing: Credits(2) };
    assert_eq!((plan.verdicts, plan.question), (vec![Verdict::Recall], Some(recall)));
    purse.recalled(wallet(1, 1), 100);
    let plan = purse.plan(&asked(&[3]), 100, START);
    assert_eq!(plan.verdicts, [Verdict::Ask], "it may have been spent meanwhile");
    assert_eq!(plan.question, Some(Question::Balance { at: START.plus_ms(ASK_EVERY_MS) }));
    purse.told(Credits(5), 100);
    let put_off = Verdict::Refuse(Refusal::LogUnavailable { retry_after_s: 1 });
    assert_eq!(purse.plan(&asked(&[3]), 100, START).verdicts, [put_off]);

    // The next one waits until it is its turn to recall, and is paid when something came back.
    let next = [Asked { price: Credits(3), arrival: 101 }];
    purse.read(wallet(1, 1), 101);
    purse.told(Credits(5), 101);
    let at = START.plus_ms(RECALL_EVERY_MS);
    assert_eq!(purse.plan(&next, 101, START).question, Some(Question::Recall { at, missing: Credits(2) }));
    purse.recalled(wallet(2, 5), 101);
    assert_eq!(purse.plan(&next, 101, START).verdicts, [Verdict::Pay]);
}

#[test]
fn an_older_state_of_the_wallet_never_replaces_a_newer_one() {
    let mut purse = purse(10);
    purse.read(wallet(7, 5), 101);
    purse.read(wallet(1, 10), 102);
    assert_eq!(purse.wallet, Some(Known { value: wallet(7, 5), covers: 101 }));
    purse.read(wallet(7, 5), 103);
    assert_eq!(purse.wallet.unwrap().covers, 103);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 1_000 } else { 20_000 }))]

    /// WA-1, WA-2, WA-4 and honest refusals hold after every step; see `World::check`.
    #[test]
    fn lanes_that_share_a_wallet_never_oversell_and_never_refuse_falsely(
        lanes in 1..4_usize,
        granted in prop_oneof![0..20_u64, 40..150_u64],
        acts in world::acts(1..200),
    ) {
        let mut world = World::new(lanes, granted);
        for act in &acts {
            world.act(act);
            world.check();
        }
        world.calm_down();
    }
}

/// The worlds of the property do what it is about: else it would hold of nothing.
#[test]
fn the_worlds_reach_every_outcome() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = world::Seen::default();
    for n in 0..600 {
        let acts = world::acts(200..201).new_tree(&mut runner).unwrap().current();
        let mut world = World::new(2 + n % 2, [10, 70][n % 2]);
        acts.iter().for_each(|act| world.act(act));
        seen.add(&world.seen);
    }
    seen.assert_everything();
}
