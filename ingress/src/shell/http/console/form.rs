//! What a form sends: names and values, decoded.

use axum::body::Body;
use http::HeaderMap;

use super::trouble::Trouble;
use crate::shell::http::Parts;
use crate::shell::http::body::BodyFault;

/// Largest form: the try-it form with a text at the webhook's own limit, percent-encoded.
const BYTES_MAX: usize = 262_144;

/// The fields of a form, or of a query.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a posted form.
    pub(super) async fn read(app: &Parts, headers: &HeaderMap, body: Body) -> Result<Self, Trouble> {
        let body = app.bodies.read(headers, body, BYTES_MAX).await.map_err(|fault| match fault {
            BodyFault::TooLarge(_) => Trouble::told(413, "the form is too large"),
            BodyFault::TooSlow(_) => Trouble::told(408, "the form did not arrive in time"),
            BodyFault::Broken => Trouble::told(400, "the form ended early"),
            BodyFault::NoRoom => Trouble::Unavailable("too many requests are being received".to_owned()),
        })?;
        Ok(Self(url::form_urlencoded::parse(&body.bytes).into_owned().collect()))
    }

    /// Reads a query.
    pub(super) fn of_query(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A field without the white space around it; empty when it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field as it was typed.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A field that is not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }
}
