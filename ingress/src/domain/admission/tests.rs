use proptest::prelude::*;

use super::*;

fn covered(prices: &[u64]) -> Vec<Asked> {
    prices.iter().map(|price| Asked { price: Credits(*price), is_covered: true }).collect()
}

fn uncovered(prices: &[u64]) -> Vec<Asked> {
    prices.iter().map(|price| Asked { price: Credits(*price), is_covered: false }).collect()
}

fn not_enough(needed: u64, available: u64) -> Verdict {
    Verdict::Refuse(Refusal::NotEnoughCredits { needed: Credits(needed), available: Credits(available) })
}

#[test]
fn what_fits_is_paid_by_one_exact_draw() {
    let decision = decide(Credits(9), &uncovered(&[1, 2, 1]));
    assert_eq!(decision.verdicts, [Verdict::Pay, Verdict::Pay, Verdict::Pay]);
    assert_eq!(decision.draw, Credits(4));
}

#[test]
fn one_that_does_not_fit_is_passed_over_for_a_cheaper_one() {
    let decision = decide(Credits(1), &covered(&[2, 1]));
    assert_eq!(decision.verdicts, [not_enough(2, 1), Verdict::Pay]);
    assert_eq!(decision.draw, Credits(1));
}

#[test]
fn nobody_is_refused_because_of_a_draw_that_is_not_stored_yet() {
    let decision = decide(Credits(2), &covered(&[2, 2, 1]));
    assert_eq!(decision.verdicts, [Verdict::Pay, Verdict::Wait, Verdict::Wait]);
}

#[test]
fn a_remembered_wallet_never_refuses() {
    assert_eq!(decide(Credits(0), &uncovered(&[1])).verdicts, [Verdict::ReadAgain]);
    assert_eq!(decide(Credits(1), &uncovered(&[2, 1])).verdicts, [Verdict::Wait, Verdict::Pay]);
    assert_eq!(decide(Credits(0), &covered(&[1])).verdicts, [not_enough(1, 0)]);
}

#[test]
fn places_nobody_else_needs_go_to_the_first_that_can_use_them() {
    assert_eq!(share(&[1_000, 1, 2], 300, 480), [297, 1, 2]);
    assert_eq!(share(&[1_000], 300, 200), [200]);
    assert_eq!(share(&[5, 5, 5], 2, 480), [1, 1, 0]);
    assert_eq!(share(&[], 300, 480), [0; 0]);
}

fn orders() -> impl Strategy<Value = Vec<Asked>> {
    let order = (0..4_u64, any::<bool>()).prop_map(|(price, is_covered)| Asked { price: Credits(price), is_covered });
    proptest::collection::vec(order, 0..40)
}

proptest! {
    #[test]
    fn a_draw_is_exact_and_never_more_than_there_is(available in 0..60_u64, asked in orders()) {
        let decision = decide(Credits(available), &asked);
        let paid: u64 = asked
            .iter()
            .zip(&decision.verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Pay)
            .map(|(order, _)| order.price.0)
            .sum();
        prop_assert_eq!(decision.draw.0, paid);
        prop_assert!(paid <= available);
        prop_assert_eq!(decision.verdicts.len(), asked.len());
    }

    #[test]
    fn an_order_is_passed_over_only_when_those_before_it_left_too_little(
        available in 0..60_u64, asked in orders(),
    ) {
        let decision = decide(Credits(available), &asked);
        let mut rest = available;
        for (order, verdict) in asked.iter().zip(&decision.verdicts) {
            if *verdict == Verdict::Pay {
                rest -= order.price.0;
            } else {
                prop_assert!(order.price.0 > rest, "{:?} with {} left", order, rest);
            }
        }
    }

    #[test]
    fn a_refusal_is_covered_and_true_of_the_stored_wallet(available in 0..60_u64, asked in orders()) {
        for (order, verdict) in asked.iter().zip(decide(Credits(available), &asked).verdicts) {
            if let Verdict::Refuse(refusal) = verdict {
                prop_assert!(order.is_covered);
                prop_assert!(order.price.0 > available);
                prop_assert_eq!(
                    refusal,
                    Refusal::NotEnoughCredits { needed: order.price, available: Credits(available) }
                );
            }
        }
    }

    #[test]
    fn deciding_until_nobody_waits_ends_and_conserves_credits(available in 0..60_u64, asked in orders()) {
        let (mut left, mut spent, mut waiting) = (available, 0, asked);
        for _round in 0..100 {
            if waiting.is_empty() {
                break;
            }
            let decision = decide(Credits(left), &waiting);
            left -= decision.draw.0;
            spent += decision.draw.0;
            let before = waiting.len();
            // A stored draw or a read covers everyone who waited for it.
            let read = decision.verdicts.contains(&Verdict::ReadAgain);
            let next: Vec<_> = waiting
                .iter()
                .zip(&decision.verdicts)
                .filter(|(_, verdict)| matches!(verdict, Verdict::Wait | Verdict::ReadAgain))
                .map(|(order, _)| Asked { is_covered: true, ..*order })
                .collect();
            prop_assert!(read || next.len() < before, "a round without an answer or a read");
            waiting = next;
        }
        prop_assert!(waiting.is_empty());
        prop_assert_eq!(left + spent, available);
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
