//! `angelia webhook …`.

use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Refused, segment};
use super::cli::{Remote, WebhookCommand};
use super::place::{As, Place};
use super::shown::{self, Table};
use super::workspace::list;

pub(super) async fn run(remote: Remote, command: WebhookCommand) -> anyhow::Result<()> {
    let (place, json) = (Place::find(&remote, None)?, remote.json);
    let (api, workspace) = (place.api(As::Owner)?, place.workspace()?);
    let all = format!("{workspace}/webhooks");
    let one = |id: &str| format!("{all}/{}", segment(id));
    let changed = match command {
        WebhookCommand::List => {
            return list(&api, &all, &[], &["id", "enabled", "url", "previous_url_until", "created_at"], json).await;
        }
        WebhookCommand::Activations { id, limit } => {
            let limit = limit.map(|limit| format!("?limit={limit}")).unwrap_or_default();
            let page = api.get(&format!("{}/activations{limit}", one(&id))).await?;
            return activations(&page, json);
        }
        WebhookCommand::CheckLink { url, file_name } => {
            let mut link = json!({"url": url});
            if let Some(name) = file_name {
                link["file_name"] = Value::from(name);
            }
            let checked = api.call(Method::POST, &format!("{workspace}/link-check"), Some(link)).await?;
            shown::one(&checked, json)?;
            if checked["ok"] == true {
                return Ok(());
            }
            let advice = checked["advice"].as_str().unwrap_or("the link does not download a file");
            return Err(Refused(shown::plain(advice)).into());
        }
        WebhookCommand::Remove { id } => return api.call(Method::DELETE, &one(&id), None).await.map(drop),
        WebhookCommand::Create { disabled } => {
            api.call(Method::POST, &all, Some(json!({"enabled": !disabled}))).await?
        }
        WebhookCommand::Show { id } => api.get(&one(&id)).await?,
        WebhookCommand::Enable { id } => api.call(Method::PATCH, &one(&id), Some(json!({"enabled": true}))).await?,
        WebhookCommand::Disable { id } => api.call(Method::PATCH, &one(&id), Some(json!({"enabled": false}))).await?,
        WebhookCommand::Rotate { id, grace_s } => {
            let body = grace_s.map_or_else(|| json!({}), |grace_s| json!({"grace_s": grace_s}));
            api.call(Method::POST, &format!("{}/rotate", one(&id)), Some(body)).await?
        }
    };
    shown::one(&changed, json)
}

fn activations(page: &Value, json: bool) -> anyhow::Result<()> {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if json {
        return items.iter().try_for_each(shown::line);
    }
    let mut table = Table::of(&["at", "status", "message_id", "caller", "error"]);
    items.iter().for_each(|item| table.add(item));
    table.print()
}
