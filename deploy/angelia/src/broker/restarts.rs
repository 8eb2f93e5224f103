//! When is a broker that died started again, and when is it given up?
//!
//! Shape: times of deaths -> [`Verdict`]. No clock is read here.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A child that dies this often within [`WINDOW`] will not stay: the fifth death ends the process, whose supervisor
/// (systemd, a person) then sees it.
pub(super) const MOST_DEATHS: usize = 5;
/// A broker that lived this long since its first death counts as well again.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// The pause before the first start; it doubles with each death in the window. A broker that was killed by somebody
/// is back within a client's first attempts to reconnect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What to do after a death.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Start it again after this pause.
    StartAfter(Duration),
    /// Leave it.
    GiveUp,
}

/// The deaths that still count.
#[derive(Default)]
pub(super) struct Restarts {
    deaths: VecDeque<Instant>,
}

impl Restarts {
    /// Notes a death and says what follows.
    pub(super) fn died(&mut self, now: Instant) -> Verdict {
        self.deaths.retain(|&death| now.duration_since(death) < WINDOW);
        self.deaths.push_back(now);
        if self.deaths.len() >= MOST_DEATHS {
            return Verdict::GiveUp;
        }
        let doublings = u32::try_from(self.deaths.len() - 1).expect("fewer than MOST_DEATHS");
        Verdict::StartAfter(FIRST_PAUSE * 2_u32.pow(doublings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_the_fifth_death_in_a_minute_is_the_last() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        let verdicts: Vec<_> = (0..5).map(|n| restarts.died(start + Duration::from_secs(14) * n)).collect();
        let pause = |ms| Verdict::StartAfter(Duration::from_millis(ms));
        assert_eq!(verdicts, [pause(100), pause(200), pause(400), pause(800), Verdict::GiveUp]);
    }

    #[test]
    fn deaths_that_are_far_apart_never_add_up() {
        let start = Instant::now();
        let mut restarts = Restarts::default();
        for n in 0..100 {
            let verdict = restarts.died(start + Duration::from_secs(16) * n);
            assert!(matches!(verdict, Verdict::StartAfter(_)), "death {n}: four in any minute are allowed");
        }
    }
}
