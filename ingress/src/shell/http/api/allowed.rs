//! Lets a call through to its handler, or not: who asks, which workspace, which right.

use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use angelia_shared::directory::{Directory, Versioned};
use angelia_shared::event::{AccountChanged, WebhookChanged, WorkspaceChanged};
use angelia_shared::ids::{AccountId, WebhookId, WorkspaceId};
use axum::extract::{FromRequestParts, RawPathParams};
use http::header::AUTHORIZATION;
use http::request::Parts as Head;

use super::problem::Problem;
use crate::domain::access::{Allows, Principal, decide};
use crate::domain::token;
use crate::shell::http::{App, Parts};

/// A right that a route asks for.
pub(super) trait Right {
    /// Whom it lets through.
    const ALLOWS: Allows;
}

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $allows:expr;)*) => {$(
        $(#[$doc])*
        pub(super) enum $name {}
        impl Right for $name {
            const ALLOWS: Allows = $allows;
        }
    )*};
}

rights! {
    /// The operator alone.
    Operator = Allows::Operator;
    /// The operator and the workspace's owners.
    OperatorAndOwner = Allows::OperatorAndOwner;
    /// The workspace's owners alone.
    Owner = Allows::Owner;
    /// The operator, owners and auditors.
    Everyone = Allows::Everyone;
}

/// A call about a workspace that was let through.
pub(super) struct Allowed<R> {
    /// The workspace.
    pub(super) workspace: Arc<WorkspaceChanged>,
    ids: Vec<(Arc<str>, String)>,
    right: PhantomData<R>,
}

impl<R> Allowed<R> {
    /// The workspace's id.
    pub(super) fn id(&self) -> WorkspaceId {
        self.workspace.id
    }

    /// A part of the path as it was written, decoded.
    pub(super) fn segment(&self, name: &str) -> &str {
        self.ids.iter().find(|(known, _)| **known == *name).map_or("", |(_, value)| value)
    }

    /// A part of the path as an id. What cannot be one names nothing.
    ///
    /// # Errors
    /// Not found.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        self.segment(name).parse().map_err(|_| missing(what))
    }

    /// The account that the path names, as it is now.
    ///
    /// # Errors
    /// Not found, also when it is another workspace's.
    pub(super) fn account(&self, app: &Parts) -> Result<Arc<AccountChanged>, Problem> {
        let id: AccountId = self.parsed("a", "account")?;
        let directory = app.directory.read();
        directory.account(self.id(), id).map(|account| Arc::clone(&account.state)).ok_or_else(|| missing("account"))
    }

    /// The id of the account that the path names, a removed one's too: its queue is still there.
    ///
    /// # Errors
    /// Not found, also when it is another workspace's.
    pub(super) fn account_with_queue(&self, app: &Parts) -> Result<AccountId, Problem> {
        let id: AccountId = self.parsed("a", "account")?;
        let directory = app.directory.read();
        let known = directory.any_account(id).filter(|account| account.state.workspace == self.id());
        known.map(|account| account.state.id).ok_or_else(|| missing("account"))
    }

    /// The webhook that the path names, as it is now.
    ///
    /// # Errors
    /// Not found, also when it is another workspace's.
    pub(super) fn webhook(&self, app: &Parts) -> Result<Arc<WebhookChanged>, Problem> {
        let id: WebhookId = self.parsed("h", "webhook")?;
        let directory = app.directory.read();
        directory.webhook(self.id(), id).map(|webhook| Arc::clone(&webhook.state)).ok_or_else(|| missing("webhook"))
    }
}

/// The problem of a thing that is not there.
pub(super) fn missing(what: &str) -> Problem {
    Problem::not_found(&format!("there is no such {what}"))
}

/// Looks a thing up for a change.
pub(super) fn found<T>(thing: Option<&Versioned<T>>) -> Option<Versioned<T>>
where
    Versioned<T>: Clone,
{
    thing.cloned()
}

impl<R: Right> FromRequestParts<App> for Allowed<R> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, app: &App) -> Result<Self, Problem> {
        let principal = principal(head, app)?;
        let path = RawPathParams::from_request_parts(head, app).await;
        // What is not UTF-8 after decoding names nothing.
        let path = path.map_err(|_| Problem::not_found("nothing is at this path"))?;
        let ids: Vec<_> = path.iter().map(|(name, value)| (Arc::from(name), value.to_owned())).collect();
        let id = ids.iter().find(|(name, _)| **name == *"w").and_then(|(_, value)| value.parse::<WorkspaceId>().ok());
        // An id that cannot be one is nobody's workspace.
        decide(principal, R::ALLOWS, Some(id.unwrap_or(WorkspaceId(0))))?;
        let directory = app.directory.read();
        let workspace = id.and_then(|id| workspace_of(&directory, id)).ok_or_else(|| missing("workspace"))?;
        Ok(Self { workspace, ids, right: PhantomData })
    }
}

fn workspace_of(directory: &Directory, id: WorkspaceId) -> Option<Arc<WorkspaceChanged>> {
    directory.workspace(id).map(|workspace| Arc::clone(&workspace.state))
}

/// A call about the whole installation that was let through: the operator's.
pub(super) struct Installation;

impl FromRequestParts<App> for Installation {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, app: &App) -> Result<Self, Problem> {
        decide(principal(head, app)?, Allows::Operator, None)?;
        Ok(Self)
    }
}

fn principal(head: &Head, app: &Parts) -> Result<Principal, Problem> {
    let given = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given =
        given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, given) = given.ok_or_else(Problem::unauthenticated)?;
    principal_of(app, given.trim())
}

/// Who holds a token.
///
/// # Errors
/// When nobody does, or the directory is still being read.
pub(in crate::shell::http) fn principal_of(app: &Parts, given: &str) -> Result<Principal, Problem> {
    // For the operator, too: a workspace that was not read yet would seem not to be there.
    if !app.directory.is_complete() {
        return Err(Problem::unavailable("the directory is still being read"));
    }
    if token::is_same(&app.config.operator_token.0, given) {
        return Ok(Principal::Operator);
    }
    let directory = app.directory.read();
    let token = directory.token_by_hash(&token::hash(given)).ok_or_else(Problem::unauthenticated)?;
    Ok(Principal::Member { workspace: token.state.workspace, role: token.state.role })
}
