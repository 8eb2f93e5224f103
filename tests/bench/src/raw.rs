//! The log's writer alone: what a batch costs without HTTP, parsing, sealing and credits.

use std::collections::VecDeque;
use std::time::Duration;

use angelia_shared::clock::monotonic;
use angelia_shared::event::{Event, MessageAccepted, Sealed};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, WebhookId, WorkspaceId, WriterId};
use angelia_shared::log::{Access, Entry, EventLog, Group, Pending, Writer, WriterOptions, connect};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::{Credits, UnixMillis};
use anyhow::{Context as _, bail};

use crate::load::Outcome;

/// Acceptances in a batch.
const BATCH: usize = 500;
/// Partitions that they fall into, as those of one busy workspace's few accounts.
const PARTS: u16 = 4;
/// Length of a sealed text of some fifty characters.
const SEALED_CHARS: usize = 300;

/// Appends batches for `duration`, one after the other.
pub(crate) async fn write(access: &Access, duration: Duration) -> anyhow::Result<Outcome> {
    let log = loop {
        // The broker is started at the same moment.
        match connect(access, "bench-raw").await {
            Ok(client) => break EventLog::open(client, 1, 64).await?,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let options = WriterOptions { role: "bench".to_owned(), member: MemberId::generate(), fails_fast: false };
    let mut writer = Writer::open(log, options).await?;
    let mut outcome = Outcome::default();
    let began = monotonic();
    while began.elapsed() < duration {
        let sent = monotonic();
        let (mut queue, answers): (VecDeque<_>, Vec<_>) =
            (0..BATCH).map(|number| Pending::new(Group::one(entry(writer.id(), number)))).unzip();
        writer.commit(&mut queue).await;
        if !queue.is_empty() {
            bail!("{} entries did not fit into the batch", queue.len());
        }
        for answer in answers {
            answer.await.context("the writer has stopped")?.context("an entry was not stored")?;
        }
        outcome.accepted += BATCH as u64;
        outcome.latencies_us.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}

fn entry(writer: WriterId, number: usize) -> Entry {
    let event = MessageAccepted {
        v: 1,
        message: MessageId::generate(),
        workspace: WorkspaceId(7),
        webhook: WebhookId(8),
        account: AccountId(9),
        credits: Credits(1),
        has_text: true,
        has_file: false,
        at: UnixMillis(1_700_000_000_000),
        expires_after_ms: 86_400_000,
        writer,
        sealed: Sealed { key_id: KeyId(1), data: "x".repeat(SEALED_CHARS) },
        traceparent: None,
    };
    let part = Partition(number as u16 % PARTS);
    Entry::new(Subject::Accepted(part), &Event::MessageAccepted(Box::new(event)))
}
