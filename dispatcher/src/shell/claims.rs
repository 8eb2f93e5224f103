//! Follows the claims of all partitions, whoever makes them.

use angelia_shared::event::{Event, lines};
use angelia_shared::log::{EventLog, From, ReadError, Reader, ReaderOptions};
use angelia_shared::subject::{Partition as Part, Subject};
use tokio::sync::mpsc;

use crate::domain::ownership::Newest;

/// News that may wait; then reading pauses.
const WAITING: usize = 64;

/// What the log tells of the claims.
pub(super) enum News {
    /// A partition's newest record.
    Record(Part, u64, Newest),
    /// The newest record of every partition was told.
    All,
    /// The log cannot be read on.
    Broken(ReadError),
}

/// The news, and the task that brings them: it ends when nobody listens.
pub(super) fn follow(log: EventLog) -> (mpsc::Receiver<News>, impl Future<Output = ()>) {
    let (tell, news) = mpsc::channel(WAITING);
    let options = ReaderOptions {
        name: "dispatcher-claims".to_owned(),
        filters: vec!["ev.claim.*".to_owned()],
        from: From::LastPerSubject,
    };
    (news, read(Reader::new(log, options), tell))
}

async fn read(mut reader: Reader, tell: mpsc::Sender<News>) {
    let mut known = tokio::select! {
        waiting = reader.open() => waiting == 0 && tell.send(News::All).await.is_ok(),
        () = tell.closed() => return,
    };
    loop {
        let record = tokio::select! {
            record = reader.next() => record,
            () = tell.closed() => return,
        };
        let record = match record {
            Ok(record) => record,
            Err(gap) => {
                let _nobody_listens = tell.send(News::Broken(gap)).await;
                return;
            }
        };
        // The ledger's claim is on a subject of its own kind.
        if let Ok(Subject::PartitionClaim(part)) = record.subject
            && let Some(newest) = lines(&record.payload).next().and_then(newest)
            && tell.send(News::Record(part, record.seq, newest)).await.is_err()
        {
            return;
        }
        if record.pending == 0 && !std::mem::replace(&mut known, true) && tell.send(News::All).await.is_err() {
            return;
        }
    }
}

fn newest(line: &[u8]) -> Option<Newest> {
    match Event::from_line(line) {
        Ok(Event::PartitionClaimed(claim)) => Some(Newest::Of(claim.member)),
        Ok(Event::PartitionReleased(_)) => Some(Newest::Free),
        Ok(_) | Err(_) => None,
    }
}
