//! The reference: every operation with what it takes and answers, from the document.

use serde_json::Value;

use super::html::{escaped, inline, page as whole, prose};
use super::schema;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An operation where the document has it.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    /// What all operations of the path share.
    item: &'a Value,
    value: &'a Value,
}

/// Makes the page.
pub(in crate::shell::http::api) fn page(document: &Value, public_url: &str) -> String {
    let operations = operations(document);
    let sections = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |section: &Value| section["name"].as_str().unwrap_or_default().to_owned();
    let mut main = format!(
        "<h1>Reference</h1>{}<p>The server is <code>{}</code>. The same in a form for programs: \
         <a href=\"/openapi.json\">OpenAPI 3.1</a>.</p><nav aria-label=\"Sections\"><ul class=\"contents\">",
        prose(document["info"]["description"].as_str().unwrap_or_default()),
        escaped(public_url),
    );
    for section in sections {
        let name = name(section);
        main.push_str(&format!("<li><a href=\"#{0}\">{0}</a></li>", escaped(&name)));
    }
    main.push_str("<li><a href=\"#forms\">Forms</a></li></ul></nav>");
    for section in sections {
        let name = name(section);
        let what = prose(section["description"].as_str().unwrap_or_default());
        main.push_str(&format!("<section aria-labelledby=\"{0}\"><h2 id=\"{0}\">{0}</h2>{what}", escaped(&name)));
        for operation in operations.iter().filter(|operation| operation.value["tags"][0] == name.as_str()) {
            main.push_str(&shown(operation, document, public_url));
        }
        main.push_str("</section>");
    }
    main.push_str(&forms(document));
    whole("Reference of the API", &main)
}

/// All operations, in the order of their paths and methods.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            METHODS
                .into_iter()
                .filter_map(move |method| Some(Operation { method, path, item, value: item.get(method)? }))
        })
        .collect()
}

fn shown(operation: &Operation<'_>, document: &Value, public_url: &str) -> String {
    let Operation { method, path, item, value } = operation;
    let id = escaped(value["operationId"].as_str().unwrap_or_default());
    let mut out = format!(
        "<details id=\"{id}\"><summary><h3><span class=\"method {method}\">{}</span> <span class=\"path\">{}</span></h3>\
         <span class=\"what\">{}</span></summary><div>{}<p>{}</p>",
        method.to_ascii_uppercase(),
        escaped(path),
        inline(value["summary"].as_str().unwrap_or_default()),
        prose(value["description"].as_str().unwrap_or_default()),
        who(value),
    );
    let of = |value: &'_ Value| -> Vec<Value> { value["parameters"].as_array().cloned().unwrap_or_default() };
    let parameters: Vec<Value> = of(item).into_iter().chain(of(value)).collect();
    if !parameters.is_empty() {
        out.push_str("<h4>Parameters</h4>");
        out.push_str(&schema::parameters(&parameters.iter().collect::<Vec<_>>()));
    }
    let body = &value["requestBody"]["content"]["application/json"]["schema"];
    let fields = schema::fields(resolved(body, document));
    if !fields.is_empty() {
        out.push_str(&format!("<h4>Body</h4>{fields}"));
    }
    out.push_str(
        "<h4>Answers</h4><table class=\"stack\"><thead><tr><th scope=\"col\">HTTP</th><th scope=\"col\">Body</th>\
                  <th scope=\"col\">Meaning</th></tr></thead><tbody>",
    );
    for (status, answer) in value["responses"].as_object().into_iter().flatten() {
        out.push_str(&answered(status, answer, document));
    }
    out.push_str(&format!(
        "</tbody></table><h4>Example</h4>{}</div></details>",
        example(operation, document, public_url)
    ));
    out
}

/// Whom an operation lets through.
fn who(operation: &Value) -> String {
    let alternatives = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
    let roles: Vec<&str> = alternatives.iter().filter_map(|one| one["token"][0].as_str()).collect();
    if roles.is_empty() { "Without a token.".to_owned() } else { format!("With a token of: {}.", roles.join(", ")) }
}

fn answered(status: &str, answer: &Value, document: &Value) -> String {
    let answer = resolved(answer, document);
    let contents = answer["content"].as_object().into_iter().flatten();
    let bodies: Vec<String> = contents.map(|(kind, content)| body_of(kind, content)).collect();
    let meaning = answer["description"].as_str().unwrap_or_default();
    format!("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", escaped(status), bodies.join("<br>"), inline(meaning))
}

fn body_of(kind: &str, content: &Value) -> String {
    match kind {
        "application/problem+json" => {
            let path = content["example"]["type"].as_str().unwrap_or_default();
            format!("<a href=\"{0}\">{0}</a>", escaped(path))
        }
        "application/json" => schema::form(&content["schema"]),
        other => escaped(other),
    }
}

fn example(operation: &Operation<'_>, document: &Value, public_url: &str) -> String {
    let Operation { method, path, value, .. } = operation;
    let mut lines = vec![format!("curl -sS {public_url}{path}")];
    if *method != "get" {
        lines[0] = format!("curl -sS -X {} {public_url}{path}", method.to_ascii_uppercase());
    }
    if value["security"].as_array().is_some_and(|alternatives| !alternatives.is_empty()) {
        lines.push("-H 'Authorization: Bearer <token>'".to_owned());
    }
    let body = resolved(&value["requestBody"]["content"]["application/json"]["schema"], document);
    if let Some(required) = body["required"].as_array().filter(|required| !required.is_empty()) {
        let fields = required.iter().filter_map(Value::as_str);
        let fields = fields.map(|name| format!("\"{name}\": {}", sample(&body["properties"][name], document)));
        lines.push("-H 'Content-Type: application/json'".to_owned());
        lines.push(format!("-d '{{{}}}'", fields.collect::<Vec<_>>().join(", ")));
    }
    format!("<pre>{}</pre>", escaped(&lines.join(" \\\n     ")))
}

/// A value that a schema allows, for an example.
fn sample(schema: &Value, document: &Value) -> String {
    let schema = resolved(schema, document);
    let first = schema["oneOf"].as_array().and_then(|several| several.first());
    let known = [&schema["const"], &schema["enum"][0], first.map_or(&Value::Null, |one| &one["const"])];
    if let Some(known) = known.into_iter().find(|known| !known.is_null()) {
        return known.to_string();
    }
    match schema["type"].as_str() {
        Some("boolean") => "true".to_owned(),
        Some("integer") => "100".to_owned(),
        _ => "\"…\"".to_owned(),
    }
}

/// The schema or answer that a reference names.
fn resolved<'a>(value: &'a Value, document: &'a Value) -> &'a Value {
    let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
    document.pointer(reference.trim_start_matches('#')).unwrap_or(value)
}

fn forms(document: &Value) -> String {
    let mut out = "<section aria-labelledby=\"forms\"><h2 id=\"forms\">Forms</h2>".to_owned();
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let values = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of_values = values.iter().filter(|one| one.get("const").is_some());
        let values: String = of_values
            .map(|one| {
                let what = inline(one["description"].as_str().unwrap_or_default());
                format!("<li>{}: {what}</li>", schema::form(one))
            })
            .collect();
        let values = if values.is_empty() { String::new() } else { format!("<ul>{values}</ul>") };
        out.push_str(&format!(
            "<details id=\"form-{0}\"><summary><h3>{0}</h3></summary><div>{1}{2}{values}</div></details>",
            escaped(name),
            prose(schema["description"].as_str().unwrap_or_default()),
            schema::fields(schema),
        ));
    }
    out + "</section>"
}
