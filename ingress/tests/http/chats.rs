//! Chats at rest: ids, names and pages, also with two replicas and with writers at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use angelia_ingress::domain::chat::{Chat, ChatId};
use angelia_ingress::shell::chats::Chats;
use angelia_shared::ids::{AccountId, WorkspaceId};
use angelia_shared::testing::TestBroker;
use serde_json::{Value, json};

use crate::support::{Ingress, Tenant, text, until};

const W: WorkspaceId = WorkspaceId(1);
const A: AccountId = AccountId(2);

fn id(text: &str) -> ChatId {
    ChatId::parse(text).expect("an id")
}

fn chat(account: AccountId, name: &str) -> Chat {
    Chat { account_id: account, jid: "14151231234@s.whatsapp.net".to_owned(), name: name.to_owned() }
}

async fn named(chats: &Chats, account: AccountId, name: &str) -> BTreeSet<String> {
    let found = chats.named(W, account, name).await.expect("the broker answers");
    found.into_iter().map(|named| named.id.to_string()).collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn a_name_finds_exactly_the_chats_that_have_it_now() {
    let broker = TestBroker::start().await;
    let chats = Chats::open(broker.log().await, 1).await.expect("the broker answers");
    assert_eq!(named(&chats, A, "Anna").await, set(&[]));
    assert!(chats.put(W, &id("1"), chat(A, "Anna")).await.expect("stored"));
    assert!(!chats.put(W, &id("1"), chat(A, "Anna")).await.expect("stored"));
    assert_eq!(named(&chats, A, "Anna").await, set(&["1"]));
    chats.put(W, &id("2"), chat(A, "Anna")).await.expect("stored");
    chats.put(W, &id("3"), chat(A, "Anna")).await.expect("stored");
    assert_eq!(named(&chats, A, "Anna").await.len(), 2, "two are enough to be ambiguous");
    // Renamed, moved to another account, removed.
    chats.put(W, &id("1"), chat(A, "Berta")).await.expect("stored");
    chats.put(W, &id("2"), chat(AccountId(3), "Anna")).await.expect("stored");
    assert_eq!(named(&chats, A, "Anna").await, set(&["3"]));
    assert_eq!(named(&chats, A, "Berta").await, set(&["1"]));
    assert_eq!(named(&chats, AccountId(3), "Anna").await, set(&["2"]));
    assert!(chats.remove(W, &id("3")).await.expect("removed"));
    assert!(!chats.remove(W, &id("3")).await.expect("nothing to remove"));
    assert_eq!(named(&chats, A, "Anna").await, set(&[]));
    // And back again, after having been renamed and removed.
    chats.put(W, &id("1"), chat(A, "Anna")).await.expect("stored");
    assert!(chats.put(W, &id("3"), chat(A, "Anna")).await.expect("stored"), "it is new again");
    assert_eq!(named(&chats, A, "Anna").await, set(&["1", "3"]));
}

#[tokio::test]
async fn a_change_is_seen_here_at_once_and_elsewhere_within_a_second_or_so() {
    let broker = TestBroker::start().await;
    let here = Chats::open(broker.log().await, 1).await.expect("the broker answers");
    let there = Chats::open(broker.log().await, 1).await.expect("the broker answers");
    here.put(W, &id("1"), chat(A, "Anna")).await.expect("stored");
    // What is new is found at once everywhere.
    assert_eq!(there.get(W, &id("1")).await.expect("read").map(|chat| chat.name.clone()).as_deref(), Some("Anna"));
    here.put(W, &id("1"), chat(A, "Berta")).await.expect("stored");
    assert_eq!(here.get(W, &id("1")).await.expect("read").map(|chat| chat.name.clone()).as_deref(), Some("Berta"));
    let name = async || there.get(W, &id("1")).await.expect("read").map(|chat| chat.name.clone());
    until("the change is seen elsewhere", async || name().await.as_deref() == Some("Berta")).await;
    here.remove(W, &id("1")).await.expect("removed");
    assert_eq!(here.get(W, &id("1")).await.expect("read"), None);
    until("the removal is seen elsewhere", async || name().await.is_none()).await;
    assert_eq!(there.get(WorkspaceId(9), &id("1")).await.expect("read"), None);
}

#[tokio::test]
async fn what_a_crash_left_over_is_not_found() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let chats = Chats::open(log.clone(), 1).await.expect("the broker answers");
    chats.put(W, &id("1"), chat(A, "Anna")).await.expect("stored");
    // Name entries of a chat that has another name now, has another account, or is gone.
    let bucket = log.jetstream().get_key_value(angelia_ingress::shell::chats::BUCKET).await.expect("it is there");
    for (account, chat_id) in [(A, "1"), (AccountId(9), "1"), (A, "2")] {
        let key = angelia_ingress::domain::chat::name_key(account, "Berta", &id(chat_id));
        bucket.put(key, "".into()).await.expect("stored");
    }
    let anna = angelia_ingress::domain::chat::name_key(AccountId(9), "Anna", &id("1"));
    bucket.put(anna, "".into()).await.expect("stored");
    assert_eq!(named(&chats, A, "Berta").await, set(&[]));
    assert_eq!(named(&chats, AccountId(9), "Berta").await, set(&[]));
    assert_eq!(named(&chats, AccountId(9), "Anna").await, set(&[]));
    assert_eq!(named(&chats, A, "Anna").await, set(&["1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_time_leave_a_chat_findable_by_the_name_it_has() {
    let broker = TestBroker::start().await;
    let open = async || Chats::open(broker.log().await, 1).await.expect("the broker answers");
    let replicas: Vec<_> =
        futures_util::future::join_all((0..4).map(|_| open())).await.into_iter().map(Arc::new).collect();
    let names = ["Anna", "Berta"];
    for epoch in 0..40 {
        let writers = replicas.iter().cloned().enumerate().map(|(at, chats)| {
            tokio::spawn(async move {
                for round in 0..4 {
                    // A change may be given up when others keep coming between; it must not do half of anything.
                    let _given_up = match (at + round + epoch) % 9 {
                        8 => chats.remove(W, &id("1")).await.map(drop),
                        turn => chats.put(W, &id("1"), chat(A, names[turn % 2])).await.map(drop),
                    };
                }
            })
        });
        for ended in futures_util::future::join_all(writers).await {
            ended.expect("no panic");
        }
        let fresh = open().await;
        let has = fresh.get(W, &id("1")).await.expect("the broker answers").map(|chat| chat.name.clone());
        for name in names {
            let expected = if has.as_deref() == Some(name) { set(&["1"]) } else { set(&[]) };
            assert_eq!(named(&fresh, A, name).await, expected, "{name} in epoch {epoch}");
        }
    }
}

#[tokio::test]
async fn chats_are_listed_by_pages_and_searched() {
    let ingress = Ingress::start().await;
    let (tenant, other) = (Tenant::new(&ingress, 1).await, Tenant::new(&ingress, 1).await);
    let account = tenant.account("+15105566777").await;
    let others = other.account("+15105566777").await;
    other.chat("999", &others, "14151239999@s.whatsapp.net", "Foreign").await;
    for at in 0..25 {
        tenant
            .chat(&at.to_string(), &account, &format!("141512300{at:02}@s.whatsapp.net"), &format!("Person {at}"))
            .await;
    }
    assert_eq!(tenant.delete("/chats/7").await.status, 204);
    tenant.delete("/chats/7").await.is_problem(404, "not-found");
    let mut listed = Vec::new();
    let mut query = "?limit=10".to_owned();
    loop {
        let page = tenant.get(&format!("/chats{query}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 10);
        listed.extend(items.iter().map(|item| text(item, "id")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=10&cursor={cursor}");
    }
    let expected: Vec<_> = (0..25).filter(|at| *at != 7).map(|at: i32| at.to_string()).collect();
    assert_eq!(listed, expected);
    let found = async |q: &str| {
        let page = tenant.get(&format!("/chats?q={q}")).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|item| text(item, "id")).collect::<Vec<_>>()
    };
    assert_eq!(found("PERSON%2011").await, ["11"]);
    assert_eq!(found("14151230012").await, ["12"]);
    assert_eq!(found("Foreign").await, [""; 0]);
}

#[tokio::test]
async fn a_chat_is_put_in_its_normal_form() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 1).await;
    let account = tenant.account("+15105566777").await;
    let body = |more: Value| {
        let mut body = json!({"account_id": account, "name": "Anna"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let put = tenant.put("/chats/1", body(json!({"phone": "+1 (415) 123-1234"}))).await.expect(201);
    assert_eq!(put, json!({"id": "1", "account_id": account, "jid": "14151231234@s.whatsapp.net", "name": "Anna"}));
    let put = tenant.put("/chats/1", body(json!({"jid": "14151239999:3@c.us"}))).await.expect(200);
    assert_eq!(put["jid"], "14151239999@s.whatsapp.net");
    assert_eq!(tenant.get("/chats/1").await.expect(200), put);
    for more in [
        json!({}),
        json!({"jid": "x"}),
        json!({"phone": "12"}),
        json!({"jid": "1@g.us", "phone": "+14151231234"}),
        json!({"jid": "1@g.us", "account_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}),
        json!({"jid": "1@g.us", "name": ""}),
    ] {
        tenant.put("/chats/2", body(more)).await.is_problem(400, "invalid-request");
    }
    tenant.get("/chats/2").await.is_problem(404, "not-found");
}
