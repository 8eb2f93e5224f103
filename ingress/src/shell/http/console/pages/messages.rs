//! The messages of a workspace: searched, filtered, page by page.

use std::collections::HashMap;

use angelia_shared::event::{Content, WorkspaceChanged};
use angelia_shared::ids::MessageId;
use angelia_shared::query::{self, AskMessage, MessageState};
use maud::{Markup, html};

use super::Page;
use crate::domain::console::seen::{Listed, Message};
use crate::domain::console::words as w;
use crate::domain::console::{figure, told};
use crate::shell::contents;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::{Visit, query_of};

/// Messages of a page.
const SHOWN: usize = 40;
/// Characters of a text that a list shows.
const TEXT_SHOWN: usize = 90;

/// `…/messages`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Page, Trouble> {
    let (q, state, account) = (visit.query.text("q"), visit.query.text("state"), visit.query.text("account"));
    let cursor = visit.query.text("cursor");
    let asked = [("q", q), ("state", state), ("account", account)];
    let limit = SHOWN.to_string();
    let query = query_of(&[("limit", &limit), ("cursor", cursor), asked[0], asked[1], asked[2]]);
    let path = format!("/workspaces/{}/messages?{query}", workspace.id);
    let listed: Listed<Message> = visit.get(&path).await?;
    let texts = texts(visit, workspace, &listed.items).await;
    let base = format!("/console/w/{}/messages", workspace.id);
    let is_filtered = asked.iter().any(|(_, value)| !value.is_empty());
    // The search has looked for as long as a page may take, and has not come to the end.
    let is_cut = !q.is_empty() && listed.next_cursor.is_some() && listed.items.len() < SHOWN;
    let main = html! {
        (parts::head(visit.t(w::NAV_MESSAGES), visit.t(w::MESSAGES_LEAD), html! {}))
        (search(visit, workspace, &base, q, state, account))
        div #found { @if listed.items.is_empty() {
            @if is_cut { p .hint { (visit.t(w::NOTHING_FOUND_YET)) } }
            @else if is_filtered || !cursor.is_empty() { (parts::empty(visit.manner, w::NOTHING_FOUND, w::NOTHING_FOUND_NEXT)) }
            @else { (parts::empty(visit.manner, w::NO_MESSAGES, w::NO_MESSAGES_NEXT)) }
        } @else { (table(visit, &base, &listed.items, &texts)) } }
        // The script goes on by itself until there is a page full, or the end; without it, the next page does.
        div #further data-further=[is_cut.then_some(SHOWN)] data-looking=(visit.t(w::SEARCHING)) {
            @if is_cut { p .hint { (visit.t(w::SEARCH_ON)) ":" } }
            (parts::pager(visit.manner, &base, &asked, listed.next_cursor.as_deref(), cursor.is_empty()))
        }
    };
    // A search opens many messages: it is made again when somebody asks for it.
    Ok(Page { is_live: q.is_empty(), ..Page::live(visit.t(w::NAV_MESSAGES), main) })
}

fn search(visit: &Visit, workspace: &WorkspaceChanged, base: &str, q: &str, state: &str, account: &str) -> Markup {
    let directory = visit.console.app.directory.read();
    let accounts = directory.accounts_of(workspace.id);
    html! {
        form .filters role="search" method="get" action=(base) data-keep {
            div .field.grow {
                label for="q" { (visit.t(w::SEARCH_MESSAGES)) }
                input #q name="q" type="search" value=(q) dir="auto" maxlength="255";
            }
            div .field {
                label for="state" { (visit.t(w::STATE)) }
                select #state name="state" {
                    option value="" { (visit.t(w::ANY_STATE)) }
                    @for known in MessageState::ALL {
                        @let code = told::state_code(known);
                        option value=(code) selected[code == state] { (visit.t(told::state(known).0)) }
                    }
                }
            }
            div .field {
                label for="account" { (visit.t(w::ACCOUNT)) }
                select #account name="account" {
                    option value="" { (visit.t(w::ANY_ACCOUNT)) }
                    @for one in &accounts {
                        @let id = one.state.id.to_string();
                        option value=(id) selected[id == account] { (one.state.phone) }
                    }
                }
            }
            button type="submit" { (visit.t(w::SEARCH)) }
        }
    }
}

fn table(visit: &Visit, base: &str, messages: &[Message], texts: &HashMap<String, Content>) -> Markup {
    html! {
        div .scroll {
            table .stack.messages {
                thead { tr {
                    th scope="col" { (visit.t(w::TIME)) } th scope="col" { (visit.t(w::TO)) } th scope="col" { (visit.t(w::TEXT)) }
                    th scope="col" { (visit.t(w::STATE)) } th scope="col" .number { (visit.t(w::CREDITS_COL)) }
                } }
                tbody { @for message in messages { (row(visit, base, message, texts.get(&message.id))) } }
            }
        }
    }
}

fn row(visit: &Visit, base: &str, message: &Message, content: Option<&Content>) -> Markup {
    let id = message.id.trim_start_matches("wa_backend:");
    html! {
        tr #{ "message-" (id) } {
            td { a href={ (base) "/" (id) } { (parts::time(&message.accepted_at)) } }
            td { bdi { (message.to.as_deref().unwrap_or("—")) } }
            td .text {
                @if let Some(content) = content {
                    bdi { (figure::beginning(&content.text.replace('\n', " "), TEXT_SHOWN)) }
                    @if let Some(name) = &content.file_name { " " span .file { span .tag { (visit.t(w::FILE)) } " " bdi { (figure::beginning(name, 40)) } } }
                }
            }
            td { (parts::state(visit.manner, message.state))
                @if let Some(reason) = &message.reason { div .hint { (why(visit, reason)) } } }
            td .number { (message.credits) @if message.refunded > 0 { div .hint { (visit.manner.with(w::REFUNDED, &[("n", &message.refunded.to_string())])) } } }
        }
    }
}

/// A reason in words, or its code.
pub(super) fn why(visit: &Visit, reason: &str) -> String {
    told::reason(reason).map_or_else(|| reason.to_owned(), |text| visit.t(text).to_owned())
}

/// The contents of messages, as far as they can be had.
async fn texts(visit: &Visit, workspace: &WorkspaceChanged, messages: &[Message]) -> HashMap<String, Content> {
    let app = &visit.console.app;
    // The first thing that happened to a message is that it was accepted.
    let accepted = messages.iter().filter_map(|message| message.timeline.first()?.id.parse().ok());
    let sealed = contents::sealed(app.log.client(), workspace.id, accepted.collect()).await.unwrap_or_default();
    let mut texts = HashMap::new();
    for one in sealed {
        if let Ok(Some(content)) = contents::open(&app.vault, one.message, &one.sealed).await {
            texts.insert(one.message.public(), content);
        }
    }
    texts
}

/// The content of a message; none when it was erased, or cannot be had now.
pub(super) async fn content(visit: &Visit, workspace: &WorkspaceChanged, message: MessageId) -> Option<Content> {
    let app = &visit.console.app;
    let ask = AskMessage { workspace: workspace.id, message };
    let (found, _) = query::ask(app.log.client(), ask, 0).await.ok()?;
    contents::open(&app.vault, message, found?.sealed.as_ref()?).await.ok()?
}
