//! Shows a JSON schema as a table of fields.

use serde_json::Value;

use super::html::{escaped, inline};

/// The fields of an object as rows of a table; links lead to the forms that a field names.
pub(super) fn fields(schema: &Value) -> String {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return String::new();
    };
    let rows: String = properties.iter().map(|(name, field)| row(name, field, required(name))).collect();
    table(&rows)
}

/// Parameters as rows of a table.
pub(super) fn parameters(parameters: &[&Value]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let one = |parameter: &&Value| {
        let mut schema = parameter["schema"].clone();
        if let Some(description) = parameter.get("description") {
            schema["description"] = description.clone();
        }
        let name = parameter["name"].as_str().unwrap_or_default();
        row(name, &schema, parameter["required"] == true)
    };
    table(&parameters.iter().map(one).collect::<String>())
}

fn table(rows: &str) -> String {
    format!(
        "<table class=\"stack\"><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Form</th>\
         <th scope=\"col\">Meaning</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn row(name: &str, field: &Value, is_required: bool) -> String {
    let needed = if is_required { "" } else { " <span class=\"quiet\">optional</span>" };
    let description = inline(field["description"].as_str().unwrap_or_default());
    format!("<tr><td><code>{}</code>{needed}</td><td>{}</td><td>{description}</td></tr>", escaped(name), form(field))
}

/// The form of a value in a few words.
pub(super) fn form(schema: &Value) -> String {
    if let Some(name) = name_of(schema) {
        return format!("<a href=\"#form-{0}\">{0}</a>", escaped(name));
    }
    if let Some(one) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&one.to_string()));
    }
    if let Some(several) = schema.get("enum").and_then(Value::as_array) {
        let all: Vec<_> = several.iter().map(|one| format!("<code>{}</code>", escaped(&one.to_string()))).collect();
        return all.join(", ");
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(several) = schema.get(choice).and_then(Value::as_array) {
            return several.iter().map(form).collect::<Vec<_>>().join(" or ");
        }
    }
    let kinds: Vec<String> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).map(|kind| of_kind(kind, schema)).collect(),
        Value::String(kind) => vec![of_kind(kind, schema)],
        _ => vec!["any value".to_owned()],
    };
    kinds.join(" or ")
}

fn of_kind(kind: &str, schema: &Value) -> String {
    match kind {
        "array" if schema.get("items").is_some() => format!("list of {}", form(&schema["items"])),
        "array" => "list".to_owned(),
        "string" => format!("text{}", rules(schema, "format", "minLength", "maxLength", "characters")),
        "integer" => format!("whole number{}", rules(schema, "", "minimum", "maximum", "")),
        other => escaped(other),
    }
}

/// What else a value must be.
fn rules(schema: &Value, format: &str, low: &str, high: &str, unit: &str) -> String {
    let mut rules = Vec::new();
    if let Some(format) = schema.get(format).and_then(Value::as_str) {
        rules.push(escaped(format));
    }
    match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) => rules.push(format!("{low} to {high} {unit}")),
        (Some(low), None) => rules.push(format!("at least {low} {unit}")),
        (None, Some(high)) => rules.push(format!("at most {high} {unit}")),
        (None, None) => {}
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        rules.push(format!("<code>{}</code>", escaped(pattern)));
    }
    if rules.is_empty() {
        String::new()
    } else {
        format!(" <span class=\"quiet\">({})</span>", rules.join(", ").trim())
    }
}

/// The name of the form that a schema refers to.
pub(super) fn name_of(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}
