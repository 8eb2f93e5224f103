//! Programs under test: how they are found, started, watched and ended.
//!
//! Invariants:
//! - Nothing started here outlives the test binary by more than a few seconds, however that ends ([`Watchdog`]).
//!
//! Not here: what the programs are told (see `installation.rs` and `sandbox.rs`).

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use angelia_shared::clock;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::wait::eventually;

/// How long a program may take to end when it is asked to: its work in flight, then the broker.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// The program under test: built beside this test binary, or `ANGELIA_BINARY`.
///
/// # Panics
/// When it was not built.
pub fn angelia() -> PathBuf {
    if let Some(path) = environment("ANGELIA_BINARY") {
        return path.into();
    }
    let mut folder = std::env::current_exe().expect("a running program has a path");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join("angelia");
    assert!(path.exists(), "{} is not there; run `cargo build` first, as tests/run.sh does", path.display());
    path
}

/// Reads a setting of the tests themselves.
pub fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "where the tests' tools are is not a setting of the program")]
    std::env::var(name).ok()
}

/// Reads a setting of the tests themselves that is a number.
///
/// # Panics
/// When it is none.
pub fn number(name: &str) -> Option<u64> {
    environment(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number, not {text}")))
}

/// A command that knows none of the settings of whoever runs the tests.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    #[expect(clippy::disallowed_methods, reason = "what is not named cannot be taken away")]
    for (name, _) in std::env::vars() {
        if name.starts_with("ANGELIA_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// What a program that was to end by itself left behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
}

/// Runs `command` to its end.
///
/// # Panics
/// When it cannot be started or runs longer than `within`; it is killed then.
pub async fn run_to_end(mut command: Command, within: Duration) -> Finished {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdin(Stdio::null()).stdout(log_file(&out)).stderr(log_file(&err)).process_group(0);
    let mut child = command.spawn().expect("the program can be started");
    let started = clock::monotonic();
    let status = loop {
        if let Some(status) = child.try_wait().expect("an own child can be asked") {
            break status;
        }
        if started.elapsed() > within {
            // The program may have begun to end by itself.
            let _ = killpg(pid_of(child.id()), Signal::SIGKILL);
            let _ = child.wait();
            panic!("{command:?} still ran after {} s; it logged:\n{}", within.as_secs(), read(&err));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    Finished { status, stdout: read(&out), stderr: read(&err) }
}

/// A running program in a process group of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
    _watchdog: Watchdog,
}

impl Process {
    /// Starts `command`; what it prints and logs is appended to `log`. `ward` is what the watchdog clears away.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command, log: &Path, ward: &Ward) -> Self {
        command.stdin(Stdio::null()).stdout(log_file(log)).stderr(log_file(log)).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let watchdog = Watchdog::over(child.id(), ward);
        Self { child, _watchdog: watchdog }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("an own child can be asked")
    }

    /// Sends it `signal`.
    pub fn signal(&self, signal: Signal) {
        kill(pid_of(self.pid()), signal).expect("a child that was not awaited can be signalled");
    }

    /// Kills it alone, with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("an own child can be killed");
        self.child.wait().expect("an own child can be awaited");
    }

    /// Kills its whole process group with SIGKILL, as `kill -9 -PGID` does.
    pub fn kill_group(&mut self) {
        killpg(pid_of(self.pid()), Signal::SIGKILL).expect("the group of a running child exists");
        self.child.wait().expect("an own child can be awaited");
    }

    /// Sends it `signal` and waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn stop(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        eventually("the program ends when it is asked to", ENDS_WITHIN, async || {
            self.ended().ok_or_else(|| "it still runs".to_owned())
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = killpg(pid_of(self.pid()), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// What is left when a program is killed: its broker, and its files.
#[derive(Clone, Debug)]
pub struct Ward {
    /// Where a broker's process id may be found.
    pub broker_pid_file: PathBuf,
    /// The folder to remove.
    pub folder: PathBuf,
}

impl Ward {
    /// Kills the broker, if one runs.
    pub fn kill_broker(&self) {
        if let Some(pid) = self.broker_pid() {
            // It may end between the look and the signal.
            let _ = kill(pid_of(pid), Signal::SIGKILL);
        }
    }

    /// The running broker's process id.
    pub fn broker_pid(&self) -> Option<u32> {
        let pid = fs::read_to_string(&self.broker_pid_file).ok()?.trim().parse().ok()?;
        runs(pid, "nats-server").then_some(pid)
    }
}

/// A shell that waits for this process's end, then ends the program, its broker, and their files. A process that dies
/// runs no destructors, and installations that tests share live in statics, which are never dropped.
#[derive(Debug)]
struct Watchdog(Child);

const WATCHDOG: &str = r#"
cat >/dev/null
kill -TERM "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ $tries -lt 150 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -KILL "$1" 2>/dev/null
kill -KILL -- "-$1" 2>/dev/null
[ -f "$2" ] && kill -KILL "$(cat "$2")" 2>/dev/null
[ -n "$4" ] || rm -rf "$3"
"#;

impl Watchdog {
    fn over(pid: u32, ward: &Ward) -> Self {
        let keep = environment("ANGELIA_TESTS_KEEP").unwrap_or_default();
        // Its standard input closes with this process. Its own group, so that Ctrl-C does not end it with us.
        let child = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &pid.to_string()])
            .args([&ward.broker_pid_file, &ward.folder])
            .arg(keep)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell can be started");
        Self(child)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = killpg(pid_of(self.0.id()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// Whether a process with this id runs and its command line contains `word`. One that ended and was not awaited does
/// not run.
pub fn runs(pid: u32, word: &str) -> bool {
    let line = if Path::new("/proc/self/cmdline").exists() {
        fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
    } else {
        let printed = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output();
        printed.map(|output| output.stdout).unwrap_or_default()
    };
    String::from_utf8_lossy(&line).contains(word)
}

/// The process group of a process.
pub fn group_of(pid: u32) -> Option<u32> {
    let group = nix::unistd::getpgid(Some(pid_of(pid))).ok()?;
    u32::try_from(group.as_raw()).ok()
}

/// Reads a text file; one that is not there is empty.
pub fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn log_file(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a log file can be opened")
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("process ids fit"))
}
