//! What a session is: a token, and until when. It lives in a sealed cookie and nowhere else, so any replica takes it.
//!
//! Not here: sealing (see `shell/http/console/sessions.rs`), what the token may do, and whether it was revoked (each page
//! asks anew).

use angelia_shared::units::UnixMillis;
use serde::{Deserialize, Serialize};

/// How long a session lasts: a long day's work.
pub(crate) const LASTS_S: u64 = 12 * 3_600;
/// Longest token that is worth a look: ours have 64 characters, an operator may choose another one.
pub(crate) const TOKEN_CHARS_MAX: usize = 512;

/// A session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Version of this form.
    v: u8,
    /// The token that it was begun with. Sealed wherever it leaves the process.
    pub(crate) token: String,
    /// When it is over.
    pub(crate) until: UnixMillis,
}

impl Session {
    /// A session that begins now.
    pub(crate) fn begin(token: String, now: UnixMillis) -> Self {
        Self { v: 1, token, until: now.plus_ms(LASTS_S * 1_000) }
    }

    /// Reads what was sealed. What is over, or of another form, is none.
    pub(crate) fn read(plain: &[u8], now: UnixMillis) -> Option<Self> {
        let session: Self = serde_json::from_slice(plain).ok()?;
        (session.v == 1 && now < session.until).then_some(session)
    }
}

/// The value of a cookie in a `Cookie` header. The first of that name counts.
pub(crate) fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_over_when_its_time_has_come() {
        let begun = Session::begin("secret".to_owned(), UnixMillis(0));
        let plain = serde_json::to_vec(&begun).expect("plain values");
        let last = UnixMillis(LASTS_S as i64 * 1_000 - 1);
        assert_eq!(Session::read(&plain, last).map(|session| session.token), Some("secret".to_owned()));
        assert!(Session::read(&plain, last.plus_ms(1)).is_none());
        assert!(Session::read(b"{}", UnixMillis(0)).is_none());
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let header = "theme=dark; angelia_session=abc=; x=1";
        assert_eq!(cookie(header, "angelia_session"), Some("abc="));
        assert_eq!(cookie(header, "session"), None);
        assert_eq!(cookie("", "x"), None);
    }
}
