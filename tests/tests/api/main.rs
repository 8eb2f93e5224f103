//! The HTTP API: its shapes, its roles, its errors and its pages.

mod accounts;
mod activations;
mod document;
mod matrix;
mod money;
mod pages;
mod roles;
mod schemathesis;
mod things;

use angelia_tests::installation::{Installation, Setup, Shared};
use serde_json::Value;

static SHARED: Shared = Shared::new(Setup::new);

async fn installation() -> &'static Installation {
    SHARED.get().await
}

/// Checks that an object has at least these fields.
#[track_caller]
fn has(object: &Value, fields: &[&str]) {
    for field in fields {
        assert!(object.get(field).is_some(), "no {field} in {object}");
    }
}

/// Checks that a text is an RFC 3339 time.
#[track_caller]
fn is_time(value: &Value) {
    let time = value.as_str().and_then(angelia_shared::units::UnixMillis::from_rfc3339);
    assert!(time.is_some(), "not an RFC 3339 time: {value}");
}
