//! Keeps a [`Directory`] up to date from the log.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Directory;
use crate::event::{Event, lines};
use crate::ids::AccountId;
use crate::log::{EventLog, From, Reader, ReaderOptions};

/// Changes of accounts that a follower may be behind by before it is told only that it missed some: a burst of a second.
const ACCOUNT_CHANGES_KEPT: usize = 4_096;

/// The directory as this process knows it: at most a few milliseconds old while the broker answers.
#[derive(Clone)]
pub struct DirectoryView {
    directory: Arc<RwLock<Directory>>,
    progress: watch::Receiver<Progress>,
    accounts: broadcast::Sender<AccountId>,
}

/// What has happened to accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// This one was added, changed or removed.
    One(AccountId),
    /// Too many to be told one by one: any of them may have changed.
    Any,
}

/// Follows the changes of accounts.
pub struct AccountChanges {
    ids: broadcast::Receiver<AccountId>,
}

impl AccountChanges {
    /// Waits for the next change. When it is told, the directory has it already.
    pub async fn next(&mut self) -> AccountChange {
        match self.ids.recv().await {
            Ok(id) => AccountChange::One(id),
            Err(broadcast::error::RecvError::Lagged(_)) => AccountChange::Any,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    seq: u64,
    complete: bool,
}

impl DirectoryView {
    /// Starts the task that follows `ev.directory.>`. `name` says for whom.
    pub fn start(log: EventLog, name: &str, shutdown: CancellationToken) -> (Self, JoinHandle<()>) {
        let directory = Arc::new(RwLock::new(Directory::default()));
        let (tell, progress) = watch::channel(Progress::default());
        let (accounts, _) = broadcast::channel(ACCOUNT_CHANGES_KEPT);
        let options = ReaderOptions {
            name: format!("{name}-directory"),
            filters: vec!["ev.directory.>".to_owned()],
            from: From::LastPerSubject,
        };
        let reader = Reader::new(log, options);
        let task = tokio::spawn(follow(reader, Arc::clone(&directory), tell, accounts.clone(), shutdown));
        (Self { directory, progress, accounts }, task)
    }

    /// The directory now. Hold it briefly and never across an `await`.
    pub fn read(&self) -> RwLockReadGuard<'_, Directory> {
        // The writer only inserts into maps; a panic there leaves them whole.
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything that was there at the start has been read.
    pub fn is_complete(&self) -> bool {
        self.progress.borrow().complete
    }

    /// Waits until everything that was there at the start has been read.
    pub async fn complete(&mut self) {
        // The task lives as long as the process; when it has ended, shutdown is under way.
        let _ended = self.progress.wait_for(|progress| progress.complete).await;
    }

    /// Waits until this view has folded the change stored at `seq`, so that it holds here before it is answered.
    pub async fn reached(&self, seq: u64) {
        let mut progress = self.progress.clone();
        let _ended = progress.wait_for(|progress| progress.seq >= seq).await;
    }

    /// Waits for any change after the last call on this clone.
    pub async fn changed(&mut self) {
        if self.progress.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The changes of accounts from now on: for those who would otherwise look at all accounts after every change.
    pub fn account_changes(&self) -> AccountChanges {
        AccountChanges { ids: self.accounts.subscribe() }
    }
}

async fn follow(
    mut reader: Reader,
    directory: Arc<RwLock<Directory>>,
    tell: watch::Sender<Progress>,
    accounts: broadcast::Sender<AccountId>,
    shutdown: CancellationToken,
) {
    let waiting = tokio::select! {
        waiting = reader.open() => waiting,
        () = shutdown.cancelled() => return,
    };
    if waiting == 0 {
        tell.send_replace(Progress { seq: 0, complete: true });
    }
    loop {
        let record = tokio::select! {
            record = reader.next() => record,
            () = shutdown.cancelled() => return,
        };
        let record = match record {
            Ok(record) => record,
            Err(gap) => {
                error!(error = %gap, "the directory cannot be read on");
                return;
            }
        };
        for line in lines(&record.payload) {
            match Event::from_line(line) {
                Ok(event) => {
                    directory.write().unwrap_or_else(PoisonError::into_inner).apply(record.seq, record.at, &event);
                    if let Event::AccountChanged(account) = &event {
                        // Nobody may be following.
                        let _followers = accounts.send(account.id);
                    }
                }
                Err(error) => {
                    error!(stream.seq = record.seq, error = %crate::telemetry::chain(&error), "a directory event cannot be read")
                }
            }
        }
        tell.send_modify(|progress| {
            progress.seq = record.seq;
            progress.complete |= record.pending == 0;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed() -> (broadcast::Sender<AccountId>, AccountChanges) {
        let (changed, ids) = broadcast::channel(ACCOUNT_CHANGES_KEPT);
        (changed, AccountChanges { ids })
    }

    #[tokio::test]
    async fn changes_of_accounts_are_told_one_by_one() {
        let (changed, mut changes) = followed();
        for id in [1, 2, 1].map(AccountId) {
            changed.send(id).expect("somebody follows");
        }
        for id in [1, 2, 1].map(AccountId) {
            assert_eq!(changes.next().await, AccountChange::One(id));
        }
    }

    #[tokio::test]
    async fn a_follower_that_was_too_slow_is_told_that_any_account_may_have_changed() {
        let (changed, mut changes) = followed();
        for id in 0..=ACCOUNT_CHANGES_KEPT as u128 {
            changed.send(AccountId(id)).expect("somebody follows");
        }
        assert_eq!(changes.next().await, AccountChange::Any);
        assert_eq!(changes.next().await, AccountChange::One(AccountId(1)));
    }
}
