//! What a call gives: the fields of its body, the parameters of its query. Which ones a route takes is in its handler's
//! signature; [`super::described`] reads it there.
//!
//! Shape: a type that describes itself ([`JsonSchema`]) and is read from an [`Input`] ([`Form`]), in one place, so that
//! whoever changes one sees the other.
//!
//! Both are read when the handler says so: that a thing is not there is answered before what is wrong with the body.

use std::convert::Infallible;
use std::marker::PhantomData;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts as Head;
use http::{HeaderMap, Uri};
use schemars::JsonSchema;

use super::problem::Problem;
use crate::domain::input::{Input, InputFault};
use crate::domain::page::{LIMIT_MAX, Page};
use crate::shell::http::{App, Parts};

/// Largest body of a call to the API, in bytes.
const BODY_BYTES_MAX: usize = 65_536;

/// Fields or parameters that are read together.
pub(super) trait Form: JsonSchema {
    /// What they become.
    type Value;

    /// Reads all of them, and refuses what is left.
    ///
    /// # Errors
    /// The first that breaks a rule.
    fn read(input: Input) -> Result<Self::Value, InputFault>;
}

/// The fields of a JSON body.
pub(super) struct Fields<F> {
    headers: HeaderMap,
    body: Body,
    form: PhantomData<fn() -> F>,
}

impl<F: Form> Fields<F> {
    /// Waits for the body and reads it.
    pub(super) async fn read(self, app: &Parts) -> Result<F::Value, Problem> {
        let body = app.bodies.read(&self.headers, self.body, BODY_BYTES_MAX).await?;
        Ok(F::read(Input::from_json(&body.bytes)?)?)
    }
}

impl<F> FromRequest<App> for Fields<F> {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &App) -> Result<Self, Infallible> {
        let (head, body) = request.into_parts();
        Ok(Self { headers: head.headers, body, form: PhantomData })
    }
}

/// The parameters of a query.
pub(super) struct Parameters<F> {
    uri: Uri,
    form: PhantomData<fn() -> F>,
}

impl<F: Form> Parameters<F> {
    /// Reads them.
    pub(super) fn read(self) -> Result<F::Value, Problem> {
        Ok(F::read(Input::from_query(self.uri.query().unwrap_or_default())?)?)
    }
}

impl<F> FromRequestParts<App> for Parameters<F> {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Head, _: &App) -> Result<Self, Infallible> {
        Ok(Self { uri: head.uri.clone(), form: PhantomData })
    }
}

/// Nothing: an empty body, or an object without fields.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Nothing {}

impl Form for Nothing {
    type Value = ();

    fn read(input: Input) -> Result<(), InputFault> {
        input.finish()
    }
}

/// Which page of a list.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what `Page` takes")]
pub(super) struct PageParameters {
    /// Most items of the page. 100 when it is left out.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of a list without filters; `P` is a place in it.
pub(super) struct OnlyPage<P>(PhantomData<P>);

impl<P> JsonSchema for OnlyPage<P> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        PageParameters::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        PageParameters::json_schema(generator)
    }
}

impl<P: std::str::FromStr> Form for OnlyPage<P> {
    type Value = Page<P>;

    fn read(mut input: Input) -> Result<Page<P>, InputFault> {
        let page = Page::take(&mut input)?;
        input.finish()?;
        Ok(page)
    }
}
