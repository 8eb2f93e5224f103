//! A deployment of several processes on a broker of its own: what one runs on several machines, here on one.
//!
//! Shape: [`Fleet::start`] -> members by name, each of which can be killed, started again, stopped and continued at any
//! time. Everything that members must share is made here as the README of `deploy/` says: the master key, the operator's
//! token.
//!
//! Not here: who does what to them when (see the hammer).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use angelia_shared::dice;
use angelia_shared::log::stream::DEFAULT_PARTITIONS;
use angelia_shared::log::{Access, EventLog, connect};
use angelia_shared::testing::{Proxy, free_port, server_binary};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::net::TcpStream;

use crate::client::{Answer, Api, http};
use crate::installation::{cloud_account, tail, text};
use crate::process::{self, Process, Ward};
use crate::sandbox::Sandbox;
use crate::wait::{LATER, SOON, eventually};

/// What a process says that ends because the broker does not answer while it begins.
const NO_BROKER: [&str; 6] = [
    "cannot connect to the broker",
    "the broker has no JetStream",
    "cannot open the stream",
    "cannot open what the ingress keeps in the broker",
    "cannot open a writer",
    "cannot reach the bucket of data keys",
];

/// How many processes of each role there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Replicas that take calls.
    pub ingresses: usize,
    /// Replicas that project; one of them acts.
    pub ledgers: usize,
    /// Processes that send.
    pub dispatchers: usize,
    /// Whether each of these reaches the broker over a wire of its own.
    pub wired: bool,
}

/// One process, and how it is started.
pub struct Member {
    /// Its role and number, as `ingress-2`.
    pub name: String,
    program: PathBuf,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    log: PathBuf,
    ward: Ward,
    process: Option<Process>,
    /// Its wire to the broker, if it has one of its own.
    pub wire: Option<Proxy>,
}

impl Member {
    /// Starts it; returns at once.
    ///
    /// # Panics
    /// When it runs already, or cannot be started.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let mut command: Command = process::command(&self.program);
        command.args(&self.arguments).envs(self.settings.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start(command, &self.log, &self.ward));
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    /// As [`supervise`](Self::supervise).
    pub fn kill(&mut self) {
        self.supervise();
        self.process.take().expect("it was seen to run").kill();
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// As [`supervise`](Self::supervise), and when it does not end well or in time.
    pub async fn stop(&mut self) {
        self.supervise();
        let status = self.process.take().expect("it was seen to run").stop(Signal::SIGTERM).await;
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, tail(&self.log()));
    }

    /// Stops it where it is, or lets it go on.
    ///
    /// # Panics
    /// As [`supervise`](Self::supervise).
    pub fn signal(&mut self, signal: Signal) {
        self.supervise();
        self.process.as_ref().expect("it was seen to run").signal(signal);
    }

    /// Does what a supervisor does: starts it again when it could not begin, because the broker was away.
    ///
    /// # Panics
    /// When it was killed and not started again, or has ended by itself for any other reason.
    pub fn supervise(&mut self) {
        let process = self.process.as_mut().unwrap_or_else(|| panic!("{} was killed and not started again", self.name));
        let Some(status) = process.ended() else { return };
        let log = process::read(&self.log);
        let last = log.lines().last().unwrap_or_default();
        let could_not_begin = NO_BROKER.iter().any(|words| last.starts_with("angelia: ") && last.contains(words));
        assert!(could_not_begin, "{} has ended by itself ({status}):\n{}", self.name, tail(&log));
        self.process = None;
        self.start();
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        process::read(&self.log)
    }
}

/// The running deployment. Dropping it kills everything and removes its files.
pub struct Fleet {
    folder: PathBuf,
    /// The broker, and everything that works on it.
    pub members: Vec<Member>,
    /// WhatsApp.
    pub sandbox: Sandbox,
    /// Where each replica of the ingress answers.
    pub urls: Vec<String>,
    operator_token: String,
    broker_port: u16,
}

impl Fleet {
    /// Starts a broker and the members, all with `settings`, and waits until every replica takes calls.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start(size: Size, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("angelia-fleet-").tempdir().expect("a folder can be made").keep();
        let sandbox_folder = folder.join("sandbox");
        fs::create_dir_all(&sandbox_folder).expect("a folder can be made");
        let mut fleet = Self {
            sandbox: Sandbox::prepare(sandbox_folder),
            members: Vec::new(),
            urls: (0..size.ingresses).map(|_| format!("http://127.0.0.1:{}", free_port())).collect(),
            operator_token: dice::token(),
            broker_port: free_port(),
            folder,
        };
        fs::write(fleet.folder.join("master-key"), dice::token()).expect("a file can be written");
        fleet.add_broker();
        fleet.broker_answers().await;
        let roles = [("ledger", size.ledgers), ("dispatcher", size.dispatchers), ("ingress", size.ingresses)];
        for (role, count) in roles {
            for number in 0..count {
                let is_wired = size.wired && role == "dispatcher";
                let wire = if is_wired { Some(Proxy::to(fleet.broker_port).await) } else { None };
                fleet.add(role, number, settings, wire);
            }
        }
        fleet.is_ready().await;
        fleet.start_sandbox().await;
        fleet
    }

    fn add_broker(&mut self) {
        let config = self.folder.join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:{}\"\nserver_name: fleet\njetstream {{ store_dir: \"{}\", sync_interval: always, \
             max_file_store: 20G }}\n",
            self.broker_port,
            self.folder.join("store").display()
        );
        fs::write(&config, text).expect("a file can be written");
        let arguments = vec!["-c".to_owned(), config.display().to_string()];
        self.begin("broker".to_owned(), server_binary(), arguments, Vec::new(), None);
    }

    fn add(&mut self, role: &str, number: usize, settings: &[(&str, &str)], wire: Option<Proxy>) {
        let name = format!("{role}-{number}");
        let path = |of: &str| self.folder.join(of).display().to_string();
        let broker = wire.as_ref().map_or_else(|| self.broker_url(), |wire| wire.access().url);
        let mut arguments = vec![role.to_owned(), "--nats".to_owned(), broker];
        arguments.extend(["--master-key-file".to_owned(), path("master-key"), "--data".to_owned(), path(&name)]);
        if role == "ingress" {
            let listen = self.urls[number].trim_start_matches("http://").to_owned();
            arguments.extend(["--listen".to_owned(), listen]);
        }
        let mut settings: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        settings.push(("ANGELIA_OPERATOR_TOKEN".to_owned(), self.operator_token.clone()));
        settings.push(("ANGELIA_BASE_URLS_ALLOWED".to_owned(), self.sandbox.url.clone()));
        self.begin(name, process::angelia(), arguments, settings, wire);
    }

    fn begin(
        &mut self,
        name: String,
        program: PathBuf,
        arguments: Vec<String>,
        settings: Vec<(String, String)>,
        wire: Option<Proxy>,
    ) {
        let log = self.folder.join(format!("{name}.log"));
        let ward = Ward { broker_pid_file: self.folder.join("none"), folder: self.folder.clone() };
        let mut member = Member { name, program, arguments, settings, log, ward, process: None, wire };
        member.start();
        self.members.push(member);
    }

    fn broker_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.broker_port)
    }

    async fn broker_answers(&self) {
        let access = Access { url: self.broker_url(), user: None, password: None };
        eventually("the broker answers", SOON, async || {
            TcpStream::connect(("127.0.0.1", self.broker_port)).await.map_err(|error| error.to_string())?;
            connect(&access, "fleet").await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Waits until every replica says that it takes calls.
    ///
    /// # Panics
    /// When one does not, or a member has ended.
    pub async fn is_ready(&mut self) {
        let http = http();
        for url in self.urls.clone() {
            eventually(&format!("{url} is ready"), LATER, async || {
                self.members.iter_mut().for_each(Member::supervise);
                let request = http.get(format!("{url}/readyz")).timeout(Duration::from_secs(5));
                let answer = Answer::to(request).await.map_err(|error| error.to_string())?;
                if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
            })
            .await;
        }
    }

    /// The sandbox reports to one account's address; an account of the same secret is found by its number's id.
    async fn start_sandbox(&mut self) {
        let operator = self.operator(0);
        let made = operator.post("/workspaces", json!({"name": "door for reports"})).await.expect(201);
        let owner = operator.as_token(made["owner_token"].as_str());
        let account = cloud_account(&self.sandbox, "+15100000001", "door", [50, 80]);
        let account = owner.post(&format!("/workspaces/{}/accounts", text(&made, "id")), account).await.expect(201);
        self.sandbox.report_to(format!("{}/callbacks/cloud/{}", self.urls[0], text(&account, "id")));
        self.sandbox.start().await;
    }

    /// The operator's API at one replica.
    pub fn operator(&self, replica: usize) -> Api {
        Api::new(&format!("{}/api/v1", self.urls[replica]), Some(&self.operator_token))
    }

    /// The operator's token.
    pub fn operator_token(&self) -> &str {
        &self.operator_token
    }

    /// The log.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn event_log(&self) -> EventLog {
        let access = Access { url: self.broker_url(), user: None, password: None };
        let client = connect(&access, "tests").await.expect("the broker answers");
        EventLog::open(client, 1, DEFAULT_PARTITIONS).await.expect("the log can be opened")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for member in &self.members {
                eprintln!("==== {}\n{}", member.name, tail(&member.log()));
            }
        }
        // The broker last, so that nobody complains of it.
        while self.members.pop().is_some() {}
        self.sandbox.kill();
        if process::environment("ANGELIA_TESTS_KEEP").is_none() {
            // What cannot be removed is a temporary file.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
