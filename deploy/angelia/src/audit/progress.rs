//! Says on standard error how far a long run is: rate and time left, a line every few seconds.

use std::time::Duration;

use angelia_ledger::audit::read::Progress;
use angelia_shared::clock;

/// Between two lines. A run that is over before the first one says nothing.
const EVERY: Duration = Duration::from_secs(2);

/// A teller of progress for a run called `name`.
pub(crate) fn teller(name: &'static str) -> impl FnMut(Progress) + Send + 'static {
    let begun = clock::monotonic();
    let mut told = begun;
    move |progress| {
        if told.elapsed() >= EVERY {
            told = clock::monotonic();
            eprintln!("{}", line(name, progress, begun.elapsed()));
        }
    }
}

fn line(name: &str, Progress { done, of }: Progress, elapsed: Duration) -> String {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = done.saturating_mul(1_000) / elapsed_ms;
    let left = match of.saturating_sub(done).checked_div(rate) {
        Some(left_s) => format!("{left_s} s left"),
        None => "time left unknown".to_owned(),
    };
    format!("{name}: record {done} of {of}, {rate}/s, {left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_and_the_time_left() {
        let progress = Progress { done: 40_000, of: 100_000 };
        assert_eq!(
            line("verify", progress, Duration::from_secs(2)),
            "verify: record 40000 of 100000, 20000/s, 3 s left"
        );
        let stuck = Progress { done: 0, of: 10 };
        assert_eq!(line("verify", stuck, Duration::ZERO), "verify: record 0 of 10, 0/s, time left unknown");
    }
}
