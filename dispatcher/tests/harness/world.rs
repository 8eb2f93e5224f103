//! A broker, a sandbox, a workspace, and what ingress would write.

use std::sync::Arc;
use std::time::Duration;

use angelia_dispatcher::config::Config;
use angelia_shared::event::{CancelRequested, Event, Receipt, WorkspaceChanged};
use angelia_shared::ids::{MemberId, MessageId, WorkspaceId};
use angelia_shared::log::{Appender, AppenderOptions, Entry, EventLog, Group, Stored, Writer, WriterOptions, connect};
use angelia_shared::subject::{DirectoryKind, Subject};
use angelia_shared::testing::TestBroker;
use angelia_shared::vault::{DataKey, MasterKey, Vault, secret_owner};
use angelia_shared::{clock, dice};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::checker;
use super::chronicle::Chronicle;
use super::dispatcher::Dispatcher;
use super::journal::Journal;
use super::message::Message;
use super::sandbox::Sandbox;
use super::wait::{LATER, eventually};

/// Where most tests spread their accounts: enough that partitions differ, few enough to start at once.
const FEW_PARTITIONS: u16 = 4;
/// Events that go into the log together.
const AT_ONCE: usize = 500;

/// The surroundings of a dispatcher.
pub(crate) struct World {
    /// The broker.
    pub(crate) broker: TestBroker,
    /// WhatsApp.
    pub(crate) sandbox: Sandbox,
    /// What the log says.
    pub(crate) chronicle: Chronicle,
    /// The log.
    pub(crate) log: EventLog,
    /// The one workspace.
    pub(crate) workspace: WorkspaceId,
    /// Writes what ingress would.
    pub(crate) appender: Appender,
    /// How many partitions there are.
    pub(crate) partitions: u16,
    master_hex: String,
    key: Arc<DataKey>,
}

impl World {
    /// A world with few partitions and a sandbox that takes any token.
    pub(crate) async fn start() -> Self {
        Self::with(FEW_PARTITIONS, None).await
    }

    /// A world; with `access_token` the sandbox lets no other token in.
    pub(crate) async fn with(partitions: u16, access_token: Option<&str>) -> Self {
        let broker = TestBroker::start().await;
        let sandbox = Sandbox::start(access_token).await;
        let client = connect(&broker.access(), "ingress").await.expect("the broker answers");
        let log = EventLog::open(client, 1, partitions).await.expect("the log can be opened");
        let options = WriterOptions { role: "ingress".to_owned(), member: MemberId::generate(), fails_fast: false };
        let writer = Writer::open(log.clone(), options).await.expect("a writer can be opened");
        let (appender, _writing) = Appender::start(writer, AppenderOptions::default(), CancellationToken::new());
        let master_hex = dice::token();
        let bucket = log.bucket(Vault::BUCKET, 1, None).await.expect("the bucket can be made");
        let vault = Vault::new(MasterKey::from_hex(&master_hex).expect("64 digits"), bucket);
        let workspace = WorkspaceId::generate();
        let key = vault.current_key(workspace).await.expect("a key can be made");
        let chronicle = Chronicle::start(log.clone());
        let world = Self { broker, sandbox, chronicle, log, workspace, appender, partitions, master_hex, key };
        let changed = WorkspaceChanged {
            v: 1,
            id: workspace,
            name: "tests".to_owned(),
            unknown_policy: Default::default(),
            low_balance: None,
            created_at: clock::now(),
        };
        let subject = Subject::Directory(workspace, DirectoryKind::Workspace, workspace.0);
        world.append([Entry::new(subject, &Event::WorkspaceChanged(Box::new(changed)))]).await;
        world
    }

    /// The master key.
    pub(crate) fn master(&self) -> MasterKey {
        MasterKey::from_hex(&self.master_hex).expect("64 digits")
    }

    /// The master key as its file holds it.
    pub(crate) fn master_hex(&self) -> &str {
        &self.master_hex
    }

    /// Starts a dispatcher that allows attachments from this machine.
    pub(crate) async fn dispatcher(&self) -> Dispatcher {
        self.dispatcher_with(super::config(), self.broker.access()).await
    }

    /// The same with another configuration, or over another wire.
    pub(crate) async fn dispatcher_with(&self, config: Config, access: angelia_shared::log::Access) -> Dispatcher {
        Dispatcher::start(access, self.partitions, self.master_hex(), config).await
    }

    /// What a dispatcher says of itself; nothing when none answers.
    pub(crate) async fn health(&self) -> Option<Value> {
        let asked = self.log.client().request("angelia.dispatcher.health", "".into());
        let answer = tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?.ok()?;
        serde_json::from_slice(&answer.payload).ok()
    }

    /// Waits until all partitions may send.
    pub(crate) async fn ready(&self) {
        eventually("all partitions may send", LATER, async || {
            let health = self.health().await.unwrap_or_default();
            if health["ready"] == true { Ok(()) } else { Err(health.to_string()) }
        })
        .await;
    }

    /// Adds an account at the sandbox; `change` says what is special about it.
    pub(crate) async fn account(&self, change: impl FnOnce(&mut Account)) -> Account {
        let mut account = self.untold_account();
        change(&mut account);
        self.say(&account).await;
        account
    }

    /// An account that the directory was not told of.
    pub(crate) fn untold_account(&self) -> Account {
        Account::new(&self.master(), self.workspace, &self.sandbox.url, self.partitions)
    }

    /// Adds an account in a partition in which none of `others` is.
    pub(crate) async fn account_apart(&self, others: &[&Account]) -> Account {
        loop {
            let account = self.untold_account();
            if others.iter().all(|other| other.part != account.part) {
                self.say(&account).await;
                return account;
            }
        }
    }

    /// Tells the directory of an account's state.
    pub(crate) async fn say(&self, account: &Account) -> Stored {
        let subject = Subject::Directory(account.state.workspace, DirectoryKind::Account, account.id().0);
        self.append([Entry::new(subject, &Event::AccountChanged(Box::new(account.state.clone())))]).await
    }

    /// Gives an account another token.
    pub(crate) fn give_token(&self, account: &mut Account, token: &str) {
        let owner = secret_owner(account.id().0, "access_token");
        account.cloud().access_token = self.master().seal(&owner, token.as_bytes());
    }

    /// Accepts a message.
    pub(crate) async fn accept(&self, account: &Account, message: Message) -> MessageId {
        self.accept_all(account, [message]).await[0]
    }

    /// Accepts messages, in order.
    pub(crate) async fn accept_all(
        &self,
        account: &Account,
        messages: impl IntoIterator<Item = Message>,
    ) -> Vec<MessageId> {
        let accepted: Vec<_> = messages.into_iter().map(|message| message.accepted(&self.key, account)).collect();
        let ids = accepted.iter().map(|accepted| accepted.message).collect();
        let subject = Subject::Accepted(account.part);
        let entries = accepted.into_iter().map(|one| Entry::new(subject, &Event::MessageAccepted(Box::new(one))));
        let entries: Vec<_> = entries.collect();
        for some in entries.chunks(AT_ONCE) {
            self.append(some.to_vec()).await;
        }
        ids
    }

    /// Accepts texts to somebody, in order.
    pub(crate) async fn accept_texts(&self, account: &Account, count: usize) -> Vec<MessageId> {
        let texts = (0..count).map(|n| Message::text(super::SOMEBODY, &format!("text {n}")));
        self.accept_all(account, texts).await
    }

    /// Asks for a message to be cancelled.
    pub(crate) async fn cancel(&self, account: &Account, message: MessageId) {
        self.cancel_all(account, [message]).await;
    }

    /// Asks for these messages to be cancelled, in this order.
    pub(crate) async fn cancel_all(&self, account: &Account, messages: impl IntoIterator<Item = MessageId>) {
        let (workspace, account, part) = (account.state.workspace, account.id(), account.part);
        let entries = messages.into_iter().map(|message| {
            let event = CancelRequested { v: 1, message, workspace, account, at: clock::now() };
            Entry::new(Subject::Cancel(part), &Event::CancelRequested(event))
        });
        let entries: Vec<_> = entries.collect();
        for some in entries.chunks(AT_ONCE) {
            self.append(some.to_vec()).await;
        }
    }

    /// Reports a part as sent, as the provider would.
    pub(crate) async fn report_sent(&self, account: &Account, message: MessageId) {
        let receipt = Receipt {
            v: 1,
            message,
            workspace: account.state.workspace,
            account: account.id(),
            part: 0,
            at: clock::now(),
            received_at: clock::now(),
            provider_id: None,
            reason: None,
            detail: None,
            looked_up: false,
        };
        self.append([Entry::new(Subject::Receipt(account.part), &Event::MessageSent(receipt))]).await;
    }

    /// Appends one group.
    pub(crate) async fn append(&self, entries: impl IntoIterator<Item = Entry>) -> Stored {
        self.appender.append(Group::from_iter(entries)).await.expect("the log takes it")
    }

    /// Waits until each of these messages is over, and checks every invariant over log and journal.
    pub(crate) async fn all_over(&self, messages: &[MessageId]) -> (super::Log, Journal) {
        self.chronicle.over(messages).await;
        self.check().await
    }

    /// Checks every invariant over log and journal as they are.
    pub(crate) async fn check(&self) -> (super::Log, Journal) {
        let journal = self.sandbox.journal().await;
        let end = self.log.last_sequence().await.expect("the broker answers");
        self.chronicle
            .until("the log was read to its end", |log| log.0.last().is_some_and(|last| last.at.seq >= end))
            .await;
        let log = self.chronicle.now();
        checker::check(&log);
        (log, journal)
    }
}
