//! A town for tests: a broker, a pen that writes what ingress and dispatcher would, and ledgers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::config::Source;
use angelia_shared::event::attempt::AttemptOutcome;
use angelia_shared::event::message::UnknownPolicy;
use angelia_shared::event::{
    AttemptEnded, AttemptStarted, Carry, CreditsDrawn, CreditsGranted, Event, MessageAccepted, Receipt, Sealed, Totals,
    WorkspaceChanged, lines,
};
use angelia_shared::ids::{AccountId, KeyId, MemberId, MessageId, Position, WebhookId, WorkspaceId, WriterId};
use angelia_shared::log::entry::Pending;
use angelia_shared::log::{AppendError, Entry, EventLog, Group, Guard, Stored, Writer, WriterOptions};
use angelia_shared::query::{self, Ask, AskError};
use angelia_shared::subject::{DirectoryKind, Partition, Subject};
use angelia_shared::testing::TestBroker;
use angelia_shared::units::{Credits, UnixMillis};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use crate::config::Config;
use crate::shell::run::{LedgerHandle, RunLedgerError, start};

/// A broker and a folder.
pub(super) struct Town {
    pub(super) broker: TestBroker,
    pub(super) log: EventLog,
    pub(super) folder: TempDir,
}

impl Town {
    pub(super) async fn new() -> Self {
        let broker = TestBroker::start().await;
        let log = broker.log().await;
        Self { broker, log, folder: tempfile::tempdir().unwrap() }
    }

    /// The settings of a ledger whose folder has this name.
    pub(super) fn config(&self, folder: &str, settings: &[(&'static str, &str)]) -> Config {
        let folder = ("ledger_dir", self.folder.path().join(folder).display().to_string());
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Config::read(&Source::from_flags([folder].into_iter().chain(settings))).unwrap()
    }

    /// Starts a ledger and waits until it is ready.
    pub(super) async fn ledger(&self, folder: &str, settings: &[(&'static str, &str)]) -> Running {
        let mut running = self.ledger_begun(folder, settings).await;
        assert!(running.handle.ready().await, "{:?}", running.task.await);
        running
    }

    /// Starts a ledger.
    pub(super) async fn ledger_begun(&self, folder: &str, settings: &[(&'static str, &str)]) -> Running {
        let shutdown = CancellationToken::new();
        // A connection of its own: a test may cut it off.
        let log = self.broker.log().await;
        let member = MemberId::generate();
        let (handle, task) = start(self.config(folder, settings), log, member, shutdown.clone());
        Running { handle, task, shutdown, member }
    }

    pub(super) async fn pen(&self) -> Pen {
        Pen::open(self.log.clone()).await
    }

    /// Every event of the log, with its place and subject.
    pub(super) async fn events(&self) -> Vec<(Position, Subject, Event)> {
        let mut events = Vec::new();
        for seq in 1..=self.log.last_sequence().await.unwrap() {
            let message = self.log.jetstream().get_stream(angelia_shared::log::stream::STREAM).await.unwrap();
            let raw = message.get_raw_message(seq).await.unwrap();
            let subject: Subject = raw.subject.parse().unwrap();
            for (line, bytes) in lines(&raw.payload).enumerate() {
                events.push((Position::new(seq, line as u16), subject, Event::from_line(bytes).unwrap()));
            }
        }
        events
    }

    /// What was refunded in the log: credits by message and part.
    pub(super) async fn refunds(&self) -> BTreeMap<(MessageId, u8), Vec<u64>> {
        let mut refunds: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for (.., event) in self.events().await {
            if let Event::CreditsRefunded(fact) = event {
                for item in fact.items {
                    refunds.entry((item.message, item.part)).or_default().push(item.credits.0);
                }
            }
        }
        refunds
    }

    /// Asks until a ledger answers.
    pub(super) async fn ask<A: Ask + Clone>(&self, question: A, at_least: u64) -> A::Answer {
        let asking = async {
            loop {
                match query::ask(self.log.client(), question.clone(), at_least).await {
                    Ok((answer, as_of_seq)) => {
                        assert!(as_of_seq >= at_least);
                        return answer;
                    }
                    Err(AskError::Refused(why)) => panic!("refused: {why}"),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("a ledger answers in time")
    }

    /// Asks again until the answer is as expected.
    pub(super) async fn until<A: Ask + Clone>(&self, question: A, expected: impl Fn(&A::Answer) -> bool) -> A::Answer {
        let asking = async {
            loop {
                let answer = self.ask(question.clone(), 0).await;
                if expected(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("it comes true in time")
    }
}

/// A ledger that runs.
pub(super) struct Running {
    pub(super) handle: LedgerHandle,
    pub(super) task: JoinHandle<Result<(), RunLedgerError>>,
    pub(super) shutdown: CancellationToken,
    pub(super) member: MemberId,
}

impl Running {
    /// Ends it in an orderly way.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("it ends in time");
        ended.expect("it does not panic").expect("it ends well");
    }
}

/// Writes what ingress and dispatcher would.
pub(super) struct Pen {
    writer: Writer,
}

pub(super) fn workspace(n: u128) -> WorkspaceId {
    WorkspaceId(n)
}

pub(super) fn account(workspace: WorkspaceId) -> AccountId {
    AccountId(workspace.0 + 1_000)
}

pub(super) fn webhook(workspace: WorkspaceId) -> WebhookId {
    WebhookId(workspace.0 + 2_000)
}

/// A message that the pen accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) message: MessageId,
    pub(super) workspace: WorkspaceId,
    pub(super) at: Position,
}

impl Pen {
    pub(super) async fn open(log: EventLog) -> Self {
        Self::open_as(log, "test", MemberId(1)).await
    }

    /// Writes as a process of this role would.
    pub(super) async fn open_as(log: EventLog, role: &str, member: MemberId) -> Self {
        let options = WriterOptions { role: role.to_owned(), member, fails_fast: false };
        Self { writer: Writer::open(log, options).await.unwrap() }
    }

    pub(super) fn id(&self) -> WriterId {
        self.writer.id()
    }

    /// Closes the writer and returns nothing.
    pub(super) async fn close(self) {
        self.writer.close(VecDeque::new()).await;
    }

    /// Stores entries as one group, in one batch.
    pub(super) async fn write(&mut self, entries: Vec<(Subject, Event)>) -> Stored {
        let group: Group = entries.iter().map(|(subject, event)| Entry::new(*subject, event)).collect();
        self.commit(group).await.unwrap()
    }

    pub(super) async fn commit(&mut self, group: Group) -> Result<Stored, AppendError> {
        let (pending, answer) = Pending::new(group);
        let mut queue = VecDeque::from([pending]);
        while !queue.is_empty() {
            self.writer.commit(&mut queue).await;
        }
        answer.await.unwrap()
    }

    /// Moves a wallet over the totals that the log has, as often as someone else is faster.
    async fn move_wallet(
        &mut self,
        workspace: WorkspaceId,
        movement: impl Fn(Totals) -> Event,
        pays_for: &[(Subject, Event)],
    ) -> Stored {
        loop {
            // The broker may just have come back.
            let Ok(head) = self.writer.log().head(Subject::Wallet(workspace)).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let totals =
                head.as_ref().map_or_else(Totals::default, |head| match Event::from_line(&head.payload).unwrap() {
                    Event::CreditsGranted(fact) => fact.totals,
                    Event::CreditsDrawn(fact) => fact.totals,
                    Event::CreditsReturned(fact) => fact.totals,
                    Event::CreditsRefunded(fact) => fact.totals,
                    other => panic!("{} in a wallet", other.name()),
                });
            let guard = Guard::Own(head.map_or(0, |head| head.seq));
            let entry = Entry::new(Subject::Wallet(workspace), &movement(totals)).guarded(guard);
            let others = pays_for.iter().map(|(subject, event)| Entry::new(*subject, event));
            match self.commit([entry].into_iter().chain(others).collect()).await {
                Ok(stored) => return stored,
                Err(AppendError::GuardLost(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }

    pub(super) async fn grant(&mut self, workspace: WorkspaceId, credits: u64) -> Stored {
        let credits = Credits(credits);
        let granted = |totals: Totals| {
            let (reason, totals) = ("top up".to_owned(), totals.granting(credits).unwrap());
            Event::CreditsGranted(CreditsGranted { v: 1, credits, reason, totals, at: clock::now() })
        };
        self.move_wallet(workspace, granted, &[]).await
    }

    /// Draws and accepts messages of price 1, in one batch.
    pub(super) async fn accept(&mut self, workspace: WorkspaceId, count: usize) -> Vec<Accepted> {
        self.accept_with(workspace, count, "sealed").await
    }

    pub(super) async fn accept_with(&mut self, workspace: WorkspaceId, count: usize, text: &str) -> Vec<Accepted> {
        let messages: Vec<_> = (0..count).map(|_| MessageId::generate()).collect();
        let entries: Vec<_> = messages.iter().map(|message| self.acceptance(workspace, *message, text)).collect();
        let stored = self.draw(workspace, count as u64, &entries).await;
        let places = stored.positions[1..].iter().zip(messages);
        places.map(|(at, message)| Accepted { message, workspace, at: *at }).collect()
    }

    /// Draws credits, and stores with the draw what it pays for.
    pub(super) async fn draw(&mut self, workspace: WorkspaceId, credits: u64, pays_for: &[(Subject, Event)]) -> Stored {
        let (credits, writer, at) = (Credits(credits), self.writer.id(), clock::now());
        let drawn = |totals: Totals| {
            let totals = totals.drawing(credits).unwrap();
            Event::CreditsDrawn(CreditsDrawn { v: 1, writer, credits, totals, at })
        };
        self.move_wallet(workspace, drawn, pays_for).await
    }

    /// The acceptance of a message of price 1 by this writer.
    pub(super) fn acceptance(&self, workspace: WorkspaceId, message: MessageId, text: &str) -> (Subject, Event) {
        let fact = MessageAccepted {
            v: 1,
            message,
            workspace,
            webhook: webhook(workspace),
            account: account(workspace),
            credits: Credits(1),
            has_text: true,
            has_file: false,
            at: clock::now(),
            expires_after_ms: 86_400_000,
            writer: self.writer.id(),
            sealed: Sealed { key_id: KeyId(1), data: format!("{text} {message}") },
            traceparent: None,
        };
        (Subject::Accepted(Partition(0)), Event::MessageAccepted(Box::new(fact)))
    }

    /// Attempts a message once.
    pub(super) async fn attempt(&mut self, accepted: Accepted, outcome: AttemptOutcome) -> Stored {
        let Accepted { message, workspace, at: place, .. } = accepted;
        let subject = Subject::Attempt(Partition(0), workspace, account(workspace));
        let (at, credits) = (clock::now(), Credits(1));
        let (attempt, part, parts, claim) = (1, 0, 1, 1);
        let started = AttemptStarted {
            v: 1,
            message,
            accepted: place,
            attempt,
            part,
            parts,
            credits,
            claim,
            at,
            floor_ms: 1_500,
            idempotent: false,
            carry: Carry::default(),
        };
        self.write(vec![(subject, Event::AttemptStarted(Box::new(started)))]).await;
        let (gap_ms, carry) = (1_500, Carry::default());
        let ended = AttemptEnded { v: 1, message, attempt, part, parts, credits, claim, at, gap_ms, outcome, carry };
        self.write(vec![(subject, Event::AttemptEnded(Box::new(ended)))]).await
    }

    pub(super) async fn fail(&mut self, accepted: Accepted) -> Stored {
        self.attempt(accepted, failed()).await
    }

    pub(super) async fn policy(&mut self, id: WorkspaceId, unknown_policy: UnknownPolicy) {
        let (name, low_balance, created_at) = ("town".to_owned(), None, clock::now());
        let changed = WorkspaceChanged { v: 1, id, name, unknown_policy, low_balance, created_at };
        let subject = Subject::Directory(id, DirectoryKind::Workspace, id.0);
        self.write(vec![(subject, Event::WorkspaceChanged(Box::new(changed)))]).await;
    }
}

pub(super) fn failed() -> AttemptOutcome {
    AttemptOutcome::Failed { reason: "recipient_not_on_whatsapp".to_owned(), detail: "no such number".to_owned() }
}

pub(super) fn sent() -> AttemptOutcome {
    AttemptOutcome::Sent { provider_id: format!("wamid.{}", MessageId::generate()) }
}

pub(super) fn unknown() -> AttemptOutcome {
    AttemptOutcome::Unknown { detail: "closed before an answer".to_owned() }
}

/// A report of a part.
pub(super) fn receipt(of: Accepted, part: u8) -> Receipt {
    let (at, received_at) = (UnixMillis(5), UnixMillis(6));
    let (provider_id, reason, detail) = (None, None, None);
    let (message, workspace, account) = (of.message, of.workspace, account(of.workspace));
    Receipt { v: 1, message, workspace, account, part, at, received_at, provider_id, reason, detail, looked_up: false }
}
