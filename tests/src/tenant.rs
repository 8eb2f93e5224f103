//! A workspace of one test's own in an installation that others use too: with credits, a webhook and accounts.
//!
//! Invariants:
//! - Every 200 that a caller gets through a tenant is noted, so that the log can be held against it.

use std::sync::atomic::{AtomicU64, Ordering};

use angelia_shared::clock;
use serde_json::{Value, json};

use crate::checker::Report;
use crate::client::{Answer, Api, Hook};
use crate::installation::{Installation, cloud_account, tail, text};
use crate::journal::Journal;
use crate::notes::Notes;
use crate::wait::{LATER, SOON, eventually};

/// A gap for tests that are not about the gap.
pub const FAST: [u64; 2] = [50, 80];

/// A gap that no test outlives: whatever stands behind the first message stays queued.
pub const NEVER: [u64; 2] = [3_600_000, 3_600_000];

/// A workspace, its owner and its webhook.
pub struct Tenant<'a> {
    /// Where it is.
    pub installation: &'a Installation,
    /// Its id.
    pub id: String,
    /// The API for its owner.
    pub owner: Api,
    /// The owner's token.
    pub owner_token: String,
    /// Its webhook's id.
    pub webhook_id: String,
    /// Its webhook.
    pub hook: Hook,
    /// What its callers were told.
    pub notes: Notes,
}

/// A WhatsApp account of a tenant.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its number.
    pub phone: String,
    /// Its number's id at WhatsApp.
    pub phone_number_id: String,
}

/// A wallet as the API shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[expect(missing_docs, reason = "the names say it, and the contract explains them")]
pub struct Wallet {
    pub granted: u64,
    pub consumed: u64,
    pub refunded: u64,
    pub available: u64,
}

impl<'a> Tenant<'a> {
    /// Makes a workspace with `credits` and a webhook, and no account.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn new(installation: &'a Installation, credits: u64) -> Self {
        let operator = installation.operator();
        let made = operator.post("/workspaces", json!({"name": "a tenant"})).await.expect(201);
        let (id, owner_token) = (text(&made, "id").to_owned(), text(&made, "owner_token").to_owned());
        if credits > 0 {
            let grant = json!({"credits": credits, "reason": "for a test"});
            let answer = operator.post(&format!("/workspaces/{id}/credits"), grant).await;
            assert!(answer.status == 200 || answer.status == 201, "{}", answer.text());
        }
        let owner = operator.as_token(Some(&owner_token));
        let webhook = owner.post(&format!("/workspaces/{id}/webhooks"), json!({})).await.expect(201);
        let (webhook_id, hook) = (text(&webhook, "id").to_owned(), Hook::new(text(&webhook, "url")));
        Self { installation, id, owner, owner_token, webhook_id, hook, notes: Notes::default() }
    }

    /// A path in this workspace.
    pub fn path(&self, rest: &str) -> String {
        format!("/workspaces/{}{rest}", self.id)
    }

    /// Adds an account on the tests' sandbox and connects it.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn account(&self, gap_ms: [u64; 2]) -> Account {
        let account = self.unconnected_account(gap_ms).await;
        self.connect(&account).await;
        account
    }

    /// Adds an account on the tests' sandbox.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn unconnected_account(&self, gap_ms: [u64; 2]) -> Account {
        let number = unique();
        let (phone, phone_number_id) = (format!("+1510{number:07}"), format!("900{number:07}"));
        let body = cloud_account(self.installation.sandbox().await, &phone, &phone_number_id, gap_ms);
        let made = self.owner.post(&self.path("/accounts"), body).await.expect(201);
        Account { id: text(&made, "id").to_owned(), phone, phone_number_id }
    }

    /// Connects an account and waits until it is.
    ///
    /// # Panics
    /// When the API refuses, or it does not become connected.
    pub async fn connect(&self, account: &Account) {
        let path = self.path(&format!("/accounts/{}", account.id));
        let answer = self.owner.post(&format!("{path}/connect"), json!({})).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text());
        eventually("the account is connected", SOON, async || {
            let seen = self.owner.get(&path).await.expect(200);
            if seen["state"] == "connected" { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    }

    /// Disconnects an account.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn disconnect(&self, account: &Account) {
        let path = self.path(&format!("/accounts/{}/disconnect", account.id));
        let answer = self.owner.post(&path, json!({})).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    }

    /// Stores a chat; `more` holds `jid` or `phone`, and `name`.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn chat(&self, chat_id: &str, account: &Account, mut more: Value) {
        more["account_id"] = json!(account.id);
        let answer = self.owner.put(&self.path(&format!("/chats/{chat_id}")), more).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    }

    /// Calls the webhook; notes what was accepted.
    pub async fn call(&self, body: &Value) -> Answer {
        self.note(self.hook.call(body).await)
    }

    /// Calls the webhook with an idempotency key; notes what was accepted.
    pub async fn call_keyed(&self, key: &str, body: &Value) -> Answer {
        self.note(self.hook.call_keyed(key, body).await)
    }

    /// Notes an answer of this tenant's webhook.
    pub fn note(&self, answer: Answer) -> Answer {
        if answer.status == 200 {
            self.notes.add(&answer.accepted());
        }
        answer
    }

    /// Sends a text to a number from an account; gives the message id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn send(&self, account: &Account, phone: &str, words: &str) -> String {
        let body = json!({"action": "send", "text": words, "phone": phone, "whatsapp account phone": account.phone});
        self.call(&body).await.accepted()
    }

    /// Sends a text with a file.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn send_file(&self, account: &Account, phone: &str, words: &str, url: &str, name: &str) -> String {
        let body = json!({
            "action": "send", "text": words, "file_url": url, "file_name": name, "phone": phone,
            "whatsapp account phone": account.phone,
        });
        self.call(&body).await.accepted()
    }

    /// A message as the API shows it.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn message(&self, id: &str) -> Value {
        self.owner.get(&self.path(&format!("/messages/{id}"))).await.expect(200)
    }

    /// Waits until a message is in one of `states`; gives it.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn until(&self, id: &str, states: &[&str]) -> Value {
        eventually(&format!("message {id} is {}", states.join(" or ")), LATER, async || {
            let message = self.message(id).await;
            let state = text(&message, "state");
            if states.contains(&state) { Ok(message) } else { Err(message.to_string()) }
        })
        .await
    }

    /// Waits until `credits` of a message were given back; gives the message.
    ///
    /// # Panics
    /// When they are not.
    pub async fn until_refunded(&self, id: &str, credits: u64) -> Value {
        eventually(&format!("{credits} of message {id} are refunded"), SOON, async || {
            let message = self.message(id).await;
            if message["refunded"] == json!(credits) { Ok(message) } else { Err(message.to_string()) }
        })
        .await
    }

    /// The wallet.
    ///
    /// # Panics
    /// When it cannot be read, or does not add up.
    pub async fn wallet(&self) -> Wallet {
        let seen = self.owner.get(&self.path("/credits")).await.expect(200);
        let wallet: Wallet = serde_json::from_value(seen).expect("a wallet has four numbers");
        assert_eq!(wallet.granted - wallet.consumed + wallet.refunded, wallet.available, "{wallet:?}");
        wallet
    }

    /// Waits until the wallet shows these refunds; gives it.
    ///
    /// # Panics
    /// When it does not.
    pub async fn wallet_with_refunds(&self, refunded: u64) -> Wallet {
        eventually(&format!("{refunded} credits are refunded"), SOON, async || {
            let wallet = self.wallet().await;
            if wallet.refunded == refunded { Ok(wallet) } else { Err(format!("{wallet:?}")) }
        })
        .await
    }

    /// Every line of the statement.
    pub async fn statement(&self) -> Vec<Value> {
        self.owner.list(&self.path("/statement")).await
    }

    /// What WhatsApp received.
    pub async fn journal(&self) -> Journal {
        self.installation.sandbox().await.journal().await
    }

    /// Checks the whole log, and that everything these callers were told is in it.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub async fn check_log(&self) -> Report {
        self.installation.check_log(&self.notes).await
    }
}

impl Tenant<'_> {
    /// Leaves the installation, so that it can be stopped or killed.
    #[must_use]
    pub fn leave(mut self) -> Away {
        Away {
            id: std::mem::take(&mut self.id),
            owner_token: std::mem::take(&mut self.owner_token),
            webhook_id: std::mem::take(&mut self.webhook_id),
            hook_url: std::mem::take(&mut self.hook.url),
            notes: std::mem::take(&mut self.notes),
        }
    }
}

/// A tenant whose installation does not run.
#[derive(Debug)]
pub struct Away {
    id: String,
    owner_token: String,
    webhook_id: String,
    hook_url: String,
    notes: Notes,
}

impl Away {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Comes back, with the same token and the same webhook URL.
    pub fn back(self, installation: &Installation) -> Tenant<'_> {
        Tenant {
            installation,
            owner: installation.operator().as_token(Some(&self.owner_token)),
            id: self.id,
            owner_token: self.owner_token,
            webhook_id: self.webhook_id,
            hook: Hook::new(&self.hook_url),
            notes: self.notes,
        }
    }
}

impl Drop for Tenant<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", tail(&self.installation.log()));
        }
    }
}

/// A number of seven digits that no other caller in this process gets, and hardly one in another.
pub fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // The beginning differs from run to run, since an installation may live longer than one.
    let begun = u64::try_from(clock::now().0).unwrap_or(0) % 9_000;
    (begun * 1_000 + 1_000_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000_000
}

/// A recipient's number of this process's own whose last four digits are `script`.
pub fn recipient(script: &str) -> String {
    format!("+1415{:07}{script}", unique())
}
