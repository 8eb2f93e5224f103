//! Reads a link, as a user gave it or a redirect names it.
//!
//! The URL standard's parser turns every odd way to write an IPv4 address (decimal, octal, hexadecimal, short,
//! full-width digits, a final dot) into the address, and refuses IPv6 zones: so one look at the host is enough.

use url::{Host, Url};

use crate::transport::FailReason;
use angelia_shared::reach::AddressRule;

/// Why a link is not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRefusal {
    /// Not a URL.
    NotAUrl,
    /// Neither `http` nor `https`.
    Scheme,
    /// It carries a user name or a password: these would be sent to whatever server it names.
    Credentials,
    /// Its host is an IP address that may not be connected to.
    Address,
}

impl LinkRefusal {
    /// The reason to fail a message with.
    pub fn reason(self) -> FailReason {
        match self {
            LinkRefusal::NotAUrl | LinkRefusal::Scheme | LinkRefusal::Credentials => FailReason::AttachmentLinkNotValid,
            LinkRefusal::Address => FailReason::AttachmentAddressNotPublic,
        }
    }

    /// What is wrong with it.
    pub fn detail(self) -> &'static str {
        match self {
            LinkRefusal::NotAUrl => "the link is not a URL",
            LinkRefusal::Scheme => "the link is neither http nor https",
            LinkRefusal::Credentials => "the link carries a user name or a password",
            LinkRefusal::Address => "the link's address is not public",
        }
    }
}

/// Reads a link. A host name is allowed here and judged when it is resolved.
///
/// # Errors
/// [`LinkRefusal`], in the order of its variants.
pub fn check(link: &str, rule: AddressRule) -> Result<Url, LinkRefusal> {
    judge(Url::parse(link).map_err(|_| LinkRefusal::NotAUrl)?, rule)
}

/// Reads where a redirect leads from `url`.
pub(super) fn follow(url: &Url, location: &str, rule: AddressRule) -> Result<Url, LinkRefusal> {
    judge(url.join(location).map_err(|_| LinkRefusal::NotAUrl)?, rule)
}

fn judge(url: Url, rule: AddressRule) -> Result<Url, LinkRefusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(LinkRefusal::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(LinkRefusal::Credentials);
    }
    match url.host() {
        Some(Host::Domain(_)) => Ok(url),
        Some(Host::Ipv4(v4)) if rule.allows(v4.into()) => Ok(url),
        Some(Host::Ipv6(v6)) if rule.allows(v6.into()) => Ok(url),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Err(LinkRefusal::Address),
        None => Err(LinkRefusal::NotAUrl),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(link: &str) -> Option<LinkRefusal> {
        check(link, AddressRule::default()).err()
    }

    #[test]
    fn links_to_names_and_public_addresses_are_taken() {
        for link in [
            "https://example.com/a.pdf?signature=x#page=2",
            "http://example.com:8080/",
            "HTTPS://EXAMPLE.COM/ä b.pdf",
            "https://bücher.example/a",
            "http://8.8.8.8/a",
            "http://[2606:4700::1111]/a",
        ] {
            assert_eq!(refusal(link), None, "{link}");
        }
    }

    #[test]
    fn what_is_no_http_link_is_refused() {
        for link in [
            "",
            "a.pdf",
            "//example.com/a",
            "http://",
            "http://exa mple.com/",
            "http://a:99999/",
            "http://[fe80::1%25eth0]/",
        ] {
            assert_eq!(refusal(link), Some(LinkRefusal::NotAUrl), "{link}");
        }
        for link in [
            "ftp://example.com/a",
            "file:///etc/passwd",
            "data:text/plain,a",
            "gopher://example.com",
            "javascript:1",
            "blob:http://a/",
        ] {
            assert_eq!(refusal(link), Some(LinkRefusal::Scheme), "{link}");
        }
        for link in [
            "http://user@example.com/",
            "http://user:password@example.com/",
            "http://:p@example.com",
            "http://8.8.8.8@10.0.0.1/",
        ] {
            assert_eq!(refusal(link), Some(LinkRefusal::Credentials), "{link}");
        }
    }

    #[test]
    fn every_way_to_write_an_address_that_is_not_public_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0.0.0.0",
            "１２７.０.０.１",
            "127。0。0。1",
            "%31%32%37.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "0xA9FEA9FE",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:a00:1::]",
            "[fc00::1]",
            "[fe80::1]",
        ] {
            for link in [format!("http://{host}/a"), format!("https://{host}:8443/a")] {
                assert_eq!(refusal(&link), Some(LinkRefusal::Address), "{link}");
            }
        }
    }

    #[test]
    fn a_redirect_is_read_relative_to_its_link_and_judged_anew() {
        let from = check("https://example.com/files/a", AddressRule::default()).expect("a link");
        let follow = |location: &str| follow(&from, location, AddressRule::default());
        assert_eq!(follow("b?c=1").expect("relative").as_str(), "https://example.com/files/b?c=1");
        assert_eq!(follow("//cdn.example/b").expect("another host").as_str(), "https://cdn.example/b");
        assert_eq!(follow("http://example.com/b").expect("plain http").as_str(), "http://example.com/b");
        assert_eq!(follow("http://127.1/"), Err(LinkRefusal::Address));
        assert_eq!(follow("//2130706433/"), Err(LinkRefusal::Address));
        assert_eq!(follow("file:///etc/passwd"), Err(LinkRefusal::Scheme));
        assert_eq!(follow("//u:p@example.com/"), Err(LinkRefusal::Credentials));
        assert_eq!(follow("http://["), Err(LinkRefusal::NotAUrl));
    }

    #[test]
    fn reasons_tell_a_bad_link_from_a_bad_address() {
        assert_eq!(LinkRefusal::Address.reason(), FailReason::AttachmentAddressNotPublic);
        for refusal in [LinkRefusal::NotAUrl, LinkRefusal::Scheme, LinkRefusal::Credentials] {
            assert_eq!(refusal.reason(), FailReason::AttachmentLinkNotValid);
        }
    }
}
