//! The check of a link when dispatchers are away, busy, or speak another language. The check itself is theirs.

use angelia_shared::link_check::{AskLink, GROUP, LinkChecked, Reply, SUBJECT};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::support::{Ingress, Tenant};

/// Answers questions about links with these bytes; gives what was asked first.
async fn dispatcher(ingress: &Ingress, answer: Vec<u8>) -> tokio::task::JoinHandle<AskLink> {
    let client = ingress.log.client().clone();
    let mut questions = client.queue_subscribe(SUBJECT, GROUP.to_owned()).await.expect("the broker answers");
    client.flush().await.expect("the broker answers");
    tokio::spawn(async move {
        let question = questions.next().await.expect("a question");
        let reply = question.reply.expect("a question has a reply");
        client.publish(reply, answer.into()).await.expect("the broker answers");
        client.flush().await.expect("the broker answers");
        serde_json::from_slice(&question.payload).expect("a question of this form")
    })
}

#[tokio::test]
async fn without_a_dispatcher_nobody_says_anything_of_a_link() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 0).await;
    let answer = tenant.post("/link-check", json!({"url": "https://example.com/a.pdf"})).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn what_a_dispatcher_says_is_told_and_what_it_cannot_say_is_a_problem() {
    let ingress = Ingress::start().await;
    let tenant = Tenant::new(&ingress, 0).await;
    let link = json!({"url": "https://example.com/a.pdf", "file_name": "a.pdf"});
    let good = LinkChecked { ok: true, bytes: Some(7), ..LinkChecked::default() };
    let answering = dispatcher(&ingress, serde_json::to_vec(&Reply::Checked(good)).expect("JSON")).await;
    let told = tenant.post("/link-check", link.clone()).await.expect(200);
    assert_eq!((&told["ok"], &told["bytes"], &told["reason"]), (&json!(true), &json!(7), &json!(null)));
    let asked = answering.await.expect("no panic");
    assert_eq!((asked.url.as_str(), asked.file_name.as_str()), ("https://example.com/a.pdf", "a.pdf"));
    assert_eq!(asked.workspace.to_string(), tenant.id);
    let _answering = dispatcher(&ingress, serde_json::to_vec(&Reply::Busy).expect("JSON")).await;
    tenant.post("/link-check", link.clone()).await.is_problem(503, "unavailable");
    let _answering = dispatcher(&ingress, b"yes".to_vec()).await;
    tenant.post("/link-check", link).await.is_problem(500, "internal");
}
