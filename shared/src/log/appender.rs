//! A writer shared by many callers: a bounded queue and a task.
//!
//! Shape: [`Appender::append`] hands a group in and awaits its answer. While a batch is in flight, groups gather.
//!
//! Groups here must not name the writer: after a fence they are handed in again under a new one.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::entry::{AppendError, Group, Pending, Room, Stored};
use super::stream::EventLog;
use super::writer::Writer;

/// Bounds of the queue and of the end.
#[derive(Clone, Copy, Debug)]
pub struct AppenderOptions {
    /// Groups that may wait.
    pub groups_max: usize,
    /// Bytes that may wait.
    pub bytes_max: usize,
    /// How long the last batches may take after the shutdown signal.
    pub close_timeout: Duration,
}

impl Default for AppenderOptions {
    /// 16,384 groups: about 16 full batches, half a second of a fast disk. 64 MiB: the same with large events.
    fn default() -> Self {
        Self { groups_max: 16_384, bytes_max: 64 * 1024 * 1024, close_timeout: Duration::from_secs(5) }
    }
}

/// A handle to a writer's task. Cheap to clone.
#[derive(Clone)]
pub struct Appender {
    queue: mpsc::Sender<Pending>,
    /// Groups and bytes that may still come. A group gives its share back with its answer, not when it leaves the
    /// channel: what waits in the writer's own queue counts, too.
    groups: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// The log, when groups are refused at once while the broker is away.
    fails_fast: Option<EventLog>,
}

impl Appender {
    /// Starts the writer's task. It ends, after a last batch and `WriterClosed`, when `shutdown` is signalled.
    pub fn start(writer: Writer, options: AppenderOptions, shutdown: CancellationToken) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(options.groups_max);
        let groups = Arc::new(Semaphore::new(options.groups_max));
        let bytes = Arc::new(Semaphore::new(options.bytes_max));
        let fails_fast = writer.fails_fast().then(|| writer.log().clone());
        let task = tokio::spawn(run(writer, waiting, options, shutdown));
        (Self { queue, groups, bytes, fails_fast }, task)
    }

    /// Stores a group, whole or not at all; returns where it is.
    ///
    /// # Errors
    /// [`AppendError::Full`] and, for a writer that fails fast, [`AppendError::Unavailable`] at once; the others as
    /// settled by the writer.
    pub async fn append(&self, group: Group) -> Result<Stored, AppendError> {
        if self.fails_fast.as_ref().is_some_and(|log| !log.is_connected()) {
            return Err(AppendError::Unavailable);
        }
        let bytes = u32::try_from(group.bytes()).map_err(|_| AppendError::TooLarge)?;
        let (mut pending, answer) = Pending::new(group);
        pending.room = Some(Room {
            _group: Arc::clone(&self.groups).try_acquire_owned().map_err(|_| AppendError::Full)?,
            _bytes: Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| AppendError::Full)?,
        });
        self.queue.try_send(pending).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::Full,
            mpsc::error::TrySendError::Closed(_) => AppendError::Closed,
        })?;
        // The task that would have answered is gone: nobody will say.
        answer.await.unwrap_or(Err(AppendError::Closed))
    }
}

async fn run(
    mut writer: Writer,
    mut waiting: mpsc::Receiver<Pending>,
    options: AppenderOptions,
    shutdown: CancellationToken,
) {
    let mut queue = VecDeque::new();
    // Signalled, or no handle is left.
    let ending = shutdown.child_token();
    let mut patience_over = pin!(give_up(&ending, options.close_timeout));
    // Under load the queue is never empty, so the signal is looked at between any two batches.
    while !ending.is_cancelled() {
        if queue.is_empty() {
            tokio::select! {
                biased;
                () = ending.cancelled() => break,
                first = waiting.recv() => match first {
                    Some(first) => queue.push_back(first),
                    None => {
                        ending.cancel();
                        break;
                    }
                },
            }
        }
        while let Ok(more) = waiting.try_recv() {
            queue.push_back(more);
        }
        tokio::select! {
            () = writer.commit(&mut queue) => {}
            () = &mut patience_over => {
                warn!("stopped with a batch undecided");
                return;
            }
        }
    }
    waiting.close();
    while let Ok(more) = waiting.try_recv() {
        queue.push_back(more);
    }
    tokio::select! {
        () = writer.close(queue) => {}
        () = &mut patience_over => warn!("stopped before the writer was closed"),
    }
}

async fn give_up(ending: &CancellationToken, patience: Duration) {
    ending.cancelled().await;
    tokio::time::sleep(patience).await;
}
