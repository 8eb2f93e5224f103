//! Who may do what: every route with no token, a bad one, each role, and another workspace's.

use angelia_tests::client::Api;
use angelia_tests::installation::text;
use angelia_tests::tenant::{NEVER, Tenant, recipient};
use reqwest::Method;
use serde_json::{Value, json};

use crate::installation;

/// A role's rights on a route: a status below 400, or which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Do,
    Not,
}
use May::{Do, Not};

/// A route, with what operator, owner and auditor may do there. Bodies are wrong on purpose where the call would change
/// something: a refused right shows before the body is read, and a granted one as 400.
struct Route {
    method: Method,
    path: String,
    operator: May,
    owner: May,
    auditor: May,
}

fn route(method: Method, path: &str, [operator, owner, auditor]: [May; 3]) -> Route {
    Route { method, path: path.to_owned(), operator, owner, auditor }
}

/// Every route of one workspace, with the ids of its things.
fn routes(w: &str, webhook: &str, account: &str, message: &str) -> Vec<Route> {
    let (owner_only, all) = ([Not, Do, Not], [Do, Do, Do]);
    let own = |rest: &str| format!("/workspaces/{w}{rest}");
    let hook = |rest: &str| format!("/workspaces/{w}/webhooks/{webhook}{rest}");
    let sender = |rest: &str| format!("/workspaces/{w}/accounts/{account}{rest}");
    vec![
        route(Method::GET, &own(""), [Do, Do, Not]),
        route(Method::PATCH, &own(""), [Do, Do, Not]),
        route(Method::POST, &own("/credits"), [Do, Not, Not]),
        route(Method::GET, &own("/credits"), all),
        route(Method::GET, &own("/statement"), all),
        route(Method::GET, &own("/webhooks"), owner_only),
        route(Method::PATCH, &hook(""), owner_only),
        route(Method::GET, &hook("/activations"), all),
        route(Method::GET, &hook("/activations.log"), all),
        route(Method::GET, &own("/accounts"), owner_only),
        route(Method::POST, &own("/accounts"), owner_only),
        route(Method::GET, &sender(""), owner_only),
        route(Method::PATCH, &sender(""), owner_only),
        route(Method::GET, &own("/chats"), owner_only),
        route(Method::PUT, &own("/chats/1"), owner_only),
        route(Method::GET, &own("/messages"), all),
        route(Method::GET, &own(&format!("/messages/{message}")), all),
        route(Method::GET, &own("/tokens"), owner_only),
    ]
}

/// A body that says nothing: whoever has the right is told that it is wrong, or nothing changes.
fn body_for(route: &Route) -> Option<Value> {
    (route.method != Method::GET).then(|| json!({"pace": {"gap_ms": "wrong"}, "name": 5, "enabled": "wrong"}))
}

async fn tenant_with_things() -> (Tenant<'static>, Vec<Route>) {
    let tenant = Tenant::new(installation().await, 10).await;
    let account = tenant.account(NEVER).await;
    let message = tenant.send(&account, &recipient("1234"), "Hello").await;
    let routes = routes(&tenant.id, &tenant.webhook_id, &account.id, &message);
    (tenant, routes)
}

async fn auditor_of(tenant: &Tenant<'_>) -> Api {
    let made =
        tenant.owner.post(&tenant.path("/tokens"), json!({"role": "auditor", "label": "books"})).await.expect(201);
    tenant.owner.as_token(Some(text(&made, "token")))
}

#[tokio::test]
async fn without_a_token_or_with_a_bad_one_everything_is_401() {
    let (tenant, routes) = tenant_with_things().await;
    for token in [None, Some("nonsense"), Some(""), Some(&"0".repeat(64) as &str)] {
        let nobody = tenant.owner.as_token(token);
        for route in &routes {
            let answer = nobody.call(route.method.clone(), &route.path, body_for(route).as_ref()).await;
            assert_eq!(answer.status, 401, "{token:?} {} {}: {}", route.method, route.path, answer.text());
            answer.problem(401);
        }
        nobody.get("/workspaces").await.problem(401);
        nobody.post("/workspaces", json!({"name": "x"})).await.problem(401);
    }
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_and_nothing_else() {
    let (tenant, routes) = tenant_with_things().await;
    let auditor = auditor_of(&tenant).await;
    let operator = tenant.installation.operator();
    for route in &routes {
        let roles = [
            ("operator", &operator, route.operator),
            ("owner", &tenant.owner, route.owner),
            ("auditor", &auditor, route.auditor),
        ];
        for (role, api, may) in roles {
            let answer = api.call(route.method.clone(), &route.path, body_for(route).as_ref()).await;
            let shown = format!("{role} {} {}: {} {}", route.method, route.path, answer.status, answer.text());
            match may {
                Do => assert!(answer.status < 300 || answer.status == 400 || answer.status == 422, "{shown}"),
                Not => assert_eq!(answer.status, 403, "{shown}"),
            }
        }
    }
    for api in [&tenant.owner, &auditor] {
        api.get("/workspaces").await.problem(403);
        api.post("/workspaces", json!({"name": "x"})).await.problem(403);
    }
}

#[tokio::test]
async fn another_workspaces_things_and_unknown_ids_are_404() {
    let (tenant, routes) = tenant_with_things().await;
    let stranger = Tenant::new(tenant.installation, 1).await;
    for route in &routes {
        let answer = stranger.owner.call(route.method.clone(), &route.path, body_for(route).as_ref()).await;
        assert_eq!(answer.status, 404, "{} {}: {}", route.method, route.path, answer.text());
        // The same thing under one's own workspace is not there either.
        let own = route.path.replace(&tenant.id, &stranger.id);
        if own.matches('/').count() > 3 && route.method == Method::GET {
            let answer = stranger.owner.get(&own).await;
            assert_eq!(answer.status, 404, "{own}: {}", answer.text());
        }
    }
    for id in ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "..", "%00"] {
        for path in
            [format!("/workspaces/{id}"), tenant.path(&format!("/accounts/{id}")), tenant.path(&format!("/chats/{id}"))]
        {
            let status = tenant.owner.get(&path).await.status;
            assert!(status == 404 || status == 400, "{path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_token_is_given_shown_once_and_revoked() {
    let tenant = Tenant::new(installation().await, 1).await;
    let made =
        tenant.owner.post(&tenant.path("/tokens"), json!({"role": "auditor", "label": "books"})).await.expect(201);
    let token = text(&made, "token").to_owned();
    let auditor = tenant.owner.as_token(Some(&token));
    auditor.get(&tenant.path("/credits")).await.expect(200);
    let listed = tenant.owner.list(&tenant.path("/tokens")).await;
    assert!(listed.iter().any(|listed| listed["id"] == made["id"]));
    assert!(!serde_json::to_string(&listed).expect("JSON").contains(&token), "a token is shown once");
    let revoked = tenant.owner.delete(&tenant.path(&format!("/tokens/{}", text(&made, "id")))).await;
    assert!((200..300).contains(&revoked.status), "{}", revoked.text());
    auditor.get(&tenant.path("/credits")).await.problem(401);
}
