//! What the ingress can be told.

use angelia_shared::config::{Hidden, Value};
use angelia_shared::reach::ProviderRule;

use crate::domain::caller::Network;
use crate::domain::rate::{BadQuota, Quota};

angelia_shared::settings! {
    /// Settings of the ingress.
    pub struct Config {
        /// Where users reach this installation, as `https://angelia.example.com`: what the URLs that are shown begin with.
        /// Empty means the address that is listened on.
        pub public_url: String = "",
        /// Whose `X-Forwarded-For` names the caller: addresses and networks with commas, as `10.0.0.0/8,fd00::/8`.
        pub trusted_proxies: Networks = "",
        /// Base URLs of accounts that may lead to addresses which are not public, with commas between, such as a
        /// sandbox's; `loopback` means any on this machine. An account with another one is refused: it would not be sent for.
        pub base_urls_allowed: ProviderRule = "",
        /// The operator's bearer token. Without one nobody is the operator.
        pub operator_token: Hidden = "",
        /// After how many seconds of being held by something other than its turn a message expires, 1 to 2592000.
        pub message_expires_after_s: u64 = "86400",
        /// How many calls one webhook takes in how many seconds, as `600/60`: so many at once, then evenly. Empty: no limit.
        /// Each replica counts what it answers.
        pub rate_per_webhook: Option<Quota> = "",
        /// How many webhook calls one caller may make in how many seconds, as `60/60`. A caller is an IPv4 address or a /64 of
        /// IPv6; behind a proxy that is not among `trusted_proxies` all callers are one. Empty: no limit.
        pub rate_per_caller: Option<Quota> = "",
        /// How many connections may be open at once. For further ones those are closed that keep us waiting the longest. The
        /// process needs as many file descriptors, and some more.
        pub connections_max: usize = "8192",
        /// How many webhook calls may wait for the log; further ones are answered 503 before their body is read. The default is
        /// half a second of a fast disk.
        pub waiting_calls_max: usize = "16384",
        /// How many seconds a client may take to send a request's head, and may keep an idle connection open.
        pub header_timeout_s: u64 = "60",
        /// How many seconds a client may take to send a request's body.
        pub body_timeout_s: u64 = "10",
        /// How many seconds the requests under way may take to end after the signal to stop.
        pub drain_s: u64 = "10",
    }
}

impl Config {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// Names the setting and the rule, for the operator.
    pub fn check(&self) -> Result<(), String> {
        let bounds = [
            ("message_expires_after_s", self.message_expires_after_s, 1..=2_592_000),
            ("connections_max", self.connections_max as u64, 16..=1_000_000),
            ("waiting_calls_max", self.waiting_calls_max as u64, 16..=1_000_000),
            ("header_timeout_s", self.header_timeout_s, 1..=3_600),
            ("body_timeout_s", self.body_timeout_s, 1..=600),
            ("drain_s", self.drain_s, 0..=600),
        ];
        for (name, value, bounds) in bounds {
            if !bounds.contains(&value) {
                return Err(format!("setting {name}: must be from {} to {}", bounds.start(), bounds.end()));
            }
        }
        let url = self.public_url.as_str();
        let is_base = url::Url::parse(url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if !url.is_empty() && !is_base {
            return Err("setting public_url: must be an http or https URL without query".to_owned());
        }
        if !self.operator_token.0.is_empty() && self.operator_token.0.len() < 16 {
            return Err("setting operator_token: must have at least 16 characters".to_owned());
        }
        Ok(())
    }
}

/// A list of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

impl Value for Networks {
    fn read(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| part.parse::<Network>().map_err(|bad| bad.to_string())).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> String {
        if self.0.is_empty() {
            return "(none)".to_owned();
        }
        self.0.iter().map(Network::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Value for Quota {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|bad: BadQuota| bad.to_string())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::config::Source;

    use super::*;

    fn load(name: &'static str, value: &str) -> Result<Config, String> {
        let config =
            Config::load(&Source::from_flags([(name, value.to_owned())])).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn the_defaults_can_be_used() {
        let config = load("public_url", "").expect("defaults");
        assert_eq!(config.message_expires_after_s, 86_400);
        assert_eq!(config.trusted_proxies, Networks::default());
    }

    #[test]
    fn networks_are_a_list() {
        let config = load("trusted_proxies", "10.0.0.0/8, ::1").expect("two networks");
        assert_eq!(config.trusted_proxies.show(), "10.0.0.0/8,::1/128");
        assert!(load("trusted_proxies", "10.0.0.0/8;x").is_err());
    }

    #[test]
    fn there_is_no_rate_limit_unless_one_is_set() {
        let config = load("rate_per_webhook", "600/60").expect("a quota");
        assert_eq!((config.rate_per_webhook, config.rate_per_caller), (Quota::new(600, 60), None));
        assert!(config.show().iter().any(|setting| setting.name == "rate_per_webhook" && setting.value == "600/60"));
    }

    #[test]
    fn values_out_of_bounds_are_refused_by_name() {
        for (name, value) in [
            ("message_expires_after_s", "0"),
            ("connections_max", "1"),
            ("waiting_calls_max", "15"),
            ("header_timeout_s", "0"),
            ("body_timeout_s", "601"),
            ("drain_s", "601"),
            ("rate_per_webhook", "600"),
            ("rate_per_caller", "0/60"),
            ("public_url", "angelia.example.com"),
            ("operator_token", "short"),
        ] {
            let what = load(name, value).err().expect("out of bounds");
            assert!(what.contains(name), "{what}");
        }
    }

    #[test]
    fn the_operators_token_is_not_shown() {
        let config = load("operator_token", "0123456789abcdef").expect("long enough");
        assert!(config.show().iter().all(|setting| !setting.value.contains("0123456789abcdef")));
    }
}
