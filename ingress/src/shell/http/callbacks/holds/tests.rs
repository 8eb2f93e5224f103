use std::process::Command;
use std::sync::Arc;

use angelia_shared::account_hold::{PAUSE_MS, ProviderHold};
use angelia_shared::directory::Versioned;
use angelia_shared::event::directory::AccountState;
use angelia_shared::event::{AccountChanged, WriterFenced};
use angelia_shared::ids::{MemberId, WriterId};
use angelia_shared::log::{Appender, AppenderOptions, EventLog, Writer, WriterOptions};
use angelia_shared::testing::{self, TestBroker};
use tokio_util::sync::CancellationToken;

use super::*;

fn account(id: u128) -> AccountChanged {
    testing::account(id, AccountState::Connected)
}

fn said(id: u128, hold: ProviderHold) -> BTreeMap<AccountId, Vec<Word>> {
    let word = Word { hold, at: clock::now(), detail: "(#0) the provider's words".to_owned() };
    BTreeMap::from([(AccountId(id), vec![word])])
}

/// An ingress as far as holds go, and an owner's hand at the directory beside it.
struct Place {
    broker: TestBroker,
    log: ApiLog,
    writer: WriterId,
    events: EventLog,
    view: DirectoryView,
    /// Ends what the view follows, so that it knows nothing of what comes later.
    blindfold: CancellationToken,
}

impl Place {
    async fn start() -> Self {
        let broker = TestBroker::start().await;
        let (events, blindfold) = (broker.log().await, CancellationToken::new());
        let (mut view, _ends_with_the_test) = DirectoryView::start(broker.log().await, "test", blindfold.clone());
        view.complete().await;
        let (log, writer) = appender(&broker).await;
        let place = Self { broker, log, writer, events, view, blindfold };
        place.change(account(1), 0).await;
        place.change(account(2), 0).await;
        place
    }

    fn known(&self, id: u128) -> Versioned<AccountChanged> {
        self.view.read().any_account(AccountId(id)).expect("it is there").clone()
    }

    async fn change(&self, account: AccountChanged, after: u64) -> u64 {
        let (owner, _) = appender(&self.broker).await;
        let stored = owner.append(Group::one(entry(account, after))).await.expect("stored");
        let seq = stored.positions[0].seq;
        if !self.blindfold.is_cancelled() {
            self.view.reached(seq).await;
        }
        seq
    }

    async fn put_on(&self, words: BTreeMap<AccountId, Vec<Word>>) {
        put_on(&self.log, &self.view, words).await;
    }

    async fn is_answered(&self) {
        let answered = tokio::time::timeout(3 * WITHIN, self.put_on(said(1, ProviderHold::UntilMended))).await;
        assert!(answered.is_ok(), "a callback's answer waits for it");
    }

    /// The accounts as the log has them, seen by somebody new.
    async fn in_the_log(&self) -> [Arc<AccountChanged>; 2] {
        let (mut view, _ends_with_the_test) =
            DirectoryView::start(self.broker.log().await, "new", CancellationToken::new());
        view.complete().await;
        let directory = view.read();
        [1, 2].map(|id| Arc::clone(&directory.any_account(AccountId(id)).expect("it is there").state))
    }
}

async fn appender(broker: &TestBroker) -> (ApiLog, WriterId) {
    let options = WriterOptions { role: "test".to_owned(), member: MemberId::generate(), fails_fast: true };
    let writer = Writer::open(broker.log().await, options).await.expect("the broker answers");
    let id = writer.id();
    let (appender, _ends_with_the_test) = Appender::start(writer, AppenderOptions::default(), CancellationToken::new());
    (ApiLog::new(appender), id)
}

#[tokio::test]
async fn each_account_gets_its_own_hold() {
    let place = Place::start().await;
    let mut words = said(1, ProviderHold::ForNow);
    words.extend(said(2, ProviderHold::UntilMended));
    words.extend(said(3, ProviderHold::UntilMended));
    place.put_on(words).await;
    let [paused, blocked] = place.in_the_log().await;
    let until = paused.state_since.plus_ms(PAUSE_MS);
    assert_eq!(paused.state, AccountState::Paused { until: Some(until) });
    assert_eq!(blocked.state, AccountState::Blocked);
    assert_eq!(blocked.state_reason.as_deref(), Some("(#0) the provider's words"));
}

#[tokio::test]
async fn a_newer_change_that_this_replica_has_not_seen_wins() {
    let place = Place::start().await;
    let seq = place.known(1).seq;
    place.blindfold.cancel();
    let mended = AccountChanged { phone: "+15105566778".to_owned(), ..account(1) };
    place.change(mended.clone(), seq).await;
    let mut words = said(1, ProviderHold::UntilMended);
    words.extend(said(2, ProviderHold::UntilMended));
    place.put_on(words).await;
    assert_eq!(place.known(1).seq, seq, "it knows only what was before");
    let [one, other] = place.in_the_log().await;
    assert_eq!(*one, mended);
    assert_eq!(other.state, AccountState::Blocked, "the other account's hold stands alone");
}

#[tokio::test]
async fn a_hold_goes_through_a_fence() {
    let place = Place::start().await;
    let fence =
        WriterFenced { v: 1, writer: place.writer, by: MemberId(1), reason: "a test".to_owned(), at: clock::now() };
    place.events.fence(fence, None).await.expect("the broker answers");
    place.put_on(said(1, ProviderHold::UntilMended)).await;
    assert_eq!(place.in_the_log().await[0].state, AccountState::Blocked);
}

#[tokio::test]
async fn nobody_waits_for_a_hold_that_cannot_be_written() {
    let mut place = Place::start().await;
    // A broker that is there and does not answer, then one that is gone.
    let stopped = Command::new("kill").args(["-STOP", &place.broker.pid().to_string()]).status().expect("a command");
    assert!(stopped.success());
    place.is_answered().await;
    place.broker.kill();
    for _ in 0..2 {
        place.is_answered().await;
    }
    assert_eq!(place.known(1).state.state, AccountState::Connected);
}
