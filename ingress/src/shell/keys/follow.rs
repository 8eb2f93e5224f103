//! The task that fills the map: reads `ev.key.>` from a ledger's position on, and trims what ledgers can answer.
//!
//! Not here: what the map concludes (see [`crate::domain::key_map`]).

use std::time::Duration;

use angelia_shared::event::{BadLine, Event, lines};
use angelia_shared::log::{From, ReadError, Reader, ReaderOptions, Record};
use angelia_shared::query::{self, AskPosition};
use angelia_shared::subject::Subject;
use angelia_shared::telemetry::chain;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Keys;
use crate::domain::key_map::{KeyHash, KeyMap, Used};
use crate::metrics as names;

/// Pause between two questions to a ledger that does not answer. It only matters while services start.
const ASK_PAUSE: Duration = Duration::from_millis(250);

/// Follows the log until `stop`. Every `trim_every` it forgets what a ledger had reached one interval before.
///
/// # Errors
/// [`ReadError`] when the log cannot be read on.
pub(in crate::shell) async fn follow(
    keys: Keys,
    trim_every: Duration,
    stop: CancellationToken,
) -> Result<(), ReadError> {
    tokio::select! {
        ended = follow_for_ever(keys, trim_every) => ended,
        () = stop.cancelled() => Ok(()),
    }
}

async fn follow_for_ever(keys: Keys, trim_every: Duration) -> Result<(), ReadError> {
    let floor = first_position(&keys).await;
    info!(floor, "following idempotency keys");
    *keys.map() = Some(KeyMap::new(floor, keys.0.keys_max));
    let options = ReaderOptions {
        name: "ingress-keys".to_owned(),
        filters: vec!["ev.key.>".to_owned()],
        from: From::After(floor),
    };
    let reader = Reader::new(keys.0.log.clone(), options);
    tokio::select! {
        ended = read(&keys, reader) => ended,
        () = trim(&keys, trim_every) => Ok(()),
    }
}

/// Asks until a ledger tells how far it is: what it has folded, it can answer.
async fn first_position(keys: &Keys) -> u64 {
    let mut has_complained = false;
    loop {
        match query::ask(keys.0.log.client(), AskPosition {}, 0).await {
            Ok(((), position)) => return position,
            Err(error) if !has_complained => {
                has_complained = true;
                info!(error = %chain(&error), "calls with an idempotency key are refused until a ledger answers");
            }
            Err(_) => {}
        }
        tokio::time::sleep(ASK_PAUSE).await;
    }
}

async fn read(keys: &Keys, mut reader: Reader) -> Result<(), ReadError> {
    loop {
        let record = reader.next().await?;
        let Ok(Subject::Key(bucket)) = record.subject else {
            error!(stream.seq = record.seq, "a record under ev.key is of no bucket");
            metrics::counter!(names::KEYS_CONTRADICTED).increment(1);
            continue;
        };
        match read_keys(&record) {
            Ok(used) => keys.change(|map| {
                let contradictions = map.learn(record.seq, bucket, used);
                if contradictions > 0 {
                    error!(stream.seq = record.seq, contradictions, "IN-2: a key was used for two messages");
                    metrics::counter!(names::KEYS_CONTRADICTED).increment(contradictions as u64);
                }
            }),
            Err(why) => {
                error!(stream.seq = record.seq, why, "a record of keys cannot be read; ledgers must answer for it");
                metrics::counter!(names::KEYS_CONTRADICTED).increment(1);
                keys.change(|map| map.skip(record.seq, bucket));
            }
        }
    }
}

/// Every key of a record, or why one of them cannot be read.
fn read_keys(record: &Record) -> Result<Vec<(KeyHash, Used)>, String> {
    lines(&record.payload)
        .map(|line| match Event::from_line(line) {
            Ok(Event::KeyUsed(event)) => Used::read(&event).map_err(|_| "a hash is no digest".to_owned()),
            Ok(other) => Err(format!("{} stands among keys", other.name())),
            Err(error @ (BadLine::UnknownType { .. } | BadLine::BadFields { .. } | BadLine::NotAnEvent { .. })) => {
                Err(chain(&error))
            }
        })
        .collect()
}

/// Trims to the position that was told one interval ago: tickets that were given since then stay valid.
async fn trim(keys: &Keys, every: Duration) {
    let mut told_before = 0;
    loop {
        tokio::time::sleep(every).await;
        // Without an answer nothing is trimmed; the map bounds itself.
        let Ok(((), position)) = query::ask(keys.0.log.client(), AskPosition {}, 0).await else { continue };
        keys.change(|map| {
            map.trim(told_before);
            metrics::gauge!(names::KEYS_REMEMBERED).set(map.len() as f64);
        });
        told_before = position;
    }
}
