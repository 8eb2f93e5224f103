//! Checks the log after the load: every accepted call is there.

use angelia_shared::event::{Event, lines};
use angelia_shared::log::{Access, EventLog, From, Reader, ReaderOptions, connect};

/// Counts the acceptances in the log.
pub(crate) async fn accepted_in_log(access: &Access) -> anyhow::Result<u64> {
    let log = EventLog::open(connect(access, "bench-verify").await?, 1, 64).await?;
    let last = log.last_sequence().await?;
    let options = ReaderOptions {
        name: "bench-verify".to_owned(),
        filters: vec!["ev.accepted.*".to_owned()],
        from: From::After(0),
    };
    let mut reader = Reader::new(log, options);
    let mut accepted = 0;
    if reader.open().await == 0 {
        return Ok(0);
    }
    loop {
        let record = reader.next().await?;
        accepted += lines(&record.payload)
            .filter(|line| matches!(Event::from_line(line), Ok(Event::MessageAccepted(_))))
            .count() as u64;
        if record.pending == 0 || record.seq >= last {
            return Ok(accepted);
        }
    }
}
