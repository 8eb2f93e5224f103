mod explorer;
mod world;

use std::time::Duration;

use angelia_shared::ids::MemberId;
use angelia_shared::subject::Partition as Part;

use super::*;

const ME: MemberId = MemberId(1);
const OTHER: MemberId = MemberId(2);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One partition, and a living other whom it belongs to or not.
fn ownership(newest: Newest, living: &[MemberId]) -> Ownership {
    let mut ownership = Ownership::new(ME, 1);
    ownership.told(Part(0), 10, newest);
    ownership.told_all();
    ownership.members(living.iter().map(|member| (*member, false)), s(0));
    ownership
}

fn owner_of_zero() -> MemberId {
    rendezvous::owner(0, [ME, OTHER]).expect("there are two")
}

fn claim(from: Source) -> Vec<Step> {
    vec![Step::Claim(Claim { part: Part(0), after: 10, from })]
}

#[test]
fn what_nobody_has_and_what_a_dead_member_had_is_claimed_at_once() {
    assert_eq!(ownership(Newest::Free, &[ME]).steps(s(1), true), claim(Source::Nobody));
    assert_eq!(ownership(Newest::Of(OTHER), &[ME]).steps(s(1), true), claim(Source::Dead));
}

#[test]
fn nothing_is_done_before_everything_was_told_and_while_ones_own_key_may_be_gone() {
    let mut ignorant = Ownership::new(ME, 1);
    assert_eq!(ignorant.steps(s(1), true), []);
    ignorant.members([], s(1));
    assert_eq!((ignorant.steps(s(1), true), ignorant.wanted()), (vec![], None));
    ignorant.told_all();
    assert_eq!(ignorant.steps(s(1), false), []);
    assert_eq!(ignorant.wanted(), Some(1));
    assert_eq!(ignorant.steps(s(1), true).len(), 1);
    assert_eq!(ignorant.steps(s(2), true), [], "it is under way");
}

#[test]
fn a_living_owners_release_is_waited_for_within_a_bound_that_grows_when_it_was_needed() {
    // The other one is leaving, so the partition is this one's.
    let mut waits = ownership(Newest::Of(OTHER), &[ME]);
    waits.members([(OTHER, true)], s(0));
    assert_eq!(waits.steps(s(0), true), []);
    assert_eq!(waits.steps(s(29), true), []);
    assert_eq!(waits.steps(s(30), true), claim(Source::Silent));
    waits.ended(Part(0), Ended::Lost, s(31));
    waits.told(Part(0), 12, Newest::Of(OTHER));
    assert_eq!(waits.steps(s(41), true), [], "the wait begins");
    assert_eq!(waits.steps(s(41 + 59), true), []);
    assert_eq!(waits.steps(s(41 + 60), true).len(), 1);
    waits.told(Part(0), 13, Newest::Free);
    waits.ended(Part(0), Ended::Refused, s(102));
    assert_eq!(waits.steps(s(103), true), [Step::Claim(Claim { part: Part(0), after: 13, from: Source::Nobody })]);
}

#[test]
fn a_lost_claim_is_left_alone_for_ten_seconds() {
    let mut loser = ownership(Newest::Free, &[ME]);
    assert_eq!(loser.steps(s(1), true).len(), 1);
    loser.told(Part(0), 11, Newest::Of(ME));
    loser.told(Part(0), 12, Newest::Of(OTHER));
    loser.ended(Part(0), Ended::Lost, s(2));
    assert_eq!(loser.steps(Duration::from_millis(11_999), true), []);
    assert_eq!(loser.steps(s(12), true).len(), 1);
}

#[test]
fn a_partition_that_belongs_to_another_is_released_and_one_that_was_taken_by_force_only_after_a_while() {
    let others = owner_of_zero() == OTHER;
    let (me, other) = if others { (ME, OTHER) } else { (OTHER, ME) };
    let mut holder = Ownership::new(me, 1);
    holder.told(Part(0), 10, Newest::Of(other));
    holder.told_all();
    holder.members([], s(0));
    assert_eq!(holder.steps(s(0), true), claim(Source::Dead));
    holder.told(Part(0), 11, Newest::Of(me));
    holder.members([(other, false)], s(5));
    assert_eq!(holder.steps(s(15), true), [], "the other one leaves it alone until then");
    assert_eq!(holder.steps(s(16), true), [Step::Release(Part(0))]);
    holder.ended(Part(0), Ended::Released(12), s(17));
    assert_eq!(holder.steps(s(18), true), []);
    // Had by nobody, and the other one died before it took it.
    holder.members([], s(19));
    assert_eq!(holder.steps(s(19), true), [Step::Claim(Claim { part: Part(0), after: 12, from: Source::Nobody })]);
    // Released in between, so the other one need not be waited for.
    holder.members([(other, false)], s(20));
    assert_eq!(holder.steps(s(20), true), [Step::Release(Part(0))]);
}

#[test]
fn few_partitions_are_on_their_way_at_once() {
    let mut holder = Ownership::new(ME, 64);
    holder.told_all();
    holder.members([], s(0));
    assert_eq!(holder.steps(s(0), true).len(), 64);
    holder.members([(OTHER, false)], s(1));
    let first = holder.steps(s(1), true);
    assert_eq!(first.len(), MOVES_AT_ONCE);
    assert_eq!(holder.steps(s(1), true), []);
    let Step::Release(part) = first[0] else { panic!("{first:?}") };
    holder.ended(part, Ended::Released(5), s(1));
    assert_eq!(holder.steps(s(1), true), [], "nobody has it yet");
    holder.told(part, 6, Newest::Of(OTHER));
    assert_eq!(holder.steps(s(1), true).len(), 1);
    // A slow call or a taker that does not come holds up nobody.
    assert_eq!(holder.steps(s(2), true).len(), MOVES_AT_ONCE);
}

#[test]
fn whoever_leaves_gives_everything_away_and_all_at_once_when_nobody_follows() {
    let mut leaver = ownership(Newest::Free, &[ME]);
    assert_eq!(leaver.steps(s(0), true).len(), 1);
    leaver.leave();
    assert_eq!((leaver.steps(s(1), true), leaver.wanted()), (vec![Step::Release(Part(0))], Some(0)));
    leaver.ended(Part(0), Ended::Released(12), s(2));
    assert_eq!(leaver.steps(s(60), true), [], "it claims nothing any more");

    let mut cut_off = ownership(Newest::Free, &[ME, OTHER]);
    cut_off.members([(OTHER, true)], s(0));
    assert_eq!(cut_off.steps(s(0), true).len(), 1);
    cut_off.members([(OTHER, false)], s(0));
    cut_off.leave();
    assert_eq!(cut_off.steps(s(1), false), [Step::Release(Part(0))]);
}

#[test]
fn old_news_changes_nothing() {
    let mut ownership = ownership(Newest::Of(OTHER), &[ME]);
    ownership.told(Part(0), 9, Newest::Free);
    ownership.told(Part(7), 11, Newest::Free);
    assert_eq!(ownership.steps(s(0), true), claim(Source::Dead));
}
