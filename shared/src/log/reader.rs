//! Reads the log in order, under a name, and says when something is missing.
//!
//! Shape: [`Reader::next`] gives one record after the other. It survives a broker's restart: it goes on after the last
//! record that it gave. A reader of the whole log also proves that no sequence is missing.
//!
//! Invariants:
//! - Records come in the order of their sequences, each once.
//! - With [`ReaderOptions::whole`], a missing sequence is an error, never skipped in silence.
//! - A log that ends before the reader's own position is an error for every reader: other records would follow there.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::consumer::{Consumer, DeliverPolicy};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tracing::{debug, warn};

use super::connection::identity;
use super::stream::EventLog;
use crate::ids::WriterId;
use crate::subject::{self, BadSubject, Subject};
use crate::units::UnixMillis;

/// How often an idle reader looks whether its connection was replaced: its consumer is gone then.
const CONNECTION_CHECK: Duration = Duration::from_millis(250);
/// Pause before a consumer is made again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);
/// How many looks, a [`REOPEN_PAUSE`] apart, it takes to believe that the log has lost its end: a leader that was just
/// elected may still be catching up.
const LOST_END_LOOKS: u32 = 30;
/// Records that one pull may bring: of the largest, 8 MiB. The next pull is asked for when half of one is left.
const PULL_BATCH: usize = 500;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// After this sequence; 0 is the beginning.
    After(u64),
    /// With the newest record of each subject, then everything that follows.
    LastPerSubject,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// Says who reads, in the broker's list of consumers; made unique by the reader.
    pub name: String,
    /// Subjects, wildcards allowed; empty means the whole log.
    pub filters: Vec<String>,
    /// Where to begin.
    pub from: From,
}

impl ReaderOptions {
    /// The whole log after `seq`.
    pub fn whole(name: impl Into<String>, after: u64) -> Self {
        Self { name: name.into(), filters: Vec::new(), from: From::After(after) }
    }
}

/// One record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Stream sequence.
    pub seq: u64,
    /// The stream's timestamp.
    pub at: UnixMillis,
    /// What it is about.
    pub subject: Result<Subject, BadSubject>,
    /// The lines.
    pub payload: Bytes,
    /// How many more the server had for this reader when it sent this one.
    pub pending: u64,
}

impl Record {
    /// Whether a batch ends with it: it stands on a writer's subject.
    pub fn ends_batch(&self) -> bool {
        matches!(self.subject, Ok(Subject::Writer(_)))
    }
}

/// The log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Sequences are missing in a log from which nothing may ever be removed.
    #[error("the log has a gap: {missing_from} to {missing_to} are missing")]
    Gap {
        /// The first missing sequence.
        missing_from: u64,
        /// The last missing one.
        missing_to: u64,
    },
}

/// A batch as its readers see it: whole, ended by a record on a writer's subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchOfRecords {
    /// The records; the last one is a seal, `WriterOpened`, `WriterClosed` or `WriterFenced`.
    pub records: Vec<Record>,
}

/// An ordered reader.
pub struct Reader {
    log: EventLog,
    options: ReaderOptions,
    stream: Option<Ordered>,
    connection: (String, u64),
    /// The last sequence given out.
    last: u64,
    /// How often in a row the log's end was found before `last`, and where.
    lost_end: (u32, u64),
    gathered: VecDeque<Record>,
}

/// Why there is no consumer yet.
type NotOpen = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
#[error("the log ends at {0}, before this reader's position")]
struct EndsBefore(u64);

impl Reader {
    /// A reader; it connects with the first [`next`](Self::next).
    pub fn new(log: EventLog, options: ReaderOptions) -> Self {
        let last = match options.from {
            From::After(seq) => seq,
            From::LastPerSubject => 0,
        };
        let connection = (String::new(), 0);
        Self { log, options, stream: None, connection, last, lost_end: (0, 0), gathered: VecDeque::new() }
    }

    /// Connects now; returns how many records wait. Useful where "nothing at all" must be told from "not yet". When the
    /// log has lost its end, [`next`](Self::next) says so.
    pub async fn open(&mut self) -> u64 {
        loop {
            match self.make_consumer().await {
                Ok(pending) => return pending,
                Err(_) if self.lost_end.0 >= LOST_END_LOOKS => return 0,
                Err(error) => {
                    debug!(reader = %self.options.name, error = %crate::telemetry::chain(&*error), "cannot read yet");
                    tokio::time::sleep(REOPEN_PAUSE).await;
                }
            }
        }
    }

    /// The next record. Waits as long as there is none, and while the broker is away.
    ///
    /// # Errors
    /// [`ReadError::Gap`] on a reader of the whole log, and when the log's end is missing. Final: the log must be
    /// restored.
    pub async fn next(&mut self) -> Result<Record, ReadError> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.open().await;
                if self.stream.is_none() {
                    return Err(ReadError::Gap { missing_from: self.lost_end.1 + 1, missing_to: self.last });
                }
                continue;
            };
            // Most often it is here already, and no timer is needed.
            let next = match stream.next().now_or_never() {
                Some(next) => Ok(next),
                None => tokio::time::timeout(CONNECTION_CHECK, stream.next()).await,
            };
            match next {
                Err(_idle) if identity(&self.log.client) == self.connection => {}
                Err(_) => self.stream = None,
                Ok(None) => self.stream = None,
                Ok(Some(Err(error))) => {
                    warn!(reader = %self.options.name, error = %crate::telemetry::chain(&error), "reading again from where it stopped");
                    self.stream = None;
                    tokio::time::sleep(REOPEN_PAUSE).await;
                }
                Ok(Some(Ok(message))) => {
                    let message = message.message;
                    let reply = message.reply.as_deref();
                    let Some(Delivery { seq, at, pending }) = reply.and_then(Delivery::read) else { continue };
                    if seq <= self.last {
                        continue;
                    }
                    if self.options.filters.is_empty() && seq != self.last + 1 {
                        return Err(ReadError::Gap { missing_from: self.last + 1, missing_to: seq - 1 });
                    }
                    self.last = seq;
                    let subject = message.subject.parse();
                    return Ok(Record { seq, at, subject, payload: message.payload, pending });
                }
            }
        }
    }

    /// The next whole batch, on a reader of the whole log.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_batch(&mut self) -> Result<BatchOfRecords, ReadError> {
        loop {
            let record = self.next().await?;
            let ends = record.ends_batch();
            self.gathered.push_back(record);
            if ends {
                return Ok(BatchOfRecords { records: self.gathered.drain(..).collect() });
            }
        }
    }

    /// The last sequence that was given out.
    pub fn position(&self) -> u64 {
        self.last
    }

    async fn make_consumer(&mut self) -> Result<u64, NotOpen> {
        self.connection = identity(&self.log.client);
        self.check_end().await?;
        let filters =
            if self.options.filters.is_empty() { vec![subject::ALL.to_owned()] } else { self.options.filters.clone() };
        let deliver_policy = match self.options.from {
            From::LastPerSubject if self.last == 0 => DeliverPolicy::LastPerSubject,
            From::LastPerSubject | From::After(_) => DeliverPolicy::ByStartSequence { start_sequence: self.last + 1 },
        };
        let config = OrderedConfig {
            // The server keeps a consumer of a lost connection for a while, so a name is used once.
            name: Some(format!("{}-{}", self.options.name, WriterId::generate())),
            filter_subjects: filters,
            deliver_policy,
            max_batch: PULL_BATCH as i64,
            ..Default::default()
        };
        let consumer: Consumer<OrderedConfig> = self.log.stream.create_consumer(config).await?;
        let pending = consumer.cached_info().num_pending;
        self.stream = Some(consumer.messages().await?);
        Ok(pending)
    }

    async fn check_end(&mut self) -> Result<(), NotOpen> {
        let end = if self.last == 0 { 0 } else { self.log.stream.get_info().await?.state.last_sequence };
        if end >= self.last {
            self.lost_end = (0, 0);
            return Ok(());
        }
        self.lost_end = (self.lost_end.0 + 1, end);
        Err(EndsBefore(end).into())
    }
}

/// What the broker says of a record it delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delivery {
    seq: u64,
    at: UnixMillis,
    pending: u64,
}

impl Delivery {
    /// Reads the subject under which the broker wants to hear that the record has arrived:
    /// `$JS.ACK.{stream}.{consumer}.{deliveries}.{sequence}.{consumer's sequence}.{nanoseconds}.{pending}`, in newer ones with
    /// the domain and the account before the stream, and with more behind.
    ///
    /// Source: ADR-15 of NATS. The client can read all of it; of a replay that was a visible part.
    fn read(reply: &str) -> Option<Self> {
        let mut tokens = reply.strip_prefix("$JS.ACK.")?.split('.');
        let is_newer = tokens.clone().nth(8).is_some();
        let seq = tokens.nth(if is_newer { 5 } else { 3 })?.parse().ok()?;
        let nanoseconds: i64 = tokens.nth(1)?.parse().ok()?;
        let pending = tokens.next()?.parse().ok()?;
        Some(Self { seq, at: UnixMillis(nanoseconds / 1_000_000), pending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_delivery_are_read() {
        let expected = Some(Delivery { seq: 51, at: UnixMillis(1_700_000_000_123), pending: 7 });
        for reply in [
            "$JS.ACK.EV.reader-1.1.51.52.1700000000123999999.7",
            "$JS.ACK.hub.ACCOUNT.EV.reader-1.1.51.52.1700000000123999999.7",
            "$JS.ACK._.ACCOUNT.EV.reader-1.1.51.52.1700000000123999999.7.dice",
        ] {
            assert_eq!(Delivery::read(reply), expected, "{reply}");
        }
        for reply in ["$JS.ACK.EV.reader-1.1.51.52.1700000000123999999", "$JS.ACK.EV.reader-1.1.x.52.17.7", "_INBOX.1"]
        {
            assert_eq!(Delivery::read(reply), None, "{reply}");
        }
    }
}
