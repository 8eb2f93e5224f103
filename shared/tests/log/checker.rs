//! Reads the whole log and recomputes every chain: a second, small implementation that shares no code with the writer.

use std::collections::BTreeMap;

use angelia_shared::log::EventLog;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::StreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A record as the broker gives it out.
pub(crate) struct Record {
    pub(crate) seq: u64,
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
}

impl Record {
    /// The lines.
    pub(crate) fn lines(&self) -> Vec<&[u8]> {
        self.payload.split(|byte| *byte == b'\n').collect()
    }

    /// The name and the fields of its only event.
    fn event(&self) -> (String, Value) {
        let Value::Object(event) = serde_json::from_slice(&self.payload).unwrap() else { panic!("not an event") };
        event.into_iter().next().unwrap()
    }
}

/// What a writer's subject says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    digest: [u8; 32],
    pub(crate) batches: u64,
    /// Records in its batches, seals not counted.
    pub(crate) records: u64,
    pub(crate) fenced: bool,
    pub(crate) closed: bool,
}

/// Reads everything that is in the log now.
pub(crate) async fn read_all(log: &EventLog) -> Vec<Record> {
    let stream = log.jetstream().get_stream("ANGELIA_EVENTS").await.unwrap();
    let last = stream.cached_info().state.last_sequence;
    let config = pull::Config { ack_policy: AckPolicy::None, ..Default::default() };
    let mut messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let mut records = Vec::new();
    while records.len() < usize::try_from(last).unwrap() {
        let message = messages.next().await.unwrap().unwrap();
        let seq = message.info().unwrap().stream_sequence;
        records.push(Record { seq, subject: message.subject.to_string(), payload: message.payload.to_vec() });
    }
    records
}

/// Checks that sequences are contiguous, that every record is sealed, and that every seal continues its chain.
pub(crate) fn chains(records: &[Record]) -> BTreeMap<String, Chain> {
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    let mut unsealed = Vec::new();
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!(record.seq, seq, "sequences are contiguous");
        let Some(writer) = record.subject.strip_prefix("ev.writer.") else {
            unsealed.push(record);
            continue;
        };
        let (name, fields) = record.event();
        let known = chains.contains_key(writer);
        let chain = chains.entry(writer.to_owned()).or_default();
        match name.as_str() {
            "WriterOpened" => {
                assert!(!known && unsealed.is_empty(), "a writer is opened once, alone");
                chain.digest = digest([0; 32], [record]);
            }
            "BatchSealed" | "WriterClosed" => {
                assert!(known && !chain.fenced && !chain.closed, "only an open writer seals");
                assert_eq!(fields["n"], chain.batches + 1, "batches are numbered");
                assert_eq!(fields["count"], unsealed.len(), "a seal counts its records");
                assert_eq!(fields["previous_digest"], hex::encode(chain.digest), "a seal continues its chain");
                chain.digest = digest(chain.digest, unsealed.iter().copied());
                assert_eq!(fields["digest"], hex::encode(chain.digest), "a seal covers its records");
                chain.batches += 1;
                chain.records += unsealed.len() as u64;
                chain.closed = name == "WriterClosed";
                unsealed.clear();
            }
            "WriterFenced" => {
                assert!(unsealed.is_empty(), "a fence stands alone");
                chain.fenced = true;
            }
            other => panic!("{other} on a writer's subject"),
        }
    }
    assert!(unsealed.is_empty(), "every record is sealed");
    chains
}

fn digest<'a>(previous: [u8; 32], records: impl IntoIterator<Item = &'a Record>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    for record in records {
        for text in [record.subject.as_bytes(), &record.payload] {
            hash.update(u32::try_from(text.len()).unwrap().to_le_bytes());
            hash.update(text);
        }
    }
    hash.finalize().into()
}
