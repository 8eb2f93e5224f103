//! Chats: put, looked up, listed, removed.

use angelia_shared::ids::AccountId;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::allowed::{Allowed, Owner, missing};
use super::answer::{self, Answer, List};
use super::problem::Problem;
use crate::domain::chat::{Chat, ChatId};
use crate::domain::field::Field;
use crate::domain::input::{Input, InputFault};
use crate::domain::jid;
use crate::domain::page::{self, Page};
use crate::shell::http::{App, Parts};

#[derive(Serialize)]
struct View<'a> {
    id: &'a str,
    account_id: AccountId,
    jid: &'a str,
    name: &'a str,
}

fn view<'a>(id: &'a ChatId, chat: &'a Chat) -> View<'a> {
    View { id: id.as_str(), account_id: chat.account_id, jid: &chat.jid, name: &chat.name }
}

/// `GET …/chats?q`, the longest unchanged first.
pub(super) async fn list(State(app): State<App>, allowed: Allowed<Owner>, uri: Uri) -> Answer {
    let mut query = answer::query(&uri)?;
    let page: Page<u64> = Page::take(&mut query)?;
    let text = query.text("q", 255)?;
    query.finish()?;
    let listed = app.chats.list(allowed.id(), page.after.unwrap_or(0), page.limit, text.as_deref()).await?;
    let items = listed.chats.iter().map(|named| view(&named.id, &named.chat)).collect();
    answer::ok(&List { items, next_cursor: listed.next.map(page::cursor) })
}

/// `GET …/chats/{chat_id}`.
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Owner>) -> Answer {
    let id = ChatId::parse(allowed.segment("c")).ok_or_else(|| missing("chat"))?;
    let chat = app.chats.get(allowed.id(), &id).await?.ok_or_else(|| missing("chat"))?;
    answer::ok(&view(&id, &chat))
}

/// `PUT …/chats/{chat_id}`.
pub(super) async fn put(State(app): State<App>, allowed: Allowed<Owner>, headers: HeaderMap, body: Body) -> Answer {
    let id = ChatId::parse(allowed.segment("c"))
        .ok_or_else(|| Problem::from(InputFault::of("chat_id", "must be 1 to 64 of letters, digits, `_` and `-`")))?;
    let chat = chat(&app, &allowed, answer::input(&app, &headers, body).await?)?;
    let is_new = app.chats.put(allowed.id(), &id, chat.clone()).await?;
    if is_new {
        return answer::created(&app, &format!("{}/chats/{id}", allowed.id()), &view(&id, &chat));
    }
    answer::ok(&view(&id, &chat))
}

fn chat(app: &Parts, allowed: &Allowed<Owner>, mut input: Input) -> Result<Chat, Problem> {
    let account_id: Option<AccountId> = input.parsed("account_id", "an account's id", |text| text.parse().ok())?;
    let account_id = account_id.ok_or_else(|| InputFault::of("account_id", "is required"))?;
    let jid = input.parsed("jid", "a person's or a group's JID", jid::normal)?;
    let phone = input.parsed("phone", "a number of 7 to 15 digits with its country code", jid::of_phone)?;
    let name = input.required_text("name", Field::ChatName.chars_max().unwrap_or(255))?;
    input.finish()?;
    let jid = match (jid, phone) {
        (Some(jid), None) | (None, Some(jid)) => jid,
        (None, None) => return Err(InputFault::of("jid", "or `phone` is required").into()),
        (Some(_), Some(_)) => return Err(InputFault::of("jid", "and `phone` cannot be given together").into()),
    };
    if app.directory.read().account(allowed.id(), account_id).is_none() {
        return Err(InputFault::of("account_id", "is not an account of this workspace").into());
    }
    Ok(Chat { account_id, jid, name })
}

/// `DELETE …/chats/{chat_id}`.
pub(super) async fn remove(State(app): State<App>, allowed: Allowed<Owner>) -> Answer {
    let id = ChatId::parse(allowed.segment("c")).ok_or_else(|| missing("chat"))?;
    if app.chats.remove(allowed.id(), &id).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(missing("chat"))
    }
}
