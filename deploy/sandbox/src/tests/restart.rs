//! Starting again on the same data.

use std::fs::{self, OpenOptions};
use std::io::Write;

use serde_json::Value;
use tokio::net::TcpListener;

use super::harness::{NORMAL, Receiver, Sandbox, config, statuses, until, world};
use crate::shell::recovery::{self, RecoverError};
use crate::shell::serve::{ServeError, serve};

fn seqs(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["seq"].as_u64().expect("a seq")).collect()
}

#[tokio::test]
async fn seq_goes_on_and_old_lines_stay() {
    let mut world = world().await;
    for round in 1..=3 {
        world.sandbox.taken(NORMAL, &format!("m{round}")).await;
        world = world.restart().await;
    }
    let lines = world.sandbox.journal().await;
    assert_eq!(seqs(&lines), [1, 2, 3]);
    assert_eq!(lines[0]["tracker"], "m1");
}

#[tokio::test]
async fn callbacks_still_due_arrive_and_those_delivered_are_not_repeated() {
    let world = world().await;
    let delivered = world.sandbox.taken(NORMAL, "done").await;
    world.receiver.has(&delivered, &["sent", "delivered", "read"]).await;
    // The last note is written after the receiver's answer.
    let notes = world.dir.path().join("delivered.log");
    until(|| fs::read_to_string(&notes).expect("notes").contains("1 3\n").then_some(())).await;
    world.receiver.answer(500);
    let closed = world.sandbox.send("14150000408", "closed").await;
    assert!(closed.is_err());
    let failing = world.sandbox.taken("14150000404", "failing").await;
    let open = world.sandbox.taken(NORMAL, "open").await;
    let mut world = world;
    for _ in 0..2 {
        world = world.restart().await;
    }
    world.receiver.answer(200);
    let wamid = world.sandbox.journal().await[1]["wamid"].as_str().expect("a wamid").to_owned();
    world.receiver.has(&wamid, &["sent", "delivered"]).await;
    world.receiver.has(&failing, &["failed"]).await;
    world.receiver.has(&open, &["sent", "delivered", "read"]).await;
    assert_eq!(world.receiver.words(&delivered), ["sent", "delivered", "read"]);
}

#[tokio::test]
async fn a_message_half_reported_goes_on_where_it_was() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let receiver = Receiver::start().await;
    let mut slow = super::harness::SHORT;
    slow.delivered_ms = 3_600_000;
    slow.read_ms = 3_600_000;
    let sandbox = Sandbox::start_with(config(dir.path(), &receiver.url), slow).await;
    let wamid = sandbox.taken(NORMAL, "m1").await;
    let notes = dir.path().join("delivered.log");
    until(|| fs::read_to_string(&notes).expect("notes").contains("1 1\n").then_some(())).await;
    sandbox.drop_dead().await;
    let _sandbox = Sandbox::start(dir.path(), &receiver.url).await;
    receiver.has(&wamid, &["sent", "delivered", "read"]).await;
}

#[tokio::test]
async fn the_scripts_counts_survive() {
    let mut world = world().await;
    for expected in [503, 503, 200, 200] {
        let answer = world.sandbox.send("14150000503", "m1").await.expect("an answer");
        assert_eq!(answer.status(), expected);
        world = world.restart().await;
    }
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_its_seq_used_again() {
    let world = world().await;
    world.sandbox.taken(NORMAL, "m1").await;
    world.sandbox.taken(NORMAL, "m2").await;
    let path = world.journal_path();
    let whole = fs::read(&path).expect("a journal");
    let (sandbox, receiver, dir) = (world.sandbox, world.receiver, world.dir);
    sandbox.drop_dead().await;
    let second = whole.iter().position(|b| *b == b'\n').expect("a line") + 1;
    let mut seen = 2;
    for torn_at in [second + 1, second + 40, whole.len() - 1] {
        fs::write(&path, &whole[..torn_at]).expect("torn");
        let sandbox = Sandbox::start(dir.path(), &receiver.url).await;
        seen += 1;
        sandbox.taken(NORMAL, &format!("m{seen}")).await;
        let lines = sandbox.journal().await;
        assert_eq!(seqs(&lines), [1, 2]);
        assert_eq!((&lines[0]["tracker"], &lines[1]["tracker"]), (&"m1".into(), &format!("m{seen}").into()));
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_journal_of_one_torn_line_starts_afresh() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("journal.jsonl"), "{\"seq\":1,\"rec").expect("torn");
    let sandbox = Sandbox::start(dir.path(), "http://127.0.0.1:9/none").await;
    sandbox.taken(NORMAL, "m1").await;
    assert_eq!(seqs(&sandbox.journal().await), [1]);
}

async fn refused_start(dir: &std::path::Path) -> RecoverError {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    match serve(listener, config(dir, "http://127.0.0.1:9/none"), Default::default()).await {
        Err(ServeError::Recover(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_no_kill_leaves_behind_stops_the_start_and_names_the_line() {
    let world = world().await;
    for n in 1..=3 {
        world.sandbox.taken(NORMAL, &format!("m{n}")).await;
    }
    let path = world.journal_path();
    let (sandbox, dir) = (world.sandbox, world.dir);
    sandbox.stop().await;
    let whole = fs::read_to_string(&path).expect("a journal");
    let lines: Vec<&str> = whole.lines().collect();
    let journals = [
        (format!("{}\nnonsense\n{}\n", lines[0], lines[2]), 2),
        (format!("{}\n{}\n", lines[0], lines[2]), 2),
        (format!("{}\n{}\n{}\n", lines[0], lines[1], lines[1]), 3),
        (format!("{}\n{}\nnonsense\n", lines[0], lines[1]), 3),
    ];
    for (journal, bad) in journals {
        fs::write(&path, &journal).expect("written");
        let error = refused_start(dir.path()).await;
        assert!(matches!(error, RecoverError::Corrupt { line, .. } if line == bad), "{error:?}");
        assert_eq!(fs::read_to_string(&path).expect("a journal"), journal, "it is left as it was");
    }
}

#[tokio::test]
async fn two_sandboxes_cannot_share_a_directory() {
    let world = world().await;
    world.sandbox.taken(NORMAL, "m1").await;
    assert!(matches!(refused_start(world.dir.path()).await, RecoverError::InUse { .. }));
    world.sandbox.taken(NORMAL, "m2").await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    assert!(matches!(refused_start(&file.join("below")).await, RecoverError::Io { .. }));
}

#[tokio::test]
async fn a_long_journal_leaves_only_what_is_due_in_memory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Vec::new();
    for seq in 1..=20_000_u64 {
        writeln!(
            journal,
            "{{\"seq\":{seq},\"received_at_ms\":1753700000000,\"phone_number_id\":\"100\",\"to\":\"{NORMAL}\",\"type\":\"text\",\
             \"body\":{{\"to\":\"{NORMAL}\"}},\"tracker\":\"m{seq}\",\"wamid\":\"wamid.{seq}\",\"answered\":200}}"
        )
        .expect("written");
    }
    fs::write(dir.path().join("journal.jsonl"), &journal).expect("written");
    let mut notes = OpenOptions::new().create(true).append(true).open(dir.path().join("delivered.log")).expect("notes");
    let delivered: String = (1..=20_000).filter(|seq| seq % 1_000 != 0).map(|seq| format!("{seq} 3\n")).collect();
    notes.write_all(delivered.as_bytes()).expect("written");
    let mut recovered = recovery::open(dir.path(), super::harness::SHORT).expect("recovered");
    assert_eq!(recovered.position.last_seq, 20_000);
    let batch = recovered.timetable.take(u64::MAX).expect("due");
    assert_eq!(
        batch.dues.iter().map(|due| due.seq).collect::<Vec<_>>(),
        (1..=20).map(|n| n * 1_000).collect::<Vec<_>>()
    );
    assert!(recovered.timetable.take(u64::MAX).is_none());
    let compacted = fs::read_to_string(dir.path().join("delivered.log")).expect("notes");
    assert_eq!(compacted.lines().count(), 21, "the notes shrink to what is open");
    drop(recovered);
    // The server finds the same, and delivers it.
    let receiver = Receiver::start().await;
    let _sandbox = Sandbox::start(dir.path(), &receiver.url).await;
    until(|| (receiver.taken().iter().flat_map(statuses).count() == 60).then_some(())).await;
}
