//! Reads records whose place is known, from whichever server answers first.
//!
//! What stands at a sequence never changes, so any replica that has it has it right. One that lags has nothing there: then
//! the leader is asked.

use super::connection::while_connected;
use super::heads::HeadError;
use super::reader::Record;
use super::stream::EventLog;
use crate::units::UnixMillis;

impl EventLog {
    /// The record at `seq`, or `None` when there is none. Cheaper than [`record_at`](Self::record_at), many times over when
    /// many are read at once.
    ///
    /// # Errors
    /// [`HeadError`] when nobody answered; nothing is known then.
    pub async fn past_record(&self, seq: u64) -> Result<Option<Record>, HeadError> {
        let what = || format!("record {seq}");
        let direct = while_connected(&self.client, self.stream.direct_get(seq)).await;
        let message = match direct.ok_or_else(|| HeadError::disconnected(what()))? {
            Ok(message) => Some(message),
            // Not there, or not allowed: the leader knows.
            Err(_) => self.raw_record(seq).await?,
        };
        Ok(message.map(|message| Record {
            seq: message.sequence,
            at: UnixMillis(i64::try_from(message.time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)),
            subject: message.subject.parse(),
            payload: message.payload,
            pending: 0,
        }))
    }
}
