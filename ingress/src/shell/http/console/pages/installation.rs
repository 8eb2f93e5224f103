//! The installation, for its operator: services, workspaces, grants.

use std::sync::Arc;

use angelia_shared::event::WorkspaceChanged;
use angelia_shared::query::{self, AskAccounts, AskCredits};
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};

use super::{Page, services};
use crate::domain::console::words as w;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::Visit;

/// Workspaces of a page.
const SHOWN: usize = 50;
/// Workspaces asked for at once.
const ASKED_AT_ONCE: usize = 16;
/// How long the list waits for the figures of one.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// A workspace with what it has and what waits in it; none where no ledger answers.
struct Row {
    workspace: Arc<WorkspaceChanged>,
    available: Option<u64>,
    waiting: Option<u64>,
}

/// `/console/installation`, with the token of an owner who was just made.
pub(super) async fn page(visit: &Visit, new: Option<&str>) -> Result<Page, Trouble> {
    if !visit.is_operator() {
        return Err(Trouble::Forbidden);
    }
    let after: usize = visit.query.text("cursor").parse().unwrap_or(0);
    let (rows, has_more) = rows(visit, after).await;
    let services = services::shown(visit).await;
    let next = has_more.then(|| (after + SHOWN).to_string());
    let main = html! {
        (parts::head(visit.t(w::NAV_INSTALLATION), visit.t(w::INSTALLATION_LEAD), html! {}))
        @if let Some(new) = new {
            div #new-token .notice data-keep { p { (visit.t(w::WORKSPACE_MADE)) } (parts::copied(visit.manner, new, visit.t(w::TOKEN))) }
        }
        (services)
        section .card aria-labelledby="workspaces" {
            h2 #workspaces { (visit.t(w::WORKSPACES)) }
            @if rows.is_empty() { p .hint { (visit.t(w::NO_WORKSPACES)) } }
            @else { (table(visit, &rows)) }
            (parts::pager(visit.manner, "/console/installation", &[], next.as_deref(), after == 0))
        }
        section .card aria-labelledby="new" {
            h2 #new { (visit.t(w::NEW_WORKSPACE)) }
            form .grid method="post" action="/console/installation/workspaces" {
                (parts::Field { name: "name", label: visit.t(w::NAME), value: "", kind: "text", hint: "", required: true }.shown("new"))
                div .buttons.wide { button .primary type="submit" { (visit.t(w::MAKE)) } }
            }
        }
    };
    let at = Some("/console/installation".to_owned()).filter(|_| new.is_some());
    Ok(Page { title: visit.t(w::NAV_INSTALLATION).to_owned(), main, is_live: new.is_none(), at })
}

/// The page with the token of an owner who was just made.
pub(in crate::shell::http::console) async fn with_owner_token(visit: &Visit, token: &str) -> Result<Page, Trouble> {
    page(visit, Some(token)).await
}

async fn rows(visit: &Visit, after: usize) -> (Vec<Row>, bool) {
    let workspaces: Vec<Arc<WorkspaceChanged>> = {
        let directory = visit.console.app.directory.read();
        let all = directory.workspaces();
        // The newest first: those are looked for.
        all.iter().rev().skip(after).take(SHOWN + 1).map(|workspace| Arc::clone(&workspace.state)).collect()
    };
    let has_more = workspaces.len() > SHOWN;
    let client = visit.console.app.log.client();
    let rows = stream::iter(workspaces.into_iter().take(SHOWN)).map(|workspace| async move {
        let id = workspace.id;
        let both = async {
            tokio::join!(
                query::ask(client, AskCredits { workspace: id }, 0),
                query::ask(client, AskAccounts { workspace: id }, 0)
            )
        };
        let (credits, queues) = match tokio::time::timeout(PATIENCE, both).await {
            Ok((credits, queues)) => (credits.ok(), queues.ok()),
            Err(_) => (None, None),
        };
        Row {
            workspace,
            available: credits.map(|(credits, _)| credits.available.0),
            waiting: queues.map(|(queues, _)| queues.iter().map(|queue| queue.queued).sum()),
        }
    });
    (rows.buffered(ASKED_AT_ONCE).collect().await, has_more)
}

fn table(visit: &Visit, rows: &[Row]) -> Markup {
    let number = |value: Option<u64>| value.map_or_else(|| "—".to_owned(), |value| visit.manner.number(value));
    html! {
        ul .plain {
            @for row in rows {
                @let id = row.workspace.id;
                li #{ "workspace-" (id) } {
                    div .row {
                        strong { bdi { (row.workspace.name) } }
                        code .meta { (id) }
                        span .space {}
                        span { (visit.t(w::AVAILABLE)) " " strong { (number(row.available)) } }
                        span { (visit.t(w::WAITING)) " " strong { (number(row.waiting)) } }
                        a href={ "/console/w/" (id) "/messages" } { (visit.t(w::NAV_MESSAGES)) }
                        a href={ "/console/w/" (id) "/credits" } { (visit.t(w::NAV_CREDITS)) }
                        a href={ "/console/w/" (id) "/audit" } { (visit.t(w::NAV_AUDIT)) }
                        (grant(visit, row))
                    }
                }
            }
        }
    }
}

fn grant(visit: &Visit, row: &Row) -> Markup {
    let id = row.workspace.id;
    html! {
        details .confirm {
            summary { (visit.t(w::GRANT)) }
            form .grid method="post" action={ "/console/installation/" (id) "/grant" } {
                (parts::Field { name: "credits", label: visit.t(w::GRANT_CREDITS), value: "", kind: "number", hint: "", required: true }.shown(&format!("grant-{id}")))
                (parts::Field { name: "reason", label: visit.t(w::GRANT_REASON), value: "", kind: "text", hint: visit.t(w::GRANT_REASON_HINT), required: true }.shown(&format!("grant-{id}")))
                div .buttons.wide { button .primary type="submit" { (visit.t(w::GRANT)) } }
            }
        }
    }
}
