//! A statement of very many lines is handed out while it is read: nobody holds it whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use angelia_shared::ids::Position;
use angelia_shared::query::{AskStatement, Moved, PREFIX, Question, Reply, StatementKind, StatementLine};
use angelia_shared::units::{Credits, UnixMillis};
use async_nats::RequestErrorKind;
use futures_util::StreamExt as _;

use crate::support::{Ingress, Tenant, until};

/// Each with a long reason: 40 MB in all, several times of what the sockets between the two ends hold.
const LINES: u64 = 100_000;
const REASON_CHARS: usize = 340;

/// Answers like a ledger that has a statement of so many grants; notes the last line that it gave.
async fn answer(client: async_nats::Client, given: Arc<AtomicU64>) {
    let mut questions = client.subscribe(format!("{PREFIX}.statement")).await.expect("the broker answers");
    client.flush().await.expect("the broker answers");
    let reason = "x".repeat(REASON_CHARS);
    while let Some(question) = questions.next().await {
        let Question { at_least, ask } =
            serde_json::from_slice::<Question<AskStatement>>(&question.payload).expect("a question");
        let first = ask.after.map_or(1, |after| after.seq + 1);
        let last = LINES.min(first + u64::from(ask.limit) - 1);
        given.fetch_max(last, Ordering::Relaxed);
        let line = |number| StatementLine {
            at_position: Position::new(number, 0),
            balance: Credits(number),
            moved: Moved {
                at: UnixMillis(number as i64),
                kind: StatementKind::Grant,
                credits: Credits(1),
                message: None,
                reason: Some(reason.clone()),
            },
        };
        let answer: Vec<_> = (first..=last).map(line).collect();
        let answer = serde_json::to_vec(&Reply::Answer { as_of_seq: at_least, answer }).expect("plain values");
        client.publish(question.reply.expect("a reply"), answer.into()).await.expect("the broker answers");
    }
}

/// Puts that ledger in the place of the one of the other tests.
async fn replace_ledger(ingress: &mut Ingress, given: &Arc<AtomicU64>) {
    ingress.ledger = None;
    let client = ingress.log.client().clone();
    until("the other ledger is gone", async || {
        let nobody = client.request(format!("{PREFIX}.position"), r#"{"at_least":0,"ask":{}}"#.into()).await;
        nobody.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders)
    })
    .await;
    tokio::spawn(answer(client.clone(), Arc::clone(given)));
    until("the new one answers", async || {
        let ask = AskStatement {
            workspace: angelia_shared::ids::WorkspaceId(1),
            from: None,
            to: None,
            after: None,
            limit: 1,
        };
        angelia_shared::query::ask(&client, ask, 0).await.is_ok()
    })
    .await;
    given.store(0, Ordering::Relaxed);
}

/// The last line that was asked for, when nothing more is.
async fn comes_to_rest(given: &AtomicU64) -> u64 {
    let mut last = given.load(Ordering::Relaxed);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = given.load(Ordering::Relaxed);
        if now == last {
            return now;
        }
        last = now;
    }
    panic!("it is read on and on");
}

#[tokio::test]
async fn a_long_statement_is_handed_out_as_fast_as_it_is_taken_and_no_faster() {
    let mut ingress = Ingress::start().await;
    let (url, owner) = {
        let tenant = Tenant::new(&ingress, 0).await;
        (format!("{}{}", ingress.url, tenant.path("/statement")), tenant.owner.clone())
    };
    let given = Arc::new(AtomicU64::new(0));
    replace_ledger(&mut ingress, &given).await;
    let request = ingress.http.get(url).bearer_auth(owner).header("accept", "text/csv");
    let mut file = request.send().await.expect("an answer");
    assert_eq!(file.status(), 200);
    let first = file.chunk().await.expect("a part").expect("not the end");
    assert!(first.starts_with(b"seq,at,kind,"), "the first bytes come");
    // Who takes nothing more is not read for.
    let asked = comes_to_rest(&given).await;
    assert!((1..LINES / 2).contains(&asked), "{asked} lines were read ahead of who takes them");
    let (mut lines, mut last) = (0, first.to_vec());
    while let Some(part) = file.chunk().await.expect("a part") {
        lines += last.iter().filter(|byte| **byte == b'\n').count() as u64;
        // What may be the beginning of a line goes on in the next part.
        last.drain(..last.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        last.extend_from_slice(&part);
    }
    lines += last.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(lines, LINES + 1, "every line, and the head");
    let last = String::from_utf8(last).expect("a text");
    let last = last.lines().next_back().expect("a line");
    assert!(last.contains(&format!(",grant,1,{LINES},,")), "{last}");
}
