//! Tasks beside the partitions': what stores, calls, fetches and reads.
//!
//! Invariants:
//! - None of them dies in silence. An account whose task is gone would wait for ever, so a panic ends the dispatcher.

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All tasks that partitions have started, whether or not the partition is still owned.
#[derive(Default)]
pub(crate) struct Tasks {
    running: TaskTracker,
    died: CancellationToken,
    first_dead: OnceLock<&'static str>,
}

impl Tasks {
    /// Starts a task. `name` says what it does.
    pub(crate) fn start(
        self: &std::sync::Arc<Self>,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let tasks = std::sync::Arc::clone(self);
        self.running.spawn(async move {
            // Nothing that the task leaves behind is used again: the whole dispatcher ends.
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                let _not_the_first = tasks.first_dead.set(name);
                tasks.died.cancel();
            }
        })
    }

    /// Waits until a task has panicked; says which.
    pub(crate) async fn died(&self) -> &'static str {
        self.died.cancelled().await;
        self.first_dead.get().copied().unwrap_or("a task")
    }

    /// Waits for all tasks to end, at most `within`. False when some go on.
    pub(crate) async fn finish(&self, within: Duration) -> bool {
        self.running.close();
        tokio::time::timeout(within, self.running.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_named() {
        let tasks = Arc::new(Tasks::default());
        tasks.start("good", async {});
        tasks.start("bad", async { panic!("on purpose") });
        assert_eq!(tasks.died().await, "bad");
    }

    #[tokio::test]
    async fn a_task_that_is_aborted_has_not_died() {
        let tasks = Arc::new(Tasks::default());
        tasks.start("endless", std::future::pending()).abort();
        assert!(tasks.finish(Duration::from_secs(5)).await);
        assert!(!tasks.died.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_do_not_end_are_not_waited_for_for_ever() {
        let tasks = Arc::new(Tasks::default());
        tasks.start("endless", std::future::pending());
        assert!(!tasks.finish(Duration::from_secs(2)).await);
    }
}
