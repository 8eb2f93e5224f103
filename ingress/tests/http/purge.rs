//! What a purge asks the end of: everything that was queued when it was called, and nothing that came later.

use angelia_shared::event::Event;
use angelia_shared::query::{AskMessages, MessageState, MessageView, PREFIX, Question, Reply};
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::support::{Ingress, Tenant, hello};

#[tokio::test]
async fn what_is_accepted_between_the_call_and_its_first_look_at_the_queue_stays() {
    let mut ingress = Ingress::start().await;
    // This test is the ledger, as soon as there is an account.
    let ledger = ingress.ledger.take();
    let tenant = Tenant::new(&ingress, 5).await;
    let account = tenant.account("+15105566777").await;
    tenant.call(hello()).await.message_id();
    drop(ledger);
    let client = ingress.log.client().clone();
    let mut questions = client.subscribe(format!("{PREFIX}.messages")).await.expect("the broker answers");
    ingress.log.last_sequence().await.expect("the broker answers");

    let look = async {
        let question = questions.next().await.expect("the purge asks");
        // While it does, the next message is accepted.
        tenant.call(hello()).await.message_id();
        let asked: Question<AskMessages> = serde_json::from_slice(&question.payload).expect("a question");
        let nothing = Reply::Answer { as_of_seq: asked.at_least, answer: Vec::<MessageView>::new() };
        let nothing = serde_json::to_vec(&nothing).expect("plain values");
        client.publish(question.reply.expect("a reply"), nothing.into()).await.expect("the broker answers");
        asked
    };
    let path = format!("/accounts/{account}/purge");
    let (answer, asked) = tokio::join!(tenant.post(&path, Value::Null), look);

    assert_eq!(answer.expect(202)["requested"], 0);
    assert_eq!(asked.ask.state, Some(MessageState::Queued));
    let accepted: Vec<u64> = ingress
        .events()
        .await
        .into_iter()
        .filter(|(_, event)| event.name() == "MessageAccepted")
        .map(|(record, _)| record.seq)
        .collect();
    let [queued, later] = accepted[..] else { panic!("two were accepted: {accepted:?}") };
    let before = asked.ask.before.expect("a bound").seq;
    assert!(queued < before && before <= later, "{queued} < {before} <= {later}");
    assert!(asked.at_least >= queued, "a ledger that has not seen the queue must not answer");
}

#[tokio::test]
async fn the_queue_of_a_removed_account_can_be_purged_by_its_owner_and_nothing_else_be_done() {
    let ingress = Ingress::start().await;
    let (tenant, other) = (Tenant::new(&ingress, 5).await, Tenant::new(&ingress, 5).await);
    let account = tenant.account("+15105566777").await;
    let message = tenant.call(hello()).await.message_id();
    let path = format!("/accounts/{account}");
    assert_eq!(tenant.delete(&path).await.status, 204);
    for verb in ["", "/connect", "/disconnect"] {
        let answer = if verb.is_empty() {
            tenant.get(&path).await
        } else {
            tenant.post(&format!("{path}{verb}"), Value::Null).await
        };
        answer.is_problem(404, "not-found");
    }
    tenant.patch(&path, serde_json::json!({"state": "connected"})).await.is_problem(404, "not-found");
    tenant.delete(&path).await.is_problem(404, "not-found");
    let purge = format!("{path}/purge");
    other.post(&purge, Value::Null).await.is_problem(404, "not-found");
    tenant.post("/accounts/01ARZ3NDEKTSV4RRFFQ69G5FAV/purge", Value::Null).await.is_problem(404, "not-found");
    assert_eq!(tenant.post(&purge, Value::Null).await.expect(202)["requested"], 1);
    let cancelled: Vec<_> = ingress
        .events()
        .await
        .into_iter()
        .filter_map(|(_, event)| if let Event::CancelRequested(asked) = event { Some(asked.message) } else { None })
        .collect();
    assert_eq!(cancelled, [message]);
}
