//! Workspaces: the operator makes them, their owners name them.

use angelia_shared::directory::Versioned;
use angelia_shared::event::directory::Role;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{TokenChanged, WorkspaceChanged};
use angelia_shared::ids::{TokenId, WorkspaceId};
use angelia_shared::units::Credits;
use angelia_shared::{clock, dice};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::allowed::{Allowed, Installation, OperatorAndOwner, found, missing};
use super::answer::{Answer, Created, List, Shown, Time};
use super::form::{Fields, Form, OnlyPage, Parameters};
use super::problem::Problem;
use crate::domain::input::{Input, InputFault};
use crate::domain::page;
use crate::domain::token;
use crate::shell::directory_writer::entry;
use crate::shell::http::App;

/// Longest name of a workspace, in characters.
const NAME_CHARS_MAX: usize = 100;
/// More credits than any wallet holds: whole numbers up to here survive every JSON reader.
pub(super) const CREDITS_MAX: u64 = 1_000_000_000_000;

/// A workspace: one customer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Workspace")]
pub(super) struct View {
    id: WorkspaceId,
    name: String,
    /// What becomes of a message when nobody can tell whether it went out.
    unknown_policy: UnknownPolicy,
    /// Below so many credits its owners are to be warned.
    low_balance: Option<Credits>,
    created_at: Time,
    /// Shown once, when the workspace is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_token: Option<String>,
}

fn view(workspace: &WorkspaceChanged) -> View {
    View {
        id: workspace.id,
        name: workspace.name.clone(),
        unknown_policy: workspace.unknown_policy,
        low_balance: workspace.low_balance,
        created_at: workspace.created_at.into(),
        owner_token: None,
    }
}

/// A workspace to make.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewWorkspace {
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    name: String,
}

impl Form for NewWorkspace {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let name = input.required_text("name", NAME_CHARS_MAX)?;
        input.finish()?;
        Ok(Self { name })
    }
}

/// Changes of a workspace; what is left out stays.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct WorkspaceEdit {
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    name: Option<String>,
    unknown_policy: Option<UnknownPolicy>,
    /// Zero switches the warning off.
    #[schemars(range(min = 0, max = CREDITS_MAX))]
    low_balance: Option<u64>,
}

impl Form for WorkspaceEdit {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let name = input.text("name", NAME_CHARS_MAX)?;
        let unknown_policy = input.parsed("unknown_policy", "\"refund\" or \"charge\"", |policy| match policy {
            "refund" => Some(UnknownPolicy::Refund),
            "charge" => Some(UnknownPolicy::Charge),
            _ => None,
        })?;
        let low_balance = input.number("low_balance", 0..=CREDITS_MAX)?;
        input.finish()?;
        Ok(Self { name, unknown_policy, low_balance })
    }
}

/// `GET /workspaces`.
pub(super) async fn list(
    State(app): State<App>,
    _operator: Installation,
    query: Parameters<OnlyPage<WorkspaceId>>,
) -> Answer<Shown<List<View>>> {
    let page = query.read()?;
    let directory = app.directory.read();
    let later = |workspace: &&Versioned<WorkspaceChanged>| page.after.is_none_or(|after| workspace.state.id > after);
    let mut items: Vec<_> = directory.workspaces().into_iter().filter(later).take(page.limit + 1).collect();
    let next = page.cut(&mut items, |workspace| workspace.state.id);
    let items = items.iter().map(|workspace| view(&workspace.state)).collect();
    Ok(Shown(List { items, next_cursor: next.map(page::cursor) }))
}

/// `POST /workspaces`: a workspace with a first owner.
pub(super) async fn create(
    State(app): State<App>,
    _operator: Installation,
    fields: Fields<NewWorkspace>,
) -> Answer<Created<View>> {
    let NewWorkspace { name } = fields.read(&app).await?;
    let now = clock::now();
    let workspace = WorkspaceChanged {
        v: 1,
        id: WorkspaceId::generate(),
        name,
        unknown_policy: UnknownPolicy::default(),
        low_balance: None,
        created_at: now,
    };
    let owner_token = dice::token();
    let owner = TokenChanged {
        v: 1,
        id: TokenId::generate(),
        workspace: workspace.id,
        role: Role::Owner,
        token_hash: token::hash(&owner_token),
        label: "first owner".to_owned(),
        created_at: now,
        revoked: false,
    };
    app.writer.create([entry(workspace.clone(), 0), entry(owner, 0)].into_iter().collect()).await?;
    let shown = View { owner_token: Some(owner_token), ..view(&workspace) };
    Ok(Created::new(&app, &workspace.id.to_string(), shown))
}

/// `GET /workspaces/{w}`.
pub(super) async fn show(allowed: Allowed<OperatorAndOwner>) -> Answer<Shown<View>> {
    Ok(Shown(view(&allowed.workspace)))
}

/// `PATCH /workspaces/{w}`.
pub(super) async fn edit(
    State(app): State<App>,
    allowed: Allowed<OperatorAndOwner>,
    fields: Fields<WorkspaceEdit>,
) -> Answer<Shown<View>> {
    let WorkspaceEdit { name, unknown_policy, low_balance } = fields.read(&app).await?;
    let id = allowed.id();
    let find = |directory: &angelia_shared::directory::Directory| found(directory.workspace(id));
    let change = |present: &WorkspaceChanged| {
        Ok::<_, Problem>(WorkspaceChanged {
            name: name.clone().unwrap_or_else(|| present.name.clone()),
            unknown_policy: unknown_policy.unwrap_or(present.unknown_policy),
            low_balance: match low_balance {
                None => present.low_balance,
                Some(0) => None,
                Some(credits) => Some(Credits(credits)),
            },
            ..present.clone()
        })
    };
    let changed = app.writer.change(find, change).await?.ok_or_else(|| missing("workspace"))?;
    Ok(Shown(view(&changed)))
}
