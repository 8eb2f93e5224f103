//! `angelia workspace …`.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::{Api, segment};
use super::cli::{Remote, Role, UnknownPolicy, WorkspaceCommand};
use super::place::{As, Place};
use super::shown::{self, Table};
use crate::audit::place::Unusable;
use crate::audit::print;

pub(super) async fn run(remote: Remote, command: WorkspaceCommand) -> anyhow::Result<()> {
    let (place, json) = (Place::find(&remote, None)?, remote.json);
    match command {
        WorkspaceCommand::List => {
            let columns = &["id", "name", "unknown_policy", "low_balance", "created_at"];
            list(&place.api(As::Operator)?, "/workspaces", &[], columns, json).await
        }
        WorkspaceCommand::Create { name } => {
            let made = place.api(As::Operator)?.call(Method::POST, "/workspaces", Some(json!({"name": name}))).await?;
            shown::one(&made, json)
        }
        WorkspaceCommand::Grant { credits, reason } => {
            let grant = json!({"credits": credits, "reason": reason});
            let path = format!("{}/credits", place.workspace()?);
            shown::one(&place.api(As::Operator)?.call(Method::POST, &path, Some(grant)).await?, json)
        }
        of_owner => owned(&place.api(As::Owner)?, &place.workspace()?, of_owner, json).await,
    }
}

async fn owned(api: &Api, workspace: &str, command: WorkspaceCommand, json: bool) -> anyhow::Result<()> {
    let path = |rest: &str| format!("{workspace}{rest}");
    match command {
        WorkspaceCommand::Show => shown::one(&api.get(workspace).await?, json),
        WorkspaceCommand::Edit { name, unknown_policy, low_balance } => {
            let edit = edit(name, unknown_policy, low_balance)?;
            shown::one(&api.call(Method::PATCH, workspace, Some(edit)).await?, json)
        }
        WorkspaceCommand::Credits { as_of } => {
            let query = as_of.map(|as_of| format!("?as_of={}", segment(&as_of))).unwrap_or_default();
            shown::one(&api.get(&path(&format!("/credits{query}"))).await?, json)
        }
        WorkspaceCommand::Statement { from, to, csv: true } => {
            let bounds = [("from", from), ("to", to)].into_iter();
            let bounds = bounds.filter_map(|(name, value)| Some(format!("{name}={}", segment(&value?))));
            print(&api.csv(&path(&format!("/statement?{}", bounds.collect::<Vec<_>>().join("&")))).await?)
        }
        WorkspaceCommand::Statement { from, to, csv: false } => {
            let columns = &["seq", "at", "kind", "credits", "balance", "message_id", "reason"];
            list(api, &path("/statement"), &[("from", from), ("to", to)], columns, json).await
        }
        WorkspaceCommand::Tokens => {
            list(api, &path("/tokens"), &[], &["id", "role", "label", "created_at"], json).await
        }
        WorkspaceCommand::GiveToken { role, label } => {
            let role = match role {
                Role::Owner => "owner",
                Role::Auditor => "auditor",
            };
            let mut token = json!({"role": role});
            if let Some(label) = label {
                token["label"] = Value::from(label);
            }
            shown::one(&api.call(Method::POST, &path("/tokens"), Some(token)).await?, json)
        }
        WorkspaceCommand::RevokeToken { id } => {
            api.call(Method::DELETE, &path(&format!("/tokens/{}", segment(&id))), None).await.map(drop)
        }
        WorkspaceCommand::List | WorkspaceCommand::Create { .. } | WorkspaceCommand::Grant { .. } => {
            unreachable!("the operator's commands are answered before")
        }
    }
}

fn edit(name: Option<String>, policy: Option<UnknownPolicy>, low_balance: Option<u64>) -> anyhow::Result<Value> {
    let policy = policy.map(|policy| match policy {
        UnknownPolicy::Refund => "refund",
        UnknownPolicy::Charge => "charge",
    });
    let fields = [
        ("name", name.map(Value::from)),
        ("unknown_policy", policy.map(Value::from)),
        ("low_balance", low_balance.map(Value::from)),
    ];
    let edit: Map<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if edit.is_empty() {
        let what = "nothing to change: give --name, --unknown-policy or --low-balance";
        return Err(Unusable(what.to_owned()).into());
    }
    Ok(Value::Object(edit))
}

/// Prints a list: a table when all of it is there, or JSON lines as they come.
pub(super) async fn list(
    api: &Api,
    path: &str,
    query: &[(&str, Option<String>)],
    columns: &'static [&'static str],
    json: bool,
) -> anyhow::Result<()> {
    let mut table = Table::of(columns);
    let each = |item: &Value| {
        if json {
            shown::line(item)?;
        } else {
            table.add(item);
        }
        Ok(true)
    };
    api.list(path, query, each).await?;
    if json { Ok(()) } else { table.print() }
}
