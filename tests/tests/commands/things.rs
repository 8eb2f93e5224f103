//! `workspace`, `webhook` and `completions`.

use std::process::Command;

use angelia_tests::files::FileServer;
use angelia_tests::installation::text;
use angelia_tests::tenant::Tenant;
use serde_json::{Value, json};

use crate::{Typed, installation};

/// Words for a workspace of the test's own.
async fn of(tenant: &Tenant<'_>, words: &[&str]) -> Typed {
    let typed = Typed::bare(words).env("ANGELIA_API_URL", &tenant.installation.quickstart().api_url);
    typed.env("ANGELIA_TOKEN", &tenant.owner_token).env("ANGELIA_WORKSPACE", &tenant.id)
}

#[tokio::test]
async fn an_operator_makes_a_workspace_and_grants_it_credits() {
    let made = Typed::at_demo(&["workspace", "create", "Ä & Söhne", "--json"]).await.json().await;
    let (id, token) = (text(&made, "id"), text(&made, "owner_token"));
    let listed = Typed::at_demo(&["workspace", "list", "--json"]).await.json_lines().await;
    assert!(listed.iter().any(|workspace| workspace["id"] == made["id"]), "{listed:?}");
    let table = Typed::at_demo(&["workspace", "list"]).await.prints().await;
    assert!(table.starts_with("ID ") && table.contains(id) && table.contains("Ä & Söhne"), "{table}");
    let grant = ["workspace", "grant", "50", "--reason", "paid", "--workspace", id, "--json"];
    assert_eq!(Typed::at_demo(&grant).await.json().await["credits"], 50);
    let credits = ["workspace", "credits", "--workspace", id, "--token", token, "--json"];
    assert_eq!(Typed::at_demo(&credits).await.json().await["available"], 50);
    // An owner grants nothing.
    let (_, said) = Typed::at_demo(&[&grant[..], &["--token", token]].concat()).await.ends_with(1).await;
    assert!(said.contains("403"), "{said}");
}

#[tokio::test]
async fn an_owner_changes_a_workspace_and_gives_and_revokes_tokens() {
    let tenant = Tenant::new(installation().await, 3).await;
    let words = ["workspace", "edit", "--name", "New", "--unknown-policy", "charge", "--low-balance", "5", "--json"];
    let edited = of(&tenant, &words).await.json().await;
    assert_eq!(
        (&edited["name"], &edited["unknown_policy"], &edited["low_balance"]),
        (&json!("New"), &json!("charge"), &json!(5))
    );
    let shown = of(&tenant, &["workspace", "show"]).await.prints().await;
    assert!(shown.lines().any(|line| line.starts_with("name ") && line.ends_with("  New")), "{shown}");
    let statement = of(&tenant, &["workspace", "statement", "--csv"]).await.prints().await;
    assert!(statement.starts_with("seq,at,kind,") && statement.contains(",grant,3,3,"), "{statement}");
    let lines = of(&tenant, &["workspace", "statement", "--json"]).await.json_lines().await;
    assert_eq!((lines.len(), &lines[0]["kind"]), (1, &json!("grant")));
    let until = of(&tenant, &["workspace", "statement", "--to", "2020-01-01T00:00:00+02:00", "--json"]).await;
    assert!(until.json_lines().await.is_empty());
    of(&tenant, &["workspace", "credits", "--as-of", "tomorrow"]).await.ends_with(1).await;
    let given = of(&tenant, &["workspace", "give-token", "auditor", "--label", "books", "--json"]).await.json().await;
    let auditor = async || of(&tenant, &["workspace", "credits", "--json", "--token", text(&given, "token")]).await;
    assert_eq!(auditor().await.json().await["available"], 3);
    let tokens = of(&tenant, &["workspace", "tokens"]).await.prints().await;
    assert!(tokens.contains("books") && !tokens.contains(text(&given, "token")), "{tokens}");
    assert_eq!(of(&tenant, &["workspace", "revoke-token", text(&given, "id")]).await.prints().await, "");
    auditor().await.ends_with(1).await;
}

#[tokio::test]
async fn a_webhook_is_made_switched_rotated_looked_at_and_removed() {
    let tenant = Tenant::new(installation().await, 3).await;
    let made = of(&tenant, &["webhook", "create", "--disabled", "--json"]).await.json().await;
    let id = text(&made, "id");
    assert_eq!(made["enabled"], false);
    for (word, enabled) in [("enable", true), ("disable", false), ("enable", true)] {
        assert_eq!(of(&tenant, &["webhook", word, id, "--json"]).await.json().await["enabled"], enabled);
    }
    // Through this one and no other.
    let send = |url: &str| Typed::bare(&["send", "Hello", "--to", "+14151231234", "--webhook-url", url]);
    let (_, said) = send(text(&made, "url")).ends_with(1).await;
    assert!(said.contains("No active WhatsApp account"), "{said}");
    let calls = of(&tenant, &["webhook", "activations", id, "--json"]).await.json_lines().await;
    assert_eq!((calls.len(), &calls[0]["status"]), (1, &json!(409)));
    let table = of(&tenant, &["webhook", "activations", id, "--limit", "1"]).await.prints().await;
    assert!(table.starts_with("AT ") && table.contains("409"), "{table}");
    let rotated = of(&tenant, &["webhook", "rotate", id, "--grace-s", "60", "--json"]).await.json().await;
    assert!(rotated["url"] != made["url"] && !rotated["previous_url_until"].is_null(), "{rotated}");
    let listed = of(&tenant, &["webhook", "list", "--json"]).await.json_lines().await;
    assert_eq!(listed.len(), 2);
    assert_eq!(of(&tenant, &["webhook", "show", id, "--json"]).await.json().await["url"], rotated["url"]);
    assert_eq!(of(&tenant, &["webhook", "remove", id]).await.prints().await, "");
    of(&tenant, &["webhook", "show", id]).await.ends_with(1).await;
}

#[tokio::test]
async fn a_link_that_does_not_download_a_file_ends_with_1_and_advice() {
    let tenant = Tenant::new(installation().await, 0).await;
    let files = FileServer::start().await;
    let (shown, said) = of(&tenant, &["webhook", "check-link", &files.url("/file/a.pdf")]).await.ends_with(1).await;
    assert!(shown.contains("attachment_address_not_public") && said.contains("not public"), "{shown}{said}");
}

#[tokio::test]
async fn names_do_not_move_the_terminals_cursor() {
    let operator = installation().await.operator();
    let made = operator.post("/workspaces", json!({"name": "a\u{1b}[2J\u{9b}b"})).await.expect(201);
    let listed = Typed::at_demo(&["workspace", "list"]).await.prints().await;
    assert!(listed.contains(text(&made, "id")) && !listed.contains('\u{1b}') && !listed.contains('\u{9b}'));
    let json: Vec<Value> = Typed::at_demo(&["workspace", "list", "--json"]).await.json_lines().await;
    assert!(json.iter().any(|workspace| workspace["name"] == made["name"]), "JSON keeps what is there");
}

#[tokio::test]
async fn each_shell_has_a_script_that_knows_the_words() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Typed::bare(&["completions", shell]).prints().await;
        for word in ["workspace", "check-link", "give-token", "unknown-policy", "webhook-url"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            let checked = Command::new("bash").args(["-n", "-c", &script]).output().expect("bash runs");
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        }
    }
    Typed::bare(&["completions", "tcl"]).ends_with(64).await;
}
