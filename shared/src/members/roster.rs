//! Who counts as alive, given what the watch has told. Pure: times are arguments, durations since the machine started.
//!
//! Shape: the watch's news go in one by one; the roster says who is alive and for how long it has been told everything.
//!
//! Invariants:
//! - A lost watch removes nobody. Who was alive then is *in doubt*, counts as alive, and is dropped only when a watch has
//!   stood for a TTL without a word of it.
//! - [`Roster::since`] is none from the loss of a watch until the next one has told everything that there is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Member, Seat, Service};
use crate::ids::MemberId;

/// Who is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    ttl: Duration,
    held: BTreeMap<Seat, Held>,
    since: Option<Duration>,
    interruptions: u64,
    complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    member: Member,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has a key, as far as the watch has told.
    Seen,
    /// The watch was lost, and no other stands yet.
    InDoubt,
    /// Dropped at this time, unless it is seen before.
    InDoubtUntil(Duration),
}

impl Roster {
    /// A roster that knows nothing yet.
    pub(super) fn new(ttl: Duration) -> Self {
        Self { ttl, held: BTreeMap::new(), since: None, interruptions: 0, complete: false }
    }

    /// Every living member of `service`, in the order of their ids.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &Member> {
        self.held.values().map(|held| &held.member).filter(move |member| member.service == service)
    }

    /// The key of every living member.
    pub fn alive(&self) -> impl Iterator<Item = Seat> {
        self.held.keys().copied()
    }

    /// Whether `member` lives as `service`.
    pub fn is_alive(&self, service: Service, member: MemberId) -> bool {
        self.held.contains_key(&Seat { service, member })
    }

    /// Whether everything that there is was told at least once. Before, an absent member means nothing.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Since when the watch has told everything without a break; none while it is lost. As [`crate::clock::uptime`].
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// How often a watch was lost.
    pub fn interruptions(&self) -> u64 {
        self.interruptions
    }

    /// The watch is lost: nothing is told from now on.
    pub(super) fn lose(&mut self) {
        self.interruptions += 1;
        self.since = None;
        for held in self.held.values_mut() {
            held.standing = Standing::InDoubt;
        }
    }

    /// A new watch has told everything that there is.
    pub(super) fn complete(&mut self, now: Duration) {
        self.since = Some(now);
        self.complete = true;
        let until = now + self.ttl;
        for held in self.held.values_mut().filter(|held| held.standing == Standing::InDoubt) {
            held.standing = Standing::InDoubtUntil(until);
        }
    }

    /// A key was renewed.
    pub(super) fn see(&mut self, member: Member) {
        self.held.insert(member.seat(), Held { member, standing: Standing::Seen });
    }

    /// A member took its key away.
    pub(super) fn leave(&mut self, seat: Seat) {
        self.held.remove(&seat);
    }

    /// A key expired. In an outage nobody could renew, so it says little: the member gets another TTL.
    pub(super) fn expire(&mut self, seat: Seat, outage: bool, now: Duration) {
        if !outage {
            self.held.remove(&seat);
        } else if let Some(held) = self.held.get_mut(&seat) {
            held.standing = Standing::InDoubtUntil(now + self.ttl);
        }
    }

    /// Drops whoever was in doubt for too long.
    pub(super) fn pass(&mut self, now: Duration) {
        self.held.retain(|_, held| match held.standing {
            Standing::Seen | Standing::InDoubt => true,
            Standing::InDoubtUntil(until) => now < until || self.since.is_none(),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::UnixMillis;

    const TTL: Duration = Duration::from_secs(5);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn member(id: u128) -> Member {
        Member { v: 1, service: Service::Ingress, member: MemberId(id), started_at: UnixMillis(0), leaving: false }
    }

    /// Member 1 and 2 are there, and the watch stands since 10 s.
    fn two() -> Roster {
        let mut roster = Roster::new(TTL);
        roster.see(member(1));
        roster.see(member(2));
        roster.complete(s(10));
        roster
    }

    fn alive(roster: &Roster) -> Vec<u128> {
        roster.of(Service::Ingress).map(|member| member.member.0).collect()
    }

    #[test]
    fn members_come_leave_and_expire() {
        let mut roster = two();
        assert!(roster.is_alive(Service::Ingress, MemberId(1)));
        assert!(!roster.is_alive(Service::Ledger, MemberId(1)));
        roster.leave(member(1).seat());
        assert_eq!(alive(&roster), [2]);
        roster.expire(member(2).seat(), false, s(20));
        assert_eq!((alive(&roster), roster.since(), roster.is_complete()), (vec![], Some(s(10)), true));
    }

    #[test]
    fn a_lost_watch_removes_nobody_however_long_it_takes() {
        let mut roster = two();
        roster.lose();
        roster.pass(s(1_000));
        assert_eq!((alive(&roster), roster.since(), roster.interruptions()), (vec![1, 2], None, 1));
    }

    #[test]
    fn who_is_not_seen_for_a_ttl_after_a_new_watch_stands_is_dropped() {
        let mut roster = two();
        roster.lose();
        roster.see(member(2));
        roster.complete(s(100));
        roster.pass(s(104));
        assert_eq!((alive(&roster), roster.since()), (vec![1, 2], Some(s(100))));
        roster.pass(s(105));
        assert_eq!(alive(&roster), [2]);
    }

    #[test]
    fn a_watch_lost_again_before_the_doubt_is_over_starts_it_anew() {
        let mut roster = two();
        roster.lose();
        roster.complete(s(100));
        roster.lose();
        roster.pass(s(200));
        assert_eq!(alive(&roster), [1, 2]);
        roster.complete(s(200));
        roster.pass(s(204));
        assert_eq!((alive(&roster), roster.interruptions()), (vec![1, 2], 2));
    }

    #[test]
    fn who_expires_in_an_outage_gets_another_ttl() {
        let mut roster = two();
        roster.expire(member(1).seat(), true, s(20));
        roster.expire(member(2).seat(), true, s(20));
        roster.expire(member(3).seat(), true, s(20));
        roster.see(member(1));
        roster.pass(s(24));
        assert_eq!(alive(&roster), [1, 2]);
        roster.pass(s(25));
        assert_eq!(alive(&roster), [1]);
    }

    #[derive(Clone, Debug)]
    enum News {
        Lose,
        Complete,
        See(u128),
        Leave(u128),
        Expire(u128, bool),
        Wait(u64),
    }

    fn news() -> impl Strategy<Value = Vec<News>> {
        let one = prop_oneof![
            Just(News::Lose),
            Just(News::Complete),
            (1_u128..4).prop_map(News::See),
            (1_u128..4).prop_map(News::Leave),
            ((1_u128..4), any::<bool>()).prop_map(|(id, outage)| News::Expire(id, outage)),
            (0_u64..7).prop_map(News::Wait),
        ];
        proptest::collection::vec(one, 1..60)
    }

    proptest! {
        /// The rule said another way: a member goes only by its own leaving or expiring, or by a watch that stood a TTL.
        #[test]
        fn nobody_goes_without_a_reason(news in news()) {
            let (mut roster, mut now) = (Roster::new(TTL), s(0));
            for one in news {
                let before = alive(&roster);
                let stood = roster.since().is_some_and(|since| now >= since);
                let mut may_go = Vec::new();
                match one {
                    News::Lose => roster.lose(),
                    News::Complete => roster.complete(now),
                    News::See(id) => roster.see(member(id)),
                    News::Leave(id) => { roster.leave(member(id).seat()); may_go.push(id); }
                    News::Expire(id, outage) => {
                        roster.expire(member(id).seat(), outage, now);
                        if !outage { may_go.push(id); }
                    }
                    News::Wait(seconds) => {
                        now += s(seconds);
                        roster.pass(now);
                        if stood && roster.since().is_some() { may_go = before.clone(); }
                    }
                }
                let after = alive(&roster);
                for gone in before.iter().filter(|id| !after.contains(id)) {
                    prop_assert!(may_go.contains(gone));
                }
            }
        }
    }
}
