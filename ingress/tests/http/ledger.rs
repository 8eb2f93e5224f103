//! A small ledger: folds the log into what the ingress asks for. Ends when dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use angelia_shared::event::{Event, MessageAccepted, Receipt, lines};
use angelia_shared::ids::{MessageId, Position, WorkspaceId};
use angelia_shared::log::{EventLog, Reader, ReaderOptions};
use angelia_shared::query::{
    AcceptedCall, AccountQueue, AskAccounts, AskActivations, AskContents, AskCredits, AskCreditsThen, AskKey,
    AskMessage, AskMessages, AskPlaces, AskProviderId, AskStatement, CreditsThen, CreditsView, MessageState,
    MessageView, Moved, PREFIX, Question, Reply, SealedContent, StatementKind, StatementLine, TimelineEntry, UsedKey,
};
use angelia_shared::units::Credits;
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

pub(crate) struct TestLedger(Vec<JoinHandle<()>>);

impl Drop for TestLedger {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Items of the longest answer: a ledger's may be shorter than what was asked for, since it is one message of the broker's.
const SHORT: usize = 2;

#[derive(Default)]
struct Folded {
    position: u64,
    messages: Vec<(Position, MessageAccepted, MessageState, Vec<TimelineEntry>)>,
    statement: HashMap<WorkspaceId, Vec<StatementLine>>,
    provider_ids: HashMap<String, (MessageId, u8)>,
    keys: HashMap<String, UsedKey>,
}

impl TestLedger {
    pub(crate) async fn start(log: EventLog) -> Self {
        Self::lagging(log, Duration::ZERO).await
    }

    /// One that takes each record in only after a while.
    pub(crate) async fn lagging(log: EventLog, lag: Duration) -> Self {
        let mut questions = log.client().subscribe(format!("{PREFIX}.*")).await.expect("the broker answers");
        // A round trip on the same connection: the broker knows the subscription then, which a flush does not say.
        log.last_sequence().await.expect("the broker answers");
        let folded = Arc::new(Mutex::new(Folded::default()));
        let folding = tokio::spawn(fold(log.clone(), Arc::clone(&folded), lag));
        let client = log.client().clone();
        let answering = tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                let (client, folded) = (client.clone(), Arc::clone(&folded));
                tokio::spawn(async move {
                    let topic = question.subject.rsplit('.').next().unwrap_or_default().to_owned();
                    let answer = answer(&topic, &question.payload, &folded).await;
                    let reply = question.reply.expect("a question has a reply");
                    client.publish(reply, answer.into()).await.expect("the broker answers");
                });
            }
        });
        Self(vec![folding, answering])
    }
}

async fn fold(log: EventLog, folded: Arc<Mutex<Folded>>, lag: Duration) {
    let mut reader = Reader::new(log, ReaderOptions::whole("test-ledger", 0));
    loop {
        let record = reader.next().await.expect("the log has no gap");
        if !lag.is_zero() {
            tokio::time::sleep(lag).await;
        }
        let mut folded = folded.lock().expect("no panic");
        for (line, text) in lines(&record.payload).enumerate() {
            let event = Event::from_line(text).expect("a known event");
            folded.take(
                Position::new(record.seq, line as u16),
                event,
                record.subject.as_ref().expect("a subject").to_string(),
            );
        }
        folded.position = record.seq;
    }
}

impl Folded {
    /// Where in the list the wanted messages are, newest first.
    fn wanted(&self, ask: AskPlaces) -> impl Iterator<Item = usize> {
        let fits = move |(position, message, state, _): &&(Position, MessageAccepted, MessageState, _)| {
            message.workspace == ask.workspace
                && ask.before.is_none_or(|before| *position < before)
                && ask.state.is_none_or(|asked| *state == asked)
                && ask.account.is_none_or(|account| message.account == account)
        };
        let all = self.messages.iter().enumerate().rev().filter(move |(_, message)| fits(message));
        all.map(|(at, _)| at).take(ask.limit as usize)
    }

    fn take(&mut self, position: Position, event: Event, subject: String) {
        let name = event.name().to_owned();
        let mut receipt = |receipt: &Receipt, state| {
            self.provider_ids.insert(receipt.provider_id.clone().unwrap_or_default(), (receipt.message, receipt.part));
            let found = self.messages.iter_mut().find(|(_, accepted, ..)| accepted.message == receipt.message);
            let (_, _, known, timeline) = found.expect("receipts are stored only for known messages");
            *known = state;
            timeline.push(TimelineEntry {
                at: receipt.at,
                event: name.clone(),
                position,
                part: Some(receipt.part),
                detail: receipt.detail.clone(),
            });
        };
        match event {
            Event::MessageAccepted(accepted) => {
                let timeline = vec![TimelineEntry { at: accepted.at, event: name, position, part: None, detail: None }];
                self.line(
                    position,
                    accepted.workspace,
                    StatementKind::Charge,
                    accepted.credits,
                    Some(accepted.message),
                    None,
                );
                self.messages.push((position, *accepted, MessageState::Queued, timeline));
            }
            Event::CreditsGranted(granted) => {
                let workspace = subject.rsplit('.').next().and_then(|id| id.parse().ok()).expect("a wallet's subject");
                self.line(position, workspace, StatementKind::Grant, granted.credits, None, Some(granted.reason));
            }
            Event::KeyUsed(used) => {
                self.keys.insert(used.key, UsedKey { message: used.message, fingerprint: used.fingerprint });
            }
            Event::MessageSent(sent) => receipt(&sent, MessageState::Sent),
            Event::MessageDelivered(delivered) => receipt(&delivered, MessageState::Delivered),
            Event::MessageRead(read) => receipt(&read, MessageState::Read),
            Event::MessageFailed(failed) => receipt(&failed, MessageState::Failed),
            _ => {}
        }
    }

    fn line(
        &mut self,
        at_position: Position,
        workspace: WorkspaceId,
        kind: StatementKind,
        credits: Credits,
        message: Option<MessageId>,
        reason: Option<String>,
    ) {
        let lines = self.statement.entry(workspace).or_default();
        let before = lines.last().map_or(0, |line| line.balance.0);
        let balance = Credits(match kind {
            StatementKind::Grant | StatementKind::Refund => before + credits.0,
            StatementKind::Charge => before - credits.0,
        });
        let at = angelia_shared::clock::now();
        lines.push(StatementLine { at_position, balance, moved: Moved { at, kind, credits, message, reason } });
    }

    fn view(&self, at: usize, is_whole: bool) -> MessageView {
        let (position, accepted, state, timeline) = &self.messages[at];
        let waits = |(_, other, state, _): &&(_, MessageAccepted, MessageState, _)| {
            other.account == accepted.account && *state == MessageState::Queued
        };
        let ahead = self.messages[..at].iter().filter(waits).count() as u64;
        MessageView {
            message: accepted.message,
            accepted: *position,
            accepted_at: accepted.at,
            webhook: accepted.webhook,
            account: accepted.account,
            state: *state,
            reason: None,
            detail: None,
            credits: accepted.credits,
            refunded: Credits(0),
            parts: vec![],
            timeline: if is_whole { timeline.clone() } else { vec![] },
            sealed: is_whole.then(|| accepted.sealed.clone()),
            ahead: (*state == MessageState::Queued).then_some(ahead),
        }
    }

    fn sum(&self, workspace: WorkspaceId, kind: StatementKind) -> Credits {
        let lines = self.statement.get(&workspace).into_iter().flatten();
        Credits(lines.filter(|line| line.moved.kind == kind).map(|line| line.moved.credits.0).sum())
    }
}

fn read<A: DeserializeOwned>(payload: &[u8]) -> A {
    serde_json::from_slice::<Question<A>>(payload).expect("a question").ask
}

#[derive(serde::Deserialize)]
struct AtLeast {
    #[serde(default)]
    at_least: u64,
}

async fn answer(topic: &str, payload: &[u8], folded: &Mutex<Folded>) -> Vec<u8> {
    let AtLeast { at_least } = serde_json::from_slice(payload).expect("a question");
    for _ in 0..200 {
        if folded.lock().expect("no panic").position >= at_least {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let folded = folded.lock().expect("no panic");
    let as_of_seq = folded.position;
    if as_of_seq < at_least {
        return serde_json::to_vec(&Reply::<()>::Behind { as_of_seq }).expect("plain values");
    }
    match topic {
        "position" => reply(as_of_seq, ()),
        "credits" => {
            let AskCredits { workspace } = read(payload);
            let (granted, consumed) =
                (folded.sum(workspace, StatementKind::Grant), folded.sum(workspace, StatementKind::Charge));
            let available = Credits(granted.0 - consumed.0);
            reply(as_of_seq, CreditsView { granted, consumed, available, ..CreditsView::default() })
        }
        "credits_then" => {
            let AskCreditsThen { workspace, as_of } = read(payload);
            let lines = folded.statement.get(&workspace).into_iter().flatten();
            let sum = |kind| {
                let then = lines.clone().filter(|line| line.at_position.seq <= as_of && line.moved.kind == kind);
                Credits(then.map(|line| line.moved.credits.0).sum())
            };
            let (granted, consumed) = (sum(StatementKind::Grant), sum(StatementKind::Charge));
            let (refunded, available) = (Credits(0), Credits(granted.0 - consumed.0));
            reply(as_of_seq, Some(CreditsThen { granted, consumed, refunded, available }))
        }
        "statement" => {
            let ask: AskStatement = read(payload);
            let lines = folded.statement.get(&ask.workspace).into_iter().flatten();
            let asked = lines.filter(|line| {
                ask.after.is_none_or(|after| line.at_position > after)
                    && ask.from.is_none_or(|from| line.moved.at >= from)
                    && ask.to.is_none_or(|to| line.moved.at < to)
            });
            reply(as_of_seq, asked.take((ask.limit as usize).min(SHORT)).cloned().collect::<Vec<_>>())
        }
        "message" => {
            let AskMessage { workspace, message } = read(payload);
            let at = folded.messages.iter().position(|(_, m, ..)| m.message == message && m.workspace == workspace);
            reply(as_of_seq, at.map(|at| folded.view(at, true)))
        }
        "messages" => {
            let AskMessages { workspace, state, account, before, limit } = read(payload);
            let all = folded.wanted(AskPlaces { workspace, state, account, before, limit });
            reply(as_of_seq, all.take(SHORT).map(|at| folded.view(at, false)).collect::<Vec<_>>())
        }
        "places" => {
            let all = folded.wanted(read(payload));
            reply(as_of_seq, all.map(|at| folded.messages[at].0).collect::<Vec<_>>())
        }
        "contents" => {
            let AskContents { workspace, places } = read(payload);
            let found = places.iter().filter_map(|place| {
                let (accepted, message, ..) =
                    folded.messages.iter().find(|(at, message, ..)| at == place && message.workspace == workspace)?;
                let (accepted, sealed) = (*accepted, message.sealed.clone());
                Some(SealedContent { accepted, message: message.message, sealed })
            });
            reply(as_of_seq, found.take(SHORT).collect::<Vec<_>>())
        }
        "activations" => {
            let ask: AskActivations = read(payload);
            let calls = folded.messages.iter().rev().filter(|(_, message, ..)| message.webhook == ask.webhook);
            let calls = calls.take(ask.limit as usize).map(|(position, message, ..)| AcceptedCall {
                position: *position,
                at: message.at,
                message: message.message,
                sealed: message.sealed.clone(),
            });
            reply(as_of_seq, calls.collect::<Vec<_>>())
        }
        "accounts" => {
            let AskAccounts { workspace } = read(payload);
            let mut queues: HashMap<_, AccountQueue> = HashMap::new();
            for (_, message, state, _) in &folded.messages {
                if message.workspace == workspace && *state == MessageState::Queued {
                    let empty = AccountQueue { account: message.account, queued: 0, next_send_at: None };
                    queues.entry(message.account).or_insert(empty).queued += 1;
                }
            }
            reply(as_of_seq, queues.into_values().collect::<Vec<_>>())
        }
        "key" => {
            let AskKey { key, .. } = read(payload);
            reply(as_of_seq, folded.keys.get(&key).cloned())
        }
        "provider_id" => {
            let ask: AskProviderId = read(payload);
            let found = folded.provider_ids.get(&ask.provider_id).filter(|(message, _)| {
                folded.messages.iter().any(|(_, m, ..)| m.message == *message && m.account == ask.account)
            });
            reply(as_of_seq, found.copied())
        }
        other => panic!("nobody asks {other}"),
    }
}

fn reply(as_of_seq: u64, answer: impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Reply::Answer { as_of_seq, answer }).expect("plain values")
}
