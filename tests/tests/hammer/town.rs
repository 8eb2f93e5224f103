//! The workspaces that are hammered: one hot, some warm, many cold; some rich, some with hardly a credit.

use angelia_shared::ids::WorkspaceId;
use angelia_tests::checker::callers::Grant;
use angelia_tests::client::{Answer, Api, http};
use angelia_tests::files::FileServer;
use angelia_tests::fleet::Fleet;
use angelia_tests::installation::{cloud_account, text};
use angelia_tests::raw::path_of;
use angelia_tests::tenant::{FAST, unique};
use angelia_tests::wait::{LATER, eventually};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use angelia_tests::dice::Dice;

/// How many workspaces; the one of rank `r` gets `1/r` of what the first gets.
const WORKSPACES: usize = 12;
/// Accounts of the hot one, so that what it accepts is sent in time.
const ACCOUNTS_HOT: usize = 8;
const ACCOUNTS: usize = 2;
/// More than it can spend.
const RICH: u64 = 1_000_000;
/// Spent within the first seconds.
const POOR: u64 = 15;

pub(crate) struct Workspace {
    pub(crate) id: WorkspaceId,
    pub(crate) owner: Api,
    /// The webhook's path, on any replica.
    pub(crate) hook: String,
    /// The numbers of its accounts.
    pub(crate) phones: Vec<String>,
    pub(crate) is_poor: bool,
}

impl Workspace {
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/workspaces/{}{rest}", self.id)
    }
}

pub(crate) struct Town {
    /// By rank.
    pub(crate) workspaces: Vec<Workspace>,
    /// What was granted before the load.
    pub(crate) grants: Vec<Grant>,
    pub(crate) files: FileServer,
    pub(crate) operator_token: String,
}

impl Town {
    /// Makes it, and waits until every replica knows it.
    pub(crate) async fn build(fleet: &Fleet) -> Self {
        let (workspaces, grants) = join_all((0..WORKSPACES).map(|rank| build(fleet, rank))).await.into_iter().unzip();
        let town = Self {
            workspaces,
            grants,
            files: FileServer::start().await,
            operator_token: fleet.operator_token().to_owned(),
        };
        let http = http();
        for (url, workspace) in fleet.urls.iter().flat_map(|url| town.workspaces.iter().map(move |w| (url, w))) {
            eventually("every replica knows every webhook", LATER, async || {
                let request = http.request(Method::POST, format!("{url}{}", workspace.hook)).body("not JSON");
                let answer = Answer::to(request).await.map_err(|error| error.to_string())?;
                if answer.status == 400 { Ok(()) } else { Err(answer.text()) }
            })
            .await;
        }
        town
    }

    /// A workspace, the hot ones more often.
    pub(crate) fn pick(&self, dice: &mut Dice) -> &Workspace {
        let weight = |rank: usize| 1.0 / (rank + 1) as f64;
        let mut left = dice.unit() * (0..self.workspaces.len()).map(weight).sum::<f64>();
        let at = (0..self.workspaces.len()).find(|rank| {
            left -= weight(*rank);
            left <= 0.0
        });
        &self.workspaces[at.unwrap_or(0)]
    }
}

async fn build(fleet: &Fleet, rank: usize) -> (Workspace, Grant) {
    let operator = fleet.operator(rank % fleet.urls.len());
    let made = operator.post("/workspaces", json!({"name": format!("rank {rank}")})).await.expect(201);
    let (id, is_poor) = (text(&made, "id").to_owned(), rank % 3 == 1);
    let owner = operator.as_token(made["owner_token"].as_str());
    let under = |rest: &str| format!("/workspaces/{id}{rest}");
    let mut phones = Vec::new();
    for _ in 0..if rank == 0 { ACCOUNTS_HOT } else { ACCOUNTS } {
        let number = unique();
        let phone = format!("+1510{number:07}");
        let body = cloud_account(&fleet.sandbox, &phone, &format!("900{number:07}"), FAST);
        let account = owner.post(&under("/accounts"), body).await.expect(201);
        let path = under(&format!("/accounts/{}", text(&account, "id")));
        owner.post(&format!("{path}/connect"), json!({})).await;
        eventually("the account is connected", LATER, async || {
            let seen = owner.get(&path).await.expect(200);
            if seen["state"] == "connected" { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
        phones.push(phone);
    }
    let (credits, reason) = (if is_poor { POOR } else { RICH }, "the first".to_owned());
    let answer = operator.post(&under("/credits"), json!({"credits": credits, "reason": reason})).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    // Last, so that whoever knows the webhook knows all of it.
    let webhook = owner.post(&under("/webhooks"), json!({})).await.expect(201);
    let hook = path_of(text(&webhook, "url"));
    let id: WorkspaceId = id.parse().expect("an id");
    (Workspace { id, owner, hook, phones, is_poor }, Grant { workspace: id, reason, was_told: true })
}
