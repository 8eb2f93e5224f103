//! The command line: one subcommand per role.

use std::path::PathBuf;

use angelia_ledger::audit::point::Point;
use angelia_shared::ids::{MessageId, WorkspaceId};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::client::cli as client;

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
    /// Checks, replays and questions the log. Appends nothing.
    Audit(AuditArgs),
    /// Writes the log, and what is needed to go on from it, into a folder.
    Backup(BackupArgs),
    /// Brings back what a backup holds, where there is no log yet, and verifies it.
    Restore(RestoreArgs),
    /// Sends a message through a webhook.
    Send(client::SendArgs),
    /// Follows messages: prints what happens to them, as it happens.
    Tail(client::TailArgs),
    /// Workspaces: their credits, statements and tokens.
    Workspace(client::WorkspaceArgs),
    /// Inbound webhooks: their URLs and their last calls.
    Webhook(client::WebhookArgs),
    /// Prints a script that completes the command line in a shell.
    Completions(client::CompletionsArgs),
}

/// Where an installation is, and how to reach it. Flags win over the environment (`ANGELIA_…`), that over the file.
#[derive(Args, Clone, Default)]
pub(crate) struct Place {
    /// Settings file (TOML); see --print-config of the roles for what it may hold.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where everything of an installation on this machine is kept.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
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
}

impl Place {
    /// The flags as settings.
    fn flags(&self) -> impl Iterator<Item = (String, String)> {
        given([
            ("data", &self.data),
            ("nats", &self.nats),
            ("nats_user", &self.nats_user),
            ("nats_server", &self.nats_server),
            ("master_key_file", &self.master_key_file),
        ])
    }

    /// The flags as settings of whoever looks at one installation: a directory that is named wins over a broker that
    /// only the environment or the file knows.
    pub(crate) fn one(&self) -> Vec<(String, String)> {
        let no_broker = (self.data.is_some() && self.nats.is_none()).then(|| ("nats".to_owned(), String::new()));
        self.flags().chain(no_broker).collect()
    }
}

/// The flags that were given.
fn given<const N: usize>(flags: [(&str, &Option<String>); N]) -> impl Iterator<Item = (String, String)> {
    flags.map(|(name, value)| Some((name.to_owned(), value.clone()?))).into_iter().flatten()
}

/// What every role takes.
#[derive(Args, Clone, Default)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Where to listen.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
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
        let more = given([("listen", &self.listen), ("log", &self.log)]);
        self.place.flags().chain(more).chain(self.set.iter().cloned()).collect()
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

#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

/// What every audit takes.
#[derive(Args, Clone)]
pub(crate) struct Audited {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The stream: the log itself, or an archive that mirrors it.
    #[arg(long, value_name = "NAME", default_value = angelia_shared::log::stream::STREAM)]
    pub(crate) stream: String,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Checks every invariant that a log can show; ends with 1 and names the first event that breaks one.
    Verify {
        #[command(flatten)]
        audited: Audited,
        /// Also compares the running ledger with a replay.
        #[arg(long)]
        live: bool,
        /// Records the result beside the log, for the console's audit page.
        #[arg(long, conflicts_with = "stream")]
        record: bool,
        /// Who had it verified, for that record.
        #[arg(long, value_name = "NAME", requires = "record")]
        by: Option<String>,
    },
    /// Rebuilds the ledger from nothing and prints its digest.
    Replay {
        #[command(flatten)]
        audited: Audited,
        /// Up to this sequence or RFC 3339 time.
        #[arg(long, value_name = "SEQ|TIME")]
        until: Option<Point>,
    },
    /// Prints a workspace's statement.
    Statement {
        #[command(flatten)]
        audited: Audited,
        /// Whose.
        #[arg(long, value_name = "ID")]
        workspace: WorkspaceId,
        /// As it was at this sequence or RFC 3339 time.
        #[arg(long, value_name = "SEQ|TIME")]
        as_of: Option<Point>,
    },
    /// Prints a message's state, parts and timeline.
    Message {
        #[command(flatten)]
        audited: Audited,
        /// The message, with or without wa_backend:.
        id: MessageId,
        /// As it was at this sequence or RFC 3339 time.
        #[arg(long, value_name = "SEQ|TIME")]
        as_of: Option<Point>,
    },
    /// Prints events.
    Export {
        #[command(flatten)]
        audited: Audited,
        /// From this sequence or RFC 3339 time on.
        #[arg(long, value_name = "SEQ|TIME")]
        from: Option<Point>,
        /// Up to this sequence or RFC 3339 time.
        #[arg(long, value_name = "SEQ|TIME")]
        to: Option<Point>,
        /// Only events of this workspace.
        #[arg(long, value_name = "ID")]
        workspace: Option<WorkspaceId>,
        /// JSON lines, or a table.
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
    },
    /// Says what other prices, rules of refund and another pace would have changed.
    WhatIf {
        #[command(flatten)]
        audited: Audited,
        /// The other rules (TOML).
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
    },
}

/// How events are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Jsonl,
    Csv,
}

#[derive(Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The folder to write; it must not be there, or be empty.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The backup's folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
