//! Asks the dispatchers when messages go and what holds them: each the accounts of its own partitions.
//!
//! What nobody answers is left out. It hides nothing else of a message or an account.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use angelia_shared::ids::{AccountId, Position};
use angelia_shared::subject::Partition;
use angelia_shared::turns::{self, AccountTurn, AskTurn, AskTurns, MessageTurn};
use angelia_shared::units::UnixMillis;
use futures_util::{StreamExt as _, stream};

use crate::shell::http::Parts;

/// How long an owner may take: it answers in milliseconds, and a page is useful without it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Partitions that are asked at once for one page, which is all of them by default.
const ASKED_AT_ONCE: usize = 64;

/// What the dispatchers say.
#[derive(Debug, Default)]
pub(super) struct Turns {
    next: HashMap<AccountId, UnixMillis>,
    messages: HashMap<(AccountId, Position), MessageTurn>,
}

impl Turns {
    /// Asks about accounts.
    pub(super) async fn of_accounts(app: &Parts, accounts: Vec<AccountId>) -> Self {
        Self::ask(app, accounts.into_iter().map(|account| (account, None)).collect()).await
    }

    /// Asks about waiting messages: the account of each and where its acceptance is.
    pub(super) async fn of_messages(app: &Parts, messages: Vec<(AccountId, Position)>) -> Self {
        Self::ask(app, messages.into_iter().map(|(account, at)| (account, Some(at))).collect()).await
    }

    async fn ask(app: &Parts, wanted: Vec<(AccountId, Option<Position>)>) -> Self {
        let questions = questions(wanted, app.log.partitions());
        let answers = stream::iter(questions).map(async |(part, ask)| {
            let answer = turns::ask(app.log.client(), part, &ask, PATIENCE).await;
            (ask, answer.unwrap_or_default())
        });
        let answers: Vec<_> = answers.buffer_unordered(ASKED_AT_ONCE).collect().await;
        let mut turns = Self::default();
        answers.into_iter().for_each(|(ask, answer)| turns.take(ask, answer));
        turns
    }

    /// When an account sends next.
    pub(super) fn next_send_at(&self, account: AccountId) -> Option<UnixMillis> {
        self.next.get(&account).copied()
    }

    /// What a message waits for.
    pub(super) fn of(&self, account: AccountId, at: Position) -> Option<&MessageTurn> {
        self.messages.get(&(account, at))
    }

    fn take(&mut self, ask: AskTurns, answer: Vec<AccountTurn>) {
        for (asked, turn) in ask.accounts.into_iter().zip(answer) {
            // Another form of question or answer than this program's: nothing of it can be trusted.
            if asked.account != turn.account || asked.messages.len() != turn.messages.len() {
                continue;
            }
            self.next.extend(turn.next_send_at.map(|next| (asked.account, next)));
            for (at, message) in asked.messages.into_iter().zip(turn.messages) {
                self.messages.extend(message.map(|message| ((asked.account, at), message)));
            }
        }
    }
}

/// One question for each partition.
fn questions(wanted: Vec<(AccountId, Option<Position>)>, partitions: u16) -> BTreeMap<Partition, AskTurns> {
    let mut accounts: BTreeMap<AccountId, Vec<Position>> = BTreeMap::new();
    for (account, at) in wanted {
        accounts.entry(account).or_default().extend(at);
    }
    let mut questions: BTreeMap<Partition, AskTurns> = BTreeMap::new();
    for (account, messages) in accounts {
        let question = questions.entry(Partition::of(account, partitions)).or_default();
        question.accounts.push(AskTurn { account, messages });
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_is_asked_once_about_all_its_accounts() {
        let at = |seq| Some(Position::new(seq, 0));
        let wanted = (0..100).flat_map(|id| [(AccountId(id), None), (AccountId(id), at(7)), (AccountId(id), at(5))]);
        let questions = questions(wanted.collect(), 4);
        assert_eq!(questions.len(), 4);
        for (part, question) in &questions {
            assert!(question.accounts.iter().all(|asked| Partition::of(asked.account, 4) == *part));
        }
        let asked: Vec<_> = questions.values().flat_map(|question| &question.accounts).collect();
        assert_eq!(asked.len(), 100);
        assert!(asked.iter().all(|asked| asked.messages == [Position::new(7, 0), Position::new(5, 0)]));
    }

    #[test]
    fn answers_that_do_not_fit_their_question_are_left_out() {
        let message = || Some(MessageTurn { expected_at: None, held_by: Some("paused".to_owned()) });
        let next_send_at = Some(UnixMillis(5));
        let asked = |id| AskTurn { account: AccountId(id), messages: vec![Position::new(id as u64, 0)] };
        let ask = AskTurns { accounts: vec![asked(1), asked(2), asked(3)] };
        let turn = |id, messages| AccountTurn { account: AccountId(id), next_send_at, messages };
        let mut turns = Turns::default();
        turns.take(ask, vec![turn(1, vec![message()]), turn(9, vec![message()]), turn(3, vec![])]);
        assert_eq!(turns.of(AccountId(1), Position::new(1, 0)), message().as_ref());
        assert_eq!(turns.next_send_at(AccountId(1)), next_send_at);
        for id in [2, 3] {
            assert_eq!(
                (turns.of(AccountId(id), Position::new(id as u64, 0)), turns.next_send_at(AccountId(id))),
                (None, None)
            );
        }
    }
}
