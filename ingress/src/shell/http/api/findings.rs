//! What in the log needs a person: facts that cannot be true, and events that are not understood.

use std::collections::BTreeMap;

use angelia_shared::ids::WorkspaceId;
use angelia_shared::query::{AskFindings, FindingView, FindingsView};
use axum::extract::State;
use http::Uri;
use serde::Serialize;

use super::allowed::Installation;
use super::answer::{self, Answer};
use super::ledger;
use crate::shell::http::App;

#[derive(Serialize)]
struct View {
    /// Facts that cannot be true, so far. All of them are counted, the first ones are listed.
    contradictions: u64,
    items: Vec<Item>,
    /// Lines that this version does not understand, by the type and version that they name.
    unknown_events: BTreeMap<String, u64>,
    as_of_seq: u64,
}

#[derive(Serialize)]
struct Item {
    /// Its place in the log, to the line.
    id: String,
    seq: u64,
    /// Where nothing is refunded, returned or settled any more.
    workspace_id: Option<WorkspaceId>,
    invariant: String,
    what: String,
}

/// `GET /findings`.
pub(super) async fn show(State(app): State<App>, _operator: Installation, uri: Uri) -> Answer {
    answer::query(&uri)?.finish()?;
    let (found, as_of_seq) = ledger::ask(&app, AskFindings {}).await?;
    let FindingsView { contradictions, first, unknown: unknown_events } = found;
    let items = first.into_iter().map(|FindingView { position, workspace, invariant, what }| Item {
        id: position.to_string(),
        seq: position.seq,
        workspace_id: workspace,
        invariant,
        what,
    });
    answer::ok(&View { contradictions, items: items.collect(), unknown_events, as_of_seq })
}
