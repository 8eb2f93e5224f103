//! The demo workspace and `quickstart.json`: what a new user needs for a first message.
//!
//! Everything is made through the API of this same process, as a user would. The tokens are kept in the file over all
//! starts; the URLs are written anew at each start.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use angelia_shared::dice;
use anyhow::{Context as _, bail};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::data_dir::DataDir;

/// The file's name under the data directory.
pub(crate) const FILE: &str = "quickstart.json";
/// The sandbox account's number.
const ACCOUNT_PHONE: &str = "+15105566777";
/// The sandbox account's id in the Graph.
const PHONE_NUMBER_ID: &str = "100000000000001";
/// Credits of the demo workspace.
const CREDITS: u64 = 1_000;
/// How long the API may take to come up: the ledger may have a long log to read.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// What the file says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Quickstart {
    pub(crate) console_url: String,
    pub(crate) api_url: String,
    pub(crate) webhook_url: String,
    pub(crate) workspace_id: String,
    pub(crate) webhook_id: String,
    pub(crate) account_id: String,
    pub(crate) account_phone: String,
    pub(crate) chat_id: String,
    pub(crate) group_chat_id: String,
    pub(crate) operator_token: String,
    pub(crate) owner_token: String,
    pub(crate) sandbox_url: String,
}

/// Reads the file of an installation on this machine.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) fn read(data: &Path) -> anyhow::Result<Quickstart> {
    let path = data.join(FILE);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

/// Where this installation is.
pub(crate) struct Place<'a> {
    pub(crate) dir: &'a DataDir,
    pub(crate) address: SocketAddr,
    pub(crate) public_url: String,
    pub(crate) operator_token: String,
    pub(crate) sandbox_url: String,
    pub(crate) sandbox_secret: String,
}

impl Place<'_> {
    /// The address at which this machine reaches the ingress.
    pub(crate) fn local_url(&self) -> String {
        let ip = self.address.ip();
        match (ip.is_unspecified(), ip.is_ipv6()) {
            (true, true) => format!("http://[::1]:{}", self.address.port()),
            (true, false) => format!("http://127.0.0.1:{}", self.address.port()),
            (false, _) => format!("http://{}", self.address),
        }
    }

    /// What the URLs that are shown begin with.
    pub(crate) fn shown_url(&self) -> String {
        if self.public_url.is_empty() { self.local_url() } else { self.public_url.trim_end_matches('/').to_owned() }
    }
}

/// Makes the demo workspace on the first start, refreshes the URLs on later ones, and writes the file.
pub(crate) async fn prepare(place: &Place<'_>) -> anyhow::Result<Quickstart> {
    let api =
        Api { http: reqwest::Client::builder().no_proxy().build()?, base: format!("{}/api/v1", place.local_url()) };
    let kept = match std::fs::read(place.dir.path().join(FILE)) {
        Ok(bytes) => Some(serde_json::from_slice::<Quickstart>(&bytes).with_context(|| {
            format!("{FILE} in the data directory is damaged; move it away to make a new demo workspace")
        })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {FILE}")),
    };
    let made = match kept {
        Some(kept) => kept,
        None => make(&api, place).await.context("cannot make the demo workspace")?,
    };
    let fresh = refresh(&api, place, made).await.context("cannot bring the demo workspace up to date")?;
    let mut text = serde_json::to_string_pretty(&fresh)?;
    text.push('\n');
    place.dir.write_private(FILE, text.as_bytes())?;
    Ok(fresh)
}

async fn make(api: &Api, place: &Place<'_>) -> anyhow::Result<Quickstart> {
    let operator = &place.operator_token;
    let workspace = api.call(Method::POST, "/workspaces", operator, json!({"name": "demo"})).await?;
    let (id, owner) = (text(&workspace, "id")?, text(&workspace, "owner_token")?);
    let under = |path: &str| format!("/workspaces/{id}{path}");
    let account = json!({
        "phone": ACCOUNT_PHONE, "transport": "cloud", "phone_number_id": PHONE_NUMBER_ID, "base_url": place.sandbox_url,
        "access_token": dice::token(), "app_secret": place.sandbox_secret, "verify_token": dice::token(),
    });
    let account = api.call(Method::POST, &under("/accounts"), &owner, account).await?;
    let account_id = text(&account, "id")?;
    api.call(Method::POST, &under(&format!("/accounts/{account_id}/connect")), &owner, json!({})).await?;
    let chats = [("1", "14155550123@s.whatsapp.net", "Ada Demo"), ("2", "120363000000000001@g.us", "Demo group")];
    for (chat, jid, name) in chats {
        let chat_state = json!({"account_id": account_id, "jid": jid, "name": name});
        api.call(Method::PUT, &under(&format!("/chats/{chat}")), &owner, chat_state).await?;
    }
    let webhook = api.call(Method::POST, &under("/webhooks"), &owner, json!({})).await?;
    let grant = json!({"credits": CREDITS, "reason": "quickstart"});
    api.call(Method::POST, &under("/credits"), operator, grant).await?;
    Ok(Quickstart {
        console_url: String::new(),
        api_url: String::new(),
        webhook_url: text(&webhook, "url")?,
        webhook_id: text(&webhook, "id")?,
        workspace_id: id,
        account_id,
        account_phone: ACCOUNT_PHONE.to_owned(),
        chat_id: chats[0].0.to_owned(),
        group_chat_id: chats[1].0.to_owned(),
        operator_token: operator.clone(),
        owner_token: owner,
        sandbox_url: String::new(),
    })
}

/// Writes the URLs of this start into what was kept; the account follows the sandbox to its new port.
async fn refresh(api: &Api, place: &Place<'_>, kept: Quickstart) -> anyhow::Result<Quickstart> {
    let Quickstart { workspace_id, webhook_id, account_id, owner_token, .. } = &kept;
    if kept.sandbox_url != place.sandbox_url {
        let path = format!("/workspaces/{workspace_id}/accounts/{account_id}");
        api.call_if_there(Method::PATCH, &path, owner_token, json!({"base_url": place.sandbox_url})).await?;
    }
    let webhooks =
        api.call(Method::GET, &format!("/workspaces/{workspace_id}/webhooks"), owner_token, Value::Null).await?;
    let items = webhooks["items"].as_array().cloned().unwrap_or_default();
    let webhook = items.iter().find(|webhook| webhook["id"] == **webhook_id);
    // A webhook that its owner removed stays removed; the file keeps its last URL.
    let webhook_url = webhook.map_or_else(|| Ok(kept.webhook_url.clone()), |webhook| text(webhook, "url"))?;
    let shown = place.shown_url();
    Ok(Quickstart {
        console_url: format!("{shown}/console"),
        api_url: format!("{shown}/api/v1"),
        webhook_url,
        operator_token: place.operator_token.clone(),
        sandbox_url: place.sandbox_url.clone(),
        ..kept
    })
}

fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("the API's answer has no {field}"))
}

/// The API of this process.
struct Api {
    http: reqwest::Client,
    base: String,
}

impl Api {
    /// Makes one call; waits while the API is not ready yet.
    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> anyhow::Result<Value> {
        let (status, answer) = self.try_call(method, path, token, body).await?;
        if !status.is_success() {
            bail!("{path} answered {status}: {}", answer["detail"].as_str().unwrap_or("without a detail"));
        }
        Ok(answer)
    }

    /// The same, for a thing that its owner may have removed.
    async fn call_if_there(&self, method: Method, path: &str, token: &str, body: Value) -> anyhow::Result<()> {
        let (status, answer) = self.try_call(method, path, token, body).await?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        bail!("{path} answered {status}: {}", answer["detail"].as_str().unwrap_or("without a detail"))
    }

    async fn try_call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        loop {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).bearer_auth(token);
            if !body.is_null() {
                request = request.json(&body);
            }
            let answer = request.send().await;
            match answer {
                Ok(answer) if answer.status() != StatusCode::SERVICE_UNAVAILABLE => {
                    let status = answer.status();
                    let bytes = answer.bytes().await?;
                    return Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
                }
                Ok(_) | Err(_) if tokio::time::Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Ok(answer) => bail!("{path} still answers {} after {READY_WITHIN:?}", answer.status()),
                Err(error) => return Err(error).with_context(|| format!("{path} does not answer")),
            }
        }
    }
}
