//! One installation of the program: started as a user would, with a data directory and an address of its own.
//!
//! Shape: [`Setup`] -> [`Installation`]. Tests that only call it share one ([`Shared`]); tests that kill it own one.
//!
//! Not here: what is in it (see `tenant.rs`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angelia_shared::log::stream::DEFAULT_PARTITIONS;
use angelia_shared::log::{Access, EventLog, connect};
use angelia_shared::testing::{free_port, server_binary};
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::checker::{self, Finding, Report};
use crate::client::{Answer, Api, Hook, http};
use crate::journal::Journal;
use crate::notes::Notes;
use crate::process::{self, Process, Ward};
use crate::sandbox::Sandbox;
use crate::wait::{LATER, eventually};

/// How many lines of the program's log are shown when a test fails.
const SHOWN_LINES: usize = 40;

/// What `quickstart.json` promises.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it, and the contract explains them")]
pub struct Quickstart {
    pub console_url: String,
    pub api_url: String,
    pub webhook_url: String,
    pub workspace_id: String,
    pub webhook_id: String,
    pub account_id: String,
    pub account_phone: String,
    pub chat_id: String,
    pub group_chat_id: String,
    pub operator_token: String,
    pub owner_token: String,
    pub sandbox_url: String,
}

/// What an installation is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    environment: Vec<(String, String)>,
    flags: Vec<String>,
    embedded_broker: bool,
    data: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { environment: Vec::new(), flags: Vec::new(), embedded_broker: true, data: None }
    }
}

impl Setup {
    /// The program as it comes.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a setting: `ANGELIA_…` in the environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a flag and its value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// With a broker that runs elsewhere.
    #[must_use]
    pub fn broker(mut self, url: &str) -> Self {
        self.embedded_broker = false;
        self.flag("--nats", url)
    }

    /// With its data there and not in a temporary folder.
    #[must_use]
    pub fn data(mut self, data: PathBuf) -> Self {
        self.data = Some(data);
        self
    }

    /// The command that starts it.
    pub fn command(&self, data: &Path, listen: &str) -> Command {
        let mut command = process::command(&process::angelia());
        command.arg("standalone").arg("--data").arg(data).args(["--listen", listen]);
        if self.embedded_broker {
            command.arg("--nats-server").arg(server_binary());
        }
        command.args(&self.flags);
        // The tests' sandboxes run on this machine.
        command.env("ANGELIA_BASE_URLS_ALLOWED", "loopback");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; the message holds its log.
    pub async fn start(self) -> Installation {
        let folder =
            tempfile::Builder::new().prefix("angelia-tests-").tempdir().expect("a temporary folder can be made");
        let folder = folder.keep();
        let data = self.data.clone().unwrap_or_else(|| folder.join("data"));
        let listen = format!("127.0.0.1:{}", free_port());
        let mut installation = Installation {
            setup: self,
            folder,
            data,
            listen,
            process: None,
            quickstart: None,
            sandbox: OnceCell::new(),
        };
        installation.start().await;
        installation
    }
}

/// A running installation. Dropping it kills it and removes its files.
#[derive(Debug)]
pub struct Installation {
    setup: Setup,
    folder: PathBuf,
    data: PathBuf,
    listen: String,
    process: Option<Process>,
    quickstart: Option<Quickstart>,
    sandbox: OnceCell<Sandbox>,
}

impl Installation {
    /// Starts it with the same command as before; returns when it is ready.
    ///
    /// # Panics
    /// When it runs already, or does not become ready.
    pub async fn start(&mut self) {
        self.launch();
        self.wait_until_ready().await;
        self.quickstart = Some(self.read_quickstart());
    }

    /// Starts it and does not wait.
    ///
    /// # Panics
    /// When it runs already.
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let command = self.setup.command(&self.data, &self.listen);
        self.process = Some(Process::start(command, &self.log_path(), &self.ward()));
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Panics
    /// When it does not, or the program ends.
    pub async fn wait_until_ready(&mut self) {
        let (http, url) = (http(), format!("{}/readyz", self.url()));
        eventually("the installation is ready", LATER, async || {
            if let Some(status) = self.process.as_mut().and_then(Process::ended) {
                panic!("the program ended ({status}); its log:\n{}", self.log());
            }
            match Answer::to(http.get(&url).timeout(Duration::from_secs(5))).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{} {}\n{}", answer.status, answer.text(), tail(&self.log()))),
                Err(error) => Err(format!("{error}\n{}", tail(&self.log()))),
            }
        })
        .await;
    }

    /// What `quickstart.json` says.
    ///
    /// # Panics
    /// Before the first start.
    pub fn quickstart(&self) -> &Quickstart {
        self.quickstart.as_ref().expect("it was started")
    }

    fn read_quickstart(&self) -> Quickstart {
        let text = process::read(&self.data.join("quickstart.json"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("quickstart.json: {error}: {text}"))
    }

    /// The address at which it serves HTTP.
    pub fn listen(&self) -> &str {
        &self.listen
    }

    /// Where it serves HTTP.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it has printed and logged so far, over all its starts.
    pub fn log(&self) -> String {
        process::read(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("angelia.log")
    }

    /// What a kill leaves behind.
    pub fn ward(&self) -> Ward {
        Ward { broker_pid_file: self.data.join("nats").join("nats-server.pid"), folder: self.folder.clone() }
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").pid()
    }

    /// Its broker's process id.
    ///
    /// # Panics
    /// When there is none.
    pub fn broker_pid(&self) -> u32 {
        self.ward().broker_pid().expect("the broker runs")
    }

    /// Asks it to stop with `signal`; returns its exit status.
    ///
    /// # Panics
    /// When it does not stop.
    pub async fn stop(&mut self, signal: Signal) -> std::process::ExitStatus {
        let mut process = self.process.take().expect("it runs");
        process.stop(signal).await
    }

    /// Kills the program alone, with SIGKILL: its broker runs on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill_program(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Kills the program's process group with SIGKILL.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill_group(&mut self) {
        self.process.take().expect("it runs").kill_group();
    }

    /// Kills program and broker with SIGKILL.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill_everything(&mut self) {
        let ward = self.ward();
        self.kill_group();
        ward.kill_broker();
    }

    /// The API for the operator.
    pub fn operator(&self) -> Api {
        Api::new(&self.quickstart().api_url, Some(&self.quickstart().operator_token))
    }

    /// The API for the owner of the demo workspace.
    pub fn demo_owner(&self) -> Api {
        Api::new(&self.quickstart().api_url, Some(&self.quickstart().owner_token))
    }

    /// The demo workspace's webhook.
    pub fn demo_hook(&self) -> Hook {
        Hook::new(&self.quickstart().webhook_url)
    }

    /// The journal of its own sandbox, which serves the demo account.
    pub async fn demo_journal(&self) -> Journal {
        Journal::read(&self.quickstart().sandbox_url).await
    }

    /// A sandbox for accounts that tests add. It is a process apart, so it sees what happens while the program is dead.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn sandbox(&self) -> &Sandbox {
        self.sandbox.get_or_init(|| self.start_sandbox()).await
    }

    /// All reports go to one account's address; an account of the same secret is found by its number's id.
    async fn start_sandbox(&self) -> Sandbox {
        let folder = self.folder.join("sandbox-of-tests");
        std::fs::create_dir_all(&folder).expect("the folder can be written");
        let mut sandbox = Sandbox::prepare(folder);
        let made = self.operator().post("/workspaces", json!({"name": "door for reports"})).await.expect(201);
        let owner = self.operator().as_token(made["owner_token"].as_str());
        let account = cloud_account(&sandbox, "+15100000001", "door", [50, 80]);
        let path = format!("/workspaces/{}/accounts", text(&made, "id"));
        let account = owner.post(&path, account).await.expect(201);
        sandbox.report_to(format!("{}/callbacks/cloud/{}", self.url(), text(&account, "id")));
        sandbox.start().await;
        sandbox
    }

    /// The log, opened with the broker's own credentials from the data directory.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn event_log(&self) -> EventLog {
        let nats = self.data.join("nats");
        let read = |name: &str| process::read(&nats.join(name)).trim().to_owned();
        let access = Access {
            url: format!("nats://127.0.0.1:{}", read("port")),
            user: Some("angelia".to_owned()),
            password: Some(read("password")),
        };
        let client = connect(&access, "tests").await.expect("the broker answers");
        EventLog::open(client, 1, DEFAULT_PARTITIONS).await.expect("the log can be opened")
    }

    /// Checks the whole log against the invariants, and against what callers were told.
    ///
    /// # Panics
    /// When one is broken; the message names the first event that breaks it.
    pub async fn check_log(&self, notes: &Notes) -> Report {
        let log = self.event_log().await;
        checker::check(&log, &notes.all()).await.unwrap_or_else(|Finding { invariant, at, what }| {
            panic!("the log breaks {invariant} at {at}: {what}");
        })
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let ward = self.ward();
        if std::thread::panicking() {
            eprintln!("{}", tail(&self.log()));
        }
        self.process = None;
        self.sandbox = OnceCell::new();
        ward.kill_broker();
        if process::environment("ANGELIA_TESTS_KEEP").is_none() {
            // What cannot be removed is a temporary file.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// An installation that all tests of one file share.
pub struct Shared {
    cell: OnceCell<Installation>,
    setup: fn() -> Setup,
    tried: AtomicBool,
}

impl Shared {
    /// Started by whoever asks first.
    pub const fn new(setup: fn() -> Setup) -> Self {
        Self { cell: OnceCell::const_new(), setup, tried: AtomicBool::new(false) }
    }

    /// The running installation.
    ///
    /// # Panics
    /// When it does not start: once with the reason, then at once, since every other test would wait as long again.
    pub async fn get(&'static self) -> &'static Installation {
        let start = || async {
            assert!(!self.tried.swap(true, Ordering::SeqCst), "the shared installation did not start; see above");
            (self.setup)().start().await
        };
        self.cell.get_or_init(start).await
    }
}

/// The body that adds an account on the Cloud API of `sandbox`.
pub fn cloud_account(sandbox: &Sandbox, phone: &str, phone_number_id: &str, gap_ms: [u64; 2]) -> Value {
    json!({
        "phone": phone, "transport": "cloud", "phone_number_id": phone_number_id, "base_url": sandbox.url,
        "access_token": "an-access-token", "app_secret": sandbox.app_secret, "verify_token": "a-verify-token",
        "pace": {"gap_ms": gap_ms},
    })
}

/// A text field of a JSON object.
///
/// # Panics
/// When it is not there.
#[track_caller]
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_else(|| panic!("no text field {field} in {object}"))
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// The last lines of a program's log, to be shown when a test fails.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    format!("---- the program's last lines\n{}\n----", lines[from..].join("\n"))
}
