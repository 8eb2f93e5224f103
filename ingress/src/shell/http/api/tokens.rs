//! Access to a workspace: tokens are shown once and stored hashed.

use angelia_shared::event::TokenChanged;
use angelia_shared::event::directory::Role;
use angelia_shared::ids::TokenId;
use angelia_shared::{clock, dice};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::allowed::{Allowed, Owner, missing};
use super::answer::{Answer, Created, Done, List, Shown, Time};
use super::form::{Fields, Form, OnlyPage, Parameters};
use super::problem::Problem;
use crate::domain::input::{Input, InputFault};
use crate::domain::page;
use crate::domain::token;
use crate::shell::directory_writer::entry;
use crate::shell::http::App;

/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 100;

/// Access to a workspace.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(super) struct View {
    id: TokenId,
    role: Role,
    /// Its owner's words.
    label: String,
    created_at: Time,
    /// Shown once, when the token is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

fn view(token: &TokenChanged) -> View {
    View {
        id: token.id,
        role: token.role,
        label: token.label.clone(),
        created_at: token.created_at.into(),
        token: None,
    }
}

/// A token to give.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewToken {
    role: Role,
    #[schemars(length(min = 1, max = LABEL_CHARS_MAX))]
    label: Option<String>,
}

impl Form for NewToken {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let role = input.parsed("role", "\"owner\" or \"auditor\"", |role| match role {
            "owner" => Some(Role::Owner),
            "auditor" => Some(Role::Auditor),
            _ => None,
        })?;
        let role = role.ok_or_else(|| InputFault::of("role", "is required"))?;
        let label = input.text("label", LABEL_CHARS_MAX)?;
        input.finish()?;
        Ok(Self { role, label })
    }
}

/// `GET …/tokens`.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    query: Parameters<OnlyPage<TokenId>>,
) -> Answer<Shown<List<View>>> {
    let page = query.read()?;
    let directory = app.directory.read();
    let tokens = directory.tokens_of(allowed.id()).into_iter();
    let later = tokens.filter(|token| page.after.is_none_or(|after| token.state.id > after));
    let mut items: Vec<_> = later.take(page.limit + 1).collect();
    let next = page.cut(&mut items, |token| token.state.id);
    let items = items.iter().map(|token| view(&token.state)).collect();
    Ok(Shown(List { items, next_cursor: next.map(page::cursor) }))
}

/// `POST …/tokens`.
pub(super) async fn create(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<NewToken>,
) -> Answer<Created<View>> {
    let NewToken { role, label } = fields.read(&app).await?;
    let text = dice::token();
    let token = TokenChanged {
        v: 1,
        id: TokenId::generate(),
        workspace: allowed.id(),
        role,
        token_hash: token::hash(&text),
        label: label.unwrap_or_default(),
        created_at: clock::now(),
        revoked: false,
    };
    app.writer.create([entry(token.clone(), 0)].into_iter().collect()).await?;
    let shown = View { token: Some(text), ..view(&token) };
    Ok(Created::new(&app, &format!("{}/tokens/{}", token.workspace, token.id), shown))
}

/// `GET …/tokens/{t}`.
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Shown<View>> {
    let id: TokenId = allowed.parsed("t", "token")?;
    let directory = app.directory.read();
    let token = directory.tokens_of(allowed.id()).into_iter().find(|token| token.state.id == id);
    Ok(Shown(view(&token.ok_or_else(|| missing("token"))?.state)))
}

/// `DELETE …/tokens/{t}`. The last owner stays, or nobody could give access again.
pub(super) async fn revoke(State(app): State<App>, allowed: Allowed<Owner>) -> Answer<Done> {
    let (workspace, id) = (allowed.id(), allowed.parsed::<TokenId>("t", "token")?);
    let find = |directory: &angelia_shared::directory::Directory| {
        directory.tokens_of(workspace).into_iter().find(|token| token.state.id == id).cloned()
    };
    let change = |present: &TokenChanged| {
        let directory = app.directory.read();
        let is_other_owner = |token: &TokenChanged| token.role == Role::Owner && token.id != id;
        if present.role == Role::Owner
            && !directory.tokens_of(workspace).iter().any(|token| is_other_owner(&token.state))
        {
            return Err(Problem::conflict("this is the last owner's token: give another one first"));
        }
        Ok(TokenChanged { revoked: true, ..present.clone() })
    };
    app.writer.change(find, change).await?.ok_or_else(|| missing("token"))?;
    Ok(Done)
}
