//! A workspace with some accounts, and the messages that go out from each.

use std::collections::HashSet;
use std::time::Duration;

use angelia_shared::ids::AccountId;
use angelia_tests::client::{Api, Hook};
use angelia_tests::dice::Dice;
use angelia_tests::fleet::Fleet;
use angelia_tests::installation::{cloud_account, text};
use angelia_tests::notes::Notes;
use angelia_tests::tenant::{recipient, unique};
use angelia_tests::wait::{LATER, SOON, eventually};
use futures_util::future::join_all;
use serde_json::json;

/// Who sends, and how.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Enough to be spread over all dispatchers.
    pub(crate) accounts: usize,
    /// The range of each account's gap, in milliseconds.
    pub(crate) gap_ms: [u64; 2],
    /// What recipients do in the sandbox, and the share of each, beside those that just get their message.
    pub(crate) scripts: &'static [(&'static str, f64)],
}

/// An account and its messages, in the order in which they were accepted.
pub(crate) struct Sent {
    pub(crate) account: AccountId,
    pub(crate) phone_number_id: String,
    pub(crate) floor_ms: i64,
    pub(crate) messages: Vec<String>,
    /// Those that WhatsApp takes, if they come, and never tells of but on its list.
    pub(crate) silent: HashSet<String>,
}

/// The recipient who is reached like that.
const SILENT: &str = "0410";

struct Account {
    id: AccountId,
    phone: String,
    phone_number_id: String,
}

pub(crate) struct Town {
    workspace: String,
    owner: Api,
    hook: Hook,
    size: Size,
    accounts: Vec<Account>,
    pub(crate) notes: Notes,
}

impl Town {
    pub(crate) async fn build(fleet: &Fleet, size: Size) -> Self {
        let operator = fleet.operator(0);
        let made = operator.post("/workspaces", json!({"name": "takeovers"})).await.expect(201);
        let (workspace, owner) = (text(&made, "id").to_owned(), operator.as_token(made["owner_token"].as_str()));
        let under = |rest: &str| format!("/workspaces/{workspace}{rest}");
        let grant = operator.post(&under("/credits"), json!({"credits": 10_000_000, "reason": "for a test"})).await;
        assert!((200..300).contains(&grant.status), "{}", grant.text());
        let mut accounts = Vec::new();
        for _ in 0..size.accounts {
            let number = unique();
            let (phone, phone_number_id) = (format!("+1510{number:07}"), format!("900{number:07}"));
            let body = cloud_account(&fleet.sandbox, &phone, &phone_number_id, size.gap_ms);
            let account = owner.post(&under("/accounts"), body).await.expect(201);
            let path = under(&format!("/accounts/{}", text(&account, "id")));
            owner.post(&format!("{path}/connect"), json!({})).await;
            eventually("the account is connected", SOON, async || {
                let seen = owner.get(&path).await.expect(200);
                if seen["state"] == "connected" { Ok(()) } else { Err(seen.to_string()) }
            })
            .await;
            let id = text(&account, "id").parse().expect("an account's id");
            accounts.push(Account { id, phone, phone_number_id });
        }
        let webhook = owner.post(&under("/webhooks"), json!({})).await.expect(201);
        let hook = Hook::new(text(&webhook, "url"));
        Self { workspace, owner, hook, size, accounts, notes: Notes::default() }
    }

    /// Hands in as much as keeps every account busy for so long.
    pub(crate) async fn accept(&self, seed: u64, seconds: u64) -> Vec<Sent> {
        let [low, high] = self.size.gap_ms;
        let count = seconds * 2_000 / (low + high);
        join_all(self.accounts.iter().enumerate().map(|(n, account)| async move {
            let mut dice = Dice::of(seed, &format!("account {n}"));
            let (mut messages, mut silent) = (Vec::new(), HashSet::new());
            for number in 0..count {
                let mut what = dice.unit();
                let script = self.size.scripts.iter().find(|(_, share)| {
                    what -= share;
                    what < 0.0
                });
                let to = recipient(script.map_or("1234", |(digits, _)| digits));
                let body = json!({
                    "action": "send", "text": format!("number {number}"), "phone": to, "whatsapp account phone": account.phone,
                });
                let id = self.hook.call(&body).await.accepted();
                self.notes.add(&id);
                if to.ends_with(SILENT) {
                    silent.insert(id.clone());
                }
                messages.push(id);
            }
            let floor_ms = i64::try_from(low).expect("a short time");
            Sent { account: account.id, phone_number_id: account.phone_number_id.clone(), floor_ms, messages, silent }
        }))
        .await
    }

    /// Asks for the end of some messages, each of which may have begun or ended meanwhile, over this time.
    pub(crate) async fn cancel_some(&self, sent: &[Sent], seed: u64, share: f64, over: Duration) {
        let mut dice = Dice::of(seed, "who cancels");
        let all: Vec<&String> = sent.iter().flat_map(|sent| &sent.messages).collect();
        let count = (all.len() as f64 * share) as u32;
        for _ in 0..count {
            tokio::time::sleep(over / count).await;
            let path = format!("/workspaces/{}/messages/{}/cancel", self.workspace, dice.one_of(&all));
            let answer = self.owner.post(&path, json!({})).await;
            assert!([202, 409, 503].contains(&answer.status), "{}", answer.text());
        }
    }

    /// Asks for the end of whatever waits.
    pub(crate) async fn purge(&self) {
        for account in &self.accounts {
            let path = format!("/workspaces/{}/accounts/{}/purge", self.workspace, account.id);
            self.owner.post(&path, json!({})).await.expect(202);
        }
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
