//! A dispatcher in a process of its own.

use std::process::{Command, Stdio};

use angelia_shared::ids::MemberId;
use angelia_shared::log::Access;
use angelia_shared::telemetry::{self, LogForm};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::harness::dispatcher::serve;
use crate::harness::{World, config};

/// Makes this program the dispatcher.
pub(crate) const DISPATCH: &str = "--dispatch-until-killed";

/// Runs the service until SIGTERM.
pub(crate) async fn be_the_dispatcher(url: &str, partitions: &str, master_hex: &str) {
    telemetry::start("warn", LogForm::Text);
    let shutdown = CancellationToken::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        let mut terminated = signal(SignalKind::terminate()).expect("signals can be heard");
        terminated.recv().await;
        asked.cancel();
    });
    let access = Access { url: url.to_owned(), user: None, password: None };
    let partitions = partitions.parse().expect("a number");
    let served = serve(access, partitions, master_hex.to_owned(), config(), MemberId::generate(), shutdown).await;
    served.expect("it serves until it is stopped");
}

/// A running process. Killed when dropped.
pub(crate) struct Child(std::process::Child);

impl Child {
    /// Starts it; returns before it has claimed anything.
    pub(crate) fn start(world: &World) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let child = Command::new(program)
            .args([DISPATCH, &world.broker.access().url, &world.partitions.to_string(), world.master_hex()])
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("it can be started"))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.expect("there is a kill program").success());
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub(crate) fn kill(self) {}
}

impl Drop for Child {
    fn drop(&mut self) {
        // On Unix this is SIGKILL.
        self.0.kill().expect("an own child can be killed");
        self.0.wait().expect("an own child can be awaited");
    }
}
