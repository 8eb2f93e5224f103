//! Files to download: the API's own answers, passed on.

use axum::body::Body;
use axum::response::Response;
use http::Method;

use super::trouble::Trouble;
use super::visit::{Visit, query_of};
use crate::domain::console::figure;

/// The file at a place; none when the place is a page.
pub(super) async fn answer(visit: &Visit, segments: &[&str]) -> Option<Result<Response, Trouble>> {
    match segments {
        ["w", workspace, "webhooks", webhook, "activations.log"] => Some(activations(visit, workspace, webhook).await),
        ["w", workspace, "credits", "statement.csv"] => Some(statement(visit, workspace).await),
        _ => None,
    }
}

async fn activations(visit: &Visit, workspace: &str, webhook: &str) -> Result<Response, Trouble> {
    let workspace = visit.workspace(workspace)?;
    let webhook: angelia_shared::ids::WebhookId = webhook.parse().map_err(|_| Trouble::NotFound)?;
    let path = format!("/workspaces/{}/webhooks/{webhook}/activations.log", workspace.id);
    visit.raw(Method::GET, &path, "*/*", Body::empty()).await
}

async fn statement(visit: &Visit, workspace: &str) -> Result<Response, Trouble> {
    let workspace = visit.workspace(workspace)?;
    let [from, to] = ["from", "to"].map(|name| figure::day_or_time(visit.query.text(name)));
    let path = format!("/workspaces/{}/statement?{}", workspace.id, query_of(&[("from", &from), ("to", &to)]));
    visit.raw(Method::GET, &path, "text/csv", Body::empty()).await
}
