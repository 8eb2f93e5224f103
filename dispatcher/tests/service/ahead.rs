//! Files that are fetched before the turn of their message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_dispatcher::config::Config;
use angelia_shared::ids::MessageId;
use tokio::sync::Semaphore;

use crate::harness::wait::{SOON, eventually};
use crate::harness::{Account, Message, Reply, SOMEBODY, Web, World, config};

const PDF: &[u8] = b"%PDF-1.7 a file of the tests";

/// Files that come when they are let go; paths that begin with `/slow` need a permit each.
struct Files {
    web: Web,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    slow: Arc<Semaphore>,
}

impl Files {
    async fn start() -> Self {
        let (asked, slow) = (Arc::<Mutex<BTreeMap<String, usize>>>::default(), Arc::new(Semaphore::new(0)));
        let (counted, waited) = (Arc::clone(&asked), Arc::clone(&slow));
        let web = Web::start(move |request| {
            *counted.lock().expect("no holder panics").entry(request.target.clone()).or_default() += 1;
            let (slow, is_slow) = (Arc::clone(&waited), request.target.starts_with("/slow"));
            async move {
                if is_slow {
                    slow.acquire().await.expect("it is never closed").forget();
                }
                match request.target.as_str() {
                    "/gone" => Reply::status(404),
                    _ => Reply::ok("application/pdf", PDF),
                }
            }
        })
        .await;
        Self { web, asked, slow }
    }

    fn message(&self, path: &str) -> Message {
        Message::text(SOMEBODY, path).with_file(format!("{}{path}", self.web.url), "a.pdf")
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().expect("no holder panics").get(path).copied().unwrap_or(0)
    }

    async fn are_asked(&self, paths: &[&str]) {
        eventually("the files are asked for", SOON, async || {
            let all = paths.iter().all(|path| self.asked(path) > 0);
            if all { Ok(()) } else { Err(format!("{:?}", self.asked)) }
        })
        .await;
    }
}

/// An account whose gap is longer than a test waits for what happens in it.
async fn slow_account(world: &World) -> Account {
    world.account(|account| account.state.pace.gap_ms = (6_000, 6_000)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_of_the_next_few_are_fetched_during_the_gap_and_no_others_and_each_once() {
    let (world, files) = (World::start().await, Files::start().await);
    let _dispatcher = world.dispatcher().await;
    let mut account = slow_account(&world).await;
    let paths = ["/0", "/1", "/2", "/3", "/4", "/5"];
    let messages = world.accept_all(&account, paths.map(|path| files.message(path))).await;
    world.chronicle.over(&messages[..1]).await;

    // The second is at the front now; three behind it, as far as they go within half a minute.
    files.are_asked(&["/1", "/2", "/3", "/4"]).await;
    assert!(world.chronicle.look(|log| log.starts(messages[1]).is_empty()), "all of that in one gap");
    assert_eq!(files.asked("/5"), 0);

    account.state.pace.gap_ms = (50, 80);
    world.say(&account).await;
    let (log, journal) = world.all_over(&messages).await;
    assert_eq!(log.sent(), messages.len());
    assert_eq!(journal.messages_of(&account), messages);
    assert_eq!(journal.uploads_of(&account).len(), messages.len());
    assert_eq!(paths.map(|path| files.asked(path)), [1; 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_began_before_its_turn_is_waited_for_and_not_made_again() {
    let (world, files) = (World::start().await, Files::start().await);
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.state.pace.gap_ms = (1_000, 1_000)).await;
    let messages = world.accept_all(&account, ["/first", "/second", "/slow"].map(|path| files.message(path))).await;
    files.are_asked(&["/slow"]).await;
    world.chronicle.over(&messages[..2]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    files.slow.add_permits(1);

    let (log, _) = world.all_over(&messages).await;

    assert_eq!(log.outcomes(messages[2]), ["sent"]);
    assert_eq!(files.asked("/slow"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_ahead_of_its_turn_is_judged_in_its_turn() {
    let (world, files) = (World::start().await, Files::start().await);
    let _dispatcher = world.dispatcher().await;
    let mut account = slow_account(&world).await;
    let messages = world.accept_all(&account, ["/first", "/second", "/gone"].map(|path| files.message(path))).await;
    world.chronicle.over(&messages[..1]).await;
    files.are_asked(&["/gone"]).await;
    assert!(world.chronicle.look(|log| log.refused(messages[2]).is_empty()));

    account.state.pace.gap_ms = (50, 80);
    world.say(&account).await;
    let (log, _) = world.all_over(&messages).await;
    assert_eq!(log.refused(messages[2])[0].reason, "attachment_link_refused");
    assert_eq!(files.asked("/gone"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_on_this_machine_is_not_asked_for_ahead_either() {
    let (world, files) = (World::start().await, Files::start().await);
    let config = Config { attachments_allow_loopback: false, ..config() };
    let _dispatcher = world.dispatcher_with(config, world.broker.access()).await;
    let account = world.account(|account| account.state.pace.gap_ms = (1_000, 1_000)).await;
    let texts = [Message::text(SOMEBODY, "first"), Message::text(SOMEBODY, "second"), files.message("/third")];
    let messages = world.accept_all(&account, texts).await;

    let (log, _) = world.all_over(&messages).await;

    assert_eq!(log.refused(messages[2])[0].reason, "attachment_address_not_public");
    assert_eq!(files.asked("/third"), 0);
}

/// Two downloads at once, one of them ahead of its turn: an account that waits for one which does not come.
async fn stuck(world: &World, files: &Files) -> (Account, Vec<MessageId>) {
    let account = slow_account(world).await;
    let texts = [Message::text(SOMEBODY, "first"), Message::text(SOMEBODY, "second"), files.message("/slow")];
    let messages = world.accept_all(&account, texts).await;
    files.are_asked(&["/slow"]).await;
    (account, messages)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_ahead_of_its_turn_keeps_no_front_waiting_and_ends_with_its_message() {
    let (world, files) = (World::start().await, Files::start().await);
    let config = Config { attachments_at_once: 2, ..config() };
    let _dispatcher = world.dispatcher_with(config, world.broker.access()).await;
    let (account, messages) = stuck(&world, &files).await;

    let other = slow_account(&world).await;
    let others = world.accept_all(&other, ["/front", "/next", "/behind"].map(|path| files.message(path))).await;
    world.chronicle.over(&others[..1]).await;
    assert_eq!(files.asked("/behind"), 0, "the only download ahead is taken");

    world.cancel(&account, messages[2]).await;
    world.chronicle.until("it is cancelled", |log| log.is_cancelled(messages[2])).await;
    // Nudged by its owner's word, the other account looks again.
    world.say(&other).await;
    files.are_asked(&["/behind"]).await;
    assert_eq!(files.asked("/slow"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_account_fetches_nothing_ahead_and_lets_go_of_what_it_fetches() {
    let (world, files) = (World::start().await, Files::start().await);
    let config = Config { attachments_at_once: 2, ..config() };
    let _dispatcher = world.dispatcher_with(config, world.broker.access()).await;
    let (mut account, _) = stuck(&world, &files).await;
    account.is_now(angelia_shared::event::directory::AccountState::Disconnected);
    world.say(&account).await;

    let other = slow_account(&world).await;
    world.accept_all(&other, ["/front", "/next", "/behind"].map(|path| files.message(path))).await;
    files.are_asked(&["/behind"]).await;
}
