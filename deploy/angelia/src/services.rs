//! The commands `ingress`, `dispatcher` and `ledger`: one service as a process of its own, on an existing broker.

use std::path::PathBuf;

use angelia_shared::log::Access;
use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use crate::installation::Installation;
use crate::open_files;
use crate::settings::{Config, Settings};
use crate::signals::shutdown_on_signal;

/// Which service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Ingress,
    Dispatcher,
    Ledger,
}

/// Runs one service until a signal.
pub(crate) async fn run(role: Role, settings: Settings) -> anyhow::Result<()> {
    let Settings { program, ingress, dispatcher, ledger } = settings;
    let Some(access) = access(&program) else {
        bail!("this role needs an existing broker: give --nats URL (or run `angelia standalone`)");
    };
    open_files::make_room_for(if role == Role::Ingress { ingress.connections_max } else { 0 });
    let shutdown = shutdown_on_signal()?;
    let installation = Installation::open(&access, &program, &master_key_file(&program)).await?;
    let Installation { log, vault, member } = installation;
    match role {
        Role::Ingress => {
            let listener = bind(&program).await?;
            angelia_ingress::run(ingress, listener, log, vault, member, shutdown)
                .await
                .context("the ingress has stopped")
        }
        Role::Dispatcher => angelia_dispatcher::run(dispatcher, log, vault, member, shutdown)
            .await
            .context("the dispatcher has stopped"),
        Role::Ledger => angelia_ledger::run(ledger, log, member, shutdown).await.context("the ledger has stopped"),
    }
}

/// How to reach an existing broker, if one was named.
pub(crate) fn access(config: &Config) -> Option<Access> {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let url = some(&config.nats)?;
    Some(Access { url, user: some(&config.nats_user), password: some(&config.nats_password.0) })
}

/// Where the master key is.
pub(crate) fn master_key_file(config: &Config) -> PathBuf {
    config.master_key_file.clone().unwrap_or_else(|| config.data.join(crate::standalone::MASTER_KEY))
}

/// Binds the listening socket.
///
/// # Errors
/// When the port is taken or may not be used.
pub(crate) async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --listen", config.listen))
}
