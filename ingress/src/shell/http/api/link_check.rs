//! Checks whether a link really downloads a file, by the dispatcher's own checks: this process connects to nothing that a
//! user names.

use angelia_shared::link_check::{self, AskLink, LinkChecked};
use axum::extract::State;
use schemars::JsonSchema;

use super::allowed::{Allowed, Owner};
use super::answer::{Answer, Shown};
use super::form::{Fields, Form};
use crate::domain::input::{Input, InputFault};
use crate::shell::http::App;

/// Longest link, in characters: what a webhook call may give, too.
const URL_CHARS_MAX: usize = 2_048;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 255;

/// A link to check.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Link {
    #[schemars(length(min = 1, max = URL_CHARS_MAX))]
    url: String,
    /// The name that the file would be sent under: its ending helps to tell what the file is.
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    file_name: Option<String>,
}

impl Form for Link {
    type Value = Self;

    fn read(mut input: Input) -> Result<Self, InputFault> {
        let url = input.required_text("url", URL_CHARS_MAX)?;
        let file_name = input.text("file_name", NAME_CHARS_MAX)?;
        input.finish()?;
        Ok(Self { url, file_name })
    }
}

/// `POST …/link-check`.
pub(super) async fn check(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<Link>,
) -> Answer<Shown<LinkChecked>> {
    let Link { url, file_name } = fields.read(&app).await?;
    let ask = AskLink { workspace: allowed.id(), url, file_name: file_name.unwrap_or_default() };
    Ok(Shown(link_check::ask(app.log.client(), &ask).await?))
}
