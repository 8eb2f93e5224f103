//! One webhook: its switch and URL, the form to try it, its last calls.

use angelia_shared::event::WorkspaceChanged;
use angelia_shared::ids::WebhookId;
use maud::{Markup, html};

use super::webhooks::{Seen, outcome, seen, short, switch, switch_state};
use super::{Page, trying};
use crate::domain::console::seen::{Activation, Listed};
use crate::domain::console::trial::Trial;
use crate::domain::console::words as w;
use crate::domain::console::{figure, told};
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::{Visit, query_of};

/// Calls of a page: with the longest bodies it stays below 200 kB.
const SHOWN: usize = 50;
/// Characters of a call's body that the page shows.
const BODY_SHOWN: usize = 400;

/// What the form to try it was used for.
pub(in crate::shell::http::console) enum Tried {
    /// Only to see the call.
    Shown,
    /// Sent: the status and what the webhook said (the message's id, or the refusal).
    Sent(u16, String),
    /// The link was checked: what to say.
    Checked(Markup),
}

/// `…/webhooks/{h}`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged, id: &str) -> Result<Page, Trouble> {
    let trial = Trial { text: String::new(), ..Trial::default() };
    made(visit, workspace, id, &trial, None).await
}

/// The page after its form was used.
pub(in crate::shell::http::console) async fn tried(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    id: &str,
    trial: &Trial,
    tried: Tried,
) -> Result<Page, Trouble> {
    made(visit, workspace, id, trial, Some(tried)).await
}

async fn made(
    visit: &Visit,
    workspace: &WorkspaceChanged,
    id: &str,
    trial: &Trial,
    tried: Option<Tried>,
) -> Result<Page, Trouble> {
    let id: WebhookId = id.parse().map_err(|_| Trouble::NotFound)?;
    let id = id.to_string();
    let webhook =
        seen(visit, workspace).await?.into_iter().find(|webhook| webhook.id == id).ok_or(Trouble::NotFound)?;
    let path = format!("/workspaces/{}/webhooks/{id}/activations", workspace.id);
    let calls = visit.get::<Listed<Activation>>(&path).await.map(|listed| listed.items);
    let before = visit.query.text("before");
    let base = format!("/console/w/{}/webhooks", workspace.id);
    let title = visit.manner.with(w::WEBHOOK_N, &[("id", short(&id))]);
    let form = match &webhook.url {
        Some(url) => Some(trying::form(visit, workspace, &format!("{base}/{id}"), url, trial, tried.as_ref()).await?),
        None => None,
    };
    let main = html! {
        div .head {
            div { h1 { (title) " " (switch_state(visit, webhook.enabled)) }
                p .lead { (visit.t(w::CREATED)) " " (parts::time(&webhook.created_at)) } }
            div .actions { @if webhook.url.is_some() { (switch(visit, &base, &webhook)) } }
        }
        (address(visit, &base, &webhook))
        @if let Some(form) = form { (form) }
        section .card aria-labelledby="calls" {
            div .row {
                h2 #calls { (visit.t(w::ACTIVATIONS)) }
                span .space {}
                a .button href={ (base) "/" (id) "/activations.log" } download { (visit.t(w::DOWNLOAD_LOG)) }
            }
            p .hint { (visit.t(w::ACTIVATIONS_LEAD)) }
            @match &calls {
                Err(trouble) => p .notice.warning { (trouble.sentence(visit.manner)) },
                Ok(calls) if calls.is_empty() => (parts::empty(visit.manner, w::NO_ACTIVATIONS, w::NO_ACTIVATIONS_NEXT)),
                Ok(calls) => (listed(visit, workspace, &format!("{base}/{id}"), calls, before)),
            }
        }
    };
    let at = format!("{base}/{id}?{}", query_of(&[("before", before)]));
    Ok(Page { title, main, is_live: true, at: Some(at.trim_end_matches('?').to_owned()) })
}

/// The calls before one of them, or the newest; and the way to the older ones.
fn listed(visit: &Visit, workspace: &WorkspaceChanged, place: &str, calls: &[Activation], before: &str) -> Markup {
    let is_first = before.is_empty();
    let from =
        if is_first { 0 } else { calls.iter().position(|call| call.id == before).map_or(calls.len(), |at| at + 1) };
    let shown = &calls[from..calls.len().min(from + SHOWN)];
    let next = shown.last().filter(|_| from + shown.len() < calls.len()).map(|call| call.id.as_str());
    let older = |before| format!("{place}?{}#calls", query_of(&[("before", before)]));
    html! {
        @if shown.is_empty() { p .hint { (visit.t(w::OLDER_CALLS_GONE)) } }
        @else { ol .calls { @for call in shown { (one(visit, workspace, call)) } } }
        @if next.is_some() || !is_first {
            div .pager {
                @if !is_first { a .button href={ (place) "#calls" } { (visit.t(w::NEWEST_CALLS)) } }
                @if let Some(next) = next { a #older-calls .button href=(older(next)) { (visit.t(w::OLDER_CALLS)) } }
            }
        }
    }
}

fn address(visit: &Visit, base: &str, webhook: &Seen) -> Markup {
    let place = format!("{base}/{}", webhook.id);
    html! {
        section .card aria-labelledby="address" {
            h2 #address { (visit.t(w::URL)) }
            @match &webhook.url {
                None => p .hint { (visit.t(w::URL_HIDDEN)) },
                Some(url) => {
                    (parts::copied(visit.manner, url, visit.t(w::URL)))
                    p .hint { (visit.t(w::URL_SECRET)) }
                    @if let Some(until) = &webhook.previous_url_until {
                        p .notice.warning { (visit.t(w::OLD_URL_UNTIL)) " " (parts::time(until)) }
                    }
                    div .confirms {
                        (parts::confirmed(visit.t(w::NEW_URL), visit.t(w::NEW_URL_WARNING), &format!("{place}/rotate"), visit.t(w::MAKE_NEW_URL), grace(visit)))
                        (parts::confirmed(visit.t(w::REMOVE_WEBHOOK), visit.t(w::REMOVE_WEBHOOK_WARNING), &format!("{place}/remove"), visit.t(w::REMOVE_WEBHOOK), html! {}))
                    }
                }
            }
        }
    }
}

fn grace(visit: &Visit) -> Markup {
    let choices = [(0, w::GRACE_NONE), (3_600, w::GRACE_HOUR), (86_400, w::GRACE_DAY), (604_800, w::GRACE_WEEK)];
    html! {
        div .field {
            label for="grace" { (visit.t(w::GRACE)) }
            select #grace name="grace_s" { @for (seconds, text) in choices { option value=(seconds) { (visit.t(text)) } } }
        }
    }
}

fn one(visit: &Visit, workspace: &WorkspaceChanged, call: &Activation) -> Markup {
    html! {
        li #{ "call-" (call.id) } {
            div .row {
                (parts::time(&call.at))
                (outcome(visit, call.status))
                @if let Some(caller) = &call.caller { span .meta { (visit.t(w::CALLER)) " " bdi { (caller) } } }
                (body(visit, call))
                span .space {}
                @if let Some(id) = &call.message_id {
                    a href={ "/console/w/" (workspace.id) "/messages/" (id.trim_start_matches("wa_backend:")) } { code { (id.trim_start_matches("wa_backend:")) } }
                }
            }
            @if call.status != 200 {
                @if let Some(error) = &call.error { p .why { strong lang="en" { bdi { (error) } } } }
                p .hint { (visit.t(told::refusal(call.status))) }
            }
            @for warning in &call.warnings { p .hint { (visit.t(w::WARNINGS)) ": " bdi lang="en" { (warning) } } }
        }
    }
}

fn body(visit: &Visit, call: &Activation) -> Markup {
    html! {
        details {
            summary { (visit.t(if call.status == 200 { w::BODY_REBUILT } else { w::BODY })) }
            @match &call.body {
                Some(body) => pre tabindex="0" { code dir="auto" { (figure::beginning(body, BODY_SHOWN)) } },
                None => p .hint { (visit.t(w::BODY_GONE)) },
            }
        }
    }
}
