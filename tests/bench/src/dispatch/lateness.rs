//! Holds what the log planned against what the sandbox received.

use std::collections::HashMap;
use std::ops::Range;

use angelia_shared::event::{AttemptEnded, AttemptStarted, Event, lines};
use angelia_shared::ids::{AccountId, MessageId};
use angelia_shared::log::{EventLog, From, Reader, ReaderOptions};
use angelia_shared::subject::Subject;
use angelia_shared::units::UnixMillis;
use anyhow::Context as _;
use serde_json::Value;

/// An event of an account's attempts.
pub(super) enum Step {
    Started(Box<AttemptStarted>),
    Ended(Box<AttemptEnded>),
}

/// The attempts of each account, in order.
pub(super) type Attempts = HashMap<AccountId, Vec<Step>>;

/// Reads all attempts after sequence `after`.
pub(super) async fn attempts(log: &EventLog, after: u64) -> anyhow::Result<Attempts> {
    let mut attempts = Attempts::new();
    let options = ReaderOptions {
        name: "bench-attempts".to_owned(),
        filters: vec!["ev.attempt.>".to_owned()],
        from: From::After(after),
    };
    let mut reader = Reader::new(log.clone(), options);
    if reader.open().await == 0 {
        return Ok(attempts);
    }
    loop {
        let record = reader.next().await?;
        if let Ok(Subject::Attempt(_, _, account)) = record.subject {
            let steps = lines(&record.payload).filter_map(|line| match Event::from_line(line) {
                Ok(Event::AttemptStarted(started)) => Some(Step::Started(started)),
                Ok(Event::AttemptEnded(ended)) => Some(Step::Ended(ended)),
                Ok(_) | Err(_) => None,
            });
            attempts.entry(account).or_default().extend(steps);
        }
        if record.pending == 0 {
            return Ok(attempts);
        }
    }
}

/// What the sandbox received.
pub(super) struct Journal {
    /// When each part came, by its tracker; every time, in order.
    received: HashMap<String, Vec<UnixMillis>>,
    /// The last line's number.
    pub(super) last: u64,
}

impl Journal {
    /// Reads the journal after line `after`.
    pub(super) async fn read(url: &str, after: u64) -> anyhow::Result<Self> {
        let text = reqwest::get(format!("{url}/sandbox/journal?after={after}")).await?.text().await?;
        let mut journal = Self { received: HashMap::new(), last: after };
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).context("a line of the journal")?;
            let (seq, at) = (line["seq"].as_u64().unwrap_or(0), line["received_at_ms"].as_i64().unwrap_or(0));
            journal.last = journal.last.max(seq);
            if let Some(tracker) = line["tracker"].as_str() {
                journal.received.entry(tracker.to_owned()).or_default().push(UnixMillis(at));
            }
        }
        Ok(journal)
    }

    /// When the sandbox had a message, each time.
    pub(super) fn of(&self, message: MessageId) -> &[UnixMillis] {
        self.of_tracker(&format!("{message}.0"))
    }

    /// The same by what the sender wrote on it.
    pub(super) fn of_tracker(&self, tracker: &str) -> &[UnixMillis] {
        self.received.get(tracker).map_or(&[], Vec::as_slice)
    }
}

/// What came of a round.
#[derive(Clone, Debug, Default)]
pub(super) struct Lateness {
    /// Milliseconds, one for each send with a send before it.
    pub(super) late_ms: Vec<u32>,
    /// Sends that came sooner than the floor after the end of the one before.
    pub(super) floor_broken: usize,
    /// Sends that the sandbox received, as far as they are measured.
    pub(super) sent: usize,
    /// Messages that it received more than once.
    pub(super) repeated: usize,
}

impl Lateness {
    /// Compares plans with arrivals, of those that were planned for `from` or later.
    pub(super) fn of(attempts: &Attempts, journal: &Journal, from: UnixMillis) -> Self {
        Self::between(attempts, journal, from..UnixMillis(i64::MAX))
    }

    /// The same, of those that were planned for a time in `spell`.
    pub(super) fn between(attempts: &Attempts, journal: &Journal, spell: Range<UnixMillis>) -> Self {
        let mut lateness = Self::default();
        for steps in attempts.values() {
            let mut before: Option<&AttemptEnded> = None;
            for step in steps {
                match step {
                    Step::Ended(ended) => before = Some(ended),
                    Step::Started(started) => {
                        lateness.add(started, before.take(), journal.of(started.message), &spell);
                    }
                }
            }
        }
        lateness
    }

    fn add(
        &mut self,
        started: &AttemptStarted,
        before: Option<&AttemptEnded>,
        received: &[UnixMillis],
        spell: &Range<UnixMillis>,
    ) {
        let Some(at) = received.first() else { return };
        self.repeated += usize::from(received.len() > 1);
        let Some(before) = before else { return };
        let planned = before.at.plus_ms(before.gap_ms);
        if spell.contains(&planned) {
            self.sent += 1;
            self.late_ms.push(u32::try_from(at.ms_since(planned)).unwrap_or(u32::MAX));
        }
        // Also before and after it. The end is rounded up by a millisecond.
        self.floor_broken += usize::from(at.ms_since(before.at) + 1 < started.floor_ms);
    }

    /// The `share` percentile in milliseconds.
    pub(super) fn percentile_ms(&mut self, share: f64) -> f64 {
        f64::from(crate::stats::percentile_us(&mut self.late_ms, share))
    }
}
