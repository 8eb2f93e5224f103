//! The command line: one subcommand per role.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Turns webhook calls into WhatsApp messages: durable, paid for, sent at a human pace, provable.
#[derive(Parser)]
#[command(name = "angelia", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs everything on this machine: broker, ingress, dispatcher, ledger and sandbox.
    Standalone(Common),
    /// Takes webhook calls, the API and provider callbacks.
    Ingress(Common),
    /// Sends what was accepted.
    Dispatcher(Common),
    /// Projects credits and message states; refunds and answers.
    Ledger(Common),
    /// Stands in for WhatsApp.
    Sandbox(SandboxArgs),
}

/// What every role takes. Flags win over the environment (`ANGELIA_…`), that over the file.
#[derive(Args, Clone, Default)]
pub(crate) struct Common {
    /// Settings file (TOML); see --print-config for what it may hold.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything is kept.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where to listen.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// URL of an existing broker.
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// User name at the existing broker; its password is the setting nats_password.
    #[arg(long, value_name = "NAME")]
    nats_user: Option<String>,
    /// Program of the embedded broker.
    #[arg(long, value_name = "FILE")]
    nats_server: Option<String>,
    /// File with the master key.
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<String>,
    /// What to log, as info or info,angelia_dispatcher=debug.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Any other setting.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
    /// Prints every setting with its meaning and its value, and ends.
    #[arg(long)]
    pub(crate) print_config: bool,
}

impl Common {
    /// The flags as settings.
    pub(crate) fn flags(&self) -> Vec<(String, String)> {
        let named = [
            ("data", &self.data),
            ("listen", &self.listen),
            ("nats", &self.nats),
            ("nats_user", &self.nats_user),
            ("nats_server", &self.nats_server),
            ("master_key_file", &self.master_key_file),
            ("log", &self.log),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        named.chain(self.set.iter().cloned()).collect()
    }
}

#[derive(Args)]
pub(crate) struct SandboxArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub(crate) listen: std::net::SocketAddr,
    /// Where the journal is kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where status callbacks go.
    #[arg(long, value_name = "URL")]
    pub(crate) callback: String,
    /// File with the secret that signs callbacks.
    #[arg(long, value_name = "FILE")]
    pub(crate) app_secret_file: PathBuf,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
