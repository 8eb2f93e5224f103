//! `GET /sandbox/journal?after=SEQ`: the journal as it is on disk, streamed.

use std::io;
use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::super::reader::Reader;
use super::App;

#[derive(Deserialize)]
pub(super) struct Filter {
    /// Only lines with a greater `seq`.
    #[serde(default)]
    after: u64,
}

pub(super) async fn lines(State(app): State<App>, filter: Result<Query<Filter>, QueryRejection>) -> Response {
    let Ok(Query(Filter { after })) = filter else {
        return (StatusCode::BAD_REQUEST, "after must be the seq of a journal line\n").into_response();
    };
    let reader = app.journal.reader.clone();
    let from = reader.clone();
    let range = match spawn_blocking(move || from.range(after)).await {
        Ok(Ok(range)) => range,
        Ok(Err(_)) | Err(_) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "the journal cannot be read\n").into_response();
        }
    };
    let headers =
        [(CONTENT_TYPE, "application/x-ndjson".to_owned()), (CONTENT_LENGTH, (range.end - range.start).to_string())];
    (headers, Body::from_stream(chunks(reader, range))).into_response()
}

/// One chunk at a time, read when the client has taken the one before.
fn chunks(reader: Reader, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(range, move |range| {
        let reader = reader.clone();
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let wanted = range.clone();
            let chunk = spawn_blocking(move || reader.chunk(&wanted)).await.map_err(io::Error::other)??;
            let rest = range.start + chunk.len() as u64..range.end;
            Ok(Some((chunk, rest)))
        }
    })
}
