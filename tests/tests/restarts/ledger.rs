//! The ledger's folder is a projection: it can be thrown away.

use std::fs;
use std::path::{Path, PathBuf};

use angelia_tests::installation::{Installation, Setup, text};
use angelia_tests::tenant::{FAST, NEVER, Tenant, recipient};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Everything that the ledger says of a tenant.
async fn told(tenant: &Tenant<'_>, ids: &[String]) -> (Value, Vec<Value>, Vec<Value>) {
    let mut wallet = tenant.owner.get(&tenant.path("/credits")).await.expect(200);
    // The log goes on while nothing of this workspace moves.
    wallet.as_object_mut().expect("a wallet is an object").remove("as_of_seq");
    let mut messages = Vec::new();
    for id in ids {
        let mut message = tenant.message(id).await;
        for moving in ["expected_at", "held_by"] {
            message.as_object_mut().expect("a message is an object").remove(moving);
        }
        messages.push(message);
    }
    (wallet, tenant.statement().await, messages)
}

/// Does some work, stops, lets `harm` loose on the ledger's folder, starts again, and expects the same answers.
async fn rebuilt_after(harm: impl FnOnce(&Path)) -> Installation {
    let mut installation = Setup::new().start().await;
    let tenant = Tenant::new(&installation, 100).await;
    let (fast, slow) = (tenant.account(FAST).await, tenant.account(NEVER).await);
    let ids = [
        tenant.send(&fast, &recipient("1234"), "is read").await,
        tenant.send(&fast, &recipient("0404"), "is refunded").await,
        tenant.send(&slow, &recipient("0202"), "is sent").await,
        tenant.send(&slow, &recipient("1234"), "stays queued").await,
    ];
    for (id, state) in ids.iter().zip(["read", "failed", "sent", "queued"]) {
        tenant.until(id, &[state]).await;
    }
    tenant.until_refunded(&ids[1], 1).await;
    tenant.wallet_with_refunds(1).await;
    let before = told(&tenant, &ids).await;
    let away = tenant.leave();
    installation.stop(Signal::SIGTERM).await;
    harm(&ledger_folder(&installation));
    installation.start().await;

    let tenant = away.back(&installation);
    let after = told(&tenant, &ids).await;
    assert_eq!(before.0, after.0);
    assert_eq!(before.1, after.1);
    assert_eq!(before.2, after.2);
    assert_eq!(text(&after.2[3], "state"), "queued");
    tenant.check_log().await;
    drop(tenant);
    installation
}

fn ledger_folder(installation: &Installation) -> PathBuf {
    let folder = installation.data().join("ledger");
    assert!(folder.is_dir(), "the ledger keeps nothing in {}", folder.display());
    folder
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test]
async fn a_deleted_ledger_folder_changes_no_answer() {
    rebuilt_after(|folder| fs::remove_dir_all(folder).expect("a folder can be removed")).await;
}

#[tokio::test]
async fn a_damaged_ledger_folder_is_rebuilt_with_a_warning() {
    let installation = rebuilt_after(|folder| {
        let files = files_below(folder);
        assert!(!files.is_empty());
        for file in files {
            let size = usize::try_from(fs::metadata(&file).expect("a file has a size").len()).expect("it fits");
            fs::write(&file, vec![0xA5; size.max(64)]).expect("a file can be written");
        }
    })
    .await;
    let log = installation.log();
    let warned = log.lines().any(|line| line.contains("WARN") && line.contains("ledger"));
    assert!(warned, "nothing warns of the damage:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_ledger_folder_cut_short_is_rebuilt() {
    rebuilt_after(|folder| {
        for file in files_below(folder) {
            let size = fs::metadata(&file).expect("a file has a size").len();
            let file = fs::OpenOptions::new().write(true).open(&file).expect("a file can be opened");
            file.set_len(size / 2).expect("a file can be cut");
        }
    })
    .await;
}
