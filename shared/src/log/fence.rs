//! Stops a writer for good: any record on its subject does, because each of its seals is guarded by the record before.

use super::entry::Guard;
use super::pack::OutRecord;
use super::stream::EventLog;
use crate::event::{Event, WriterFenced};
use crate::subject::Subject;

impl EventLog {
    /// Appends a fence, alone: it is no part of any batch. `after` guards it by the writer's newest record, so that a writer
    /// that goes on is left alone. Returns its sequence.
    ///
    /// `None` proves nothing: the guard was lost, or nobody knows whether the fence was stored. What follows the writer's
    /// newest record tells.
    pub async fn fence(&self, fence: WriterFenced, after: Option<u64>) -> Option<u64> {
        let subject = Subject::Writer(fence.writer);
        let payload = Event::WriterFenced(fence).to_line().into();
        self.append_alone(&OutRecord { subject, payload, guard: after.map(Guard::Own) }).await
    }
}
