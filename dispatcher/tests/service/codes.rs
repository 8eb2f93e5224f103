//! What each of WhatsApp's documented error codes does to its message and its account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use angelia_shared::clock;
use angelia_shared::event::Event;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::directory::AccountState;

use crate::harness::turns::{expected_at, held_by};
use crate::harness::{Account, Log, Reply, Web, World};

/// Codes that block the account until its owner mends it, and keep its queue.
const BLOCKED: [i64; 15] =
    [190, 0, 3, 10, 200, 299, 131_005, 368, 131_031, 130_497, 131_042, 131_037, 131_045, 133_010, 240];
/// Codes that pause it for an hour.
const PAUSED: [i64; 2] = [131_048, 131_064];
/// Codes that put the message off, why, and the least that it waits, in milliseconds. The account waits with it.
const PUT_OFF: [(i64, &str, u64); 9] = [
    (130_429, "throughput", 2_000),
    (80_007, "business", 120_000),
    (4, "business", 120_000),
    (131_056, "pair", 6_000),
    (131_057, "maintenance", 60_000),
    (131_000, "provider", 2_000),
    (131_016, "provider", 2_000),
    (1, "provider", 2_000),
    (2, "provider", 2_000),
];
/// Codes that fail the message, and its reason. The account goes on.
const FAILED: [(i64, &str); 14] = [
    (131_049, "marketing_limit"),
    (131_047, "outside_window"),
    (131_026, "recipient_not_on_whatsapp"),
    (131_021, "recipient_is_the_sender"),
    (131_030, "recipient_not_allowed"),
    (131_050, "recipient_opted_out"),
    (130_472, "recipient_in_experiment"),
    (131_051, "message_rejected"),
    (131_052, "media_rejected"),
    (131_053, "media_rejected"),
    (131_008, "message_rejected"),
    (131_009, "message_rejected"),
    (100, "message_rejected"),
    (33, "message_rejected"),
];

/// A WhatsApp that answers each account with a code of its own, until it is well again: then it takes everything.
struct Provider {
    web: Web,
    codes: Arc<Mutex<HashMap<String, i64>>>,
}

impl Provider {
    async fn start() -> Self {
        let codes = Arc::<Mutex<HashMap<String, i64>>>::default();
        let asked = Arc::clone(&codes);
        let web = Web::start(move |request| {
            let account = request.target.split('/').nth(2).unwrap_or_default().to_owned();
            let code = asked.lock().expect("no holder panics").get(&account).copied();
            async move {
                match code {
                    // The status says nothing: the code decides.
                    Some(code) => Reply {
                        status: 400,
                        ..Reply::ok("application/json", format!(r#"{{"error":{{"message":"m","code":{code}}}}}"#))
                    },
                    None => Reply::ok("application/json", r#"{"messages":[{"id":"wamid.A"}]}"#),
                }
            }
        })
        .await;
        Self { web, codes }
    }

    async fn account(&self, world: &World, code: i64) -> Account {
        world
            .account(|account| {
                account.cloud().base_url = self.web.url.clone();
                let number = account.phone_number_id().to_owned();
                self.codes.lock().expect("no holder panics").insert(number, code);
            })
            .await
    }

    fn is_well_again(&self) {
        self.codes.lock().expect("no holder panics").clear();
    }
}

fn newest_state(log: &Log, of: &Account) -> Option<AccountState> {
    log.events().rev().find_map(|event| match event {
        Event::AccountChanged(account) if account.id == of.id() => Some(account.state),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_account_holds_it_with_its_queue_says_so_and_ends_when_it_is_mended() {
    let (world, provider) = (World::start().await, Provider::start().await);
    let _dispatcher = world.dispatcher().await;
    let mut held = Vec::new();
    for code in BLOCKED.into_iter().chain(PAUSED) {
        let account = provider.account(&world, code).await;
        let messages = world.accept_texts(&account, 2).await;
        held.push((code, account, messages));
    }
    for (code, account, messages) in &held {
        let is_paused = PAUSED.contains(code);
        let turn = held_by(&world, account, messages, if is_paused { "paused" } else { "blocked" }).await;
        let is_held = |log: &Log| match newest_state(log, account) {
            Some(AccountState::Paused { until }) => is_paused && until.is_some(),
            Some(AccountState::Blocked) => !is_paused,
            Some(AccountState::Connected | AccountState::Disconnected) | None => false,
        };
        world.chronicle.until(&format!("the directory says what {code} did"), is_held).await;
        let minutes = expected_at(&turn, 0).map(|at| at.ms_since(clock::now()) / 60_000);
        assert!(minutes.map_or(!is_paused, |minutes| is_paused && minutes >= 55), "{code}: {minutes:?}");
        // Either of the two may be in the log first.
        world.chronicle.until("the attempt has ended", |log| !log.ends(messages[0]).is_empty()).await;
        assert_eq!(world.chronicle.look(|log| log.outcomes(messages[0])), ["deferred"], "{code}");
        assert!(world.chronicle.look(|log| log.starts(messages[1]).is_empty()), "{code}: the queue is kept");
    }

    provider.is_well_again();
    for (code, account, _) in &mut held {
        // The end of a pause is brought near; a block ends when its owner says so.
        let soon = clock::now().plus_ms(2_000);
        let is_paused = PAUSED.contains(code);
        account.is_now(if is_paused { AccountState::Paused { until: Some(soon) } } else { AccountState::Connected });
        world.say(account).await;
    }
    let all: Vec<_> = held.iter().flat_map(|(_, _, messages)| messages.clone()).collect();
    world.chronicle.over(&all).await;
    for (code, _, messages) in &held {
        let outcomes = world.chronicle.look(|log| [log.outcomes(messages[0]), log.outcomes(messages[1])]);
        assert_eq!(outcomes, [vec!["deferred", "sent"], vec!["sent"]], "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_passes_puts_its_message_off_and_the_account_waits_with_it() {
    let (world, provider) = (World::start().await, Provider::start().await);
    let _dispatcher = world.dispatcher().await;
    let mut waiting = Vec::new();
    for (code, reason, least_ms) in PUT_OFF {
        let account = provider.account(&world, code).await;
        let messages = world.accept_texts(&account, 2).await;
        waiting.push((code, reason, least_ms, account, messages));
    }
    for (code, reason, least_ms, account, messages) in &waiting {
        world.chronicle.until("it is put off", |log| !log.ends(messages[0]).is_empty()).await;
        let (at, outcome) =
            world.chronicle.look(|log| (log.ends(messages[0])[0].at, log.ends(messages[0])[0].outcome.clone()));
        let AttemptOutcome::Deferred { reason: told, until, .. } = outcome else { panic!("{code}: {outcome:?}") };
        assert_eq!(&told, reason, "{code}");
        assert!(until >= at.plus_ms(*least_ms), "{code}: {} ms", until.ms_since(at));
        if *least_ms >= 60_000 {
            let turn = held_by(&world, account, messages, "put_off").await;
            assert_eq!(expected_at(&turn, 0), Some(until), "{code}");
        }
        assert!(world.chronicle.look(|log| log.starts(messages[1]).is_empty()), "{code}: nothing overtakes");
        let state = world.chronicle.look(|log| newest_state(log, account));
        assert_eq!(state, Some(AccountState::Connected), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_message_fails_it_at_once_and_the_next_one_goes() {
    let (world, provider) = (World::start().await, Provider::start().await);
    let _dispatcher = world.dispatcher().await;
    let mut failing = Vec::new();
    for (code, reason) in FAILED {
        let account = provider.account(&world, code).await;
        let messages = world.accept_texts(&account, 2).await;
        failing.push((code, reason, messages));
    }
    let all: Vec<_> = failing.iter().flat_map(|(_, _, messages)| messages.clone()).collect();
    let (log, _) = world.all_over(&all).await;
    for (code, reason, messages) in &failing {
        for message in messages {
            let [end] = log.ends(*message)[..] else { panic!("{code}: one attempt") };
            assert!(
                matches!(&end.outcome, AttemptOutcome::Failed { reason: told, .. } if told == reason),
                "{code}: {end:?}"
            );
        }
    }
}
