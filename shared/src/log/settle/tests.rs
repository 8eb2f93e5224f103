mod explorer;

use super::*;
use crate::event::{BatchSealed, WriterFenced};
use crate::ids::{MemberId, WriterId};
use crate::units::UnixMillis;

/// Plays answers into the rules; returns every step from the first on.
fn play(seen: &[Seen]) -> Vec<Step> {
    let (mut rules, first) = Settlement::begin();
    let mut steps = vec![first];
    steps.extend(seen.iter().map(|seen| rules.step(*seen)));
    steps
}

const NOTHING: Seen = Seen::First(FirstRecord::Nothing);
const MINE: Seen = Seen::First(FirstRecord::MySeal);
const OTHER: Seen = Seen::First(FirstRecord::Other);
const STORED: Step = Step::Done(Verdict::Stored);

#[test]
fn an_acknowledged_batch_is_stored() {
    assert_eq!(play(&[Seen::Acked]), [Step::Transmit, STORED]);
}

#[test]
fn an_error_to_the_first_transmission_is_certain() {
    assert_eq!(play(&[Seen::Refused]), [Step::Transmit, Step::Done(Verdict::Refused)]);
}

#[test]
fn silence_is_settled_by_the_first_record() {
    assert_eq!(play(&[Seen::Silence, MINE]), [Step::Transmit, Step::ReadFirst, STORED]);
    assert_eq!(play(&[Seen::Silence, OTHER]), [Step::Transmit, Step::ReadFirst, Step::Done(Verdict::Fenced)]);
}

#[test]
fn nothing_there_only_permits_sending_again() {
    assert_eq!(play(&[Seen::Silence, NOTHING]), [Step::Transmit, Step::ReadFirst, Step::Transmit]);
    assert_eq!(play(&[Seen::Silence, NOTHING, Seen::Acked]).last(), Some(&STORED));
}

#[test]
fn an_error_to_a_second_transmission_decides_nothing() {
    let again = [Seen::Silence, NOTHING, Seen::Refused];
    assert_eq!(play(&again).last(), Some(&Step::ReadFirst));
    assert_eq!(play(&[&again[..], &[MINE]].concat()).last(), Some(&STORED));
}

#[test]
fn undecided_after_a_second_transmission_the_writer_fences_itself_until_a_record_is_there() {
    let undecided = [Seen::Silence, NOTHING, Seen::Silence, NOTHING];
    assert_eq!(play(&undecided).last(), Some(&Step::Fence));
    let fenced = [&undecided[..], &[Seen::FenceSent]].concat();
    assert_eq!(play(&fenced).last(), Some(&Step::ReadFirst));
    assert_eq!(play(&[&fenced[..], &[NOTHING]].concat()).last(), Some(&Step::Fence));
    assert_eq!(play(&[&fenced[..], &[OTHER]].concat()).last(), Some(&Step::Done(Verdict::Fenced)));
    assert_eq!(play(&[&fenced[..], &[MINE]].concat()).last(), Some(&STORED));
}

#[test]
fn only_a_seal_with_the_batchs_digest_is_its_own() {
    let digest = Digest([7; 32]);
    let seal = BatchSealed { v: 1, n: 1, count: 0, previous_digest: Digest::default(), digest };
    let line = |event: Event| event.to_line();
    let sealed = line(Event::BatchSealed(seal.clone()));
    assert_eq!(FirstRecord::of(None, digest), FirstRecord::Nothing);
    assert_eq!(FirstRecord::of(Some(&sealed), digest), FirstRecord::MySeal);
    assert_eq!(FirstRecord::of(Some(&line(Event::WriterClosed(seal))), digest), FirstRecord::MySeal);
    assert_eq!(FirstRecord::of(Some(&sealed), Digest([8; 32])), FirstRecord::Other);
    let (writer, by) = (WriterId(1), MemberId(1));
    let fence = WriterFenced { v: 1, writer, by, reason: String::new(), at: UnixMillis(0) };
    assert_eq!(FirstRecord::of(Some(&line(Event::WriterFenced(fence))), digest), FirstRecord::Other);
    assert_eq!(FirstRecord::of(Some(b"a stranger's record"), digest), FirstRecord::Other);
}

/// Every history of a small world; see [`explorer`].
mod histories {
    use super::explorer::{Broken, Budget, Coverage, Report, Rules, World, explore};

    /// Two lanes with a request each and credits for both; everything may go wrong once.
    const TROUBLE: World = World {
        grant: 2,
        requests: [0b001, 0b010],
        over: 1,
        budget: Budget { crashes: 1, fences: 1, refusals: 1, reopenings: 1 },
    };

    /// A lane with two requests, so that a batch may hold a draw's group and another one; credits are short.
    const CROWD: World = World {
        grant: 2,
        requests: [0b011, 0b100],
        over: 1,
        budget: Budget { crashes: 0, fences: 1, refusals: 0, reopenings: 1 },
    };

    /// More states than a whole exploration has.
    const STATES_MAX: usize = 1_000_000;

    fn all_happened(seen: Coverage) -> bool {
        let Coverage { stored_by_answer, stored_by_reading, guard_lost, refused_without_reason, .. } = seen;
        let Coverage { fenced_by_ledger, fenced_by_itself, late_copies_stored, ledger_returns_stored, .. } = seen;
        let usual = [stored_by_answer, stored_by_reading, guard_lost, refused_without_reason];
        let unusual = [fenced_by_ledger, fenced_by_itself, late_copies_stored, ledger_returns_stored];
        usual.into_iter().chain(unusual).all(|times| times > 0)
    }

    #[test]
    fn the_protocol_holds_in_every_history() {
        let Report { exhausted, broken, seen, .. } = explore(Rules::ALL, TROUBLE, STATES_MAX);
        assert_eq!(broken, None);
        assert!(exhausted && all_happened(seen), "{seen:?}");
    }

    #[test]
    fn the_protocol_holds_with_several_groups_in_a_batch() {
        let report = explore(Rules::ALL, CROWD, STATES_MAX);
        assert_eq!(report.broken, None);
        assert!(report.exhausted);
    }

    /// Says what breaks first without a rule.
    fn broken_by(rules: Rules, world: World) -> Option<Broken> {
        let report = explore(rules, world, STATES_MAX);
        assert!(report.exhausted || report.broken.is_some(), "{} states were not enough", report.states);
        report.broken.map(|(what, story)| {
            println!("{what}: {story:#?}");
            what
        })
    }

    #[test]
    fn without_the_seals_guard_it_breaks() {
        assert_eq!(
            broken_by(Rules { seal_guard: false, ..Rules::ALL }, TROUBLE),
            Some("IN-1 a request was answered as not stored that is")
        );
    }

    #[test]
    fn without_the_wallets_guard_it_breaks() {
        assert_eq!(
            broken_by(Rules { wallet_guard: false, ..Rules::ALL }, TROUBLE),
            Some("WA-4 running totals are not the sum")
        );
    }

    #[test]
    fn when_groups_do_not_stand_together_it_breaks() {
        assert_eq!(
            broken_by(Rules { groups_stand_together: false, ..Rules::ALL }, TROUBLE),
            Some("WA-2 a writer spent or returned more than it drew")
        );
    }

    #[test]
    fn without_a_fence_before_a_return_it_breaks() {
        assert_eq!(
            broken_by(Rules { fence: false, ..Rules::ALL }, TROUBLE),
            Some("WA-2 a writer spent or returned more than it drew")
        );
    }

    #[test]
    fn with_a_return_computed_before_its_fence_it_breaks() {
        // What was spent between the projection and the fence moves no wallet's head.
        let rules = Rules { return_after_fence: false, ..Rules::ALL };
        assert_eq!(broken_by(rules, CROWD), Some("WA-2 a writer spent or returned more than it drew"));
    }

    #[test]
    fn settled_by_the_last_record_it_breaks() {
        assert_eq!(
            broken_by(Rules { first_record: false, ..Rules::ALL }, TROUBLE),
            Some("IN-1 a request was answered as not stored that is")
        );
    }

    #[test]
    fn trusting_an_error_to_a_second_transmission_it_breaks() {
        assert_eq!(
            broken_by(Rules { late_errors_decide_nothing: false, ..Rules::ALL }, TROUBLE),
            Some("IN-1 a request was answered as not stored that is")
        );
    }

    #[test]
    fn frozen_bytes_and_the_digest_check_stand_in_for_each_other() {
        assert_eq!(broken_by(Rules { frozen_bytes: false, ..Rules::ALL }, CROWD), None);
        assert_eq!(broken_by(Rules { digest_check: false, ..Rules::ALL }, CROWD), None);
        let neither = Rules { frozen_bytes: false, digest_check: false, ..Rules::ALL };
        assert_eq!(broken_by(neither, CROWD), Some("IN-1 a request was answered as stored that is not"));
    }
}
