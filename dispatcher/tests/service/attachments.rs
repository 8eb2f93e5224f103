//! Files: with the text, beside it, and refused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use angelia_dispatcher::config::Config;
use angelia_shared::ids::MessageId;
use tokio::sync::Semaphore;

use crate::harness::{Log, Message, Reply, SOMEBODY, Web, World, config};

/// The smallest picture: a PNG of one pixel, as far as a reader of signatures looks.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

async fn files() -> Web {
    Web::start(|request| async move {
        match request.target.as_str() {
            "/photo.png" => Reply::ok("image/png", PNG),
            "/page" => Reply::ok("text/html", "<!DOCTYPE html><html><body>Sign in to see this file</body></html>"),
            _ => Reply::status(404),
        }
    })
    .await
}

/// Reasons and credits of a message's refused parts.
fn refusals(log: &Log, of: MessageId) -> Vec<(u8, u8, String, u64)> {
    let refused = log.refused(of).into_iter();
    refused.map(|part| (part.part, part.parts, part.reason.clone(), part.credits.0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_carries_the_text_as_its_caption() {
    let (world, files) = (World::start().await, files().await);
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let link = format!("{}/photo.png", files.url);
    let message = world.accept(&account, Message::text(SOMEBODY, "look").with_file(link, "us.png")).await;

    let (log, journal) = world.all_over(&[message]).await;

    assert_eq!(log.outcomes(message), ["sent"]);
    assert_eq!(log.ends(message)[0].credits.0, 2, "one send, both credits");
    assert_eq!(journal.uploads_of(&account).len(), 1);
    let sends = journal.sends(message);
    let [send] = sends[..] else { panic!("{sends:?}") };
    assert_eq!((send.kind.as_str(), &send.body["image"]["caption"]), ("image", &"look".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_is_too_long_for_a_caption_goes_out_before_the_file_with_a_gap_between() {
    let (world, files) = (World::start().await, files().await);
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.state.pace.gap_ms = (300, 300)).await;
    let (link, text) = (format!("{}/photo.png", files.url), "long ".repeat(300));
    let message = world.accept(&account, Message::text(SOMEBODY, &text).with_file(link, "us.png")).await;

    let (log, journal) = world.all_over(&[message]).await;

    assert_eq!(log.outcomes(message), ["sent", "sent"]);
    let parts: Vec<_> = log.ends(message).iter().map(|end| (end.part, end.parts, end.credits.0)).collect();
    assert_eq!(parts, [(0, 2, 1), (1, 2, 1)]);
    let sends = journal.sends(message);
    let [first, second] = sends[..] else { panic!("{sends:?}") };
    assert_eq!((first.kind.as_str(), second.kind.as_str()), ("text", "image"));
    assert!(second.body["image"]["caption"].is_null());
    assert!(journal.gaps_of(&account)[0] >= 300);
    assert_eq!(journal.uploads_of(&account).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_file_takes_down_the_text_that_it_was_to_carry_and_no_other() {
    let (world, files) = (World::start().await, files().await);
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|_| {}).await;
    let (gone, page) = (format!("{}/gone.png", files.url), format!("{}/page", files.url));
    let long = "long ".repeat(300);
    let texts = [
        Message::text(SOMEBODY, "look").with_file(&gone, "us.png"),
        Message::text(SOMEBODY, &long).with_file(&gone, "us.png"),
        Message::text(SOMEBODY, "").with_file(&gone, "us.png"),
        Message::text(SOMEBODY, "look").with_file(&page, "us.png"),
        Message::text(SOMEBODY, "look").with_file("ftp://example.org/us.png", "us.png"),
    ];
    let messages = world.accept_all(&account, texts).await;

    let (log, journal) = world.all_over(&messages).await;

    let refused = |part, parts, reason: &str, credits| vec![(part, parts, reason.to_owned(), credits)];
    assert_eq!(refusals(&log, messages[0]), refused(0, 1, "attachment_link_refused", 2));
    assert_eq!(refusals(&log, messages[1]), refused(1, 2, "attachment_link_refused", 1));
    assert_eq!(refusals(&log, messages[2]), refused(0, 1, "attachment_link_refused", 1));
    assert_eq!(refusals(&log, messages[3]), refused(0, 1, "attachment_is_a_web_page", 2));
    assert_eq!(refusals(&log, messages[4]), refused(0, 1, "attachment_link_not_valid", 2));
    assert_eq!(log.outcomes(messages[1]), ["sent"], "the long text goes out without the file");
    assert_eq!(journal.messages_of(&account), [messages[1]]);
    assert!(journal.uploads_of(&account).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_on_this_machine_is_refused_unless_that_was_allowed() {
    let (world, files) = (World::start().await, files().await);
    let config = Config { attachments_allow_loopback: false, ..config() };
    let _dispatcher = world.dispatcher_with(config, world.broker.access()).await;
    let account = world.account(|_| {}).await;
    let link = format!("{}/photo.png", files.url);
    let message = world.accept(&account, Message::text(SOMEBODY, "look").with_file(link, "us.png")).await;

    let (log, journal) = world.all_over(&[message]).await;

    assert_eq!(refusals(&log, message), [(0, 1, "attachment_address_not_public".to_owned(), 2)]);
    assert!(journal.0.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_cancelled_while_its_file_is_fetched_never_goes_out_in_anothers_place() {
    let world = World::start().await;
    let open = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&open);
    let files = Web::start(move |_| {
        let opened = Arc::clone(&opened);
        async move {
            opened.acquire().await.expect("it is never closed").forget();
            Reply::ok("image/png", PNG)
        }
    })
    .await;
    let _dispatcher = world.dispatcher().await;
    // The gap is long, so that everything below happens while the third message waits for its turn.
    let account = world.account(|account| account.state.pace.gap_ms = (6_000, 6_000)).await;
    let texts = [
        Message::text(SOMEBODY, "first"),
        Message::text(SOMEBODY, "with a file").with_file(&files.url, "us.png"),
        Message::text(SOMEBODY, "third"),
    ];
    let messages = world.accept_all(&account, texts).await;
    world.chronicle.over(&messages[..1]).await;
    world.cancel(&account, messages[1]).await;
    world.chronicle.until("it is cancelled", |log| log.is_cancelled(messages[1])).await;
    // The third one is looked at in no time; only then the file of the second one arrives.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    open.add_permits(8);

    let (log, journal) = world.all_over(&messages).await;

    assert!(log.starts(messages[1]).is_empty());
    assert_eq!(journal.messages_of(&account), [messages[0], messages[2]]);
    assert_eq!(journal.sends(messages[2])[0].body["text"]["body"], "third");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_do_not_come_hold_up_no_other_accounts_files() {
    let (world, files) = (World::start().await, files().await);
    let broken = Web::start(|_| async { Reply::status(503) }).await;
    let config = Config { attachments_at_once: 2, ..config() };
    let _dispatcher = world.dispatcher_with(config, world.broker.access()).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let account = world.account(|_| {}).await;
        waiting.push(world.accept(&account, Message::text(SOMEBODY, "look").with_file(&broken.url, "us.png")).await);
    }
    world.ready().await;
    let account = world.account(|_| {}).await;
    let link = format!("{}/photo.png", files.url);
    let message = world.accept(&account, Message::text(SOMEBODY, "look").with_file(link, "us.png")).await;

    world.chronicle.over(&[message]).await;
    assert!(world.chronicle.look(|log| waiting.iter().all(|of| !log.is_over(*of))), "the others are still being tried");

    let (log, _) = world.all_over(&waiting).await;
    for message in waiting {
        assert_eq!(refusals(&log, message), [(0, 1, "attachment_unavailable".to_owned(), 2)]);
    }
}

/// A provider in which uploads fail as often as it is told to, and sends as often after that.
async fn failing(uploads: usize, sends: usize) -> (Web, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    let provider = Web::start(move |request| {
        let kind = if request.target.ends_with("/media") { "upload" } else { "send" };
        let earlier = {
            let mut seen = all.lock().expect("no holder panics");
            let earlier = seen.iter().filter(|of| **of == kind).count();
            seen.push(kind.to_owned());
            earlier
        };
        async move {
            match kind {
                "upload" if earlier < uploads => Reply::status(502),
                "upload" => Reply::ok("application/json", r#"{"id":"4711"}"#),
                _ if earlier < sends => {
                    Reply { status: 500, ..Reply::ok("application/json", r#"{"error":{"message":"m","code":131000}}"#) }
                }
                _ => Reply::ok("application/json", r#"{"messages":[{"id":"wamid.A"}]}"#),
            }
        }
    })
    .await;
    (provider, seen)
}

/// Files at a server that gives out each only once.
async fn once() -> (Web, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let files = Web::start(move |_| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { Reply::ok("image/png", PNG) } else { Reply::status(404) } }
    })
    .await;
    (files, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_put_off_downloads_nothing_again_and_a_send_that_is_uploads_nothing_again() {
    let world = World::start().await;
    let ((provider, seen), (files, asked)) = (failing(2, 1).await, once().await);
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = provider.url.clone()).await;
    let link = format!("{}/photo.png", files.url);
    let message = world.accept(&account, Message::text(SOMEBODY, "look").with_file(link, "us.png")).await;

    let (log, _) = world.all_over(&[message]).await;

    assert_eq!(log.outcomes(message), ["deferred", "sent"]);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the link worked once");
    assert_eq!(*seen.lock().expect("no holder panics"), ["upload", "upload", "upload", "send", "send"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_takes_no_upload_fails_the_file_after_five_tries() {
    let world = World::start().await;
    let ((provider, seen), (files, asked)) = (failing(usize::MAX, 0).await, once().await);
    let _dispatcher = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = provider.url.clone()).await;
    let link = format!("{}/photo.png", files.url);
    let message = world.accept(&account, Message::text(SOMEBODY, "look").with_file(link, "us.png")).await;

    let (log, _) = world.all_over(&[message]).await;

    assert_eq!(refusals(&log, message), [(0, 1, "provider_error".to_owned(), 2)]);
    assert_eq!((asked.load(Ordering::SeqCst), seen.lock().expect("no holder panics").len()), (1, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_was_put_off_before_a_restart_uploads_nothing_again() {
    let world = World::start().await;
    let (uploads, calm) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, is_calm) = (Arc::clone(&uploads), Arc::clone(&calm));
    let provider = Web::start(move |request| {
        let uploads = request.target.ends_with("/media").then(|| counted.fetch_add(1, Ordering::SeqCst));
        let throttles = !is_calm.load(Ordering::SeqCst);
        async move {
            match uploads {
                Some(_) => Reply::ok("application/json", r#"{"id":"4711"}"#),
                None if throttles => {
                    Reply { status: 429, ..Reply::ok("application/json", r#"{"error":{"message":"m","code":130429}}"#) }
                }
                None => Reply::ok("application/json", r#"{"messages":[{"id":"wamid.A"}]}"#),
            }
        }
    })
    .await;
    let (files, asked) = once().await;
    let first = world.dispatcher().await;
    let account = world.account(|account| account.cloud().base_url = provider.url.clone()).await;
    let link = format!("{}/photo.png", files.url);
    let message = world.accept(&account, Message::text(SOMEBODY, "look").with_file(link, "us.png")).await;
    world.chronicle.until("the send is put off", |log| !log.outcomes(message).is_empty()).await;
    first.stop().await;
    calm.store(true, Ordering::SeqCst);
    let _second = world.dispatcher().await;

    let (log, _) = world.all_over(&[message]).await;

    assert_eq!(log.outcomes(message).last(), Some(&"sent"));
    assert_eq!((uploads.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (1, 1));
}
