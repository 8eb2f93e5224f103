//! Which part of the log was there at a time.

use super::heads::HeadError;
use super::stream::EventLog;
use crate::units::UnixMillis;

impl EventLog {
    /// The last sequence that the log had taken by `time`, with it, among those up to `end`; 0 when it had none.
    ///
    /// `end` is a sequence of the log. The stream's timestamps decide, which go up with the sequences. Found by halving: as
    /// many reads of [past records](Self::past_record) as `end` has bits.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn sequence_at(&self, time: UnixMillis, end: u64) -> Result<u64, HeadError> {
        // Everything up to `low` was there, nothing beyond `high`.
        let (mut low, mut high) = (0, end);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.past_record(middle).await? {
                Some(record) if record.at <= time => low = middle,
                Some(_) | None => high = middle - 1,
            }
        }
        Ok(low)
    }
}
