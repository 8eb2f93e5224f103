//! A sandbox of the tests' own: a process apart, so that it outlives the program under test, with a secret that is known.

use std::path::PathBuf;
use std::time::Duration;

use angelia_shared::testing::free_port;

use crate::client::{Answer, http};
use crate::journal::Journal;
use crate::process::{self, Process, Ward};
use crate::wait::{SOON, eventually};

/// A running sandbox. Every account that shares its secret can send through it.
#[derive(Debug)]
pub struct Sandbox {
    /// Where accounts find it.
    pub url: String,
    /// What it signs callbacks with.
    pub app_secret: String,
    folder: PathBuf,
    listen: String,
    callback: String,
    process: Option<Process>,
}

impl Sandbox {
    /// Chooses an address; nothing runs yet. `folder` must exist.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn prepare(folder: PathBuf) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let app_secret = "a-secret-of-the-tests".to_owned();
        std::fs::write(folder.join("app-secret"), &app_secret).expect("the folder can be written");
        Self { url: format!("http://{listen}"), app_secret, folder, listen, callback: String::new(), process: None }
    }

    /// Names the URL that gets the reports, before the start.
    pub fn report_to(&mut self, callback: String) {
        self.callback = callback;
    }

    /// Starts it, also again after [`kill`](Self::kill); returns when it answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start(&mut self) {
        let mut command = process::command(&process::angelia());
        command.args(["sandbox", "--listen", &self.listen, "--callback", &self.callback]);
        command.arg("--data").arg(self.folder.join("data"));
        command.arg("--app-secret-file").arg(self.folder.join("app-secret"));
        let log = self.folder.join("sandbox.log");
        let ward = Ward { broker_pid_file: self.folder.join("none"), folder: self.folder.clone() };
        let mut process = Process::start(command, &log, &ward);
        let journal = format!("{}/sandbox/journal", self.url);
        eventually("the sandbox answers", SOON, async || {
            if let Some(status) = process.ended() {
                panic!("the sandbox ended ({status}) and said:\n{}", process::read(&log));
            }
            let answer = Answer::to(http().get(&journal).timeout(Duration::from_secs(2))).await;
            answer.map(drop).map_err(|error| error.to_string())
        })
        .await;
        self.process = Some(process);
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// What it received.
    pub async fn journal(&self) -> Journal {
        Journal::read(&self.url).await
    }
}
