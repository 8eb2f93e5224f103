//! The check of a link when dispatchers are away, busy, or speak another language. The check itself is theirs.

use angelia_shared::link_check::{AskLink, GROUP, LinkChecked, Reply, SUBJECT};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::support::{Ingress, Tenant};

/// Answers questions about links with these bytes, one after the other; gives what was asked.
async fn dispatcher(ingress: &Ingress, answers: Vec<Vec<u8>>) -> tokio::task::JoinHandle<Vec<AskLink>> {
    let client = ingress.log.client().clone();
    let mut questions = client.queue_subscribe(SUBJECT, GROUP.to_owned()).await.expect("the broker answers");
    // The broker takes what a connection sends in order: once this is answered, it knows the subscription.
    ingress.log.last_sequence().await.expect("the broker answers");
    tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let question = questions.next().await.expect("a question");
            let reply = question.reply.expect("a question has a reply");
            client.publish(reply, answer.into()).await.expect("the broker answers");
            client.flush().await.expect("the broker answers");
            asked.push(serde_json::from_slice(&question.payload).expect("a question of this form"));
        }
        asked
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
    let answers = [&Reply::Checked(good), &Reply::Busy].map(|reply| serde_json::to_vec(reply).expect("JSON"));
    let answering = dispatcher(&ingress, answers.into_iter().chain([b"yes".to_vec()]).collect()).await;
    let told = tenant.post("/link-check", link.clone()).await.expect(200);
    assert_eq!((&told["ok"], &told["bytes"], &told["reason"]), (&json!(true), &json!(7), &json!(null)));
    tenant.post("/link-check", link.clone()).await.is_problem(503, "unavailable");
    tenant.post("/link-check", link).await.is_problem(500, "internal");
    let asked = &answering.await.expect("no panic")[0];
    assert_eq!((asked.url.as_str(), asked.file_name.as_str()), ("https://example.com/a.pdf", "a.pdf"));
    assert_eq!(asked.workspace.to_string(), tenant.id);
}
