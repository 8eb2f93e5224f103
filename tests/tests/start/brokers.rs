//! A broker that runs elsewhere: `--nats URL`.

use std::process::Stdio;
use std::time::Duration;

use angelia_shared::testing::{TestBroker, free_port, server_binary};
use angelia_tests::installation::{Setup, text};
use angelia_tests::process::{angelia, command, run_to_end};
use angelia_tests::wait::{SOON, eventually};
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::net::TcpStream;

#[tokio::test]
async fn an_existing_broker_is_used_and_left_running() {
    let broker = TestBroker::start().await;
    let mut installation = Setup::new().broker(&broker.access().url).start().await;
    assert_eq!(installation.ward().broker_pid(), None, "no broker of its own is started");
    let id = installation
        .demo_hook()
        .call(&json!({"action": "send", "text": "Hi", "phone": "+14151231234"}))
        .await
        .accepted();
    let path = format!("/workspaces/{}/messages/{id}", installation.quickstart().workspace_id);
    let owner = installation.demo_owner();
    eventually("the message is delivered", SOON, async || {
        let message = owner.get(&path).await.expect(200);
        if ["delivered", "read"].contains(&text(&message, "state")) { Ok(()) } else { Err(message.to_string()) }
    })
    .await;
    assert!(installation.stop(Signal::SIGTERM).await.success());
    assert!(broker.log().await.last_sequence().await.expect("the broker still answers") > 0);
}

#[tokio::test]
async fn a_broker_without_jetstream_is_refused_with_what_to_do() {
    let port = free_port();
    let mut broker = std::process::Command::new(server_binary())
        .args(["-a", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server can be started");
    eventually("the broker listens", SOON, async || {
        TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = format!("127.0.0.1:{}", free_port());
    let setup = Setup::new().broker(&format!("nats://127.0.0.1:{port}"));
    let finished = run_to_end(setup.command(&folder.path().join("data"), &address), Duration::from_secs(40)).await;
    broker.kill().expect("an own child can be killed");
    broker.wait().expect("an own child can be awaited");
    assert!(!finished.status.success());
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("JetStream") && said.contains("-js"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test]
async fn a_broker_that_nobody_runs_is_refused_by_its_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (url, address) = (format!("nats://127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let command = Setup::new().broker(&url).command(&folder.path().join("data"), &address);
    let finished = run_to_end(command, Duration::from_secs(60)).await;
    assert!(!finished.status.success());
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains(&url), "{said}");
}

#[tokio::test]
async fn a_process_with_another_master_key_is_refused_before_it_does_anything() {
    let broker = TestBroker::start().await;
    let url = broker.access().url;
    let mut installation = Setup::new().broker(&url).start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("another-key");
    std::fs::write(&key, "5a".repeat(32)).expect("a file can be written");
    for role in ["ingress", "dispatcher", "ledger"] {
        let mut command = command(&angelia());
        command.args([role, "--nats", &url, "--listen", &format!("127.0.0.1:{}", free_port())]);
        command.arg("--data").arg(folder.path()).arg("--master-key-file").arg(&key);
        let finished = run_to_end(command, Duration::from_secs(40)).await;
        assert!(!finished.status.success());
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains("another-key") && said.contains("every process needs the same"), "{role}: {said}");
    }
    assert!(installation.stop(Signal::SIGTERM).await.success(), "the installation never noticed");
}
