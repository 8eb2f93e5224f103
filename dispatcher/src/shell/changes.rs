//! Tells each partition which of its accounts the directory has changed.
//!
//! Shape: one task follows the directory; each partition takes what has gathered for it. A change costs the same however
//! many accounts there are.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use angelia_shared::directory::{AccountChange, AccountChanges, DirectoryView};
use angelia_shared::ids::AccountId;
use angelia_shared::subject::Partition as Part;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Accounts that have changed, by partition. Each is there once, so there are never more than accounts.
pub(crate) struct Changes {
    parts: Vec<Gathered>,
}

#[derive(Default)]
struct Gathered {
    ids: Mutex<HashSet<AccountId>>,
    some: Notify,
}

impl Changes {
    /// No changes yet.
    pub(crate) fn new(partitions: u16) -> Self {
        Self { parts: (0..partitions).map(|_| Gathered::default()).collect() }
    }

    /// Waits until there is something to take. For one waiter a partition: its owner.
    pub(super) async fn some(&self, part: Part) {
        self.parts[usize::from(part.0)].some.notified().await;
    }

    /// The accounts that have changed since this was last asked. What the directory says of them now is new enough.
    pub(super) fn take(&self, part: Part) -> HashSet<AccountId> {
        std::mem::take(&mut *self.ids(part))
    }

    fn add(&self, id: AccountId) {
        let part = Part::of(id, self.parts.len() as u16);
        self.ids(part).insert(id);
        self.parts[usize::from(part.0)].some.notify_one();
    }

    fn ids(&self, part: Part) -> std::sync::MutexGuard<'_, HashSet<AccountId>> {
        self.parts[usize::from(part.0)].ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the directory until shutdown.
pub(super) async fn follow(
    changes: Arc<Changes>,
    directory: DirectoryView,
    mut feed: AccountChanges,
    shutdown: CancellationToken,
) {
    while let Some(change) = shutdown.run_until_cancelled(feed.next()).await {
        match change {
            AccountChange::One(id) => changes.add(id),
            AccountChange::Any => {
                let all: Vec<_> = directory.read().all_accounts().map(|account| account.state.id).collect();
                all.into_iter().for_each(|id| changes.add(id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_partition_takes_its_own_accounts_once() {
        let changes = Changes::new(2);
        let ids: Vec<_> = (0..20).map(AccountId).collect();
        for id in ids.iter().chain(&ids) {
            changes.add(*id);
        }
        let mut taken = 0;
        for part in [Part(0), Part(1)] {
            changes.some(part).await;
            let mine = changes.take(part);
            assert!(mine.iter().all(|id| Part::of(*id, 2) == part));
            taken += mine.len();
            assert!(changes.take(part).is_empty());
        }
        assert_eq!(taken, 20);
    }
}
