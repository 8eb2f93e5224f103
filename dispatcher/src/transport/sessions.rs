//! Sessions that live as long as a process owns their accounts: the place of a transport that stays connected.
//!
//! A transport that is asked and answers (the Cloud API) has none. One that keeps a connection for each account (a linked
//! device) may keep it only in the process that owns the account: WhatsApp lets one of two connections of a device go, and
//! each of them would send. It implements [`Sessions`]; ownership calls it in this order:
//!
//! 1. [`Sessions::open`], once everything below the claim was read, so that nobody else sends for these accounts.
//! 2. [`Sessions::close`], before the partition is released: the next owner may open its own as soon as that is in the
//!    log. Also when the claim was lost or the task has died, and when the lease is stale: others may take this process for
//!    dead then and claim what it has. If nobody does, they are opened again once it is fresh.
//!
//! Not here: which accounts a partition has and how each is reached (the directory tells; they come and go meanwhile).

use std::sync::Arc;

use angelia_shared::subject::Partition;
use futures_util::future::{BoxFuture, join_all};
use tokio::task::JoinHandle;

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

/// The sessions of an owned partition, which are open only while its owner may send.
pub(crate) struct LeasedSessions {
    all: AllSessions,
    part: Partition,
    state: State,
}

enum State {
    Closed,
    Open(OwnedSessions),
    Closing(JoinHandle<()>),
}

impl LeasedSessions {
    /// Closed at first.
    pub(crate) fn new(all: &AllSessions, part: Partition) -> Self {
        Self { all: all.clone(), part, state: State::Closed }
    }

    /// Whether some may be open: there are none without a transport that stays connected.
    pub(crate) fn are_open(&self) -> bool {
        matches!(self.state, State::Open(_)) && !self.all.0.is_empty()
    }

    /// Opens or closes them, as the owner may send now or not. They are opened again only when all of them were closed.
    pub(crate) fn follow(&mut self, may_send: bool) {
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(owned) if !may_send => State::Closing(tokio::spawn(owned.close())),
            State::Closing(closing) if !closing.is_finished() => State::Closing(closing),
            State::Closed | State::Closing(_) if may_send => State::Open(self.all.own(self.part)),
            State::Closed | State::Closing(_) => State::Closed,
            open @ State::Open(_) => open,
        };
    }

    /// Ends them; afterwards another process may open its own.
    pub(crate) async fn close(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            State::Open(owned) => owned.close().await,
            // It can only be done or be gone with the process.
            State::Closing(closing) => drop(closing.await),
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
    async fn sessions_are_closed_while_the_lease_is_stale_and_opened_again_when_all_are_closed() {
        let (all, calls, may_close) = recorded();
        let mut leased = LeasedSessions::new(&all, Partition(1));
        leased.follow(false);
        assert!(!leased.are_open() && calls.lock().unwrap().is_empty(), "not before it may send");
        for may_send in [true, true, false, false, true] {
            leased.follow(may_send);
            tokio::task::yield_now().await;
        }
        assert_eq!(*calls.lock().unwrap(), ["opened"], "one of them is still being closed");
        may_close.add_permits(8);
        while !leased.are_open() {
            tokio::task::yield_now().await;
            leased.follow(true);
        }
        assert_eq!(*calls.lock().unwrap(), ["opened", "closed", "opened"]);
        leased.close().await;
        assert_eq!(*calls.lock().unwrap(), ["opened", "closed", "opened", "closed"]);
    }

    #[tokio::test]
    async fn the_end_waits_for_what_a_stale_lease_has_begun_to_close() {
        let (all, calls, may_close) = recorded();
        let mut leased = LeasedSessions::new(&all, Partition(1));
        leased.follow(true);
        leased.follow(false);
        let closing = tokio::spawn(async move { leased.close().await });
        tokio::task::yield_now().await;
        assert!(!closing.is_finished(), "a session is still open");
        may_close.add_permits(1);
        closing.await.expect("no panic");
        assert_eq!(*calls.lock().unwrap(), ["opened", "closed"]);
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
