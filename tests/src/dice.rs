//! Dice that roll the same for the same seed: SplitMix64, which is short and good enough to choose with.
//!
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.

use std::time::Duration;

/// The dice of one player.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of one player, apart from everybody else's.
    pub fn of(seed: u64, player: &str) -> Self {
        // FNV-1a.
        let name = player
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(seed ^ name)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `n`.
    ///
    /// # Panics
    /// When there is none.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n as u64).expect("below a usize")
    }

    /// One of some.
    pub fn one_of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len())]
    }

    /// A time between two, the short ones as likely as the long ones.
    pub fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(least_ms + self.roll() % (most_ms - least_ms + 1))
    }

    /// A time between two, each power of ten as likely as the next.
    pub fn of_any_size(&mut self, least_ms: f64, most_ms: f64) -> Duration {
        Duration::from_secs_f64(least_ms * (most_ms / least_ms).powf(self.unit()) / 1_000.0)
    }

    /// The time until something that happens once in `mean` on average.
    pub fn until_next(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }
}
