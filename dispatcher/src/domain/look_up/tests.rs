//! LU-1 over random accounts, and each rule by an example of its own.

use angelia_shared::event::Carry;
use angelia_shared::units::Credits;
use proptest::prelude::*;

use super::*;
use crate::transport::{Fate, Report};

const BEGIN: i64 = 1_700_000_000_000;

fn at(ms: u64) -> UnixMillis {
    UnixMillis(BEGIN).plus_ms(ms)
}

fn id(number: usize) -> MessageId {
    MessageId(number as u64)
}

fn started(number: usize) -> AttemptStarted {
    AttemptStarted {
        v: 1,
        message: id(number),
        accepted: Position::new(number as u64 + 1, 0),
        attempt: 1,
        part: 0,
        parts: 1,
        credits: Credits(1),
        claim: 1,
        // The owner's clock is of no account.
        at: UnixMillis(0),
        floor_ms: 0,
        idempotent: false,
        carry: Carry::default(),
    }
}

fn ended(number: usize, outcome: AttemptOutcome) -> AttemptEnded {
    AttemptEnded {
        v: 1,
        message: id(number),
        attempt: 1,
        part: 0,
        parts: 1,
        credits: Credits(1),
        claim: 1,
        at: at(0),
        gap_ms: 0,
        outcome,
        carry: Carry::default(),
    }
}

fn taken(provider_id: &str, to: Option<&str>, first: UnixMillis) -> Taken {
    let report = Report { fate: Fate::Sent, at: first };
    Taken { provider_id: provider_id.to_owned(), to: to.map(str::to_owned), reports: vec![report] }
}

/// One attempt of a random account, with the truth that only the provider knows.
#[derive(Clone, Debug)]
struct Try {
    pause_ms: u64,
    to: u8,
    /// Whether its content can still be read when it is looked up.
    readable: bool,
    /// What the log says: 0 sent, 1 put off, 2 unknown, 3 nothing.
    says: u8,
    /// Whether the provider took it, where the log does not know.
    went_out: bool,
    /// When it comes up on the list, after its start.
    listed_after_ms: u64,
    /// Whether it is on the part of the list that was read.
    listed: bool,
    /// Whether the list tells its recipient.
    tells: bool,
}

impl Try {
    fn is_taken(&self) -> bool {
        self.says == 0 || (self.says != 1 && self.went_out)
    }
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    // What is late comes up late; nothing comes up later than the rule allows for, but for its clock.
    let listed_after_ms =
        prop_oneof![6 => 0..3_000_u64, 2 => 3_000..200_000_u64, 1 => 0..RIVALS_WITHIN_MS - CLOCKS_DIFFER_MS];
    let pause_ms = prop_oneof![4 => 1_500..2_500_u64, 1 => 2_500..1_000_000_u64];
    let often = || prop::bool::weighted(0.9);
    let one = (pause_ms, 0..3_u8, often(), 0..4_u8, any::<bool>(), listed_after_ms, often(), often());
    let one = one.prop_map(|(pause_ms, to, readable, says, went_out, listed_after_ms, listed, tells)| Try {
        pause_ms,
        to,
        readable,
        says,
        went_out,
        listed_after_ms,
        listed,
        tells,
    });
    prop::collection::vec(one, 1..25)
}

fn looked_up(tries: &[Try], provider_ahead_ms: i64) -> Vec<(usize, String)> {
    let (mut attempts, mut list, mut now) = (Attempts::default(), Vec::new(), 0);
    for (number, one) in tries.iter().enumerate() {
        now += one.pause_ms;
        attempts.started(&started(number), at(now));
        let provider_id = number.to_string();
        match one.says {
            0 => attempts.ended(&ended(number, AttemptOutcome::Sent { provider_id: provider_id.clone() })),
            1 => attempts.ended(&ended(number, AttemptOutcome::NotStarted)),
            2 => attempts.ended(&ended(number, AttemptOutcome::Unknown { detail: String::new() })),
            _ => {}
        }
        if one.is_taken() && one.listed {
            let first = at(now + one.listed_after_ms).0 + provider_ahead_ms;
            // In whole seconds, as a provider tells it.
            let first = UnixMillis(first.div_euclid(1_000) * 1_000);
            list.push(taken(&provider_id, one.tells.then_some(["a", "b", "c"][usize::from(one.to)]), first));
        }
    }
    list.reverse();
    let to = |attempt: &Undecided| {
        let one = &tries[attempt.accepted.seq as usize - 1];
        one.readable.then(|| ["a", "b", "c"][usize::from(one.to)].to_owned())
    };
    let pairs = attempts.pairs(&list, to);
    pairs.into_iter().map(|(attempt, taken)| (attempt.accepted.seq as usize - 1, taken.provider_id.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn what_is_paired_went_out_and_is_that_very_message(tries in tries(), provider_ahead_ms in -4_000..5_000_i64) {
        for (number, provider_id) in looked_up(&tries, provider_ahead_ms) {
            prop_assert!(tries[number].says >= 2, "only what nobody knows");
            prop_assert!(tries[number].is_taken());
            prop_assert_eq!(number.to_string(), provider_id);
        }
    }
}

/// What is found of one unknown attempt to `a` at 0 s, beside others.
fn found(list: &[Taken], more: impl FnOnce(&mut Attempts)) -> Vec<(MessageId, String)> {
    let mut attempts = Attempts::default();
    attempts.started(&started(0), at(0));
    attempts.ended(&ended(0, AttemptOutcome::Unknown { detail: String::new() }));
    more(&mut attempts);
    let pairs = attempts.pairs(list, |_| Some("a".to_owned()));
    pairs.into_iter().map(|(attempt, taken)| (attempt.message, taken.provider_id.clone())).collect()
}

#[test]
fn an_attempt_is_paired_with_the_only_message_to_its_recipient() {
    let list = [taken("other", Some("b"), at(1_000)), taken("its", Some("a"), at(1_000))];
    assert_eq!(found(&list, |_| {}), [(id(0), "its".to_owned())]);
}

#[test]
fn whether_all_rivals_were_read_is_told_by_the_first_of_what_is_sought() {
    let mut attempts = Attempts::default();
    attempts.started(&started(0), at(2_000_000));
    attempts.started(&started(1), at(3_000_000));
    let sought = [(id(0), 0), (id(1), 0)];
    let from = 2_000_000 - RIVALS_WITHIN_MS;
    assert!(attempts.have_all_rivals(&sought, at(from)));
    assert!(!attempts.have_all_rivals(&sought, at(from + 1)));
    assert!(attempts.have_all_rivals(&sought[1..], at(from + 1)));
    assert!(!attempts.have_all_rivals(&[(id(2), 0)], at(from)), "what was not read may have begun before");
}

#[test]
fn an_attempt_that_was_never_ended_is_paired_as_well() {
    let mut attempts = Attempts::default();
    attempts.started(&started(0), at(0));
    let list = [taken("its", Some("a"), at(1_000))];
    assert_eq!(attempts.pairs(&list, |_| Some("a".to_owned())).len(), 1);
}

#[test]
fn what_is_not_on_the_list_is_not_found() {
    assert_eq!(found(&[], |_| {}), []);
    assert_eq!(found(&[taken("other", Some("b"), at(1_000))], |_| {}), []);
    let without_reports = Taken { reports: Vec::new(), ..taken("its", Some("a"), at(0)) };
    assert_eq!(found(&[without_reports], |_| {}), []);
}

#[test]
fn a_message_whose_id_the_log_knows_is_another_attempts() {
    let list = [taken("known", Some("a"), at(3_000))];
    let of_another = |attempts: &mut Attempts| {
        attempts.started(&started(1), at(2_000));
        attempts.ended(&ended(1, AttemptOutcome::Sent { provider_id: "known".to_owned() }));
    };
    assert_eq!(found(&list, of_another), []);
}

#[test]
fn two_attempts_to_one_recipient_that_nobody_knows_of_are_not_told_apart() {
    let list = [taken("one", Some("a"), at(3_000))];
    assert_eq!(found(&list, |attempts| attempts.started(&started(1), at(2_000))), []);
    let later = |attempts: &mut Attempts| attempts.started(&started(1), at(3_000 + CLOCKS_DIFFER_MS + 1));
    assert_eq!(found(&list, later), [(id(0), "one".to_owned())], "what began afterwards did not make it");
}

#[test]
fn two_messages_for_one_attempt_show_that_somebody_else_sends() {
    let list = [taken("one", Some("a"), at(3_000)), taken("two", Some("a"), at(400_000))];
    assert_eq!(found(&list, |_| {}), []);
}

#[test]
fn what_came_up_before_the_attempt_or_long_after_is_not_its() {
    let first = |ms: i64| found(&[taken("its", Some("a"), UnixMillis(BEGIN + ms))], |_| {}).len();
    let (clocks, within) = (CLOCKS_DIFFER_MS as i64, SENT_WITHIN_MS as i64);
    assert_eq!((first(-clocks - 1), first(-clocks)), (0, 1));
    assert_eq!((first(within), first(within + 1)), (1, 0));
}

#[test]
fn a_recipient_that_cannot_be_read_is_never_paired_and_rivals_all() {
    assert_eq!(found(&[taken("its", None, at(1_000))], |_| {}), [], "the list does not tell");
    let mut attempts = Attempts::default();
    attempts.started(&started(0), at(0));
    attempts.started(&started(1), at(2_000));
    let list = [taken("its", Some("a"), at(3_000))];
    let to = |attempt: &Undecided| (attempt.message == id(0)).then(|| "a".to_owned());
    assert_eq!(attempts.pairs(&list, to), []);
}

#[test]
fn what_was_found_is_written_as_the_provider_would_have_reported_it() {
    let attempt = Undecided { message: id(7), part: 1, accepted: Position::new(8, 0), began: at(0) };
    let report = |fate, ms| Report { fate, at: at(ms) };
    let reports = vec![
        report(Fate::Sent, 1_000),
        report(Fate::Delivered, 2_000),
        report(Fate::Read, 3_000),
        report(Fate::Failed("no room".to_owned()), 4_000),
    ];
    let taken = Taken { provider_id: "its".to_owned(), to: None, reports };
    let events = receipts((WorkspaceId(1), AccountId(2)), (attempt, &taken), at(9_000));
    assert_eq!(
        events.iter().map(Event::name).collect::<Vec<_>>(),
        ["MessageSent", "MessageDelivered", "MessageRead", "MessageFailed"]
    );
    let Event::MessageFailed(failed) = &events[3] else { unreachable!("named above") };
    assert_eq!((failed.reason.as_deref(), failed.detail.as_deref()), (Some("not_explained"), Some("no room")));
    assert_eq!((failed.message, failed.part, failed.at, failed.received_at), (id(7), 1, at(4_000), at(9_000)));
    assert!(failed.looked_up && failed.provider_id.as_deref() == Some("its"));
}
