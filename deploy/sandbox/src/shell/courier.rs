//! Carries callbacks to the receiver, for as long as it takes.
//!
//! Shape: one task owns the [`Timetable`] and lets a bounded number of requests run beside it. A request reads its
//! messages from the journal, posts, and notes what was taken in the file of deliveries.
//!
//! Invariants:
//! - SB-2 a callback is noted only after a 2xx; between the two a kill repeats it, which receivers must bear anyway.
//!
//! Not here: what leaves when (see `domain/timetable.rs`).

use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::line::Written;
use crate::domain::status::{self, Notice};
use crate::domain::timetable::{Batch, Due, Timetable};

use super::clock;
use super::delivered::Delivered;
use super::journal::Promise;
use super::reader::Reader;

/// Requests at once: enough for a thousand accounts whose receiver takes a few milliseconds each.
const POSTS_MOST: usize = 32;
/// Promises taken over at once, so that sending gets its turn.
const PROMISES_MOST: usize = 64;
/// A receiver answers fast or is taken for down.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long requests in flight are waited for at the end; what is not noted by then is repeated at the next start.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);
/// A body is read so that its connection can be used again; a longer one is not worth it.
const ANSWER_MOST: u64 = 64 * 1024;

/// Why the callback URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// It is no `http` or `https` URL.
    #[error("the callback url is not an http or https url")]
    Url,
    /// The HTTP client could not be made.
    #[error("making the client for callbacks")]
    Client(#[from] reqwest::Error),
}

/// Where callbacks go.
pub(crate) struct Receiver {
    client: Client,
    url: Url,
    app_secret: String,
}

impl Receiver {
    pub(crate) fn new(url: &str, app_secret: String) -> Result<Self, CallbackError> {
        let url = Url::parse(url).map_err(|_| CallbackError::Url)?;
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(POST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        let builder = match url.scheme() {
            "https" => builder,
            // Loading the system's certificates fails where there are none, and is no use here.
            "http" => builder.tls_certs_only([]),
            _ => return Err(CallbackError::Url),
        };
        Ok(Self { client: builder.build()?, url, app_secret })
    }
}

/// What one request needs.
struct Carrier {
    receiver: Receiver,
    reader: Reader,
    delivered: Delivered,
}

/// Why a batch was not delivered.
#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error("reading the messages from the journal")]
    Read(#[source] std::io::Error),
    #[error("reading the messages from the journal: a line has changed")]
    Line,
    #[error("posting to the callback url")]
    Post(#[source] reqwest::Error),
    #[error("posting to the callback url: answered {0}")]
    Refused(u16),
    #[error("posting to the callback url: the task failed")]
    Task(#[from] JoinError),
}

/// The task that owns the timetable.
pub(crate) struct Courier {
    timetable: Timetable,
    carrier: Arc<Carrier>,
    posts: JoinSet<(Batch, Result<(), DeliverError>)>,
}

impl Courier {
    pub(crate) fn new(timetable: Timetable, receiver: Receiver, reader: Reader, delivered: Delivered) -> Self {
        let carrier = Arc::new(Carrier { receiver, reader, delivered });
        Self { timetable, carrier, posts: JoinSet::new() }
    }

    /// Runs until `stop`, or until nobody can promise anything any more.
    pub(crate) async fn run(mut self, mut promises: mpsc::Receiver<Vec<Promise>>, stop: CancellationToken) {
        let mut gathered = Vec::with_capacity(PROMISES_MOST);
        loop {
            let next_ms = self.dispatch();
            let wake = async {
                match next_ms {
                    Some(next_ms) => sleep(Duration::from_millis(next_ms.saturating_sub(clock::now_ms()))).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(post) = self.posts.join_next() => {
                    let Ok((batch, outcome)) = post else {
                        // Only a panic gets here: the server ends rather than lose these callbacks in silence.
                        return;
                    };
                    self.settle(batch, outcome);
                }
                received = promises.recv_many(&mut gathered, PROMISES_MOST) => {
                    if received == 0 {
                        break;
                    }
                    for promise in gathered.drain(..).flatten() {
                        self.timetable.add(&promise.phone_number_id, promise.due);
                    }
                }
                () = wake => {}
            }
        }
        let in_flight = async { while self.posts.join_next().await.is_some() {} };
        let _ = timeout(STOP_TIMEOUT, in_flight).await;
    }

    /// Sends what is due. Returns when to look again; `None` when an answer or a promise comes first.
    fn dispatch(&mut self) -> Option<u64> {
        while self.posts.len() < POSTS_MOST {
            let Some(batch) = self.timetable.take(clock::now_ms()) else { return self.timetable.next_ms() };
            let carrier = Arc::clone(&self.carrier);
            self.posts.spawn(async move {
                let outcome = Carrier::deliver(&carrier, &batch).await;
                (batch, outcome)
            });
        }
        None
    }

    fn settle(&mut self, batch: Batch, outcome: Result<(), DeliverError>) {
        let statuses = batch.dues.len();
        let failures_before = self.timetable.settle(batch, outcome.is_ok(), clock::now_ms());
        match outcome {
            Ok(()) if failures_before > 0 => {
                tracing::info!(failures = failures_before, statuses, "callbacks are delivered again");
            }
            Err(error) if failures_before == 0 => {
                tracing::warn!(error = &error as &dyn Error, statuses, "callbacks not delivered, will retry");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl Carrier {
    async fn deliver(self: &Arc<Self>, batch: &Batch) -> Result<(), DeliverError> {
        let (carrier, dues, name) = (Arc::clone(self), batch.dues.clone(), Arc::clone(&batch.phone_number_id));
        let (body, signature) = spawn_blocking(move || {
            let mut line = Vec::new();
            let notices: Result<Vec<_>, _> = dues.iter().map(|due| notice(&carrier.reader, due, &mut line)).collect();
            let body = status::payload(&name, &notices?);
            let signature = status::signature(&carrier.receiver.app_secret, &body);
            Ok::<_, DeliverError>((body, signature))
        })
        .await??;
        self.post(body, signature).await?;
        let (carrier, dues) = (Arc::clone(self), batch.dues.clone());
        if let Err(error) = spawn_blocking(move || carrier.delivered.append(&dues)).await? {
            tracing::warn!(error = &error as &dyn Error, "could not note delivered callbacks, a restart repeats them");
        }
        Ok(())
    }

    async fn post(&self, body: Vec<u8>, signature: String) -> Result<(), DeliverError> {
        let request = self
            .receiver
            .client
            .post(self.receiver.url.clone())
            .header("content-type", "application/json")
            .header("x-hub-signature-256", signature)
            .body(body);
        let response = request.send().await.map_err(|error| DeliverError::Post(error.without_url()))?;
        let status = response.status();
        if response.content_length().is_some_and(|length| length <= ANSWER_MOST) {
            // The status alone counts; an answer that breaks off after it changes nothing.
            let _ = response.bytes().await;
        }
        if status.is_success() { Ok(()) } else { Err(DeliverError::Refused(status.as_u16())) }
    }
}

/// Reads what a status says from the message's journal line.
fn notice(reader: &Reader, due: &Due, line: &mut Vec<u8>) -> Result<Notice, DeliverError> {
    reader.exactly(due.offset, due.bytes, line).map_err(DeliverError::Read)?;
    let written = Written::read(line).filter(|written| written.seq == due.seq).ok_or(DeliverError::Line)?;
    let recipient = written.recipient().ok_or(DeliverError::Line)?;
    let wamid = written.wamid.ok_or(DeliverError::Line)?;
    Ok(Notice { wamid, recipient, tracker: written.tracker, status: due.status(), at_ms: due.at_ms })
}
