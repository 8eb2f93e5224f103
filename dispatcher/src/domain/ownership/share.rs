//! One partition, as a dispatcher sees it: its newest record, whose it should be, and what was done about it.

use std::time::Duration;

use angelia_shared::ids::MemberId;
use angelia_shared::subject::Partition as Part;

use super::{AFTER_FAILURE, COOL_DOWN, Claim, Ended, MOVE_LASTS, PATIENCE, Source};

/// What the newest record of a partition's claims says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newest {
    /// Nobody has it: it was released, or never claimed.
    #[default]
    Free,
    /// This member has it.
    Of(MemberId),
}

/// What this process does with a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mine {
    #[default]
    Not,
    /// It claims it, or has it.
    Held,
    /// It was told to give it away.
    Leaving { since: Duration },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    /// Whose it should be.
    pub(super) owner: Option<MemberId>,
    pub(super) mine: Mine,
    /// From whom it was taken without a release.
    pub(super) taken_from: Option<MemberId>,
    seq: u64,
    newest: Newest,
    /// Not claimed before.
    not_before: Duration,
    /// The claim whose release is waited for, and since when.
    waiting: Option<(u64, Duration)>,
    /// How often it had to be taken from a living member since it was released last.
    forced: u32,
    /// When it was released from here, while nobody has claimed it since.
    released_at: Option<Duration>,
}

impl Share {
    pub(super) fn told(&mut self, seq: u64, newest: Newest) {
        if seq <= self.seq {
            return;
        }
        (self.seq, self.newest) = (seq, newest);
        match newest {
            Newest::Free => self.forced = 0,
            Newest::Of(_) => self.released_at = None,
        }
    }

    /// The claim to be stored at `now`, if any.
    pub(super) fn claim(
        &mut self,
        part: Part,
        me: MemberId,
        wanted: bool,
        is_alive: impl Fn(MemberId) -> bool,
        now: Duration,
    ) -> Option<Claim> {
        if !wanted {
            self.waiting = None;
            return None;
        }
        if now < self.not_before {
            return None;
        }
        let from = match self.newest {
            Newest::Free => Source::Nobody,
            Newest::Of(member) if member == me || !is_alive(member) => Source::Dead,
            Newest::Of(_) => {
                let since = self.waiting.filter(|(seq, _)| *seq == self.seq).map_or(now, |(_, since)| since);
                self.waiting = Some((self.seq, since));
                if now.saturating_sub(since) < self.patience() {
                    return None;
                }
                self.forced = self.forced.saturating_add(1);
                Source::Silent
            }
        };
        self.taken_from = match self.newest {
            Newest::Of(member) if member != me => Some(member),
            Newest::Of(_) | Newest::Free => None,
        };
        self.waiting = None;
        self.mine = Mine::Held;
        Some(Claim { part, after: self.seq, from })
    }

    pub(super) fn ended(&mut self, how: Ended, now: Duration) {
        self.mine = Mine::Not;
        match how {
            Ended::Released(seq) => {
                self.told(seq, Newest::Free);
                // Somebody may have claimed it already, before this process heard of its own release.
                self.released_at = (self.newest == Newest::Free).then_some(now);
            }
            Ended::Lost | Ended::GivenUp => self.not_before = now + COOL_DOWN,
            Ended::Refused | Ended::Failed => self.not_before = now + AFTER_FAILURE,
        }
    }

    /// Whether it is between its owner here and the next one.
    pub(super) fn is_on_its_way(&self, now: Duration) -> bool {
        let began = match self.mine {
            Mine::Leaving { since } => Some(since),
            Mine::Held => None,
            Mine::Not => self.released_at,
        };
        began.is_some_and(|began| now.saturating_sub(began) < MOVE_LASTS)
    }

    fn patience(&self) -> Duration {
        PATIENCE.0.saturating_mul(1 << self.forced.min(10)).min(PATIENCE.1)
    }
}
