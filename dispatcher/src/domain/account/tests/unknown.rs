//! Nobody knows whether it went out: it holds nothing up, and is remembered until something tells.

use angelia_shared::event::attempt::{AttemptOutcome, OpenStage, UploadedMedia};

use proptest::prelude::*;

use super::bench::*;

#[test]
fn an_unknown_message_leaves_the_queue_and_does_not_hold_it() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(unknown());
    assert!(matches!(ended.outcome, AttemptOutcome::Unknown { .. }));
    assert_eq!(bench.account.queued(), 1);
    let started = bench.start();
    assert_eq!((started.message, started.at), (id(2), ended.at.plus_ms(ended.gap_ms)));
}

#[test]
fn an_unknown_message_is_carried_with_its_price_and_since_when() {
    let mut bench = Bench::queue(2);
    let ended = bench.attempt(unknown());
    let [open] = &bench.carry().open[..] else { panic!("{:?}", bench.carry()) };
    assert_eq!((open.message, open.stage, open.part, open.credits.0), (id(1), OpenStage::Unknown, 0, 1));
    assert_eq!(open.held_since, Some(ended.at));
    assert_eq!(bench.carry().done_through, waiting(1).at);
    bench.attempt(sent());
    assert_eq!(bench.carry().open.len(), 1, "later events carry it on");
}

#[test]
fn a_report_after_the_unknown_was_written_ends_the_carrying() {
    let mut bench = Bench::queue(2);
    bench.attempt(unknown());
    bench.account.reported(id(1), 0);
    bench.attempt(sent());
    assert_eq!(bench.carry().open, []);
}

#[test]
fn a_report_before_the_unknown_is_written_prevents_the_carrying() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.account.reported(id(1), 0);
    let ended = bench.end(unknown());
    assert!(matches!(ended.outcome, AttemptOutcome::Unknown { .. }), "what was seen is still said");
    assert_eq!(bench.carry().open, []);
}

#[test]
fn a_report_between_the_answer_and_its_event_prevents_the_carrying() {
    let mut bench = Bench::queue(2);
    bench.start();
    bench.account.call_ended(id(1), unknown(), bench.now);
    bench.account.reported(id(1), 0);
    bench.write();
    assert_eq!(bench.carry().open, []);
}

#[test]
fn a_report_of_another_part_or_message_settles_nothing() {
    let mut bench = Bench::queue(2);
    bench.attempt(unknown());
    bench.account.reported(id(1), 1);
    bench.account.reported(id(2), 0);
    bench.attempt(unknown());
    let open: Vec<_> = bench.carry().open.iter().map(|open| (open.message, open.part)).collect();
    assert_eq!(open, [(id(1), 0), (id(2), 0)]);
}

#[test]
fn a_report_of_a_part_that_is_not_tried_yet_is_not_kept_for_later() {
    let mut bench = Bench::queue(1);
    bench.account.reported(id(1), 0);
    bench.attempt(unknown());
    assert_eq!(bench.carry().open.len(), 1);
}

#[test]
fn a_report_of_an_attempt_that_was_put_off_says_nothing_of_the_next_one() {
    let mut bench = Bench::queue(1);
    bench.start();
    bench.account.reported(id(1), 0);
    bench.end(put_off(crate::transport::PutOffScope::Throughput));
    bench.attempt(unknown());
    assert_eq!(bench.carry().open.len(), 1);
}

#[test]
fn unknown_messages_are_forgotten_only_when_they_are_old() {
    let mut bench = Bench::queue(3);
    let first = bench.attempt(unknown());
    bench.pass_ms(DAY_MS);
    bench.attempt(unknown());
    bench.account.forget_unknown(first.at.plus_ms(1));
    bench.attempt(sent());
    let open: Vec<_> = bench.carry().open.iter().map(|open| open.message).collect();
    assert_eq!(open, [id(2)]);
}

#[test]
fn an_unknown_text_does_not_keep_its_file_back() {
    let mut bench = Bench::queue(2);
    bench.plan = Some(text_then_file());
    let ended = bench.attempt(unknown());
    assert_eq!((ended.part, ended.parts, ended.credits.0), (0, 2, 1));
    let stages: Vec<_> = bench.carry().open.iter().map(|open| (open.message, open.part, open.stage)).collect();
    assert_eq!(stages, [(id(1), 0, OpenStage::Unknown), (id(1), 1, OpenStage::PutOff)]);
    let started = bench.start();
    assert_eq!((started.message, started.part, started.attempt), (id(1), 1, 2));
}

#[test]
fn a_provider_that_leaves_everything_unknown_makes_no_event_large() {
    let mut bench = Bench::queue(1_000);
    bench.account.uploaded(id(1), UploadedMedia { id: "4711".repeat(1_000), kind: "image".to_owned() });
    for _ in 0..999 {
        bench.attempt(unknown());
        let bytes = bench.last.as_ref().map_or(0, |event| event.to_line().len());
        assert!(bytes < 16 * 1024, "{bytes} bytes");
    }
    // The newest are carried: the earlier ones are the ledger's to settle.
    let carried: Vec<_> = bench.carry().open.iter().map(|open| open.message).collect();
    assert!(carried.len() >= 32 && carried.ends_with(&[id(998), id(999)]), "{carried:?}");
    let later = bench.taken_over(settings(), bench.crash(), 1_000);
    assert_eq!(later.account.front_message(), Some(id(1_000)), "none of them is tried again");
}

proptest! {
    #[test]
    fn reports_in_any_order_and_number_leave_the_same_messages_unknown(
        reports in prop::collection::vec((1_u64..=6, 0_u8..2, any::<prop::sample::Index>()), 0..20),
    ) {
        let mut bench = Bench::queue(7);
        // Before which end each report comes; the attempt of its message has been started by then.
        let due = |n: u64| {
            let slot = |of: &(u64, u8, prop::sample::Index)| of.0 + of.2.index(7 - of.0 as usize) as u64;
            reports.iter().filter(move |of| slot(of) == n).map(|(of, part, _)| (id(*of), *part)).collect::<Vec<_>>()
        };
        for n in 1..=6 {
            bench.start();
            for (of, part) in due(n) {
                bench.account.reported(of, part);
            }
            bench.end(unknown());
        }
        bench.attempt(sent());
        let reported: Vec<_> = reports.iter().filter(|(_, part, _)| *part == 0).map(|(of, ..)| id(*of)).collect();
        let left: Vec<_> = (1..=6).map(id).filter(|of| !reported.contains(of)).collect();
        let carried: Vec<_> = bench.carry().open.iter().map(|open| open.message).collect();
        prop_assert_eq!(carried, left);
    }
}
