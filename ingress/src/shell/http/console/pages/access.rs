//! Access: tokens of the workspace, and its own settings.

use angelia_shared::event::WorkspaceChanged;
use angelia_shared::event::message::UnknownPolicy;
use maud::{Markup, html};

use super::Page;
use crate::domain::console::seen::{Listed, Token};
use crate::domain::console::words as w;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::Visit;

/// `…/access`, with a token that was just made.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged, new: Option<&str>) -> Result<Page, Trouble> {
    visit.must_own(workspace.id)?;
    let tokens: Listed<Token> = visit.get(&format!("/workspaces/{}/tokens?limit=200", workspace.id)).await?;
    let base = format!("/console/w/{}/access", workspace.id);
    let main = html! {
        (parts::head(visit.t(w::NAV_ACCESS), visit.t(w::ACCESS_LEAD), html! {}))
        @if let Some(new) = new {
            div #new-token .notice data-keep { p { (visit.t(w::NEW_TOKEN_IS)) } (parts::copied(visit.manner, new, visit.t(w::TOKEN))) }
        }
        section .card aria-labelledby="tokens" {
            h2 #tokens { (visit.t(w::TOKENS)) }
            ul .plain { @for token in &tokens.items { (one(visit, &base, token)) } }
        }
        section .card aria-labelledby="new" {
            h2 #new { (visit.t(w::NEW_TOKEN)) }
            form .grid method="post" action={ (base) "/tokens" } {
                (parts::Field { name: "label", label: visit.t(w::LABEL), value: "", kind: "text", hint: visit.t(w::LABEL_HINT), required: false }.shown("token"))
                div .field {
                    label for="token-role" { (visit.t(w::ROLE)) }
                    select #token-role name="role" {
                        option value="owner" { (visit.t(w::OWNER)) ": " (visit.t(w::ROLE_OWNER_HINT)) }
                        option value="auditor" { (visit.t(w::AUDITOR)) ": " (visit.t(w::ROLE_AUDITOR_HINT)) }
                    }
                }
                div .buttons.wide { button .primary type="submit" { (visit.t(w::NEW_TOKEN)) } }
            }
        }
        section .card aria-labelledby="workspace" {
            h2 #workspace { (visit.t(w::WORKSPACE_SETTINGS)) }
            (settings(visit, &base, workspace))
        }
    };
    let at = Some(base);
    Ok(Page { title: visit.t(w::NAV_ACCESS).to_owned(), main, is_live: new.is_none(), at })
}

/// The page with a token that was just made.
pub(in crate::shell::http::console) async fn with_token(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    token: &str,
) -> Result<Page, Trouble> {
    page(visit, workspace, Some(token)).await
}

fn one(visit: &Visit, base: &str, token: &Token) -> Markup {
    let role = if token.role == "owner" { w::OWNER } else { w::AUDITOR };
    html! {
        li #{ "token-" (token.id) } {
            div .row {
                strong { bdi { @if token.label.is_empty() { "—" } @else { (token.label) } } }
                span .badge.plain { (visit.t(role)) }
                span .meta { (visit.t(w::CREATED)) " " (parts::time(&token.created_at)) }
                span .space {}
                (parts::confirmed(visit.t(w::REVOKE), visit.t(w::REVOKE_WARNING), &format!("{base}/tokens/{}/revoke", token.id), visit.t(w::REVOKE), html! {}))
            }
        }
    }
}

fn settings(visit: &Visit, base: &str, workspace: &WorkspaceChanged) -> Markup {
    let low = workspace.low_balance.map_or(0, |credits| credits.0).to_string();
    let policies =
        [(UnknownPolicy::Refund, "refund", w::POLICY_REFUND), (UnknownPolicy::Charge, "charge", w::POLICY_CHARGE)];
    html! {
        form .grid data-keep method="post" action={ (base) "/workspace" } {
            (parts::Field { name: "name", label: visit.t(w::NAME), value: &workspace.name, kind: "text", hint: "", required: true }.shown("ws"))
            (parts::Field { name: "low_balance", label: visit.t(w::LOW_BALANCE), value: &low, kind: "number", hint: "", required: true }.shown("ws"))
            div .field {
                label for="ws-policy" { (visit.t(w::UNKNOWN_POLICY)) }
                select #ws-policy name="unknown_policy" {
                    @for (policy, code, text) in policies { option value=(code) selected[policy == workspace.unknown_policy] { (visit.t(text)) } }
                }
            }
            div .buttons.wide { button .primary type="submit" { (visit.t(w::SAVE)) } }
        }
    }
}
