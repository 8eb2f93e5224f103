//! One message: what it says, what holds it, and everything that happened to it.

use angelia_shared::event::WorkspaceChanged;
use angelia_shared::ids::MessageId;
use angelia_shared::query::MessageState;
use maud::{Markup, html};

use super::Page;
use super::messages::{content, why};
use crate::domain::console::seen::Message;
use crate::domain::console::told::{self, Tone};
use crate::domain::console::words as w;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::{Visit, query_of};

/// `…/messages/{m}`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged, id: &str) -> Result<Page, Trouble> {
    let id: MessageId = id.parse().map_err(|_| Trouble::NotFound)?;
    // As it was, if a moment is asked for: then nothing can be done to it, and nothing changes.
    let as_of = visit.query.given("as_of");
    let then = as_of.map_or_else(String::new, |as_of| format!("?{}", query_of(&[("as_of", as_of)])));
    let path = format!("/workspaces/{}/messages/{id}{then}", workspace.id);
    let (message, content) = tokio::join!(visit.get::<Message>(&path), content(visit, workspace, id));
    let message = message?;
    let place = format!("/console/w/{}/messages/{id}", workspace.id);
    let main = html! {
        div .head {
            div {
                h1 { (visit.t(w::MESSAGE)) " " (parts::state(visit.manner, message.state)) }
                p .lead { (parts::copied(visit.manner, &message.id, visit.t(w::MESSAGE_ID))) }
            }
        }
        @if let Some(as_of) = as_of {
            p .notice { (visit.manner.with(w::MESSAGE_AS_OF, &[("n", as_of)])) " " a href=(place) { (visit.t(w::MESSAGE_NOW)) } }
        }
        @if let Some(reason) = &message.reason {
            div .notice.bad {
                p { strong { (why(visit, reason)) } }
                @if let Some(detail) = &message.detail { p lang="en" { bdi { (detail) } } }
            }
        }
        div .columns {
            section .card aria-labelledby="what" {
                h2 #what { (visit.t(w::DETAILS)) }
                (facts(visit, workspace, &message, as_of.is_none()))
                @match &content {
                    None => p .hint { (visit.t(w::CONTENT_GONE)) },
                    Some(content) => {
                        @if !content.text.is_empty() { h3 { (visit.t(w::TEXT)) } p .bubble dir="auto" { (content.text) } }
                        @if let Some(name) = &content.file_name {
                            h3 { (visit.t(w::FILE)) }
                            p .wrap { span .tag { (visit.t(w::FILE)) } " " bdi { (name) } }
                            @if let Some(url) = &content.file_url { p .hint.wrap dir="ltr" { (url) } }
                        }
                    }
                }
                @if as_of.is_none() && message.state == MessageState::Queued && visit.owns(workspace.id) {
                    div .confirms { (parts::confirmed(visit.t(w::CANCEL_MESSAGE), visit.t(w::CANCEL_WARNING), &format!("{place}/cancel"), visit.t(w::CANCEL_MESSAGE), html! {})) }
                }
            }
            section .card aria-labelledby="happened" {
                h2 #happened { (visit.t(w::TIMELINE)) }
                (timeline(visit, &message))
            }
        }
    };
    Ok(Page { title: visit.t(w::MESSAGE).to_owned(), main, is_live: as_of.is_none(), at: Some(place) })
}

fn facts(visit: &Visit, workspace: &WorkspaceChanged, message: &Message, is_now: bool) -> Markup {
    let waits = is_now && matches!(message.state, MessageState::Queued | MessageState::Sending);
    let (held, n) = told::held_by(message.held_by.as_deref());
    let phone = account_phone(visit, workspace, &message.account_id);
    html! {
        dl .pairs {
            (parts::pair(visit.t(w::TO), html! { bdi { (message.to.as_deref().unwrap_or("—")) } }))
            (parts::pair(visit.t(w::ACCOUNT), html! { bdi { (phone.as_deref().unwrap_or(&message.account_id)) } }))
            (parts::pair(visit.t(w::ACCEPTED_AT), parts::time(&message.accepted_at)))
            (parts::pair(visit.t(w::PRICE), html! { (message.credits)
                @if message.refunded > 0 { " · " (visit.manner.with(w::REFUNDED, &[("n", &message.refunded.to_string())])) } }))
            @if waits {
                @if let Some(position) = message.position { (parts::pair(visit.t(w::PLACE_IN_QUEUE), html! { (visit.manner.number(position)) })) }
                @if message.held_by.is_some() || message.expected_at.is_some() {
                    (parts::pair(visit.t(w::HELD_BY), html! { (visit.manner.with(held, &[("n", &n), ("code", &n)])) }))
                }
                (parts::pair(visit.t(w::EXPECTED_AT), match &message.expected_at {
                    Some(at) => parts::until(at),
                    None => html! { (visit.t(w::NOT_KNOWN)) },
                }))
            }
            @if message.parts.len() > 1 {
                @for part in &message.parts {
                    (parts::pair(&visit.manner.with(w::PART_N, &[("n", &(part.part + 1).to_string())]), html! {
                        (parts::state(visit.manner, part.state)) " " (part.credits)
                        @if let Some(reason) = &part.reason { " " (why(visit, reason)) }
                    }))
                }
            }
            @for provider_id in message.parts.iter().filter_map(|part| part.provider_id.as_ref()) {
                (parts::pair(visit.t(w::PROVIDER_ID), html! { code .wrap dir="ltr" { (provider_id) } }))
            }
            (parts::pair(visit.t(w::WEBHOOK), html! { a href={ "/console/w/" (workspace.id) "/webhooks/" (message.webhook_id) } { (super::webhooks::short(&message.webhook_id)) } }))
        }
    }
}

fn account_phone(visit: &Visit, workspace: &WorkspaceChanged, id: &str) -> Option<String> {
    let directory = visit.console.app.directory.read();
    directory.account(workspace.id, id.parse().ok()?).map(|account| account.state.phone.clone())
}

fn timeline(visit: &Visit, message: &Message) -> Markup {
    html! {
        ol .timeline {
            @for entry in &message.timeline {
                @let (text, meant) = match told::event(&entry.event, entry.detail.as_deref()) {
                    Some((text, meant)) => (visit.t(text), meant),
                    None => (&*entry.event, Tone::Plain),
                };
                li class=(parts::tone(meant).trim_start_matches("badge ")) #{ "entry-" (entry.id.replace('.', "-")) } {
                    div { strong { (text) } " "
                        @if let Some(part) = entry.part.filter(|_| message.parts.len() > 1) {
                            span .hint { (visit.manner.with(w::PART_N, &[("n", &(part + 1).to_string())])) } " "
                        }
                        (parts::time(&entry.at)) }
                    // The heading says it already.
                    @if let Some(detail) = entry.detail.as_deref().filter(|detail| !["sent", "unknown", "not_started"].contains(detail)) {
                        @match told::added(detail) {
                            Some(text) => div .hint { (visit.t(text)) },
                            None => div .hint { code { bdi { (detail) } } },
                        }
                    }
                    div .hint { (visit.t(w::RECORD)) " " (entry.id) " · " (entry.event) }
                }
            }
        }
    }
}
