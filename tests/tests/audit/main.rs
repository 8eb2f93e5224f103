//! The commands `audit`, `backup` and `restore` as an auditor uses them: on a running installation, on a stopped one, on a
//! copy, with rights to read only, and on logs that somebody tampered with.

mod backups;
mod broken;
mod clusters;
mod commands;

use std::path::Path;
use std::time::Duration;

use angelia_shared::testing::server_binary;
use angelia_tests::process::{self, Finished};
use serde_json::Value;

/// A start of the broker on a busy machine, and a few reads of a small log.
const WITHIN: Duration = Duration::from_secs(120);

/// What was asked, and how to reach what it was asked of.
struct Asked(std::process::Command);

impl Asked {
    /// A command on the installation in a data directory.
    fn of(data: &Path, words: &[&str]) -> Self {
        let mut command = process::command(&process::angelia());
        command.args(words).arg("--data").arg(data).arg("--nats-server").arg(server_binary());
        Self(command)
    }

    /// A command on a broker.
    fn at(url: &str, words: &[&str]) -> Self {
        let mut command = process::command(&process::angelia());
        command.args(words).args(["--nats", url]);
        Self(command)
    }

    /// As this user.
    fn user(mut self, name: &str, password: &str) -> Self {
        self.0.args(["--nats-user", name]).env("ANGELIA_NATS_PASSWORD", password);
        self
    }

    /// With this setting in the environment.
    fn set(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    async fn run(self) -> Finished {
        process::run_to_end(self.0, WITHIN).await
    }

    /// What it prints when it ends with `status`.
    async fn ends_with(self, status: i32) -> String {
        let finished = self.run().await;
        assert_eq!(finished.status.code(), Some(status), "{}{}", finished.stdout, finished.stderr);
        finished.stdout
    }

    /// The JSON that it prints when it ends with `status`.
    async fn json(self, status: i32) -> Value {
        let text = self.ends_with(status).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
