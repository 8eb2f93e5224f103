use proptest::prelude::*;

use super::*;

/// What is known of a wallet and of the whole, up to a few arrivals.
fn funds(rest: u64, open: (u64, u64), balance: (u64, u64), recalled: u64) -> Funds {
    let known = |(credits, covers)| Some(Known { value: Credits(credits), covers });
    Funds { rest: Credits(rest), open: known(open), balance: known(balance), recalled }
}

fn asked(prices: &[u64]) -> Vec<Asked> {
    prices.iter().map(|price| Asked { price: Credits(*price), arrival: 5 }).collect()
}

fn not_enough(needed: u64, available: u64) -> Verdict {
    Verdict::Refuse(Refusal::NotEnoughCredits { needed: Credits(needed), available: Credits(available) })
}

const PUT_OFF: Verdict = Verdict::Refuse(Refusal::LogUnavailable { retry_after_s: 1 });

#[test]
fn what_is_held_pays_first_and_needs_no_wallet() {
    let held = Funds { rest: Credits(3), open: None, balance: None, recalled: 0 };
    let decision = decide(&held, &asked(&[1, 2, 1]));
    assert_eq!(decision.verdicts, [Verdict::Pay, Verdict::Pay, Verdict::Wait]);
    assert_eq!(decision.prices, Credits(3));
    assert_eq!(decide(&held, &asked(&[4])).verdicts, [Verdict::Read]);
}

#[test]
fn one_that_does_not_fit_is_passed_over_for_a_cheaper_one() {
    let decision = decide(&funds(0, (1, 5), (1, 5), 0), &asked(&[2, 1]));
    assert_eq!(decision.verdicts, [not_enough(2, 1), Verdict::Pay]);
    assert_eq!(decision.prices, Credits(1));
}

#[test]
fn nobody_is_refused_because_of_a_group_that_is_not_stored_yet() {
    let decision = decide(&funds(1, (1, 5), (2, 5), 5), &asked(&[2, 2, 1]));
    assert_eq!(decision.verdicts, [Verdict::Pay, Verdict::Wait, Verdict::Wait]);
}

#[test]
fn each_thing_must_be_known_after_the_order_came_before_it_is_refused() {
    for (known, verdict) in [
        (funds(0, (1, 4), (1, 5), 5), Verdict::Read),
        (funds(0, (1, 5), (1, 4), 5), Verdict::Ask),
        (Funds { balance: None, ..funds(0, (1, 5), (0, 0), 5) }, Verdict::Ask),
        (funds(0, (1, 5), (2, 5), 4), Verdict::Recall),
        (funds(0, (1, 5), (2, 5), 5), PUT_OFF),
        (funds(0, (1, 5), (1, 5), 0), not_enough(2, 1)),
    ] {
        assert_eq!(decide(&known, &asked(&[2])).verdicts, [verdict], "{known:?}");
    }
}

#[test]
fn a_draw_of_others_saves_the_read_and_what_is_held_does_not() {
    assert_eq!(decide(&funds(0, (1, 4), (0, 0), 0), &asked(&[2, 1])).verdicts, [Verdict::Wait, Verdict::Pay]);
    assert_eq!(decide(&funds(1, (0, 4), (0, 0), 0), &asked(&[2, 1])).verdicts, [Verdict::Read, Verdict::Pay]);
}

#[test]
fn places_nobody_else_needs_go_to_the_first_that_can_use_them() {
    assert_eq!(share(&[1_000, 1, 2], 300, 480), [297, 1, 2]);
    assert_eq!(share(&[1_000], 300, 200), [200]);
    assert_eq!(share(&[5, 5, 5], 2, 480), [1, 1, 0]);
    assert_eq!(share(&[], 300, 480), [0; 0]);
}

fn orders() -> impl Strategy<Value = Vec<Asked>> {
    let order = (0..4_u64, 0..10_u64).prop_map(|(price, arrival)| Asked { price: Credits(price), arrival });
    proptest::collection::vec(order, 0..40)
}

prop_compose! {
    fn any_funds()(
        rest in 0..30_u64,
        open in prop::option::of((0..30_u64, 0..10_u64)),
        balance in prop::option::of((0..30_u64, 0..10_u64)),
        recalled in 0..10_u64,
    ) -> Funds {
        let known = |(credits, covers)| Known { value: Credits(credits), covers };
        Funds { rest: Credits(rest), open: open.map(known), balance: balance.map(known), recalled }
    }
}

proptest! {
    #[test]
    fn those_that_are_paid_never_cost_more_than_can_be_spent(funds in any_funds(), asked in orders()) {
        let decision = decide(&funds, &asked);
        prop_assert_eq!(decision.verdicts.len(), asked.len());
        let paid = asked.iter().zip(&decision.verdicts).filter(|(_, verdict)| **verdict == Verdict::Pay);
        prop_assert_eq!(decision.prices.0, paid.map(|(order, _)| order.price.0).sum::<u64>());
        prop_assert!(decision.prices <= funds.spendable());
    }

    #[test]
    fn an_order_is_passed_over_only_when_those_before_it_left_too_little(funds in any_funds(), asked in orders()) {
        let mut left = funds.spendable().0;
        for (order, verdict) in asked.iter().zip(decide(&funds, &asked).verdicts) {
            if verdict == Verdict::Pay {
                left -= order.price.0;
            } else {
                prop_assert!(order.price.0 > left, "{:?} with {} left", order, left);
            }
        }
    }

    #[test]
    fn a_refusal_as_too_dear_tells_a_balance_that_covers_the_order(funds in any_funds(), asked in orders()) {
        for (order, verdict) in asked.iter().zip(decide(&funds, &asked).verdicts) {
            if let Verdict::Refuse(Refusal::NotEnoughCredits { needed, available }) = verdict {
                let balance = funds.balance.expect("nobody is refused without one");
                prop_assert!(balance.covers >= order.arrival && balance.value < order.price);
                prop_assert_eq!((needed, available), (order.price, balance.value));
            }
        }
    }

    #[test]
    fn a_busy_workspace_never_takes_the_equal_share_of_another(
        waiting in proptest::collection::vec(1..2_000_usize, 1..50), places in 1..3_000_usize, each_max in 1..600_usize,
    ) {
        let shares = share(&waiting, places, each_max);
        let equal = places / waiting.len();
        prop_assert!(shares.iter().sum::<usize>() <= places);
        for (given, orders) in shares.iter().zip(&waiting) {
            prop_assert!(given <= orders && *given <= each_max);
            prop_assert!(*given >= equal.min(*orders).min(each_max));
        }
        // No place stays empty that somebody could use.
        let unmet = shares.iter().zip(&waiting).any(|(given, orders)| *given < (*orders).min(each_max));
        prop_assert!(!unmet || shares.iter().sum::<usize>() == places);
    }
}
