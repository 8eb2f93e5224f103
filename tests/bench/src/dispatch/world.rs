//! A broker, a sandbox, and what ingress would write.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::clock::monotonic;
use angelia_shared::event::directory::AccountState;
use angelia_shared::event::{AccountChanged, CreditsDrawn, CreditsGranted, Event, Totals, WorkspaceChanged};
use angelia_shared::ids::{MemberId, MessageId, WorkspaceId, WriterId};
use angelia_shared::log::{Appender, AppenderOptions, Entry, EventLog, Group, Writer, WriterOptions, connect};
use angelia_shared::subject::{DirectoryKind, Subject};
use angelia_shared::testing::{TestBroker, free_port};
use angelia_shared::units::Credits;
use angelia_shared::vault::{DataKey, MasterKey, Vault};
use angelia_shared::{clock, dice};
use anyhow::{Context as _, bail};
use axum::Router;
use axum::routing::post;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::account::{Account, PATIENCE};
use super::process::Process;
use crate::verify;

const PARTITIONS: u16 = 64;
/// Events that go into the log together, and groups of them that wait at once.
const AT_ONCE: (usize, usize) = (500, 8);
/// How long a dispatcher may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// The surroundings of a dispatcher.
pub(super) struct World {
    pub(super) log: EventLog,
    pub(super) sandbox_url: String,
    pub(super) accounts: Vec<Account>,
    pub(super) folder: TempDir,
    broker: TestBroker,
    appender: Appender,
    master: MasterKey,
    key: Arc<DataKey>,
    workspace: WorkspaceId,
    ids: u64,
    /// Who accepts, from what it has drawn.
    writer: WriterId,
    accepted: u64,
    _sandbox: Process,
}

impl World {
    /// Starts broker and sandbox. Message ids follow from `seed`.
    pub(super) async fn start(seed: u64) -> anyhow::Result<Self> {
        let (broker, folder) = (TestBroker::start().await, tempfile::tempdir()?);
        let (sandbox, sandbox_url) = start_sandbox(&folder).await?;
        let log = EventLog::open(connect(&broker.access(), "bench").await?, 1, PARTITIONS).await?;
        let options = WriterOptions { role: "ingress".to_owned(), member: MemberId::generate(), fails_fast: false };
        let writer = Writer::open(log.clone(), options).await?;
        let writer_id = writer.id();
        let (appender, _writing) = Appender::start(writer, AppenderOptions::default(), CancellationToken::new());
        let master_hex = dice::token();
        std::fs::write(folder.path().join("master-key"), &master_hex)?;
        let vault = Vault::new(MasterKey::from_hex(&master_hex)?, log.bucket(Vault::BUCKET, 1, None).await?);
        let workspace = WorkspaceId::generate();
        let key = vault.current_key(workspace).await?;
        let master = MasterKey::from_hex(&master_hex)?;
        let (accounts, ids) = (Vec::new(), seed);
        let world = Self {
            log,
            sandbox_url,
            accounts,
            folder,
            broker,
            appender,
            master,
            key,
            workspace,
            ids,
            writer: writer_id,
            accepted: 0,
            _sandbox: sandbox,
        };
        let changed = WorkspaceChanged {
            v: 1,
            id: workspace,
            name: "benchmark".to_owned(),
            unknown_policy: Default::default(),
            low_balance: None,
            created_at: clock::now(),
        };
        let subject = Subject::Directory(workspace, DirectoryKind::Workspace, workspace.0);
        world.append(vec![Entry::new(subject, &Event::WorkspaceChanged(Box::new(changed)))]).await?;
        world.fill_the_wallet().await?;
        Ok(world)
    }

    /// Grants and draws more than anything here costs.
    async fn fill_the_wallet(&self) -> anyhow::Result<()> {
        let (credits, at) = (Credits(1_000_000_000), clock::now());
        let granted = Totals::default().granting(credits).context("a wallet is full")?;
        let reason = "benchmark".to_owned();
        let grant = Event::CreditsGranted(CreditsGranted { v: 1, credits, reason, totals: granted, at });
        let totals = granted.drawing(credits).context("a wallet is empty")?;
        let draw = Event::CreditsDrawn(CreditsDrawn { v: 1, writer: self.writer, credits, totals, at });
        for event in [grant, draw] {
            self.append(vec![Entry::new(Subject::Wallet(self.workspace), &event)]).await?;
        }
        Ok(())
    }

    /// Checks the whole log; every accepted message is in it.
    pub(super) async fn verify(&self) -> anyhow::Result<()> {
        let found = verify::logged(&self.broker.access()).await?.accepted;
        if found != self.accepted {
            bail!("{} messages were accepted, the log has {found}", self.accepted);
        }
        Ok(())
    }

    /// Tells the directory of more accounts.
    pub(super) async fn add_accounts(&mut self, count: usize) -> anyhow::Result<()> {
        let known = self.accounts.len();
        self.accounts.extend((known..known + count).map(|number| Account::new(number, PARTITIONS)));
        self.append_all(self.accounts[known..].iter().map(|account| self.says(account, AccountState::Connected))).await
    }

    /// Tells the directory that these accounts are disconnected, since now.
    pub(super) async fn disconnect(&self, accounts: &[usize]) -> anyhow::Result<()> {
        let accounts = accounts.iter().map(|number| &self.accounts[*number]);
        self.append_all(accounts.map(|account| self.says(account, AccountState::Disconnected))).await
    }

    fn says(&self, account: &Account, state: AccountState) -> Entry {
        let connected = account.state(self.workspace, &self.sandbox_url, &self.master);
        let changed = AccountChanged { state, ..connected };
        let subject = Subject::Directory(self.workspace, DirectoryKind::Account, account.id.0);
        Entry::new(subject, &Event::AccountChanged(Box::new(changed)))
    }

    /// Accepts `count` texts for each of these accounts; returns their ids, account by account, in order.
    pub(super) async fn accept(&mut self, accounts: &[usize], count: usize) -> anyhow::Result<Vec<Vec<MessageId>>> {
        self.accept_patient(accounts, count, PATIENCE).await
    }

    /// The same, of messages that expire when they were held for so long.
    pub(super) async fn accept_patient(
        &mut self,
        accounts: &[usize],
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<Vec<Vec<MessageId>>> {
        let first = self.ids;
        self.ids += (accounts.len() * count) as u64;
        self.accepted += (accounts.len() * count) as u64;
        let id = |at: usize, n: usize| MessageId(mixed(first + (at * count + n) as u64));
        let world: &Self = self;
        let entries = accounts.iter().enumerate().flat_map(|(at, number)| {
            let account = &world.accounts[*number];
            (0..count).map(move |n| {
                let accepted = account.accepted(world.workspace, id(at, n), &world.key, world.writer, patience);
                Entry::new(Subject::Accepted(account.part), &Event::MessageAccepted(Box::new(accepted)))
            })
        });
        world.append_all(entries).await?;
        Ok((0..accounts.len()).map(|at| (0..count).map(|n| id(at, n)).collect()).collect())
    }

    /// Starts a dispatcher and waits until all partitions may send; returns how long that took.
    pub(super) async fn dispatcher(&self, name: &str) -> anyhow::Result<(Process, Duration)> {
        let began = monotonic();
        let mut process = self.start_dispatcher(name)?;
        while !self.is_ready().await {
            if process.ended() || began.elapsed() > READY_WITHIN {
                bail!("the dispatcher is not ready: {}", std::fs::read_to_string(self.folder.path().join(name))?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok((process, began.elapsed()))
    }

    /// Starts a dispatcher and does not wait.
    pub(super) fn start_dispatcher(&self, name: &str) -> anyhow::Result<Process> {
        let path = |of: &str| self.folder.path().join(of).display().to_string();
        let (nats, allowed) = (self.broker.access().url, format!("base_urls_allowed={}", self.sandbox_url));
        let (key, data) = (path("master-key"), path(&format!("{name}-data")));
        let arguments = ["dispatcher", "--nats", &nats, "--master-key-file", &key, "--data", &data];
        let more = ["--log", "warn", "--set", &allowed];
        Process::start(&[&arguments[..], &more[..]].concat(), &self.folder.path().join(name))
    }

    async fn is_ready(&self) -> bool {
        let asking = self.log.client().request("angelia.dispatcher.health", "".into());
        match tokio::time::timeout(Duration::from_secs(2), asking).await {
            Ok(Ok(answer)) => {
                serde_json::from_slice::<Value>(&answer.payload).is_ok_and(|health| health["ready"] == true)
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn append_all(&self, entries: impl Iterator<Item = Entry>) -> anyhow::Result<()> {
        let mut entries = entries.peekable();
        let groups = std::iter::from_fn(|| {
            entries.peek()?;
            Some(entries.by_ref().take(AT_ONCE.0).collect::<Vec<_>>())
        });
        let waiting = stream::iter(groups).map(|group| self.append(group)).buffered(AT_ONCE.1);
        waiting.try_collect::<()>().await
    }

    async fn append(&self, group: Vec<Entry>) -> anyhow::Result<()> {
        self.appender.append(Group::from_iter(group)).await.map(drop).context("the log takes nothing")
    }
}

/// Numbers that look like dice and follow from a seed.
pub(super) fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x94D0_49BB_1331_11EB);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 31)
}

async fn start_sandbox(folder: &TempDir) -> anyhow::Result<(Process, String)> {
    let sink = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let callback = format!("http://{}/", sink.local_addr()?);
    tokio::spawn(async move { axum::serve(sink, Router::new().route("/", post(|| async {}))).await });
    let path = |of: &str| folder.path().join(of).display().to_string();
    std::fs::write(path("app-secret"), "a-secret-of-the-benchmark")?;
    let listen: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let (listen, data, secret) = (listen.to_string(), path("sandbox"), path("app-secret"));
    let arguments =
        ["sandbox", "--listen", &listen, "--data", &data, "--callback", &callback, "--app-secret-file", &secret];
    let process = Process::start(&arguments, &folder.path().join("sandbox.log"))?;
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(&listen).await.is_ok() {
            return Ok((process, format!("http://{listen}")));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the sandbox does not answer")
}
