//! The OpenAPI 3.1 document, made from the table of routes.
//!
//! Shape: a [`Table`] -> JSON. Roles stand in each operation's `security`, as OpenAPI 3.1 has it: one alternative for each
//! role that is let through.

use serde_json::{Map, Value, json};

use super::problem::{Document, Kind};
use super::table::{Entry, Table};
use crate::domain::access::Allows;

/// The name of the security scheme.
const SCHEME: &str = "token";

/// What a reader must know before the first call.
const INTRODUCTION: &str = "\
Angelia turns a call of an inbound webhook into a WhatsApp message, charges credits for it, and says what became of it.

**Tokens.** Every call under `/api/v1` carries `Authorization: Bearer <token>`. An *operator* runs the installation, an \
*owner* does everything in one workspace, an *auditor* reads what accounting needs there. Each operation names the roles \
that it lets through. Another workspace's id is answered like an unknown one.

**Bodies** are JSON objects of at most 65,536 bytes. Fields that an operation does not know are refused; `null` is as good \
as left out.

**Lists** have `items` and `next_cursor`. Give it as `cursor` to read on; it is null on the last page. Cursors are opaque.

**Times** are RFC 3339 in UTC, credits whole numbers. New fields may be added to answers.

**Problems** are documents of RFC 9457. The `type` is stable, and the path of a page that says what to do. Any operation may \
also be answered 405 for another method.

**After a change** is answered, every later answer of the same process shows it, and a read after a 200 of the webhook \
includes the message.";

/// Which roles a right lets through.
pub(super) fn roles(allows: Allows) -> &'static [&'static str] {
    match allows {
        Allows::Operator => &["operator"],
        Allows::OperatorAndOwner => &["operator", "owner"],
        Allows::Owner => &["owner"],
        Allows::Everyone => &["operator", "owner", "auditor"],
    }
}

/// Makes the document; `public_url` is where the server is.
pub(super) fn document(table: Table, public_url: &str) -> Value {
    let Table { sections, entries, mut schemas, .. } = table;
    let mut paths: Map<String, Value> = Map::new();
    for entry in &entries {
        let item = paths.entry(entry.path.clone()).or_insert_with(|| item(&entry.path));
        item[entry.method.as_str().to_ascii_lowercase()] = operation(entry, &entries);
    }
    let problem = schemas.shown::<Document>();
    let responses: Map<String, Value> = Kind::ALL.iter().map(|kind| response(*kind, &problem)).collect();
    let tags: Vec<Value> = sections.iter().map(|(name, what)| json!({"name": name, "description": what})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Angelia",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.definitions(),
            "responses": responses,
            "securitySchemes": {SCHEME: {
                "type": "http", "scheme": "bearer",
                "description": "A token of a workspace, or the operator's.",
            }},
        },
    })
}

/// A path with what all its operations share.
fn item(path: &str) -> Value {
    let parameters: Vec<Value> = names_in(path).map(path_parameter).collect();
    if parameters.is_empty() { json!({}) } else { json!({"parameters": parameters}) }
}

/// The names between braces.
pub(super) fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

const ULID: &str = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$";

fn path_parameter(name: &str) -> Value {
    let (what, schema) = match name {
        "w" => ("The workspace's id.", json!({"type": "string", "pattern": ULID})),
        "h" => ("The webhook's id.", json!({"type": "string", "pattern": ULID})),
        "a" => ("The account's id.", json!({"type": "string", "pattern": ULID})),
        "t" => ("The token's id.", json!({"type": "string", "pattern": ULID})),
        "c" => ("The chat's `chat_id`.", json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})),
        "m" => (
            "The message's id, with or without `wa_backend:`.",
            json!({"type": "string", "pattern": "^(wa_backend:)?3EB0[0-9A-F]{16}$"}),
        ),
        "token" => ("The token of the webhook: the end of its URL.", json!({"type": "string", "minLength": 1})),
        "account" => ("The account's id.", json!({"type": "string", "minLength": 1})),
        _ => ("The last part of a problem's `type`.", json!({"type": "string", "pattern": "^[a-z-]+$"})),
    };
    json!({"name": name, "in": "path", "required": true, "description": what, "schema": schema})
}

fn operation(entry: &Entry, all: &[Entry]) -> Value {
    let Entry { section, about, operation, .. } = entry;
    let mut answers: Map<String, Value> = Map::new();
    for (status, answer) in &operation.answers {
        let mut answer = answer.clone();
        if *status == 201 {
            let links = links(entry, all);
            if !links.is_empty() {
                answer["links"] = Value::Object(links);
                answer["headers"] = json!({"Location": {"description": "Its URL.", "schema": {"type": "string"}}});
            }
        }
        answers.insert(status.to_string(), answer);
    }
    for kind in &operation.problems {
        let facts = kind.facts();
        let reference = json!({"$ref": format!("#/components/responses/{}", facts.component)});
        answers.insert(facts.status.as_u16().to_string(), reference);
    }
    let mut description = about.more.to_owned();
    if let Some(when) = about.conflict {
        description = format!("{description}\n\n409: {when}").trim().to_owned();
    }
    let mut described = json!({
        "operationId": about.id, "tags": [section], "summary": about.summary, "responses": answers,
        // Without a token unless it says otherwise.
        "security": operation.allows.map(roles).unwrap_or_default().iter().map(|role| json!({SCHEME: [role]})).collect::<Vec<_>>(),
    });
    if !description.is_empty() {
        described["description"] = Value::from(description);
    }
    if !operation.parameters.is_empty() {
        described["parameters"] = Value::from(operation.parameters.clone());
    }
    if let Some(body) = &operation.body {
        described["requestBody"] = body.clone();
    }
    described
}

/// Where a new thing's id leads: every operation on it.
fn links(made: &Entry, all: &[Entry]) -> Map<String, Value> {
    let own: Vec<&str> = names_in(&made.path).collect();
    let below = format!("{}/{{", made.path);
    let on_it = all.iter().filter(|entry| entry.path.starts_with(&below));
    let link = |entry: &Entry| {
        let mut names = names_in(&entry.path).skip(own.len());
        let name = names.next().filter(|_| names.next().is_none())?;
        let mut parameters: Map<String, Value> =
            own.iter().map(|own| ((*own).to_owned(), Value::from(format!("$request.path.{own}")))).collect();
        parameters.insert(name.to_owned(), Value::from("$response.body#/id"));
        Some((entry.about.id.to_owned(), json!({"operationId": entry.about.id, "parameters": parameters})))
    };
    on_it.filter_map(link).collect()
}

/// How a kind of problem is answered.
fn response(kind: Kind, problem: &Value) -> (String, Value) {
    let facts = kind.facts();
    let example = json!({
        "type": kind.path(), "title": facts.title, "status": facts.status.as_u16(), "detail": "what is wrong with this call",
    });
    let schema = json!({
        "allOf": [problem, {"properties": {"type": {"const": kind.path()}, "status": {"const": facts.status.as_u16()}}}],
    });
    let mut response = json!({
        "description": format!("{}. {}", facts.title, facts.happened),
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    });
    let header = |what: &str, schema: Value| json!({"description": what, "schema": schema});
    match kind {
        Kind::Unauthenticated => {
            response["headers"] = json!({"WWW-Authenticate": header("`Bearer`.", json!({"type": "string"}))});
        }
        Kind::Unavailable => {
            let seconds =
                header("After how many seconds to try again.", json!({"type": "string", "pattern": "^[0-9]+$"}));
            response["headers"] = json!({"Retry-After": seconds});
        }
        Kind::InvalidRequest
        | Kind::Forbidden
        | Kind::NotFound
        | Kind::MethodNotAllowed
        | Kind::RequestTimeout
        | Kind::Conflict
        | Kind::TooLarge
        | Kind::Internal => {}
    }
    (facts.component.to_owned(), response)
}
