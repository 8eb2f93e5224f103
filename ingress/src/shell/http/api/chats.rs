//! Chats: put, looked up, listed, removed.

use angelia_shared::ids::AccountId;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::allowed::{Allowed, Owner, missing};
use super::answer::{Answer, Created, Done, List, Put, Shown};
use super::form::{Fields, Form, PageParameters, Parameters};
use crate::domain::chat::{Chat, ChatId};
use crate::domain::input::{Input, InputFault};
use crate::domain::jid;
use crate::domain::page::{self, Page};
use crate::shell::http::App;

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 255;

/// A conversation of one account: a person or a group.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Chat")]
pub(super) struct View {
    /// Its `chat_id`, unique in the workspace.
    id: String,
    account_id: AccountId,
    jid: String,
    name: String,
}

fn view(id: &ChatId, chat: &Chat) -> View {
    View { id: id.to_string(), account_id: chat.account_id, jid: chat.jid.clone(), name: chat.name.clone() }
}

/// Which chats.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what is read from it")]
pub(super) struct Sought {
    /// A part of the name, the JID or the id.
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    q: Option<String>,
    #[schemars(flatten)]
    page: PageParameters,
}

impl Form for Sought {
    type Value = (Option<String>, Page<u64>);

    fn read(mut input: Input) -> Result<Self::Value, InputFault> {
        let page = Page::take(&mut input)?;
        let text = input.text("q", NAME_CHARS_MAX)?;
        input.finish()?;
        Ok((text, page))
    }
}

/// A chat to store: with a `jid` or a `phone`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["jid"], "properties": {"jid": {"type": "string"}, "phone": {"type": "null"}}},
    {"required": ["phone"], "properties": {"phone": {"type": "string"}, "jid": {"type": "null"}}},
]))]
#[expect(dead_code, reason = "it describes what is read from it")]
pub(super) struct NewChat {
    /// The account that sends in it.
    account_id: AccountId,
    /// The person's or the group's JID.
    #[schemars(regex(pattern = r"^[0-9]{7,15}@s\.whatsapp\.net$|^[0-9]{10,24}@g\.us$"))]
    jid: Option<String>,
    /// The person's number with its country code.
    #[schemars(regex(pattern = r"^\+[0-9]{7,15}$"))]
    phone: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    name: String,
}

impl Form for NewChat {
    type Value = Chat;

    fn read(mut input: Input) -> Result<Chat, InputFault> {
        let account_id: Option<AccountId> = input.parsed("account_id", "an account's id", |text| text.parse().ok())?;
        let account_id = account_id.ok_or_else(|| InputFault::of("account_id", "is required"))?;
        let jid = input.parsed("jid", "a person's or a group's JID", jid::normal)?;
        let phone = input.parsed("phone", "a number of 7 to 15 digits with its country code", jid::of_phone)?;
        let name = input.required_text("name", NAME_CHARS_MAX)?;
        input.finish()?;
        match (jid, phone) {
            (Some(jid), None) | (None, Some(jid)) => Ok(Chat { account_id, jid, name }),
            (None, None) => Err(InputFault::of("jid", "or `phone` is required")),
            (Some(_), Some(_)) => Err(InputFault::of("jid", "and `phone` cannot be given together")),
        }
    }
}

/// `GET …/chats?q`, the longest unchanged first.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    query: Parameters<Sought>,
) -> Answer<Shown<List<View>>> {
    let (text, page) = query.read()?;
    let listed = app.chats.list(allowed.id(), page.after.unwrap_or(0), page.limit, text.as_deref()).await?;
    let items = listed.chats.iter().map(|named| view(&named.id, &named.chat)).collect();
    Ok(Shown(List { items, next_cursor: listed.next.map(page::cursor) }))
}

/// `GET …/chats/{chat_id}`.
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Shown<View>> {
    let id = ChatId::parse(allowed.segment("c")).ok_or_else(|| missing("chat"))?;
    let chat = app.chats.get(allowed.id(), &id).await?.ok_or_else(|| missing("chat"))?;
    Ok(Shown(view(&id, &chat)))
}

/// `PUT …/chats/{chat_id}`.
pub(super) async fn put(State(app): State<App>, allowed: Allowed<Owner>, fields: Fields<NewChat>) -> Answer<Put<View>> {
    let id = ChatId::parse(allowed.segment("c"))
        .ok_or_else(|| InputFault::of("chat_id", "must be 1 to 64 of letters, digits, `_` and `-`"))?;
    let chat = fields.read(&app).await?;
    if app.directory.read().account(allowed.id(), chat.account_id).is_none() {
        return Err(InputFault::of("account_id", "is not an account of this workspace").into());
    }
    let is_new = app.chats.put(allowed.id(), &id, chat.clone()).await?;
    let shown = view(&id, &chat);
    if is_new {
        return Ok(Put::Created(Created::new(&app, &format!("{}/chats/{id}", allowed.id()), shown)));
    }
    Ok(Put::Changed(Shown(shown)))
}

/// `DELETE …/chats/{chat_id}`.
pub(super) async fn remove(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Done> {
    let id = ChatId::parse(allowed.segment("c")).ok_or_else(|| missing("chat"))?;
    if app.chats.remove(allowed.id(), &id).await? { Ok(Done) } else { Err(missing("chat")) }
}
