//! Stops a broker that outlived its parent: after a kill -9 of ours, the child runs on and holds store and port.
//!
//! Shape: the pid file -> a process -> is it ours? A pid may have been given to something else since, so a process is
//! touched only if its command line names our settings file.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{StartBrokerError, child, settings};

/// Nobody waits for it but us, and it is seldom there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A killed process is gone as soon as the system has taken its memory and its open files back.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Stops the broker that the pid file in `dir` names, if it runs and is ours.
///
/// # Errors
/// [`StartBrokerError::Leftover`] when it does not even end by force.
pub(super) async fn stop(dir: &Path) -> Result<(), StartBrokerError> {
    let pid_file = dir.join(settings::PID_NAME);
    let config = dir.join(settings::CONFIG_NAME);
    let Some(pid) = fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok()) else {
        return Ok(());
    };
    // Kill takes 0 and negative numbers for groups.
    if pid > 1 && is_ours(pid, &config) {
        info!(pid, "stopping the broker that an earlier run left behind");
        end(pid, &config).await?;
    }
    // The next server writes it anew; until then it names nobody.
    let _ = fs::remove_file(&pid_file);
    Ok(())
}

async fn end(pid: i32, config: &Path) -> Result<(), StartBrokerError> {
    for (signal, within) in [(Signal::SIGTERM, child::ENDS_WITHIN), (Signal::SIGKILL, GONE_WITHIN)] {
        // An error means that it has just ended, or is not ours to end: looking again tells.
        let _ = kill(Pid::from_raw(pid), signal);
        let deadline = Instant::now() + within;
        while is_ours(pid, config) {
            if Instant::now() >= deadline {
                warn!(pid, %signal, waited_s = within.as_secs(), "the broker left behind does not end");
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        if !is_ours(pid, config) {
            return Ok(());
        }
    }
    Err(StartBrokerError::Leftover { pid })
}

/// Does a live process with this id run on our settings? One that has ended and was not waited for has no command line.
fn is_ours(pid: i32, config: &Path) -> bool {
    if Path::new("/proc/self/cmdline").exists() {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        return command_line.split(|&byte| byte == 0).any(|argument| OsStr::from_bytes(argument) == config.as_os_str());
    }
    // Elsewhere `ps` prints the arguments in one line, which is less exact; the path is long and ours.
    let printed = Command::new("ps")
        .args(["-ww", "-o", "args=", "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    let needle = config.as_os_str().as_bytes();
    printed.windows(needle.len()).any(|window| window == needle)
}
