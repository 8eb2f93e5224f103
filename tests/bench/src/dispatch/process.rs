//! The program's roles as processes of their own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::installation::program;
use crate::machine;

/// A running process. Killed when dropped.
pub(super) struct Process(Child);

impl Process {
    /// Starts `angelia` with these arguments; what it says goes to `log`.
    pub(super) fn start(arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(log)?;
        let child = Command::new(program()?).args(arguments).stdout(Stdio::null()).stderr(log).spawn();
        Ok(Self(child.context("cannot start the program")?))
    }

    /// Resident memory in MiB.
    pub(super) fn resident_mib(&self) -> f64 {
        machine::resident_mib(self.0.id())
    }

    /// The most that it was since [`forget_peak`](Self::forget_peak), in MiB.
    pub(super) fn peak_mib(&self) -> f64 {
        machine::peak_mib(self.0.id())
    }

    /// Lets the peak of its memory begin anew.
    pub(super) fn forget_peak(&self) {
        machine::forget_peak(self.0.id());
    }

    /// Processor time so far, in milliseconds.
    pub(super) fn cpu_ms(&self) -> u64 {
        machine::cpu_ms(self.0.id())
    }

    /// Whether it has ended by itself.
    pub(super) fn ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Kills it with SIGKILL.
    pub(super) fn kill(self) {}

    /// Asks it to stop, and waits until it has.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM)?;
        while self.0.try_wait()?.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}
