//! Who called: the peer's address, or what a trusted proxy says of it.
//!
//! Shape: (peer, `X-Forwarded-For` values, trusted networks) -> address. A proxy appends the address that it saw, so the
//! list is read from its end, and the first address that is no trusted proxy is the caller. What stands before it was
//! written by the caller, who may write anything.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One network: `10.0.0.0/8`, `fd00::/8`, or an address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text is not a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadNetwork(pub String);

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an address or a network such as 10.0.0.0/8", self.0)
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(bits_max);
        if bits > bits_max { Err(bad()) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Whether `address` lies in this network. An IPv4 address in its IPv6 form is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(asked)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == asked.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(asked)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == asked.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Says who called. `forwarded` holds the values of all `X-Forwarded-For` headers, in order.
///
/// An entry that is no address ends the walk: the trusted proxy that passed it on is then the best that is known.
pub fn caller<'a>(peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>, trusted: &[Network]) -> IpAddr {
    let mut caller = peer.to_canonical();
    for entry in forwarded.rev().flat_map(|value| value.rsplit(',')) {
        if !trusted.iter().any(|network| network.contains(caller)) {
            break;
        }
        match address(entry.trim()) {
            Some(address) => caller = address.to_canonical(),
            None => break,
        }
    }
    caller
}

/// What a caller is counted as where calls are counted: an IPv4 address, or the /64 network of an IPv6 address, which is
/// what one customer of a provider gets at least, to choose addresses from as it likes.
pub fn counted_as(caller: IpAddr) -> u128 {
    match caller.to_canonical() {
        // Its last half is never zero, unlike that of a network.
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

/// Reads an address, also with a port and with brackets.
fn address(entry: &str) -> Option<IpAddr> {
    if let Some(rest) = entry.strip_prefix('[') {
        return rest.split_once(']')?.0.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    entry.parse().ok().or_else(|| entry.split_once(':')?.0.parse::<Ipv4Addr>().ok().map(IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().expect("a network")).collect()
    }

    fn who(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let peer = peer.parse().expect("an address");
        caller(peer, forwarded.iter().copied(), &networks(trusted)).to_string()
    }

    #[test]
    fn without_trust_the_peer_is_the_caller_whatever_it_says() {
        assert_eq!(who("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(who("203.0.113.9", &["198.51.100.1"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_caller() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(who("10.0.0.1", &["198.51.100.1"], &trusted), "198.51.100.1");
        assert_eq!(who("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.9.9.9"], &trusted), "198.51.100.1");
        assert_eq!(who("fd00::1", &["1.1.1.1", "198.51.100.1", "10.9.9.9"], &trusted), "198.51.100.1");
        assert_eq!(who("::ffff:10.0.0.1", &["198.51.100.1"], &trusted), "198.51.100.1");
    }

    #[test]
    fn a_call_from_a_trusted_proxy_itself_and_a_broken_list_name_the_nearest_known() {
        assert_eq!(who("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(who("10.0.0.1", &["10.0.0.2"], &["10.0.0.0/8"]), "10.0.0.2");
        assert_eq!(who("10.0.0.1", &["unknown"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(who("10.0.0.1", &["198.51.100.1, , 10.0.0.3"], &["10.0.0.0/8"]), "10.0.0.3");
    }

    #[test]
    fn ports_and_brackets_do_not_matter() {
        for (written, read) in [
            ("198.51.100.1:8080", "198.51.100.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(who("10.0.0.1", &[written], &["10.0.0.1"]), read);
        }
    }

    #[test]
    fn an_address_counts_for_itself_and_a_64_network_as_one() {
        let counted = |text: &str| counted_as(text.parse().expect("an address"));
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("198.51.100.1"), counted("::ffff:198.51.100.1"));
        assert_ne!(counted("198.51.100.1"), counted("198.51.100.2"));
        assert_ne!(counted("198.51.100.1"), counted("::1"));
    }

    #[test]
    fn networks_are_read_exactly() {
        assert_eq!("10.1.2.3/8".parse::<Network>().map(|n| n.contains("10.200.0.1".parse().unwrap())), Ok(true));
        assert_eq!("0.0.0.0/0".parse::<Network>().map(|n| n.contains("203.0.113.1".parse().unwrap())), Ok(true));
        assert_eq!("10.1.2.3".parse::<Network>().map(|n| n.contains("10.1.2.4".parse().unwrap())), Ok(false));
        assert_eq!("::/0".parse::<Network>().map(|n| n.contains("10.1.2.4".parse().unwrap())), Ok(false));
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "host"] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork(bad.to_owned())));
        }
    }
}
