//! A visit: whose, in which language and colours, to which place of the console.

use std::sync::Arc;

use angelia_shared::event::WorkspaceChanged;
use angelia_shared::event::directory::Role;
use angelia_shared::ids::WorkspaceId;
use axum::response::Response;
use http::HeaderValue;
use http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use http::request::Parts as Head;

use super::form::Form;
use super::trouble::Trouble;
use super::{Console, frame, sessions};
use crate::domain::access::{Allows, Principal, decide};
use crate::domain::console::language::Language;
use crate::domain::console::words::Text;
use crate::domain::console::{figure, post, session};
use crate::shell::http::api::allowed;
use crate::shell::http::texts;

const LANGUAGE_COOKIE: &str = "angelia_language";
const THEME_COOKIE: &str = "angelia_theme";
/// How long a choice of language or colours is kept: a year.
const CHOICE_LASTS_S: u64 = 31_536_000;

/// The language and colours of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// The language.
    pub(super) language: Language,
    /// The colours.
    pub(super) theme: Theme,
}

/// The colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Theme {
    /// As the system has them.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// Its name in cookies and stylesheets.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::Light, Self::Dark].into_iter().find(|theme| theme.name() == name)
    }
}

impl Manner {
    /// What a request asks for: what was chosen here, or what the browser says.
    pub(super) fn of(head: &Head) -> Self {
        let cookie = |name| texts(&head.headers, COOKIE.as_str()).find_map(|header| session::cookie(header, name));
        let accepted = || texts(&head.headers, ACCEPT_LANGUAGE.as_str()).next().map(Language::accepted);
        let language = cookie(LANGUAGE_COOKIE).and_then(Language::from_code).or_else(accepted).unwrap_or_default();
        Self { language, theme: cookie(THEME_COOKIE).and_then(Theme::from_name).unwrap_or_default() }
    }

    /// A text in this language.
    pub(super) fn t(self, text: Text) -> &'static str {
        text.of(self.language)
    }

    /// A text with values.
    pub(super) fn with(self, text: Text, values: &[(&str, &str)]) -> String {
        text.with(self.language, values)
    }

    /// A number.
    pub(super) fn number(self, number: u64) -> String {
        figure::number(self.language, number)
    }

    /// A span of time.
    pub(super) fn span(self, ms: u64) -> String {
        figure::span(self.language, ms)
    }
}

/// Keeps a choice of language and colours, and goes back.
pub(super) fn set_manner(form: &Form, is_secure: bool) -> Response {
    let mut response = frame::redirect(post::way_back(form.given("back")));
    let language = Language::from_code(form.text("language")).map(|language| (LANGUAGE_COOKIE, language.code()));
    let theme = Theme::from_name(form.text("theme")).map(|theme| (THEME_COOKIE, theme.name()));
    let secure = if is_secure { "; Secure" } else { "" };
    for (name, value) in [language, theme].into_iter().flatten() {
        let cookie = format!("{name}={value}; Path=/console; Max-Age={CHOICE_LASTS_S}; SameSite=Lax{secure}");
        response.headers_mut().append(SET_COOKIE, HeaderValue::try_from(cookie).expect("our own words"));
    }
    response
}

/// The parts of a path behind `/console`, decoded.
pub(super) fn segments(path: &str) -> Vec<String> {
    let rest = path.strip_prefix("/console").unwrap_or_default();
    rest.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
}

fn decoded(part: &str) -> String {
    // A plus is a plus in a path.
    let part = part.replace('+', "%2B");
    url::form_urlencoded::parse(part.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

/// A text as one part of a path.
pub(super) fn encoded(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Names and values as a query; those that are empty are left out.
pub(super) fn query_of(values: &[(&str, &str)]) -> String {
    let given = values.iter().filter(|(_, value)| !value.is_empty());
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

/// A visit of somebody who is signed in.
pub(super) struct Visit {
    /// The console.
    pub(super) console: Arc<Console>,
    /// Language and colours.
    pub(super) manner: Manner,
    /// The session's token.
    pub(super) token: String,
    /// Whose it is.
    pub(super) who: Principal,
    /// The place with its query.
    pub(super) place: String,
    /// The query.
    pub(super) query: Form,
}

impl Visit {
    /// The visit that a request is, if its session is good.
    pub(super) fn of(console: &Arc<Console>, head: &Head, manner: Manner) -> Result<Self, Trouble> {
        let session = sessions::of(&console.app, &head.headers).ok_or(Trouble::SignedOut)?;
        if !console.app.directory.is_complete() {
            return Err(Trouble::Unavailable("the directory is still being read".to_owned()));
        }
        let who = allowed::principal_of(&console.app, &session.token).map_err(|_| Trouble::SignedOut)?;
        let place = head.uri.path_and_query().map_or("/console", |place| place.as_str()).to_owned();
        let query = Form::of_query(head.uri.query().unwrap_or_default());
        Ok(Self { console: Arc::clone(console), manner, token: session.token, who, place, query })
    }

    /// Its first page.
    pub(super) fn home(&self) -> String {
        sessions::home(self.who)
    }

    /// A text in its language.
    pub(super) fn t(&self, text: Text) -> &'static str {
        self.manner.t(text)
    }

    /// Whether it may change things of a workspace.
    pub(super) fn owns(&self, workspace: WorkspaceId) -> bool {
        decide(self.who, Allows::Owner, Some(workspace)).is_ok()
    }

    /// Whether it is the operator's.
    pub(super) fn is_operator(&self) -> bool {
        self.who == Principal::Operator
    }

    /// What the visitor is.
    pub(super) fn role(&self) -> Option<Role> {
        match self.who {
            Principal::Operator => None,
            Principal::Member { role, .. } => Some(role),
        }
    }

    /// The workspace of a place, for whoever may read there.
    pub(super) fn workspace(&self, id: &str) -> Result<Arc<WorkspaceChanged>, Trouble> {
        let id: WorkspaceId = id.parse().map_err(|_| Trouble::NotFound)?;
        decide(self.who, Allows::Everyone, Some(id)).map_err(|_| Trouble::NotFound)?;
        let directory = self.console.app.directory.read();
        let found = directory.workspace(id).map(|workspace| Arc::clone(&workspace.state));
        found.ok_or(Trouble::NotFound)
    }

    /// Refuses whoever may only read.
    pub(super) fn must_own(&self, workspace: WorkspaceId) -> Result<(), Trouble> {
        if self.owns(workspace) { Ok(()) } else { Err(Trouble::Forbidden) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_reads_back() {
        for part in ["chat-1", "a b", "+30", "α/β", "..", "%2F"] {
            assert_eq!(segments(&format!("/console/w/{}", encoded(part))), ["w", part], "{part}");
        }
        assert!(segments("/console").is_empty());
        assert!(segments("/console/").is_empty());
    }
}
