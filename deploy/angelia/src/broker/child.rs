//! One run of the `nats-server` program: spawned, listened to, stopped.
//!
//! Shape: [`Running::spawn`] -> a child in a process group of its own, so that Ctrl-C in a terminal reaches us and not
//! it, and it can stop last. A task passes its log on, and keeps the last complaints for the error message.
//!
//! Not here: is it ready (`launch.rs`), what follows from its end (`supervisor.rs`).

use std::collections::VecDeque;
use std::fmt;
use std::future;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::settings;

/// How much garbage the broker may gather, in percent of what it uses: it keeps blocks of 8 MiB while they are read, and
/// with Go's own 100 it grows to twice that. Half as much costs it a tenth more time.
const GARBAGE_PERCENT: &str = "50";
/// An orderly end writes the indexes of the store. Without them the next start reads the store instead: it takes
/// longer, and loses nothing.
pub(super) const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// After its end only what is left in the pipe remains to be read.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// The end of the story is in the last few complaints.
const LAST_WORDS: usize = 5;

/// A child that runs, or has ended and was not looked at yet. Dropped, it is killed.
pub(super) struct Running {
    child: Child,
    log: JoinHandle<VecDeque<String>>,
    store_stopped: watch::Receiver<bool>,
}

impl Running {
    /// Starts the program on the settings in `dir`.
    pub(super) fn spawn(program: &Path, dir: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .env("GOGC", GARBAGE_PERCENT)
            // Absolute, since this argument is how a leftover is recognised.
            .arg("-c")
            .arg(dir.join(settings::CONFIG_NAME))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.take().expect("asked for above");
        let (tell, store_stopped) = watch::channel(false);
        Ok(Self { child, log: tokio::spawn(pass_on(stderr, tell)), store_stopped })
    }

    /// Resolves when the child has ended. May be dropped and called again, but not after it has resolved.
    pub(super) async fn ended(&mut self) -> Death {
        let how = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("unknown status: {error}"),
        };
        let last_words = match timeout(LAST_WORDS_WITHIN, &mut self.log).await {
            Ok(Ok(words)) => words.into(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        Death { how, last_words }
    }

    /// Resolves when the child said that it no longer stores anything, although it runs on.
    pub(super) fn store_stopped(&self) -> impl Future<Output = ()> + use<> {
        let mut store_stopped = self.store_stopped.clone();
        async move {
            if store_stopped.wait_for(|&stopped| stopped).await.is_err() {
                // Its log has ended, and so will it.
                future::pending::<()>().await;
            }
        }
    }

    /// Asks the child to end, makes it after [`ENDS_WITHIN`], and waits for its end.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // An error means that it has ended already. The number is still its own: it was not waited for.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if timeout(ENDS_WITHIN, self.child.wait()).await.is_err() {
            warn!(after_s = ENDS_WITHIN.as_secs(), "nats-server did not end when asked to, killing it");
            if let Err(error) = self.child.kill().await {
                warn!(%error, "cannot kill nats-server");
            }
        }
    }
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Death {
    how: String,
    last_words: Vec<String>,
}

impl Death {
    /// Did it end because something else listens on its port?
    pub(super) fn port_was_taken(&self) -> bool {
        self.last_words.iter().any(|line| line.contains("address already in use"))
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.how)?;
        if self.last_words.is_empty() {
            return Ok(());
        }
        write!(f, "; its last words: {}", self.last_words.join(" | "))
    }
}

/// Passes the server's log on, line by line, until it ends, and returns the last complaints.
///
/// It must not end earlier: the server would be killed by its next line.
async fn pass_on(log: impl AsyncRead + Unpin, store_stopped: watch::Sender<bool>) -> VecDeque<String> {
    let mut log = BufReader::new(log);
    let mut bytes = Vec::new();
    let mut last_words = VecDeque::with_capacity(LAST_WORDS + 1);
    loop {
        bytes.clear();
        match log.read_until(b'\n', &mut bytes).await {
            Ok(0) | Err(_) => return last_words,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes);
        let line = without_pid(line.trim_end());
        if !is_complaint(line) {
            debug!(line, "nats-server");
            continue;
        }
        warn!(line, "nats-server");
        if says_store_stopped(line) {
            store_stopped.send_replace(true);
        }
        last_words.push_back(line.to_owned());
        if last_words.len() > LAST_WORDS {
            last_words.pop_front();
        }
    }
}

/// Takes the process id off `[4711] [INF] text`.
fn without_pid(line: &str) -> &str {
    match line.split_once("] [") {
        Some((head, _)) if head.starts_with('[') => &line[head.len() + 2..],
        Some(_) | None => line,
    }
}

/// Lines that are not of the server's own form are complaints too: of its flags, of the Go runtime.
fn is_complaint(line: &str) -> bool {
    let routine = ["[INF]", "[DBG]", "[TRC]"].iter().any(|level| line.starts_with(level));
    // The password is random, in a file of ours that nobody else can read, and checked at every connection: a hash
    // would cost time and protect nothing.
    let expected = line.contains("Plaintext passwords detected");
    !(routine || expected || line.is_empty())
}

/// Says whether the server has stopped storing. It does so for good when a write failed, also when there is room again
/// later: publishers get no answer from then on, until it is started anew.
///
/// Source: nats-server 2.15.1 on a full file system.
fn says_store_stopped(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.contains("critical write error")
        || line.contains("no space left on device")
        || (line.contains("jetstream") && line.contains("disabled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn complaints_are_kept_and_routine_is_not() {
        let log: &[u8] = b"[7] [INF] Starting\n[7] [WRN] Plaintext passwords detected, use nkeys or bcrypt\n\
            [7] [ERR] one\nflag provided but not defined: \xff\n\n[7] [FTL] two";
        let (tell, told) = watch::channel(false);
        let last_words = pass_on(log, tell).await;
        assert_eq!(last_words, ["[ERR] one", "flag provided but not defined: \u{fffd}", "[FTL] two"]);
        assert!(!*told.borrow());
    }

    #[tokio::test]
    async fn only_the_last_complaints_are_kept() {
        let log: String = (0..100).map(|n| format!("[7] [ERR] {n}\n")).collect();
        let last_words = pass_on(log.as_bytes(), watch::channel(false).0).await;
        assert_eq!(last_words, ["[ERR] 95", "[ERR] 96", "[ERR] 97", "[ERR] 98", "[ERR] 99"]);
    }

    #[tokio::test]
    async fn a_store_that_stopped_is_noticed() {
        let lines = [
            "[7] [ERR] Filestore [E] Critical write error: write store/1.blk: no space left on device",
            "[7] [ERR] JetStream stream '$G > E' critical write error: write store/1.blk: input/output error",
            "[7] [ERR] JetStream out of space, will be DISABLED",
        ];
        for line in lines {
            let (tell, told) = watch::channel(false);
            pass_on(line.as_bytes(), tell).await;
            assert!(*told.borrow(), "{line}");
        }
        let (tell, told) = watch::channel(false);
        pass_on(&b"[7] [WRN] slow consumer\n[7] [INF] JetStream is not disabled"[..], tell).await;
        assert!(!*told.borrow());
    }
}
