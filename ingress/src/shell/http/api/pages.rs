//! Pages for people who write integrations: the reference, and what each problem means. Made once, from the document and
//! from the table of problems; nothing in them comes from a caller or from another host, and they need no script.

mod html;
mod problems;
mod reference;
mod schema;

#[cfg(test)]
pub(super) use self::reference::page as reference_page;

use std::sync::{Arc, OnceLock};

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};

use super::problem::Problem;
use super::table::{Table, about};

/// Where the reference is.
pub(super) const REFERENCE: &str = "/docs";
/// Where its style is.
const STYLE: &str = "/docs/style.css";
/// Nothing but our own style sheet.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// They change with the program only.
const KEPT: &str = "public, max-age=300";

/// The document and the pages, once they are made. Their routes are in the document themselves.
#[derive(Clone, Default)]
pub(super) struct Reference(Arc<OnceLock<Made>>);

struct Made {
    document: Bytes,
    reference: Bytes,
}

impl Reference {
    /// Makes the pages from the document of all routes.
    pub(super) fn complete(&self, document: Value, public_url: &str) {
        let reference = Bytes::from(reference::page(&document, public_url));
        let document = Bytes::from(serde_json::to_vec(&document).expect("a document has only plain values"));
        let _once = self.0.set(Made { document, reference });
    }

    fn made(&self) -> &Made {
        self.0.get().expect("it is complete before the router is served")
    }

    /// Adds their routes.
    pub(super) fn add_to(&self, table: &mut Table) {
        let page = |what: &str| {
            let content = json!({"text/html": {"schema": {"type": "string"}}});
            json!({"description": what, "content": content})
        };
        let other = |what: &str, kind: &str| json!({"description": what, "content": {kind: {"schema": {}}}});
        let not_found = json!({"$ref": "#/components/responses/NotFound"});
        let (document, reference) = (self.clone(), self.clone());
        table
            .section("Reference", "", "What you read.")
            .open(
                Method::GET,
                "/openapi.json",
                get(async move || document.document()),
                about("openapi", "This document"),
                &[(200, other("The document, OpenAPI 3.1.", "application/json"))],
            )
            .open(
                Method::GET,
                REFERENCE,
                get(async move || shown(reference.made().reference.clone())),
                about("reference", "The reference as a page"),
                &[(200, page("The page."))],
            )
            .open(
                Method::GET,
                STYLE,
                get(async || style()),
                about("style", "The style of the pages"),
                &[(200, other("The style sheet.", "text/css"))],
            )
            .open(
                Method::GET,
                "/problems",
                get(async || shown(Bytes::from(problems::index()))),
                about("list_problems", "Every kind of problem, as a page"),
                &[(200, page("The page."))],
            )
            .open(
                Method::GET,
                "/problems/{problem}",
                get(problem),
                about("show_problem", "What a kind of problem means, and what to do, as a page"),
                &[(200, page("The page.")), (404, not_found)],
            );
    }

    fn document(&self) -> Response {
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, KEPT), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
        (headers, self.made().document.clone()).into_response()
    }
}

async fn problem(Path(name): Path<String>) -> Result<Response, Problem> {
    let page = problems::page(&name).ok_or_else(|| Problem::not_found("there is no such kind of problem"))?;
    Ok(shown(Bytes::from(page)))
}

fn style() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, KEPT), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, include_str!("pages/style.css")).into_response()
}

fn shown(page: Bytes) -> Response {
    let headers: [(HeaderName, &'static str); 6] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, KEPT),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::OK, headers, page).into_response()
}
