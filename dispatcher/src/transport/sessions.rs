//! Sessions that live as long as a process owns their accounts: the place of a transport that stays connected.
//!
//! A transport that is asked and answers (the Cloud API) has none. One that keeps a connection for each account (a linked
//! device) may keep it only in the process that owns the account: WhatsApp lets one of two connections of a device go, and
//! each of them would send. It implements [`Sessions`]; ownership calls it in this order:
//!
//! 1. [`Sessions::open`], once everything below the claim was read, so that nobody else sends for these accounts.
//! 2. [`Sessions::close`], before the partition is released: the next owner may open its own as soon as that is in the
//!    log. Also when the claim was lost or the task has died.
//!
//! Not here: which accounts a partition has and how each is reached (the directory tells; they come and go meanwhile).

use std::sync::Arc;

use angelia_shared::subject::Partition;
use futures_util::future::{BoxFuture, join_all};

/// What keeps sessions.
pub trait Sessions: Send + Sync {
    /// The accounts of `part` belong to this process: sessions of them may be opened, now and as accounts are added.
    fn open(&self, part: Partition);

    /// They do not any more. Ends what is open and resolves when nothing is; may be called again.
    fn close(&self, part: Partition) -> BoxFuture<'static, ()>;
}

/// All that keep sessions in this process.
#[derive(Clone, Default)]
pub(crate) struct AllSessions(Vec<Arc<dyn Sessions>>);

impl AllSessions {
    /// Opens the sessions of a partition that this process owns now.
    pub(crate) fn own(&self, part: Partition) -> OwnedSessions {
        for sessions in &self.0 {
            sessions.open(part);
        }
        OwnedSessions { all: self.clone(), part, closed: false }
    }

    fn close(&self, part: Partition) -> impl Future<Output = ()> + Send + 'static {
        let closing: Vec<_> = self.0.iter().map(|sessions| sessions.close(part)).collect();
        async move { drop(join_all(closing).await) }
    }
}

/// The sessions of an owned partition.
pub(crate) struct OwnedSessions {
    all: AllSessions,
    part: Partition,
    closed: bool,
}

impl OwnedSessions {
    /// Ends them; afterwards another process may open its own.
    pub(crate) async fn close(mut self) {
        self.all.close(self.part).await;
        self.closed = true;
    }
}

impl Drop for OwnedSessions {
    /// Whatever way the ownership ends, its sessions do not outlive it.
    fn drop(&mut self) {
        if !self.closed
            && !self.all.0.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(self.all.close(self.part));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    struct Recorder {
        calls: Arc<Mutex<Vec<&'static str>>>,
        may_close: Arc<Semaphore>,
    }

    impl Sessions for Recorder {
        fn open(&self, _part: Partition) {
            self.calls.lock().expect("no panic while held").push("opened");
        }

        fn close(&self, _part: Partition) -> BoxFuture<'static, ()> {
            let (calls, may_close) = (Arc::clone(&self.calls), Arc::clone(&self.may_close));
            async move {
                may_close.acquire().await.expect("never closed").forget();
                calls.lock().expect("no panic while held").push("closed");
            }
            .boxed()
        }
    }

    fn recorded() -> (AllSessions, Arc<Mutex<Vec<&'static str>>>, Arc<Semaphore>) {
        let (calls, may_close) = (Arc::default(), Arc::new(Semaphore::new(0)));
        let recorder = Recorder { calls: Arc::clone(&calls), may_close: Arc::clone(&may_close) };
        (AllSessions(vec![Arc::new(recorder)]), calls, may_close)
    }

    #[tokio::test]
    async fn closing_waits_until_nothing_is_open() {
        let (all, calls, may_close) = recorded();
        let owned = all.own(Partition(1));
        assert_eq!(*calls.lock().unwrap(), ["opened"]);
        let closing = tokio::spawn(owned.close());
        tokio::task::yield_now().await;
        assert!(!closing.is_finished(), "a session is still open");
        may_close.add_permits(8);
        closing.await.expect("no panic");
        assert_eq!(*calls.lock().unwrap(), ["opened", "closed"], "and it is closed once");
    }

    #[tokio::test]
    async fn sessions_do_not_outlive_an_ownership_that_is_dropped() {
        let (all, calls, may_close) = recorded();
        may_close.add_permits(8);
        drop(all.own(Partition(1)));
        while calls.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*calls.lock().unwrap(), ["opened", "closed"]);
    }
}
