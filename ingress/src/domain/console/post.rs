//! Whether a post comes from a page of this console, and where it may lead back to.

/// What a browser says about where a post comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origins<'a> {
    /// `Sec-Fetch-Site`; browsers leave it out where the connection cannot be trusted (plain HTTP but to this machine).
    pub(crate) fetch_site: Option<&'a str>,
    /// `Origin`; every browser sends it with a post.
    pub(crate) origin: Option<&'a str>,
    /// `Host`.
    pub(crate) host: Option<&'a str>,
    /// The URL that users reach the installation by.
    pub(crate) public_url: &'a str,
}

impl Origins<'_> {
    /// Whether the post comes from this site. What says nothing of itself is no browser that posts a form, and does not.
    pub(crate) fn are_ours(self) -> bool {
        if self.fetch_site.is_some_and(|site| site != "same-origin") {
            return false;
        }
        match self.origin {
            Some(origin) => self.is_our_origin(origin),
            None => self.fetch_site.is_some(),
        }
    }

    fn is_our_origin(self, origin: &str) -> bool {
        let Some((_, authority)) = origin.split_once("://") else { return false };
        let of_url = self.public_url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        [self.host, of_url].into_iter().flatten().any(|ours| ours.eq_ignore_ascii_case(authority))
    }
}

/// Where to go after a post: a place in the console, whatever the form said.
pub(crate) fn way_back(asked: Option<&str>) -> &str {
    let is_ours = |place: &&str| {
        let inside = *place == "/console" || place.starts_with("/console/") || place.starts_with("/console?");
        inside && place.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') && !place.contains("/..")
    };
    asked.filter(is_ours).unwrap_or("/console")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(fetch_site: Option<&str>, origin: Option<&str>) -> bool {
        let host = Some("angelia.example.com");
        Origins { fetch_site, origin, host, public_url: "https://console.example.com/angelia" }.are_ours()
    }

    #[test]
    fn a_post_comes_from_our_own_pages_or_is_refused() {
        assert!(ours(Some("same-origin"), Some("https://angelia.example.com")));
        assert!(ours(Some("same-origin"), None));
        assert!(ours(None, Some("https://angelia.example.com")));
        assert!(ours(None, Some("https://console.example.com")), "behind a proxy that names another host");
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!ours(Some(site), Some("https://angelia.example.com")), "{site}");
        }
        for origin in ["https://evil.example.com", "null", "https://angelia.example.com.evil.example", "", "https://"] {
            assert!(!ours(Some("same-origin"), Some(origin)), "{origin}");
            assert!(!ours(None, Some(origin)), "{origin}");
        }
        assert!(!ours(None, None), "no browser");
    }

    #[test]
    fn a_form_leads_back_into_the_console_and_nowhere_else() {
        for place in ["/console", "/console/w/1/messages?q=%2B1", "/console?x"] {
            assert_eq!(way_back(Some(place)), place);
        }
        for place in [
            "//evil.example",
            "https://evil.example",
            "/console.evil",
            "/consoles",
            "/console/\r\nset-cookie: x=1",
            "/console/..//evil",
            "/console/\\evil",
            "",
            "/api/v1",
        ] {
            assert_eq!(way_back(Some(place)), "/console", "{place}");
        }
        assert_eq!(way_back(None), "/console");
    }
}
