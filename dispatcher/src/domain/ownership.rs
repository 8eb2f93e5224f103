//! Which partitions this dispatcher claims, waits for, keeps and gives away.
//!
//! Shape: what is told (members, claims, how one's own claims end) goes in; [`Ownership::steps`] says what to do now. Times are
//! durations since the machine started.
//!
//! | the newest record of a partition that is mine by rendezvous | done |
//! |---|---|
//! | none, or a release | claimed at once |
//! | a claim of a member that is dead | claimed at once: it crashed |
//! | a claim of a member that lives | waited for its release, [`PATIENCE`] long; then it is claimed by force |
//! | somebody else's claim that ended mine | left alone for [`COOL_DOWN`] |
//!
//! Invariants:
//! - Whoever may be taken for dead decides nothing: without a fresh key of one's own there are no steps.
//! - A claim names the record that it follows, so a decision on old news stores nothing.
//! - A partition is given away only to a member that may take it at once, and few at a time: each is out of work from its
//!   release to the next claim.
//!
//! Liveness only. What is safe is so because every write is guarded by the newest claim (DP-3).
//!
//! Not here: how an owner ends its calls before a release (see [`departure`]), who lives (see the members).

pub mod departure;
mod share;

use std::collections::BTreeMap;
use std::time::Duration;

use angelia_shared::ids::MemberId;
use angelia_shared::rendezvous;
use angelia_shared::subject::Partition as Part;

pub use share::Newest;
use share::{Mine, Share};

/// A lost claim is not taken back for this long: two processes must not take a partition from each other in turns.
pub const COOL_DOWN: Duration = Duration::from_secs(10);
/// How long a living owner's release is waited for, at first and at most: longer than an owner takes to end its calls
/// ([`departure::POLITE_FOR`] and [`departure::FINISH_WITHIN`]). Meanwhile it sends, so nothing idles. It doubles with every
/// partition that had to be taken from a living member: where two disagree for long on who lives, each keeps the
/// partition for longer than its accounts' gaps.
pub const PATIENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(960));
/// What was taken by force is not given back to its old owner before that was seen for this long: until then it is to
/// leave it alone ([`COOL_DOWN`]), and nobody would send. The rest is for the news to arrive.
pub const KEPT_AFTER_FORCE: Duration = Duration::from_secs(11);
/// Partitions that are on their way from here at once. Who takes them brings a few up to date at a time.
pub const MOVES_AT_ONCE: usize = 4;
/// A partition counts as on its way for this long at each end: an owner with a slow call, or a taker that does not come,
/// must not hold up the others.
pub const MOVE_LASTS: Duration = Duration::from_secs(1);
/// Pause after a claim that was not stored, or a log that could not be read.
pub const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Claim a partition; then say how that [`Ended`].
    Claim(Claim),
    /// End the calls of a claimed partition and release it; then say how that [`Ended`].
    Release(Part),
}

/// A claim to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The partition.
    pub part: Part,
    /// The record that it follows, which guards it; 0 when there is none.
    pub after: u64,
    /// From whom it comes.
    pub from: Source,
}

/// From whom a partition comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody had it, or its owner released it after its last attempt.
    Nobody,
    /// An owner that died, or lost its memory.
    Dead,
    /// An owner that lives and did not release it in time.
    Silent,
}

/// How this process's hold on a partition has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Released; the release is at this sequence.
    Released(u64),
    /// Somebody else claimed it.
    Lost,
    /// The claim was not stored: the partition has a newer record than the one that it was to follow.
    Refused,
    /// It could not be claimed.
    Failed,
    /// It was claimed and could not be read on, or not be released in time.
    GivenUp,
}

#[derive(Clone, Copy, Debug)]
struct Living {
    since: Duration,
    leaving: bool,
}

/// What this dispatcher knows of all partitions.
#[derive(Clone, Debug)]
pub struct Ownership {
    me: MemberId,
    shares: Vec<Share>,
    /// Everybody who lives, this one included.
    living: BTreeMap<MemberId, Living>,
    knows_members: bool,
    knows_claims: bool,
    leaving: bool,
}

impl Ownership {
    /// Knows nothing yet and does nothing.
    pub fn new(me: MemberId, partitions: u16) -> Self {
        Self {
            me,
            shares: vec![Share::default(); usize::from(partitions)],
            living: BTreeMap::new(),
            knows_members: false,
            knows_claims: false,
            leaving: false,
        }
    }

    /// Everybody who lives, and whether they are leaving. Called only once everything that there is was told.
    pub fn members(&mut self, members: impl IntoIterator<Item = (MemberId, bool)>, now: Duration) {
        let before = std::mem::take(&mut self.living);
        let others = members.into_iter().filter(|(member, _)| *member != self.me);
        for (member, leaving) in others.chain([(self.me, self.leaving)]) {
            let since = before.get(&member).map_or(now, |known| known.since);
            self.living.insert(member, Living { since, leaving });
        }
        self.knows_members = true;
        self.look_up_owners();
    }

    /// A record of a partition's claims was read.
    pub fn told(&mut self, part: Part, seq: u64, newest: Newest) {
        if let Some(share) = self.shares.get_mut(usize::from(part.0)) {
            share.told(seq, newest);
        }
    }

    /// Every partition's newest record was told once.
    pub fn told_all(&mut self) {
        self.knows_claims = true;
    }

    /// This process goes: it wants nothing any more, and gives away what it has.
    pub fn leave(&mut self) {
        self.leaving = true;
        if let Some(living) = self.living.get_mut(&self.me) {
            living.leaving = true;
        }
        self.look_up_owners();
    }

    /// The hold that [`Step::Claim`] began has ended.
    pub fn ended(&mut self, part: Part, how: Ended, now: Duration) {
        if let Some(share) = self.shares.get_mut(usize::from(part.0)) {
            share.ended(how, now);
        }
    }

    /// How many partitions this process should have; none while that is not known.
    pub fn wanted(&self) -> Option<usize> {
        let knows = self.knows_members && self.knows_claims;
        knows.then(|| self.shares.iter().filter(|share| share.owner == Some(self.me)).count())
    }

    /// What to do at `now`. `fresh` says whether this process's key was renewed in time.
    pub fn steps(&mut self, now: Duration, fresh: bool) -> Vec<Step> {
        if self.leaving && (!fresh || self.nobody_follows()) {
            // Nobody waits for them one by one.
            return self.release_all(now);
        }
        if !(fresh && self.knows_members && self.knows_claims) {
            return Vec::new();
        }
        let mut on_their_way = self.shares.iter().filter(|share| share.is_on_its_way(now)).count();
        let mut steps = Vec::new();
        for n in 0..self.shares.len() {
            let part = Part(u16::try_from(n).expect("as many as there are partitions"));
            let share = &self.shares[n];
            match share.mine {
                Mine::Not => {
                    let living = |member| self.living.contains_key(&member);
                    let wanted = share.owner == Some(self.me);
                    steps.extend(self.shares[n].claim(part, self.me, wanted, living, now).map(Step::Claim));
                }
                Mine::Held if on_their_way < MOVES_AT_ONCE && self.goes_to(share, now).is_some() => {
                    on_their_way += 1;
                    self.shares[n].mine = Mine::Leaving { since: now };
                    steps.push(Step::Release(part));
                }
                Mine::Held | Mine::Leaving { .. } => {}
            }
        }
        steps
    }

    /// The member that a partition of this process belongs to and that may take it at once.
    fn goes_to(&self, share: &Share, now: Duration) -> Option<MemberId> {
        let owner = share.owner.filter(|owner| *owner != self.me)?;
        let seen_for = now.saturating_sub(self.living.get(&owner)?.since);
        let rests = share.taken_from == Some(owner) && seen_for < KEPT_AFTER_FORCE;
        (!rests).then_some(owner)
    }

    fn nobody_follows(&self) -> bool {
        self.living.iter().all(|(member, living)| *member == self.me || living.leaving)
    }

    fn release_all(&mut self, now: Duration) -> Vec<Step> {
        let mut steps = Vec::new();
        for (part, share) in (0..).map(Part).zip(&mut self.shares) {
            if share.mine == Mine::Held {
                share.mine = Mine::Leaving { since: now };
                steps.push(Step::Release(part));
            }
        }
        steps
    }

    fn look_up_owners(&mut self) {
        let staying: Vec<_> = self.living.iter().filter(|(_, living)| !living.leaving).map(|(id, _)| *id).collect();
        for (n, share) in (0..).zip(&mut self.shares) {
            share.owner = rendezvous::owner(n, staying.iter().copied());
        }
    }
}

#[cfg(test)]
mod tests;
