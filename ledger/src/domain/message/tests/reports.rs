//! Receipts in any order and number, before and after the end of the attempt that they tell of, end in one state.

use proptest::prelude::*;

use super::*;

/// One fact about a message of two parts.
#[derive(Clone, Debug)]
enum Told {
    Started(u8),
    Ended(u8, AttemptOutcome),
    Reported(u8, Report),
    Settled(UnknownPolicy),
}

fn apply(message: &mut Message, told: &Told) {
    match told {
        Told::Started(part) => message.started(&started(u32::from(*part) + 1, *part, 2, 1)).unwrap(),
        Told::Ended(part, outcome) => message.ended(&ended(u32::from(*part) + 1, *part, outcome.clone())).unwrap(),
        Told::Reported(part, kind) => assert_eq!(report(message, *part, *kind), Outcome::Taken),
        Told::Settled(policy) => settle(message, *policy),
    }
}

/// The state that is shown, and each part's.
fn end(facts: &[Told]) -> (MessageState, Vec<MessageState>) {
    let mut message = message(2);
    let mut shown = message.state;
    for told in facts {
        apply(&mut message, told);
        assert!(message.state >= shown, "a state never moves down: {facts:?}");
        shown = message.state;
    }
    (message.state, message.parts.iter().map(|part| part.state).collect())
}

fn outcome() -> impl Strategy<Value = AttemptOutcome> {
    prop::sample::select(vec![sent(), failed(), unknown()])
}

/// A part, what is reported of it, and where in the history each of its deliveries comes.
type Delivered = (u8, Report, Vec<prop::sample::Index>);

fn deliveries() -> impl Strategy<Value = Vec<Delivered>> {
    let kinds = vec![Report::Sent, Report::Delivered, Report::Read, Report::Failed];
    let places = prop::collection::vec(any::<prop::sample::Index>(), 1..4);
    prop::collection::vec((0_u8..2, prop::sample::select(kinds), places), 0..8)
}

/// What the log says of the attempts, and then of each report once.
fn in_order(attempts: &[Told], deliveries: &[Delivered]) -> Vec<Told> {
    let reports = deliveries.iter().map(|(part, kind, _)| Told::Reported(*part, *kind));
    attempts.iter().cloned().chain(reports).collect()
}

/// The same with each report wherever its deliveries come, but never before the start of its part at `starts`.
fn in_disorder(attempts: &[Told], starts: [usize; 2], deliveries: &[Delivered]) -> Vec<Told> {
    let mut history: Vec<Vec<Told>> = attempts.iter().map(|told| vec![told.clone()]).collect();
    for (part, kind, places) in deliveries {
        for place in places {
            let earliest = starts[usize::from(*part)];
            let slot = earliest + place.index(history.len() - earliest);
            let within = 1 + place.index(history[slot].len());
            history[slot].insert(within, Told::Reported(*part, *kind));
        }
    }
    history.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn receipts_around_the_ends_of_their_attempts_end_in_one_state(
        (first, second) in (outcome(), outcome()),
        deliveries in deliveries(),
    ) {
        let attempts = [Told::Started(0), Told::Ended(0, first), Told::Started(1), Told::Ended(1, second)];
        let ordered = end(&in_order(&attempts, &deliveries));
        let history = in_disorder(&attempts, [0, 2], &deliveries);
        prop_assert_eq!(end(&history), ordered, "{:?}", history);
    }

    #[test]
    fn receipts_after_a_settlement_end_in_one_state_in_any_order(
        second in outcome(),
        charges in any::<bool>(),
        deliveries in deliveries(),
    ) {
        let policy = if charges { UnknownPolicy::Charge } else { UnknownPolicy::Refund };
        let attempts = [
            Told::Started(0),
            Told::Ended(0, unknown()),
            Told::Started(1),
            Told::Ended(1, second),
            Told::Settled(policy),
        ];
        let ordered = end(&in_order(&attempts, &deliveries));
        let history = in_disorder(&attempts, [4, 4], &deliveries);
        prop_assert_eq!(end(&history), ordered, "{:?}", history);
    }

    #[test]
    fn a_settlement_after_any_receipt_changes_nothing(charges in any::<bool>(), kind in 0_usize..4) {
        let policy = if charges { UnknownPolicy::Charge } else { UnknownPolicy::Refund };
        let kind = [Report::Sent, Report::Delivered, Report::Read, Report::Failed][kind];
        for mut facts in [
            vec![Told::Started(0), Told::Ended(0, unknown()), Told::Reported(0, kind)],
            vec![Told::Started(0), Told::Reported(0, kind), Told::Ended(0, unknown())],
        ] {
            let before = end(&facts);
            facts.push(Told::Settled(policy));
            prop_assert_eq!(end(&facts), before);
        }
    }
}
