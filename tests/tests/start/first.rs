//! A first and a second start.

use std::os::unix::fs::PermissionsExt as _;

use angelia_tests::client::{Answer, http};
use angelia_tests::installation::{Setup, text};
use angelia_tests::process::{group_of, read};
use angelia_tests::wait::{SOON, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn a_first_start_makes_a_demo_that_sends_and_a_second_one_keeps_it() {
    let mut installation = Setup::new().start().await;
    let file = installation.data().join("quickstart.json");
    let written: Value = serde_json::from_str(&read(&file)).expect("quickstart.json is JSON");
    let promised = [
        "account_id",
        "account_phone",
        "api_url",
        "chat_id",
        "console_url",
        "group_chat_id",
        "operator_token",
        "owner_token",
        "sandbox_url",
        "webhook_id",
        "webhook_url",
        "workspace_id",
    ];
    let mut keys: Vec<_> = written.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, promised);
    let mode = std::fs::metadata(&file).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let url = installation.url();
    for (name, wanted) in [("console_url", "/console"), ("api_url", "/api/v1")] {
        assert_eq!(text(&written, name), format!("{url}{wanted}"));
    }
    assert!(text(&written, "webhook_url").starts_with(&format!("{url}/hooks/")));
    assert_eq!(text(&written, "account_phone"), "+15105566777");

    let (owner, w) = (installation.demo_owner(), installation.quickstart().workspace_id.clone());
    let workspace = owner.get(&format!("/workspaces/{w}")).await.expect(200);
    assert_eq!(workspace["name"], "demo");
    let credits = owner.get(&format!("/workspaces/{w}/credits")).await.expect(200);
    assert_eq!((&credits["granted"], &credits["available"]), (&json!(1_000), &json!(1_000)));
    for chat in ["chat_id", "group_chat_id"] {
        let chat = owner.get(&format!("/workspaces/{w}/chats/{}", text(&written, chat))).await.expect(200);
        assert_eq!(chat["account_id"], written["account_id"]);
    }
    let id = installation
        .demo_hook()
        .call(&json!({"action": "send", "text": "Hi", "phone": "+14151231234"}))
        .await
        .accepted();
    let path = format!("/workspaces/{w}/messages/{id}");
    eventually("the first message is delivered", SOON, async || {
        let message = owner.get(&path).await.expect(200);
        if ["delivered", "read"].contains(&text(&message, "state")) { Ok(()) } else { Err(message.to_string()) }
    })
    .await;

    installation.stop(Signal::SIGTERM).await;
    installation.start().await;
    let again: Value = serde_json::from_str(&read(&file)).expect("quickstart.json is JSON");
    for kept in promised.iter().filter(|name| **name != "sandbox_url") {
        assert_eq!(again[kept], written[kept], "{kept} is kept over a restart");
    }
    let credits = owner.get(&format!("/workspaces/{w}/credits")).await.expect(200);
    assert_eq!((&credits["granted"], &credits["consumed"]), (&json!(1_000), &json!(1)), "nothing is granted twice");
    assert_eq!(owner.list(&format!("/workspaces/{w}/webhooks")).await.len(), 1);
    let workspaces = installation.operator().list("/workspaces").await;
    assert_eq!(workspaces.iter().filter(|workspace| workspace["name"] == "demo").count(), 1);
}

#[tokio::test]
async fn liveness_readiness_and_metrics_need_no_token() {
    let installation = Setup::new().start().await;
    let get =
        async |path: &str| Answer::to(http().get(format!("{}{path}", installation.url()))).await.expect("an answer");
    assert_eq!(get("/livez").await.status, 200);
    assert_eq!(get("/readyz").await.status, 200);
    installation.demo_hook().call(&json!({"action": "send", "text": "Hi", "phone": "+14151231234"})).await.accepted();
    let metrics = get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    for service in ["ingress_", "dispatcher_", "ledger_"] {
        assert!(text.lines().any(|line| line.starts_with(service)), "no metric of {service} in:\n{text}");
    }
    assert_eq!(get("/no/such/path").await.status, 404);
}

#[tokio::test]
async fn readiness_shows_that_loopback_attachments_are_allowed_only_when_they_are() {
    for (allowed, setup) in [(false, Setup::new()), (true, Setup::new().set("ANGELIA_ATTACHMENTS_ALLOW_LOOPBACK", "1"))]
    {
        let installation = setup.start().await;
        let ready = Answer::to(http().get(format!("{}/readyz", installation.url()))).await.expect("an answer");
        assert_eq!(ready.text().contains("loopback"), allowed, "{}", ready.text());
    }
}

#[tokio::test]
async fn readiness_says_what_is_missing_while_the_broker_is_away() {
    let installation = Setup::new().start().await;
    let get =
        async |path: &str| Answer::to(http().get(format!("{}{path}", installation.url()))).await.expect("an answer");
    // Stopped, not killed: it would be started again at once.
    let broker = nix::unistd::Pid::from_raw(i32::try_from(installation.broker_pid()).expect("a process id"));
    nix::sys::signal::kill(broker, Signal::SIGSTOP).expect("the broker runs");
    let answer = eventually("it is not ready", SOON, async || {
        let answer = get("/readyz").await;
        if answer.status == 503 { Ok(answer) } else { Err(answer.text()) }
    })
    .await;
    assert!(answer.text().len() > 10, "it says why: {}", answer.text());
    assert_eq!(get("/livez").await.status, 200);
    nix::sys::signal::kill(broker, Signal::SIGCONT).expect("the broker runs");
    eventually("it is ready again", SOON, async || {
        let answer = get("/readyz").await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

#[tokio::test]
async fn the_broker_has_a_process_group_of_its_own_and_no_secret_on_its_command_line() {
    let installation = Setup::new().start().await;
    let (program, broker) = (installation.pid(), installation.broker_pid());
    assert_ne!(group_of(program), group_of(broker), "Ctrl-C must not reach the broker first");
    let password = read(&installation.data().join("nats").join("password"));
    assert!(!angelia_tests::process::runs(broker, password.trim()), "the password shows in the list of processes");
    for name in std::fs::read_dir(installation.data()).expect("the data directory can be read") {
        let path = name.expect("the data directory can be read").path();
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        let secret = path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            ["key", "token", "secret", "quickstart"].iter().any(|word| name.contains(word))
        });
        assert!(!secret || mode & 0o077 == 0, "{} is open to others", path.display());
    }
}
