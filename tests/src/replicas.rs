//! An installation of several processes on one broker, as a deployment over several machines has it.
//!
//! Shape: [`Replicas`] holds some replicas of the ingress, a ledger, a dispatcher and a sandbox. Each can be killed, paused and
//! started again alone.
//!
//! Not here: what is in it beyond one workspace with an account.

use std::path::PathBuf;

use angelia_shared::testing::{TestBroker, free_port};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::checker::{self, Finding, Report};
use crate::client::{Answer, Api, Hook, http};
use crate::installation::{cloud_account, tail, text};
use crate::notes::Notes;
use crate::process::{self, Process, Ward};
use crate::sandbox::Sandbox;
use crate::tenant::FAST;
use crate::wait::{LATER, SOON, eventually};

/// The operator's token, the same on every replica.
const OPERATOR: &str = "operator-token-of-the-tests";

/// One process.
#[derive(Debug)]
struct Part {
    name: String,
    arguments: Vec<String>,
    process: Option<Process>,
}

/// A running deployment with one workspace. Dropping it ends it all and removes its files.
pub struct Replicas {
    /// The broker.
    pub broker: TestBroker,
    /// What the callers were told.
    pub notes: Notes,
    /// The API for the operator, at each replica.
    pub operators: Vec<Api>,
    /// The API for the workspace's owner, at each replica.
    pub owners: Vec<Api>,
    /// The workspace's webhook, at each replica.
    pub hooks: Vec<Hook>,
    /// The workspace.
    pub workspace: String,
    /// The webhook.
    pub webhook: String,
    folder: PathBuf,
    /// The replicas of the ingress come first, in order.
    parts: Vec<Part>,
    urls: Vec<String>,
    sandbox: Sandbox,
}

impl Replicas {
    /// Starts `count` replicas of the ingress and everything that they need, with a workspace of `credits`.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(count: usize, credits: u64) -> Self {
        Self::start_all(count, false, credits).await
    }

    /// As [`start`](Self::start), with a second ledger, which acts: it began when the first one did already.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start_with_second_ledger(count: usize, credits: u64) -> Self {
        Self::start_all(count, true, credits).await
    }

    async fn start_all(count: usize, has_second_ledger: bool, credits: u64) -> Self {
        let broker = TestBroker::start().await;
        let folder = tempfile::Builder::new().prefix("angelia-replicas-").tempdir().expect("a temporary folder").keep();
        std::fs::write(folder.join("master-key"), "5a".repeat(32)).expect("the folder can be written");
        let sandbox_folder = folder.join("sandbox");
        std::fs::create_dir_all(&sandbox_folder).expect("the folder can be written");
        let listens: Vec<String> = (0..count).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let part = |role: &str, more: Vec<String>| Part {
            name: format!("{role}-{}", more.last().map_or("", String::as_str)),
            arguments: [vec![role.to_owned()], more].concat(),
            process: None,
        };
        let ingresses = listens.iter().map(|listen| part("ingress", vec!["--listen".to_owned(), listen.clone()]));
        let parts = ingresses.chain([part("ledger", Vec::new()), part("dispatcher", Vec::new())]).collect();
        let mut replicas = Self {
            broker,
            notes: Notes::default(),
            operators: Vec::new(),
            owners: Vec::new(),
            hooks: Vec::new(),
            workspace: String::new(),
            webhook: String::new(),
            parts,
            urls: listens.iter().map(|listen| format!("http://{listen}")).collect(),
            sandbox: Sandbox::prepare(sandbox_folder),
            folder,
        };
        for part in 0..replicas.parts.len() {
            replicas.launch(part);
        }
        for replica in 0..count {
            replicas.is_ready(replica).await;
        }
        replicas.settle_in(credits).await;
        if has_second_ledger {
            let (name, arguments) = ("second-ledger".to_owned(), vec!["ledger".to_owned()]);
            replicas.parts.push(Part { name, arguments, process: None });
            replicas.claims_after(async |replicas| replicas.launch(replicas.second_ledger())).await;
        }
        replicas
    }

    /// The second ledger's number.
    pub fn second_ledger(&self) -> usize {
        self.parts.len() - 1
    }

    /// Starts the second ledger again and waits until it acts.
    ///
    /// # Panics
    /// When it does not.
    pub async fn revive_second_ledger(&mut self) {
        self.claims_after(async |replicas| replicas.launch(replicas.second_ledger())).await;
    }

    /// Waits until the ledger's claim was taken once more than before `change`.
    async fn claims_after(&mut self, change: impl AsyncFnOnce(&mut Self)) {
        let claims = async |replicas: &Self| {
            let report = replicas.check_log().await;
            report.events.get("PartitionClaimed").copied().unwrap_or_default()
        };
        let before = claims(self).await;
        change(self).await;
        eventually("a ledger takes the claim", LATER, async || {
            let now = claims(self).await;
            if now > before { Ok(()) } else { Err(format!("{now} claims")) }
        })
        .await;
    }

    /// Makes the workspace, at the first replica.
    async fn settle_in(&mut self, credits: u64) {
        let api = |token: &str| self.urls.iter().map(|url| Api::new(&format!("{url}/api/v1"), Some(token))).collect();
        self.operators = api(OPERATOR);
        let made = self.operators[0].post("/workspaces", json!({"name": "of all replicas"})).await.expect(201);
        self.owners = api(text(&made, "owner_token"));
        self.workspace = text(&made, "id").to_owned();
        self.grant(0, credits).await;
        let webhook = self.owners[0].post(&self.path("/webhooks"), json!({})).await.expect(201);
        self.webhook = text(&webhook, "id").to_owned();
        self.hooks = self.hooks_at(text(&webhook, "url"));
        let account = cloud_account(&self.sandbox, "+15107770001", "90007770001", FAST);
        let account = self.owners[0].post(&self.path("/accounts"), account).await.expect(201);
        let account = text(&account, "id");
        let connected = self.owners[0].post(&self.path(&format!("/accounts/{account}/connect")), json!({})).await;
        assert!((200..300).contains(&connected.status), "{}", connected.text());
        self.sandbox.report_to(format!("{}/callbacks/cloud/{account}", self.urls[0]));
        self.sandbox.start().await;
        // Each replica reads the directory for itself.
        for owner in &self.owners {
            eventually("every replica knows the webhook and the account", SOON, async || {
                let (webhooks, accounts) =
                    (owner.get(&self.path("/webhooks")).await, owner.get(&self.path("/accounts")).await);
                let known = |answer: &Answer| {
                    answer.status == 200 && answer.json()["items"].as_array().is_some_and(|items| items.len() == 1)
                };
                let is_connected = || accounts.json()["items"][0]["state"] == "connected";
                if known(&webhooks) && known(&accounts) && is_connected() { Ok(()) } else { Err(accounts.text()) }
            })
            .await;
        }
    }

    /// Grants credits at a replica.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn grant(&self, replica: usize, credits: u64) {
        let grant = json!({"credits": credits, "reason": "for a test"});
        let granted = self.operators[replica].post(&self.path("/credits"), grant).await;
        assert!((200..300).contains(&granted.status), "{}", granted.text());
    }

    /// The same webhook's URL at each replica: whichever made it shows its own address, as without a `public_url`.
    pub fn hooks_at(&self, url: &str) -> Vec<Hook> {
        let token = url.rsplit('/').next().expect("a URL has a last part");
        self.urls.iter().map(|base| Hook::new(&format!("{base}/hooks/{token}"))).collect()
    }

    /// Where the replicas of the ingress listen.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// A path in the workspace.
    pub fn path(&self, rest: &str) -> String {
        format!("/workspaces/{}{rest}", self.workspace)
    }

    fn launch(&mut self, part: usize) {
        let Part { name, arguments, .. } = &self.parts[part];
        let mut command = process::command(&process::angelia());
        command.args(arguments).args(["--nats", &self.broker.access().url]);
        command.arg("--data").arg(self.folder.join(name));
        command.arg("--master-key-file").arg(self.folder.join("master-key"));
        command.env("ANGELIA_OPERATOR_TOKEN", OPERATOR);
        command.env("ANGELIA_BASE_URLS_ALLOWED", &self.sandbox.url);
        let ward = Ward { broker_pid_file: self.folder.join("none"), folder: self.folder.clone() };
        let process = Process::start(command, &self.folder.join(format!("{name}.log")), &ward);
        self.parts[part].process = Some(process);
    }

    /// Waits until a replica of the ingress is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    async fn is_ready(&mut self, replica: usize) {
        let (http, url) = (http(), format!("{}/readyz", self.urls[replica]));
        eventually("a replica is ready", LATER, async || {
            for part in &mut self.parts {
                if let Some(status) = part.process.as_mut().and_then(Process::ended) {
                    panic!("{} has ended ({status}); {}", part.name, tail(&log_of(&self.folder, &part.name)));
                }
            }
            match Answer::to(http.get(&url)).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.text()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// Kills a replica of the ingress with SIGKILL.
    pub fn kill(&mut self, replica: usize) {
        self.parts[replica].process.take().expect("it runs").kill();
    }

    /// Starts a replica of the ingress that was killed; returns when it is ready.
    pub async fn revive(&mut self, replica: usize) {
        self.launch(replica);
        self.is_ready(replica).await;
    }

    /// Kills the ledger with SIGKILL.
    pub fn kill_ledger(&mut self) {
        let ledger = self.urls.len();
        self.kill(ledger);
    }

    /// Starts the ledger again, and does not wait.
    pub fn launch_ledger(&mut self) {
        self.launch(self.urls.len());
    }

    /// Stops a replica of the ingress from doing anything (SIGSTOP), as a machine that is suspended.
    pub fn pause(&self, replica: usize) {
        self.parts[replica].process.as_ref().expect("it runs").signal(Signal::SIGSTOP);
    }

    /// Lets a paused replica go on.
    pub fn resume(&self, replica: usize) {
        self.parts[replica].process.as_ref().expect("it runs").signal(Signal::SIGCONT);
    }

    /// Notes an answer of the webhook.
    pub fn note(&self, answer: Answer) -> Answer {
        if answer.status == 200 {
            self.notes.add(&answer.accepted());
        }
        answer
    }

    /// How many credits were consumed.
    ///
    /// # Panics
    /// When that cannot be read.
    pub async fn consumed(&self) -> u64 {
        let wallet = self.owners[0].get(&self.path("/credits")).await.expect(200);
        wallet["consumed"].as_u64().expect("a number")
    }

    /// Waits until WhatsApp received each of `messages`, and checks that it received none twice.
    ///
    /// # Panics
    /// When it did not.
    pub async fn were_sent_once<'a>(&self, messages: impl IntoIterator<Item = &'a String>) {
        for message in messages {
            let times = eventually("the message is sent", LATER, async || {
                let times = self.sandbox.journal().await.sends_of(message).len();
                if times > 0 { Ok(times) } else { Err(format!("{message} is not")) }
            })
            .await;
            assert_eq!(times, 1, "{message}");
        }
    }

    /// Checks the whole log against the invariants, and against what callers were told.
    ///
    /// # Panics
    /// When one is broken; the message names the first event that breaks it.
    pub async fn check_log(&self) -> Report {
        let log = self.broker.log().await;
        checker::check(&log, &self.notes.all()).await.unwrap_or_else(|Finding { invariant, at, what }| {
            panic!("the log breaks {invariant} at {at}: {what}");
        })
    }
}

fn log_of(folder: &std::path::Path, name: &str) -> String {
    process::read(&folder.join(format!("{name}.log")))
}

impl Drop for Replicas {
    fn drop(&mut self) {
        for part in &mut self.parts {
            if std::thread::panicking() {
                eprintln!("{}: {}", part.name, tail(&log_of(&self.folder, &part.name)));
            }
            part.process = None;
        }
        self.sandbox.kill();
        if process::environment("ANGELIA_TESTS_KEEP").is_none() {
            // What cannot be removed is a temporary file.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
