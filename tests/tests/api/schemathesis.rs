//! The document against the running server: `schemathesis` makes calls from it, valid and not, and holds every answer
//! against it. Seeded, so that two runs make the same calls.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use angelia_tests::installation::text;
use angelia_tests::process::{environment, run_to_end};
use angelia_tests::tenant::{NEVER, Tenant, recipient};
use serde_json::json;

use crate::document::{document, operations};
use crate::installation;

/// Calls made up for one operation and kind, at most.
const EXAMPLES: &str = "20";
const SEED: &str = "1";
/// It takes some ten seconds.
const WITHIN: Duration = Duration::from_secs(60);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis")
}

/// The pinned program, which `tests/run.sh` has installed; now, when this test runs without it.
fn program() -> PathBuf {
    if let Some(path) = environment("ANGELIA_SCHEMATHESIS") {
        return path.into();
    }
    let output = Command::new(folder().join("install.sh")).output().expect("the script can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a path is text").trim().into()
}

/// What the settings file refers to: ids of things that are there, cursors that go on, tokens.
async fn things(tenant: &Tenant<'_>, senders: &Tenant<'_>) -> Vec<(String, String)> {
    let (account, owner) = (tenant.account(NEVER).await, &tenant.owner);
    let mut message = String::new();
    for n in 0..3 {
        message = tenant.send(&account, &recipient("1234"), "Hello").await;
        tenant.chat(&format!("chat-{n}"), &account, json!({"phone": "+14151231234", "name": "Ada"})).await;
    }
    // Another webhook than the one that is called, which must not be switched off.
    let webhook = owner.post(&tenant.path("/webhooks"), json!({})).await.expect(201);
    let token = owner.post(&tenant.path("/tokens"), json!({"role": "auditor"})).await.expect(201);
    // Accounts are changed in a workspace that sends nothing: what is made up for them are addresses, too.
    let sender = senders.account(NEVER).await;
    senders.account(NEVER).await;
    // When all of that was there.
    let past = owner.get(&tenant.path("/credits")).await.expect(200)["as_of_seq"].to_string();
    let quickstart = tenant.installation.quickstart();
    let hook = tenant.hook.url.rsplit('/').next().expect("a token");
    let mut things = vec![
        ("OPERATOR", quickstart.operator_token.clone()),
        ("OWNER", tenant.owner_token.clone()),
        ("WORKSPACE", tenant.id.clone()),
        ("WEBHOOK", text(&webhook, "id").to_owned()),
        ("CHAT", "chat-1".to_owned()),
        ("MESSAGE", message),
        ("PAST", past),
        ("TOKEN", text(&token, "id").to_owned()),
        ("HOOK", hook.to_owned()),
        ("SENDERS_OWNER", senders.owner_token.clone()),
        ("SENDERS_WORKSPACE", senders.id.clone()),
        ("ACCOUNT", sender.id),
    ];
    let lists = [
        ("WORKSPACES_CURSOR", tenant.installation.operator(), "/workspaces".to_owned()),
        ("WEBHOOKS_CURSOR", owner.clone(), tenant.path("/webhooks")),
        ("TOKENS_CURSOR", owner.clone(), tenant.path("/tokens")),
        ("CHATS_CURSOR", owner.clone(), tenant.path("/chats")),
        ("MESSAGES_CURSOR", owner.clone(), tenant.path("/messages")),
        ("STATEMENT_CURSOR", owner.clone(), tenant.path("/statement")),
        ("ACCOUNTS_CURSOR", senders.owner.clone(), senders.path("/accounts")),
    ];
    for (name, api, path) in lists {
        let page = api.get(&format!("{path}?limit=1")).await.expect(200);
        things.push((name, text(&page, "next_cursor").to_owned()));
    }
    things.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Runs it over a part of the operations, with a file of settings; gives how many it tested.
async fn check(url: &str, things: &[(String, String)], settings: &str, part: &[&str]) -> usize {
    let apart = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = Command::new(program());
    command.current_dir(apart.path()).env("HOME", apart.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("--config-file").arg(folder().join(settings)).arg("run").arg(format!("{url}/openapi.json"));
    command.args(["--seed", SEED, "--max-examples", EXAMPLES, "--no-color", "--warnings", "off"]);
    // They measure how fast this machine makes things up.
    command.args(["--suppress-health-check", "all"]).args(part);
    command.envs(things.iter().map(|(name, value)| (name, value)));
    let finished = run_to_end(command, WITHIN).await;
    let said = format!("{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.status.success(), "the document and the server disagree:\n{said}");
    let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    tested.and_then(|tested| tested.parse().ok()).unwrap_or_else(|| panic!("it does not say what it tested:\n{said}"))
}

#[tokio::test]
async fn the_server_does_what_the_document_says() {
    let installation = installation().await;
    let (tenant, senders) = (Tenant::new(installation, 1_000).await, Tenant::new(installation, 0).await);
    let things = things(&tenant, &senders).await;
    let each = ["--phases", "coverage,fuzzing"];
    // What removes things comes last, or the others would miss them.
    let part = [&each[..], &["--exclude-method", "DELETE"]].concat();
    let kept = check(&installation.url(), &things, "schemathesis.toml", &part).await;
    let part = [&each[..], &["--include-method", "DELETE"]].concat();
    let removed = check(&installation.url(), &things, "schemathesis.toml", &part).await;
    // It never calls the document's own address.
    let all = operations(&document().await).iter().filter(|operation| operation.id != "openapi").count();
    assert_eq!(kept + removed, all, "operations that were left out");
}

#[tokio::test]
async fn the_links_of_the_document_lead_to_what_was_made() {
    let installation = installation().await;
    let tenant = Tenant::new(installation, 0).await;
    let things = [("OWNER", &tenant.owner_token), ("WORKSPACE", &tenant.id)];
    let things = things.map(|(name, value)| (name.to_owned(), value.clone()));
    let sections = ["Webhooks", "Tokens", "Accounts"].map(|section| ["--include-tag", section]).concat();
    // Valid calls only: what is wrong with the others, the other test shows.
    let part = [&["--phases", "stateful", "--mode", "positive"][..], &sections].concat();
    assert!(check(&installation.url(), &things, "stateful.toml", &part).await > 10);
    assert!(!tenant.owner.list(&tenant.path("/tokens")).await.is_empty(), "the last owner's token stays");
}
