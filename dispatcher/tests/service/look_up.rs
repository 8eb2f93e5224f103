//! Outcomes that nobody knows, at a provider that keeps a list of what it took.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_dispatcher::config::Config;
use angelia_shared::clock;
use angelia_shared::event::{Event, Receipt};
use angelia_shared::ids::MessageId;
use angelia_shared::wamid::veiled;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Account, LATER, Log, Message, Reply, SOMEBODY, Web, World, eventually};

const SOMEBODY_ELSE: &str = "+14151239999";
/// Longer than the first look-up takes, with `look_up_after_s` of 1: it is looked every five seconds.
const A_LOOK: Duration = Duration::from_secs(8);

/// What it does with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// It takes it and says so.
    Clearly,
    /// It takes it, and its answer is a proxy's page.
    Silently,
    /// It does not take it, and its answer is a proxy's page.
    Nothing,
    /// It takes it and does not answer in time.
    Slowly,
}

#[derive(Default)]
struct State {
    takes: Vec<Takes>,
    gives_no_list: bool,
    /// Entries of the list.
    taken: Vec<Value>,
    /// How often the list was asked for.
    asked: usize,
    /// It answers with the list only when so many are on it.
    answers_with: usize,
    /// How many seconds its clock is ahead.
    ahead_s: i64,
}

/// A provider that takes messages as it is told, the last way for all that come later, and keeps the list.
struct Provider {
    web: Web,
    state: Arc<Mutex<State>>,
}

impl Provider {
    async fn start(takes: &[Takes]) -> Self {
        let state = Arc::new(Mutex::new(State { takes: takes.to_vec(), ..State::default() }));
        let known = Arc::clone(&state);
        let web = Web::start(move |request| {
            let known = Arc::clone(&known);
            async move {
                let state = || known.lock().expect("no holder panics");
                if !request.target.contains("/message_history?") {
                    let (takes, reply) = state().take(&serde_json::from_slice(&request.body).expect("a message"));
                    if takes == Takes::Slowly {
                        tokio::time::sleep(LATER).await;
                    }
                    return reply;
                }
                state().asked += 1;
                let is_short = |state: &State| state.taken.len() < state.answers_with;
                while is_short(&state()) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                state().list()
            }
        })
        .await;
        Self { web, state }
    }

    async fn account(&self, world: &World) -> Account {
        world.account(|account| account.cloud().base_url = self.web.url.clone()).await
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl State {
    fn take(&mut self, message: &Value) -> (Takes, Reply) {
        let takes = if self.takes.len() > 1 { self.takes.remove(0) } else { self.takes[0] };
        let number = self.taken.len();
        let wamid = wamid(message["to"].as_str().expect("a recipient"), number);
        if takes != Takes::Nothing {
            let seconds = clock::now().0 / 1_000;
            let event = |status: &str| json!({"id": "1", "delivery_status": status, "timestamp": seconds});
            let events = json!({"data": [event("SENT"), event("DELIVERED")]});
            self.taken.insert(0, json!({"id": number.to_string(), "message_id": &wamid, "events": events}));
        }
        let reply = match takes {
            Takes::Clearly => Reply::ok("application/json", json!({"messages": [{"id": wamid}]}).to_string()),
            Takes::Silently | Takes::Nothing | Takes::Slowly => Reply::ok("text/html", "<html>502 Bad Gateway</html>"),
        };
        (takes, reply)
    }

    fn list(&self) -> Reply {
        if self.gives_no_list {
            let refused = json!({"error": {"message": "(#200) no permission", "code": 200}});
            return Reply { status: 403, ..Reply::ok("application/json", refused.to_string()) };
        }
        let list = Reply::ok("application/json", json!({"data": self.taken, "paging": {"cursors": {}}}).to_string());
        Reply { date_ahead_s: self.ahead_s, ..list }
    }
}

/// An id as WhatsApp makes them.
fn wamid(to: &str, number: usize) -> String {
    let name = format!("{number:018X}");
    let head = [&[0x1c, 0x18, to.len() as u8], to.as_bytes(), &[0x15, 0x02, 0x00, 0x11, 0x18, 18]].concat();
    format!("wamid.{}", STANDARD.encode([&head[..], name.as_bytes(), &[0]].concat()))
}

fn config(look_up_after_s: &str) -> Config {
    let flags = [("base_urls_allowed", "loopback"), ("look_up_after_s", look_up_after_s)];
    let flags = flags.map(|(name, value)| (name, value.to_owned()));
    Config::read(&angelia_shared::config::Source::from_flags(flags)).expect("settings")
}

/// The receipts of a message, as the log has them.
fn receipts(log: &Log, of: MessageId) -> Vec<(&'static str, Receipt)> {
    let receipts = log.events().filter_map(|event| match event {
        Event::MessageSent(receipt)
        | Event::MessageDelivered(receipt)
        | Event::MessageRead(receipt)
        | Event::MessageFailed(receipt) => Some((event.name(), receipt.clone())),
        _ => None,
    });
    receipts.filter(|(_, receipt)| receipt.message == of).collect()
}

async fn is_asked(provider: &Provider, times: usize) {
    eventually("the list is asked for", LATER, async || {
        let asked = provider.state().asked;
        if asked >= times { Ok(()) } else { Err(asked.to_string()) }
    })
    .await;
}

async fn is_found(world: &World, message: MessageId) {
    eventually("it is looked up", LATER, async || {
        let found = receipts(&world.chronicle.now(), message).len();
        if found == 2 { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_out_without_an_answer_is_found_and_is_not_sought_again() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Silently, Takes::Clearly]).await;
    let _dispatcher = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let texts = [Message::text(SOMEBODY, "no answer"), Message::text(SOMEBODY, "and an answer")];
    let messages = world.accept_all(&account, texts).await;

    is_found(&world, messages[0]).await;

    let log = world.chronicle.now();
    assert_eq!(log.outcomes(messages[0]), ["unknown"]);
    assert_eq!(log.outcomes(messages[1]), ["sent"]);
    let found = receipts(&log, messages[0]);
    let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["MessageSent", "MessageDelivered"]);
    for (_, receipt) in found {
        assert!(receipt.looked_up && receipt.part == 0);
        assert_eq!(receipt.provider_id, Some(veiled(&wamid("14151231234", 0))));
    }
    assert_eq!(receipts(&log, messages[1]).len(), 0, "what is known is not written again");
    let asked = provider.state().asked;
    // Three times the first time has passed by then.
    tokio::time::sleep(A_LOOK).await;
    assert_eq!(provider.state().asked, asked, "nothing is unknown any more");
    let last = world.accept(&account, Message::text(SOMEBODY, "later")).await;
    world.chronicle.over(&[last]).await;
    let log = world.chronicle.now();
    let carried = log.ends(last).into_iter().all(|ended| ended.carry.open.is_empty());
    assert!(carried, "nobody remembers it any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_go_out_is_not_found_in_another_messages_place() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Nothing, Takes::Clearly]).await;
    let _dispatcher = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let texts = [Message::text(SOMEBODY, "lost"), Message::text(SOMEBODY, "sent")];
    let messages = world.accept_all(&account, texts).await;
    world.chronicle.over(&messages).await;

    // The second time tells that the first has ended.
    is_asked(&provider, 2).await;
    assert_eq!(receipts(&world.chronicle.now(), messages[0]), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_out_while_the_list_is_read_is_not_taken_for_it() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Nothing, Takes::Clearly]).await;
    provider.state().answers_with = 1;
    let _dispatcher = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let lost = world.accept(&account, Message::text(SOMEBODY, "lost")).await;
    is_asked(&provider, 1).await;

    let meanwhile = world.accept(&account, Message::text(SOMEBODY, "meanwhile")).await;
    world.chronicle.over(&[meanwhile]).await;
    is_asked(&provider, 2).await;

    let log = world.chronicle.now();
    assert_eq!((log.outcomes(lost), log.outcomes(meanwhile)), (vec!["unknown"], vec!["sent"]));
    assert_eq!(receipts(&log, lost), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_to_one_recipient_of_which_nobody_knows_are_left_and_others_are_found() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Silently, Takes::Nothing, Takes::Silently]).await;
    let _dispatcher = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let texts = [SOMEBODY, SOMEBODY, SOMEBODY_ELSE].map(|to| Message::text(to, "no answer"));
    let messages = world.accept_all(&account, texts).await;

    is_found(&world, messages[2]).await;

    let log = world.chronicle.now();
    assert_eq!((receipts(&log, messages[0]), receipts(&log, messages[1])), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_gives_no_list_is_asked_once_and_its_account_goes_on() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Silently, Takes::Clearly]).await;
    provider.state().gives_no_list = true;
    let _dispatcher = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let unknown = world.accept(&account, Message::text(SOMEBODY, "no answer")).await;
    eventually(
        "it was looked up",
        LATER,
        async || if provider.state().asked > 0 { Ok(()) } else { Err("not yet".to_owned()) },
    )
    .await;

    let next = world.accept(&account, Message::text(SOMEBODY, "behind it")).await;
    world.chronicle.over(&[next]).await;
    tokio::time::sleep(A_LOOK).await;

    let log = world.chronicle.now();
    assert_eq!(log.outcomes(next), ["sent"], "the error of a list holds no account");
    assert_eq!(log.count("AccountChanged"), 1);
    assert_eq!(receipts(&log, unknown), []);
    assert_eq!(provider.state().asked, 1, "it is left alone for hours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_owner_left_open_is_found_by_the_next_one() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Slowly, Takes::Clearly]).await;
    let first = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let message = world.accept(&account, Message::text(SOMEBODY, "no answer yet")).await;
    eventually("it is taken", LATER, async || {
        let taken = provider.state().taken.len();
        if taken == 1 { Ok(()) } else { Err(taken.to_string()) }
    })
    .await;
    first.kill().await;

    let _second = world.dispatcher_with(config("1"), world.broker.access()).await;

    is_found(&world, message).await;
    assert_eq!(world.chronicle.now().outcomes(message), ["unknown"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_whose_times_or_messages_do_not_fit_the_log_tells_nothing_until_they_do() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Silently]).await;
    provider.state().ahead_s = -60;
    let _dispatcher = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let message = world.accept(&account, Message::text(SOMEBODY, "no answer")).await;
    is_asked(&provider, 1).await;
    {
        let mut state = provider.state();
        state.ahead_s = 0;
        // Somebody else sends with the same number.
        let theirs = json!({"id": "99", "delivery_status": "SENT", "timestamp": clock::now().0 / 1_000});
        state.taken.push(json!({"id": "98", "message_id": wamid("4930123456", 98), "events": {"data": [theirs]}}));
    }
    let asked = provider.state().asked;
    is_asked(&provider, asked + 1).await;
    // Time for what could follow from that list; the next look comes long after.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receipts(&world.chronicle.now(), message), []);

    provider.state().taken.pop();
    is_found(&world, message).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_waits_for_no_look_up() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Silently]).await;
    provider.state().answers_with = 99;
    let dispatcher = world.dispatcher_with(config("1"), world.broker.access()).await;
    let account = provider.account(&world).await;
    world.accept(&account, Message::text(SOMEBODY, "no answer")).await;
    is_asked(&provider, 1).await;

    // Less than a list may take.
    tokio::time::timeout(Duration::from_secs(8), dispatcher.stop()).await.expect("it stops at once");

    assert_eq!(world.chronicle.now().count("PartitionReleased"), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_owner_looks_up_what_the_last_one_left_unknown() {
    let world = World::start().await;
    let provider = Provider::start(&[Takes::Silently]).await;
    // It looks nothing up.
    let first = world.dispatcher_with(config("0"), world.broker.access()).await;
    let account = provider.account(&world).await;
    let message = world.accept(&account, Message::text(SOMEBODY, "no answer")).await;
    world.chronicle.over(&[message]).await;
    tokio::time::sleep(A_LOOK).await;
    assert_eq!(provider.state().asked, 0, "switched off, it is never asked");
    first.kill().await;

    let _second = world.dispatcher_with(config("1"), world.broker.access()).await;

    is_found(&world, message).await;
}
