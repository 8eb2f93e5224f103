//! The document against the table that it is made from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::document::{document, names_in};
use super::pages::Reference;
use super::table;

fn made() -> Value {
    document(table(&Reference::default()), "http://here")
}

/// Every value of a document, with the key that it stands under.
fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            visit(key, value);
            walk(value, visit);
        }),
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item").iter().filter(|(key, _)| *key != "parameters") {
            all.push((method.clone(), path.clone(), operation));
        }
    }
    all
}

#[test]
fn every_reference_leads_somewhere_and_nothing_is_left_over() {
    let document = made();
    let mut named = BTreeSet::new();
    walk(&document, &mut |key, value| {
        if key == "$ref" {
            let reference = value.as_str().expect("a reference is text");
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
            named.insert(reference.to_owned());
        }
    });
    for schema in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(named.contains(&format!("#/components/schemas/{schema}")), "{schema} is never named");
    }
    // A type with the name of another one would have been given a number.
    let numbered = |name: &&String| name.ends_with(|c: char| c.is_ascii_digit());
    assert_eq!(document["components"]["schemas"].as_object().expect("schemas").keys().find(numbered), None);
}

#[test]
fn every_operation_says_what_it_does_and_who_may() {
    let document = made();
    let operations = operations(&document);
    assert!(operations.len() > 45, "{} operations", operations.len());
    let ids: BTreeSet<_> = operations.iter().map(|(_, _, operation)| operation["operationId"].to_string()).collect();
    assert_eq!(ids.len(), operations.len(), "two operations have one name");
    let tags: BTreeSet<_> =
        document["tags"].as_array().expect("tags").iter().map(|tag| tag["name"].clone().to_string()).collect();
    for (method, path, operation) in &operations {
        assert!(!operation["summary"].as_str().expect("a summary").is_empty(), "{method} {path}");
        assert!(tags.contains(&operation["tags"][0].to_string()), "{method} {path}");
        let is_open = operation["security"].as_array().expect("security").is_empty();
        assert_eq!(is_open, !path.starts_with("/api/"), "{method} {path}: whom does it let through?");
        let shared = document["paths"][path]["parameters"].as_array().map_or(0, Vec::len);
        assert_eq!(shared, names_in(path).count(), "{path}: every name in it is a parameter");
        let answers = operation["responses"].as_object().expect("answers");
        assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
        if !is_open {
            assert!(answers.contains_key("401") && answers.contains_key("503"), "{method} {path}");
            assert_eq!(answers.contains_key("404"), path.contains("{w}"), "{method} {path}");
        }
        assert_eq!(
            operation.get("requestBody").is_some() && !is_open,
            answers.contains_key("413") && !is_open,
            "{method} {path}"
        );
    }
}

#[test]
fn a_new_things_id_leads_to_the_operations_on_it() {
    let document = made();
    let links = &document["paths"]["/api/v1/workspaces/{w}/webhooks"]["post"]["responses"]["201"]["links"];
    let expected = ["edit_webhook", "remove_webhook", "rotate_webhook", "show_webhook"];
    for id in expected {
        assert_eq!(links[id]["parameters"]["h"], "$response.body#/id", "{id}: {links}");
        assert_eq!(links[id]["parameters"]["w"], "$request.path.w");
    }
    assert!(document["paths"]["/api/v1/workspaces"]["post"]["responses"]["201"]["links"]["show_workspace"].is_object());
}

/// The router cannot be asked for its routes: so nobody else may make one.
#[test]
fn routes_are_made_by_the_table_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shell/http");
    let (mut folders, mut found, mut seen) = (vec![root.clone()], Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources can be read") {
            let path = entry.expect("the sources can be read").path();
            let name = path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with("console") && !["api/table.rs", "api/tests.rs"].contains(&name.as_str()) {
                let text = fs::read_to_string(&path).expect("the sources can be read");
                seen += 1;
                found.extend(
                    ["Router::new(", ".route(\"", ".route_service(", ".nest("]
                        .iter()
                        .filter(|call| text.contains(**call))
                        .map(|call| format!("{name}: {call}")),
                );
            }
        }
    }
    assert!(seen > 30 && found.is_empty(), "routes that the document does not know: {found:?}");
}

#[test]
fn the_reference_shows_every_operation_and_loads_nothing_from_elsewhere() {
    let document = made();
    let page = super::pages::reference_page(&document, "http://here");
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().expect("a name");
        assert!(page.contains(&format!("<details id=\"{id}\">")), "{method} {path}");
    }
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(link.starts_with('/') || link.starts_with('#'), "{link}");
        let anchor = link.strip_prefix('#').map(|id| format!("id=\"{id}\""));
        assert!(anchor.is_none_or(|anchor| page.contains(&anchor)), "{link} leads nowhere");
    }
    for not_ours in ["<script", "src=", "style=", "<iframe"] {
        assert!(!page.contains(not_ours), "{not_ours}");
    }
}
