//! Data keys in the broker's bucket.

use angelia_shared::ids::{KeyId, WorkspaceId};
use angelia_shared::log::EventLog;
use angelia_shared::testing::TestBroker;
use angelia_shared::vault::{CheckMasterError, MasterKey, Vault, VaultError};

fn master(digits: &str) -> MasterKey {
    MasterKey::from_hex(&digits.repeat(32)).unwrap()
}

async fn vault(log: &EventLog, digits: &str) -> Vault {
    Vault::new(master(digits), log.bucket(Vault::BUCKET, 1, None).await.unwrap())
}

const W: WorkspaceId = WorkspaceId(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vaults_that_race_for_a_workspaces_first_key_agree() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let (a, b) = (vault(&log, "a1").await, vault(&log, "a1").await);
    for workspace in (1..=20).map(WorkspaceId) {
        let (of_a, of_b) = tokio::join!(a.current_key(workspace), b.current_key(workspace));
        let (of_a, of_b) = (of_a.unwrap(), of_b.unwrap());
        assert_eq!(of_a.id(), of_b.id());
        let sealed = of_a.seal_bytes(b"owner", b"a text");
        assert_eq!(of_b.open_bytes(b"owner", &sealed).as_deref(), Ok(&b"a text"[..]));
    }
    // A vault that comes later opens what they sealed.
    let first = a.current_key(W).await.unwrap();
    let later = vault(&log, "a1").await.key(first.id()).await.unwrap();
    assert_eq!(later.open_bytes(b"x", &first.seal_bytes(b"x", b"y")).as_deref(), Ok(&b"y"[..]));
}

#[tokio::test]
async fn another_master_key_opens_nothing() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let key = vault(&log, "a1").await.current_key(W).await.unwrap();
    let other = vault(&log, "b2").await;
    assert!(matches!(other.key(key.id()).await, Err(VaultError::OtherMaster(id, _)) if id == key.id()));
    assert!(matches!(other.current_key(W).await, Err(VaultError::OtherMaster(..))), "and it makes no second key");
}

#[tokio::test]
async fn a_destroyed_key_is_gone() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let key = vault(&log, "a1").await.current_key(W).await.unwrap();
    let bucket = log.bucket(Vault::BUCKET, 1, None).await.unwrap();
    bucket.purge(format!("k.{}", key.id())).await.unwrap();
    let fresh = vault(&log, "a1").await;
    assert!(matches!(fresh.key(key.id()).await, Err(VaultError::Gone(id)) if id == key.id()));
    assert!(matches!(fresh.key(KeyId(7)).await, Err(VaultError::Gone(KeyId(7)))), "nor is one that never was");
}

#[tokio::test]
async fn the_first_master_key_is_the_installations_and_another_is_refused() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let (a, b) = (vault(&log, "a1").await, vault(&log, "b2").await);
    let (of_a, of_b) = tokio::join!(a.check_master(), b.check_master());
    assert!(of_a.is_ok() != of_b.is_ok(), "one of two that race is the first: {of_a:?}, {of_b:?}");
    let (mine, other) = if of_a.is_ok() { ("a1", "b2") } else { ("b2", "a1") };
    for _ in 0..2 {
        vault(&log, mine).await.check_master().await.expect("it is the installation's");
        let refused = vault(&log, other).await.check_master().await;
        assert!(matches!(refused, Err(CheckMasterError::Another)), "{refused:?}");
    }
}
