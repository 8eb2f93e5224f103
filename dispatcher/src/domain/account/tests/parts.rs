//! A message that goes out as two, and parts that never go out. WA-3: what the parts cost adds up to the price.

use angelia_shared::event::Event;
use angelia_shared::event::attempt::{AttemptOutcome, UploadedMedia};

use super::bench::*;
use crate::domain::account::{CallResult, Decision};
use crate::domain::plan::{self, File};
use crate::transport::{FailReason, PutOffScope};
use angelia_shared::units::Credits;

/// A queue whose first message costs two credits and has `file`.
fn with_file(file: File) -> Bench {
    let mut bench = Bench::new();
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.account.accept(waiting(2));
    bench.plan = Some(plan::plan(Credits(2), true, file));
    bench
}

fn refused_file(would_carry: bool) -> File {
    File::Refused { would_carry, why: why(FailReason::AttachmentIsAWebPage) }
}

#[test]
fn a_text_goes_out_before_its_file_with_a_gap_between() {
    let mut bench = with_file(File::Here { carries: false });
    let text = bench.attempt(sent());
    let file = bench.start();
    assert_eq!((text.message, text.part, text.parts, text.credits.0), (id(1), 0, 2, 1));
    assert_eq!((file.message, file.part, file.parts, file.credits.0), (id(1), 1, 2, 1));
    assert_eq!((file.attempt, file.at), (2, text.at.plus_ms(text.gap_ms)));
    bench.end(sent());
    assert_eq!(bench.account.queued(), 1);
}

#[test]
fn a_caption_travels_with_its_file_for_the_whole_price() {
    let mut bench = with_file(File::Here { carries: true });
    let ended = bench.attempt(sent());
    assert_eq!((ended.parts, ended.credits.0, bench.account.queued()), (1, 2, 1));
}

#[test]
fn a_failure_of_the_recipient_takes_the_file_along_without_a_call_or_a_gap() {
    for recipient in [
        FailReason::RecipientNotANumber,
        FailReason::RecipientNotSupported,
        FailReason::RecipientNotOnWhatsapp,
        FailReason::RecipientIsTheSender,
        FailReason::RecipientNotAllowed,
        FailReason::RecipientOptedOut,
        FailReason::RecipientInExperiment,
        FailReason::MarketingLimit,
        FailReason::OutsideWindow,
    ] {
        let mut bench = with_file(File::Here { carries: false });
        let text = bench.attempt(failed(recipient));
        assert_eq!((reason(&text), text.credits.0), (recipient.code(), 1));
        let file = bench.refused();
        assert_eq!((file.part, file.credits.0, file.reason.as_str()), (1, 1, recipient.code()));
        assert_eq!(file.at, text.at);
        bench.plan = None;
        assert_eq!(bench.start().at, text.at.plus_ms(text.gap_ms));
    }
}

#[test]
fn a_failure_of_the_text_itself_lets_the_file_go() {
    for own in [FailReason::MessageRejected, FailReason::MediaRejected, FailReason::ProviderError] {
        let mut bench = with_file(File::Here { carries: false });
        bench.attempt(failed(own));
        let file = bench.start();
        assert_eq!((file.message, file.part), (id(1), 1), "{own}");
    }
}

#[test]
fn a_refused_file_is_told_of_after_its_text_without_waiting() {
    let mut bench = with_file(refused_file(false));
    let text = bench.attempt(sent());
    let file = bench.refused();
    assert_eq!((file.message, file.part, file.parts, file.credits.0), (id(1), 1, 2, 1));
    assert_eq!((file.reason.as_str(), file.at), ("attachment_is_a_web_page", text.at));
    bench.plan = None;
    let next = bench.start();
    assert_eq!((next.message, next.at), (id(2), text.at.plus_ms(text.gap_ms)));
}

#[test]
fn a_message_refused_whole_does_not_use_up_the_pace() {
    let mut bench = with_file(refused_file(true));
    let refused = bench.refused();
    assert_eq!((refused.part, refused.parts, refused.credits.0), (0, 1, 2));
    bench.plan = None;
    let next = bench.start();
    assert_eq!((next.message, next.at, next.attempt), (id(2), BEGIN, 1));
}

#[test]
fn a_message_refused_whole_is_told_of_during_the_gap_and_leaves_the_gap_as_it_was() {
    let mut bench = Bench::queue(3);
    let ended = bench.attempt(sent());
    bench.pass_ms(700);
    bench.plan = Some(plan::refused_whole(Credits(1), why(FailReason::RecipientNotANumber)));
    assert_eq!(bench.refused().message, id(2));
    bench.plan = None;
    assert_eq!(bench.start().at, ended.at.plus_ms(ended.gap_ms));
}

#[test]
fn a_text_that_is_put_off_keeps_its_file_behind_it() {
    let mut bench = with_file(File::Here { carries: false });
    bench.attempt(put_off(PutOffScope::Pair));
    let again = bench.attempt(sent());
    assert_eq!((again.part, again.attempt), (0, 2));
    assert_eq!(bench.start().part, 1);
}

#[test]
fn whatever_becomes_of_the_parts_their_credits_add_up_to_the_price() {
    let results = || [sent(), failed(FailReason::RecipientOptedOut), failed(FailReason::MessageRejected), unknown()];
    for first in results() {
        for second in results() {
            let mut bench = with_file(File::Here { carries: false });
            let mut credits = bench.attempt(first.clone()).credits.0;
            if let Event::PartRefused(refused) = bench.write_when_due() {
                credits += refused.credits.0;
            } else {
                credits += bench.end(second.clone()).credits.0;
            }
            assert_eq!((credits, bench.account.queued()), (2, 1), "{first:?}, {second:?}");
        }
    }
}

#[test]
fn the_number_of_parts_does_not_change_once_one_was_attempted() {
    // The shell looks again after a restart, and finds no content any more.
    let mut bench = with_file(File::Here { carries: false });
    bench.attempt(sent());
    let mut bench = bench.taken_over(settings(), bench.crash(), 0);
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    let Decision::Prepare(preparation) = bench.next() else { panic!("the file is due") };
    assert_eq!((preparation.parts, preparation.part), (2, 1));
    bench.account.prepared(id(1), plan::refused_whole(Credits(2), why(FailReason::MessageRejected)));
    let refused = bench.refused();
    assert_eq!((refused.part, refused.parts, refused.credits.0), (1, 2, 1));
    assert_eq!(refused.reason, "message_rejected");
    assert_eq!(bench.account.queued(), 0);
}

#[test]
fn a_file_that_has_become_another_does_not_go_out_in_other_parts() {
    let mut bench = with_file(File::Here { carries: true });
    bench.attempt(put_off(PutOffScope::Throughput));
    let mut bench = bench.taken_over(settings(), bench.crash(), 0);
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.pass_ms(60_000);
    assert!(matches!(bench.next(), Decision::Prepare(preparation) if preparation.parts == 1));
    bench.account.prepared(id(1), text_then_file());
    let refused = bench.refused();
    assert_eq!((refused.parts, refused.credits.0, refused.reason.as_str()), (1, 2, "media_rejected"));
}

#[test]
fn a_call_that_was_not_made_for_the_file_does_not_repeat_the_text() {
    let mut bench = with_file(File::Here { carries: false });
    bench.attempt(sent());
    let ended = bench.attempt(CallResult::NotStarted);
    assert_eq!((ended.part, ended.outcome), (1, AttemptOutcome::NotStarted));
    assert_eq!(bench.start().part, 1);
}

#[test]
fn a_file_that_the_provider_has_is_told_to_the_next_owner_and_forgotten_with_its_message() {
    let media = UploadedMedia { id: "4711".to_owned(), kind: "image".to_owned() };
    let mut bench = with_file(File::Here { carries: false });
    bench.account.uploaded(id(2), UploadedMedia { id: "of another".to_owned(), kind: "image".to_owned() });
    bench.account.uploaded(id(1), media.clone());
    bench.attempt(sent());
    let mut bench = bench.taken_over(settings(), bench.release(), 0);
    let mut first = waiting(1);
    first.credits = 2;
    bench.account.accept(first);
    bench.account.accept(waiting(2));
    let Decision::Prepare(preparation) = bench.next() else { panic!("the file is due") };
    assert_eq!(preparation.media, Some(media));
    bench.account.prepared(id(1), text_then_file());
    bench.attempt(sent());
    let Decision::Prepare(preparation) = bench.next() else { panic!("the next message is due") };
    assert_eq!((preparation.message, preparation.media), (id(2), None));
}
