//! The accounts of a workspace, and the form to add one.

use angelia_shared::event::WorkspaceChanged;
use maud::{Markup, html};

use super::Page;
use crate::domain::console::figure;
use crate::domain::console::seen::{Account, Listed};
use crate::domain::console::words as w;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::{Visit, query_of};

/// `…/accounts`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Page, Trouble> {
    visit.must_own(workspace.id)?;
    let cursor = visit.query.text("cursor");
    let query = query_of(&[("limit", "50"), ("cursor", cursor)]);
    let path = format!("/workspaces/{}/accounts?{query}", workspace.id);
    let listed: Listed<Account> = visit.get(&path).await?;
    let base = format!("/console/w/{}/accounts", workspace.id);
    let add = html! { a .button.primary href={ (base) "/new" } { (visit.t(w::ADD_ACCOUNT)) } };
    let main = html! {
        (parts::head(visit.t(w::NAV_ACCOUNTS), visit.t(w::ACCOUNTS_LEAD), add))
        @if listed.items.is_empty() { (parts::empty(visit.manner, w::NO_ACCOUNTS, w::NO_ACCOUNTS_NEXT)) }
        @else { ul .cards { @for account in &listed.items { (card(visit, &base, account)) } } }
        (parts::pager(visit.manner, &base, &[], listed.next_cursor.as_deref(), cursor.is_empty()))
    };
    Ok(Page::live(visit.t(w::NAV_ACCOUNTS), main))
}

fn card(visit: &Visit, base: &str, account: &Account) -> Markup {
    html! {
        li .card #{ "account-" (account.id) } {
            div .row {
                h2 { a href={ (base) "/" (account.id) } dir="ltr" { (account.phone) } }
                (parts::account_state(visit.manner, &account.state))
                span .space {}
                (connection(visit, base, account))
            }
            (figures(visit, account))
            @if let Some(reason) = &account.state_reason { p .hint lang="en" { (reason) } }
        }
    }
}

/// Queue, next send, pace.
pub(super) fn figures(visit: &Visit, account: &Account) -> Markup {
    let (low, high) = account.pace.gap_ms;
    html! {
        dl .figures {
            (parts::pair(visit.t(w::QUEUE), html! { @match account.queued { Some(queued) => (visit.manner.number(queued)), None => (visit.t(w::NOT_KNOWN)) } }))
            (parts::pair(visit.t(w::NEXT_SEND), html! {
                @match (&account.next_send_at, account.queued) {
                    (Some(at), _) => (parts::until(at)),
                    (None, Some(0)) => (visit.t(w::NOTHING_WAITS)),
                    (None, Some(_)) => (visit.t(w::HELD_OPEN_END)),
                    (None, None) => (visit.t(w::NOT_KNOWN)),
                }
            }))
            (parts::pair(visit.t(w::PACE), html! { (figure::seconds(low)) "–" (figure::seconds(high)) " " (visit.t(w::UNIT_SECONDS)) }))
        }
    }
}

/// Connect or disconnect.
pub(super) fn connection(visit: &Visit, base: &str, account: &Account) -> Markup {
    let (text, to) = match account.state.as_str() {
        "connected" => (w::PAUSE, "pause"),
        _ => (w::CONNECT, "connect"),
    };
    html! { form method="post" action={ (base) "/" (account.id) "/" (to) } { button type="submit" { (visit.t(text)) } } }
}

/// `…/accounts/new`.
pub(super) fn new(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Page, Trouble> {
    visit.must_own(workspace.id)?;
    let text = |name, label, hint, kind, required| parts::Field {
        name,
        label: visit.t(label),
        value: "",
        kind,
        hint,
        required,
    };
    let main = html! {
        (parts::head(visit.t(w::ADD_ACCOUNT), visit.t(w::SETTINGS_LEAD), html! {}))
        section .card aria-label=(visit.t(w::ADD_ACCOUNT)) {
            form .grid method="post" action={ "/console/w/" (workspace.id) "/accounts" } {
                (text("phone", w::PHONE, visit.t(w::RECIPIENT_HINT), "tel", true).shown("new"))
                (text("phone_number_id", w::PHONE_NUMBER_ID, "", "text", true).shown("new"))
                (text("access_token", w::ACCESS_TOKEN, "", "password", true).shown("new"))
                (text("app_secret", w::APP_SECRET, "", "password", true).shown("new"))
                (text("verify_token", w::VERIFY_TOKEN, "", "password", true).shown("new"))
                (text("base_url", w::BASE_URL, "https://graph.facebook.com", "url", false).shown("new"))
                div .buttons.wide { button .primary type="submit" { (visit.t(w::ADD_ACCOUNT)) } }
            }
        }
    };
    Ok(Page::still(visit.t(w::ADD_ACCOUNT), main))
}
