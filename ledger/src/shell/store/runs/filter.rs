//! Says of a key that a run does not hold it, or that it may.
//!
//! A blocked Bloom filter: all bits of a key are in one cache line, so a look costs one access of memory. With 12 bits a key
//! and 7 of them set, about one absent key in 150 seems to be there.
//!
//! Source: Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters (2007).

/// Bits for each key.
const BITS_PER_KEY: u64 = 12;
/// Bits set for a key.
const BITS_SET: u32 = 7;

/// 512 bits: a cache line.
type Line = [u64; 8];

/// The keys of one run.
#[derive(Clone, Debug)]
pub(super) struct Filter(Vec<Line>);

/// What a key is to every filter.
pub(super) fn hash(key: &[u8]) -> u64 {
    // Keys are dice, or digests; mixed all the same, since a log from elsewhere may hold others.
    key.chunks(8).fold(0, |hash, chunk| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(bytes))
    })
}

/// The finaliser of SplitMix64: every bit of the input changes half of the output's.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

impl Filter {
    /// A filter for `count` keys.
    pub(super) fn of(count: u64) -> Self {
        let lines = (count * BITS_PER_KEY).div_ceil(512).max(1);
        Self(vec![Line::default(); usize::try_from(lines).expect("a run fits in memory many times")])
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        let hash = hash(key);
        let at = self.line(hash);
        for bit in bits(hash) {
            self.0[at][bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Whether a key of this hash may be there.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let line = &self.0[self.line(hash)];
        bits(hash).all(|bit| line[bit / 64] & (1 << (bit % 64)) != 0)
    }

    fn line(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.0.len() as u128) >> 64) as usize
    }
}

fn bits(hash: u64) -> impl Iterator<Item = usize> {
    // Bits that are independent of those that chose the line: nine for each place in it.
    let dice = mix(hash);
    (0..BITS_SET).map(move |number| (dice >> (9 * number)) as usize % 512)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_may_be_there_and_nearly_nothing_else() {
        let mut filter = Filter::of(10_000);
        for number in 0..10_000_u64 {
            filter.add(&number.to_be_bytes());
        }
        assert!((0..10_000_u64).all(|number| filter.may_hold(hash(&number.to_be_bytes()))));
        let wrong = (10_000..110_000_u64).filter(|number| filter.may_hold(hash(&number.to_be_bytes()))).count();
        assert!(wrong < 2_000, "{wrong} of 100,000 absent keys seemed to be there");
    }

    #[test]
    fn keys_that_share_their_beginning_are_told_apart() {
        let key = |last: u8| {
            let mut key = [7; 33];
            key[32] = last;
            key
        };
        let mut filter = Filter::of(1_000);
        filter.add(&key(1));
        let wrong = (2..=255).filter(|last| filter.may_hold(hash(&key(*last)))).count();
        assert!(wrong < 5, "{wrong} of 254");
    }
}
