//! Where a provider may be reached: at public addresses, and where the operator said so.
//!
//! An account's owner writes its `base_url`, so it is judged like any link of a user: otherwise it would lead our requests
//! into our own network.
//!
//! Not here: looking names up (the dispatcher judges the addresses that it really connects to).

use url::{Host, Url};

use super::AddressRule;
use crate::config::Value;

/// The word that stands for every address of this machine.
const LOOPBACK: &str = "loopback";

/// Which base URLs may lead to addresses that are not public.
///
/// Written as base URLs with commas between, of which scheme, host and port count; `loopback` means any on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderRule {
    named: Vec<Url>,
    loopback: bool,
}

impl ProviderRule {
    /// The rule that also allows `base_url`; what is no URL of a host changes nothing.
    #[must_use]
    pub fn and(mut self, base_url: &str) -> Self {
        self.named.extend(origin(base_url));
        self
    }

    /// Says whether nothing may be sent to `url`. A host name that is not named here is judged when it is resolved.
    pub fn refuses(&self, url: &Url) -> bool {
        let rule = self.addresses();
        if self.named.iter().any(|named| named.origin() == url.origin()) {
            return false;
        }
        match url.host() {
            // The resolver lets a named host through whatever its addresses are, so its other ports are refused here.
            Some(Host::Domain(name)) => self.names(name),
            Some(Host::Ipv4(v4)) => !rule.allows(v4.into()),
            Some(Host::Ipv6(v6)) => !rule.allows(v6.into()),
            None => true,
        }
    }

    /// Which addresses a host may have that is not named here.
    pub fn addresses(&self) -> AddressRule {
        AddressRule { allow_loopback: self.loopback }
    }

    /// Whether a host is named here.
    pub fn names(&self, host: &str) -> bool {
        self.named.iter().any(|named| named.host_str() == Some(host))
    }
}

impl Value for ProviderRule {
    fn read(text: &str) -> Result<Self, String> {
        let mut rule = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match origin(word) {
                _ if word == LOOPBACK => rule.loopback = true,
                Some(url) => rule.named.push(url),
                None => return Err(format!("expected http or https URLs or {LOOPBACK}, found {word:?}")),
            }
        }
        Ok(rule)
    }

    fn show(&self) -> String {
        let loopback = self.loopback.then(|| LOOPBACK.to_owned());
        let named = self.named.iter().map(|url| url.origin().ascii_serialization());
        loopback.into_iter().chain(named).collect::<Vec<_>>().join(",")
    }
}

fn origin(base_url: &str) -> Option<Url> {
    Url::parse(base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(rule: &str, url: &str) -> bool {
        ProviderRule::read(rule).expect("a rule").refuses(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn public_addresses_and_names_need_no_permission() {
        for url in ["https://graph.facebook.com/v26.0", "http://8.8.8.8:8080/", "https://[2606:4700::1111]/"] {
            assert!(!refuses("", url), "{url}");
        }
    }

    #[test]
    fn an_address_that_is_not_public_needs_the_permission_for_its_very_port() {
        for url in [
            "http://127.0.0.1:9000/a",
            "http://10.0.0.1",
            "http://[::1]:80/",
            "http://0x7f.1/",
            "http://169.254.169.254",
        ] {
            assert!(refuses("", url), "{url}");
        }
        let named = "http://127.0.0.1:9000/graph, https://10.0.0.1";
        assert!(!refuses(named, "http://127.0.0.1:9000/other") && !refuses(named, "https://10.0.0.1:443/"));
        assert!(refuses(named, "http://127.0.0.1:9001/") && refuses(named, "http://10.0.0.1/"));
        assert!(refuses(named, "https://127.0.0.1:9000/"), "another scheme is another server");
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_else() {
        assert!(!refuses("loopback", "http://127.0.0.1:1/") && !refuses("loopback", "http://[::1]/"));
        assert!(refuses("loopback", "http://10.0.0.1/"));
    }

    #[test]
    fn a_name_that_is_allowed_is_so_at_its_port_only() {
        assert!(!refuses("http://sandbox:9000", "http://sandbox:9000/"));
        assert!(refuses("http://sandbox:9000", "http://sandbox:6379/"));
    }

    #[test]
    fn what_is_no_base_url_is_no_rule() {
        for text in ["sandbox", "ftp://sandbox", "http://", "127.0.0.1:9000"] {
            assert!(ProviderRule::read(text).is_err(), "{text}");
        }
        assert_eq!(
            ProviderRule::read(" loopback, http://a:80/x ").map(|rule| rule.show()),
            Ok("loopback,http://a".to_owned())
        );
        assert_eq!(ProviderRule::default().and("http://a:9").show(), "http://a:9");
    }
}
