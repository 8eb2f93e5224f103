//! The broker's own form of a stream in one piece: taken and given back over its API.
//!
//! Shape: a request names the inbox for the pieces; each is acknowledged, an empty one is the end. Giving back is the same
//! turned round. Source: `$JS.API.STREAM.SNAPSHOT` and `$JS.API.STREAM.RESTORE` of nats-server 2.15.1.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::{Client, Request, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::manifest::{StreamFile, create};

/// One piece: the server's own choice.
const PIECE_BYTES: usize = 128 * 1024;
/// The broker reads the whole stream to check it before it answers, and unpacks it before it says that it is there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(600);
/// Between two pieces.
const PIECE_WITHIN: Duration = Duration::from_secs(60);
/// The broker's words for a stream that is not there. Source: its list of errors.
const NOT_FOUND: u64 = 10_059;

/// Takes a stream into a file; none when there is no such stream.
///
/// # Errors
/// When the broker refuses or goes away, or the file cannot be written.
pub(super) async fn take(client: &Client, stream: &str, folder: &Path) -> anyhow::Result<Option<StreamFile>> {
    // A cluster answers no question for a snapshot of a stream that is not there: the stream's leader would, and there is none.
    let told = ask(client, format!("$JS.API.STREAM.INFO.{stream}"), Bytes::new()).await?;
    if told["error"]["err_code"].as_u64() == Some(NOT_FOUND) {
        return Ok(None);
    }
    let inbox = client.new_inbox();
    let mut pieces = client.subscribe(inbox.clone()).await?;
    // Checksums are checked by the broker, so that a rotten disk is told now and not at the restore.
    let wanted = json!({"deliver_subject": inbox, "no_consumers": true, "chunk_size": PIECE_BYTES, "jsck": true});
    let mut answer = ask(client, format!("$JS.API.STREAM.SNAPSHOT.{stream}"), wanted.to_string().into()).await?;
    match answer["error"]["err_code"].as_u64() {
        Some(NOT_FOUND) => return Ok(None),
        Some(_) => bail!("the broker gives no snapshot of {stream}: {}", answer["error"]["description"]),
        None => {}
    }
    let name = format!("{stream}.snapshot");
    let path = folder.join(&name);
    let mut file = create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    loop {
        let piece = tokio::time::timeout(PIECE_WITHIN, pieces.next()).await;
        let Ok(Some(piece)) = piece else { bail!("the broker stopped in the middle of the snapshot of {stream}") };
        if piece.payload.is_empty() {
            let ended = piece.status.unwrap_or(StatusCode::OK);
            if !ended.is_success() {
                bail!("the broker broke the snapshot of {stream} off: {}", piece.description.unwrap_or_default());
            }
            break;
        }
        file.write_all(&piece.payload).with_context(|| format!("cannot write {}", path.display()))?;
        if let Some(reply) = piece.reply {
            client.publish(reply, Bytes::new()).await?;
        }
    }
    file.sync_all()?;
    let (config, state) = (answer["config"].take(), answer["state"].take());
    Ok(Some(StreamFile { stream: stream.to_owned(), file: name, config, state }))
}

/// Gives a stream back, with so many copies.
///
/// # Errors
/// When there is one of that name, or the broker refuses or goes away.
pub(super) async fn give_back(
    client: &Client,
    taken: &StreamFile,
    folder: &Path,
    replicas: usize,
) -> anyhow::Result<()> {
    let StreamFile { stream, file, config, state } = taken;
    let mut config = config.clone();
    config["num_replicas"] = json!(replicas);
    let wanted = json!({"config": config, "state": state}).to_string();
    let answer = ask(client, format!("$JS.API.STREAM.RESTORE.{stream}"), wanted.into()).await?;
    well(&answer, stream)?;
    let to = answer["deliver_subject"].as_str().context("the broker does not say where the snapshot goes")?.to_owned();
    let path = folder.join(file);
    let mut file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
        let answer = ask(client, to.clone(), Bytes::copy_from_slice(&buffer[..read])).await?;
        well(&answer, stream)?;
        if read == 0 {
            return Ok(());
        }
    }
}

fn well(answer: &Value, stream: &str) -> anyhow::Result<()> {
    match &answer["error"] {
        Value::Null => Ok(()),
        error => bail!("the broker does not take {stream} back: {}", error["description"]),
    }
}

/// Asks the broker; an empty answer is nothing but an acknowledgement.
async fn ask(client: &Client, subject: String, payload: Bytes) -> anyhow::Result<Value> {
    let request = Request::new().payload(payload).timeout(Some(ANSWERS_WITHIN));
    let answer = client.send_request(subject, request).await.context("the broker does not answer")?;
    if answer.payload.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.payload).context("the broker's answer cannot be read")
}
