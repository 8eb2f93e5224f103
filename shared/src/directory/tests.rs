use super::*;
use crate::event::directory::PreviousToken;
use crate::vault::MasterKey;

const W: WorkspaceId = WorkspaceId(1);

fn webhook(token_hash: &str, previous: Option<(&str, i64)>) -> WebhookChanged {
    WebhookChanged {
        v: 1,
        id: WebhookId(2),
        workspace: W,
        enabled: true,
        token_hash: token_hash.to_owned(),
        token: MasterKey::from_hex(&"00".repeat(32)).unwrap().seal(b"", b""),
        previous: previous.map(|(hash, until)| PreviousToken { token_hash: hash.to_owned(), until: UnixMillis(until) }),
        created_at: UnixMillis(0),
        removed: false,
    }
}

fn folded(events: Vec<WebhookChanged>) -> Directory {
    let mut directory = Directory::default();
    for (seq, event) in (1..).zip(events) {
        directory.apply(seq, UnixMillis(1_000 * seq as i64), &Event::WebhookChanged(Box::new(event)));
    }
    directory
}

#[test]
fn a_replaced_url_stops_at_once() {
    let directory = folded(vec![webhook("old", None), webhook("new", None)]);
    assert!(directory.webhook_by_token("old", UnixMillis(0)).is_none());
    assert_eq!(directory.webhook_by_token("new", UnixMillis(0)).unwrap().seq, 2);
}

#[test]
fn a_replaced_url_works_until_its_grace_is_over() {
    let directory = folded(vec![webhook("old", None), webhook("new", Some(("old", 100)))]);
    assert!(directory.webhook_by_token("old", UnixMillis(99)).is_some());
    assert!(directory.webhook_by_token("old", UnixMillis(100)).is_none());
}

#[test]
fn a_removed_webhook_answers_to_nothing() {
    let mut removed = webhook("old", None);
    removed.removed = true;
    let directory = folded(vec![webhook("old", None), removed]);
    assert!(directory.webhook_by_token("old", UnixMillis(0)).is_none());
    assert!(directory.webhooks_of(W).is_empty());
}

#[test]
fn an_older_state_read_again_changes_nothing() {
    let mut directory = folded(vec![webhook("old", None), webhook("new", None)]);
    directory.apply(1, UnixMillis(1_000), &Event::WebhookChanged(Box::new(webhook("old", None))));
    assert!(directory.webhook_by_token("old", UnixMillis(0)).is_none());
    assert_eq!(directory.position(), 2);
    let known = directory.webhook(W, WebhookId(2)).expect("it is there");
    assert_eq!((known.seq, known.at), (2, UnixMillis(2_000)));
}

#[test]
fn a_thing_of_another_workspace_is_not_found() {
    let directory = folded(vec![webhook("old", None)]);
    assert!(directory.webhook(WorkspaceId(9), WebhookId(2)).is_none());
    assert!(directory.webhook(W, WebhookId(2)).is_some());
}
