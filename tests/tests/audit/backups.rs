//! A backup of a running installation, brought back elsewhere: it verifies, it goes on, and what was changed is found.

use std::fs;
use std::path::Path;

use angelia_tests::installation::Setup;
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use serde_json::{Value, json};

use super::Asked;

/// What a backup leaves out and an installation needs: its keys and tokens.
const SECRETS: [&str; 3] = ["master-key", "operator-token", "quickstart.json"];

fn as_text(path: &Path) -> &str {
    path.to_str().expect("its path is text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_installation_verifies_and_goes_on_where_the_backup_was_made() {
    let installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, 50).await;
    let (fast, slow) = (tenant.account(FAST).await, tenant.account(NEVER).await);
    let sent = tenant.send(&fast, &recipient("1234"), "is read").await;
    let first = tenant.send(&slow, &recipient("0202"), "is sent").await;
    let queued = tenant.send(&slow, &recipient("1234"), "stays queued").await;
    for (id, state) in [(&sent, "read"), (&first, "sent"), (&queued, "queued")] {
        tenant.until(id, &[state]).await;
    }
    tenant.chat("a-chat", &slow, json!({"phone": recipient("1234"), "name": "somebody"})).await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (backup, elsewhere) = (folder.path().join("backup"), folder.path().join("elsewhere"));
    let made = Asked::of(installation.data(), &["backup", "--json", "--to", as_text(&backup)]).json(0).await;
    let again = Asked::of(installation.data(), &["backup", "--to", as_text(&backup)]).run().await;
    assert_eq!(again.status.code(), Some(2), "a backup is not written over: {}", again.stderr);

    let restore = || Asked::of(&elsewhere, &["restore", "--json", "--from", as_text(&backup)]);
    let restored = restore().json(0).await;
    assert_eq!((&restored["ok"], &restored["last_seq"]), (&json!(true), &made["last_seq"]), "{restored}");
    assert_eq!(restored["log_digest"], made["log_digest"]);
    let twice = restore().run().await;
    assert_eq!(twice.status.code(), Some(2), "a log is not written over: {}", twice.stderr);

    let (wallet, statement) = (tenant.wallet().await, tenant.statement().await);
    let chats = tenant.owner.list(&tenant.path("/chats")).await;
    for secret in SECRETS {
        fs::copy(installation.data().join(secret), elsewhere.join(secret)).expect("a secret can be copied");
    }
    let away = tenant.leave();
    drop(installation);
    let elsewhere = Setup::new().data(elsewhere).start().await;
    let tenant = away.back(&elsewhere);
    assert_eq!((tenant.wallet().await, tenant.statement().await), (wallet, statement));
    assert_eq!(tenant.owner.list(&tenant.path("/chats")).await, chats);
    let message = tenant.message(&queued).await;
    assert_eq!((&message["state"], &message["to_kind"]), (&json!("queued"), &json!("phone")), "its content opens");
    tenant.check_log().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_in_a_backup_is_found_before_anything_is_restored() {
    let installation = Setup::new().start().await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (backup, elsewhere) = (folder.path().join("backup"), folder.path().join("elsewhere"));
    Asked::of(installation.data(), &["backup", "--to", as_text(&backup)]).ends_with(0).await;
    let mut files = 0;
    for entry in fs::read_dir(&backup).expect("the backup can be read") {
        let path = entry.expect("the backup can be read").path();
        let whole = fs::read(&path).expect("a file can be read");
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, changed).expect("a file can be written");
        let refused = Asked::of(&elsewhere, &["restore", "--from", as_text(&backup)]).run().await;
        assert_eq!(refused.status.code(), Some(2), "{}: {}", path.display(), refused.stderr);
        assert!(refused.stderr.contains("was changed") || refused.stderr.contains("cannot read"), "{}", refused.stderr);
        assert!(!elsewhere.exists(), "nothing was begun");
        fs::write(&path, whole).expect("a file can be written");
        files += 1;
    }
    assert!(files >= 4, "a log, keys, a description and sums: {files}");
    let restored = Asked::of(&elsewhere, &["restore", "--json", "--from", as_text(&backup)]).json(0).await;
    assert_eq!(restored["ok"], Value::from(true));
}
