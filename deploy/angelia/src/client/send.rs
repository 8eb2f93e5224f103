//! Sends a message through a webhook, and waits for what becomes of it when it is told to.
//!
//! Invariants:
//! - A try is repeated only with the same idempotency key, so that however many are made, one message is sent.

use std::io::Read as _;
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::dice;
use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::api::{self, Api, NoAnswer, Refused};
use super::cli::{Recipient, SendArgs};
use super::place::{As, Place};
use super::shown;
use crate::audit::print;

/// Tries of one send, a second apart: a service that is restarted is back by then.
const TRIES_MAX: u32 = 10;
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at a message.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(args: SendArgs) -> anyhow::Result<()> {
    let place = Place::find(&args.remote, args.webhook_url.as_deref())?;
    let url = place.webhook_url()?;
    // Before anything is sent: whoever wants to wait must be able to look.
    let wait = args.wait.map(|seconds| Ok::<_, anyhow::Error>((seconds, place.api(As::Owner)?, place.workspace()?)));
    let wait = wait.transpose()?;
    let json = args.remote.json;
    let key = args.key.clone().unwrap_or_else(|| format!("cli-{:032x}", dice::u80()));
    let id = accepted(&url, &key, &body(args)?).await?;
    let Some((seconds, api, workspace)) = wait else {
        let shown = json!({"message_id": id, "idempotency_key": key});
        return if json { shown::one(&shown, true) } else { print(&format!("{id}\n")) };
    };
    let message = ended(&api, &workspace, &id, Duration::from_secs(seconds)).await?;
    if json {
        shown::one(&message, true)?;
    } else {
        print(&format!("{id}  {}\n", shown::cell(&message["state"])))?;
    }
    match message["state"].as_str() {
        Some("failed" | "cancelled") => {
            let why = message["detail"].as_str().or(message["reason"].as_str()).unwrap_or("it was cancelled");
            Err(Refused(shown::plain(&format!("it was not sent: {why}"))).into())
        }
        _ => Ok(()),
    }
}

/// The body of the webhook's call.
fn body(args: SendArgs) -> anyhow::Result<Value> {
    let text = match args.text.as_deref() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read the text from standard input")?;
            // The line end that every tool adds is not part of the message.
            text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
        }
        text => text.unwrap_or_default().to_owned(),
    };
    let Recipient { phone, chat_id, jid, chat_name } = args.to;
    let fields = [
        ("phone", phone),
        ("chat_id", chat_id),
        ("jid", jid),
        ("chat_name", chat_name),
        ("file_url", args.file_url),
        ("file_name", args.file_name),
        ("whatsapp account phone", args.from),
    ];
    let mut body = Map::from_iter([("action".to_owned(), json!("send")), ("text".to_owned(), json!(text))]);
    body.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))));
    Ok(Value::Object(body))
}

/// Calls the webhook until it answers for good; gives the message's id.
async fn accepted(url: &str, key: &str, body: &Value) -> anyhow::Result<String> {
    let http = api::client(url)?;
    for tries in 1.. {
        match api::answered(http.post(url).header("idempotency-key", key).json(body)).await {
            Ok(text) => {
                let answer: Value = serde_json::from_str(&text).unwrap_or_default();
                let id = answer["data"]["message_id"].as_str();
                return id
                    .map(str::to_owned)
                    .ok_or_else(|| NoAnswer("this is no webhook of Angelia".to_owned()).into());
            }
            Err(error) if error.is::<NoAnswer>() && tries < TRIES_MAX => tokio::time::sleep(AGAIN).await,
            Err(error) if error.is::<NoAnswer>() => {
                let safe = format!("; it may be on its way: the same words with --key {key} send it once");
                return Err(NoAnswer(format!("{error}{safe}")).into());
            }
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last try returns")
}

/// Waits until WhatsApp took the message, or it will not.
async fn ended(api: &Api, workspace: &str, id: &str, within: Duration) -> anyhow::Result<Value> {
    let started = clock::monotonic();
    loop {
        let message = api.get(&format!("{workspace}/messages/{}", api::segment(id))).await?;
        let state = message["state"].as_str().unwrap_or_default().to_owned();
        if !matches!(state.as_str(), "queued" | "sending") {
            return Ok(message);
        }
        if started.elapsed() >= within {
            let held_by = message["held_by"].as_str().map(|what| format!(", held by {what}")).unwrap_or_default();
            let seconds = within.as_secs();
            return Err(NoAnswer(shown::plain(&format!("{id} is still {state} after {seconds} s{held_by}"))).into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
