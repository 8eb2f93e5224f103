//! An installation with a workspace of very many messages.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::Args;
use super::place::Visitor;
use crate::installation::Installation;
use crate::load;

/// A gap that lets an account send many times a second.
const GAP_MS: [u64; 2] = [50, 80];
/// Chats that are made at once.
const CHATS_AT_ONCE: usize = 32;

/// The installation, and what there is in it to look at.
pub(super) struct Town {
    installation: Installation,
    pub(super) workspace: String,
    pub(super) webhook: String,
    pub(super) account: String,
    /// A message that was sent.
    pub(super) message: String,
    /// A sequence in the middle of that message's history.
    pub(super) amid: u64,
    /// A sequence in the middle of the log.
    pub(super) half: u64,
    /// A search that finds only the oldest message.
    pub(super) first_query: String,
    pub(super) messages: u64,
}

impl Town {
    /// Builds it.
    pub(super) async fn build(args: &Args) -> anyhow::Result<Self> {
        let installation = Installation::start().await?;
        installation.grant(args.messages * 2 + 100_000).await?;
        let text = |name: &str| installation.text(name).map(str::to_owned);
        let (workspace, owner, webhook) = (text("workspace_id")?, text("owner_token")?, text("webhook_id")?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut accounts = Vec::new();
        let (mut messages, mut first) = (0, None);
        for number in 0..args.accounts {
            // A call that names no account goes to the one that was connected last.
            let id = installation.make_account(&http, (&workspace, &owner), number, Some(GAP_MS)).await?;
            accounts.push(id);
            let wanted = args.messages * (number as u64 + 1) / args.accounts as u64;
            let mut seed = number as u64 * 1_000 + 1;
            first.get_or_insert(seed << 32);
            while messages < wanted {
                let target = installation.target(seed)?;
                let outcome = load::closed(&target, args.callers, Duration::from_millis(200)).await?;
                if outcome.refused > 0 {
                    bail!("{} calls were refused", outcome.refused);
                }
                (messages, seed) = (messages + outcome.accepted, seed + 1);
            }
        }
        let account = accounts.first().cloned().context("there is an account")?;
        let first_query = format!("q=number+{}%2C", first.context("there is a first message")?);
        let mut town = Self {
            installation,
            workspace,
            webhook,
            account,
            message: String::new(),
            amid: 0,
            half: 0,
            first_query,
            messages,
        };
        town.make_chats(&http, args.chats).await?;
        tokio::time::sleep(Duration::from_secs(args.sending_s)).await;
        for account in &accounts {
            let path = format!("/workspaces/{}/accounts/{account}/disconnect", town.workspace);
            town.installation.api(&http, &path, town.installation.text("owner_token")?, json!({})).await?;
        }
        // What is under way comes to its end, reports too.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let sent = town.ask(&http, "/messages?state=read&limit=1").await?;
        town.message =
            sent["items"][0]["id"].as_str().context("a message was read")?.trim_start_matches("wa_backend:").to_owned();
        let amid = sent["items"][0]["timeline"][2]["id"].as_str().and_then(|id| id.split('.').next()?.parse().ok());
        town.amid = amid.context("a message that was read has a history")?;
        let end = town.ask(&http, "/credits").await?["as_of_seq"].as_u64().context("credits have a sequence")?;
        town.half = end / 2;
        Ok(town)
    }

    async fn make_chats(&self, http: &reqwest::Client, count: usize) -> anyhow::Result<()> {
        let token = self.installation.text("owner_token")?;
        let made = stream::iter(0..count).map(|number| async move {
            let path = format!("http://{}{}/chats/bench-{number}", self.installation.address, self.path());
            let chat = json!({"account_id": self.account, "phone": format!("+30210{number:07}"), "name": format!("Chat {number}")});
            let answer = http.put(path).bearer_auth(token).json(&chat).send().await?;
            if answer.status().is_success() { Ok(()) } else { bail!("a chat was refused: {}", answer.text().await?) }
        });
        made.buffer_unordered(CHATS_AT_ONCE).try_collect().await
    }

    async fn ask(&self, http: &reqwest::Client, rest: &str) -> anyhow::Result<Value> {
        let url = format!("http://{}{}{rest}", self.installation.address, self.path());
        let answer = http.get(url).bearer_auth(self.installation.text("owner_token")?).send().await?;
        Ok(serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?)
    }

    /// The path of the workspace in the API.
    pub(super) fn path(&self) -> String {
        format!("/api/v1/workspaces/{}", self.workspace)
    }

    /// Its owner, signed in.
    pub(super) async fn owner(&self) -> anyhow::Result<Visitor> {
        Visitor::sign_in(format!("http://{}", self.installation.address), self.installation.text("owner_token")?).await
    }

    /// The operator, signed in.
    pub(super) async fn operator(&self) -> anyhow::Result<Visitor> {
        Visitor::sign_in(format!("http://{}", self.installation.address), self.installation.text("operator_token")?)
            .await
    }

    /// What is in it.
    pub(super) async fn describe(&self) -> anyhow::Result<String> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let credits = self.ask(&http, "/credits").await?;
        let (end, consumed) = (&credits["as_of_seq"], &credits["consumed"]);
        let (program, broker) = self.installation.resident_mib();
        Ok(format!(
            "{} messages in a log of {end} records, {consumed} credits consumed; program {program:.0} MiB, broker {broker:.0} MiB",
            self.messages
        ))
    }
}
