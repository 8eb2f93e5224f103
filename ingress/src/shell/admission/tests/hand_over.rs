//! Keyed calls among several processes: who decides them, and what is told when that one is dead, silent, slow or full.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use angelia_shared::event::{Event, lines};
use angelia_shared::ids::MemberId;
use angelia_shared::log::digest::sha256;
use angelia_shared::log::{Reader, ReaderOptions};
use angelia_shared::rendezvous;
use angelia_shared::testing::TestBroker;
use angelia_shared::units::Credits;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;

use super::super::*;
use super::support::{Process, TestLedger, audit, grant, order, process, process_with, process_with_stuck_keys, until};
use crate::shell::hand_over::{HandOverOptions, KeyedCalls};

const W: WorkspaceId = WorkspaceId(7);
const POOR: Refusal = Refusal::NotEnoughCredits { needed: Credits(1), available: Credits(0) };

/// A process that decides keyed calls with others.
struct Replica {
    process: Process,
    calls: KeyedCalls,
    me: MemberId,
    live: Arc<Mutex<Vec<MemberId>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Patient about what lives and quick about what does not, on a machine however slow.
fn patient() -> HandOverOptions {
    HandOverOptions {
        answer_within: Duration::from_secs(30),
        look_every: Duration::from_millis(50),
        alive_within: Duration::from_secs(10),
        ..Default::default()
    }
}

/// Patient about nobody.
fn hasty() -> HandOverOptions {
    HandOverOptions { alive_within: Duration::from_millis(50), ..patient() }
}

impl Replica {
    /// A replica that knows nobody but itself.
    async fn of(process: Process, options: HandOverOptions) -> Self {
        let (me, stop) = (MemberId::generate(), CancellationToken::new());
        let live = Arc::new(Mutex::new(vec![me]));
        let known = Arc::clone(&live);
        let live_now = Arc::new(move || known.lock().unwrap().clone());
        let (admission, log) = (process.admission.clone(), process.admission.log.clone());
        let started = KeyedCalls::start(admission, log, me, live_now, options, stop.clone()).await;
        let (calls, task) = started.unwrap();
        Self { process, calls, me, live, stop, task }
    }

    async fn start(broker: &TestBroker, options: HandOverOptions) -> Self {
        Self::of(process(broker).await.knows_keys().await, options).await
    }

    fn knows(&self, members: &[MemberId]) {
        *self.live.lock().unwrap() = members.to_vec();
    }

    /// A whole call, as the webhook makes it.
    async fn call(&self, key: &str, body: &str, order: Result<Order, Refusal>) -> Result<MessageId, Refusal> {
        let admission = &self.process.admission;
        match admission.begin_key(W, KeyHash::of(W, key), sha256(body.as_bytes()))? {
            KeyStep::Replay(message) => Ok(message),
            KeyStep::Fresh(ticket) => self.calls.decide(ticket, order).await,
        }
    }

    async fn send(&self, key: &str) -> Result<MessageId, Refusal> {
        self.call(key, "body", Ok(order(W, 1))).await
    }

    fn writer(&self) -> WriterId {
        self.process.admission.face.writer()
    }
}

/// Replicas that know each other.
async fn replicas<const N: usize>(broker: &TestBroker) -> [Replica; N] {
    let mut replicas = Vec::new();
    for _ in 0..N {
        replicas.push(Replica::start(broker, patient()).await);
    }
    let members: Vec<_> = replicas.iter().map(|replica| replica.me).collect();
    replicas.iter().for_each(|replica| replica.knows(&members));
    replicas.try_into().unwrap_or_else(|_| panic!("{N} were started"))
}

/// Keys that `owner` looks after, of all that both look after.
fn keys_of(owner: MemberId, members: &[MemberId]) -> impl Iterator<Item = String> {
    let keys = (0..).map(|n| format!("key-{n}"));
    keys.filter(move |key| {
        let bucket = KeyHash::of(W, key).bucket();
        rendezvous::owner(bucket.into(), members.iter().copied()) == Some(owner)
    })
}

fn key_of(owner: MemberId, members: &[MemberId]) -> String {
    keys_of(owner, members).next().expect("every member has some of 256 buckets")
}

/// Which writer stored each message.
async fn writers(log: &EventLog) -> Vec<(MessageId, WriterId)> {
    let last = log.last_sequence().await.unwrap();
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("test-writers", 0));
    let mut writers = Vec::new();
    for _ in 0..last {
        for line in lines(&reader.next().await.unwrap().payload) {
            if let Event::MessageAccepted(event) = Event::from_line(line).unwrap() {
                writers.push((event.message, event.writer));
            }
        }
    }
    writers
}

/// A member that answers as a test wants: `None` is silence. Keeps what it was asked.
struct Puppet {
    me: MemberId,
    asked: Arc<Mutex<Vec<Bytes>>>,
    task: JoinHandle<()>,
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Puppet {
    async fn start(broker: &TestBroker, lives: bool, answer: Option<&'static str>) -> Self {
        let (me, log) = (MemberId::generate(), broker.log().await);
        let mut requests = log.client().subscribe(subject(me)).await.unwrap();
        // An answer on the same connection: by now the broker knows of the subscription, too.
        log.last_sequence().await.unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let answer = match request.payload.is_empty() {
                    true => Some("").filter(|_| lives),
                    false => {
                        seen.lock().unwrap().push(request.payload);
                        answer
                    }
                };
                if let Some(answer) = answer {
                    log.client().publish(request.reply.unwrap(), answer.into()).await.unwrap();
                }
            }
        });
        Self { me, asked, task }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn subject(member: MemberId) -> String {
    format!("angelia.ingress.keys.{member}")
}

/// Asks a member as another process would; gives its words.
async fn ask(log: &EventLog, member: MemberId, payload: Bytes) -> String {
    let request = async_nats::Request::new().payload(payload).timeout(Some(Duration::from_secs(30)));
    let answer = log.client().send_request(subject(member), request).await.unwrap();
    String::from_utf8(answer.payload.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyed_call_is_stored_by_the_process_that_owns_its_key_whoever_was_called() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 100).await;
    let _ledger = TestLedger::start(&broker).await;
    let replicas: [Replica; 2] = replicas(&broker).await;
    let members = [replicas[0].me, replicas[1].me];
    let mut expected = Vec::new();
    for owner in &replicas {
        for (n, key) in keys_of(owner.me, &members).take(6).enumerate() {
            let message = replicas[n % 2].send(&key).await.unwrap();
            expected.push((message, owner.writer()));
            for replica in &replicas {
                assert_eq!(replica.send(&key).await, Ok(message));
                assert_eq!(replica.call(&key, "other", Ok(order(W, 1))).await, Err(Refusal::KeyReused));
            }
        }
    }
    assert_eq!(writers(&log).await, expected);
    assert_eq!(audit(&log).await.spent(W), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_sixty_four_times_at_once_on_three_replicas_is_one_message_and_one_charge() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 100).await;
    let _ledger = TestLedger::start(&broker).await;
    let replicas: [Arc<Replica>; 3] = replicas(&broker).await.map(Arc::new);
    for round in 0..6 {
        let callers = (0..64).map(|n| {
            let replica = Arc::clone(&replicas[n % 3]);
            tokio::spawn(async move { replica.send(&format!("round-{round}")).await })
        });
        let answers: Vec<_> = join_all(callers).await.into_iter().map(Result::unwrap).collect();
        let messages: BTreeSet<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(messages.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer.is_ok() || *answer == Err(Refusal::KeyInFlight)), "{answers:?}");
    }
    let audit = audit(&log).await;
    assert_eq!((audit.accepted.len(), audit.keys.len(), audit.spent(W)), (6, 6, 6));
}

#[tokio::test]
async fn what_the_owner_refuses_the_caller_of_another_replica_is_told() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    let [owner, asked] = replicas(&broker).await;
    let key = key_of(owner.me, &[owner.me, asked.me]);
    assert_eq!(asked.send(&key).await, Err(POOR));
    grant(&log, W, 1).await;
    let held = owner.process.admission.key(W, &key, b"body").await.unwrap();
    assert_eq!(asked.send(&key).await, Err(Refusal::KeyInFlight));
    drop(held);
    asked.send(&key).await.unwrap();
    assert_eq!(audit(&log).await.spent(W), 1);
}

#[tokio::test]
async fn the_owners_word_on_the_key_comes_before_the_askers_own_refusal() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let _ledger = TestLedger::start(&broker).await;
    let owner = Replica::start(&broker, patient()).await;
    // It never learns of the owner's keys by itself.
    let floor = log.last_sequence().await.unwrap();
    let asked = Replica::of(process_with_stuck_keys(&broker, floor).await, patient()).await;
    let members = [owner.me, asked.me];
    asked.knows(&members);
    let key = key_of(owner.me, &members);
    let lost = || Err(Refusal::ChatNotFound);
    assert_eq!(asked.call(&key, "body", lost()).await, Err(Refusal::ChatNotFound));
    let message = owner.send(&key).await.unwrap();
    assert_eq!(asked.call(&key, "body", lost()).await, Ok(message), "the chat was there when it was accepted");
    assert_eq!(asked.call(&key, "other", lost()).await, Err(Refusal::KeyReused));
    assert_eq!(audit(&log).await.spent(W), 1);
}

#[tokio::test]
async fn where_nobody_is_the_call_is_decided_here_and_its_refusals_are_final() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    let replica = Replica::start(&broker, patient()).await;
    let gone = MemberId::generate();
    replica.knows(&[replica.me, gone]);
    let key = key_of(gone, &[replica.me, gone]);
    assert_eq!(replica.send(&key).await, Err(POOR));
    grant(&log, W, 1).await;
    let message = replica.send(&key).await.unwrap();
    assert_eq!(writers(&log).await, [(message, replica.writer())]);
}

#[tokio::test]
async fn a_silent_owner_is_passed_over_and_costs_only_the_first_call_its_wait() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let _ledger = TestLedger::start(&broker).await;
    let replica = Replica::start(&broker, hasty()).await;
    let silent = Puppet::start(&broker, false, None).await;
    let members = [replica.me, silent.me];
    replica.knows(&members);
    for key in keys_of(silent.me, &members).take(5) {
        replica.send(&key).await.unwrap();
        assert_eq!(silent.asked(), 1);
    }
    assert_eq!(audit(&log).await.accepted.len(), 5);
}

#[tokio::test]
async fn after_a_silence_a_refusal_is_not_final_because_the_silent_owner_may_wake_and_store_it() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    let owner = Replica::start(&broker, patient()).await;
    let replica = Replica::start(&broker, HandOverOptions { passed_over_for: Duration::ZERO, ..hasty() }).await;
    let silent = Puppet::start(&broker, false, None).await;
    let members = [replica.me, silent.me];
    replica.knows(&members);
    let mut keys = keys_of(silent.me, &members);
    let (key, other) = (keys.next().unwrap(), keys.next().unwrap());
    assert_eq!(replica.send(&key).await, Err(UNAVAILABLE), "poor, but that may not last");
    let lost = replica.call(&key, "body", Err(Refusal::ChatNotFound)).await;
    assert_eq!(lost, Err(Refusal::ChatNotFound), "without an order nothing can be stored later");

    // The silent one wakes when there are credits.
    grant(&log, W, 2).await;
    let first = silent.asked.lock().unwrap()[0].clone();
    let late = ask(&log, owner.me, first.clone()).await;
    let message = replica.send(&key).await.unwrap();
    assert_eq!(late, format!(r#"{{"accepted":"{message}"}}"#));
    assert_eq!(replica.call(&key, "other", Ok(order(W, 1))).await, Err(Refusal::KeyReused));

    // And where the asker was first, the one that wakes finds the key used.
    let message = replica.send(&other).await.unwrap();
    let last = silent.asked.lock().unwrap().last().unwrap().clone();
    assert_eq!(ask(&log, owner.me, last).await, format!(r#"{{"accepted":"{message}"}}"#));
    assert_eq!(audit(&log).await.spent(W), 2);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_says_nothing_about_the_order() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    let _ledger = TestLedger::start(&broker).await;
    let replica = Replica::start(&broker, patient()).await;
    let newer = Puppet::start(&broker, true, Some(r#"{"stored_in_a_way_of_tomorrow":1}"#)).await;
    let members = [replica.me, newer.me];
    replica.knows(&members);
    let key = key_of(newer.me, &members);
    assert_eq!(replica.send(&key).await, Err(UNAVAILABLE));
    grant(&log, W, 1).await;
    replica.send(&key).await.unwrap();
    assert_eq!(newer.asked(), 2, "it lives");
}

#[tokio::test]
async fn an_owner_that_gives_the_call_back_leaves_it_to_the_asker() {
    let broker = TestBroker::start().await;
    let _ledger = TestLedger::start(&broker).await;
    let replica = Replica::start(&broker, patient()).await;
    let older = Puppet::start(&broker, true, Some(r#""not_taken""#)).await;
    let members = [replica.me, older.me];
    replica.knows(&members);
    assert_eq!(replica.send(&key_of(older.me, &members)).await, Err(POOR), "nothing is left there, so this is final");
}

#[tokio::test]
async fn a_process_that_cannot_take_orders_now_gives_the_call_back() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1).await;
    let _ledger = TestLedger::start(&broker).await;
    let [replica, stopped] = replicas(&broker).await;
    let key = key_of(stopped.me, &[replica.me, stopped.me]);
    // Its lane has ended, its task of requests has not.
    stopped.process.stop().await;
    let message = replica.send(&key).await.unwrap();
    assert_eq!(writers(&log).await, [(message, replica.writer())]);
    stopped.stop.cancel();
    stopped.task.await.unwrap();
}

#[tokio::test]
async fn a_process_gives_back_what_it_would_not_store_byte_for_byte() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let _ledger = TestLedger::start(&broker).await;
    let [asked, owner] = [Replica::start(&broker, hasty()).await, Replica::start(&broker, patient()).await];
    let silent = Puppet::start(&broker, false, None).await;
    let members = [asked.me, silent.me];
    asked.knows(&members);
    asked.send(&key_of(silent.me, &members)).await.unwrap();
    let good = String::from_utf8(silent.asked.lock().unwrap()[0].to_vec()).unwrap();
    let spoiled = [
        good.replace(r#""order":{"#, r#""order":{"of_tomorrow":1,"#),
        good.replacen(r#""v":1"#, r#""v":2"#, 1),
        good.replacen(&W.to_string(), &WorkspaceId(8).to_string(), 1),
        "{}".to_owned(),
    ];
    for payload in spoiled {
        assert_ne!(payload, good);
        assert_eq!(ask(&log, owner.me, payload.into()).await, r#""not_taken""#);
    }
    assert!(ask(&log, owner.me, good.into()).await.starts_with(r#"{"accepted":"#));
}

#[tokio::test]
async fn an_owner_that_lives_is_waited_for_and_one_that_takes_too_long_is_not_doubled() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let _ledger = TestLedger::start(&broker).await;
    let options = HandOverOptions { answer_within: Duration::from_millis(400), ..patient() };
    let replica = Replica::start(&broker, options).await;
    let busy = Puppet::start(&broker, true, None).await;
    let members = [replica.me, busy.me];
    replica.knows(&members);
    let mut keys = keys_of(busy.me, &members);
    // Each is asked although the one before got no answer: it lives.
    for n in 1..=2 {
        assert_eq!(replica.send(&keys.next().unwrap()).await, Err(UNAVAILABLE));
        assert_eq!(busy.asked(), n);
    }
    assert_eq!(audit(&log).await.accepted.len(), 0);
}

#[tokio::test]
async fn an_owner_drops_an_order_whose_asker_has_no_patience_left() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let _ledger = TestLedger::start(&broker).await;
    let asked = Replica::start(&broker, HandOverOptions { answer_within: Duration::from_secs(2), ..patient() }).await;
    // Nobody takes orders out of this one's queue.
    let (orders, mut inbox) = mpsc::channel(100);
    let keys = Keys::unfollowed(log.clone(), log.last_sequence().await.unwrap());
    let face = Arc::new(Face { phase: AtomicU8::new(Phase::Open as u8), writer: RwLock::new(WriterId(0)) });
    let bytes = Arc::new(Semaphore::new(1_000_000));
    let slow = Admission { orders, bytes, answer_within: Duration::from_secs(12), keys, log: log.clone(), face };
    let (me, stop) = (MemberId::generate(), CancellationToken::new());
    let live = Arc::new(move || vec![me]);
    let (_calls, task) = KeyedCalls::start(slow.clone(), log, me, live, patient(), stop.clone()).await.unwrap();
    let members = [asked.me, me];
    asked.knows(&members);
    let key = key_of(me, &members);
    assert_eq!(asked.send(&key).await, Err(UNAVAILABLE));
    let left = inbox.recv().await.unwrap();
    until("it is dropped", || left.is_abandoned()).await;
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn without_room_for_more_a_call_is_answered_503_on_either_side() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let _ledger = TestLedger::start(&broker).await;
    let cramped = HandOverOptions { bytes_max: 1_500, ..patient() };
    let [one, other] = [Replica::start(&broker, cramped).await, Replica::start(&broker, patient()).await];
    let members = [one.me, other.me];
    one.knows(&members);
    other.knows(&members);
    assert_eq!(one.send(&key_of(other.me, &members)).await, Err(UNAVAILABLE), "no room for what is away");
    assert_eq!(other.send(&key_of(one.me, &members)).await, Err(UNAVAILABLE), "no room for what came");
    assert_eq!(audit(&log).await.accepted.len(), 0);
}

#[tokio::test]
async fn what_the_broker_would_not_carry_is_decided_here() {
    let broker = TestBroker::start().await;
    let _ledger = TestLedger::start(&broker).await;
    let small = AdmissionOptions { bytes_max: 100_000, ..Default::default() };
    let process = process_with(&broker, small).await.knows_keys().await;
    let replica = Replica::of(process, patient()).await;
    let other = Puppet::start(&broker, true, None).await;
    let members = [replica.me, other.me];
    replica.knows(&members);
    let mut large = order(W, 1);
    large.event.sealed.data = "x".repeat(1_100_000);
    // Too large for this process's own admission, too, which says so.
    assert_eq!(replica.call(&key_of(other.me, &members), "body", Ok(large)).await, Err(UNAVAILABLE));
    assert_eq!(other.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stops_answers_what_it_was_asked_and_leaves_the_rest_to_others() {
    let broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 1_000).await;
    let _ledger = TestLedger::start(&broker).await;
    let [leaving, staying] = replicas(&broker).await;
    let members = [leaving.me, staying.me];
    let (staying, keys) = (Arc::new(staying), keys_of(leaving.me, &members).take(40).collect::<Vec<_>>());
    let accepted = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let (staying, accepted) = (Arc::clone(&staying), Arc::clone(&accepted));
            tokio::spawn(async move {
                staying.send(&key).await.unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    until("some were accepted", || accepted.load(Ordering::Relaxed) > 0).await;
    leaving.stop.cancel();
    leaving.task.await.unwrap();
    leaving.process.stop().await;
    join_all(callers).await.into_iter().for_each(|caller| caller.unwrap());
    // Still listed, but nobody is there.
    staying.send(&keys_of(members[0], &members).nth(50).unwrap()).await.unwrap();
    assert_eq!(audit(&log).await.spent(W), 41);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_keyed_calls_are_answered_503_and_nobody_is_passed_over() {
    let mut broker = TestBroker::start().await;
    let log = broker.log().await;
    grant(&log, W, 10).await;
    let _ledger = TestLedger::start(&broker).await;
    let replica = Replica::start(&broker, hasty()).await;
    let busy = Puppet::start(&broker, true, None).await;
    let members = [replica.me, busy.me];
    replica.knows(&members);
    let replica = Arc::new(replica);
    let mut keys = keys_of(busy.me, &members);
    let (first, second, third) = (keys.next().unwrap(), keys.next().unwrap(), keys.next().unwrap());
    let waiting = {
        let replica = Arc::clone(&replica);
        tokio::spawn(async move { replica.send(&first).await })
    };
    until("the first was handed over", || busy.asked() == 1).await;
    broker.kill();
    assert_eq!(waiting.await.unwrap(), Err(UNAVAILABLE));
    until("the connection is lost", || !replica.process.admission.log.is_connected()).await;
    assert_eq!(replica.send(&second).await, Err(UNAVAILABLE));
    broker.restart().await;
    until("admission is back", || replica.process.admission.is_ready().is_ok()).await;
    // The owner may find the broker later than the replica does; until then nobody hears what is asked.
    let asking = tokio::spawn(async move {
        loop {
            let _refused = replica.send(&third).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    until("the owner is asked again", || busy.asked() >= 2).await;
    asking.abort();
}
