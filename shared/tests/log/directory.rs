//! The directory in memory follows the log.

use std::time::Duration;

use angelia_shared::directory::DirectoryView;
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::{Entry, EventLog, Group};
use angelia_shared::subject::{DirectoryKind, Subject};
use angelia_shared::testing::TestBroker;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::notes::{Running, workspace};

const PATIENCE: Duration = Duration::from_secs(15);

async fn view(log: &EventLog) -> DirectoryView {
    let (mut view, _task) = DirectoryView::start(log.clone(), "test", CancellationToken::new());
    timeout(PATIENCE, view.complete()).await.expect("it becomes complete");
    assert!(view.is_complete());
    view
}

async fn rename(writer: &Running, id: WorkspaceId, name: &str) -> u64 {
    let entry = Entry::new(Subject::Directory(id, DirectoryKind::Workspace, id.0), &workspace(id, name));
    writer.appender.append(Group::one(entry)).await.unwrap().positions[0].seq
}

fn name(view: &DirectoryView, id: WorkspaceId) -> Option<String> {
    view.read().workspace(id).map(|workspace| workspace.state.name.clone())
}

#[tokio::test]
async fn a_view_of_an_empty_log_is_complete() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    assert!(view(&log).await.read().workspaces().is_empty());
    // A log that holds other things, too.
    let writer = Running::start(&log).await;
    writer.appender.append(Group::one(crate::notes::packed())).await.unwrap();
    assert!(view(&log).await.read().workspaces().is_empty());
}

#[tokio::test]
async fn a_complete_view_holds_everything_that_was_there() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    for round in ["old", "new"] {
        let renames = (1..=300).map(|id| rename(&writer, WorkspaceId(id), round));
        futures_util::future::join_all(renames).await;
    }
    let view = view(&log).await;
    let directory = view.read();
    assert_eq!(directory.workspaces().len(), 300);
    assert!(directory.workspaces().iter().all(|workspace| workspace.state.name == "new"));
}

#[tokio::test]
async fn a_change_holds_in_a_view_that_has_reached_it() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    let writer = Running::start(&log).await;
    let id = WorkspaceId(5);
    let view = view(&log).await;
    for new in ["one", "two", "three"] {
        let seq = rename(&writer, id, new).await;
        timeout(PATIENCE, view.reached(seq)).await.expect("it is reached");
        assert_eq!(name(&view, id).as_deref(), Some(new));
        assert!(view.read().position() >= seq);
    }
    broker.kill();
    broker.restart().await;
    let seq = rename(&writer, id, "four").await;
    timeout(PATIENCE, view.reached(seq)).await.expect("it follows after a restart of the broker");
    assert_eq!(name(&view, id).as_deref(), Some("four"));
}
