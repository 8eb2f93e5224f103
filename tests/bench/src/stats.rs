//! Medians, spreads and percentiles.

/// The median of some figures with the lowest and the highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Sums figures up; none give zeros.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let pick = |at: usize| sorted.get(at).copied().unwrap_or(0.0);
        Self { median: pick(sorted.len() / 2), low: pick(0), high: pick(sorted.len().saturating_sub(1)) }
    }
}

/// The `share` (0 to 1) percentile of latencies in microseconds; sorts them.
pub(crate) fn percentile_us(latencies: &mut [u32], share: f64) -> u32 {
    if latencies.is_empty() {
        return 0;
    }
    latencies.sort_unstable();
    let at = ((latencies.len() as f64 * share).ceil() as usize).clamp(1, latencies.len());
    latencies[at - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, low: 1.0, high: 3.0 });
        assert_eq!(Spread::of(&[]), Spread { median: 0.0, low: 0.0, high: 0.0 });
    }

    #[test]
    fn percentiles_are_of_the_sorted_latencies() {
        let mut latencies: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(percentile_us(&mut latencies, 0.99), 99);
        assert_eq!(percentile_us(&mut latencies, 0.5), 50);
        assert_eq!(percentile_us(&mut [], 0.5), 0);
    }
}
