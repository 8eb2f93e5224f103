//! The OpenAPI document, and what in it other tests go by.

use angelia_tests::client::{Answer, http};
use reqwest::Method;
use serde_json::Value;

use crate::installation;

/// An operation of the document.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    /// The whole path, with names between braces.
    pub(crate) path: String,
    /// The roles that it lets through; none when it asks for no token.
    pub(crate) roles: Vec<String>,
    /// The statuses that it may answer.
    pub(crate) statuses: Vec<u16>,
    pub(crate) takes_a_body: bool,
}

/// The document as it is served: without a token.
pub(crate) async fn document() -> Value {
    get("/openapi.json").await.expect(200)
}

async fn get(path: &str) -> Answer {
    let url = format!("{}{path}", installation().await.url());
    Answer::to(http().get(url)).await.expect("an answer")
}

/// Every operation of the document.
pub(crate) fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item").iter().filter(|(key, _)| *key != "parameters") {
            let alternatives = operation["security"].as_array().expect("who may");
            let role = |one: &Value| one["token"][0].as_str().expect("a role").to_owned();
            let answers = operation["responses"].as_object().expect("answers").keys();
            all.push(Operation {
                id: operation["operationId"].as_str().expect("a name").to_owned(),
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                roles: alternatives.iter().map(role).collect(),
                statuses: answers.map(|status| status.parse().expect("a status")).collect(),
                takes_a_body: operation.get("requestBody").is_some(),
            });
        }
    }
    all
}

#[tokio::test]
async fn the_document_is_served_to_everybody_and_names_this_server() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], installation().await.url());
}

/// The contract's table, so that nothing of it is left out of the document, and nothing is there under another name.
#[tokio::test]
async fn every_call_of_the_contract_is_in_the_document_with_its_roles() {
    let (operator, both, owner) = (&["operator"][..], &["operator", "owner"][..], &["owner"][..]);
    let all = &["operator", "owner", "auditor"][..];
    let table: &[(&str, &str, &[&str])] = &[
        ("/workspaces", "GET POST", operator),
        ("/findings", "GET", operator),
        ("/workspaces/{w}", "GET PATCH", both),
        ("/workspaces/{w}/credits", "POST", operator),
        ("/workspaces/{w}/credits", "GET", all),
        ("/workspaces/{w}/statement", "GET", all),
        ("/workspaces/{w}/webhooks", "GET POST", owner),
        ("/workspaces/{w}/webhooks/{h}", "GET PATCH DELETE", owner),
        ("/workspaces/{w}/webhooks/{h}/rotate", "POST", owner),
        ("/workspaces/{w}/webhooks/{h}/activations", "GET", all),
        ("/workspaces/{w}/webhooks/{h}/activations.log", "GET", all),
        ("/workspaces/{w}/accounts", "GET POST", owner),
        ("/workspaces/{w}/accounts/{a}", "GET PATCH DELETE", owner),
        ("/workspaces/{w}/accounts/{a}/connect", "POST", owner),
        ("/workspaces/{w}/accounts/{a}/disconnect", "POST", owner),
        ("/workspaces/{w}/accounts/{a}/purge", "POST", owner),
        ("/workspaces/{w}/chats", "GET", owner),
        ("/workspaces/{w}/chats/{c}", "GET PUT DELETE", owner),
        ("/workspaces/{w}/messages", "GET", all),
        ("/workspaces/{w}/messages/{m}", "GET", all),
        ("/workspaces/{w}/messages/{m}/cancel", "POST", owner),
        ("/workspaces/{w}/link-check", "POST", owner),
        ("/workspaces/{w}/tokens", "GET POST", owner),
        ("/workspaces/{w}/tokens/{t}", "GET DELETE", owner),
    ];
    let row = |(path, methods, roles): &(&str, &'static str, &[&str])| {
        let (path, roles) = (format!("/api/v1{path}"), roles.join(" "));
        methods.split(' ').map(|method| format!("{method} {path}: {roles}")).collect::<Vec<_>>()
    };
    let mut expected: Vec<String> = table.iter().flat_map(row).collect();
    let documented = operations(&document().await);
    let guarded = documented.iter().filter(|operation| operation.path.starts_with("/api/"));
    let mut found: Vec<String> = guarded
        .map(|operation| format!("{} {}: {}", operation.method, operation.path, operation.roles.join(" ")))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn every_documented_operation_is_there_and_other_methods_are_not() {
    let installation = installation().await;
    let operations = operations(&document().await);
    for operation in &operations {
        let names = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let path = names.fold(operation.path.clone(), |path, name| path.replace(&format!("{{{name}}}"), "x"));
        let url = format!("{}{path}", installation.url());
        let answer = Answer::to(http().request(operation.method.clone(), &url)).await.expect("an answer");
        let nothing = "nothing is at this path";
        assert!(
            answer.status != 405 && !answer.text().contains(nothing),
            "{} {path}: {}",
            operation.method,
            answer.text()
        );
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let is_documented = |other: &Operation| other.path == operation.path && other.method == method;
            if !operations.iter().any(is_documented) {
                let answer = Answer::to(http().request(method.clone(), &url)).await.expect("an answer");
                assert_eq!(answer.status, 405, "{method} {path}");
                assert!(
                    answer.header("allow").is_some_and(|allow| allow.contains(operation.method.as_str())),
                    "{path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_pages_are_our_own_and_run_nothing() {
    let document = document().await;
    let responses = document["components"]["responses"].as_object().expect("answers").values();
    let types = responses.map(|response| {
        let example = &response["content"]["application/problem+json"]["example"];
        example["type"].as_str().expect("a type").to_owned()
    });
    let pages: Vec<String> = ["/docs", "/problems"].map(str::to_owned).into_iter().chain(types).collect();
    assert!(pages.len() > 10, "{pages:?}");
    for path in pages {
        let page = get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let text = page.text();
        assert!(text.len() < 200_000 && text.contains("name=\"viewport\"") && text.contains("lang=\"en\""), "{path}");
        for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let is_own = link.starts_with('#') || link.starts_with('/') && !link.starts_with("//");
            assert!(is_own, "{path} leads to {link}");
            if let Some(own) = link.strip_prefix('/') {
                assert_eq!(get(&format!("/{own}")).await.status, 200, "{path} leads to {link}");
            }
        }
    }
    assert_eq!(get("/docs/style.css").await.header("content-type"), Some("text/css; charset=utf-8"));
    get("/problems/no-such-problem").await.problem(404);
}

#[tokio::test]
async fn a_problem_names_the_wrong_field() {
    let operator = installation().await.operator();
    let problem = operator.post("/workspaces", serde_json::json!({"name": ""})).await.problem(400);
    assert_eq!(
        (problem["type"].as_str(), problem["field"].as_str()),
        (Some("/problems/invalid-request"), Some("name"))
    );
    let problem = operator.get("/workspaces?limit=0").await.problem(400);
    assert_eq!(problem["field"], "limit");
    let problem = operator.post("/workspaces", serde_json::json!({"name": "a", "nmae": "b"})).await.problem(400);
    assert!(problem.get("field").is_none(), "{problem}");
}
