//! Compares a replay with every checkpoint of the log, at what each covers.
//!
//! Not here: whether checkpoints continue each other (the fold looks at that).

use std::collections::VecDeque;

use angelia_shared::event::{Event, LedgerCheckpointed, lines};
use angelia_shared::ids::Position;
use angelia_shared::log::{EventLog, From, ReadError, Reader, ReaderOptions};
use angelia_shared::subject::Subject;

use crate::domain::contradiction::{Broken, Contradiction};
use crate::domain::digest::state_digest;
use crate::domain::projection::Projection;
use crate::domain::table::Tables;

/// The checkpoints of a log, and what came of comparing them.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    waiting: VecDeque<(Position, LedgerCheckpointed)>,
    /// How many were compared.
    pub(super) compared: u64,
    /// Those that tell otherwise than the replay.
    pub(super) differences: Vec<Contradiction>,
}

impl Checkpoints {
    /// Reads those that stand up to `until`.
    pub(super) async fn read(log: &EventLog, until: u64) -> Result<Self, ReadError> {
        let filters = vec![Subject::Checkpoint.to_string()];
        let options = ReaderOptions { name: "replay-checkpoints".to_owned(), filters, from: From::After(0) };
        let mut reader = Reader::new(log.clone(), options);
        let mut found = Self::default();
        let mut pending = reader.open().await;
        while pending > 0 {
            let record = reader.next().await?;
            pending = record.pending;
            if record.seq > until {
                break;
            }
            for (line, bytes) in lines(&record.payload).enumerate() {
                // Anything else there is out of place, which the fold counts and names.
                if let Ok(Event::LedgerCheckpointed(fact)) = Event::from_line(bytes) {
                    let line = u16::try_from(line).unwrap_or(u16::MAX);
                    found.waiting.push_back((Position::new(record.seq, line), fact));
                }
            }
        }
        Ok(found)
    }

    /// Compares what the projection has just come to. To be called after every batch.
    pub(super) fn compare<T: Tables>(&mut self, projection: &Projection<T>) -> Result<(), T::Error> {
        let (tables, head) = (&projection.tables, &projection.head);
        while let Some((position, fact)) = self.waiting.pop_front_if(|(_, next)| next.seq <= head.seq) {
            self.compared += 1;
            let broken = if fact.seq != head.seq || fact.log_digest != head.log_digest {
                // It covers no whole batch, or other records.
                Broken::LogDiffers
            } else if fact.state_digest != state_digest(tables, head)? {
                Broken::StateDiffers
            } else {
                continue;
            };
            self.differences.push(Contradiction { position, workspace: None, broken });
        }
        Ok(())
    }
}
