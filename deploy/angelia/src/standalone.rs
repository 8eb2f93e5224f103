//! The command `standalone`: everything on one machine, started in the order of what needs what, stopped in reverse.
//!
//! Invariants:
//! - Nothing listens for callers before the data directory is locked and the port is ours.
//! - `quickstart.json` is in place before `/readyz` first answers 200.
//! - The broker stops last: the services' last events must reach it.

use std::path::{Path, PathBuf};

use angelia_shared::config::Hidden;
use angelia_shared::log::Access;
use anyhow::{Context as _, anyhow, bail};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::broker::{Broker, BrokerConfig, DEFAULT_READY_WITHIN, STORE};
use crate::data_dir::DataDir;
use crate::installation::Installation;
use crate::open_files;
use crate::quickstart::{self, Place};
use crate::services;
use crate::settings::Settings;
use crate::signals::shutdown_on_signal;

/// Where the master key is kept, under the data directory.
pub(crate) const MASTER_KEY: &str = "master-key";
/// Where the operator's token is kept.
const OPERATOR_TOKEN: &str = "operator-token";
/// What the sandbox signs its callbacks with.
const SANDBOX_SECRET: &str = "sandbox-app-secret";
/// The sandbox's journal.
const SANDBOX_DIR: &str = "sandbox";
/// The port that the sandbox had last.
const SANDBOX_PORT: &str = "sandbox-port";

/// Runs everything until a signal, or until a part of it has died.
pub(crate) async fn run(mut settings: Settings) -> anyhow::Result<()> {
    open_files::make_room_for(settings.ingress.connections_max);
    let shutdown = shutdown_on_signal()?;
    let dir = DataDir::open(&settings.program.data)?;
    let listener = services::bind(&settings.program).await?;
    let master_key = match &settings.program.master_key_file {
        Some(file) => file.clone(),
        None => own_master_key(&dir)?,
    };
    if settings.ingress.operator_token.0.is_empty() {
        settings.ingress.operator_token = Hidden(dir.read_or_create_secret::<32>(OPERATOR_TOKEN)?);
    }
    let (mut broker, access) = start_broker(&dir, &settings).await?;
    let ended = tokio::select! {
        ended = serve(&dir, settings, listener, &access, &master_key, shutdown) => ended,
        failed = broker_failed(broker.as_mut()) => Err(anyhow!(failed).context("the embedded broker has stopped")),
    };
    if let Some(broker) = broker {
        broker.stop().await;
    }
    if ended.is_ok() {
        info!("stopped");
    }
    ended
}

/// The master key of an installation that was not given one: made on the first start, and never again, since a new key
/// would not open what the old one sealed.
fn own_master_key(dir: &DataDir) -> anyhow::Result<PathBuf> {
    let file = dir.path().join(MASTER_KEY);
    if !file.exists() && dir.path().join(STORE).exists() {
        bail!(
            "{} is missing, but {} holds a log that was sealed with it; put the key back",
            file.display(),
            dir.path().join(STORE).display()
        );
    }
    dir.read_or_create_secret::<32>(MASTER_KEY)?;
    Ok(file)
}

async fn start_broker(dir: &DataDir, settings: &Settings) -> anyhow::Result<(Option<Broker>, Access)> {
    if let Some(access) = services::access(&settings.program) {
        return Ok((None, access));
    }
    let config = BrokerConfig {
        data_dir: dir.clone(),
        nats_server: settings.program.nats_server.clone(),
        ready_within: DEFAULT_READY_WITHIN,
    };
    let broker = Broker::start(config).await?;
    let access = broker.access();
    Ok((Some(broker), access))
}

async fn broker_failed(broker: Option<&mut Broker>) -> crate::broker::BrokerFailed {
    match broker {
        Some(broker) => broker.wait_failed().await,
        None => std::future::pending().await,
    }
}

/// A service's task with the token that stops it.
struct Service {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    fn start(
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> tokio::task::JoinHandle<anyhow::Result<()>>,
    ) -> Self {
        let stop = CancellationToken::new();
        Self { name, task: run(stop.clone()), stop }
    }
}

async fn serve(
    dir: &DataDir,
    mut settings: Settings,
    listener: TcpListener,
    access: &Access,
    master_key: &Path,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let installation = Installation::open(access, &settings.program, master_key).await?;
    let address = listener.local_addr()?;
    let sandbox_listener = bind_sandbox(dir).await?;
    let place = Place {
        dir,
        address,
        public_url: settings.ingress.public_url.clone(),
        operator_token: settings.ingress.operator_token.0.clone(),
        sandbox_url: format!("http://{}", sandbox_listener.local_addr()?),
        sandbox_secret: dir.read_or_create_secret::<32>(SANDBOX_SECRET)?,
    };
    let providers = settings.dispatcher.base_urls_allowed.and(&place.sandbox_url);
    settings.ingress.base_urls_allowed = providers.clone();
    settings.dispatcher.base_urls_allowed = providers;
    // An address that means "all of them" is not one that a caller can use.
    settings.ingress.public_url = place.shown_url();
    let (gate, gate_open) = watch::channel(false);

    // Stopped in reverse: callers first, then what works for them.
    let mut services = start_services(installation, settings, listener, gate_open);
    let outcome = tokio::select! {
        prepared = quickstart::prepare(&place) => match prepared {
            Ok(quickstart) => {
                services.push(start_sandbox(dir, &place, &quickstart, sandbox_listener));
                gate.send_replace(true);
                greet(dir, &quickstart);
                tokio::select! {
                    died = first_to_end(&mut services) => Err(died),
                    () = shutdown.cancelled() => Ok(()),
                }
            }
            Err(error) => Err(error),
        },
        died = first_to_end(&mut services) => Err(died),
        () = shutdown.cancelled() => Ok(()),
    };
    stop_all(services).await;
    outcome
}

fn start_services(
    installation: Installation,
    settings: Settings,
    listener: TcpListener,
    gate: watch::Receiver<bool>,
) -> Vec<Service> {
    let Settings { ingress, dispatcher, ledger, program: _ } = settings;
    let Installation { log, vault, member } = installation;
    let (ledger_log, dispatcher_log, dispatcher_vault) = (log.clone(), log.clone(), vault.clone());
    vec![
        Service::start("ledger", |stop| {
            tokio::spawn(async move {
                angelia_ledger::run(ledger, ledger_log, member, stop).await.context("the ledger has stopped")
            })
        }),
        Service::start("dispatcher", |stop| {
            tokio::spawn(async move {
                let run = angelia_dispatcher::run(dispatcher, dispatcher_log, dispatcher_vault, member, stop);
                run.await.context("the dispatcher has stopped")
            })
        }),
        Service::start("ingress", |stop| {
            tokio::spawn(async move {
                angelia_ingress::run_gated(ingress, listener, log, vault, member, gate, stop)
                    .await
                    .context("the ingress has stopped")
            })
        }),
    ]
}

fn start_sandbox(
    dir: &DataDir,
    place: &Place<'_>,
    quickstart: &quickstart::Quickstart,
    listener: TcpListener,
) -> Service {
    let config = angelia_sandbox::Config {
        data_dir: dir.path().join(SANDBOX_DIR),
        callback_url: format!("{}/callbacks/cloud/{}", place.local_url(), quickstart.account_id),
        app_secret: place.sandbox_secret.clone(),
        access_token: None,
    };
    Service::start("sandbox", |stop| {
        tokio::spawn(
            async move { angelia_sandbox::serve(listener, config, stop).await.context("the sandbox has stopped") },
        )
    })
}

/// Binds the sandbox's port, the one that it had before if that is free.
async fn bind_sandbox(dir: &DataDir) -> anyhow::Result<TcpListener> {
    let remembered =
        std::fs::read_to_string(dir.path().join(SANDBOX_PORT)).ok().and_then(|text| text.trim().parse().ok());
    if let Some(port) = remembered
        && let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await
    {
        return Ok(listener);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot open a port for the sandbox")?;
    dir.write_private(SANDBOX_PORT, listener.local_addr()?.port().to_string().as_bytes())?;
    Ok(listener)
}

/// Resolves when a service ends though nobody asked it to.
async fn first_to_end(services: &mut [Service]) -> anyhow::Error {
    let ends = services.iter_mut().map(|service| {
        let name = service.name;
        Box::pin(async move {
            match (&mut service.task).await {
                Ok(Ok(())) => anyhow!("the {name} has ended by itself"),
                Ok(Err(error)) => error,
                Err(died) => anyhow!(died).context(format!("the {name} has died")),
            }
        })
    });
    futures_util::future::select_all(ends).await.0
}

/// Stops the services one after the other: the sandbox's and the callers' side first.
async fn stop_all(mut services: Vec<Service>) {
    // The sandbox still answers the dispatcher's last calls, so it goes after the dispatcher.
    services.sort_by_key(|service| match service.name {
        "ingress" => 0,
        "dispatcher" => 1,
        "sandbox" => 2,
        _ => 3,
    });
    for service in services {
        service.stop.cancel();
        if service.task.is_finished() {
            continue;
        }
        match service.task.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => error!(service = service.name, error = format!("{failure:#}"), "did not stop cleanly"),
            Err(died) => error!(service = service.name, error = %died, "died while stopping"),
        }
    }
}

fn greet(dir: &DataDir, quickstart: &quickstart::Quickstart) {
    println!("Angelia is ready.");
    println!("  webhook   {}", quickstart.webhook_url);
    println!("  API       {}", quickstart.api_url);
    println!("  sandbox   {}  (stands in for WhatsApp)", quickstart.sandbox_url);
    println!("  tokens    {}", dir.path().join(quickstart::FILE).display());
    println!("Send a first message:");
    println!(
        "  curl -sS '{}' -H 'Content-Type: application/json' -d '{{\"action\":\"send\",\"phone\":\"+14151231234\",\"text\":\"Hello\"}}'",
        quickstart.webhook_url
    );
}
