//! A backup brought back to a cluster of three servers, with three copies; and from there to one server again.

use angelia_shared::event::Event;
use angelia_shared::log::connect;
use angelia_shared::subject::Subject;
use angelia_shared::testing::TestBroker;
use angelia_tests::cluster::Cluster;
use angelia_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::Asked;
use super::broken::{broker_with, history};

/// What the cluster says of the log: its copies, and which server leads them.
async fn told(cluster: &Cluster, server: usize) -> Result<(Value, String), String> {
    let client = connect(&cluster.access(server), "test-probe").await.map_err(|error| error.to_string())?;
    let answer = client.request("$JS.API.STREAM.INFO.ANGELIA_EVENTS", "".into()).await;
    let answer: Value = serde_json::from_slice(&answer.map_err(|error| error.to_string())?.payload)
        .map_err(|error| error.to_string())?;
    match answer["cluster"]["leader"].as_str() {
        Some(leader) => Ok((answer.clone(), leader.to_owned())),
        None => Err(answer.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_brought_back_to_three_servers_and_survives_the_loss_of_the_one_that_leads() {
    let mut crafted = history();
    crafted.add(Subject::Checkpoint, Event::LedgerCheckpointed(crafted.checkpoint()));
    let records = crafted.records.len();
    let (single, _log) = broker_with(&crafted, "").await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let at = |name: &str| folder.path().join(name).to_str().expect("its path is text").to_owned();
    let made = Asked::at(&single.access().url, &["backup", "--json", "--to", &at("first")]).json(0).await;
    assert_eq!(made["last_seq"], json!(records));

    let mut cluster = Cluster::start().await;
    let restore = || {
        Asked::at(&cluster.access(0).url, &["restore", "--json", "--from", &at("first")]).set("ANGELIA_REPLICAS", "3")
    };
    let restored = restore().json(0).await;
    assert_eq!((&restored["ok"], &restored["records"]), (&json!(true), &json!(records)), "{restored}");
    assert_eq!(restored["log_digest"], made["log_digest"]);
    let twice = restore().run().await;
    assert_eq!(twice.status.code(), Some(2), "a log is not written over: {}", twice.stderr);

    let leader = eventually("all three servers have all of it", LATER, async || {
        let (info, leader) = told(&cluster, 0).await?;
        let replicas = info["cluster"]["replicas"].as_array().cloned().unwrap_or_default();
        let current = replicas.iter().filter(|replica| replica["current"] == json!(true)).count();
        if info["config"]["num_replicas"] == json!(3) && current == 2 { Ok(leader) } else { Err(info.to_string()) }
    })
    .await;

    // What the other two have is the whole log, to the byte.
    let lost = Cluster::number(&leader);
    cluster.kill(lost);
    let left = (0..3).find(|number| *number != lost).expect("two are left");
    eventually("another server leads", LATER, async || match told(&cluster, left).await? {
        (_, now) if now != leader => Ok(()),
        (info, _) => Err(info.to_string()),
    })
    .await;
    let url = cluster.access(left).url;
    let verified = Asked::at(&url, &["audit", "verify", "--json"]).json(0).await;
    assert_eq!((&verified["log_digest"], &verified["checkpoints"]), (&made["log_digest"], &json!(1)), "{verified}");

    // And back to one server.
    Asked::at(&url, &["backup", "--to", &at("second")]).ends_with(0).await;
    let single = TestBroker::start().await;
    let back = Asked::at(&single.access().url, &["restore", "--json", "--from", &at("second")]).json(0).await;
    assert_eq!((&back["ok"], &back["log_digest"]), (&json!(true), &made["log_digest"]), "{back}");
}
