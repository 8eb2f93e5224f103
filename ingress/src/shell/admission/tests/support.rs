//! What these tests share: processes, a ledger's answers about keys, grants, and a reading of the whole log that checks
//! every invariant that admission keeps.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::{CreditsGranted, Event, MessageAccepted, Sealed, Totals, lines};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, WebhookId, WorkspaceId, WriterId};
use angelia_shared::log::digest::sha256;
use angelia_shared::log::{
    AppendError, Entry, EventLog, Group, Guard, Pending, Reader, ReaderOptions, Stored, Writer, WriterOptions,
};
use angelia_shared::query::{
    AskCredits, AskKey, AskUnspent, CreditsView, Holder, PREFIX, Question, Reply, UnspentLane, UsedKey,
};
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::testing::TestBroker;
use angelia_shared::units::Credits;
use futures_util::StreamExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::*;
use crate::domain::wallet::Wallet;

/// One process with admission.
pub(super) struct Process {
    pub(super) admission: Admission,
    pub(super) task: JoinHandle<Result<(), AdmissionError>>,
    pub(super) shutdown: CancellationToken,
}

/// Starts a process with a connection of its own; returns when it is open.
pub(super) async fn process(broker: &TestBroker) -> Process {
    process_with(broker, AdmissionOptions { trim_every: Duration::from_millis(200), ..Default::default() }).await
}

pub(super) async fn process_with(broker: &TestBroker, options: AdmissionOptions) -> Process {
    let shutdown = CancellationToken::new();
    let (admission, task) = Admission::start(broker.log().await, MemberId::generate(), options, shutdown.clone());
    until("admission is open", || admission.face.phase.load(Ordering::Relaxed) == Phase::Open as u8).await;
    Process { admission, task, shutdown }
}

/// Starts a process whose reader of keys is stuck at `floor`.
pub(super) async fn process_with_stuck_keys(broker: &TestBroker, floor: u64) -> Process {
    let (log, shutdown) = (broker.log().await, CancellationToken::new());
    let keys = Keys::unfollowed(log.clone(), floor);
    let (orders, inbox) = mpsc::channel(100);
    let face = Arc::new(Face { phase: AtomicU8::new(Phase::Opening as u8), writer: RwLock::new(WriterId(0)) });
    let (member, options) = (MemberId::generate(), AdmissionOptions::default());
    let lane = lane::run(log.clone(), member, options, keys.clone(), Arc::clone(&face), inbox, shutdown.clone());
    let task = tokio::spawn(async move {
        lane.await;
        Ok(())
    });
    let (bytes, answer_within) = (Arc::new(Semaphore::new(1_000_000)), options.answer_within);
    let admission = Admission { orders, bytes, answer_within, keys, log, face };
    Process { admission, task, shutdown }
}

impl Admission {
    /// A key's whole step: begun, and settled if it is fresh.
    pub(super) async fn key(&self, workspace: WorkspaceId, key: &str, body: &[u8]) -> Result<KeyStep, Refusal> {
        let step = self.begin_key(workspace, KeyHash::of(workspace, key), sha256(body))?;
        let KeyStep::Fresh(mut ticket) = step else { return Ok(step) };
        match self.keys.settle(&mut ticket).await? {
            Some(used) => ticket.answer(used).map(KeyStep::Replay),
            None => Ok(KeyStep::Fresh(ticket)),
        }
    }
}

impl Process {
    /// Waits until keyed calls can be answered.
    pub(super) async fn knows_keys(self) -> Self {
        until("a ledger has answered", || self.admission.is_ready().is_ok()).await;
        self
    }

    /// Stops it as a deployment does, and checks that it ended well.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub(super) async fn admit(&self, workspace: WorkspaceId, credits: u64) -> Result<MessageId, Refusal> {
        self.admission.admit(order(workspace, credits)).await
    }

    /// A whole call with a key, as the webhook makes it.
    pub(super) async fn call(&self, workspace: WorkspaceId, key: &str, body: &str) -> Result<MessageId, Refusal> {
        call(&self.admission, workspace, key, body).await
    }
}

pub(super) async fn call(
    admission: &Admission,
    workspace: WorkspaceId,
    key: &str,
    body: &str,
) -> Result<MessageId, Refusal> {
    match admission.key(workspace, key, body.as_bytes()).await? {
        KeyStep::Replay(message) => Ok(message),
        KeyStep::Fresh(ticket) => admission.admit(Order { key: Some(ticket), ..order(workspace, 1) }).await,
    }
}

pub(super) fn not_enough(needed: u64, available: u64) -> Refusal {
    Refusal::NotEnoughCredits { needed: Credits(needed), available: Credits(available) }
}

/// Waits until something holds; a test that waits in vain fails.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {what}");
}

/// An order of a price, for one of a few accounts.
pub(super) fn order(workspace: WorkspaceId, credits: u64) -> Order {
    let message = MessageId::generate();
    let account = AccountId(u128::from(message.0 % 5));
    let event = MessageAccepted {
        v: 1,
        message,
        workspace,
        webhook: WebhookId(1),
        account,
        credits: Credits(credits),
        has_text: true,
        has_file: credits > 1,
        at: clock::now(),
        expires_after_ms: 86_400_000,
        writer: WriterId(0),
        sealed: Sealed { key_id: KeyId(1), data: "c2VhbGVk".repeat(40) },
        traceparent: None,
    };
    Order { event, part: Partition::of(account, 64), key: None }
}

/// Appends entries as another program would.
pub(super) async fn append(log: &EventLog, entries: Vec<Entry>) -> Result<Stored, AppendError> {
    let options = WriterOptions { role: "test".to_owned(), member: MemberId::generate(), fails_fast: false };
    let mut writer = Writer::open(log.clone(), options).await.expect("the broker answers");
    let (pending, answer) = Pending::new(Group::from_iter(entries));
    writer.commit(&mut VecDeque::from([pending])).await;
    answer.await.expect("every group is answered")
}

/// Grants credits from elsewhere.
pub(super) async fn grant(log: &EventLog, workspace: WorkspaceId, credits: u64) {
    loop {
        let head = log.head(Subject::Wallet(workspace)).await.unwrap();
        let (seq, totals) = head.map_or((0, Totals::default()), |head| {
            (head.seq, totals_of(&Event::from_line(&head.payload).unwrap()).expect("a wallet event"))
        });
        let totals = totals.granting(Credits(credits)).unwrap();
        let event =
            CreditsGranted { v: 1, credits: Credits(credits), reason: "test".to_owned(), totals, at: clock::now() };
        let entry = Entry::new(Subject::Wallet(workspace), &Event::CreditsGranted(event)).guarded(Guard::Own(seq));
        match append(log, vec![entry]).await {
            Ok(_) => return,
            Err(AppendError::GuardLost(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub(super) fn totals_of(event: &Event) -> Option<Totals> {
    match event {
        Event::CreditsGranted(event) => Some(event.totals),
        Event::CreditsDrawn(event) => Some(event.totals),
        Event::CreditsReturned(event) => Some(event.totals),
        Event::CreditsRefunded(event) => Some(event.totals),
        _ => None,
    }
}

/// A ledger's answers about positions, credits and keys, from the log. Ends when dropped.
pub(super) struct TestLedger {
    tasks: [JoinHandle<()>; 2],
    state: Arc<Mutex<Folded>>,
}

#[derive(Default)]
struct Folded {
    position: u64,
    keys: HashMap<String, UsedKey>,
    granted: HashMap<WorkspaceId, u64>,
    consumed: HashMap<WorkspaceId, u64>,
    asked: usize,
    audit: Audit,
    dead: Vec<WriterId>,
}

impl Drop for TestLedger {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl TestLedger {
    pub(super) async fn start(broker: &TestBroker) -> Self {
        let log = broker.log().await;
        let mut questions = log.client().subscribe(format!("{PREFIX}.*")).await.unwrap();
        // A round trip on the same connection: the broker knows the subscription then, which a flush does not say.
        log.last_sequence().await.unwrap();
        let state = Arc::new(Mutex::new(Folded::default()));
        let folding = tokio::spawn(fold(log.clone(), Arc::clone(&state)));
        let (client, folded) = (log.client().clone(), Arc::clone(&state));
        let answering = tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                let (client, folded) = (client.clone(), Arc::clone(&folded));
                tokio::spawn(async move {
                    let answer = answer(&question.subject, &question.payload, &folded).await;
                    client.publish(question.reply.unwrap(), answer.into()).await.unwrap();
                });
            }
        });
        Self { tasks: [folding, answering], state }
    }

    /// Goes on answering, but folds nothing more.
    pub(super) fn freeze(&self) {
        self.tasks[0].abort();
    }

    /// Takes in that the process of a writer renews its key no more.
    pub(super) fn misses(&self, writer: WriterId) {
        self.state.lock().unwrap().dead.push(writer);
    }

    /// How often it was asked for something.
    pub(super) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    pub(super) fn position(&self) -> u64 {
        self.state.lock().unwrap().position
    }
}

async fn fold(log: EventLog, state: Arc<Mutex<Folded>>) {
    let mut reader = Reader::new(log, ReaderOptions::whole("test-ledger", 0));
    loop {
        let record = reader.next().await.unwrap();
        let mut state = state.lock().unwrap();
        for line in lines(&record.payload) {
            let (subject, event) = (record.subject.clone().unwrap(), Event::from_line(line).unwrap());
            state.audit.fold(record.seq, subject, &event);
            match (subject, event) {
                (_, Event::KeyUsed(used)) => {
                    state.keys.insert(used.key, UsedKey { message: used.message, fingerprint: used.fingerprint });
                }
                (Subject::Wallet(workspace), Event::CreditsGranted(granted)) => {
                    *state.granted.entry(workspace).or_default() += granted.credits.0;
                }
                (_, Event::MessageAccepted(accepted)) => {
                    *state.consumed.entry(accepted.workspace).or_default() += accepted.credits.0;
                }
                _ => {}
            }
        }
        state.position = record.seq;
    }
}

async fn answer(subject: &str, payload: &[u8], state: &Mutex<Folded>) -> Vec<u8> {
    let question: Question<serde_json::Value> = serde_json::from_slice(payload).unwrap();
    // As long as a real one waits.
    for _ in 0..400 {
        if state.lock().unwrap().position >= question.at_least {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut state = state.lock().unwrap();
    state.asked += 1;
    let as_of_seq = state.position;
    if as_of_seq < question.at_least {
        return serde_json::to_vec(&Reply::<()>::Behind { as_of_seq }).unwrap();
    }
    if subject.ends_with(".position") {
        return serde_json::to_vec(&Reply::Answer { as_of_seq, answer: () }).unwrap();
    }
    if subject.ends_with(".credits") {
        let AskCredits { workspace } = serde_json::from_value(question.ask).unwrap();
        let of = |sums: &HashMap<WorkspaceId, u64>| sums.get(&workspace).copied().unwrap_or_default();
        let available = Credits(of(&state.granted) - of(&state.consumed));
        let answer = CreditsView { available, ..CreditsView::default() };
        return serde_json::to_vec(&Reply::Answer { as_of_seq, answer }).unwrap();
    }
    if subject.ends_with(".unspent") {
        let AskUnspent { workspace } = serde_json::from_value(question.ask).unwrap();
        let rests = state.audit.rests.iter().filter(|((_, of), rest)| *of == workspace && **rest > 0);
        let holder = |writer| match state.audit.writers.iter().find(|(id, _)| *id == writer) {
            _ if state.dead.contains(&writer) => Holder::Missing,
            Some((_, Some(_))) => Holder::Ended,
            Some((_, None)) | None => Holder::Alive,
        };
        let lane = |((writer, _), rest): (&(WriterId, WorkspaceId), &u64)| UnspentLane {
            writer: *writer,
            credits: Credits(*rest),
            holder: holder(*writer),
        };
        let answer: Vec<UnspentLane> = rests.map(lane).collect();
        return serde_json::to_vec(&Reply::Answer { as_of_seq, answer }).unwrap();
    }
    let AskKey { key, .. } = serde_json::from_value(question.ask).unwrap();
    serde_json::to_vec(&Reply::Answer { as_of_seq, answer: state.keys.get(&key).cloned() }).unwrap()
}

/// What a log says about money and keys.
#[derive(Default)]
pub(super) struct Audit {
    /// Every acceptance, how often it stands in the log.
    pub(super) accepted: BTreeMap<MessageId, usize>,
    /// Wallets as they are at the end.
    pub(super) wallets: HashMap<WorkspaceId, (Wallet, Totals)>,
    /// Every used key.
    pub(super) keys: HashMap<String, MessageId>,
    /// Writers that were opened for the ingress, in order, and how each one ended.
    pub(super) writers: Vec<(WriterId, Option<&'static str>)>,
    /// Per writer and workspace: drawn, and neither spent nor returned.
    pub(super) rests: HashMap<(WriterId, WorkspaceId), u64>,
    /// How many draws and returns there were.
    pub(super) draws: usize,
    pub(super) returns: usize,
}

/// Reads the whole log and checks IN-1 (once), IN-2, WA-1, WA-2 and WA-4 at every event.
pub(super) async fn audit(log: &EventLog) -> Audit {
    let last = log.last_sequence().await.unwrap();
    let mut reader = Reader::new(log.clone(), ReaderOptions::whole("test-audit", 0));
    let mut audit = Audit::default();
    for seq in 1..=last {
        let record = reader.next().await.unwrap();
        assert_eq!(record.seq, seq);
        for line in lines(&record.payload) {
            audit.fold(seq, record.subject.clone().unwrap(), &Event::from_line(line).unwrap());
        }
    }
    for ((writer, _), rest) in &audit.rests {
        let is_closed = audit.writers.iter().any(|(id, end)| id == writer && *end == Some("closed"));
        assert!(!is_closed || *rest == 0, "writer {writer} closed with {rest} in hand");
    }
    for message in audit.keys.values() {
        assert_eq!(audit.accepted.get(message), Some(&1), "a key's message was accepted once");
    }
    audit
}

impl Audit {
    fn fold(&mut self, seq: u64, subject: Subject, event: &Event) {
        if let (Subject::Wallet(workspace), Some(totals)) = (subject, totals_of(event)) {
            let (before, old) = *self.wallets.entry(workspace).or_insert((Wallet::NEW, Totals::default()));
            let expected = match event {
                Event::CreditsGranted(event) => old.granting(event.credits),
                Event::CreditsDrawn(event) => before.draw(event.credits),
                Event::CreditsReturned(event) => old.returning(event.credits),
                Event::CreditsRefunded(event) => old.refunding(event.credits),
                other => panic!("{} on a wallet", other.name()),
            };
            assert_eq!(Some(totals), expected, "WA-4 at {seq}");
            self.wallets.insert(workspace, (Wallet::at(seq, totals).expect("WA-1"), totals));
        }
        match event {
            Event::CreditsDrawn(event) => {
                let Subject::Wallet(workspace) = subject else { panic!("a draw on {subject}") };
                *self.rests.entry((event.writer, workspace)).or_default() += event.credits.0;
                self.draws += 1;
            }
            Event::CreditsReturned(event) => {
                let Subject::Wallet(workspace) = subject else { panic!("a return on {subject}") };
                let rest = self.rests.entry((event.writer, workspace)).or_default();
                *rest = rest.checked_sub(event.credits.0).unwrap_or_else(|| panic!("WA-2 at {seq}"));
                self.returns += 1;
            }
            Event::MessageAccepted(event) => {
                *self.accepted.entry(event.message).or_default() += 1;
                let rest = self.rests.entry((event.writer, event.workspace)).or_default();
                *rest = rest.checked_sub(event.credits.0).unwrap_or_else(|| panic!("WA-2 at {seq}"));
            }
            Event::KeyUsed(event) => {
                let earlier = self.keys.insert(event.key.clone(), event.message);
                assert_eq!(earlier, None, "IN-2 at {seq}");
            }
            Event::WriterOpened(event) if event.role == "ingress" => self.writers.push((event.writer, None)),
            Event::WriterFenced(event) => self.ended(event.writer, "fenced"),
            Event::WriterClosed(_) => {
                let Subject::Writer(writer) = subject else { panic!("an end on {subject}") };
                self.ended(writer, "closed");
            }
            _ => {}
        }
    }

    fn ended(&mut self, id: WriterId, how: &'static str) {
        if let Some((_, end)) = self.writers.iter_mut().find(|(writer, _)| *writer == id) {
            *end = Some(how);
        }
    }

    pub(super) fn available(&self, workspace: WorkspaceId) -> u64 {
        self.wallets[&workspace].0.available().0
    }

    /// The prices of all accepted messages: what was drawn and neither returned nor still held.
    pub(super) fn spent(&self, workspace: WorkspaceId) -> u64 {
        let held: u64 = self.rests.iter().filter(|((_, of), _)| *of == workspace).map(|(_, rest)| rest).sum();
        let totals = self.wallets[&workspace].1;
        totals.drawn.0 - totals.returned.0 - held
    }
}
