//! Access to a workspace: tokens are shown once and stored hashed.

use angelia_shared::event::TokenChanged;
use angelia_shared::event::directory::Role;
use angelia_shared::ids::TokenId;
use angelia_shared::{clock, dice};
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde::Serialize;

use super::allowed::{Allowed, Owner, missing};
use super::answer::{self, Answer, List};
use super::problem::Problem;
use crate::domain::input::InputFault;
use crate::domain::page::{self, Page};
use crate::domain::token;
use crate::shell::directory_writer::entry;
use crate::shell::http::App;

#[derive(Serialize)]
struct View<'a> {
    id: TokenId,
    role: Role,
    label: &'a str,
    created_at: String,
    /// Shown once, when the token is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

fn view(token: &TokenChanged) -> View<'_> {
    View { id: token.id, role: token.role, label: &token.label, created_at: token.created_at.to_rfc3339(), token: None }
}

/// `GET …/tokens`.
pub(super) async fn list(State(app): State<App>, allowed: Allowed<Owner>, uri: Uri) -> Answer {
    let mut query = answer::query(&uri)?;
    let page: Page<TokenId> = Page::take(&mut query)?;
    query.finish()?;
    let directory = app.directory.read();
    let tokens = directory.tokens_of(allowed.id()).into_iter();
    let later = tokens.filter(|token| page.after.is_none_or(|after| token.state.id > after));
    let mut items: Vec<_> = later.take(page.limit + 1).collect();
    let next = page.cut(&mut items, |token| token.state.id);
    let items = items.iter().map(|token| view(&token.state)).collect();
    answer::ok(&List { items, next_cursor: next.map(page::cursor) })
}

/// `POST …/tokens`.
pub(super) async fn create(State(app): State<App>, allowed: Allowed<Owner>, headers: HeaderMap, body: Body) -> Answer {
    let mut input = answer::input(&app, &headers, body).await?;
    let role = input.parsed("role", "\"owner\" or \"auditor\"", |role| match role {
        "owner" => Some(Role::Owner),
        "auditor" => Some(Role::Auditor),
        _ => None,
    })?;
    let role = role.ok_or_else(|| InputFault::of("role", "is required"))?;
    let label = input.text("label", 100)?.unwrap_or_default();
    input.finish()?;
    let text = dice::token();
    let token = TokenChanged {
        v: 1,
        id: TokenId::generate(),
        workspace: allowed.id(),
        role,
        token_hash: token::hash(&text),
        label,
        created_at: clock::now(),
        revoked: false,
    };
    app.writer.create([entry(token.clone(), 0)].into_iter().collect()).await?;
    let shown = View { token: Some(&text), ..view(&token) };
    answer::created(&app, &format!("{}/tokens/{}", token.workspace, token.id), &shown)
}

/// `DELETE …/tokens/{t}`. The last owner stays, or nobody could give access again.
pub(super) async fn revoke(State(app): State<App>, allowed: Allowed<Owner>) -> Answer {
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
    answer::no_content()
}
