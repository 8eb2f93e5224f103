//! What in the log needs a person: facts that cannot be true, and events that are not understood.

use std::collections::BTreeMap;

use angelia_shared::ids::{Position, WorkspaceId};
use angelia_shared::query::{AskFindings, FindingView, FindingsView};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::allowed::Installation;
use super::answer::{Answer, Shown};
use super::form::{Nothing, Parameters};
use super::ledger;
use crate::shell::http::App;

/// What in the log needs a person.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Findings")]
pub(super) struct View {
    /// Facts that cannot be true, so far. All of them are counted, the first ones are listed.
    contradictions: u64,
    items: Vec<Item>,
    /// Lines that this version does not understand, by the type and version that they name.
    unknown_events: BTreeMap<String, u64>,
    as_of_seq: u64,
}

/// A fact that cannot be true.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
struct Item {
    id: Position,
    seq: u64,
    /// Where nothing is refunded, returned or settled any more.
    workspace_id: Option<WorkspaceId>,
    /// The invariant that it breaks.
    invariant: String,
    what: String,
}

/// `GET /findings`.
pub(super) async fn show(
    State(app): State<App>,
    _operator: Installation,
    query: Parameters<Nothing>,
) -> Answer<Shown<View>> {
    query.read()?;
    let (found, as_of_seq) = ledger::ask(&app, AskFindings {}).await?;
    let FindingsView { contradictions, first, unknown: unknown_events } = found;
    let items = first.into_iter().map(|FindingView { position, workspace, invariant, what }| Item {
        id: position,
        seq: position.seq,
        workspace_id: workspace,
        invariant,
        what,
    });
    Ok(Shown(View { contradictions, items: items.collect(), unknown_events, as_of_seq }))
}
