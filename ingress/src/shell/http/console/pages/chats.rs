//! Chats: each with its id to copy; added, changed, removed.

use angelia_shared::event::WorkspaceChanged;
use maud::{Markup, html};

use super::Page;
use crate::domain::console::seen::{Account, Chat, Listed};
use crate::domain::console::told::Tone;
use crate::domain::console::words as w;
use crate::shell::http::console::parts;
use crate::shell::http::console::trouble::Trouble;
use crate::shell::http::console::visit::{Visit, encoded, query_of};

/// Chats of a page.
const SHOWN: usize = 50;

async fn accounts(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Vec<Account>, Trouble> {
    let listed: Listed<Account> = visit.get(&format!("/workspaces/{}/accounts?limit=100", workspace.id)).await?;
    Ok(listed.items)
}

/// `…/chats`.
pub(super) async fn page(visit: &Visit, workspace: &WorkspaceChanged) -> Result<Page, Trouble> {
    visit.must_own(workspace.id)?;
    let (q, cursor) = (visit.query.text("q"), visit.query.text("cursor"));
    let query = query_of(&[("limit", &SHOWN.to_string()), ("q", q), ("cursor", cursor)]);
    let path = format!("/workspaces/{}/chats?{query}", workspace.id);
    let listed: Listed<Chat> = visit.get(&path).await?;
    let accounts = accounts(visit, workspace).await?;
    let base = format!("/console/w/{}/chats", workspace.id);
    let main = html! {
        (parts::head(visit.t(w::NAV_CHATS), visit.t(w::CHATS_LEAD), html! {}))
        form .filters role="search" method="get" action=(base) data-keep {
            div .field.grow { label for="q" { (visit.t(w::SEARCH_CHATS)) } input #q name="q" type="search" value=(q) dir="auto" maxlength="255"; }
            button type="submit" { (visit.t(w::SEARCH)) }
        }
        @if listed.items.is_empty() {
            @if q.is_empty() { (parts::empty(visit.manner, w::NO_CHATS, w::NO_CHATS_NEXT)) }
            @else { (parts::empty(visit.manner, w::NO_CHAT_FOUND, w::NOTHING_FOUND_NEXT)) }
        } @else { (table(visit, &base, &listed.items, &accounts)) }
        (parts::pager(visit.manner, &base, &[("q", q)], listed.next_cursor.as_deref(), cursor.is_empty()))
        section .card aria-labelledby="add" {
            h2 #add { (visit.t(w::ADD_CHAT)) }
            @if accounts.is_empty() { p .notice.warning { (visit.t(w::NEEDS_ACCOUNT)) } }
            @else { (form(visit, &base, &accounts, None)) }
        }
    };
    Ok(Page::live(visit.t(w::NAV_CHATS), main))
}

fn table(visit: &Visit, base: &str, chats: &[Chat], accounts: &[Account]) -> Markup {
    let phone = |id: &str| accounts.iter().find(|account| account.id == id).map_or("—", |account| &account.phone);
    html! {
        div .scroll {
            table .stack {
                thead { tr {
                    th scope="col" { (visit.t(w::NAME)) } th scope="col" { (visit.t(w::CHAT_ID)) } th scope="col" { "JID" }
                    th scope="col" { (visit.t(w::ACCOUNT)) } th scope="col" { span .visually-hidden { (visit.t(w::ACTIONS)) } }
                } }
                tbody { @for chat in chats {
                    tr #{ "chat-" (chat.id) } {
                        td .text { bdi { (chat.name) } " " (parts::badge(visit.t(if chat.is_group() { w::GROUP } else { w::PERSON }), Tone::Plain)) }
                        td { (parts::copied(visit.manner, &chat.id, visit.t(w::CHAT_ID))) }
                        td { code .wrap dir="ltr" { (chat.jid) } }
                        td { (phone(&chat.account_id)) }
                        td { a href={ (base) "/" (encoded(&chat.id)) } aria-label={ (visit.t(w::EDIT_CHAT)) ": " (chat.name) } { (visit.t(w::EDIT_CHAT)) } }
                    }
                } }
            }
        }
    }
}

fn form(visit: &Visit, base: &str, accounts: &[Account], chat: Option<&Chat>) -> Markup {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let (name, jid) = (text(chat.map(|chat| &*chat.name)), text(chat.map(|chat| &*chat.jid)));
    html! {
        form .grid data-keep method="post" action=(match chat { Some(chat) => format!("{base}/{}", encoded(&chat.id)), None => base.to_owned() }) {
            (parts::Field { name: "name", label: visit.t(w::NAME), value: &name, kind: "text", hint: "", required: true }.shown("chat"))
            (parts::Field { name: "address", label: visit.t(w::CHAT_ADDRESS), value: &jid, kind: "text", hint: visit.t(w::CHAT_ADDRESS_HINT), required: true }.shown("chat"))
            @if chat.is_none() {
                (parts::Field { name: "id", label: visit.t(w::CHAT_ID), value: "", kind: "text", hint: visit.t(w::CHAT_ID_HINT), required: false }.shown("chat"))
            }
            div .field {
                label for="chat-account" { (visit.t(w::ACCOUNT)) }
                select #chat-account name="account" {
                    @for account in accounts {
                        option value=(account.id) selected[chat.is_some_and(|chat| chat.account_id == account.id)] { (account.phone) }
                    }
                }
            }
            div .buttons.wide { button .primary type="submit" { (visit.t(w::SAVE)) } }
        }
    }
}

/// `…/chats/{c}`.
pub(super) async fn edit(visit: &Visit, workspace: &WorkspaceChanged, id: &str) -> Result<Page, Trouble> {
    let chat: Chat = visit.get(&format!("/workspaces/{}/chats/{}", workspace.id, encoded(id))).await?;
    let accounts = accounts(visit, workspace).await?;
    let base = format!("/console/w/{}/chats", workspace.id);
    let place = format!("{base}/{}", encoded(&chat.id));
    let main = html! {
        (parts::head(visit.t(w::EDIT_CHAT_TITLE), &chat.name, html! {}))
        section .card aria-label=(visit.t(w::EDIT_CHAT_TITLE)) {
            p { (parts::copied(visit.manner, &chat.id, visit.t(w::CHAT_ID))) }
            (form(visit, &base, &accounts, Some(&chat)))
            div .confirms { (parts::confirmed(visit.t(w::REMOVE_CHAT), visit.t(w::REMOVE_CHAT_WARNING), &format!("{place}/remove"), visit.t(w::REMOVE_CHAT), html! {})) }
        }
    };
    Ok(Page::still(visit.t(w::EDIT_CHAT_TITLE), main))
}
