//! Answers who asks when messages go: the questions of one partition, from the time on when its owner knows.
//!
//! Questions wait in a short queue between the broker and the rules. A question that is not answered, because the partition
//! was lost or the queue is full, is asked again or done without.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::subject::Partition as Part;
use angelia_shared::turns::{self, ASKED_MAX, AccountTurn, AskTurn, AskTurns, MessageTurn};
use angelia_shared::units::UnixMillis;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Context;
use crate::domain::account::Waits;
use crate::domain::partition::Partition;

/// Questions that may wait for the rules, which answer one in microseconds.
const WAITING_MAX: usize = 64;
/// Pause before a subscription is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// A question and where its answer goes.
pub(super) struct Question {
    reply: String,
    payload: Bytes,
}

/// The questions of a partition; none come before [`Questions::listen`].
#[derive(Default)]
pub(super) struct Questions(Option<mpsc::Receiver<Question>>);

impl Questions {
    /// Listens until `over`.
    pub(super) fn listen(context: &Arc<Context>, part: Part, over: &CancellationToken) -> Self {
        let (hand_on, questions) = mpsc::channel(WAITING_MAX);
        let (asked, over) = (Arc::clone(context), over.clone());
        context.tasks.start("listening for questions", async move {
            over.run_until_cancelled(hear(&asked, part, hand_on)).await;
        });
        Self(Some(questions))
    }

    /// The next question.
    pub(super) async fn next(&mut self) -> Question {
        if let Some(questions) = &mut self.0
            && let Some(question) = questions.recv().await
        {
            return question;
        }
        std::future::pending().await
    }
}

async fn hear(context: &Context, part: Part, hand_on: mpsc::Sender<Question>) {
    loop {
        match context.log.client().subscribe(turns::subject(part)).await {
            Ok(mut questions) => {
                while let Some(message) = questions.next().await {
                    let Some(reply) = message.reply else { continue };
                    let question = Question { reply: reply.to_string(), payload: message.payload };
                    if let Err(mpsc::error::TrySendError::Closed(_)) = hand_on.try_send(question) {
                        return;
                    }
                }
            }
            Err(error) => warn!(partition = part.0, error = %error, "nobody can ask when messages go"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Answers one question from the rules as they are now. What is no question, or too long a one, gets no answer.
pub(super) fn answer(context: &Arc<Context>, rules: &Partition, question: Question) {
    let Question { reply, payload } = question;
    let Some(answer) = answer_to(rules, &payload, context.clock.now()) else { return };
    let task = Arc::clone(context);
    context.tasks.start("answering a question", async move {
        // An asker that went away asks again.
        let _lost = task.log.client().publish(reply, answer.into()).await;
    });
}

fn answer_to(rules: &Partition, question: &[u8], now: UnixMillis) -> Option<Vec<u8>> {
    let ask: AskTurns = serde_json::from_slice(question).ok()?;
    let asked: usize = ask.accounts.iter().map(|account| 1 + account.messages.len()).sum();
    if asked > ASKED_MAX || !rules.is_caught_up() {
        return None;
    }
    let turns: Vec<_> = ask.accounts.iter().map(|asked| turn(rules, asked, now)).collect();
    Some(serde_json::to_vec(&turns).expect("answers have only string keys and plain values"))
}

fn turn(rules: &Partition, asked: &AskTurn, now: UnixMillis) -> AccountTurn {
    // An account that is not known here has nothing to send.
    let turn = rules.turn(asked.account, now);
    let of = |waits: Waits| MessageTurn {
        expected_at: waits.expected_at,
        held_by: waits.held_by.map(|held_by| held_by.to_string()),
    };
    AccountTurn {
        account: asked.account,
        next_send_at: turn.and_then(|turn| turn.next_send_at()),
        messages: asked.messages.iter().map(|at| turn.and_then(|turn| turn.of(*at)).map(of)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};

    use super::*;
    use crate::domain::account::{Hold, Settings, Waiting};
    use crate::domain::limits::Limits;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn rules(hold: Option<Hold>) -> Partition {
        let mut rules = Partition::new(100);
        for seq in [3, 5] {
            let message = MessageId(seq);
            let at = Position::new(seq, 0);
            let waiting = Waiting { at, message, accepted_at: NOW, expires_after_s: 60, credits: 1 };
            let settings = || Settings {
                gap_ms: (1_000, 3_000),
                limits: Limits::default(),
                hold: hold.clone(),
                idempotent: false,
            };
            rules.accepted(WorkspaceId(1), AccountId(1), waiting, settings);
        }
        rules
    }

    fn ask(rules: &Partition, seqs: &[u64]) -> Option<Vec<AccountTurn>> {
        let messages = seqs.iter().map(|seq| Position::new(*seq, 0)).collect();
        let account = |account, messages| AskTurn { account: AccountId(account), messages };
        let ask = AskTurns { accounts: vec![account(1, messages), account(2, vec![Position::new(3, 0)])] };
        let answer = answer_to(rules, &serde_json::to_vec(&ask).unwrap(), NOW)?;
        Some(serde_json::from_slice(&answer).unwrap())
    }

    #[test]
    fn a_partition_answers_once_it_has_read_what_was_before_it() {
        let mut rules = rules(None);
        assert_eq!(ask(&rules, &[3]), None);
        rules.caught_up(NOW);
        let turns = ask(&rules, &[5, 3, 4]).expect("an answer");
        let behind = MessageTurn { expected_at: Some(NOW.plus_ms(2_000)), held_by: Some("behind 1".to_owned()) };
        let front = MessageTurn { expected_at: Some(NOW), held_by: None };
        assert_eq!(turns[0].messages, [Some(behind), Some(front), None]);
        assert_eq!(turns[0].next_send_at, Some(NOW));
        assert_eq!(turns[1], AccountTurn { account: AccountId(2), next_send_at: None, messages: vec![None] });
    }

    #[test]
    fn a_held_account_says_so_for_each_of_its_messages() {
        let until = NOW.plus_ms(60_000);
        let mut rules = rules(Some(Hold { reason: "paused", since: NOW, until: Some(until) }));
        rules.caught_up(NOW);
        let turns = ask(&rules, &[3, 5]).expect("an answer");
        let held_by = Some("paused".to_owned());
        let of = |at| Some(MessageTurn { expected_at: Some(at), held_by: held_by.clone() });
        assert_eq!(turns[0].messages, [of(until), of(until.plus_ms(2_000))]);
        assert_eq!(turns[0].next_send_at, Some(until));
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let mut rules = rules(None);
        rules.caught_up(NOW);
        assert_eq!(answer_to(&rules, b"{", NOW), None);
        assert_eq!(ask(&rules, &vec![3; ASKED_MAX]), None);
        assert!(ask(&rules, &vec![3; ASKED_MAX - 4]).is_some());
    }
}
