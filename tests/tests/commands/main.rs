//! The commands that call the HTTP API, as a user types them, against an installation that runs.

mod completions;
mod messages;
mod place;
mod things;

use std::time::Duration;

use angelia_tests::installation::{Installation, Setup, Shared};
use angelia_tests::process::{self, Finished};
use serde_json::Value;

static SHARED: Shared = Shared::new(Setup::new);

/// More than any of them takes.
const WITHIN: Duration = Duration::from_secs(90);

async fn installation() -> &'static Installation {
    SHARED.get().await
}

/// A command line.
struct Typed(std::process::Command);

impl Typed {
    /// Words, and nothing that says where.
    fn bare(words: &[&str]) -> Self {
        let mut command = process::command(&process::angelia());
        command.args(words);
        Self(command)
    }

    /// Words for the demo workspace of the shared installation.
    async fn at_demo(words: &[&str]) -> Self {
        let mut typed = Self::bare(words);
        typed.0.arg("--data").arg(installation().await.data());
        typed
    }

    /// With a variable of the environment.
    fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    async fn run(self) -> Finished {
        process::run_to_end(self.0, WITHIN).await
    }

    /// What it prints when it ends with `status`, on standard output and on standard error.
    async fn ends_with(self, status: i32) -> (String, String) {
        let finished = self.run().await;
        assert_eq!(finished.status.code(), Some(status), "{}{}", finished.stdout, finished.stderr);
        (finished.stdout, finished.stderr)
    }

    /// What it prints when all is well.
    async fn prints(self) -> String {
        self.ends_with(0).await.0
    }

    /// The JSON that it prints when all is well.
    async fn json(self) -> Value {
        let text = self.prints().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The JSON lines that it prints when all is well.
    async fn json_lines(self) -> Vec<Value> {
        let text = self.prints().await;
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }
}
