//! A standalone installation under measurement: the installed program as a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use angelia_shared::log::Access;
use angelia_shared::testing::{free_port, server_binary};
use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::Target;

/// Workspaces that are made at once: their events share batches.
const MADE_AT_ONCE: usize = 64;

/// A running installation; dropped, it is stopped.
pub(crate) struct Installation {
    child: Child,
    /// More replicas of the ingress.
    replicas: Vec<Child>,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    settings: Vec<String>,
    quickstart: Value,
}

impl Installation {
    /// Starts `target/release/angelia standalone` with an empty data directory.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::with(&[]).await
    }

    /// As [`start`](Self::start), with settings that differ from the defaults.
    pub(crate) async fn with(settings: &[(&str, String)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let child = spawn(folder.path(), address, &settings)?;
        let mut installation = Self { child, replicas: Vec::new(), folder, address, settings, quickstart: Value::Null };
        installation.wait_ready().await?;
        installation.quickstart = serde_json::from_slice(&std::fs::read(installation.data().join("quickstart.json"))?)?;
        Ok(installation)
    }

    /// Stops it, so that something else has the machine; what it keeps stays.
    pub(crate) fn stop(&mut self) {
        stop(&mut self.child);
    }

    /// Starts it again after [`stop`](Self::stop).
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = spawn(self.folder.path(), self.address, &self.settings)?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> anyhow::Result<()> {
        wait_ready(&mut self.child, self.address, &self.folder.path().join("angelia.log")).await
    }

    /// Starts another replica of the ingress beside the one that runs; returns where it listens.
    pub(crate) async fn add_ingress(&mut self) -> anyhow::Result<SocketAddr> {
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let log = self.folder.path().join(format!("ingress-{}.log", address.port()));
        let access = self.access()?;
        let child = Command::new(program()?)
            .args(["ingress", "--listen", &address.to_string(), "--log", "warn", "--nats", &access.url])
            .args(["--nats-user", access.user.as_deref().unwrap_or_default()])
            .env("ANGELIA_NATS_PASSWORD", access.password.unwrap_or_default())
            .env("ANGELIA_OPERATOR_TOKEN", self.text("operator_token")?)
            .arg("--data")
            .arg(self.folder.path().join(format!("ingress-{}", address.port())))
            .arg("--master-key-file")
            .arg(self.data().join("master-key"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("cannot start a replica")?;
        self.replicas.push(child);
        let child = self.replicas.last_mut().expect("pushed above");
        wait_ready(child, address, &log).await?;
        Ok(address)
    }

    /// The demo webhook.
    pub(crate) fn target(&self, seed: u64) -> anyhow::Result<Target> {
        Ok(Target { addresses: vec![self.address], paths: Arc::new(vec![self.hook_path()?]), seed })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Path of the demo webhook.
    pub(crate) fn hook_path(&self) -> anyhow::Result<String> {
        path_of(self.text("webhook_url")?)
    }

    /// Puts credits into the demo workspace.
    pub(crate) async fn grant(&self, credits: u64) -> anyhow::Result<()> {
        self.grant_to(self.text("workspace_id")?, credits).await
    }

    async fn grant_to(&self, workspace: &str, credits: u64) -> anyhow::Result<()> {
        let body = json!({"credits": credits, "reason": "benchmark"});
        let path = format!("/workspaces/{workspace}/credits");
        self.api(&reqwest::Client::new(), &path, self.text("operator_token")?, body).await?;
        Ok(())
    }

    /// Makes `count` workspaces with an account, credits and a webhook each; returns the webhooks' paths.
    /// With `is_paused` the accounts keep everything queued.
    pub(crate) async fn make_workspaces(
        &self,
        count: usize,
        credits: u64,
        is_paused: bool,
    ) -> anyhow::Result<Vec<String>> {
        let mut paths = Vec::with_capacity(count);
        let http = reqwest::Client::new();
        let mut made = futures_util::stream::iter(0..count)
            .map(|number| self.make_workspace(&http, number, credits, is_paused))
            .buffered(MADE_AT_ONCE);
        while let Some(path) = made.next().await {
            paths.push(path?);
        }
        Ok(paths)
    }

    async fn make_workspace(
        &self,
        http: &reqwest::Client,
        number: usize,
        credits: u64,
        is_paused: bool,
    ) -> anyhow::Result<String> {
        let operator = self.text("operator_token")?;
        let workspace = self.api(http, "/workspaces", operator, json!({"name": format!("bench {number}")})).await?;
        let (id, owner) = (field(&workspace, "id")?, field(&workspace, "owner_token")?);
        let account = self.make_account(http, (id, owner), number, None).await?;
        if is_paused {
            let account = self.url(&format!("/workspaces/{id}/accounts/{account}"));
            let pause = http.patch(account).bearer_auth(owner).json(&json!({"state": "paused"}));
            pause.send().await?.error_for_status()?;
        }
        let webhook = self.api(http, &format!("/workspaces/{id}/webhooks"), owner, json!({})).await?;
        self.grant_to(id, credits).await?;
        path_of(field(&webhook, "url")?)
    }

    /// Adds an account to a workspace of an owner and connects it; returns its id. Without a gap it has the default one, and
    /// no report of the sandbox's is taken for it.
    pub(crate) async fn make_account(
        &self,
        http: &reqwest::Client,
        (workspace, owner): (&str, &str),
        number: usize,
        gap_ms: Option<[u64; 2]>,
    ) -> anyhow::Result<String> {
        let mut account = json!({
            "phone": format!("+1510{:07}", number), "transport": "cloud", "phone_number_id": format!("2{number:014}"),
            "base_url": self.text("sandbox_url")?, "access_token": "bench", "app_secret": "bench", "verify_token": "bench",
        });
        if let Some(gap_ms) = gap_ms {
            account["pace"] = json!({"gap_ms": gap_ms});
            let secret = std::fs::read_to_string(self.data().join("sandbox-app-secret"));
            account["app_secret"] = secret.context("the sandbox's secret cannot be read")?.trim().into();
        }
        let account = self.api(http, &format!("/workspaces/{workspace}/accounts"), owner, account).await?;
        let id = field(&account, "id")?;
        self.api(http, &format!("/workspaces/{workspace}/accounts/{id}/connect"), owner, json!({})).await?;
        Ok(id.to_owned())
    }

    pub(crate) async fn api(
        &self,
        http: &reqwest::Client,
        path: &str,
        token: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let answer = http.post(self.url(path)).bearer_auth(token).json(&body).send().await?;
        if !answer.status().is_success() {
            bail!("{path} answered {}: {}", answer.status(), answer.text().await?);
        }
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.address)
    }

    /// A field of the quickstart file.
    pub(crate) fn text(&self, name: &str) -> anyhow::Result<&str> {
        field(&self.quickstart, name)
    }

    /// How to reach its broker.
    pub(crate) fn access(&self) -> anyhow::Result<Access> {
        let read = |name: &str| {
            std::fs::read_to_string(self.data().join("nats").join(name)).context("the broker's files cannot be read")
        };
        Ok(Access {
            url: format!("nats://127.0.0.1:{}", read("port")?.trim()),
            user: Some("angelia".to_owned()),
            password: Some(read("password")?.trim().to_owned()),
        })
    }

    /// Resident memory of the program and of its broker, in MiB.
    pub(crate) fn resident_mib(&self) -> (f64, f64) {
        let pid_file = self.data().join("nats").join("nats-server.pid");
        let broker = std::fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        (crate::machine::resident_mib(self.child.id()), crate::machine::resident_mib(broker))
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // The broker belongs to the first one: it goes last.
        for child in self.replicas.iter_mut().chain([&mut self.child]) {
            stop(child);
        }
    }
}

fn stop(child: &mut Child) {
    // A child that was waited for has given its number back: whoever has it now is not ours.
    if matches!(child.try_wait(), Ok(None)) {
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        // It may have ended meanwhile.
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _status = child.wait();
    }
}

fn spawn(folder: &Path, address: SocketAddr, settings: &[String]) -> anyhow::Result<Child> {
    Command::new(program()?)
        .args(["standalone", "--listen", &address.to_string(), "--log", "warn"])
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--nats-server")
        .arg(server_binary())
        .args(settings.iter().flat_map(|setting| ["--set", setting]))
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("angelia.log"))?)
        .spawn()
        .context("cannot start the program")
}

async fn wait_ready(child: &mut Child, address: SocketAddr, log: &Path) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    for _ in 0..600 {
        if let Some(status) = child.try_wait()? {
            bail!("the program ended with {status}: {}", std::fs::read_to_string(log)?);
        }
        let ready = http.get(format!("http://{address}/readyz")).send().await;
        if ready.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the program was not ready within a minute: {}", std::fs::read_to_string(log)?)
}

/// The program, built with the same profile as this one.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.parent().unwrap_or(Path::new(".")).join("angelia");
    if !program.exists() {
        bail!(
            "{} is missing: build it with the same profile first (cargo build --release -p angelia)",
            program.display()
        );
    }
    Ok(program)
}

fn field<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

fn path_of(url: &str) -> anyhow::Result<String> {
    let at = url.find("/hooks/").with_context(|| format!("{url} is not a webhook's URL"))?;
    Ok(url[at..].to_owned())
}
