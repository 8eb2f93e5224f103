//! Uploads that are refused because of the account: it is held before any attempt, and only under the settings of that upload.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use angelia_shared::clock;
use angelia_shared::event::Event;
use angelia_shared::event::directory::AccountState;
use tokio::sync::Semaphore;

use super::attachments::PNG;
use crate::harness::turns::{expected_at, held_by};
use crate::harness::{Account, LATER, Log, Message, Reply, SOMEBODY, Web, World, eventually};

/// A WhatsApp that knows no token until it is well, and answers an upload when it is told to.
struct Provider {
    web: Web,
    files: Web,
    uploads: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
    is_well: Arc<AtomicBool>,
}

impl Provider {
    async fn start() -> Self {
        let (uploads, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let is_well = Arc::new(AtomicBool::new(false));
        let (counted, opened, well) = (Arc::clone(&uploads), Arc::clone(&open), Arc::clone(&is_well));
        let web = Web::start(move |request| {
            let is_upload = request.target.ends_with("/media");
            counted.fetch_add(usize::from(is_upload), Ordering::SeqCst);
            let (opened, well) = (Arc::clone(&opened), well.load(Ordering::SeqCst));
            async move {
                if is_upload {
                    opened.acquire().await.expect("it is never closed for good").forget();
                }
                match (is_upload, well) {
                    (_, false) => Reply {
                        status: 401,
                        ..Reply::ok("application/json", r#"{"error":{"message":"m","code":190}}"#)
                    },
                    (true, true) => Reply::ok("application/json", r#"{"id":"4711"}"#),
                    (false, true) => Reply::ok("application/json", r#"{"messages":[{"id":"wamid.A"}]}"#),
                }
            }
        })
        .await;
        let files = Web::start(|_| async { Reply::ok("image/png", PNG) }).await;
        Self { web, files, uploads, open, is_well }
    }

    async fn account(&self, world: &World) -> Account {
        world.account(|account| account.cloud().base_url = self.web.url.clone()).await
    }

    fn message(&self) -> Message {
        Message::text(SOMEBODY, "look").with_file(format!("{}/photo.png", self.files.url), "us.png")
    }

    fn uploads(&self) -> usize {
        self.uploads.load(Ordering::SeqCst)
    }

    async fn has_an_upload(&self) {
        eventually(
            "an upload is under way",
            LATER,
            async || {
                if self.uploads() > 0 { Ok(()) } else { Err("none".to_owned()) }
            },
        )
        .await;
    }
}

fn is_blocked(log: &Log, of: &Account) -> bool {
    log.events().any(|event| {
        matches!(event, Event::AccountChanged(account) if account.id == of.id() && account.state == AccountState::Blocked)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_refused_for_the_account_holds_it_with_its_queue_until_it_is_mended() {
    let (world, provider) = (World::start().await, Provider::start().await);
    let _dispatcher = world.dispatcher().await;
    let mut account = provider.account(&world).await;
    let messages = world.accept_all(&account, [provider.message(), Message::text(SOMEBODY, "behind it")]).await;
    provider.open.add_permits(1);
    world.chronicle.until("the directory says it", |log| is_blocked(log, &account)).await;
    held_by(&world, &account, &messages, "blocked").await;
    assert!(world.chronicle.look(|log| messages.iter().all(|message| log.starts(*message).is_empty())));
    // A second one may have begun before the directory was read.
    assert!(provider.uploads() <= 2, "{} uploads", provider.uploads());

    provider.is_well.store(true, Ordering::SeqCst);
    provider.open.add_permits(Semaphore::MAX_PERMITS / 2);
    account.is_now(AccountState::Connected);
    world.say(&account).await;

    let (log, _) = world.all_over(&messages).await;
    assert_eq!([log.outcomes(messages[0]), log.outcomes(messages[1])], [["sent"], ["sent"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_are_mended_during_an_upload_are_not_held_for_what_it_says() {
    let (world, provider) = (World::start().await, Provider::start().await);
    let _dispatcher = world.dispatcher().await;
    let mut account = provider.account(&world).await;
    let message = world.accept(&account, provider.message()).await;
    provider.has_an_upload().await;

    world.give_token(&mut account, "a-token-of-today");
    account.state.pace.gap_ms = (1_000, 1_000);
    world.say(&account).await;
    let next = world.accept(&account, Message::text(SOMEBODY, "behind it")).await;
    eventually("the change is read, as the new gap shows", LATER, async || {
        let turn = held_by(&world, &account, &[next], "behind 1").await;
        let waits_ms = expected_at(&turn, 0).map_or(0, |at| at.ms_since(clock::now()));
        if waits_ms > 500 { Ok(()) } else { Err(format!("{waits_ms} ms")) }
    })
    .await;
    provider.open.add_permits(1);
    provider.is_well.store(true, Ordering::SeqCst);
    provider.open.add_permits(Semaphore::MAX_PERMITS / 2);

    let (log, _) = world.all_over(&[message, next]).await;
    assert!(!is_blocked(&log, &account));
    assert!(provider.uploads() >= 2);
}
