//! Every route that the document names × every role × another workspace's and unknown ids. A new route is in it by itself.

use std::collections::BTreeSet;

use angelia_tests::client::{Answer, Api};
use angelia_tests::installation::text;
use angelia_tests::tenant::{NEVER, Tenant, recipient};
use reqwest::Method;
use serde_json::{Value, json};

use crate::document::{Operation, document, operations};
use crate::installation;

/// What every path begins with that asks for a token; the client adds it by itself.
const API: &str = "/api/v1";
const UNKNOWN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// A tenant with one of everything that a path can name.
struct World {
    tenant: Tenant<'static>,
    account: String,
    message: String,
    /// A token beside the one that is used.
    token: String,
}

impl World {
    async fn new() -> Self {
        let tenant = Tenant::new(installation().await, 10).await;
        let account = tenant.account(NEVER).await;
        tenant.chat("c-1", &account, json!({"phone": "+14151231234", "name": "Ada"})).await;
        // The first goes out; the second stays, and can be cancelled.
        tenant.send(&account, &recipient("0202"), "first").await;
        let message = tenant.send(&account, &recipient("1234"), "second").await;
        let token = tenant.owner.post(&tenant.path("/tokens"), json!({"role": "auditor"})).await.expect(201);
        Self { account: account.id, message, token: text(&token, "id").to_owned(), tenant }
    }

    /// The id of this world's thing that a path calls `name`.
    fn id(&self, name: &str) -> &str {
        match name {
            "w" => &self.tenant.id,
            "h" => &self.tenant.webhook_id,
            "a" => &self.account,
            "c" => "c-1",
            "m" => &self.message,
            "t" => &self.token,
            other => panic!("a path names {{{other}}}: make one in `World`"),
        }
    }

    async fn token_of(&self, role: &str) -> Api {
        let made = self.tenant.owner.post(&self.tenant.path("/tokens"), json!({"role": role})).await.expect(201);
        self.tenant.owner.as_token(Some(text(&made, "token")))
    }
}

fn names(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

/// The operation's path with an id for each name.
fn filled(operation: &Operation, id: impl Fn(&str) -> String) -> String {
    let path = operation.path.strip_prefix(API).expect("a path of the API");
    names(path).into_iter().fold(path.to_owned(), |path, name| path.replace(&format!("{{{name}}}"), &id(name)))
}

/// Calls with a body that nobody takes: a missing right or thing shows before it is read, and a granted right as 400.
async fn call(api: &Api, operation: &Operation, path: &str) -> Answer {
    let body = operation.takes_a_body.then(|| json!({"no such field": 1}));
    let answer = api.call(operation.method.clone(), path, body.as_ref()).await;
    let documented = operation.statuses.contains(&answer.status);
    assert!(documented, "{} answers {}, which is not documented: {}", operation.id, answer.status, answer.text());
    answer
}

/// Checks a problem; gives its type.
fn problem(answer: &Answer, status: u16, shown: &str) -> String {
    assert_eq!(answer.status, status, "{shown}: {}", answer.text());
    text(&answer.problem(status), "type").to_owned()
}

async fn guarded() -> Vec<Operation> {
    let all = operations(&document().await);
    let (guarded, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|operation| !operation.roles.is_empty());
    assert!(guarded.len() > 30, "{} operations", guarded.len());
    for operation in open {
        assert!(!operation.path.starts_with(API), "{} asks for no token", operation.path);
    }
    guarded
}

#[tokio::test]
async fn without_a_token_that_is_valid_now_every_route_is_closed() {
    let world = World::new().await;
    let revoked = world.tenant.owner.post(&world.tenant.path("/tokens"), json!({"role": "owner"})).await.expect(201);
    let path = world.tenant.path(&format!("/tokens/{}", text(&revoked, "id")));
    assert_eq!(world.tenant.owner.delete(&path).await.status, 204);
    let webhook = world.tenant.hook.url.rsplit('/').next().expect("a token").to_owned();
    let owner = &world.tenant.owner_token;
    let bad = [
        ("no token", None),
        ("an empty token", Some(String::new())),
        ("a token that nobody gave", Some("0".repeat(64))),
        ("a token cut short", Some(owner[..63].to_owned())),
        ("a token in capitals", Some(owner.to_uppercase())),
        ("a revoked token", Some(text(&revoked, "token").to_owned())),
        ("a webhook's token", Some(webhook)),
    ];
    for operation in guarded().await {
        let path = filled(&operation, |name| world.id(name).to_owned());
        for (what, token) in &bad {
            let api = world.tenant.owner.as_token(token.as_deref());
            let answer = call(&api, &operation, &path).await;
            problem(&answer, 401, &format!("{} with {what}", operation.id));
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{} with {what}", operation.id);
        }
    }
}

#[tokio::test]
async fn each_role_gets_through_exactly_where_the_document_says() {
    let world = World::new().await;
    let (owner, auditor) = (world.token_of("owner").await, world.token_of("auditor").await);
    let operator = world.tenant.installation.operator();
    let roles = [("operator", &operator), ("owner", &owner), ("auditor", &auditor)];
    let (mut types, operations) = (BTreeSet::new(), guarded().await);
    // What removes things comes last, or the others would miss them.
    let (last, first): (Vec<_>, Vec<_>) = operations.iter().partition(|operation| operation.method == Method::DELETE);
    for operation in &operations {
        let path = filled(operation, |name| world.id(name).to_owned());
        for (role, api) in roles.iter().filter(|(role, _)| !operation.roles.iter().any(|may| may == role)) {
            types.insert(problem(&call(api, operation, &path).await, 403, &format!("{} as {role}", operation.id)));
        }
    }
    for operation in first.into_iter().chain(last) {
        let path = filled(operation, |name| world.id(name).to_owned());
        for (nth, role) in operation.roles.iter().enumerate() {
            let (_, api) = roles.iter().find(|(known, _)| known == role).expect("a known role");
            let answer = call(api, operation, &path).await;
            let is_gone = operation.method == Method::DELETE && nth > 0 && answer.status == 404;
            let is_through = answer.status < 300 || answer.status == 400 || is_gone;
            assert!(is_through, "{} as {role}: {} {}", operation.id, answer.status, answer.text());
        }
    }
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["/problems/forbidden"]);
}

#[tokio::test]
async fn another_workspaces_things_and_unknown_ids_are_not_there_for_anybody() {
    let (world, stranger) = (World::new().await, World::new().await);
    let strangers = [("owner", stranger.token_of("owner").await), ("auditor", stranger.token_of("auditor").await)];
    for operation in guarded().await.iter().filter(|operation| operation.path.contains("{w}")) {
        // Another workspace's, by its own address: not even whether it is there is told, whatever the right.
        for (role, api) in &strangers {
            let path = filled(operation, |name| world.id(name).to_owned());
            problem(&call(api, operation, &path).await, 404, &format!("{} as another's {role}", operation.id));
        }
        let role = if operation.roles.iter().any(|role| role == "owner") { "owner" } else { "operator" };
        let operator = stranger.tenant.installation.operator();
        let api = if role == "owner" { &stranger.tenant.owner } else { &operator };
        // Unknown ids and nonsense, one name at a time.
        for name in names(&operation.path) {
            // A chat that is put need not be there, and two workspaces may have one of the same id.
            if operation.method == Method::PUT && name == "c" {
                continue;
            }
            for id in [UNKNOWN, "nonsense", "%00", "%FF", "..%2F", "wa_backend:3EB00000000000000000"] {
                let path = filled(operation, |other| if other == name { id } else { stranger.id(other) }.to_owned());
                problem(&call(api, operation, &path).await, 404, &format!("{} with {{{name}}} {id}", operation.id));
            }
            // Another workspace's thing under one's own.
            if name != "w" && name != "c" {
                let from = |other: &str| if other == name { world.id(other) } else { stranger.id(other) }.to_owned();
                let path = filled(operation, from);
                problem(
                    &call(api, operation, &path).await,
                    404,
                    &format!("{} with another's {{{name}}}", operation.id),
                );
            }
        }
    }
    // Everything is still there.
    for operation in guarded().await.iter().filter(|operation| operation.method == Method::GET) {
        let path = filled(operation, |name| world.id(name).to_owned());
        if operation.roles.iter().any(|role| role == "owner") {
            let seen: Value = call(&world.tenant.owner, operation, &path).await.status.into();
            assert_eq!(seen, 200, "{}", operation.id);
        }
    }
}
