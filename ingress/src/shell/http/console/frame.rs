//! The frame around every page: head, menu, preferences, notices.

use angelia_shared::event::WorkspaceChanged;
use angelia_shared::event::directory::Role;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::pages::Page;
use super::visit::{Manner, Theme, Visit};
use crate::domain::console::language::Language;
use crate::domain::console::words::{self as w, Text};

/// What was done, by the code in a page's address.
const DONE: &[(&str, Text)] = &[
    ("saved", w::SAVED),
    ("webhook-made", w::WEBHOOK_MADE),
    ("on", w::SWITCHED_ON),
    ("off", w::SWITCHED_OFF),
    ("url-changed", w::URL_CHANGED),
    ("webhook-removed", w::WEBHOOK_REMOVED),
    ("cancel-asked", w::CANCEL_ASKED),
    ("chat-saved", w::CHAT_SAVED),
    ("chat-removed", w::CHAT_REMOVED),
    ("account-added", w::ACCOUNT_ADDED),
    ("connected", w::CONNECTED_DONE),
    ("disconnected", w::DISCONNECTED_DONE),
    ("paused", w::PAUSED_DONE),
    ("purged", w::PURGED),
    ("account-removed", w::ACCOUNT_REMOVED),
    ("pace-saved", w::PACE_SAVED),
    ("settings-saved", w::SETTINGS_SAVED),
    ("revoked", w::REVOKED),
    ("granted", w::GRANTED),
];

/// Sends the browser on with a GET.
pub(super) fn redirect(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/console"));
    response.headers_mut().insert(LOCATION, to);
    response
}

/// A whole document.
pub(super) fn document(manner: Manner, title: &str, body: Markup, status: StatusCode) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang=(manner.language.code()) data-theme=(manner.theme.name()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Angelia" }
                link rel="icon" href=(assets::ICON.path());
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::SCRIPT.path()) defer {}
            }
            body data-copied=(manner.t(w::COPIED)) data-lost=(manner.t(w::LIVE_LOST)) data-now=(manner.t(w::NOW))
                data-in=(manner.t(w::IN_TIME)) data-old=(manner.t(w::FIGURES_OLD)) data-full=(manner.t(w::TOO_MANY_LIVE)) {
                a .skip href="#main" { (manner.t(w::SKIP_TO_CONTENT)) }
                (body)
                div #said .visually-hidden role="status" aria-live="polite" {}
            }
        }
    };
    let mut response = Response::new(Body::from(page.into_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// A page within its frame.
pub(super) async fn whole(visit: &Visit, page: Page, status: StatusCode) -> Response {
    whole_with(visit, page, status, None).await
}

/// A page within its frame, with what went wrong before it.
pub(super) async fn whole_with(visit: &Visit, page: Page, status: StatusCode, alert: Option<&str>) -> Response {
    let segments = super::visit::segments(visit.place.split('?').next().unwrap_or_default());
    let workspace = match segments.first().map(String::as_str) {
        Some("w") => segments.get(1).and_then(|id| visit.workspace(id).ok()),
        _ => None,
    };
    let section = segments.get(2).or(segments.first()).map_or("", String::as_str);
    let done = DONE.iter().find(|(code, _)| *code == visit.query.text("done")).map(|(_, text)| *text);
    let balance = match &workspace {
        Some(workspace) => visit.balance_shown(workspace.id).await,
        None => None,
    };
    let body = html! {
        header .top {
            a .brand href="/console" { span .mark aria-hidden="true" { "A" } span { "Angelia" } }
            @if let Some(workspace) = &workspace {
                span .where { span .visually-hidden { (visit.t(w::WORKSPACE)) ": " } bdi { (workspace.name) } }
            }
            span .space {}
            @if let Some(balance) = balance {
                a .chip href={ "/console/w/" (workspace.as_ref().map(|it| it.id.to_string()).unwrap_or_default()) "/credits" } {
                    (visit.manner.with(w::AVAILABLE_SHORT, &[("n", &balance)]))
                }
            }
            (menu_of_visitor(visit))
        }
        div .shell {
            nav .menu aria-label=(visit.t(w::MAIN_MENU)) { (menu(visit, workspace.as_deref(), section)) }
            main #main tabindex="-1" {
                div #notices {
                    @if let Some(alert) = alert { p .notice.bad role="alert" { strong { (visit.t(w::NOT_DONE)) ". " } span lang="en" { (alert) } } }
                    @else if let Some(done) = done { p .notice role="status" { (visit.t(done)) } }
                    p #stale .notice.warning hidden role="status" {}
                }
                div #live data-live=[page.is_live.then_some(page.at.as_ref().unwrap_or(&visit.place))] { (page.main) }
            }
        }
    };
    document(visit.manner, &page.title, body, status)
}

fn menu(visit: &Visit, workspace: Option<&WorkspaceChanged>, section: &str) -> Markup {
    let mut links: Vec<(String, Text, bool)> = Vec::new();
    if visit.is_operator() {
        links.push(("/console/installation".to_owned(), w::NAV_INSTALLATION, section == "installation"));
    }
    if let Some(workspace) = workspace {
        let (id, owns) = (workspace.id, visit.owns(workspace.id));
        let all = [
            ("webhooks", w::NAV_WEBHOOKS, true),
            ("messages", w::NAV_MESSAGES, true),
            ("chats", w::NAV_CHATS, owns),
            ("accounts", w::NAV_ACCOUNTS, owns),
            ("credits", w::NAV_CREDITS, true),
            ("audit", w::NAV_AUDIT, true),
            ("access", w::NAV_ACCESS, owns),
        ];
        for (name, text, _) in all.into_iter().filter(|(_, _, is_shown)| *is_shown) {
            links.push((format!("/console/w/{id}/{name}"), text, section == name));
        }
    }
    html! {
        ul {
            @for (to, text, is_here) in &links {
                li { a href=(to) aria-current=[is_here.then_some("page")] { (visit.t(*text)) } }
            }
        }
    }
}

fn menu_of_visitor(visit: &Visit) -> Markup {
    let role = match visit.role() {
        None => w::OPERATOR,
        Some(Role::Owner) => w::OWNER,
        Some(Role::Auditor) => w::AUDITOR,
    };
    html! {
        details .popup {
            summary { span .role { (visit.t(role)) } }
            div .sheet {
                @if visit.role() == Some(Role::Auditor) { p .hint { (visit.t(w::READ_ONLY)) } }
                (preferences(visit.manner, &visit.place))
                form method="post" action="/console/sign-out" { button .wide type="submit" { (visit.t(w::SIGN_OUT)) } }
            }
        }
    }
}

/// The form of language and colours.
pub(super) fn preferences(manner: Manner, back: &str) -> Markup {
    let themes = [(Theme::Auto, w::THEME_AUTO), (Theme::Light, w::THEME_LIGHT), (Theme::Dark, w::THEME_DARK)];
    html! {
        form .preferences method="post" action="/console/look" aria-label=(manner.t(w::PREFERENCES)) {
            input type="hidden" name="back" value=(back);
            label { span { (manner.t(w::LANGUAGE)) }
                select name="language" {
                    @for language in Language::ALL {
                        option value=(language.code()) lang=(language.code()) selected[language == manner.language] { (language.name()) }
                    }
                }
            }
            label { span { (manner.t(w::THEME)) }
                select name="theme" {
                    @for (theme, text) in themes {
                        option value=(theme.name()) selected[theme == manner.theme] { (manner.t(text)) }
                    }
                }
            }
            button type="submit" { (manner.t(w::APPLY)) }
        }
    }
}
