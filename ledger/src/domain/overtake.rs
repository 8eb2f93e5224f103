//! When does a ledger that stands by take the claim from one that lives and does not act?
//!
//! Shape: looks at the projection, each with its time -> whether to claim. Who is alive is told by the members' keys, and that
//! takes its time: a key expires after its TTL, and a view of the members that was lost in between begins anew. What is due
//! and stays due shows the same from the log itself, whatever the reason: suspended, cut off, stuck.
//!
//! Nothing is safe because of this: guards keep two that act at once from paying twice. A wrong look costs one change of the
//! claim.

use std::time::Duration;

/// How long something may be due with nothing paid meanwhile. A ledger that acts pays within a tenth of a second of folding
/// what is due; a refund must not wait longer than 10 s, of which a change of the claim takes less than one.
pub const STUCK_AFTER: Duration = Duration::from_secs(4);
/// Looks that are further apart say nothing of what was in between: this ledger itself was suspended.
const LOOKS_APART_MAX: Duration = Duration::from_secs(3);
/// When nobody can pay, because the log takes nothing, two ledgers shall not take the claim from each other all the time.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What a ledger that stands by has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overtake {
    /// Since when something is due and nothing was paid, and how much had been paid then.
    stuck: Option<(Duration, u64)>,
    looked: Duration,
    overtook: Option<Duration>,
}

impl Overtake {
    /// Looks whether anything is due; `paid` counts what was ever paid. Says whether to take the claim. `now` is any clock
    /// that does not go back.
    pub fn look(&mut self, is_due: bool, paid: u64, now: Duration) -> bool {
        let was_away = now.saturating_sub(self.looked) > LOOKS_APART_MAX;
        self.looked = now;
        match self.stuck {
            _ if !is_due => self.stuck = None,
            Some((since, then)) if then == paid && !was_away => {
                let is_early = self.overtook.is_some_and(|at| now < at + AGAIN_AFTER);
                if now >= since + STUCK_AFTER && !is_early {
                    self.overtook = Some(now);
                    self.stuck = None;
                    return true;
                }
            }
            Some(_) | None => self.stuck = Some((now, paid)),
        }
        false
    }

    /// It acts itself, or another one has begun to.
    pub fn forget(&mut self) {
        self.stuck = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The second at which the claim is first taken, when a look a second sees this.
    fn taken_at(
        overtake: &mut Overtake,
        seconds: std::ops::Range<u64>,
        seen: impl Fn(u64) -> (bool, u64),
    ) -> Option<u64> {
        seconds.into_iter().find(|second| {
            let (is_due, paid) = seen(*second);
            overtake.look(is_due, paid, s(*second))
        })
    }

    #[test]
    fn what_stays_due_and_unpaid_is_taken_over() {
        assert_eq!(taken_at(&mut Overtake::default(), 0..60, |second| (second >= 10, 7)), Some(14));
    }

    #[test]
    fn one_that_pays_keeps_the_claim_however_much_is_due() {
        assert_eq!(taken_at(&mut Overtake::default(), 0..600, |second| (true, second / 3)), None);
        assert_eq!(taken_at(&mut Overtake::default(), 0..600, |second| (second % 3 > 0, 7)), None);
    }

    #[test]
    fn a_ledger_that_was_away_itself_looks_anew() {
        let mut overtake = Overtake::default();
        assert_eq!(taken_at(&mut overtake, 0..3, |_| (true, 7)), None);
        assert_eq!(taken_at(&mut overtake, 20..60, |_| (true, 7)), Some(24));
    }

    #[test]
    fn the_claim_is_not_taken_again_and_again() {
        let mut overtake = Overtake::default();
        assert_eq!(taken_at(&mut overtake, 0..60, |_| (true, 7)), Some(4));
        assert_eq!(taken_at(&mut overtake, 5..60, |_| (true, 7)), Some(34));
    }

    #[test]
    fn what_was_seen_before_it_acted_itself_does_not_count() {
        let mut overtake = Overtake::default();
        assert_eq!(taken_at(&mut overtake, 0..4, |_| (true, 7)), None);
        overtake.forget();
        assert_eq!(taken_at(&mut overtake, 4..60, |_| (true, 7)), Some(8));
    }
}
