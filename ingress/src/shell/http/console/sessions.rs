//! Signing in and out. A session is a sealed cookie: any replica opens it with the master key, and none remembers it.
//!
//! Invariants:
//! - The cookie is `HttpOnly` and `SameSite=Strict`, and `Secure` where users come over TLS.
//! - A token that is revoked ends its sessions with the next question, since every page asks with the token itself.

use std::sync::Arc;

use angelia_shared::clock;
use angelia_shared::vault::Secret;
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use maud::html;

use super::form::Form;
use super::trouble::Trouble;
use super::visit::Manner;
use super::{Console, frame, guard};
use crate::domain::access::Principal;
use crate::domain::console::post;
use crate::domain::console::session::{self, Session};
use crate::domain::console::words as w;
use crate::shell::http::api::allowed;
use crate::shell::http::{Parts, texts};

const COOKIE_NAME: &str = "angelia_session";
/// What the sealed session is bound to: no other secret of the installation opens as one.
const OWNER: &[u8] = b"console session";

/// The session of a request; none when there is none, or it is over.
pub(super) fn of(app: &Parts, headers: &HeaderMap) -> Option<Session> {
    let sealed = texts(headers, COOKIE.as_str()).find_map(|header| session::cookie(header, COOKIE_NAME))?;
    // The form that secrets have where they are stored is their text.
    let sealed: Secret = serde_json::from_value(sealed.into()).ok()?;
    let plain = app.vault.master().open(OWNER, &sealed).ok()?;
    Session::read(&plain, clock::now())
}

/// Signs in with a token.
pub(super) fn begin(console: &Arc<Console>, manner: Manner, form: &Form) -> Result<Response, Trouble> {
    let token = form.text("token");
    let app = &console.app;
    if token.is_empty() || token.chars().nth(session::TOKEN_CHARS_MAX).is_some() {
        return Ok(page(manner, None, Some(w::TOKEN_WRONG)));
    }
    let who = match allowed::principal_of(app, token) {
        Ok(who) => who,
        Err(_) if app.directory.is_complete() => return Ok(page(manner, None, Some(w::TOKEN_WRONG))),
        Err(_) => return Err(Trouble::Unavailable("the directory is still being read".to_owned())),
    };
    let plain = serde_json::to_vec(&Session::begin(token.to_owned(), clock::now())).expect("plain values");
    let sealed = serde_json::to_value(app.vault.master().seal(OWNER, &plain)).expect("a secret is text");
    let back = match post::way_back(form.given("back")) {
        "/console" => home(who),
        back => back.to_owned(),
    };
    let mut response = frame::redirect(&back);
    set_cookie(&mut response, sealed.as_str().unwrap_or_default(), session::LASTS_S, &app.public_url);
    Ok(response)
}

/// Signs out.
pub(super) fn end(public_url: &str) -> Response {
    let mut response = frame::redirect("/console/sign-in?done=signed-out");
    set_cookie(&mut response, "", 0, public_url);
    response
}

fn set_cookie(response: &mut Response, value: &str, lasts_s: u64, public_url: &str) {
    let secure = if guard::is_secure(public_url) { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={value}; Path=/console; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).expect("base 64 and our own words");
    response.headers_mut().append(SET_COOKIE, cookie);
}

/// The first page of whoever signs in.
pub(super) fn home(who: Principal) -> String {
    match who {
        Principal::Operator => "/console/installation".to_owned(),
        Principal::Member { workspace, .. } => format!("/console/w/{workspace}/webhooks"),
    }
}

/// The page to sign in.
pub(super) fn page(manner: Manner, query: Option<&str>, wrong: Option<w::Text>) -> Response {
    let query = Form::of_query(query.unwrap_or_default());
    let said = match query.text("done") {
        "signed-out" => Some(w::SIGNED_OUT),
        "over" => Some(w::SESSION_OVER),
        _ => None,
    };
    let body = html! {
        main #main .sign-in {
            div .card {
                div .brand { span .mark aria-hidden="true" { "A" } span { "Angelia" } }
                h1 { (manner.t(w::SIGN_IN)) }
                p .lead { (manner.t(w::SIGN_IN_LEAD)) }
                @if let Some(said) = said { p .notice role="status" { (manner.t(said)) } }
                form method="post" action="/console/sign-in" {
                    @if let Some(back) = query.given("back") { input type="hidden" name="back" value=(back); }
                    // So that a browser that keeps passwords knows what this one belongs to.
                    input type="text" name="username" autocomplete="username" value="Angelia" hidden;
                    label for="token" { (manner.t(w::TOKEN)) }
                    input #token name="token" type="password" required autofocus autocomplete="current-password"
                        spellcheck="false" aria-describedby="token-hint" aria-invalid=[wrong.map(|_| "true")];
                    p #token-hint .hint { (manner.t(w::SIGN_IN_WHERE)) }
                    @if let Some(wrong) = wrong { p .notice.bad role="alert" { (manner.t(wrong)) } }
                    button .primary type="submit" { (manner.t(w::SIGN_IN)) }
                }
            }
            (frame::preferences(manner, "/console/sign-in"))
        }
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    frame::document(manner, manner.t(w::SIGN_IN), body, status)
}
