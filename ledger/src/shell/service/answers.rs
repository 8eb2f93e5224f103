//! What each question gets.

use angelia_shared::event::{Event, MessageAccepted, lines};
use angelia_shared::ids::{MessageId, Position, WebhookId, WorkspaceId};
use angelia_shared::query::{
    AcceptedCall, AccountQueue, AskAccounts, AskActivations, AskActivationsBefore, AskCredits, AskCreditsThen,
    AskDigest, AskFindings, AskKey, AskMessage, AskMessages, AskPosition, AskProviderId, AskStatement, AskUnspent,
    CreditsThen, CreditsView, DigestView, FindingsView, MessageView, StatementLine, UnspentLane, UsedKey,
};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::super::store::{Overlay, StoreError};
use super::{AnswerError, Answered, Desk};
use crate::domain::digest::state_digest;
use crate::domain::projection::Projection;
use crate::domain::{answer, dead_lanes, keys, statement};

/// Lines or messages in one answer; callers page. The largest page of the API, and one more that tells of the next page.
const LIST_MAX: usize = 1_001;
/// Records of the log that one answer reads at once.
const LOG_READS_AT_ONCE: usize = 8;

pub(super) fn limit(asked: u32) -> usize {
    usize::try_from(asked).unwrap_or(LIST_MAX).clamp(1, LIST_MAX)
}

/// Drops the second half of a list that is too long.
pub(super) fn halve<T>(list: &mut Vec<T>) -> bool {
    let longer = list.len() > 1;
    list.truncate(list.len().div_ceil(2));
    longer
}

impl Desk {
    /// Reads the projection, with its position at that moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Projection<Overlay>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, u64), AnswerError> {
        let read = move |projection: &Projection<Overlay>| Ok((question(projection)?, projection.head.seq));
        Ok(self.live.ask(read).await?)
    }

    /// Reads an acceptance from the log, which alone has the sealed content.
    async fn acceptance(&self, at: Position) -> Result<MessageAccepted, AnswerError> {
        let record = self.log.past_record(at.seq).await.map_err(AnswerError::Log)?;
        let event = record.as_ref().and_then(|record| lines(&record.payload).nth(usize::from(at.line)));
        match event.map(Event::from_line) {
            Some(Ok(Event::MessageAccepted(fact))) => Ok(*fact),
            _ => Err(AnswerError::NotAnAcceptance(at.seq)),
        }
    }

    async fn calls(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        before: Option<Position>,
        asked: u32,
    ) -> Result<(Vec<AcceptedCall>, u64), AnswerError> {
        let read = move |projection: &Projection<Overlay>| {
            answer::accepted_calls(&projection.tables, workspace, webhook, before, limit(asked))
        };
        let (found, as_of_seq) = self.read(read).await?;
        let calls = futures_util::stream::iter(found).map(|(position, message)| async move {
            let sealed = self.acceptance(position).await?.sealed;
            Ok::<_, AnswerError>(AcceptedCall { position, at: message.accepted_at, message: message.id, sealed })
        });
        Ok((calls.buffered(LOG_READS_AT_ONCE).try_collect().await?, as_of_seq))
    }
}

impl Answered for AskPosition {
    async fn answer(self, desk: &Desk) -> Result<((), u64), AnswerError> {
        Ok(((), desk.live.position()))
    }
}

impl Answered for AskCredits {
    async fn answer(self, desk: &Desk) -> Result<(CreditsView, u64), AnswerError> {
        desk.read(move |projection| answer::credits(&projection.tables, self.workspace)).await
    }
}

impl Answered for AskCreditsThen {
    async fn answer(self, desk: &Desk) -> Result<(Option<CreditsThen>, u64), AnswerError> {
        let read = move |projection: &Projection<Overlay>| {
            let is_there = self.as_of <= projection.head.seq;
            is_there.then(|| statement::wallet_at(&projection.tables, self.workspace, self.as_of)).transpose()
        };
        desk.read(read).await
    }
}

impl Answered for AskFindings {
    async fn answer(self, desk: &Desk) -> Result<(FindingsView, u64), AnswerError> {
        desk.read(|projection| answer::findings(&projection.tables, &projection.head)).await
    }

    fn shorten(answer: &mut FindingsView) -> bool {
        halve(&mut answer.first)
    }
}

impl Answered for AskUnspent {
    async fn answer(self, desk: &Desk) -> Result<(Vec<UnspentLane>, u64), AnswerError> {
        // Before the rows: a process that joins in between is taken for missing, and the asker asks again.
        let alive = desk.members.read().alive().collect();
        desk.read(move |projection| dead_lanes::unspent(&projection.tables, self.workspace, &alive)).await
    }
}

impl Answered for AskStatement {
    async fn answer(self, desk: &Desk) -> Result<(Vec<StatementLine>, u64), AnswerError> {
        let wanted = statement::Wanted { from: self.from, to: self.to, after: self.after, limit: limit(self.limit) };
        desk.read(move |projection| statement::lines(&projection.tables, self.workspace, wanted)).await
    }

    fn shorten(answer: &mut Vec<StatementLine>) -> bool {
        halve(answer)
    }
}

impl Answered for AskMessage {
    async fn answer(self, desk: &Desk) -> Result<(Option<MessageView>, u64), AnswerError> {
        let read =
            move |projection: &Projection<Overlay>| answer::message(&projection.tables, self.workspace, self.message);
        let (found, as_of_seq) = desk.read(read).await?;
        let Some(mut view) = found else { return Ok((None, as_of_seq)) };
        view.sealed = Some(desk.acceptance(view.accepted).await?.sealed);
        Ok((Some(view), as_of_seq))
    }
}

impl Answered for AskMessages {
    async fn answer(self, desk: &Desk) -> Result<(Vec<MessageView>, u64), AnswerError> {
        let Self { workspace, state, account, before, limit: asked } = self;
        let wanted = answer::Wanted { workspace, state, account, before, limit: limit(asked) };
        desk.read(move |projection| answer::messages(&projection.tables, wanted)).await
    }

    fn shorten(answer: &mut Vec<MessageView>) -> bool {
        halve(answer)
    }
}

impl Answered for AskActivations {
    async fn answer(self, desk: &Desk) -> Result<(Vec<AcceptedCall>, u64), AnswerError> {
        desk.calls(self.workspace, self.webhook, None, self.limit).await
    }

    fn shorten(answer: &mut Vec<AcceptedCall>) -> bool {
        halve(answer)
    }
}

impl Answered for AskActivationsBefore {
    async fn answer(self, desk: &Desk) -> Result<(Vec<AcceptedCall>, u64), AnswerError> {
        desk.calls(self.workspace, self.webhook, Some(self.before), self.limit).await
    }

    fn shorten(answer: &mut Vec<AcceptedCall>) -> bool {
        halve(answer)
    }
}

impl Answered for AskAccounts {
    async fn answer(self, desk: &Desk) -> Result<(Vec<AccountQueue>, u64), AnswerError> {
        desk.read(move |projection| answer::accounts(&projection.tables, self.workspace)).await
    }
}

impl Answered for AskKey {
    async fn answer(self, desk: &Desk) -> Result<(Option<UsedKey>, u64), AnswerError> {
        desk.read(move |projection| keys::find(&projection.tables, self.bucket, &self.key)).await
    }
}

impl Answered for AskProviderId {
    async fn answer(self, desk: &Desk) -> Result<(Option<(MessageId, u8)>, u64), AnswerError> {
        desk.read(move |projection| keys::find_provided(&projection.tables, self.account, &self.provider_id)).await
    }
}

impl Answered for AskDigest {
    async fn answer(self, desk: &Desk) -> Result<(DigestView, u64), AnswerError> {
        let read = |projection: &Projection<Overlay>| {
            let state = state_digest(&projection.tables, &projection.head)?;
            let contradictions = projection.head.counts.contradictions;
            Ok(DigestView { log: projection.head.log_digest, state, contradictions })
        };
        desk.read(read).await
    }
}
