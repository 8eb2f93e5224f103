//! Connections that are kept, that have gone meanwhile, and that must not be made at all.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::attachments::Lookup;

/// Long enough for a closed connection's last packet to be delivered on this machine.
const A_MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn messages_of_many_accounts_follow_each_other_on_one_connection() {
    let server = TestServer::always(Reply::KeepOpen(answer("200 OK", "", SENT))).await;
    let client = client();
    for id in ["1", "2", "3", "4"] {
        let access = CloudAccess::new(&server.url(""), DEFAULT_VERSION, id, "EAABtoken").expect("plain settings");
        assert!(is_sent(&text_by(&client.account(access)).await));
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 4));
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_replaced_before_anything_is_written() {
    // A server that allows reuse and then closes: what a client that keeps connections must not stumble over.
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "", SENT))).await;
    let transport = account(&server.url(""));
    for sent in 1..=4 {
        let outcome = text_by(&transport).await;
        assert!(is_sent(&outcome), "{outcome:?}");
        assert_eq!((server.connections(), server.requests().len()), (sent, sent));
        tokio::time::sleep(A_MOMENT).await;
    }
}

#[tokio::test]
async fn a_kept_connection_that_closes_upon_a_request_leaves_it_unknown_and_unrepeated() {
    let asked = AtomicUsize::new(0);
    let server = TestServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::KeepOpen(answer("200 OK", "", SENT)),
        _ => Reply::Close,
    })
    .await;
    let transport = account(&server.url(""));
    assert!(is_sent(&text_by(&transport).await));
    let outcome = text_by(&transport).await;
    assert!(is_unknown(&outcome), "{outcome:?}");
    assert_eq!((server.connections(), server.requests().len()), (1, 2), "what was written is not written again");
}

#[tokio::test]
async fn a_connection_that_was_idle_for_too_long_is_not_used_again() {
    let server = TestServer::always(Reply::KeepOpen(answer("200 OK", "", SENT))).await;
    let limit = Duration::from_secs(10);
    let client = idling(Timeouts { connect: limit, call: limit, upload: limit, list: limit, idle: A_MOMENT / 4 });
    let access = CloudAccess::new(&server.url(""), DEFAULT_VERSION, "1", "EAABtoken").expect("plain settings");
    let transport = client.account(access);
    for connections in 1..=2 {
        assert!(is_sent(&text_by(&transport).await));
        assert_eq!(server.connections(), connections);
        tokio::time::sleep(A_MOMENT).await;
    }
    // Common servers close an idle connection after 5 s and more.
    const { assert!(http_client::IDLE.as_secs() < 5) };
}

#[tokio::test]
async fn a_permit_that_is_over_when_the_connection_stands_leaves_nothing_written() {
    let server = TestServer::always(Reply::KeepOpen(answer("200 OK", "", SENT))).await;
    let transport = account(&server.url(""));
    assert_eq!(text_while(&transport, || false).await, Outcome::NotStarted);
    assert_eq!(server.bytes(), 0);
    // On a kept connection, too: it is closed, and the next request has one of its own.
    assert!(is_sent(&text_by(&transport).await));
    let (bytes, connections) = (server.bytes(), server.connections());
    assert_eq!(text_while(&transport, || false).await, Outcome::NotStarted);
    assert_eq!((server.bytes(), server.connections()), (bytes, connections));
    assert!(is_sent(&text_by(&transport).await));
    assert_eq!((server.requests().len(), server.connections()), (2, connections + 1));
}

#[tokio::test]
async fn a_permit_is_asked_for_once_and_only_when_everything_else_is_ready() {
    let server = TestServer::always(Reply::KeepOpen(answer("200 OK", "", SENT))).await;
    let rule = rule("loopback");
    let names = Arc::new(Changing { answers: vec![IpAddr::from([127, 0, 0, 1])], asked: AtomicUsize::new(0) });
    let limit = Duration::from_secs(5);
    let timeouts = Timeouts { connect: limit, call: limit, upload: limit, list: limit, idle: limit };
    let resolver = ProviderResolver::new(&rule, Arc::clone(&names) as Arc<dyn Lookup>);
    let client = CloudClient::with(rule, resolver, timeouts).expect("TLS can be set up");
    let base_url = format!("http://provider.test:{}", server.port());
    let access = CloudAccess::new(&base_url, DEFAULT_VERSION, "1", "EAABtoken").expect("plain settings");
    let asked = Arc::new(AtomicUsize::new(0));
    let permitted = {
        let asked = Arc::clone(&asked);
        move || asked.fetch_add(1, Ordering::SeqCst) == 0 && names.asked.load(Ordering::SeqCst) > 0
    };
    let outcome = text_while(&client.account(access), permitted).await;
    assert!(is_sent(&outcome), "it was asked before the name was looked up: {outcome:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// A name service that is asked for one name and changes its answer.
struct Changing {
    answers: Vec<IpAddr>,
    asked: AtomicUsize,
}

impl Lookup for Changing {
    fn lookup(&self, _host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[asked.min(self.answers.len() - 1)];
        async move { Ok(vec![answer]) }.boxed()
    }
}

async fn outcome_at(allowed: &str, base_url: &str, answers: &[IpAddr]) -> (Outcome, Result<MediaId, Outcome>) {
    let rule = rule(allowed);
    let resolver =
        ProviderResolver::new(&rule, Arc::new(Changing { answers: answers.to_vec(), asked: AtomicUsize::new(0) }));
    let limit = Duration::from_secs(5);
    let timeouts = Timeouts { connect: limit, call: limit, upload: limit, list: limit, idle: limit };
    let client = CloudClient::with(rule, resolver, timeouts).expect("TLS can be set up");
    let access = CloudAccess::new(base_url, DEFAULT_VERSION, "1", "EAABtoken").expect("plain settings");
    let transport = client.account(access);
    (text_by(&transport).await, transport.upload(&file()).await)
}

fn is_blocked(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::AccountHeld { state: ProviderHold::UntilMended, .. })
}

#[tokio::test]
async fn a_base_url_that_leads_inside_blocks_its_account_and_nothing_is_written() {
    let server = TestServer::always(Reply::KeepOpen(answer("200 OK", "", SENT))).await;
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let named = format!("http://provider.test:{}", server.port());
    for base_url in [&server.url(""), &named, &format!("http://2130706433:{}", server.port())] {
        let (sent, uploaded) = outcome_at("", base_url, &[loopback]).await;
        assert!(is_blocked(&sent) && uploaded.as_ref().is_err_and(is_blocked), "{base_url}: {sent:?} {uploaded:?}");
    }
    let (sent, _) = outcome_at("loopback", &named, &[IpAddr::from([169, 254, 169, 254])]).await;
    assert!(is_blocked(&sent), "{sent:?}");
    let (sent, _) = outcome_at(&named, &server.url(""), &[loopback]).await;
    assert!(is_blocked(&sent), "the name is allowed, not its address under another name: {sent:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_for_every_connection() {
    let server = TestServer::always(Reply::Bytes(answer("200 OK", "connection: close\r\n", SENT))).await;
    let named = format!("http://provider.test:{}", server.port());
    let answers = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1])];
    // The first look-up is for the message, the second for the upload.
    let (sent, uploaded) = outcome_at("loopback", &named, &answers).await;
    assert!(is_sent(&sent), "{sent:?}");
    assert!(uploaded.as_ref().is_err_and(is_blocked), "{uploaded:?}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_base_url_that_the_operator_named_is_reached_wherever_it_is() {
    let server = TestServer::always(Reply::KeepOpen(answer("200 OK", "", SENT))).await;
    let named = format!("http://provider.test:{}", server.port());
    let (sent, _) = outcome_at(&named, &format!("{named}/graph"), &[IpAddr::from([127, 0, 0, 1])]).await;
    assert!(is_sent(&sent), "{sent:?}");
}
