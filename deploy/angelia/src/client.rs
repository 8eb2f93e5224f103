//! The commands `send`, `tail`, `workspace` and `webhook`: a client of the HTTP API, like any other.
//!
//! Read in this order: [`cli`] (the words), [`place`] (where and as whom), [`api`] (calls, and what a refusal is), then one
//! file for each command.
//!
//! What they print is for people, or JSON with `--json`: an object, or one object a line for lists.

mod api;
pub(crate) mod cli;
mod completions;
mod place;
mod send;
mod shown;
mod tail;
mod webhook;
mod workspace;

pub(crate) use api::Refused;
pub(crate) use completions::run as completions;

use cli::Remote;

/// Sends a message.
pub(crate) async fn send(args: cli::SendArgs) -> anyhow::Result<()> {
    send::run(args).await
}

/// Follows messages.
pub(crate) async fn tail(args: cli::TailArgs) -> anyhow::Result<()> {
    tail::run(args).await
}

/// Looks at a workspace or changes it.
pub(crate) async fn workspace(remote: Remote, command: cli::WorkspaceCommand) -> anyhow::Result<()> {
    workspace::run(remote, command).await
}

/// Looks at webhooks or changes them.
pub(crate) async fn webhook(remote: Remote, command: cli::WebhookCommand) -> anyhow::Result<()> {
    webhook::run(remote, command).await
}
