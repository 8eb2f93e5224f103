//! Says whether an address belongs to the public internet.
//!
//! IPv4 is public unless a range says otherwise; IPv6 is refused unless it is global unicast and no range says
//! otherwise. Addresses that carry an IPv4 address inside (mapped, 6to4, Teredo, NAT64) are refused whole: what is
//! inside is where a packet would really go.
//!
//! Source: IANA special-purpose address registries for IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressRule {
    /// Also 127.0.0.0/8 and ::1, for tests and demonstrations on one machine. Nothing else that is not public.
    pub allow_loopback: bool,
}

impl AddressRule {
    /// Says whether `address` may be connected to.
    pub fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self.allow_loopback && address.is_loopback())
    }
}

/// Says whether `address` belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|range| range.contains(v4)),
        IpAddr::V6(v6) => GLOBAL_UNICAST.contains(v6) && !NOT_PUBLIC_V6.iter().any(|range| range.contains(v6)),
    }
}

struct RangeV4(Ipv4Addr, u32);
struct RangeV6(Ipv6Addr, u32);

impl RangeV4 {
    fn contains(&self, address: Ipv4Addr) -> bool {
        let RangeV4(base, prefix) = *self;
        (base.to_bits() ^ address.to_bits()) >> (32 - prefix) == 0
    }
}

impl RangeV6 {
    fn contains(&self, address: Ipv6Addr) -> bool {
        let RangeV6(base, prefix) = *self;
        (base.to_bits() ^ address.to_bits()) >> (128 - prefix) == 0
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u32) -> RangeV4 {
    RangeV4(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u32) -> RangeV6 {
    RangeV6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const NOT_PUBLIC_V4: &[RangeV4] = &[
    // "This network", with the unspecified address.
    v4(0, 0, 0, 0, 8),
    // Private.
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    // Carrier-grade NAT; a cloud's metadata is at 100.100.100.200.
    v4(100, 64, 0, 0, 10),
    // Loopback.
    v4(127, 0, 0, 0, 8),
    // Link-local; most clouds' metadata is at 169.254.169.254.
    v4(169, 254, 0, 0, 16),
    // A cloud's metadata in the middle of public space.
    v4(168, 63, 129, 16, 32),
    // Protocol assignments; a cloud's metadata is at 192.0.0.192.
    v4(192, 0, 0, 0, 24),
    // Relays of 6to4, given up.
    v4(192, 88, 99, 0, 24),
    // Benchmarking.
    v4(198, 18, 0, 0, 15),
    // Documentation.
    v4(192, 0, 2, 0, 24),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Multicast.
    v4(224, 0, 0, 0, 4),
    // Reserved, with the broadcast address.
    v4(240, 0, 0, 0, 4),
];

/// Everything outside is loopback, mapped, NAT64, unique-local, link-local, multicast, or not given out.
const GLOBAL_UNICAST: RangeV6 = v6(0x2000, 0, 0, 3);

const NOT_PUBLIC_V6: &[RangeV6] = &[
    // Protocol assignments, with Teredo and benchmarking.
    v6(0x2001, 0, 0, 23),
    // Documentation.
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x3fff, 0, 0, 20),
    // 6to4.
    v6(0x2002, 0, 0, 16),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().expect("an address"))
    }

    #[test]
    fn the_ends_of_every_refused_v4_range_are_refused_and_their_neighbours_are_not() {
        // (first, last, neighbour below, neighbour above); an empty neighbour is in another refused range.
        let ranges = [
            ("0.0.0.0", "0.255.255.255", "", "1.0.0.0"),
            ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
            ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
            ("168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"),
            ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
            ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
            ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
            ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
            ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
            ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
            ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
            ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
            ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
            ("224.0.0.0", "239.255.255.255", "223.255.255.255", ""),
            ("240.0.0.0", "255.255.255.255", "", ""),
        ];
        assert_eq!(ranges.len(), NOT_PUBLIC_V4.len());
        for (first, last, below, above) in ranges {
            assert!(!public(first) && !public(last), "{first} to {last}");
            assert!(below.is_empty() || public(below), "{below}");
            assert!(above.is_empty() || public(above), "{above}");
        }
    }

    #[test]
    fn the_metadata_services_of_clouds_are_refused() {
        for address in ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn only_global_unicast_v6_is_public() {
        for address in [
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "1fff:ffff::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!public(address), "{address}");
        }
        for address in
            ["2000::1", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2a00:1450::1", "3ffe::1", "3fff:1000::1"]
        {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn allowing_loopback_allows_nothing_else() {
        let rule = AddressRule { allow_loopback: true };
        for address in ["127.0.0.1", "127.8.9.10", "::1", "8.8.8.8"] {
            assert!(rule.allows(address.parse().expect("an address")), "{address}");
        }
        for address in ["10.0.0.1", "169.254.169.254", "0.0.0.0", "::", "::ffff:127.0.0.1", "fe80::1"] {
            assert!(!rule.allows(address.parse().expect("an address")), "{address}");
        }
        assert!(!AddressRule::default().allows(Ipv4Addr::LOCALHOST.into()));
    }

    proptest! {
        #[test]
        fn whatever_the_standard_library_calls_special_is_not_public(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_loopback() || address.is_private() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!(special && is_public(address.into())));
        }

        #[test]
        fn no_v4_address_becomes_public_inside_a_v6_address(bits in any::<u32>()) {
            let inside = Ipv4Addr::from_bits(bits);
            let [a, b, c, d] = inside.octets().map(u128::from);
            let v4 = a << 24 | b << 16 | c << 8 | d;
            let embedded = [
                inside.to_ipv6_mapped().to_bits(),
                v4,
                0x2002u128 << 112 | v4 << 80,
                0x0064_ff9bu128 << 96 | v4,
                0x2001_0000u128 << 96 | v4 << 64,
                0x2001_0000u128 << 96 | (!v4 & 0xffff_ffff),
            ];
            for bits in embedded {
                prop_assert!(!is_public(Ipv6Addr::from_bits(bits).into()), "{}", Ipv6Addr::from_bits(bits));
            }
        }
    }
}
