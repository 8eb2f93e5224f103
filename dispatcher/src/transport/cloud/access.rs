//! What an account needs to call the Cloud API, checked once.

use std::fmt;

use reqwest::header::HeaderValue;
use url::Url;

/// Where Meta serves the Graph API.
pub const DEFAULT_BASE_URL: &str = "https://graph.facebook.com";
/// The version of the Graph API that this transport was written for.
pub const DEFAULT_VERSION: &str = "v26.0";
/// Graph's ids are numbers of about 15 digits.
const PHONE_NUMBER_ID_CHARS_MAX: usize = 64;

/// The addresses and the token of one account.
#[derive(Clone)]
pub struct CloudAccess {
    messages_url: Url,
    media_url: Url,
    history_url: Url,
    authorization: HeaderValue,
    /// Kept apart from the header to take it out of answers that repeat it.
    secret: String,
}

/// Which setting of an account cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessRefusal {
    /// Not an `http(s)` URL of a host and at most a path.
    BaseUrl,
    /// Not of the form `v26.0`.
    Version,
    /// Empty, too long, or not letters, digits, `-` and `_`.
    PhoneNumberId,
    /// Empty, or with characters that a header cannot carry.
    AccessToken,
}

impl AccessRefusal {
    /// The setting's name.
    pub fn field(self) -> &'static str {
        match self {
            AccessRefusal::BaseUrl => "base_url",
            AccessRefusal::Version => "version",
            AccessRefusal::PhoneNumberId => "phone_number_id",
            AccessRefusal::AccessToken => "access_token",
        }
    }
}

impl CloudAccess {
    /// Checks an account's settings.
    ///
    /// # Errors
    /// The first setting that cannot be used, in the order of the arguments.
    pub fn new(
        base_url: &str,
        version: &str,
        phone_number_id: &str,
        access_token: &str,
    ) -> Result<CloudAccess, AccessRefusal> {
        let base = base(base_url).ok_or(AccessRefusal::BaseUrl)?;
        if !is_version(version) {
            return Err(AccessRefusal::Version);
        }
        if !is_id(phone_number_id) {
            return Err(AccessRefusal::PhoneNumberId);
        }
        let authorization = bearer(access_token).ok_or(AccessRefusal::AccessToken)?;
        let endpoint = |name: &str| {
            let mut url = base.clone();
            // Only ids and names that need no encoding are in it, see the checks above.
            url.set_path(&format!("{}/{version}/{phone_number_id}/{name}", base.path().trim_end_matches('/')));
            url
        };
        let (messages_url, media_url) = (endpoint("messages"), endpoint("media"));
        let history_url = endpoint("message_history");
        Ok(CloudAccess { messages_url, media_url, history_url, authorization, secret: access_token.to_owned() })
    }

    pub(super) fn messages_url(&self) -> Url {
        self.messages_url.clone()
    }

    pub(super) fn media_url(&self) -> Url {
        self.media_url.clone()
    }

    pub(super) fn history_url(&self) -> Url {
        self.history_url.clone()
    }

    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for CloudAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudAccess").field("messages_url", &self.messages_url.as_str()).finish_non_exhaustive()
    }
}

fn base(base_url: &str) -> Option<Url> {
    let url = Url::parse(base_url).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

fn is_version(version: &str) -> bool {
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    version
        .strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=PHONE_NUMBER_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(plain)
}

fn bearer(token: &str) -> Option<HeaderValue> {
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(base_url: &str, version: &str, id: &str, token: &str) -> Option<AccessRefusal> {
        CloudAccess::new(base_url, version, id, token).err()
    }

    #[test]
    fn addresses_are_built_from_base_version_and_id() {
        for base_url in ["https://graph.facebook.com", "https://graph.facebook.com/"] {
            let access = CloudAccess::new(base_url, "v26.0", "1065", "t0ken").expect("plain settings");
            assert_eq!(access.messages_url().as_str(), "https://graph.facebook.com/v26.0/1065/messages");
            assert_eq!(access.media_url().as_str(), "https://graph.facebook.com/v26.0/1065/media");
            assert_eq!(access.history_url().as_str(), "https://graph.facebook.com/v26.0/1065/message_history");
        }
        let below = CloudAccess::new("http://127.0.0.1:9/graph/", "v9.0", "a_b-1", "t").expect("plain settings");
        assert_eq!(below.messages_url().as_str(), "http://127.0.0.1:9/graph/v9.0/a_b-1/messages");
    }

    #[test]
    fn settings_that_would_lead_elsewhere_are_refused_in_order() {
        for base_url in ["", "graph", "ftp://h", "https://u:p@h", "https://h?a=1", "https://h#a", "file:///etc"] {
            assert_eq!(refusal(base_url, "", "", ""), Some(AccessRefusal::BaseUrl), "{base_url}");
        }
        for version in ["", "26.0", "v26", "v26.", "v1000.0", "v26.0/x", "v.."] {
            assert_eq!(refusal(DEFAULT_BASE_URL, version, "", ""), Some(AccessRefusal::Version), "{version}");
        }
        for id in ["", "1/2", "..", "1?a", "1 2", &"1".repeat(65)] {
            assert_eq!(refusal(DEFAULT_BASE_URL, DEFAULT_VERSION, id, ""), Some(AccessRefusal::PhoneNumberId), "{id}");
        }
        for token in ["", "a b", "a\nb", "ä"] {
            let refused = refusal(DEFAULT_BASE_URL, DEFAULT_VERSION, "1", token);
            assert_eq!(refused, Some(AccessRefusal::AccessToken), "{token}");
        }
    }

    #[test]
    fn the_token_is_in_no_debug_form() {
        let access = CloudAccess::new(DEFAULT_BASE_URL, DEFAULT_VERSION, "1", "EAABsecret").expect("plain settings");
        assert!(!format!("{access:?}").contains("secret"));
        assert!(!format!("{:?}", access.authorization()).contains("secret"));
    }
}
