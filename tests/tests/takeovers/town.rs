//! A workspace with some accounts, and the messages that go out from each.

use std::time::Duration;

use angelia_tests::client::{Api, Hook};
use angelia_tests::dice::Dice;
use angelia_tests::fleet::Fleet;
use angelia_tests::installation::{cloud_account, text};
use angelia_tests::notes::Notes;
use angelia_tests::tenant::{recipient, unique};
use angelia_tests::wait::{LATER, SOON, eventually};
use futures_util::future::join_all;
use serde_json::json;

/// Enough to be spread over all dispatchers.
const ACCOUNTS: usize = 18;
/// The range of each account's gap, in milliseconds.
pub(crate) const GAP_MS: [u64; 2] = [300, 500];
/// What recipients do in the sandbox, beside those that just get their message.
const SCRIPTS: [(&str, f64); 3] = [("0408", 0.03), ("0409", 0.03), ("0503", 0.02)];

/// An account and its messages, in the order in which they were accepted.
pub(crate) struct Sent {
    pub(crate) phone_number_id: String,
    pub(crate) messages: Vec<String>,
}

pub(crate) struct Town {
    workspace: String,
    owner: Api,
    hook: Hook,
    accounts: Vec<(String, String)>,
    pub(crate) notes: Notes,
}

impl Town {
    pub(crate) async fn build(fleet: &Fleet) -> Self {
        let operator = fleet.operator(0);
        let made = operator.post("/workspaces", json!({"name": "takeovers"})).await.expect(201);
        let (workspace, owner) = (text(&made, "id").to_owned(), operator.as_token(made["owner_token"].as_str()));
        let under = |rest: &str| format!("/workspaces/{workspace}{rest}");
        let grant = operator.post(&under("/credits"), json!({"credits": 10_000_000, "reason": "for a test"})).await;
        assert!((200..300).contains(&grant.status), "{}", grant.text());
        let mut accounts = Vec::new();
        for _ in 0..ACCOUNTS {
            let number = unique();
            let (phone, phone_number_id) = (format!("+1510{number:07}"), format!("900{number:07}"));
            let body = cloud_account(&fleet.sandbox, &phone, &phone_number_id, GAP_MS);
            let account = owner.post(&under("/accounts"), body).await.expect(201);
            let path = under(&format!("/accounts/{}", text(&account, "id")));
            owner.post(&format!("{path}/connect"), json!({})).await;
            eventually("the account is connected", SOON, async || {
                let seen = owner.get(&path).await.expect(200);
                if seen["state"] == "connected" { Ok(()) } else { Err(seen.to_string()) }
            })
            .await;
            accounts.push((phone, phone_number_id));
        }
        let webhook = owner.post(&under("/webhooks"), json!({})).await.expect(201);
        let hook = Hook::new(text(&webhook, "url"));
        Self { workspace, owner, hook, accounts, notes: Notes::default() }
    }

    /// Hands in as much as keeps every account busy for so long.
    pub(crate) async fn accept(&self, seed: u64, seconds: u64) -> Vec<Sent> {
        let count = seconds * 2_000 / (GAP_MS[0] + GAP_MS[1]);
        join_all(self.accounts.iter().enumerate().map(|(n, (phone, phone_number_id))| async move {
            let mut dice = Dice::of(seed, &format!("account {n}"));
            let mut messages = Vec::new();
            for number in 0..count {
                let mut what = dice.unit();
                let script = SCRIPTS.iter().find(|(_, share)| {
                    what -= share;
                    what < 0.0
                });
                let to = recipient(script.map_or("1234", |(digits, _)| digits));
                let body = json!({
                    "action": "send", "text": format!("number {number}"), "phone": to, "whatsapp account phone": phone,
                });
                let id = self.hook.call(&body).await.accepted();
                self.notes.add(&id);
                messages.push(id);
            }
            Sent { phone_number_id: phone_number_id.clone(), messages }
        }))
        .await
    }

    /// Waits until no message waits for anything.
    pub(crate) async fn everything_has_ended(&self, seconds: u64) {
        for state in ["queued", "sending", "unknown"] {
            let path = format!("/workspaces/{}/messages?limit=1&state={state}", self.workspace);
            eventually(&format!("nothing is {state}"), LATER + Duration::from_secs(seconds * 4), async || {
                let answer = self.owner.get(&path).await;
                if answer.status != 200 {
                    return Err(answer.text());
                }
                let items = answer.json()["items"].clone();
                if items.as_array().is_some_and(Vec::is_empty) { Ok(()) } else { Err(items.to_string()) }
            })
            .await;
        }
    }
}
