//! The last calls of a webhook, accepted and refused.
//!
//! Accepted calls come from the ledger and are rebuilt from their events; refused ones from their own stream.

use angelia_shared::event::Content;
use angelia_shared::event::message::To;
use angelia_shared::ids::{WebhookId, WorkspaceId};
use angelia_shared::query::{AcceptedCall, AskActivations};
use angelia_shared::units::UnixMillis;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::allowed::{Allowed, Everyone};
use super::answer::{Answer, File, List, Shown};
use super::form::{Form, Parameters};
use super::ledger;
use super::problem::Problem;
use crate::domain::field::Field;
use crate::domain::input::{Input, InputFault};
use crate::shell::contents;
use crate::shell::http::{App, Parts};
use crate::shell::refusals::ShownRefusal;

/// Calls that are shown of a webhook.
const SHOWN_MAX: usize = 100;

/// A call of a webhook.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Activation")]
pub(super) struct View {
    id: String,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    /// The caller's address; null when the content was erased.
    caller: Option<String>,
    /// What it was answered.
    status: u16,
    /// The message that it became.
    message_id: Option<String>,
    /// Why it was refused.
    error: Option<String>,
    /// What was ignored in it.
    warnings: Vec<String>,
    /// A refused body as received, up to 4 KiB; an accepted one rebuilt from its event.
    body: Option<String>,
    #[serde(skip)]
    at_ms: UnixMillis,
}

/// `GET …/{h}/activations`, newest first.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Everyone>,
    query: Parameters<Newest>,
) -> Answer<Shown<List<View>>> {
    let webhook = allowed.webhook(&app)?.id;
    let items = newest(&app, allowed.id(), webhook, query.read()?).await?;
    Ok(Shown(List { items, next_cursor: None }))
}

/// How many of the newest calls.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what is read from it")]
pub(super) struct Newest {
    /// 100 when it is left out. There are no more, and no cursor.
    #[schemars(range(min = 1, max = SHOWN_MAX))]
    limit: Option<u64>,
}

impl Form for Newest {
    type Value = usize;

    fn read(mut input: Input) -> Result<usize, InputFault> {
        let limit = input.number("limit", 1..=SHOWN_MAX as u64)?.map_or(SHOWN_MAX, |limit| limit as usize);
        if input.value("cursor").is_some() {
            return Err(InputFault::of("cursor", "is not known here: only the last 100 calls are kept"));
        }
        input.finish()?;
        Ok(limit)
    }
}

/// `GET …/{h}/activations.log`: the same as a file of JSON lines.
pub(super) async fn download(State(app): State<App>, allowed: Allowed<Everyone>) -> Answer<File> {
    let webhook = allowed.webhook(&app)?.id;
    let items = newest(&app, allowed.id(), webhook, SHOWN_MAX).await?;
    let mut file = Vec::new();
    for item in &items {
        serde_json::to_writer(&mut file, item).expect("an activation has only plain values");
        file.push(b'\n');
    }
    let mut response = Response::new(Body::from(file));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let name = HeaderValue::from_str(&format!("attachment; filename=\"activations-{webhook}.log\""));
    headers.insert(CONTENT_DISPOSITION, name.expect("an id is plain ASCII"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(File(response))
}

async fn newest(app: &Parts, workspace: WorkspaceId, webhook: WebhookId, limit: usize) -> Result<Vec<View>, Problem> {
    let ask = AskActivations { workspace, webhook, limit: SHOWN_MAX as u32 };
    let (accepted, refused) = tokio::join!(ledger::ask(app, ask), app.refusals.of(workspace, webhook));
    let mut views = Vec::with_capacity(2 * SHOWN_MAX);
    for call in accepted?.0 {
        let content = contents::open(&app.vault, call.message, &call.sealed).await?;
        views.push(accepted_view(&call, content));
    }
    views.extend(refused?.into_iter().map(refused_view));
    // Each list is newest first, so a stable sort keeps the order of calls of the same millisecond.
    views.sort_by_key(|view| std::cmp::Reverse(view.at_ms));
    views.truncate(limit);
    Ok(views)
}

fn accepted_view(call: &AcceptedCall, content: Option<Content>) -> View {
    let body = content.as_ref().map(|content| rebuilt(content).to_string());
    let (caller, warnings) = content.map_or((None, Vec::new()), |content| (Some(content.caller), content.warnings));
    View {
        id: call.position.to_string(),
        at: call.at.to_rfc3339(),
        caller,
        status: 200,
        message_id: Some(call.message.public()),
        error: None,
        warnings,
        body,
        at_ms: call.at,
    }
}

fn refused_view(call: ShownRefusal) -> View {
    let details = call.details;
    View {
        id: format!("r{}", call.seq),
        at: call.at.to_rfc3339(),
        caller: details.as_ref().map(|details| details.caller.clone()),
        status: call.status,
        message_id: None,
        error: details.as_ref().map(|details| details.error.clone()),
        warnings: details.as_ref().map(|details| details.warnings.clone()).unwrap_or_default(),
        body: details.map(|details| details.body),
        at_ms: call.at,
    }
}

/// The body that would have made this event. What was ignored is not in it.
fn rebuilt(content: &Content) -> Value {
    let mut body = Map::new();
    let mut put = |field: Field, value: &str| body.insert(field.name().to_owned(), Value::from(value));
    put(Field::Action, "send");
    put(Field::Text, &content.text);
    match &content.to {
        To::ChatId(id) => put(Field::ChatId, id),
        To::Jid(jid) => put(Field::Jid, jid),
        To::Phone(phone) => put(Field::Phone, phone),
        To::ChatName(name) => put(Field::ChatName, name),
    };
    let optional = [
        (Field::AccountPhone, &content.account_phone),
        (Field::FileUrl, &content.file_url),
        (Field::FileName, &content.file_name),
    ];
    for (field, value) in optional {
        if let Some(value) = value {
            put(field, value);
        }
    }
    Value::Object(body)
}
