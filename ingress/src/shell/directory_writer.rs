//! Changes things of the installation: workspaces, webhooks, accounts, tokens.
//!
//! Shape: an event with the whole new state, guarded by the sequence of the state that it replaces. Whoever changed the
//! thing in between wins; then the change is made again on what is there now.
//!
//! Invariants:
//! - A change that was answered holds on this replica.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::directory::{Directory, DirectoryView, Versioned};
use angelia_shared::event::{AccountChanged, Event, TokenChanged, WebhookChanged, WorkspaceChanged};
use angelia_shared::log::{AppendError, Entry, Group, Guard};
use angelia_shared::subject::{DirectoryKind, Subject};

use super::api_log::{ApiLog, AppendFailed};

/// Others that may change the same thing in between before a change is given up.
const TRIES_MAX: usize = 5;
/// How long a stored change may take to come back through the directory's reader.
const HOLDS_WITHIN: Duration = Duration::from_secs(5);

/// A thing was not changed, or it is not known here whether it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// Others kept changing it.
    #[error("the thing is being changed by others")]
    Conflict,
    /// The log did not take the change.
    #[error("the change cannot be stored now")]
    NotStored(#[source] AppendError),
    /// It may have been stored, or may be stored yet.
    #[error("it is not known whether the change is stored")]
    NotKnown,
    /// It was stored, and this replica does not see it yet.
    #[error("the change is stored, but does not hold here yet")]
    NotSeen,
}

impl From<AppendFailed> for ChangeError {
    fn from(failed: AppendFailed) -> Self {
        match failed {
            AppendFailed::NotStored(error) => Self::NotStored(error),
            AppendFailed::Undecided => Self::NotKnown,
        }
    }
}

/// A thing that has events with its whole state.
pub(crate) trait Thing: Clone {
    /// Where its events are.
    fn subject(&self) -> Subject;
    /// The event that makes it so.
    fn into_event(self) -> Event;
}

impl Thing for WorkspaceChanged {
    fn subject(&self) -> Subject {
        Subject::Directory(self.id, DirectoryKind::Workspace, self.id.0)
    }
    fn into_event(self) -> Event {
        Event::WorkspaceChanged(Box::new(self))
    }
}

impl Thing for WebhookChanged {
    fn subject(&self) -> Subject {
        Subject::Directory(self.workspace, DirectoryKind::Webhook, self.id.0)
    }
    fn into_event(self) -> Event {
        Event::WebhookChanged(Box::new(self))
    }
}

impl Thing for AccountChanged {
    fn subject(&self) -> Subject {
        Subject::Directory(self.workspace, DirectoryKind::Account, self.id.0)
    }
    fn into_event(self) -> Event {
        Event::AccountChanged(Box::new(self))
    }
}

impl Thing for TokenChanged {
    fn subject(&self) -> Subject {
        Subject::Directory(self.workspace, DirectoryKind::Token, self.id.0)
    }
    fn into_event(self) -> Event {
        Event::TokenChanged(Box::new(self))
    }
}

/// An entry that makes `thing` so, if its newest event has sequence `expected`; 0 for a thing that is new.
pub(crate) fn entry(thing: impl Thing, expected: u64) -> Entry {
    Entry::new(thing.subject(), &thing.into_event()).guarded(Guard::Own(expected))
}

/// Stores changes and waits until they hold here.
#[derive(Clone)]
pub(crate) struct DirectoryWriter {
    log: ApiLog,
    view: DirectoryView,
}

impl DirectoryWriter {
    /// A writer over the API's appender.
    pub(crate) fn new(log: ApiLog, view: DirectoryView) -> Self {
        Self { log, view }
    }

    /// Stores new things, all or none.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub(crate) async fn create(&self, group: Group) -> Result<(), ChangeError> {
        for _ in 0..TRIES_MAX {
            match self.log.append(group.clone()).await {
                Ok(stored) => return self.holds(stored.positions.iter().map(|at| at.seq).max()).await,
                // The appender opens a new writer by itself; nothing here names the old one.
                Err(AppendFailed::NotStored(AppendError::NeverStored)) => {}
                Err(AppendFailed::NotStored(AppendError::GuardLost(_))) => return Err(ChangeError::Conflict),
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChangeError::NotStored(AppendError::NeverStored))
    }

    /// Changes a thing: `find` looks it up, `change` makes the new state from the present one, again if somebody else was
    /// faster. Returns the new state; `None` when there is nothing to change.
    ///
    /// # Errors
    /// What `change` refuses, and [`ChangeError`].
    pub(crate) async fn change<T: Thing, E: From<ChangeError>>(
        &self,
        find: impl Fn(&Directory) -> Option<Versioned<T>>,
        change: impl Fn(&T) -> Result<T, E>,
    ) -> Result<Option<Arc<T>>, E> {
        for _ in 0..TRIES_MAX {
            let Some(present) = find(&self.view.read()) else { return Ok(None) };
            let new = change(&present.state)?;
            match self.log.append(Group::one(entry(new.clone(), present.seq))).await {
                Ok(stored) => {
                    self.holds(stored.positions.iter().map(|at| at.seq).max()).await?;
                    return Ok(Some(Arc::new(new)));
                }
                Err(AppendFailed::NotStored(AppendError::GuardLost(heads))) => {
                    self.holds(heads.iter().map(|(_, seq)| *seq).max()).await?;
                }
                Err(AppendFailed::NotStored(AppendError::NeverStored)) => {}
                Err(error) => return Err(ChangeError::from(error).into()),
            }
        }
        Err(ChangeError::Conflict.into())
    }

    async fn holds(&self, seq: Option<u64>) -> Result<(), ChangeError> {
        let reached = self.view.reached(seq.unwrap_or(0));
        tokio::time::timeout(HOLDS_WITHIN, reached).await.map_err(|_| ChangeError::NotSeen)
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::clock;
    use angelia_shared::event::message::UnknownPolicy;
    use angelia_shared::ids::{MemberId, WorkspaceId};
    use angelia_shared::log::stream::DEFAULT_PARTITIONS;
    use angelia_shared::log::{Appender, AppenderOptions, EventLog, Writer, WriterOptions, connect};
    use angelia_shared::testing::TestBroker;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const W: WorkspaceId = WorkspaceId(7);

    async fn replica(broker: &TestBroker) -> DirectoryWriter {
        let (mut view, _ends_with_the_test) =
            DirectoryView::start(broker.log().await, "test", CancellationToken::new());
        view.complete().await;
        writer_over(broker, view).await
    }

    async fn writer_over(broker: &TestBroker, view: DirectoryView) -> DirectoryWriter {
        let (log, stop) = (broker.log().await, CancellationToken::new());
        let options = WriterOptions { role: "test".to_owned(), member: MemberId::generate(), fails_fast: true };
        let writer = Writer::open(log, options).await.expect("the broker answers");
        let (appender, _ends_with_the_test) = Appender::start(writer, AppenderOptions::default(), stop);
        DirectoryWriter::new(ApiLog::new(appender), view)
    }

    /// A view in a runtime of its own that is blocked nearly all the time, so that it lags.
    async fn lagging_view(broker: &TestBroker, stop: CancellationToken) -> DirectoryView {
        let (access, ready) = (broker.access(), tokio::sync::oneshot::channel());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let client = connect(&access, "lagging").await.expect("the broker answers");
                let log = EventLog::open(client, 1, DEFAULT_PARTITIONS).await.expect("the broker answers");
                let (mut view, _ends_with_the_test) = DirectoryView::start(log, "lagging", CancellationToken::new());
                view.complete().await;
                ready.0.send(view).unwrap_or_else(|_| panic!("the test waits for it"));
                while !stop.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(30));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        });
        ready.1.await.expect("it starts")
    }

    fn workspace(name: &str) -> WorkspaceChanged {
        WorkspaceChanged {
            v: 1,
            id: W,
            name: name.to_owned(),
            unknown_policy: UnknownPolicy::default(),
            low_balance: None,
            created_at: clock::now(),
        }
    }

    async fn append(writer: &DirectoryWriter, text: &str) -> Result<bool, ChangeError> {
        let find = |directory: &Directory| directory.workspace(W).cloned();
        let change = |present: &WorkspaceChanged| Ok(workspace(&format!("{}{text}", present.name)));
        writer.change(find, change).await.map(|changed| changed.is_some())
    }

    #[tokio::test]
    async fn what_was_answered_holds_here_at_that_moment() {
        let (broker, stop) = (TestBroker::start().await, CancellationToken::new());
        let _stop_at_the_end = stop.clone().drop_guard();
        let writer = writer_over(&broker, lagging_view(&broker, stop).await).await;
        assert!(matches!(append(&writer, "x").await, Ok(false)), "there is nothing to change yet");
        writer.create(Group::one(entry(workspace(""), 0))).await.expect("stored");
        for changes in 1..=20 {
            assert!(append(&writer, "x").await.expect("stored"));
            // No await between the answer and this: nothing else had time to run.
            let name = writer.view.read().workspace(W).expect("it is there").state.name.clone();
            assert_eq!(name.len(), changes);
        }
        let again = writer.create(Group::one(entry(workspace("other"), 0))).await;
        assert!(matches!(again, Err(ChangeError::Conflict)), "{again:?}");
    }

    #[tokio::test]
    async fn changes_of_two_replicas_at_the_same_time_are_kept_or_refused_never_lost() {
        let broker = TestBroker::start().await;
        let replicas = [replica(&broker).await, replica(&broker).await];
        replicas[0].create(Group::one(entry(workspace(""), 0))).await.expect("stored");
        until_seen(&replicas[1]).await;
        let mut kept = 0;
        for _ in 0..20 {
            let (one, other) = tokio::join!(append(&replicas[0], "a"), append(&replicas[1], "b"));
            for changed in [one, other] {
                match changed {
                    Ok(is_changed) => kept += usize::from(is_changed),
                    Err(error) => assert!(matches!(error, ChangeError::Conflict), "{error:?}"),
                }
            }
        }
        append(&replicas[0], "!").await.expect("nobody else writes now");
        let name = replicas[0].view.read().workspace(W).expect("it is there").state.name.clone();
        assert_eq!(name.len(), kept + 1, "{name}");
        assert!(kept >= 20, "{kept}");
    }

    async fn until_seen(writer: &DirectoryWriter) {
        let mut view = writer.view.clone();
        while view.read().workspace(W).is_none() {
            view.changed().await;
        }
    }

    #[tokio::test]
    async fn while_the_broker_is_away_nothing_is_changed_and_nobody_waits() {
        let mut broker = TestBroker::start().await;
        let writer = replica(&broker).await;
        writer.create(Group::one(entry(workspace("a"), 0))).await.expect("stored");
        broker.kill();
        // The first change may go out before the loss is noticed, and then nobody knows; later ones are refused at once.
        let first = append(&writer, "b").await;
        assert!(matches!(first, Err(ChangeError::NotKnown | ChangeError::NotStored(_))), "{first:?}");
        let later = append(&writer, "c").await;
        assert!(matches!(later, Err(ChangeError::NotStored(AppendError::Unavailable))), "{later:?}");
    }
}
