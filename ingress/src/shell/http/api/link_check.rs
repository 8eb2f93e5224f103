//! Checks whether a link really downloads a file, by the dispatcher's own checks: this process connects to nothing that a
//! user names.

use angelia_shared::link_check::{self, AskLink, LinkChecked};
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;

use super::allowed::{Allowed, Owner};
use super::answer::{self, Answer};
use crate::shell::http::App;

/// Longest link and longest name, in characters: what a webhook call may give, too.
const CHARS_MAX: (usize, usize) = (2_048, 255);

/// `POST …/link-check`.
pub(super) async fn check(State(app): State<App>, allowed: Allowed<Owner>, headers: HeaderMap, body: Body) -> Answer {
    let mut input = answer::input(&app, &headers, body).await?;
    let url = input.required_text("url", CHARS_MAX.0)?;
    let file_name = input.text("file_name", CHARS_MAX.1)?.unwrap_or_default();
    input.finish()?;
    let checked: LinkChecked =
        link_check::ask(app.log.client(), &AskLink { workspace: allowed.id(), url, file_name }).await?;
    answer::ok(&checked)
}
