//! What keeps it from starting: a clear sentence and an exit status, never a panic, and nothing left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use angelia_shared::testing::free_port;
use angelia_tests::client::{Answer, http};
use angelia_tests::installation::Setup;
use angelia_tests::process::{Finished, angelia, command, run_to_end};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::net::TcpListener;

/// How long a start that cannot succeed may take to say so.
const SAYS_SO_WITHIN: Duration = Duration::from_secs(40);

/// Runs a start that must fail; every one of `words` must be in what it says.
async fn fails(command: Command, words: &[&str]) -> Finished {
    let finished = run_to_end(command, SAYS_SO_WITHIN).await;
    assert!(!finished.status.success(), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    for word in words {
        assert!(said.contains(word), "it does not say {word}:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    finished
}

fn address() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("a file can be written");
    let data = file.join("data");
    fails(Setup::new().command(&data, &address()), &[&data.display().to_string()]).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = taken.local_addr().expect("a bound socket has an address").to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    fails(Setup::new().command(&data, &address), &[&address]).await;
    assert!(!broker_runs(&data), "a start that failed leaves no broker");
}

#[tokio::test]
async fn a_second_start_on_the_same_data_directory_is_refused_and_the_first_goes_on() {
    let installation = Setup::new().start().await;
    let second = Setup::new().command(installation.data(), &address());
    let pid = installation.pid().to_string();
    fails(second, &[&installation.data().file_name().expect("a name").to_string_lossy(), &pid]).await;
    let ready = Answer::to(http().get(format!("{}/readyz", installation.url()))).await.expect("an answer");
    assert_eq!(ready.status, 200, "{}", ready.text());
}

#[tokio::test]
async fn settings_that_cannot_be_used_end_with_64_and_are_named() {
    let cases = [
        ("ANGELIA_MESSAGE_EXPIRES_AFTER_S", "soon", "message_expires_after_s"),
        ("ANGELIA_UNKNOWN_DEADLINE_S", "-1", "unknown_deadline_s"),
        ("ANGELIA_ATTACHMENTS_ALLOW_LOOPBACK", "perhaps", "attachments_allow_loopback"),
    ];
    for (name, value, word) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let finished = fails(Setup::new().set(name, value).command(&data, &address()), &[word]).await;
        assert_eq!(finished.status.code(), Some(64), "{finished:?}");
        assert!(!data.join("nats").exists(), "settings are checked before anything is begun");
    }
    let finished = fails(Setup::new().command(Path::new("unused"), "nowhere"), &["listen"]).await;
    assert_eq!(finished.status.code(), Some(64), "{finished:?}");
}

#[tokio::test]
async fn a_settings_file_with_a_name_nobody_knows_ends_with_64() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "mesage_expires_after_s = 5\n").expect("a file can be written");
    let mut command = Setup::new().command(&folder.path().join("data"), &address());
    command.arg("--config").arg(&file);
    let finished = fails(command, &["mesage_expires_after_s"]).await;
    assert_eq!(finished.status.code(), Some(64), "{finished:?}");
}

#[tokio::test]
async fn settings_can_be_printed_without_starting_anything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut command = Setup::new().set("ANGELIA_MESSAGE_EXPIRES_AFTER_S", "77").command(&data, &address());
    command.arg("--print-config");
    let finished = run_to_end(command, SAYS_SO_WITHIN).await;
    assert!(finished.status.success(), "{finished:?}");
    for word in ["message_expires_after_s", "77", "unknown_deadline_s", "attachments_allow_loopback", "public_url"] {
        assert!(finished.stdout.contains(word), "{word} is missing:\n{}", finished.stdout);
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn a_broker_that_is_too_old_or_no_broker_at_all_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a file can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode can be set");
        path
    };
    let old = script("old", "echo 'nats-server: v2.10.29'");
    let broken = script("broken", "exit 3");
    let cases: [(&Path, &[&str]); 3] =
        [(&old, &["2.10", "2.14"]), (&broken, &["broken"]), (&folder.path().join("missing"), &["missing"])];
    for (program, words) in cases {
        let mut command = command(&angelia());
        command.args(["standalone", "--listen", &address(), "--data"]).arg(folder.path().join("data"));
        command.arg("--nats-server").arg(program);
        fails(command, words).await;
    }
}

#[tokio::test]
async fn a_key_or_a_quickstart_that_was_lost_or_damaged_is_asked_for_and_never_replaced() {
    let mut installation = Setup::new().start().await;
    installation.stop(Signal::SIGTERM).await;
    for (name, harm) in [("master-key", None), ("master-key", Some("00ff\n")), ("quickstart.json", Some("{\"api"))] {
        let file = installation.data().join(name);
        let kept = std::fs::read(&file).expect("a first start wrote it");
        match harm {
            None => std::fs::remove_file(&file).expect("a file can be removed"),
            Some(text) => std::fs::write(&file, text).expect("a file can be written"),
        }
        fails(Setup::new().command(installation.data(), installation.listen()), &[name]).await;
        let left = std::fs::read_to_string(&file).ok();
        assert_eq!(left.as_deref(), harm, "{name} is left as it was");
        assert!(!broker_runs(installation.data()), "a start that failed leaves no broker");
        std::fs::write(&file, kept).expect("a file can be written");
    }
    installation.start().await;
    installation.demo_hook().call(&json!({"action": "send", "text": "Hi", "phone": "+14151231234"})).await.accepted();
}

/// Whether a broker runs on this data directory.
fn broker_runs(data: &Path) -> bool {
    let pid = std::fs::read_to_string(data.join("nats").join("nats-server.pid")).unwrap_or_default();
    pid.trim().parse().is_ok_and(|pid| angelia_tests::process::runs(pid, "nats-server"))
}
