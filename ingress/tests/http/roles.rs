//! Who may do what: every route with every role, strangers, and no token at all.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Ingress, OPERATOR, Tenant, hello, text};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Allows {
    Operator,
    OperatorAndOwner,
    Owner,
    All,
}

/// Every route under a workspace, as the contract's table has it. `{…}` are ids of things that are there.
fn routes() -> Vec<(Method, &'static str, Allows)> {
    use Allows::{All, Operator, OperatorAndOwner, Owner};
    let (get, post, patch, put, delete) = (Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE);
    vec![
        (get.clone(), "", OperatorAndOwner),
        (patch.clone(), "", OperatorAndOwner),
        (post.clone(), "/credits", Operator),
        (get.clone(), "/credits", All),
        (get.clone(), "/statement", All),
        (get.clone(), "/webhooks", Owner),
        (post.clone(), "/webhooks", Owner),
        (get.clone(), "/webhooks/{h}", Owner),
        (patch.clone(), "/webhooks/{h}", Owner),
        (post.clone(), "/webhooks/{h}/rotate", Owner),
        (get.clone(), "/webhooks/{h}/activations", All),
        (get.clone(), "/webhooks/{h}/activations.log", All),
        (get.clone(), "/accounts", Owner),
        (post.clone(), "/accounts", Owner),
        (get.clone(), "/accounts/{a}", Owner),
        (patch.clone(), "/accounts/{a}", Owner),
        (post.clone(), "/accounts/{a}/connect", Owner),
        (post.clone(), "/accounts/{a}/disconnect", Owner),
        (post.clone(), "/accounts/{a}/purge", Owner),
        (get.clone(), "/chats", Owner),
        (put, "/chats/{c}", Owner),
        (get.clone(), "/chats/{c}", Owner),
        (get.clone(), "/messages", All),
        (get.clone(), "/messages/{m}", All),
        (post.clone(), "/messages/{m}/cancel", Owner),
        (get.clone(), "/tokens", Owner),
        (post, "/tokens", Owner),
        (delete.clone(), "/tokens/{t}", Owner),
        (delete.clone(), "/chats/{c}", Owner),
        (delete.clone(), "/accounts/{a}", Owner),
        (delete, "/webhooks/{h}", Owner),
        (get, "/nothing", Owner),
    ]
}

struct World<'a> {
    tenant: Tenant<'a>,
    auditor: String,
    ids: [(&'static str, String); 5],
}

impl<'a> World<'a> {
    async fn new(ingress: &'a Ingress) -> Self {
        let tenant = Tenant::new(ingress, 5).await;
        let account = tenant.account("+15105566777").await;
        tenant.chat("17", &account, "14151231234@s.whatsapp.net", "Anna").await;
        let message = tenant.call(hello()).await.message_id().to_string();
        let given = tenant.post("/tokens", json!({"role": "auditor"})).await.expect(201);
        let (auditor, token) = (text(&given, "token"), text(&given, "id"));
        let webhook = tenant.webhook_id.clone();
        let ids = [("{h}", webhook), ("{a}", account), ("{c}", "17".to_owned()), ("{m}", message), ("{t}", token)];
        Self { tenant, auditor, ids }
    }

    fn path(&self, route: &str) -> String {
        self.tenant.path(&self.ids.iter().fold(route.to_owned(), |path, (mark, id)| path.replace(mark, id)))
    }
}

#[tokio::test]
async fn without_a_known_token_every_route_is_closed() {
    let ingress = Ingress::start().await;
    let world = World::new(&ingress).await;
    for (method, route, _) in routes() {
        if route == "/nothing" {
            continue;
        }
        for token in ["", "unknown", &OPERATOR[1..]] {
            let answer = ingress.call(method.clone(), &world.path(route), token, Value::Null).await;
            answer.is_problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    ingress.get("/api/v1/workspaces", "").await.is_problem(401, "unauthenticated");
    // A webhook's token and another scheme are no bearer tokens.
    let webhook_token = world.tenant.webhook_url.rsplit('/').next().unwrap();
    ingress.get(&world.path("/webhooks"), webhook_token).await.is_problem(401, "unauthenticated");
    let basic =
        ingress.http.get(format!("{}{}", ingress.url, world.path(""))).basic_auth("a", Some(&world.tenant.owner));
    assert_eq!(basic.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn each_role_gets_through_exactly_where_the_table_says() {
    let ingress = Ingress::start().await;
    let world = World::new(&ingress).await;
    for token in [&world.tenant.owner, &world.auditor] {
        ingress.get("/api/v1/workspaces", token).await.is_problem(403, "forbidden");
        ingress.post("/api/v1/workspaces", token, json!({"name": "x"})).await.is_problem(403, "forbidden");
    }
    // Refusals first: what is allowed may remove what the refusals are about.
    for (method, route, allows) in routes() {
        if route == "/nothing" {
            continue;
        }
        let path = world.path(route);
        let roles = [
            ("operator", OPERATOR, allows != Allows::Owner),
            ("owner", &world.tenant.owner, allows != Allows::Operator),
            ("auditor", &world.auditor, allows == Allows::All),
        ];
        for (role, token, is_allowed) in roles {
            if !is_allowed {
                ingress.call(method.clone(), &path, token, json!({})).await.is_problem(403, "forbidden");
            } else if method == Method::GET {
                let answer = ingress.get(&path, token).await;
                assert_eq!(answer.status, 200, "{method} {route} as {role}: {}", answer.text());
            }
        }
    }
    for (method, route, allows) in routes().into_iter().filter(|(method, ..)| method != Method::GET) {
        let token = if allows == Allows::Operator { OPERATOR } else { &world.tenant.owner };
        let answer = ingress.call(method.clone(), &world.path(route), token, json!({})).await;
        // An empty body is often not enough, but the right is not what is missing.
        assert!(!matches!(answer.status, 401 | 403 | 404 | 405 | 500..), "{method} {route}: {}", answer.text());
    }
}

#[tokio::test]
async fn another_workspaces_things_do_not_exist() {
    let ingress = Ingress::start().await;
    let (world, stranger) = (World::new(&ingress).await, Tenant::new(&ingress, 1).await);
    for (method, route, allows) in routes() {
        let answer = ingress.call(method.clone(), &world.path(route), &stranger.owner, json!({})).await;
        answer.is_problem(404, "not-found");
        // Nor are they found under one's own workspace.
        if route.contains('{') && !(method == Method::PUT || allows == Allows::Operator) {
            let own = world.path(route).replace(&world.tenant.id, &stranger.id);
            let body = match route {
                "/webhooks/{h}" => json!({"enabled": false}),
                _ => json!({}),
            };
            ingress.call(method.clone(), &own, &stranger.owner, body).await.is_problem(404, "not-found");
        }
    }
    // Everything is still there.
    world.tenant.call(hello()).await.message_id();
    assert_eq!(world.tenant.get("/chats/17").await.status, 200);
}

#[tokio::test]
async fn unknown_ids_and_paths_are_not_found_and_other_methods_are_told() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for id in [unknown, "x", "%FF", ".."] {
        for route in ["/webhooks/", "/accounts/", "/chats/", "/messages/"] {
            tenant.get(&format!("{route}{id}")).await.is_problem(404, "not-found");
        }
    }
    for workspace in [unknown, "x", "%FF"] {
        ingress.get(&format!("/api/v1/workspaces/{workspace}"), OPERATOR).await.is_problem(404, "not-found");
        ingress.get(&format!("/api/v1/workspaces/{workspace}/credits"), OPERATOR).await.is_problem(404, "not-found");
    }
    for path in ["/", "/api", "/api/v1", "/api/v1/", "/api/v2/workspaces", "/callbacks", "/favicon.ico"] {
        ingress.get(path, OPERATOR).await.is_problem(404, "not-found");
    }
    let answer = ingress.delete(&tenant.path("/credits"), OPERATOR).await;
    answer.is_problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn a_revoked_token_is_closed_out_before_the_revocation_is_answered() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let given = tenant.post("/tokens", json!({"role": "owner", "label": "laptop"})).await.expect(201);
    let (id, token) = (text(&given, "id"), text(&given, "token"));
    ingress.get(&tenant.path("/webhooks"), &token).await.expect(200);
    let listed = tenant.get("/tokens").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&token), "a token is shown once");
    assert_eq!(tenant.delete(&format!("/tokens/{id}")).await.status, 204);
    ingress.get(&tenant.path("/webhooks"), &token).await.is_problem(401, "unauthenticated");
    tenant.delete(&format!("/tokens/{id}")).await.is_problem(404, "not-found");
    // The last owner stays.
    let first = tenant.get("/tokens").await.expect(200)["items"][0].clone();
    tenant.delete(&format!("/tokens/{}", text(&first, "id"))).await.is_problem(409, "conflict");
    tenant.post("/tokens", json!({"role": "operator"})).await.is_problem(400, "invalid-request");
    tenant.post("/tokens", json!({})).await.is_problem(400, "invalid-request");
}
