//! Reads what a route takes and answers from its handler's signature.
//!
//! Shape: a handler's arguments and return type -> an [`Operation`]. A handler whose signature says nothing of it cannot
//! stand in the table of routes.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use http::HeaderMap;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::allowed::{Allowed, Installation, Right};
use super::answer::{Answer, Created, Done, File, List, ListOrCsv, Put, Requested, Shown};
use super::form::{Fields, Form, Parameters};
use super::problem::Kind;
use crate::domain::access::Allows;
use crate::shell::http::App;

/// Collects the schemas of everything that is described.
pub(super) struct Schemas {
    /// Of what is answered.
    shown: SchemaGenerator,
    /// Of what is given.
    given: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = |contract| {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
                settings.contract = contract;
            });
            settings.into_generator()
        };
        Self { shown: settings(Contract::Serialize), given: settings(Contract::Deserialize) }
    }
}

impl Schemas {
    /// The schema of what is answered.
    pub(super) fn shown<T: JsonSchema>(&mut self) -> Value {
        self.shown.subschema_for::<T>().to_value()
    }

    /// The schema of what is given.
    pub(super) fn given<T: JsonSchema>(&mut self) -> Value {
        self.given.subschema_for::<T>().to_value()
    }

    /// Every schema that was referred to, by its name.
    pub(super) fn definitions(mut self) -> Map<String, Value> {
        let mut all = self.shown.take_definitions(true);
        for (name, schema) in self.given.take_definitions(true) {
            let known = all.insert(name.clone(), schema.clone());
            debug_assert!(known.is_none_or(|known| known == schema), "two schemas are called {name}");
        }
        all
    }
}

/// What a route takes and answers.
#[derive(Default)]
pub(super) struct Operation {
    /// Whom it lets through; everybody when it asks for no token.
    pub(super) allows: Option<Allows>,
    /// The parameters of its query.
    pub(super) parameters: Vec<Value>,
    /// Its body.
    pub(super) body: Option<Value>,
    /// Its answers by status.
    pub(super) answers: BTreeMap<u16, Value>,
    /// What may go wrong.
    pub(super) problems: BTreeSet<Kind>,
}

impl Operation {
    /// Adds an answer with a JSON body.
    pub(super) fn answers_json(&mut self, status: u16, description: &str, schema: &Value) {
        let answer = json!({"description": description, "content": {"application/json": {"schema": schema}}});
        self.answers.insert(status, answer);
    }

    fn guarded(&mut self, allows: Allows) {
        self.allows = Some(allows);
        self.problems.extend([Kind::Unauthenticated, Kind::Internal, Kind::Unavailable]);
        if allows != Allows::Everyone {
            self.problems.insert(Kind::Forbidden);
        }
    }
}

/// A handler that describes itself. `T` is what axum makes of its arguments.
pub(super) trait Described<T> {
    /// Adds what the handler takes and answers.
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

macro_rules! described {
    ($($argument:ident),+) => {
        impl<F, Answering, Out, Via, $($argument: Argument),+> Described<(Via, $($argument,)+)> for F
        where
            F: Fn($($argument),+) -> Answering,
            Answering: Future<Output = Answer<Out>>,
            Out: Outcome,
        {
            fn describe(operation: &mut Operation, schemas: &mut Schemas) {
                $($argument::describe(operation, schemas);)+
                Out::describe(operation, schemas);
            }
        }
    };
}
described!(A1);
described!(A1, A2);
described!(A1, A2, A3);
described!(A1, A2, A3, A4);

/// Something that a handler takes.
pub(super) trait Argument {
    /// Adds what it means.
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

impl Argument for State<App> {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

/// For `Accept`; the answer says what it chooses between.
impl Argument for HeaderMap {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl<R: Right> Argument for Allowed<R> {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.guarded(R::ALLOWS);
        operation.problems.insert(Kind::NotFound);
    }
}

impl Argument for Installation {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.guarded(Allows::Operator);
    }
}

impl<F: Form> Argument for Fields<F> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let whole = schemas.given.root_schema_for::<F>().to_value();
        let is_required = whole["required"].as_array().is_some_and(|required| !required.is_empty());
        let schema = schemas.given::<F>();
        operation.body = Some(json!({"required": is_required, "content": {"application/json": {"schema": schema}}}));
        operation.problems.extend([Kind::InvalidRequest, Kind::RequestTimeout, Kind::TooLarge]);
    }
}

impl<F: Form> Argument for Parameters<F> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let whole = F::json_schema(&mut schemas.given).to_value();
        let properties = whole["properties"].as_object().cloned().unwrap_or_default();
        for (name, mut schema) in properties {
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let parameter = json!({"name": name, "in": "query", "description": description, "schema": present(schema)});
            operation.parameters.push(parameter);
        }
        operation.problems.insert(Kind::InvalidRequest);
    }
}

/// A parameter that is there has a value: a query has no `null`.
fn present(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type").filter(|kinds| kinds.is_array()) {
        let one = kinds.as_array().and_then(|kinds| kinds.iter().find(|kind| **kind != "null")).cloned();
        *kinds = one.unwrap_or_default();
    }
    let of_several = schema.get("anyOf").and_then(Value::as_array);
    let one = of_several.and_then(|several| several.iter().find(|one| one["type"] != "null")).cloned();
    one.unwrap_or(schema)
}

/// Something that a handler answers with.
pub(super) trait Outcome {
    /// Adds the answers.
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

impl<T: Serialize + JsonSchema> Outcome for Shown<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.answers_json(200, "It is shown.", &schemas.shown::<T>());
    }
}

impl<T: Serialize + JsonSchema> Outcome for Created<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.answers_json(201, "It is there from now on.", &schemas.shown::<T>());
    }
}

impl<T: Serialize + JsonSchema> Outcome for Requested<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.answers_json(202, "It is stored that this is to happen.", &schemas.shown::<T>());
    }
}

impl<T: Serialize + JsonSchema> Outcome for Put<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.answers_json(200, "It was there and is changed.", &schemas.shown::<T>());
        operation.answers_json(201, "It is new.", &schemas.shown::<T>());
    }
}

impl Outcome for Done {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.answers.insert(204, json!({"description": "It is done."}));
    }
}

impl Outcome for File {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        let content = json!({"application/x-ndjson": {"schema": {"type": "string"}}});
        operation.answers.insert(200, json!({"description": "A file of JSON lines.", "content": content}));
    }
}

impl<T: JsonSchema + Serialize> Outcome for ListOrCsv<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let content = json!({
            "application/json": {"schema": schemas.shown::<List<T>>()},
            "text/csv": {"schema": {"type": "string"}},
        });
        let description = "A page of the list; or the whole of it as CSV, when `Accept` asks for `text/csv`.";
        operation.answers.insert(200, json!({"description": description, "content": content}));
    }
}
