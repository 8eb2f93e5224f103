//! An attempt that a crash left open: until when may its call run, and how soon does the account go on?
//!
//! The truth here is one time that nobody has. Each process and each of the broker's servers has a clock of its own, and all of
//! them are wrong.

use angelia_shared::event::Event;
use angelia_shared::units::UnixMillis;
use proptest::prelude::*;

use super::bench::*;
use crate::domain::account::{CALL_STARTS_WITHIN_MS, CLOCKS_DIFFER_MS, Settings, Takeover, shift_ms, time_of};

/// What it takes to notice a crash and to claim: the time of a member's key and some.
const NOTICED_MS: u64 = 5_300;
/// A call that begins as late as it may and takes as long as it may.
const LONGEST_MS: u64 = CALL_STARTS_WITHIN_MS + CALL_TIMEOUT_MS;

/// A new owner `after_ms` after the start was decided upon, whose clock is right, and so is the stream's.
fn crashed(bench: &Bench, after_ms: u64) -> Takeover {
    Takeover { now: bench.now.plus_ms(after_ms), ..bench.crash() }
}

#[test]
fn what_it_took_to_notice_the_crash_is_not_waited_for_again() {
    let mut bench = Bench::queue(2);
    let started = bench.start();
    let mut later = bench.taken_over(settings(), crashed(&bench, NOTICED_MS), 2);
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("the open attempt is ended first") };
    assert_eq!(ended.at, started.at.plus_ms(LONGEST_MS + CLOCKS_DIFFER_MS));
    // The contract's 8 s and the call's time-out, with a second to spare for reading and storing.
    assert!(later.start().at <= started.at.plus_ms(8_000 + CALL_TIMEOUT_MS - 1_000));
}

#[test]
fn the_time_in_which_a_start_was_stored_is_part_of_the_wait() {
    let mut bench = Bench::queue(2);
    let started = bench.start();
    let stored_at = started.at.plus_ms(4_000);
    let takeover =
        Takeover { shift_ms: shift_ms(started.at, stored_at, 0), doubt_ms: 0, ..crashed(&bench, NOTICED_MS) };
    let mut later = bench.taken_over(settings(), takeover, 2);
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("the open attempt is ended first") };
    assert_eq!(ended.at, stored_at.plus_ms(LONGEST_MS));
}

#[test]
fn after_a_call_that_is_over_for_long_only_a_gap_is_waited() {
    let mut bench = Bench::queue(2);
    bench.start();
    let mut later = bench.taken_over(settings(), crashed(&bench, 3_600_000), 2);
    let taken_over_at = later.now;
    let Event::AttemptEnded(ended) = later.write_when_due() else { panic!("the open attempt is ended first") };
    assert_eq!(ended.at, taken_over_at);
    let next = later.start().at;
    assert!(next >= ended.at.plus_ms(ended.gap_ms) && next <= ended.at.plus_ms(GAP_MS.1), "{next:?}");
}

#[test]
fn a_second_crash_costs_no_second_time_out() {
    let mut bench = Bench::queue(2);
    let started = bench.start();
    let second = bench.taken_over(settings(), crashed(&bench, NOTICED_MS), 2);
    let again = Bench { last: bench.last.clone(), ..second };
    let mut third = again.taken_over(settings(), crashed(&again, NOTICED_MS), 2);
    let Event::AttemptEnded(ended) = third.write_when_due() else { panic!("the open attempt is ended first") };
    assert_eq!(ended.at, started.at.plus_ms(LONGEST_MS + CLOCKS_DIFFER_MS));
}

/// Taken over a second time after the second owner has answered a cancel.
fn after_another_event(change: impl FnOnce(&mut Event)) -> (UnixMillis, UnixMillis, UnixMillis) {
    let mut bench = Bench::queue(3);
    let started = bench.start();
    let mut second = bench.taken_over(settings(), crashed(&bench, NOTICED_MS), 3);
    second.cancel(50, 3);
    second.cancelled();
    change(second.last.as_mut().expect("the cancel's answer"));
    let mut third = second.taken_over(settings(), crashed(&second, NOTICED_MS), 3);
    let taken_over_at = third.now;
    let Event::AttemptEnded(ended) = third.write_when_due() else { panic!("the open attempt is ended first") };
    (started.at, taken_over_at, ended.at)
}

#[test]
fn where_something_was_written_since_the_start_the_wait_still_begins_with_it() {
    let (started, taken_over_at, ended) = after_another_event(|_| ());
    // Clocks may have differed at either takeover.
    assert_eq!(ended, started.plus_ms(LONGEST_MS + 2 * CLOCKS_DIFFER_MS).max(taken_over_at));
}

#[test]
fn where_an_earlier_version_wrote_the_wait_begins_with_the_takeover() {
    let (_, taken_over_at, ended) = after_another_event(|event| {
        let Event::MessageCancelled(cancelled) = event else { panic!("the cancel's answer") };
        cancelled.carry.open.iter_mut().for_each(|open| open.began = None);
    });
    assert_eq!(ended, taken_over_at.plus_ms(LONGEST_MS));
}

/// A crash in the middle of a call.
#[derive(Clone, Copy, Debug)]
struct Crash {
    /// From the decision to the storing of the start, and from there to the new owner's first look at its clock.
    stored_after_ms: u64,
    taken_over_after_ms: u64,
    /// From storing the claim to reading it back, which makes the new owner think that its clock is further ahead.
    read_back_ms: u64,
    /// How the call used its time: it begins this long after the start was decided upon, and takes so long.
    begins_after_ms: u64,
    takes_ms: u64,
    /// How far ahead of the truth clocks are: the new owner's against the old one's, and those of the servers that stamped start
    /// and claim.
    owner_ms: i64,
    streams_ms: (i64, i64),
    released: bool,
    idempotent: bool,
}

fn any_crash() -> impl Strategy<Value = Crash> {
    let times = (0_u64..4_000, 0_u64..20_000, 0_u64..500);
    // The ends of the ranges are what matters.
    let begins = prop_oneof![0..CALL_STARTS_WITHIN_MS, Just(CALL_STARTS_WITHIN_MS - 1)];
    let takes = prop_oneof![0..=CALL_TIMEOUT_MS, Just(CALL_TIMEOUT_MS)];
    let differ = CLOCKS_DIFFER_MS as i64;
    let streams = (-3_600_000_i64..3_600_000, prop_oneof![-differ..=differ, Just(differ)]);
    // An owner whose clock is behind waits longer than it must; one that is ahead tells by nothing.
    let clocks = (prop_oneof![Just(0_i64), 0_i64..3_600_000], streams);
    (times, (begins, takes), clocks, any::<bool>(), any::<bool>()).prop_map(
        |(
            (stored_after_ms, taken_over_after_ms, read_back_ms),
            (begins_after_ms, takes_ms),
            clocks,
            released,
            idempotent,
        )| {
            let (owner_ms, (start, by)) = clocks;
            let streams_ms = (start, start + by);
            Crash {
                stored_after_ms,
                taken_over_after_ms,
                read_back_ms,
                begins_after_ms,
                takes_ms,
                owner_ms,
                streams_ms,
                released,
                idempotent,
            }
        },
    )
}

impl Crash {
    /// The start, the end of its call and the start of the next attempt, in true time.
    fn run(self) -> (UnixMillis, UnixMillis, UnixMillis) {
        let of = Settings { gap_ms: (1_500, 1_500), idempotent: self.idempotent, ..settings() };
        let mut bench = Bench::with(of.clone());
        bench.account.accept(waiting(1));
        bench.account.accept(waiting(2));
        // The old owner's clock is the truth.
        let started = bench.start();
        let stored_at = started.at.plus_ms(self.stored_after_ms);
        let taken_over_at = stored_at.plus_ms(self.taken_over_after_ms);
        let call_over = started.at.plus_ms(self.begins_after_ms + self.takes_ms);

        let moved = |at: UnixMillis, by_ms: i64| UnixMillis(at.0 + by_ms);
        // As the shell works it out: from the stamps of start and claim, and from its own clock.
        let claim_stamp = moved(UnixMillis(taken_over_at.0 - self.read_back_ms as i64), self.streams_ms.1);
        let now = moved(taken_over_at, self.owner_ms);
        let ahead_ms = now.0 - claim_stamp.0;
        let event = bench.last.clone().expect("the start");
        let event_at = time_of(&event).expect("it has a time");
        let shift_ms = shift_ms(event_at, moved(stored_at, self.streams_ms.0), ahead_ms);
        let takeover = Takeover { released: self.released, now, shift_ms, ..bench.crash() };
        let mut later = bench.taken_over(of, takeover, 2);
        if !self.idempotent {
            assert!(matches!(later.write_when_due(), Event::AttemptEnded(_)));
        }
        (started.at, call_over, moved(later.start().at, -self.owner_ms))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_next_attempt_starts_a_floor_after_the_call_whatever_the_clocks_say(crash in any_crash()) {
        let (_, call_over, next) = crash.run();
        prop_assert!(next >= call_over.plus_ms(1_500), "DP-1: {next:?} after {call_over:?}");
    }

    #[test]
    fn an_account_with_an_open_attempt_waits_no_longer_than_the_clocks_may_differ(crash in any_crash()) {
        let (started, _, next) = crash.run();
        let taken_over_at = started.plus_ms(crash.stored_after_ms + crash.taken_over_after_ms);
        let by_claim = taken_over_at.plus_ms(LONGEST_MS + 1_500);
        let doubt_ms = CLOCKS_DIFFER_MS + CLOCKS_DIFFER_MS + crash.read_back_ms;
        let by_start = started.plus_ms(crash.stored_after_ms + LONGEST_MS + doubt_ms).max(taken_over_at).plus_ms(1_500);
        prop_assert!(next <= by_claim.min(by_start), "{next:?}, not {by_claim:?} or {by_start:?}");
    }
}
