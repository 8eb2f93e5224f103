//! What the log says, read while it grows.

use std::sync::{Arc, Mutex};

use angelia_shared::clock;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::{AttemptEnded, AttemptStarted, Event, MessageExpired, PartRefused, Receipt, lines};
use angelia_shared::ids::{MessageId, Position};
use angelia_shared::log::{EventLog, Reader, ReaderOptions};
use angelia_shared::subject::Subject;
use tokio::task::JoinHandle;

use super::wait::{SOON, eventually};

/// One event and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    /// Its place.
    pub(crate) at: Position,
    /// What it is about.
    pub(crate) subject: Subject,
    /// What happened.
    pub(crate) event: Event,
}

/// Everything that was in the log at one moment, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(pub(crate) Vec<Logged>);

impl Log {
    /// The events.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.0.iter().map(|logged| &logged.event)
    }

    /// The starts of a message's attempts.
    pub(crate) fn starts(&self, of: MessageId) -> Vec<&AttemptStarted> {
        let starts = self.events().filter_map(|event| match event {
            Event::AttemptStarted(started) if started.message == of => Some(&**started),
            _ => None,
        });
        starts.collect()
    }

    /// The ends of a message's attempts.
    pub(crate) fn ends(&self, of: MessageId) -> Vec<&AttemptEnded> {
        let ends = self.events().filter_map(|event| match event {
            Event::AttemptEnded(ended) if ended.message == of => Some(&**ended),
            _ => None,
        });
        ends.collect()
    }

    /// How a message's attempts ended, as words.
    pub(crate) fn outcomes(&self, of: MessageId) -> Vec<&'static str> {
        let words = self.ends(of).into_iter().map(|ended| match ended.outcome {
            AttemptOutcome::Sent { .. } => "sent",
            AttemptOutcome::Deferred { .. } => "deferred",
            AttemptOutcome::Failed { .. } => "failed",
            AttemptOutcome::Unknown { .. } => "unknown",
            AttemptOutcome::NotStarted => "not started",
        });
        words.collect()
    }

    /// The parts of a message that were refused.
    pub(crate) fn refused(&self, of: MessageId) -> Vec<&PartRefused> {
        let refused = self.events().filter_map(|event| match event {
            Event::PartRefused(refused) if refused.message == of => Some(&**refused),
            _ => None,
        });
        refused.collect()
    }

    /// The end of a message that was held too long.
    pub(crate) fn expired(&self, of: MessageId) -> Option<&MessageExpired> {
        self.events().find_map(|event| match event {
            Event::MessageExpired(expired) if expired.message == of => Some(&**expired),
            _ => None,
        })
    }

    /// Whether a message was cancelled.
    pub(crate) fn is_cancelled(&self, of: MessageId) -> bool {
        self.events().any(|event| matches!(event, Event::MessageCancelled(cancelled) if cancelled.message == of))
    }

    /// The reports of a message that it was sent.
    pub(crate) fn sent_receipts(&self, of: MessageId) -> Vec<&Receipt> {
        let receipts = self.events().filter_map(|event| match event {
            Event::MessageSent(receipt) if receipt.message == of => Some(receipt),
            _ => None,
        });
        receipts.collect()
    }

    /// Whether nothing more will happen to a message by itself: all its parts have an end.
    pub(crate) fn is_over(&self, of: MessageId) -> bool {
        if self.is_cancelled(of) || self.expired(of).is_some() {
            return true;
        }
        let ended = self.ends(of).into_iter().filter_map(|ended| match ended.outcome {
            AttemptOutcome::Sent { .. } | AttemptOutcome::Failed { .. } | AttemptOutcome::Unknown { .. } => {
                Some((ended.part, ended.parts))
            }
            AttemptOutcome::Deferred { .. } | AttemptOutcome::NotStarted => None,
        });
        let over: Vec<_> =
            ended.chain(self.refused(of).into_iter().map(|refused| (refused.part, refused.parts))).collect();
        over.last().is_some_and(|(_, parts)| over.len() >= usize::from(*parts))
    }

    /// How many messages were sent.
    pub(crate) fn sent(&self) -> usize {
        let sent = |event: &&Event| matches!(event, Event::AttemptEnded(ended) if matches!(ended.outcome, AttemptOutcome::Sent { .. }));
        self.events().filter(sent).count()
    }

    /// How many events have this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.events().filter(|event| event.name() == name).count()
    }
}

/// A reader of the whole log, in a task of its own.
pub(crate) struct Chronicle {
    log: Arc<Mutex<Log>>,
    reading: JoinHandle<()>,
}

impl Chronicle {
    /// Begins at the log's beginning.
    pub(crate) fn start(log: EventLog) -> Self {
        let all = Arc::new(Mutex::new(Log::default()));
        let reading = tokio::spawn(read(Reader::new(log, ReaderOptions::whole("test", 0)), Arc::clone(&all)));
        Self { log: all, reading }
    }

    /// Everything so far.
    pub(crate) fn now(&self) -> Log {
        self.log.lock().expect("no holder panics").clone()
    }

    /// Looks at everything so far.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().expect("no holder panics"))
    }

    /// Waits until `is_so`.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Log) -> bool) {
        self.until_within(what, SOON, is_so).await;
    }

    /// Waits until `is_so`, at most `within`.
    pub(crate) async fn until_within(&self, what: &str, within: std::time::Duration, is_so: impl Fn(&Log) -> bool) {
        eventually(what, within, async || self.look(|log| if is_so(log) { Ok(()) } else { Err(summary(log)) })).await;
    }

    /// Waits until each of these messages is over.
    pub(crate) async fn over(&self, messages: &[MessageId]) {
        self.until_within("the messages are over", super::LATER, |log| messages.iter().all(|of| log.is_over(*of)))
            .await;
    }

    /// Watches for as long as `watch`, which must be long beside what is not to happen.
    ///
    /// # Panics
    /// When it happens.
    pub(crate) async fn never(&self, what: &str, watch: std::time::Duration, happens: impl Fn(&Log) -> bool) {
        let until = clock::monotonic() + watch;
        while clock::monotonic() < until {
            assert!(!self.look(&happens), "{what}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Chronicle {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

fn summary(log: &Log) -> String {
    let names =
        ["MessageAccepted", "AttemptStarted", "AttemptEnded", "PartRefused", "MessageExpired", "MessageCancelled"];
    let counts: Vec<_> = names.iter().map(|name| format!("{} {name}", log.count(name))).collect();
    let last: Vec<_> =
        log.0.iter().rev().take(6).map(|logged| format!("{} {}", logged.at, logged.event.name())).collect();
    format!("{}; newest first: {}", counts.join(", "), last.join(", "))
}

async fn read(mut reader: Reader, all: Arc<Mutex<Log>>) {
    while let Ok(record) = reader.next().await {
        let subject = record.subject.clone().expect("only our subjects are in the log");
        let events = (0..).zip(lines(&record.payload)).map(|(line, text)| {
            let event = Event::from_line(text).expect("every line is an event");
            Logged { at: Position::new(record.seq, line), subject, event }
        });
        all.lock().expect("no holder panics").0.extend(events);
    }
}
