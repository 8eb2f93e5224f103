//! Says which of several members looks after a share of the work: rendezvous hashing.
//!
//! Shape: (share, members) -> member. Everybody who knows the same members says the same, in whatever order they are
//! listed; when one comes or goes, only the shares that it gains or had change hands.
//!
//! Invariants: none. This is liveness only: members that disagree for a while must be harmless, by a claim or a guard in
//! the log.
//!
//! Not here: who lives (see the members).

use crate::ids::MemberId;

/// The member that looks after `share`; `None` when there are no members.
///
/// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998): the highest score wins.
pub fn owner(share: u64, members: impl IntoIterator<Item = MemberId>) -> Option<MemberId> {
    // The id decides between equal scores, so that the order of listing never does.
    members.into_iter().max_by_key(|member| (score(share, *member), *member))
}

/// How much a member wants a share. Every process must score alike, whichever version it runs: never change this.
fn score(share: u64, MemberId(member): MemberId) -> u64 {
    let (high, low) = ((member >> 64) as u64, member as u64);
    mix(mix(mix(share).wrapping_add(high)).wrapping_add(low))
}

/// The finaliser of SplitMix64, after its increment, so that zero does not stay zero.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn any_members() -> impl Strategy<Value = Vec<MemberId>> {
        // Members that start together differ only in the random part.
        let any_member = prop_oneof![any::<u128>(), any::<u16>().prop_map(u128::from)].prop_map(MemberId);
        prop::collection::btree_set(any_member, 1..9).prop_map(|members| members.into_iter().collect())
    }

    #[test]
    fn nobody_looks_after_anything_where_nobody_is() {
        assert_eq!(owner(7, []), None);
    }

    #[test]
    fn scores_never_change_because_other_versions_must_agree() {
        let scores = [score(0, MemberId(0)), score(255, MemberId(1)), score(1, MemberId(u128::MAX))];
        assert_eq!(scores, [0x2382_75BC_38FC_BE91, 0xE93D_7F1D_AA70_542D, 0x7553_C6A0_F87F_81BE]);
    }

    #[test]
    fn shares_are_spread_about_evenly() {
        for members in 2..=8_u128 {
            let mut shares: HashMap<MemberId, u64> = HashMap::new();
            for share in 0..256 {
                *shares.entry(owner(share, (0..members).map(MemberId)).unwrap()).or_default() += 1;
            }
            let fair = 256 / members as u64;
            assert!(shares.values().all(|count| (fair / 2..=fair * 2).contains(count)), "{shares:?}");
            assert_eq!(shares.len(), members as usize);
        }
    }

    proptest! {
        #[test]
        fn the_order_of_listing_does_not_matter(members in any_members(), share: u64) {
            let backwards = members.iter().rev().copied();
            prop_assert_eq!(owner(share, members.iter().copied()), owner(share, backwards));
        }

        #[test]
        fn only_the_shares_of_a_member_that_leaves_change_hands(members in any_members(), share: u64, leaver: prop::sample::Index) {
            let before = owner(share, members.iter().copied());
            let gone = members[leaver.index(members.len())];
            let after = owner(share, members.iter().copied().filter(|member| *member != gone));
            prop_assert_eq!(after == before, before != Some(gone));
        }
    }
}
