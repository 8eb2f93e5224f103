//! `POST /{version}/{phone_number_id}/media` and `GET /{version}/{media_id}`.
//!
//! Invariants:
//! - A file is hashed as it streams in and never held: memory does not depend on its size.

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::domain::body;
use crate::domain::graph::{GraphError, Refusal};
use crate::domain::line::MEDIA;
use crate::domain::media_id::MediaId;

use super::super::connections::closed;
use super::super::journal::{Received, Verdict};
use super::{App, BODY_TIMEOUT, DRAINED_MOST, Target, json as json_response, refuse};

/// Largest file: the Cloud API's own bound for audio and video; documents may be larger there, but not from Angelia.
const FILE_BYTES: u64 = 16 << 20;
/// Form fields beside the file, and bytes of one: the API knows two short ones.
const FIELDS_MOST: usize = 16;
const FIELD_BYTES: usize = 4_096;

/// What was received of a form.
#[derive(Default)]
struct Form {
    fields: Map<String, Value>,
    file: Option<FileSeen>,
}

struct FileSeen {
    name: Option<String>,
    size: u64,
    sha256: String,
}

pub(super) async fn upload(State(app): State<App>, target: Target, headers: HeaderMap, request: Request) -> Response {
    let mut form = Form::default();
    let Ok(read) = timeout(BODY_TIMEOUT, form.read(request, &app)).await else { return closed() };
    let judged = app.authorize(&headers).and(read).and_then(|()| form.check());
    let error = judged.as_ref().err().map(GraphError::from);
    let received = Received {
        received_at_ms: target.received_at_ms,
        phone_number_id: target.id,
        to: None,
        kind: Some(MEDIA.to_owned()),
        body: body::object(&form.shown()),
        tracker: None,
        verdict: Verdict::Answer(error.map_or(200, |error| error.status)),
    };
    match (app.journal.record(received).await, judged) {
        (Err(_), _) => refuse(&Refusal::JournalUnavailable),
        (Ok(_), Err(refusal)) => refuse(&refusal),
        (Ok(recorded), Ok(())) => {
            let id = MediaId { received_at_ms: target.received_at_ms, offset: recorded.offset };
            json_response(200, json!({"id": id.to_string()}).to_string())
        }
    }
}

impl Form {
    async fn read(&mut self, request: Request, app: &App) -> Result<(), Refusal> {
        let mut parts = Multipart::from_request(request, app).await.map_err(|_| Refusal::NotAForm)?;
        while let Some(part) = parts.next_field().await.map_err(|_| Refusal::NotAForm)? {
            let name = part.name().unwrap_or_default().to_owned();
            if name == "file" && self.file.is_none() {
                self.file = Some(read_file(part).await?);
            } else if name == "file" || self.fields.len() == FIELDS_MOST || name.len() > FIELD_BYTES {
                return Err(Refusal::NotAForm);
            } else {
                self.fields.insert(name, Value::String(read_field(part).await?));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        let field = |name: &str| self.fields.get(name).and_then(Value::as_str);
        if field("messaging_product") != Some("whatsapp") {
            return Err(Refusal::Missing("messaging_product"));
        }
        match field("type") {
            None | Some("") => return Err(Refusal::Missing("type")),
            Some(kind) if !kind.contains('/') => return Err(Refusal::WrongType("type", "a MIME type")),
            Some(_) => {}
        }
        match &self.file {
            None => Err(Refusal::Missing("file")),
            Some(file) if file.size > FILE_BYTES => Err(Refusal::FileTooLarge(FILE_BYTES)),
            Some(_) => Ok(()),
        }
    }

    /// The form as the journal shows it.
    fn shown(&self) -> Map<String, Value> {
        let mut shown = self.fields.clone();
        shown.insert("file_name".into(), self.file.as_ref().and_then(|file| file.name.clone()).into());
        shown.insert("size".into(), self.file.as_ref().map(|file| file.size).into());
        shown.insert("sha256".into(), self.file.as_ref().map(|file| file.sha256.clone()).into());
        shown
    }
}

/// Hashes a file; one that is too large is read to its end all the same, within a bound, so that its sender hears why.
async fn read_file(mut part: Field<'_>) -> Result<FileSeen, Refusal> {
    let name = part.file_name().map(str::to_owned);
    let (mut size, mut hash) = (0_u64, Sha256::new());
    while let Some(chunk) = part.chunk().await.map_err(|_| Refusal::NotAForm)? {
        size += chunk.len() as u64;
        hash.update(&chunk);
        if size > DRAINED_MOST {
            return Err(Refusal::FileTooLarge(FILE_BYTES));
        }
    }
    Ok(FileSeen { name, size, sha256: hex::encode(hash.finalize()) })
}

async fn read_field(mut part: Field<'_>) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(|_| Refusal::NotAForm)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > FIELD_BYTES {
            return Err(Refusal::NotAForm);
        }
    }
    String::from_utf8(bytes).map_err(|_| Refusal::NotAForm)
}

pub(super) async fn show(State(app): State<App>, target: Target, headers: HeaderMap) -> Response {
    match find(&app, &target.id, &headers).await {
        Ok(found) => json_response(200, found),
        Err(refusal) => refuse(&refusal),
    }
}

async fn find(app: &App, media_id: &str, headers: &HeaderMap) -> Result<String, Refusal> {
    app.authorize(headers)?;
    let id = MediaId::parse(media_id).ok_or(Refusal::UnknownMedia)?;
    let reader = app.journal.reader.clone();
    let found = spawn_blocking(move || reader.media(id)).await.ok().and_then(Result::ok);
    let media = found.ok_or(Refusal::JournalUnavailable)?.ok_or(Refusal::UnknownMedia)?;
    let body: Value = serde_json::from_str(&media.body).map_err(|_| Refusal::JournalUnavailable)?;
    let answer = json!({"messaging_product": "whatsapp", "mime_type": body["type"], "sha256": body["sha256"],
                        "file_size": body["size"], "id": media_id});
    Ok(answer.to_string())
}
