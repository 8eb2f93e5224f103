//! Lists: `limit`, opaque cursors, and nothing twice or missing between two pages.

use angelia_tests::installation::text;
use angelia_tests::tenant::{FAST, NEVER, Tenant};
use serde_json::{Value, json};

use crate::installation;

/// Reads a list in pages of `limit`.
async fn paged(tenant: &Tenant<'_>, path: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = tenant.owner.get(&tenant.path(&format!("{path}?limit={limit}{cursor}"))).await.expect(200);
        let items = page["items"].as_array().expect("a list has items");
        assert!(items.len() <= limit, "{} items in a page of {limit}", items.len());
        all.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            None => return all,
            Some(next) => cursor = format!("&cursor={next}"),
        }
        assert!(!items.is_empty(), "an empty page with a next one");
    }
}

#[tokio::test]
async fn pages_put_together_are_the_whole_list() {
    let tenant = Tenant::new(installation().await, 100).await;
    let account = tenant.account(NEVER).await;
    for n in 0..12 {
        tenant
            .chat(
                &format!("chat-{n:02}"),
                &account,
                json!({"phone": format!("+1415555{n:04}"), "name": format!("Chat {n}")}),
            )
            .await;
        tenant.send(&account, "+14151231234", &format!("{n}")).await;
        if n < 5 {
            tenant.owner.post(&tenant.path("/webhooks"), json!({})).await.expect(201);
            tenant.account(FAST).await;
        }
    }
    // Things that are over and do not move any more.
    for (path, wanted) in [("/chats", 12), ("/messages", 12), ("/webhooks", 6), ("/accounts", 6), ("/statement", 13)] {
        let name = if path == "/statement" { "seq" } else { "id" };
        let ids = |items: &[Value]| items.iter().map(|item| item[name].to_string()).collect::<Vec<_>>();
        let whole = ids(&paged(&tenant, path, 100).await);
        assert_eq!(whole.len(), wanted, "{path}");
        for limit in [1, 5, 12] {
            assert_eq!(ids(&paged(&tenant, path, limit).await), whole, "{path} in pages of {limit}");
        }
    }
}

#[tokio::test]
async fn a_page_of_nonsense_is_a_problem() {
    let tenant = Tenant::new(installation().await, 1).await;
    for query in ["limit=0", "limit=-1", "limit=many", "cursor=nonsense%00"] {
        for path in ["/messages", "/webhooks", "/chats"] {
            let answer = tenant.owner.get(&tenant.path(&format!("{path}?{query}"))).await;
            answer.problem(400);
        }
    }
    let empty = tenant.owner.get(&tenant.path("/messages")).await.expect(200);
    assert_eq!(empty, json!({"items": [], "next_cursor": null}));
    let made = tenant.owner.get(&tenant.path("/webhooks")).await.expect(200);
    assert_eq!(text(&made["items"][0], "id"), tenant.webhook_id);
}
