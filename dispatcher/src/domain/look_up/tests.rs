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

fn sent(provider_id: &str) -> AttemptOutcome {
    AttemptOutcome::Sent { provider_id: provider_id.to_owned() }
}

fn unknown() -> AttemptOutcome {
    AttemptOutcome::Unknown { detail: String::new() }
}

/// A message on the list; with its id as this side writes it.
fn taken(provider_id: &str, to: Option<&str>, sent_at: UnixMillis) -> Taken {
    let report = Report { fate: Fate::Sent, at: sent_at };
    Taken { provider_id: wamid::veiled(provider_id), to: to.map(str::to_owned), reports: vec![report] }
}

/// One attempt of a random account, with the truth that only the provider knows.
#[derive(Clone, Debug)]
struct Try {
    pause_ms: u64,
    to: usize,
    /// Whether its content can still be read when it is looked up.
    readable: bool,
    /// What the log says: 0 sent, 1 put off, 2 unknown, 3 nothing.
    says: u8,
    /// Whether the provider took it, where the log does not know.
    went_out: bool,
    /// When it was sent, after its start; and read, after that.
    sent_after_ms: u64,
    read_after_ms: u64,
    /// Whether it is on the part of the list that was read, with the time when it was sent, and its recipient.
    listed: bool,
    tells_sent: bool,
    tells_to: bool,
}

impl Try {
    fn is_taken(&self) -> bool {
        self.says == 0 || (self.says != 1 && self.went_out)
    }
}

const TO: [&str; 3] = ["14151230001", "14151230002", "4930123456"];

fn tries() -> impl Strategy<Value = Vec<Try>> {
    // Nothing is sent later than the rule allows for, but for the provider's clock.
    let sent_after_ms =
        prop_oneof![6 => 0..3_000_u64, 2 => 3_000..200_000_u64, 1 => 0..RIVALS_WITHIN_MS - PROVIDER_CLOCK_MS];
    let pause_ms = prop_oneof![4 => 1_500..2_500_u64, 1 => 2_500..1_000_000_u64];
    let often = || prop::bool::weighted(0.9);
    let times = (pause_ms, sent_after_ms, 0..4_000_000_u64);
    let one = (times, 0..3_usize, often(), 0..4_u8, any::<bool>(), (often(), often(), often()));
    let one = one.prop_map(|(times, to, readable, says, went_out, (listed, tells_sent, tells_to))| {
        let (pause_ms, sent_after_ms, read_after_ms) = times;
        Try { pause_ms, to, readable, says, went_out, sent_after_ms, read_after_ms, listed, tells_sent, tells_to }
    });
    prop::collection::vec(one, 1..25)
}

/// What is found of a random account whose log is read from `from_ms` on, of what began late enough for all of its rivals to be
/// read.
fn looked_up(tries: &[Try], from_ms: u64, provider_ahead_ms: i64) -> Result<Vec<(usize, String)>, SomebodyElseSends> {
    let (mut attempts, mut list, mut now) = (Attempts::from(at(from_ms)), Vec::new(), 0);
    for (number, one) in tries.iter().enumerate() {
        now += one.pause_ms;
        let provider_id = number.to_string();
        if now >= from_ms {
            attempts.started(&started(number), at(now));
            match one.says {
                0 => attempts.ended(&ended(number, sent(&provider_id))),
                1 => attempts.ended(&ended(number, AttemptOutcome::NotStarted)),
                2 => attempts.ended(&ended(number, unknown())),
                _ => {}
            }
        }
        if one.is_taken() && one.listed {
            // In whole seconds, as a provider tells it.
            let told = |ms: u64| UnixMillis((at(ms).0 + provider_ahead_ms).div_euclid(1_000) * 1_000);
            let sent_at = now + one.sent_after_ms;
            let read = Report { fate: Fate::Read, at: told(sent_at + one.read_after_ms) };
            let mut entry = taken(&provider_id, one.tells_to.then_some(TO[one.to]), told(sent_at));
            if !one.tells_sent {
                entry.reports.clear();
            }
            entry.reports.push(read);
            list.push(entry);
        }
    }
    list.reverse();
    let to = |attempt: &Undecided| {
        let one = &tries[attempt.accepted.seq as usize - 1];
        one.readable.then(|| TO[one.to].to_owned())
    };
    let pairs = attempts.pairs(&attempts.not_known(&list)?, to)?.into_iter();
    let sure = pairs.filter(|(attempt, _)| attempt.began >= at(from_ms + RIVALS_WITHIN_MS));
    Ok(sure.map(|(attempt, taken)| (attempt.accepted.seq as usize - 1, taken.provider_id.clone())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_192, ..ProptestConfig::default() })]

    #[test]
    fn what_is_paired_went_out_and_is_that_very_message(
        tries in tries(),
        from_ms in prop_oneof![Just(0), 0..3_000_000_u64],
        provider_ahead_ms in -4_000..5_000_i64,
    ) {
        let pairs = looked_up(&tries, from_ms, provider_ahead_ms);
        prop_assert!(pairs.is_ok(), "nobody else sends");
        for (number, provider_id) in pairs.into_iter().flatten() {
            prop_assert!(tries[number].says >= 2, "only what nobody knows");
            prop_assert!(tries[number].is_taken());
            prop_assert_eq!(wamid::veiled(&number.to_string()), provider_id);
        }
    }

    #[test]
    fn one_unknown_outcome_among_many_that_are_known_is_found(tries in tries(), which in any::<prop::sample::Index>()) {
        let which = which.index(tries.len());
        let known = |(number, one): (usize, Try)| match number == which {
            true => Try { pause_ms: one.pause_ms + RIVALS_WITHIN_MS, says: 2, went_out: true, sent_after_ms: 900, ..one },
            false => Try { says: 0, ..one },
        };
        let tries: Vec<_> = tries.into_iter().enumerate().map(known).collect();
        let tries: Vec<_> =
            tries.into_iter().map(|one| Try { listed: true, tells_sent: true, tells_to: true, readable: true, ..one }).collect();
        prop_assert_eq!(looked_up(&tries, 0, 0), Ok(vec![(which, wamid::veiled(&which.to_string()))]));
    }
}

const A: Option<&str> = Some("14151231234");
const B: Option<&str> = Some("4930123456");

/// An account's attempts from long before 0 s on.
fn attempts() -> Attempts {
    Attempts::from(UnixMillis(BEGIN - 2 * RIVALS_WITHIN_MS as i64))
}

/// What is found of one unknown attempt to A at 0 s, beside others, all of them to A.
fn found(list: &[Taken], more: impl FnOnce(&mut Attempts)) -> Result<Vec<(MessageId, String)>, SomebodyElseSends> {
    let mut attempts = attempts();
    attempts.started(&started(0), at(0));
    attempts.ended(&ended(0, unknown()));
    more(&mut attempts);
    let pairs = attempts.pairs(&attempts.not_known(list)?, |_| A.map(str::to_owned))?;
    Ok(pairs.into_iter().map(|(attempt, taken)| (attempt.message, taken.provider_id.clone())).collect())
}

fn its() -> Result<Vec<(MessageId, String)>, SomebodyElseSends> {
    Ok(vec![(id(0), wamid::veiled("its"))])
}

#[test]
fn an_attempt_is_paired_with_the_only_message_that_no_other_has_made() {
    let list = [taken("other", A, at(1_000)), taken("its", A, at(1_000))];
    let of_another = |attempts: &mut Attempts| attempts.ended(&ended(1, sent("other")));
    assert_eq!(found(&list, of_another), its());
}

#[test]
fn an_attempt_that_was_never_ended_is_paired_as_well() {
    let mut attempts = attempts();
    attempts.started(&started(0), at(0));
    let list = [taken("its", A, at(1_000))];
    let not_known = attempts.not_known(&list).expect("its own");
    assert_eq!(attempts.makers_of(&not_known).len(), 1);
    assert_eq!(attempts.pairs(&not_known, |_| A.map(str::to_owned)).map(|pairs| pairs.len()), Ok(1));
}

#[test]
fn what_is_not_on_the_list_is_not_found() {
    assert_eq!(found(&[], |_| {}), Ok(vec![]));
    let without_reports = Taken { reports: Vec::new(), ..taken("its", A, at(0)) };
    assert_eq!(found(&[without_reports], |_| {}), Ok(vec![]));
}

#[test]
fn a_message_that_is_read_days_after_it_was_sent_is_not_taken_for_a_new_one() {
    for fate in [Fate::Delivered, Fate::Read, Fate::Failed(String::new())] {
        let old = Taken { reports: vec![Report { fate, at: at(1_000) }], ..taken("old", A, at(0)) };
        assert_eq!(found(&[old], |_| {}), Ok(vec![]));
    }
}

#[test]
fn a_message_that_nothing_here_has_made_shows_that_somebody_else_sends() {
    let other = Err(SomebodyElseSends);
    assert_eq!(found(&[taken("its", A, at(1_000)), taken("to another", B, at(9_000))], |_| {}), other);
    let later = at(RIVALS_WITHIN_MS + 1);
    assert_eq!(found(&[taken("its", A, at(1_000)), taken("much later", A, later)], |_| {}), other);
    // Of what was sent before the log was read nothing is known.
    let before = UnixMillis(BEGIN - RIVALS_WITHIN_MS as i64 - 1_000);
    assert_eq!(found(&[taken("its", A, at(1_000)), taken("before", B, before)], |_| {}), its());
}

#[test]
fn a_message_whose_id_the_log_knows_is_another_attempts_in_either_form() {
    for provider_id in ["known".to_owned(), wamid::veiled("known")] {
        let of_another = |attempts: &mut Attempts| {
            attempts.started(&started(1), at(2_000));
            attempts.ended(&ended(1, sent(&provider_id)));
        };
        assert_eq!(found(&[taken("known", A, at(3_000))], of_another), Ok(vec![]));
    }
}

#[test]
fn two_attempts_to_one_recipient_that_nobody_knows_of_are_not_told_apart() {
    let list = [taken("its", A, at(3_000))];
    assert_eq!(found(&list, |attempts| attempts.started(&started(1), at(2_000))), Ok(vec![]));
    let later = |attempts: &mut Attempts| attempts.started(&started(1), at(3_000 + PROVIDER_CLOCK_MS + 1));
    assert_eq!(found(&list, later), its(), "what began afterwards did not make it");
}

#[test]
fn two_messages_for_one_attempt_are_not_told_apart() {
    let list = [taken("one", A, at(3_000)), taken("two", A, at(400_000))];
    assert_eq!(found(&list, |_| {}), Ok(vec![]));
}

#[test]
fn what_was_sent_before_the_attempt_or_long_after_is_not_its() {
    let sent_at = |ms: i64| found(&[taken("its", A, UnixMillis(BEGIN + ms))], |_| {});
    let (clocks, within) = (PROVIDER_CLOCK_MS as i64, SENT_WITHIN_MS as i64);
    assert_eq!((sent_at(-clocks - 1), sent_at(-clocks)), (Err(SomebodyElseSends), its()));
    assert_eq!((sent_at(within), sent_at(within + 1)), (its(), Ok(vec![])));
}

#[test]
fn a_recipient_that_cannot_be_read_is_never_paired_and_rivals_all() {
    assert_eq!(found(&[taken("its", None, at(1_000))], |_| {}), Ok(vec![]), "the list does not tell");
    let mut attempts = attempts();
    attempts.started(&started(0), at(0));
    attempts.started(&started(1), at(2_000));
    let list = [taken("its", A, at(3_000))];
    let to = |attempt: &Undecided| A.filter(|_| attempt.message == id(0)).map(str::to_owned);
    assert_eq!(attempts.pairs(&attempts.not_known(&list).expect("ours"), to), Ok(vec![]));
}

#[test]
fn a_recipient_who_may_be_spelled_otherwise_is_a_rival_and_no_pair() {
    let mut attempts = attempts();
    attempts.started(&started(0), at(0));
    let list = [taken("its", Some("9914151231234"), at(1_000))];
    let to =
        |attempt: &Undecided| Some(if attempt.message == id(0) { "14151231234" } else { "9914151231234" }.to_owned());
    assert_eq!(attempts.pairs(&attempts.not_known(&list).expect("ours"), to), Ok(vec![]));
    attempts.started(&started(1), at(500));
    assert_eq!(attempts.pairs(&attempts.not_known(&list).expect("ours"), to), Ok(vec![]), "either may have made it");
}

#[test]
fn a_clock_that_is_behind_by_too_much_is_told() {
    let agree = |ms: i64| clocks_agree(UnixMillis(BEGIN + ms), at(0));
    assert_eq!((agree(-4_001), agree(-4_000), agree(5_000), agree(5_001)), (false, true, true, false));
}

#[test]
fn whether_all_rivals_were_read_is_told_by_the_first_of_what_is_sought() {
    let mut attempts = Attempts::from(at(2_000_000 - RIVALS_WITHIN_MS));
    attempts.started(&started(0), at(2_000_000));
    attempts.started(&started(1), at(3_000_000));
    let sought = [(id(0), 0), (id(1), 0)];
    assert!(attempts.have_all_rivals(&sought));
    assert!(!attempts.have_all_rivals(&[(id(2), 0)]), "what was not read may have begun before");
    attempts.from = attempts.from.plus_ms(1);
    assert!(!attempts.have_all_rivals(&sought));
    assert!(attempts.have_all_rivals(&sought[1..]));
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
