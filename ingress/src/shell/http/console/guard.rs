//! What keeps strangers' pages and scripts out: headers of every answer, and where a post may come from.

use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use super::trouble::Trouble;
use crate::domain::console::post::Origins;

/// Our own two files and nothing else: no inline script, no inline style, no other host, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Whether users reach the installation over TLS.
pub(super) fn is_secure(public_url: &str) -> bool {
    public_url.starts_with("https://")
}

/// Adds what every answer of the console says to the browser.
pub(super) fn protected(mut response: Response, is_secure: bool) -> Response {
    let headers = response.headers_mut();
    let fixed = |text: &'static str| HeaderValue::from_static(text);
    headers.insert(CONTENT_SECURITY_POLICY, fixed(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(X_FRAME_OPTIONS, fixed("DENY"));
    // Not "no-referrer": with it browsers post with `Origin: null`.
    headers.insert(REFERRER_POLICY, fixed("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin"));
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        fixed("camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    );
    if is_secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, fixed("max-age=31536000"));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, fixed("no-store"));
        headers.insert(VARY, fixed("Cookie, Accept, Accept-Language"));
    }
    response
}

/// Refuses a post that does not come from one of our own pages.
pub(super) fn check_origin(headers: &HeaderMap, public_url: &str) -> Result<(), Trouble> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("not text"));
    let origins = Origins {
        fetch_site: text(HeaderName::from_static("sec-fetch-site")),
        origin: text(ORIGIN),
        host: text(HOST),
        public_url,
    };
    if origins.are_ours() { Ok(()) } else { Err(Trouble::CrossSite) }
}
