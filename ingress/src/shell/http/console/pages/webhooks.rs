//! The webhooks of a workspace.

use angelia_shared::event::WorkspaceChanged;
use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};

use super::Page;
use crate::domain::console::seen::{Activation, Listed, Webhook};
use crate::domain::console::words as w;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::Visit;

/// Webhooks whose last call is asked for at once.
const ASKED_AT_ONCE: usize = 8;

/// A webhook as a visitor may see it: auditors read its calls and not its URL.
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) enabled: bool,
    pub(super) created_at: String,
    pub(super) url: Option<String>,
    pub(super) previous_url_until: Option<String>,
}

impl From<Webhook> for Seen {
    fn from(webhook: Webhook) -> Self {
        let Webhook { id, url, enabled, created_at, previous_url_until } = webhook;
        Self { id, enabled, created_at, url: Some(url), previous_url_until }
    }
}

/// The webhooks that a visitor sees.
pub(super) async fn seen(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Vec<Seen>, Trouble> {
    if visit.owns(workspace.id) {
        let listed: Listed<Webhook> = visit.get(&format!("/workspaces/{}/webhooks?limit=100", workspace.id)).await?;
        return Ok(listed.items.into_iter().map(Seen::from).collect());
    }
    // Whoever may read the calls of every webhook must know which there are.
    let directory = visit.console.app.directory.read();
    let one = |webhook: &angelia_shared::directory::Versioned<angelia_shared::event::WebhookChanged>| Seen {
        id: webhook.state.id.to_string(),
        enabled: webhook.state.enabled,
        created_at: webhook.state.created_at.to_rfc3339(),
        url: None,
        previous_url_until: None,
    };
    Ok(directory.webhooks_of(workspace.id).into_iter().map(one).collect())
}

/// `…/webhooks`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Page, Trouble> {
    let webhooks = seen(visit, workspace).await?;
    let base = format!("/console/w/{}/webhooks", workspace.id);
    let paths: Vec<String> = webhooks
        .iter()
        .map(|webhook| format!("/workspaces/{}/webhooks/{}/activations?limit=1", workspace.id, webhook.id))
        .collect();
    // The list is worth showing without them.
    let last = stream::iter(paths).map(|path| async move { visit.get::<Listed<Activation>>(&path).await.ok() });
    let last: Vec<_> = last.buffered(ASKED_AT_ONCE).collect().await;
    let last = last.into_iter().map(|listed| listed.and_then(|listed| listed.items.into_iter().next()));
    let rows: Vec<Markup> = webhooks.iter().zip(last).map(|(webhook, last)| row(visit, &base, webhook, last)).collect();
    let make = html! {
        @if visit.owns(workspace.id) {
            form method="post" action=(base) { button .primary type="submit" { (visit.t(w::NEW_WEBHOOK)) } }
        }
    };
    let main = html! {
        (parts::head(visit.t(w::NAV_WEBHOOKS), visit.t(w::WEBHOOKS_LEAD), make))
        @if rows.is_empty() { (parts::empty(visit.manner, w::NO_WEBHOOKS, w::NO_WEBHOOKS_NEXT)) }
        @else { ul .cards { @for row in &rows { (row) } } }
    };
    Ok(Page::live(visit.t(w::NAV_WEBHOOKS), main))
}

fn row(visit: &Visit, base: &str, webhook: &Seen, last: Option<Activation>) -> Markup {
    let name = visit.manner.with(w::WEBHOOK_N, &[("id", short(&webhook.id))]);
    html! {
        li .card #{ "webhook-" (webhook.id) } {
            div .row {
                h2 { a href={ (base) "/" (webhook.id) } { (name) } }
                (switch_state(visit, webhook.enabled))
                span .space {}
                @if webhook.url.is_some() { (switch(visit, base, webhook)) }
            }
            @match &webhook.url {
                Some(url) => (parts::copied(visit.manner, url, visit.t(w::URL))),
                None => p .hint { (visit.t(w::URL_HIDDEN)) },
            }
            p .meta {
                (visit.t(w::LAST_CALL)) ": "
                @match &last {
                    Some(call) => { (parts::time(&call.at)) " " (outcome(visit, call.status)) }
                    None => (visit.t(w::NEVER_CALLED)),
                }
            }
        }
    }
}

/// The end of an id, which tells things of one day apart.
pub(super) fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(6)..).unwrap_or(id)
}

/// Whether a webhook is on.
pub(super) fn switch_state(visit: &Visit, enabled: bool) -> Markup {
    use crate::domain::console::told::Tone;
    if enabled { parts::badge(visit.t(w::ON), Tone::Good) } else { parts::badge(visit.t(w::OFF), Tone::Warning) }
}

/// The switch.
pub(super) fn switch(visit: &Visit, base: &str, webhook: &Seen) -> Markup {
    let (text, to) = if webhook.enabled { (w::SWITCH_OFF, "off") } else { (w::SWITCH_ON, "on") };
    html! {
        form method="post" action={ (base) "/" (webhook.id) "/switch" } {
            input type="hidden" name="to" value=(to);
            button type="submit" { (visit.t(text)) }
        }
    }
}

/// What a call was answered.
pub(super) fn outcome(visit: &Visit, status: u16) -> Markup {
    use crate::domain::console::told::Tone;
    if status == 200 {
        parts::badge(visit.t(w::ACCEPTED), Tone::Good)
    } else {
        let text = format!("{status} {}", visit.t(w::REFUSED));
        parts::badge(&text, if status >= 500 { Tone::Warning } else { Tone::Bad })
    }
}
